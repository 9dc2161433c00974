//! Expressions on metrics as filters had them before OTTL: `MetricName == "up" && Label("zone") in ["a", "b"]`.
//!
//! Owns: the part of the expr language that speaks of names, types and labels.
//! Takes: an expression; an encoded metric.
//! Gives: whether it holds for any of the metric's data points; errors in an expression with their position.
//! Bounds: an expression has 1,000 nodes at most, beside constants in lists.
//! Loses: nothing.

mod lex;
mod parse;

use std::borrow::Cow;
use std::fmt;

use regex::bytes::Regex;

use super::condition::{find, text};
use super::value::Value as Encoded;
use crate::semconv::Names;
use crate::wire::{Fields, Malformed, otlp};

/// An expression, compiled.
#[derive(Clone)]
pub struct Expression {
    text: String,
    root: Node,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// What is computed; that operands have the kinds they need was checked when it was parsed.
#[derive(Clone)]
enum Node {
    Constant(Value<'static>),
    MetricName,
    MetricType,
    Label(Box<Node>),
    HasLabel(Box<Node>),
    Changed(Change, Box<Node>),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    /// A condition, what holds if it does, and what otherwise.
    Choice(Box<[Node; 3]>),
    Same(Box<[Node; 2]>),
    Less(Box<[Node; 2]>),
    OneOf(Box<Node>, Vec<Node>),
    Matches(Box<Node>, Regex),
    Holds(Part, Box<[Node; 2]>),
}

/// Where a text holds another.
#[derive(Clone, Copy)]
enum Part {
    Anywhere,
    Start,
    End,
}

/// What is made of a text.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    Lower,
    Upper,
    Trimmed,
}

#[derive(Clone, Debug, PartialEq)]
enum Value<'a> {
    Text(Cow<'a, [u8]>),
    Bool(bool),
    Number(f64),
    Nil,
}

/// A metric and one of its data points.
struct Subject<'a> {
    name: &'a [u8],
    /// The field that holds the points.
    data: u32,
    point: &'a [u8],
    names: Names,
}

impl Expression {
    /// Compiles a text.
    pub fn new(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// Whether it holds for any data point of a metric; `names` says which labels are meant.
    pub(super) fn holds_somewhere(&self, metric: &[u8], names: Names) -> Result<bool, Malformed> {
        let name = text(metric, otlp::METRIC_NAME)?;
        let mut of_type = None;
        for field in Fields::new(metric) {
            let number = field?.number;
            if otlp::METRIC_DATA.contains(&number) {
                of_type = Some(number);
            }
        }
        let Some(data) = of_type else { return Ok(false) };
        for field in Fields::new(metric) {
            let field = field?;
            if field.number != data {
                continue;
            }
            for point in Fields::within(metric, field.bytes()?) {
                let point = point?;
                if point.number == otlp::DATA_POINTS {
                    let subject = Subject { name, data, point: &metric[point.bytes()?], names };
                    if self.root.holds(&subject)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}

impl Subject<'_> {
    fn label(&self, key: &[u8]) -> Result<Option<&[u8]>, Malformed> {
        self.names.try_first(key, |key| find(self.point, otlp::point_attributes(self.data), key))
    }

    fn metric_type(&self) -> &'static str {
        match self.data {
            5 => "Gauge",
            7 => "Sum",
            9 => "Histogram",
            10 => "ExponentialHistogram",
            _ => "Summary",
        }
    }
}

impl Node {
    fn holds(&self, of: &Subject<'_>) -> Result<bool, Malformed> {
        Ok(self.value(of)? == Value::Bool(true))
    }

    fn text<'a>(&'a self, of: &'a Subject<'_>) -> Result<Cow<'a, [u8]>, Malformed> {
        Ok(match self.value(of)? {
            Value::Text(text) => text,
            _ => Cow::Borrowed(b""),
        })
    }

    fn value<'a>(&'a self, of: &'a Subject<'_>) -> Result<Value<'a>, Malformed> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::MetricName => Value::Text(of.name.into()),
            Self::MetricType => Value::Text(of.metric_type().as_bytes().into()),
            Self::Label(key) => {
                let label = of.label(&key.text(of)?)?.map(Encoded::read).transpose()?;
                // One that is no text is as good as none, as in the Collector.
                Value::Text(if let Some(Encoded::Text(label)) = label { label.into() } else { b"".into() })
            }
            Self::HasLabel(key) => Value::Bool(of.label(&key.text(of)?)?.is_some()),
            Self::Changed(change, node) => Value::Text(change.of(&node.text(of)?).into()),
            Self::Choice(nodes) => {
                let [condition, yes, no] = &**nodes;
                if condition.holds(of)? { yes.value(of)? } else { no.value(of)? }
            }
            Self::Not(node) => Value::Bool(!node.holds(of)?),
            Self::All(nodes) => Value::Bool(!any(nodes, |node| Ok(!node.holds(of)?))?),
            Self::Any(nodes) => Value::Bool(any(nodes, |node| node.holds(of))?),
            Self::Same(nodes) => Value::Bool(nodes[0].value(of)? == nodes[1].value(of)?),
            Self::Less(nodes) => Value::Bool(nodes[0].text(of)? < nodes[1].text(of)?),
            Self::OneOf(node, list) => {
                let value = node.value(of)?;
                Value::Bool(any(list, |one| Ok(one.value(of)? == value))?)
            }
            Self::Matches(node, pattern) => Value::Bool(pattern.is_match(&node.text(of)?)),
            Self::Holds(part, nodes) => Value::Bool(part.holds(&nodes[0].text(of)?, &nodes[1].text(of)?)),
        })
    }
}

fn any(nodes: &[Node], is: impl Fn(&Node) -> Result<bool, Malformed>) -> Result<bool, Malformed> {
    for node in nodes {
        if is(node)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Part {
    fn holds(self, whole: &[u8], part: &[u8]) -> bool {
        match self {
            Self::Start => whole.starts_with(part),
            Self::End => whole.ends_with(part),
            Self::Anywhere => part.is_empty() || whole.windows(part.len()).any(|window| window == part),
        }
    }
}

impl Change {
    fn of(self, text: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(text);
        match self {
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
            Self::Trimmed => text.trim().to_owned(),
        }
        .into_bytes()
    }
}

#[cfg(test)]
mod tests;
