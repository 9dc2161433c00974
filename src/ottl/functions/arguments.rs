//! The arguments of a call, evaluated as they are asked for.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::{Argument, Converter, Made};
use crate::ottl::error::EvalError;
use crate::ottl::expression::{Expression, View};
use crate::ottl::path::expected;
use crate::ottl::render;
use crate::ottl::value::{self, Value};
use crate::ottl::zone::Moment;
use crate::pattern;

/// Arguments and what they are evaluated on.
#[derive(Debug)]
pub(in crate::ottl) struct Arguments<'v> {
    arguments: &'v [Argument],
    pub(super) view: View<'v>,
}

impl<'v> Arguments<'v> {
    pub(in crate::ottl) fn new(arguments: &'v [Argument], view: View<'v>) -> Self {
        Self { arguments, view }
    }

    pub(super) fn is_given(&self, at: usize) -> bool {
        !matches!(self.arguments.get(at), None | Some(Argument::Absent))
    }

    /// The value; nil when there is none.
    pub(super) fn value(&self, at: usize) -> Result<Value<'v>, EvalError> {
        match self.arguments.get(at) {
            Some(Argument::Value(expression)) => expression.value(self.view),
            Some(Argument::Place(place)) => place.get(self.view),
            _ => Ok(Value::Nil),
        }
    }

    /// A string.
    pub(super) fn text(&self, at: usize) -> Result<Cow<'v, [u8]>, EvalError> {
        match self.value(at)? {
            Value::Text(text) => Ok(text),
            other => Err(expected("string", &other)),
        }
    }

    /// A string as UTF-8; bytes that are not are replaced.
    pub(super) fn utf8(&self, at: usize) -> Result<String, EvalError> {
        Ok(String::from_utf8_lossy(&self.text(at)?).into_owned())
    }

    /// A string, or what is written when there is none.
    pub(super) fn utf8_or(&self, at: usize, default: &str) -> Result<String, EvalError> {
        if self.is_given(at) { self.utf8(at) } else { Ok(default.to_owned()) }
    }

    /// Anything as a string; nil is none.
    pub(super) fn text_like(&self, at: usize) -> Result<Option<Cow<'v, [u8]>>, EvalError> {
        render::text(&self.value(at)?)
    }

    pub(super) fn int(&self, at: usize) -> Result<i64, EvalError> {
        match self.value(at)? {
            Value::Int(value) => Ok(value),
            other => Err(expected("int64", &other)),
        }
    }

    pub(super) fn flag(&self, at: usize, default: bool) -> Result<bool, EvalError> {
        match self.value(at)? {
            _ if !self.is_given(at) => Ok(default),
            Value::Bool(value) => Ok(value),
            other => Err(expected("bool", &other)),
        }
    }

    pub(super) fn time(&self, at: usize) -> Result<Moment, EvalError> {
        match self.value(at)? {
            Value::Time(moment) => Ok(moment),
            other => Err(expected("time.Time", &other)),
        }
    }

    pub(super) fn duration(&self, at: usize) -> Result<i64, EvalError> {
        match self.value(at)? {
            Value::Duration(nanos) => Ok(nanos),
            other => Err(expected("time.Duration", &other)),
        }
    }

    /// Bytes, or those of a string.
    pub(super) fn bytes(&self, at: usize) -> Result<Cow<'v, [u8]>, EvalError> {
        match self.value(at)? {
            Value::Text(bytes) | Value::Bytes(bytes) => Ok(bytes),
            other => Err(expected("[]uint8", &other)),
        }
    }

    /// Bytes of anything that has a fixed form as bytes.
    pub(super) fn bytes_like(&self, at: usize) -> Result<Cow<'v, [u8]>, EvalError> {
        Ok(match self.value(at)? {
            Value::Int(value) => Cow::Owned(value.to_be_bytes().to_vec()),
            Value::Double(value) => Cow::Owned(value.to_be_bytes().to_vec()),
            Value::Bool(value) => Cow::Owned(vec![u8::from(value)]),
            Value::Nil => Cow::Borrowed(&[]),
            _ => return self.bytes(at),
        })
    }

    /// The elements of a list; one written out may hold what an attribute cannot, such as ids.
    pub(super) fn list(&self, at: usize) -> Result<Vec<Value<'static>>, EvalError> {
        if let Some(Argument::Value(Expression::List(values))) = self.arguments.get(at) {
            return values.iter().map(|value| Ok(value.value(self.view)?.into_owned())).collect();
        }
        match self.value(at)? {
            Value::List(list) => value::elements(&list).map(|value| Ok(value?.into_owned())).collect(),
            other => Err(expected("pcommon.Slice", &other)),
        }
    }

    /// A list of strings; none when the argument is absent.
    pub(super) fn texts(&self, at: usize) -> Result<Vec<Vec<u8>>, EvalError> {
        if !self.is_given(at) {
            return Ok(Vec::new());
        }
        let text = |value| match value {
            Value::Text(text) => Ok(Cow::into_owned(text)),
            other => Err(expected("string", &other)),
        };
        self.list(at)?.into_iter().map(text).collect()
    }

    /// A string, or several of which any is meant.
    pub(super) fn names(&self, at: usize) -> Result<Vec<Vec<u8>>, EvalError> {
        match self.arguments.get(at) {
            Some(Argument::Value(Expression::List(_))) => self.texts(at),
            _ => Ok(vec![self.text(at)?.into_owned()]),
        }
    }

    /// A map: the message it stands in and its field.
    pub(super) fn map(&self, at: usize) -> Result<(Cow<'v, [u8]>, u32), EvalError> {
        match self.value(at)? {
            Value::Map(map, field) => Ok((map, field)),
            other => Err(expected("pcommon.Map", &other)),
        }
    }

    /// The entries of a map.
    pub(super) fn entries(&self, at: usize) -> Result<Vec<(Vec<u8>, Value<'static>)>, EvalError> {
        let (map, field) = self.map(at)?;
        let mut entries = Vec::new();
        for entry in value::payloads(&map, field) {
            let (key, any) = value::key_and_any(entry?)?;
            entries.push((key.to_vec(), value::read_any(any)?.into_owned()));
        }
        Ok(entries)
    }

    /// A pattern, compiled now if it was not known before.
    pub(super) fn pattern(&self, at: usize) -> Result<Cow<'v, Regex>, EvalError> {
        if let Some(Argument::Pattern(pattern)) = self.arguments.get(at) {
            return Ok(Cow::Borrowed(pattern));
        }
        Ok(Cow::Owned(pattern::compile(&self.utf8(at)?)?))
    }

    /// What was made of the argument at the start.
    pub(super) fn made(&self, at: usize) -> Option<&'v Made> {
        match self.arguments.get(at) {
            Some(Argument::Made(made)) => Some(made),
            _ => None,
        }
    }

    /// The converter that was named.
    pub(super) fn function(&self, at: usize) -> Option<&'static Converter> {
        match self.arguments.get(at) {
            Some(Argument::Function(converter)) => Some(converter),
            _ => None,
        }
    }

    /// What a converter makes of a string.
    pub(super) fn apply(&self, converter: &Converter, text: Vec<u8>) -> Result<Vec<u8>, EvalError> {
        let argument = Argument::Value(Expression::Literal(Value::Text(Cow::Owned(text))));
        let mut arguments = vec![argument];
        arguments.resize(converter.params.len(), Argument::Absent);
        let value = (converter.call)(&Arguments::new(&arguments, self.view))?.into_owned();
        match value {
            Value::Text(text) => Ok(text.into_owned()),
            other => Err(format!("the replacement value must be a string, not {}", other.kind()).into()),
        }
    }
}
