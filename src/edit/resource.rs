//! `resource`: actions on the attributes of resources.

use std::sync::Arc;

use super::actions::Actions;
use super::attributes::Attributes;
use super::message::Message;
use super::walk::{Around, Editor, Failure, Fate};
use crate::origin::Origin;
use crate::wire::otlp;

/// Changes the attributes of each resource.
#[derive(Debug)]
pub struct ResourceEditor {
    actions: Arc<Actions>,
    origin: Option<Arc<Origin>>,
    list: Attributes,
    out: Vec<u8>,
}

impl ResourceEditor {
    /// With these actions.
    pub fn new(actions: Actions) -> Self {
        Self { actions: Arc::new(actions), origin: None, list: Attributes::default(), out: Vec::new() }
    }
}

impl Editor for ResourceEditor {
    fn looks_inside(&self) -> bool {
        false
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.origin = around.origin.cloned();
    }

    fn resource(&mut self, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        self.list.load(resource.bytes(), otlp::RESOURCE_ATTRIBUTES)?;
        self.actions.apply(resource.bytes(), &mut self.list, self.origin.as_deref())?;
        self.list.store(resource, &mut self.out);
        Ok(Fate::Keep)
    }
}
