//! `redaction`: which attributes may pass, and what is masked in the values of those that do.

mod body;
mod db;
mod rules;
mod sanitize;
mod url;

use std::sync::Arc;

use super::attributes::Attributes;
use super::condition::text;
use super::message::Message;
use super::value::write_field;
use super::walk::{Around, Editor, Failure, Fate, Parents};
use crate::outcome::Signal;
use crate::wire::{Fields, Malformed, otlp};

pub use db::Language;
pub use rules::{Hashing, Redaction, Summary};
pub use sanitize::Sanitizers;

/// Redacts attributes of resources, scopes, spans, events, log records and data points,
/// bodies of log records, names of spans.
#[derive(Debug)]
pub struct Redactor {
    redaction: Arc<Redaction>,
    signal: Signal,
    list: Attributes,
    out: Vec<u8>,
    event: Vec<u8>,
}

impl Redactor {
    /// With these rules.
    pub fn new(redaction: Redaction) -> Self {
        let (list, out, event) = (Attributes::default(), Vec::new(), Vec::new());
        Self { redaction: Arc::new(redaction), signal: Signal::Traces, list, out, event }
    }

    fn attributes(&mut self, message: &mut Message<'_>, field: u32) -> Result<(), Malformed> {
        self.list.load(message.bytes(), field)?;
        self.redaction.apply(self.signal, message.bytes(), &mut self.list)?;
        self.list.store(message, &mut self.out);
        Ok(())
    }

    fn events(&mut self, span: &mut Message<'_>) -> Result<(), Malformed> {
        let bytes = span.bytes();
        self.out.clear();
        let mut copied = 0;
        for field in Fields::new(bytes) {
            let field = field?;
            if field.number != otlp::SPAN_EVENTS {
                continue;
            }
            let event = &bytes[field.bytes()?];
            self.list.load(event, otlp::EVENT_ATTRIBUTES)?;
            self.redaction.apply(self.signal, event, &mut self.list)?;
            if self.list.is_changed() {
                self.event.clear();
                self.list.write(event, &mut self.event);
                self.out.extend_from_slice(&bytes[copied..field.whole.start]);
                write_field(otlp::SPAN_EVENTS, &self.event, &mut self.out);
                copied = field.whole.end;
            }
        }
        if copied > 0 {
            self.out.extend_from_slice(&bytes[copied..]);
            span.replace(&mut self.out);
        }
        Ok(())
    }

    /// Attributes first: what is done with the body is summed up among them.
    fn record(&mut self, record: &mut Message<'_>) -> Result<(), Malformed> {
        self.attributes(record, otlp::LOG_ATTRIBUTES)?;
        let bytes = record.bytes();
        let Some(redacted) = body::redact(&self.redaction, bytes)? else { return Ok(()) };
        self.list.load(bytes, otlp::LOG_ATTRIBUTES)?;
        redacted.found.sum_up(&self.redaction, bytes, &mut self.list, true)?;
        self.list.store(record, &mut self.out);
        let Some(body) = redacted.body else { return Ok(()) };
        self.put(record, otlp::LOG_BODY, &body)
    }

    /// After its attributes: what is left of them says what kind of name it is.
    fn name(&mut self, span: &mut Message<'_>) -> Result<(), Malformed> {
        let bytes = span.bytes();
        let redaction = &self.redaction;
        if !redaction.sanitizers.rename_spans() || redaction.allows(text(bytes, otlp::SPAN_NAME)?) {
            return Ok(());
        }
        self.list.load(bytes, otlp::SPAN_ATTRIBUTES)?;
        match redaction.sanitizers.name(bytes, &self.list)? {
            Some(name) => self.put(span, otlp::SPAN_NAME, &name),
            None => Ok(()),
        }
    }

    /// Puts this in the place of a field.
    fn put(&mut self, message: &mut Message<'_>, number: u32, value: &[u8]) -> Result<(), Malformed> {
        let bytes = message.bytes();
        self.out.clear();
        for field in Fields::new(bytes) {
            let field = field?;
            if field.number != number {
                self.out.extend_from_slice(&bytes[field.whole]);
            }
        }
        write_field(number, value, &mut self.out);
        message.replace(&mut self.out);
        Ok(())
    }
}

impl Editor for Redactor {
    fn looks_at_points(&self) -> bool {
        true
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.signal = around.signal;
    }

    fn resource(&mut self, resource: &mut Message<'_>) -> Result<Fate, Failure> {
        self.attributes(resource, otlp::RESOURCE_ATTRIBUTES)?;
        Ok(Fate::Keep)
    }

    fn scope(&mut self, scope: &mut Message<'_>, _resource: &mut Message<'_>) -> Result<Fate, Failure> {
        self.attributes(scope, otlp::SCOPE_ATTRIBUTES)?;
        Ok(Fate::Keep)
    }

    fn item(&mut self, item: &mut Message<'_>, _: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        match self.signal {
            Signal::Traces => {
                self.attributes(item, otlp::SPAN_ATTRIBUTES)?;
                self.events(item)?;
                self.name(item)?;
            }
            Signal::Logs => self.record(item)?,
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
        self.attributes(point, otlp::point_attributes(kind))?;
        Ok(Fate::Keep)
    }
}

#[cfg(test)]
mod sanitized;
#[cfg(test)]
mod tests;
