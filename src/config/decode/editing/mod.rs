//! Processors that change what passes.

mod actions;
mod any;
mod condition;
mod filter;
mod redaction;
mod sampler;
mod script;
mod transform;

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
        "transform" => Some(Config::Transform(Box::new(transform::transform(section)))),
        "filter" => Some(Config::Filter(Box::new(filter::filter(section)))),
        "probabilistic_sampler" => Some(Config::Sampler(sampler::sampling(section))),
        _ => None,
    }
}
