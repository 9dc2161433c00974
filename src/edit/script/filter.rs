//! `filter`: conditions on what is left out.

use std::sync::Arc;

use super::events::each_event;
use super::{Compiled, ErrorMode, Messages, Run, item_context, show};
use crate::edit::condition;
use crate::edit::message::Message;
use crate::edit::walk::{Around, Editor, Failure, Fate, Parents};
use crate::ottl::{self, Context, Memory, Target};
use crate::outcome::Signal;

/// What is left out of one signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Each with what it is asked of, and what follows when that cannot be evaluated.
    pub conditions: Vec<(Context, Compiled<ottl::Condition>, ErrorMode)>,
    /// `include`, as filters had it before OTTL: what does not fit goes.
    pub include: Option<condition::Condition>,
    /// `exclude`, likewise: what fits goes.
    pub exclude: Option<condition::Condition>,
}

/// Leaves out what meets a condition.
#[derive(Debug)]
pub struct FilterEditor {
    filter: Arc<Filter>,
    memory: Memory,
    run: Run,
    resource: [bool; 2], // whether resource and scope fit `include` and `exclude`
    around: [bool; 2],
}

impl FilterEditor {
    /// With these conditions.
    pub fn new(filter: Filter) -> Self {
        let reads_headers = filter.conditions.iter().any(|(_, one, _)| one.code.reads_metadata());
        let (memory, run) = (Memory::default(), Run::new(reads_headers));
        Self { filter: Arc::new(filter), memory, run, resource: [true; 2], around: [true; 2] }
    }

    fn asks(&self, context: Context) -> bool {
        self.filter.conditions.iter().any(|(of, ..)| *of == context)
    }

    /// Whether any condition on items of this context holds.
    fn drops(
        &mut self,
        context: Context,
        messages: Messages<'_, '_>,
        prepare: impl FnOnce(&mut Target<'_>),
    ) -> Result<bool, Failure> {
        if !self.asks(context) {
            return Ok(false);
        }
        let (filter, run) = (&self.filter, &mut self.run);
        show(&mut self.memory, messages, &mut Vec::new(), |target| {
            prepare(target);
            for (_, condition, mode) in filter.conditions.iter().filter(|(of, ..)| *of == context) {
                let result = run.with(|env| condition.code.matches(target, env));
                if run.settle(result, *mode, &condition.text)? == Some(true) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    fn fits(
        &self,
        before: [bool; 2],
        fits: impl Fn(&condition::Condition) -> Result<bool, crate::wire::Malformed>,
    ) -> Result<[bool; 2], Failure> {
        let mut after = before;
        for (after, one) in after.iter_mut().zip([&self.filter.include, &self.filter.exclude]) {
            if let (true, Some(one)) = (*after, one) {
                *after = fits(one)?;
            }
        }
        Ok(after)
    }
}

impl Editor for FilterEditor {
    fn looks_inside(&self) -> bool {
        let only_resources = self.filter.conditions.iter().all(|(of, ..)| *of == Context::Resource);
        !only_resources || self.filter.include.is_some() || self.filter.exclude.is_some()
    }

    fn looks_at_points(&self) -> bool {
        self.asks(Context::DataPoint)
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.run.begin(around);
    }

    fn resource(&mut self, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        let signal = self.run.signal;
        if signal == Signal::Metrics {
            // Of metrics, resources are left out by themselves.
            let [include, exclude] = self.fits([true; 2], |one| one.fits_attributes_of(resource))?;
            let excludes = self.filter.exclude.as_ref().is_some_and(|one| !one.resources.is_empty());
            if !include || (excludes && exclude) {
                return Ok(Fate::Drop);
            }
        }
        self.resource = self.fits([true; 2], |one| one.fits_resource(signal, resource))?;
        let dropped = self.drops(Context::Resource, &mut [(Context::Resource, resource)], |_| {})?;
        Ok(if dropped { Fate::Drop } else { Fate::Keep })
    }

    fn scope(&mut self, scope: &mut Message<'_>, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        let signal = self.run.signal;
        self.around = self.fits(self.resource, |one| one.fits_scope(signal, scope))?;
        let messages: Messages<'_, '_> = &mut [(Context::Resource, resource), (Context::Scope, scope)];
        let dropped = self.drops(Context::Scope, messages, |_| {})?;
        Ok(if dropped { Fate::Drop } else { Fate::Keep })
    }

    fn item(&mut self, item: &mut Message<'_>, parents: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        let signal = self.run.signal;
        let [include, exclude] = self.fits(self.around, |one| one.fits_item(signal, item.bytes()))?;
        let excludes = self.filter.exclude.as_ref().is_some_and(|one| one.asks_of_items(signal));
        if !include || (excludes && exclude) {
            return Ok(Fate::Drop);
        }
        let context = item_context(signal);
        let (resource, scope) = (&mut *parents.resource, &mut *parents.scope);
        let messages: Messages<'_, '_> =
            &mut [(Context::Resource, resource), (Context::Scope, scope), (context, &mut *item)];
        if self.drops(context, messages, |_| {})? {
            return Ok(Fate::Drop);
        }
        if self.asks(Context::SpanEvent) {
            each_event(item, |event, index, span| {
                let (resource, scope) = (&mut *parents.resource, &mut *parents.scope);
                let messages: Messages<'_, '_> = &mut [
                    (Context::Resource, resource),
                    (Context::Scope, scope),
                    (Context::Span, span),
                    (Context::SpanEvent, event),
                ];
                let dropped =
                    self.drops(Context::SpanEvent, messages, |target| target.set_event_index(index))?;
                Ok(if dropped { Fate::Drop } else { Fate::Keep })
            })?;
        }
        Ok(Fate::Keep)
    }

    fn point(
        &mut self,
        point: &mut Message<'_>,
        metric: &mut Message<'_>,
        kind: u32,
        parents: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        let (resource, scope) = (&mut *parents.resource, &mut *parents.scope);
        let messages: Messages<'_, '_> = &mut [
            (Context::Resource, resource),
            (Context::Scope, scope),
            (Context::Metric, metric),
            (Context::DataPoint, point),
        ];
        let dropped = self.drops(Context::DataPoint, messages, |target| target.set_data(kind))?;
        Ok(if dropped { Fate::Drop } else { Fate::Keep })
    }

    fn take_errors(&mut self) -> Option<(String, u64)> {
        self.run.take_errors()
    }
}
