//! Changes of telemetry on its way, spliced into the encoded request: what an edit does not touch stays the same bytes.
//!
//! Owns: what `resource`, `attributes`, `redaction`, `probabilistic_sampler`, `transform` and `filter` do.
//! Takes: encoded export requests of all signals, and where they come from.
//! Gives: the same request when nothing changes; otherwise one whose entries on the path of a change are rebuilt.
//! Bounds: a request grows by what the configuration adds to each resource and item.
//! Loses: what an editor drops, counted by the caller; entries that became empty by that go with it.

mod actions;
mod asked;
mod attributes;
mod attributes_editor;
mod condition;
mod config;
mod expression;
mod message;
mod points;
mod redaction;
mod resource;
mod sampler;
mod script;
mod splice;
mod text;
mod value;
mod walk;

pub use actions::{Action, Actions, Change, Source};
pub use asked::Asked;
pub use attributes_editor::AttributesEditor;
pub use condition::{Condition, Library, Match, Matching, SeverityBound};
pub use config::{Config, PerSignal};
pub use expression::{Expression, ExpressionError};
pub use message::Message;
pub use redaction::{Hashing, Language, Redaction, Redactor, Sanitizers, Summary};
pub use resource::ResourceEditor;
pub use sampler::{Counts, Mode, Sampler, Sampling};
pub use script::{Compiled, ErrorMode, Filter, FilterEditor, Group, TransformEditor};
pub use text::as_text;
pub use value::{Value, write_field};
pub use walk::{Around, Edited, Editor, Failure, Fate, Parents, Walker};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
