//! What a processor that edits was told.

use super::actions::Actions;
use super::attributes_editor::AttributesEditor;
use super::condition::Condition;
use super::redaction::{Redaction, Redactor};
use super::resource::ResourceEditor;
use super::sampler::{Sampler, Sampling};
use super::script::{Filter, FilterEditor, Group, TransformEditor};
use super::walk::Editor;
use crate::outcome::{Reason, Signal};

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
    /// `transform`.
    Transform(Box<PerSignal<Vec<Group>>>),
    /// `filter`.
    Filter(Box<PerSignal<Filter>>),
    /// `probabilistic_sampler`.
    Sampler(Sampling),
}

/// What `transform` or `filter` does, signal by signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerSignal<T> {
    /// For traces.
    pub traces: T,
    /// For metrics.
    pub metrics: T,
    /// For logs.
    pub logs: T,
}

impl<T> PerSignal<T> {
    /// For one of them.
    pub fn of(&self, signal: Signal) -> &T {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }
}

impl Config {
    /// Editors that do this, one after the other. Each worker that edits at the same time as another has its own.
    pub fn editors(&self, signal: Signal) -> Vec<Box<dyn Editor>> {
        let editor: Box<dyn Editor> = match self {
            Self::Resource(actions) => Box::new(ResourceEditor::new(actions.clone())),
            Self::Redaction(redaction) => Box::new(Redactor::new((**redaction).clone())),
            Self::Sampler(sampling) => Box::new(Sampler::new(sampling.clone())),
            Self::Attributes { actions, include, exclude } => {
                let condition = |one: &Option<Box<Condition>>| one.as_deref().cloned();
                Box::new(AttributesEditor::new(actions.clone(), condition(include), condition(exclude)))
            }
            Self::Transform(groups) => {
                let editor =
                    |group: &Group| -> Box<dyn Editor> { Box::new(TransformEditor::new(group.clone())) };
                return groups.of(signal).iter().map(editor).collect();
            }
            Self::Filter(filters) => match filters.of(signal) {
                filter if *filter == Filter::default() => return Vec::new(),
                filter => Box::new(FilterEditor::new(filter.clone())),
            },
        };
        vec![editor]
    }

    /// Why items are dropped, if any are.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Sampler(_) => Reason::SampledOut,
            _ => Reason::Filtered,
        }
    }
}
