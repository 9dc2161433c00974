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
use crate::semconv::Names;

/// Reads a processor of this type; `signals` are those of the pipelines that use it.
pub(super) fn processor(kind: &str, section: &mut Section<'_>, signals: &[Signal]) -> Option<Config> {
    match kind {
        "resource" => {
            let names = names(section);
            Some(Config::Resource(actions::actions(section, "attributes", names)))
        }
        "attributes" => {
            let names = names(section);
            let mut condition = |key| condition::condition(section, key, signals, names).map(Box::new);
            let (include, exclude) = (condition("include"), condition("exclude"));
            Some(Config::Attributes {
                include,
                exclude,
                actions: actions::actions(section, "actions", names),
            })
        }
        "redaction" => Some(Config::Redaction(Box::new(redaction::redaction(section)))),
        "transform" => Some(Config::Transform(Box::new(transform::transform(section)))),
        "filter" => Some(Config::Filter(Box::new(filter::filter(section)))),
        "probabilistic_sampler" => Some(Config::Sampler(sampler::sampling(section))),
        _ => None,
    }
}

/// `semconv`.
fn names(section: &mut Section<'_>) -> Names {
    Names::of(section.get("semconv", false))
}
