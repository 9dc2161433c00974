//! Processors that change what passes.

mod actions;
mod any;
mod condition;
mod redaction;
mod sampler;

use super::Section;
use crate::edit::Config;
use crate::outcome::Signal;

/// Reads a processor of this type; `signals` are those of the pipelines that use it.
pub(super) fn processor(kind: &str, section: &mut Section<'_>, signals: &[Signal]) -> Option<Config> {
    match kind {
        "resource" => Some(Config::Resource(actions::actions(section, "attributes"))),
        "attributes" => Some(Config::Attributes {
            include: condition::condition(section, "include", signals).map(Box::new),
            exclude: condition::condition(section, "exclude", signals).map(Box::new),
            actions: actions::actions(section, "actions"),
        }),
        "redaction" => Some(Config::Redaction(Box::new(redaction::redaction(section)))),
        "probabilistic_sampler" => Some(Config::Sampler(sampler::sampling(section))),
        _ => None,
    }
}
