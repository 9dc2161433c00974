//! Writing a path: the message is spliced, all it has beside stays as it is.

use std::borrow::Cow;

use super::put::{put, put_any, with_member};
use super::read::{point_field, points_of};
use super::table::{Access, Form, KINDS};
use super::{Place, Step, Steps};
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::points::{self, Packed, replace};
use crate::ottl::target::{EditEntry, MAP_FIELD, Message, Target, edit_map};
use crate::ottl::value::{self, DEPTH_MAX, Value};
use crate::wire::otlp;

impl Place {
    /// The keys of the path, evaluated.
    pub(in crate::ottl) fn steps(&self, view: View<'_>) -> Result<Steps<'_>, EvalError> {
        let mut steps = self.keys.iter().map(|key| key.step(view)).collect::<Result<Steps<'_>, _>>()?;
        // A write goes to the name that is there.
        if let (Some(alias), Some(Step::Text(key))) = (self.alias, steps.first_mut()) {
            let message = view.target.message(self.context);
            if message.attribute(key)?.is_none() && message.attribute(alias)?.is_some() {
                *key = Cow::Borrowed(alias);
            }
        }
        Ok(steps)
    }

    /// Puts a value here. Gives whether that changed anything that is exported.
    pub(in crate::ottl) fn set(
        &self,
        target: &mut Target<'_>,
        steps: &[Step<'_>],
        value: &Value<'_>,
    ) -> Result<bool, EvalError> {
        match self.access {
            Access::Attributes => {
                if let [Step::Text(key)] = steps
                    && target.set_attribute(self.context, key, &value.any()?)?
                {
                    return Ok(true);
                }
                let message = target.message(self.context);
                let field = message.attributes_field();
                let written = put(message.bytes(), field, steps, value)?;
                target.write(self.context, written);
            }
            Access::Cache => {
                let cache = target.cache_mut(self.context);
                *cache = put(cache, MAP_FIELD, steps, value)?;
                return Ok(false);
            }
            Access::AnyText(_) if !matches!(value, Value::Text(_)) => return Err(expected("string", value)),
            Access::Any(number) | Access::AnyText(number) => {
                let message = target.message(self.context);
                let any = message.field(*number)?.unwrap_or_default();
                if !steps.is_empty() && !matches!(value::read_any(any)?, Value::Map(..) | Value::List(_)) {
                    return Err("log bodies that are no maps and no lists cannot be indexed".into());
                }
                let any = put_any(any, steps, value, DEPTH_MAX)?;
                let mut field = Vec::with_capacity(any.len() + 8);
                value::push_message(*number, &any, &mut field);
                let written = replace(message.bytes(), &[*number], &field)?;
                target.write(self.context, written);
            }
            Access::SchemaUrl => match value {
                Value::Text(url) => target.write_schema_url(self.context, url),
                other => return Err(expected("string", other)),
            },
            Access::Field(number, Form::TraceState) => {
                let message = target.message(self.context);
                let Value::Text(text) = value else { return Err(expected("string", value)) };
                let state = match steps {
                    [Step::Text(key)] => with_member(message.field(*number)?.unwrap_or_default(), key, text),
                    _ => text.to_vec(),
                };
                let field = encode(*number, Form::Text, &Value::Text(Cow::Owned(state)), false)?;
                let written = replace(message.bytes(), &[*number], &field)?;
                target.write(self.context, written);
            }
            Access::Opaque(..) | Access::PointOpaque(..) | Access::DataPoints | Access::PointList(..) => {
                let message = target.message(self.context);
                let Some(written) = self.with_messages(message, value)? else {
                    return Err("the data point or metric has no such field".into());
                };
                target.write(self.context, written);
            }
            _ => return self.set_scalar(target, value),
        }
        Ok(true)
    }

    /// The message with messages or numbers put here; none when it has no such field.
    fn with_messages(&self, message: Message<'_>, value: &Value<'_>) -> Result<Option<Vec<u8>>, EvalError> {
        let (number, inner, shape) = match self.access {
            Access::Opaque(number, shape) => (*number, 0, *shape),
            Access::PointOpaque(numbers, shape) => (point_field(message, numbers), 0, *shape),
            Access::DataPoints => (message.data(), otlp::DATA_POINTS, points_of(message.data())),
            Access::PointList(numbers, inner, form) => {
                let numbers = (point_field(message, numbers), *inner);
                return self.with_numbers(message, numbers, &points::of_list(value, *form)?, *form);
            }
            _ => return Ok(None),
        };
        if number == 0 {
            return Ok(None);
        }
        let Value::Opaque(items, found) = value else { return Err(expected("a list of messages", value)) };
        if *found != shape {
            return Err(expected("messages of the same kind", value));
        }
        let field = if inner == 0 { number } else { inner };
        let mut fields = Vec::with_capacity(items.len() + 8);
        if !shape.is_list() {
            value::push_message(field, items, &mut fields);
        } else {
            for item in value::payloads(items, value::LIST_VALUES) {
                value::push_message(field, item?, &mut fields);
            }
        }
        with_inner(message, number, inner, &fields).map(Some)
    }

    fn with_numbers(
        &self,
        message: Message<'_>,
        (number, inner): (u32, u32),
        values: &[u64],
        form: Packed,
    ) -> Result<Option<Vec<u8>>, EvalError> {
        let field = if inner == 0 { number } else { inner };
        let mut fields = Vec::new();
        points::push_numbers(field, values, form, &mut fields);
        if number == 0 { Ok(None) } else { with_inner(message, number, inner, &fields).map(Some) }
    }

    fn set_scalar(&self, target: &mut Target<'_>, value: &Value<'_>) -> Result<bool, EvalError> {
        let message = target.message(self.context);
        let (inner, number, form, dropped, keep_zero) = match self.access {
            Access::Field(number, form) => (None, *number, *form, [*number, 0], false),
            Access::Inner(outer, number, form) => (Some(*outer), *number, *form, [*number, 0], false),
            Access::Data(number, form, having) if having.contains(&message.data()) => {
                (Some(message.data()), *number, *form, [*number, 0], false)
            }
            Access::Point(numbers, form) if point_field(message, numbers) != 0 => {
                let number = point_field(message, numbers);
                (None, number, *form, [number, 0], *form == Form::Double)
            }
            Access::PointInner(numbers, inner, form) if point_field(message, numbers) != 0 => {
                (Some(point_field(message, numbers)), *inner, *form, [*inner, 0], false)
            }
            Access::PointValue(number, form) if point_field(message, &[1, 0, 0, 0]) != 0 => {
                (None, *number, *form, [4, 6], true)
            }
            Access::ExemplarValue(number, form) => (None, *number, *form, [3, 6], true),
            // A path that this metric does not have, or the type of its data, which stays what it is.
            _ => return Ok(false),
        };
        let field = encode(number, form, value, keep_zero)?;
        let written = match inner {
            None => replace(message.bytes(), &dropped, &field)?,
            Some(outer) => {
                let inner = replace(message.field(outer)?.unwrap_or_default(), &dropped, &field)?;
                let mut whole = Vec::with_capacity(inner.len() + 8);
                value::push_message(outer, &inner, &mut whole);
                replace(message.bytes(), &[outer], &whole)?
            }
        };
        target.write(self.context, written);
        Ok(true)
    }

    /// Edits the map here entry by entry, then appends encoded entries of [`MAP_FIELD`].
    pub(in crate::ottl) fn edit(
        &self,
        target: &mut Target<'_>,
        steps: &[Step<'_>],
        edit: &mut EditEntry<'_>,
        appended: &[u8],
    ) -> Result<bool, EvalError> {
        if let (Access::Attributes, []) = (self.access, steps) {
            let message = target.message(self.context);
            let field = message.attributes_field();
            let mut written = edit_map(message.bytes(), field, edit)?;
            if !appended.is_empty() {
                let written = written.get_or_insert_with(|| message.bytes().to_vec());
                written.extend(value::entries(appended, MAP_FIELD, field)?);
            }
            let changed = written.is_some();
            written.into_iter().for_each(|written| target.write(self.context, written));
            return Ok(changed);
        }
        let (map, field) = match self.at(target, steps)? {
            Value::Map(map, field) => (map.into_owned(), field),
            other => return Err(expected("pcommon.Map", &other)),
        };
        let edited = edit_map(&map, field, edit)?;
        if edited.is_none() && appended.is_empty() {
            return Ok(false);
        }
        let mut map = value::entries(edited.as_ref().unwrap_or(&map), field, MAP_FIELD)?;
        map.extend_from_slice(appended);
        self.set(target, steps, &Value::Map(Cow::Owned(map), MAP_FIELD))
    }

    /// What stands here, the keys being known.
    fn at(&self, target: &Target<'_>, steps: &[Step<'_>]) -> Result<Value<'static>, EvalError> {
        let message = target.message(self.context);
        let mut value = match self.access {
            Access::Attributes => {
                Value::Map(Cow::Owned(message.bytes().to_vec()), message.attributes_field())
            }
            Access::Cache => Value::Map(Cow::Owned(target.cache(self.context).to_vec()), MAP_FIELD),
            Access::Any(number) => value::read_any(message.field(*number)?.unwrap_or_default())?.into_owned(),
            _ => return Err("the path is not a map".into()),
        };
        for step in steps {
            value = super::read::step_into(value, step)?;
        }
        Ok(value)
    }
}

/// The message with these fields in the place of those of the same number, in it or in the message in one of its fields.
fn with_inner(message: Message<'_>, number: u32, inner: u32, fields: &[u8]) -> Result<Vec<u8>, EvalError> {
    if inner == 0 {
        return Ok(replace(message.bytes(), &[number], fields)?);
    }
    let inside = replace(message.field(number)?.unwrap_or_default(), &[inner], fields)?;
    let mut whole = Vec::with_capacity(inside.len() + 8);
    value::push_message(number, &inside, &mut whole);
    Ok(replace(message.bytes(), &[number], &whole)?)
}

pub(in crate::ottl) fn expected(wanted: &str, found: &Value<'_>) -> EvalError {
    format!("expected {wanted} but got {}", found.kind()).into()
}

/// A field, encoded; nothing for the default value, which is not sent.
fn encode(number: u32, form: Form, value: &Value<'_>, keep_zero: bool) -> Result<Vec<u8>, EvalError> {
    let mut out = Vec::new();
    let text = |value: &Value<'_>| match value {
        Value::Text(text) => Ok(text.to_vec()),
        other => Err(expected("string", other)),
    };
    let bytes = match form {
        Form::Text | Form::TraceState => Some(text(value)?),
        Form::TraceId => match value {
            Value::TraceId(id) => Some(id.to_vec()),
            other => return Err(expected("pcommon.TraceID", other)),
        },
        Form::SpanId => match value {
            Value::SpanId(id) => Some(id.to_vec()),
            other => return Err(expected("pcommon.SpanID", other)),
        },
        Form::TraceIdText => Some(id_of::<16>(&text(value)?)?),
        Form::SpanIdText => Some(id_of::<8>(&text(value)?)?),
        _ => None,
    };
    if let Some(bytes) = bytes {
        // An id of zeros is none, and none is not sent.
        let is_none = !matches!(form, Form::Text | Form::TraceState) && bytes.iter().all(|byte| *byte == 0);
        if !is_none && !bytes.is_empty() {
            value::push_message(number, &bytes, &mut out);
        }
        return Ok(out);
    }
    let raw = number_of(form, value)?;
    if raw != 0 || keep_zero {
        match form {
            Form::Fixed32 => value::push_fixed32(number, raw as u32, &mut out),
            Form::Fixed64 | Form::Time | Form::Double => value::push_fixed64(number, raw, &mut out),
            _ => value::push_varint(number, raw, &mut out),
        }
    }
    Ok(out)
}

fn number_of(form: Form, value: &Value<'_>) -> Result<u64, EvalError> {
    Ok(match (form, value) {
        (Form::Fixed32, Value::Int(value)) if u32::try_from(*value).is_err() => {
            return Err(format!("value {value} is out of range for uint32").into());
        }
        (Form::Varint, Value::Int(value)) => *value as i32 as u64,
        (Form::Fixed32 | Form::Fixed64, Value::Int(value)) => *value as u64,
        (Form::Sint32, Value::Int(value)) => u64::from(((*value as i32) << 1 ^ (*value as i32) >> 31) as u32),
        (Form::Time, Value::Time(moment)) => moment.nanos as u64,
        (Form::Double, Value::Double(value)) => value.to_bits(),
        (Form::Bool, Value::Bool(value)) => u64::from(*value),
        (Form::Kind | Form::KindDeprecated, Value::Text(name)) => {
            let known = |(short, long): &(&str, &str)| {
                let known = if form == Form::Kind { short } else { long };
                known.as_bytes() == &**name
            };
            KINDS.iter().position(known).ok_or("unknown span kind")? as u64
        }

        (Form::Time, other) => return Err(expected("time.Time", other)),
        (Form::Double, other) => return Err(expected("float64", other)),
        (Form::Bool, other) => return Err(expected("bool", other)),
        (Form::Kind | Form::KindDeprecated, other) => return Err(expected("string", other)),
        (_, other) => return Err(expected("int64", other)),
    })
}

fn id_of<const N: usize>(text: &[u8]) -> Result<Vec<u8>, EvalError> {
    let digits = std::str::from_utf8(text).map_err(|_| "an id is not hexadecimal")?;
    let id = crate::ottl::lexer::unhex(digits).filter(|id| id.len() == N);
    id.ok_or_else(|| format!("an id must have {} hex digits", 2 * N).into())
}
