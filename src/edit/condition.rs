//! `include` and `exclude`: which spans, log records and metrics a processor is about.

use regex::bytes::RegexSet;

use super::expression::Expression;
use super::message::Message;
use super::text::{as_text, elements, read_pair};
use super::value::Value;
use crate::outcome::Signal;
use crate::pattern;
use crate::semconv::Names;
use crate::wire::json::DEPTH_MAX;
use crate::wire::{Fields, Malformed, Payload, otlp};

/// Properties that all have to fit; of each list one entry has to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// `service.name` of the resource.
    pub services: Option<Matching>,
    /// Names of spans.
    pub span_names: Option<Matching>,
    /// Kinds of spans, such as `SPAN_KIND_SERVER`.
    pub span_kinds: Option<Matching>,
    /// Bodies of log records, as text.
    pub log_bodies: Option<Matching>,
    /// Severity texts of log records.
    pub log_severity_texts: Option<Matching>,
    /// Severity numbers of log records.
    pub log_severity_number: Option<SeverityBound>,
    /// Names of metrics; of metrics the Collector looks at nothing else.
    pub metric_names: Option<Matching>,
    /// Expressions on metrics; one has to hold for a data point.
    pub expressions: Vec<Expression>,
    /// Attributes of the item; all of them.
    pub attributes: Vec<(String, Match)>,
    /// Attributes of the resource; all of them.
    pub resources: Vec<(String, Match)>,
    /// Instrumentation scopes; all of them, as in the Collector.
    pub libraries: Vec<Library>,
    /// `semconv`: which attributes the keys mean.
    pub names: Names,
}

/// An instrumentation scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Library {
    /// Its name.
    pub name: Matching,
    /// Its version; any when not given.
    pub version: Option<Matching>,
}

/// A least severity of log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeverityBound {
    /// The least.
    pub min: i64,
    /// Whether records without a severity fit.
    pub match_undefined: bool,
}

/// What an attribute has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// Present.
    Any,
    /// This very value, encoded.
    Exactly(Vec<u8>),
    /// One whose text fits.
    Text(Matching),
}

/// A list of texts of which one has to fit.
#[derive(Clone, Debug)]
pub enum Matching {
    /// The same text.
    Strict(Vec<String>),
    /// Patterns, found anywhere.
    Patterns(RegexSet),
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Strict(a), Self::Strict(b)) => a == b,
            (Self::Patterns(a), Self::Patterns(b)) => a.patterns() == b.patterns(),
            _ => false,
        }
    }
}

impl Matching {
    /// A list of patterns in Go's syntax. The error is the Collector's text.
    pub fn patterns(patterns: &[String]) -> Result<Self, String> {
        pattern::compile_any(patterns).map(Self::Patterns)
    }

    fn fits(&self, text: &[u8]) -> bool {
        match self {
            Self::Strict(known) => known.iter().any(|known| known.as_bytes() == text),
            Self::Patterns(patterns) => patterns.is_match(text),
        }
    }
}

fn fits(
    wanted: &Option<Matching>,
    text: impl FnOnce() -> Result<Vec<u8>, Malformed>,
) -> Result<bool, Malformed> {
    wanted.as_ref().map_or(Ok(true), |wanted| Ok(wanted.fits(&text()?)))
}

impl Match {
    fn fits(&self, encoded: &[u8]) -> Result<bool, Malformed> {
        Ok(match self {
            Self::Any => true,
            Self::Exactly(wanted) => same(Value::read(wanted)?, Value::read(encoded)?, 0)?,
            Self::Text(wanted) => match Value::read(encoded)? {
                Value::Empty | Value::List(_) | Value::Map(_) | Value::Bytes(_) => false,
                Value::Double(value) => wanted.fits(plain(value).as_bytes()),
                value => wanted.fits(&as_text(value)?),
            },
        })
    }
}

/// A number without an exponent, as conditions see it.
fn plain(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// Whether two values are the same, however they are encoded; the pairs of a map are in no order.
fn same(a: Value<'_>, b: Value<'_>, depth: usize) -> Result<bool, Malformed> {
    if depth > DEPTH_MAX {
        return Ok(false);
    }
    let pairs = |map| {
        let mut pairs = elements(map).map(|pair| read_pair(pair?)).collect::<Result<Vec<_>, _>>()?;
        pairs.sort_by_key(|(key, _)| *key);
        Ok(pairs)
    };
    Ok(match (a, b) {
        (Value::List(a), Value::List(b)) => {
            let (mut a, mut b) = (elements(a), elements(b));
            loop {
                match (a.next().transpose()?, b.next().transpose()?) {
                    (Some(a), Some(b)) if same(Value::read(a)?, Value::read(b)?, depth + 1)? => {}
                    (a, b) => return Ok(a.is_none() && b.is_none()),
                }
            }
        }
        (Value::Map(a), Value::Map(b)) => {
            let (a, b): (Vec<_>, Vec<_>) = (pairs(a)?, pairs(b)?);
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key, a), (other, b)) in a.into_iter().zip(b) {
                if key != other || !same(a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (a, b) => a == b,
    })
}

impl Condition {
    /// The part that concerns the resource.
    pub(super) fn fits_resource(&self, signal: Signal, resource: &Message<'_>) -> Result<bool, Malformed> {
        if signal == Signal::Metrics {
            return Ok(true);
        }
        let bytes = resource.bytes();
        let service = || match find(bytes, otlp::RESOURCE_ATTRIBUTES, b"service.name")? {
            Some(value) => Ok(as_text(Value::read(value)?)?.into_owned()),
            None => Ok(b"<nil-service-name>".to_vec()),
        };
        Ok(fits(&self.services, service)?
            && self.all_fit(&self.resources, bytes, otlp::RESOURCE_ATTRIBUTES)?)
    }

    /// Whether the resource has the attributes, whatever the signal.
    pub(super) fn fits_attributes_of(&self, resource: &Message<'_>) -> Result<bool, Malformed> {
        self.all_fit(&self.resources, resource.bytes(), otlp::RESOURCE_ATTRIBUTES)
    }

    /// Whether it asks anything of items, here or of what is around them; resources of metrics count by themselves.
    pub(super) fn asks_of_items(&self, signal: Signal) -> bool {
        signal != Signal::Metrics || self.metric_names.is_some() || !self.expressions.is_empty()
    }

    /// The part that concerns the scope.
    pub(super) fn fits_scope(&self, signal: Signal, scope: &Message<'_>) -> Result<bool, Malformed> {
        if signal == Signal::Metrics {
            return Ok(true);
        }
        for library in &self.libraries {
            if !library.name.fits(text(scope.bytes(), otlp::SCOPE_NAME)?)
                || !fits(&library.version, || text(scope.bytes(), otlp::SCOPE_VERSION).map(<[u8]>::to_vec))?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The part that concerns the item itself.
    pub(super) fn fits_item(&self, signal: Signal, item: &[u8]) -> Result<bool, Malformed> {
        match signal {
            Signal::Metrics => {
                let mut holds = self.expressions.is_empty();
                for one in &self.expressions {
                    holds = holds || one.holds_somewhere(item, self.names)?;
                }
                Ok(holds && fits(&self.metric_names, || text(item, otlp::METRIC_NAME).map(<[u8]>::to_vec))?)
            }
            Signal::Traces => Ok(fits(&self.span_names, || text(item, otlp::SPAN_NAME).map(<[u8]>::to_vec))?
                && fits(&self.span_kinds, || Ok(kind_name(number(item, otlp::SPAN_KIND)?).into()))?
                && self.all_fit(&self.attributes, item, otlp::SPAN_ATTRIBUTES)?),
            Signal::Logs => Ok(fits(&self.log_bodies, || body_text(item))?
                && fits(&self.log_severity_texts, || {
                    text(item, otlp::LOG_SEVERITY_TEXT).map(<[u8]>::to_vec)
                })?
                && self.severity_fits(number(item, otlp::LOG_SEVERITY_NUMBER)?)
                && self.all_fit(&self.attributes, item, otlp::LOG_ATTRIBUTES)?),
        }
    }

    fn all_fit(&self, wanted: &[(String, Match)], message: &[u8], field: u32) -> Result<bool, Malformed> {
        for (key, wanted) in wanted {
            match self.names.try_first(key.as_bytes(), |key| find(message, field, key))? {
                Some(value) if wanted.fits(value)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn severity_fits(&self, severity: u64) -> bool {
        self.log_severity_number.is_none_or(|bound| match severity {
            0 => bound.match_undefined,
            _ => severity as i64 >= bound.min,
        })
    }
}

/// The encoded value of the first attribute with this key.
pub(super) fn find<'a>(message: &'a [u8], field: u32, key: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
    for attribute in Fields::new(message) {
        let attribute = attribute?;
        if attribute.number != field {
            continue;
        }
        let pair = &message[attribute.bytes()?];
        if text(pair, otlp::ATTRIBUTE_KEY)? == key {
            return text(pair, otlp::ATTRIBUTE_VALUE).map(Some);
        }
    }
    Ok(None)
}

/// The last length-delimited field of this number; empty when there is none.
pub(super) fn text(message: &[u8], number: u32) -> Result<&[u8], Malformed> {
    let mut found = &message[0..0];
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            found = &message[field.bytes()?];
        }
    }
    Ok(found)
}

/// The last varint field of this number; zero when there is none.
pub(super) fn number(message: &[u8], number: u32) -> Result<u64, Malformed> {
    let mut found = 0;
    for field in Fields::new(message) {
        let field = field?;
        if let (true, Payload::Varint(value)) = (field.number == number, field.payload) {
            found = value;
        }
    }
    Ok(found)
}

fn body_text(log: &[u8]) -> Result<Vec<u8>, Malformed> {
    Ok(as_text(Value::read(text(log, otlp::LOG_BODY)?)?)?.into_owned())
}

fn kind_name(kind: u64) -> &'static str {
    match kind {
        0 => "SPAN_KIND_UNSPECIFIED",
        1 => "SPAN_KIND_INTERNAL",
        2 => "SPAN_KIND_SERVER",
        3 => "SPAN_KIND_CLIENT",
        4 => "SPAN_KIND_PRODUCER",
        5 => "SPAN_KIND_CONSUMER",
        _ => "",
    }
}
