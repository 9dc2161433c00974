//! `attributes`: actions on the attributes of spans, log records and data points.

use std::sync::Arc;

use super::actions::Actions;
use super::asked::Answers;
use super::attributes::Attributes;
use super::condition::Condition;
use super::message::Message;
use super::walk::{Around, Editor, Failure, Fate, Parents};
use crate::outcome::Signal;
use crate::wire::{Malformed, otlp};

/// Changes the attributes of the items that `include` and `exclude` leave.
#[derive(Debug)]
pub struct AttributesEditor {
    plan: Arc<Plan>,
    signal: Signal,
    answers: Answers,
    around: [bool; 2], // whether resource and scope fit `include`, then `exclude`
    resource: [bool; 2],
    skipped: bool, // the metric at hand
    list: Attributes,
    out: Vec<u8>,
}

#[derive(Debug)]
struct Plan {
    actions: Actions,
    conditions: [Option<Condition>; 2],
}

impl AttributesEditor {
    /// With these actions, for items that fit `include` and do not fit `exclude`.
    pub fn new(actions: Actions, include: Option<Condition>, exclude: Option<Condition>) -> Self {
        Self {
            plan: Arc::new(Plan { actions, conditions: [include, exclude] }),
            signal: Signal::Traces,
            answers: Answers::default(),
            around: [true; 2],
            resource: [true; 2],
            skipped: false,
            list: Attributes::default(),
            out: Vec::new(),
        }
    }

    fn judge(
        &self,
        before: [bool; 2],
        fits: impl Fn(&Condition) -> Result<bool, Malformed>,
    ) -> Result<[bool; 2], Malformed> {
        let mut after = before;
        for (after, condition) in after.iter_mut().zip(&self.plan.conditions) {
            if let (true, Some(condition)) = (*after, condition) {
                *after = fits(condition)?;
            }
        }
        Ok(after)
    }

    fn skips(&self, item: &[u8]) -> Result<bool, Malformed> {
        let [include, exclude] = self.judge(self.around, |one| one.fits_item(self.signal, item))?;
        let excludes = self.plan.conditions[1].as_ref().is_some_and(|one| one.asks_of_items(self.signal));
        Ok(!include || (excludes && exclude))
    }

    fn change(&mut self, message: &mut Message<'_>, field: u32) -> Result<(), Malformed> {
        self.list.load(message.bytes(), field)?;
        self.plan.actions.apply(message.bytes(), &mut self.list, &self.answers)?;
        self.list.store(message, &mut self.out);
        Ok(())
    }
}

impl Editor for AttributesEditor {
    fn looks_at_points(&self) -> bool {
        true
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.signal = around.signal;
        self.answers.ask(&self.plan.actions, around.origin.map(Arc::as_ref));
    }

    fn resource(&mut self, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        self.resource = self.judge([true; 2], |one| one.fits_resource(self.signal, resource))?;
        Ok(Fate::Keep)
    }

    fn scope(&mut self, scope: &mut Message<'_>, _resource: &mut Message<'_>) -> Result<Fate, Failure> {
        self.around = self.judge(self.resource, |one| one.fits_scope(self.signal, scope))?;
        Ok(Fate::Keep)
    }

    fn item(&mut self, item: &mut Message<'_>, _: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        self.skipped = self.skips(item.bytes())?;
        match self.signal {
            _ if self.skipped => {}
            Signal::Traces => self.change(item, otlp::SPAN_ATTRIBUTES)?,
            Signal::Logs => self.change(item, otlp::LOG_ATTRIBUTES)?,
            Signal::Metrics => {}
        }
        Ok(Fate::Keep)
    }

    fn point(
        &mut self,
        point: &mut Message<'_>,
        _metric: &mut Message<'_>,
        kind: u32,
        _: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        if !self.skipped {
            self.change(point, otlp::point_attributes(kind))?;
        }
        Ok(Fate::Keep)
    }
}
