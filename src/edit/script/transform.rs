//! `transform`: statements that change what they run on.

use std::sync::Arc;

use super::events::{each_event, each_exemplar};
use super::{Compiled, ErrorMode, Messages, Run, item_context, show};
use crate::edit::message::Message;
use crate::edit::walk::{Around, Editor, Failure, Fate, Parents};
use crate::ottl::{Condition, Context, Memory, Statement, Target};

/// Statements that run together on each item of their context.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they run on.
    pub context: Context,
    /// They run only where one of these holds; always when there are none.
    pub conditions: Vec<Compiled<Condition>>,
    /// In order.
    pub statements: Vec<Compiled<Statement>>,
    /// `error_mode`.
    pub error_mode: ErrorMode,
}

/// Runs one group.
#[derive(Debug)]
pub struct TransformEditor {
    group: Arc<Group>,
    memory: Memory,
    run: Run,
}

impl TransformEditor {
    /// With these statements.
    pub fn new(group: Group) -> Self {
        Self { group: Arc::new(group), memory: Memory::default(), run: Run::default() }
    }

    fn run(
        &mut self,
        messages: Messages<'_, '_>,
        index: usize,
        made: &mut Vec<Vec<u8>>,
    ) -> Result<(), Failure> {
        let (group, run) = (&self.group, &mut self.run);
        show(&mut self.memory, messages, made, |target| {
            target.set_event_index(index);
            group.run(target, run)
        })
    }
}

impl Group {
    fn run(&self, target: &mut Target<'_>, run: &mut Run) -> Result<(), Failure> {
        let mut holds = self.conditions.is_empty();
        for condition in &self.conditions {
            let result = run.with(|env| condition.code.matches(target, env));
            if run.settle(result, self.error_mode, &condition.text)? == Some(true) {
                holds = true;
                break;
            }
        }
        for statement in self.statements.iter().filter(|_| holds) {
            let result = run.with(|env| statement.code.run(target, env));
            run.settle(result, self.error_mode, &statement.text)?;
        }
        Ok(())
    }
}

impl Editor for TransformEditor {
    fn looks_inside(&self) -> bool {
        self.group.context != Context::Resource
    }

    fn looks_at_points(&self) -> bool {
        matches!(self.group.context, Context::DataPoint | Context::Exemplar)
    }

    fn edits_metrics_of_points(&self) -> bool {
        self.group.statements.iter().any(|statement| statement.code.writes(Context::Metric))
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.run.begin(around);
    }

    fn resource(&mut self, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        if self.group.context == Context::Resource {
            self.run(&mut [(Context::Resource, resource)], 0, &mut Vec::new())?;
        }
        Ok(Fate::Keep)
    }

    fn scope(&mut self, scope: &mut Message<'_>, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        if self.group.context == Context::Scope {
            let messages: Messages<'_, '_> = &mut [(Context::Resource, resource), (Context::Scope, scope)];
            self.run(messages, 0, &mut Vec::new())?;
        }
        Ok(Fate::Keep)
    }

    fn item(&mut self, item: &mut Message<'_>, parents: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        let context = item_context(self.run.signal);
        if self.group.context == context {
            let (resource, scope) = (&mut *parents.resource, &mut *parents.scope);
            let messages: Messages<'_, '_> =
                &mut [(Context::Resource, resource), (Context::Scope, scope), (context, item)];
            self.run(messages, 0, parents.made)?;
        } else if self.group.context == Context::SpanEvent {
            each_event(item, |event, index, span| {
                let (resource, scope) = (&mut *parents.resource, &mut *parents.scope);
                let messages: Messages<'_, '_> = &mut [
                    (Context::Resource, resource),
                    (Context::Scope, scope),
                    (Context::Span, span),
                    (Context::SpanEvent, event),
                ];
                self.run(messages, index, parents.made)?;
                Ok(Fate::Keep)
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
        let (group, run, memory) = (&self.group, &mut self.run, &mut self.memory);
        let (resource, scope) = (&mut *parents.resource, &mut *parents.scope);
        let mut run_on = |messages: Messages<'_, '_>, made: &mut Vec<Vec<u8>>| {
            show(memory, messages, made, |target| {
                target.set_data(kind);
                group.run(target, run)
            })
        };
        if group.context == Context::DataPoint {
            let messages: Messages<'_, '_> = &mut [
                (Context::Resource, resource),
                (Context::Scope, scope),
                (Context::Metric, metric),
                (Context::DataPoint, point),
            ];
            run_on(messages, parents.made)?;
            return Ok(Fate::Keep);
        }
        each_exemplar(point, kind, |exemplar, _, point| {
            let messages: Messages<'_, '_> = &mut [
                (Context::Resource, &mut *resource),
                (Context::Scope, &mut *scope),
                (Context::Metric, &mut *metric),
                (Context::DataPoint, point),
                (Context::Exemplar, exemplar),
            ];
            run_on(messages, parents.made)?;
            Ok(Fate::Keep)
        })?;
        Ok(Fate::Keep)
    }

    fn take_errors(&mut self) -> Option<(String, u64)> {
        self.run.take_errors()
    }
}
