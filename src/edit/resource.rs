//! `resource`: actions on the attributes of resources.

use std::sync::Arc;

use super::actions::Actions;
use super::asked::Answers;
use super::attributes::Attributes;
use super::message::Message;
use super::walk::{Around, Editor, Failure, Fate};
use crate::wire::otlp;

/// Changes the attributes of each resource.
#[derive(Debug)]
pub struct ResourceEditor {
    actions: Arc<Actions>,
    answers: Answers,
    list: Attributes,
    out: Vec<u8>,
}

impl ResourceEditor {
    /// With these actions.
    pub fn new(actions: Actions) -> Self {
        Self {
            actions: Arc::new(actions),
            answers: Answers::default(),
            list: Attributes::default(),
            out: Vec::new(),
        }
    }
}

impl Editor for ResourceEditor {
    fn looks_inside(&self) -> bool {
        false
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.answers.ask(&self.actions, around.origin.map(Arc::as_ref));
    }

    fn resource(&mut self, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        self.list.load(resource.bytes(), otlp::RESOURCE_ATTRIBUTES)?;
        self.actions.apply(resource.bytes(), &mut self.list, &self.answers)?;
        self.list.store(resource, &mut self.out);
        Ok(Fate::Keep)
    }
}
