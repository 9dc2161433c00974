//! What a processor that edits was told.

use super::actions::Actions;
use super::attributes_editor::AttributesEditor;
use super::condition::Condition;
use super::redaction::{Redaction, Redactor};
use super::resource::ResourceEditor;
use super::sampler::{Sampler, Sampling};
use super::walk::Editor;
use crate::outcome::Reason;

/// One processor's settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// `resource`.
    Resource(Actions),
    /// `attributes`.
    Attributes {
        /// `actions`.
        actions: Actions,
        /// `include`: only items that fit.
        include: Option<Box<Condition>>,
        /// `exclude`: no items that fit.
        exclude: Option<Box<Condition>>,
    },
    /// `redaction`.
    Redaction(Box<Redaction>),
    /// `probabilistic_sampler`.
    Sampler(Sampling),
}

impl Config {
    /// An editor that does this. Each worker that edits at the same time as another has one of its own.
    pub fn editor(&self) -> Box<dyn Editor> {
        match self {
            Self::Resource(actions) => Box::new(ResourceEditor::new(actions.clone())),
            Self::Redaction(redaction) => Box::new(Redactor::new((**redaction).clone())),
            Self::Sampler(sampling) => Box::new(Sampler::new(sampling.clone())),
            Self::Attributes { actions, include, exclude } => {
                let condition = |one: &Option<Box<Condition>>| one.as_deref().cloned();
                Box::new(AttributesEditor::new(actions.clone(), condition(include), condition(exclude)))
            }
        }
    }

    /// Why items are dropped, if any are.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Resource(_) | Self::Attributes { .. } | Self::Redaction(_) => Reason::Filtered,
            Self::Sampler(_) => Reason::SampledOut,
        }
    }
}
