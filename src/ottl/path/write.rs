//! Writing a path: the message is spliced, all it has beside stays as it is.

use std::borrow::Cow;

use super::read::point_field;
use super::table::{Access, Form, KINDS};
use super::{Place, Step};
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::target::{Edit, EditEntry, MAP_FIELD, Target, edit_map};
use crate::ottl::value::{self, DEPTH_MAX, Value};
use crate::wire::Fields;

/// Longest list that an assignment past its end makes.
const LIST_GROWTH_MAX: usize = 1024;

impl Place {
    /// The keys of the path, evaluated.
    pub(in crate::ottl) fn steps(&self, view: View<'_>) -> Result<Vec<Step>, EvalError> {
        let mut steps = self.keys.iter().map(|key| key.step(view)).collect::<Result<Vec<_>, _>>()?;
        // A write goes to the name that is there.
        if let (Some(alias), Some(Step::Text(key))) = (self.alias, steps.first_mut()) {
            let message = view.target.message(self.context);
            if message.attribute(key)?.is_none() && message.attribute(alias)?.is_some() {
                *key = alias.to_vec();
            }
        }
        Ok(steps)
    }

    /// Puts a value here. Gives whether that changed anything that is exported.
    pub(in crate::ottl) fn set(
        &self,
        target: &mut Target<'_>,
        steps: &[Step],
        value: &Value<'_>,
    ) -> Result<bool, EvalError> {
        match self.access {
            Access::Attributes => {
                let message = target.message_mut(self.context);
                let field = message.attributes_field();
                let written = put(message.bytes(), field, steps, value)?;
                message.write(written);
            }
            Access::Cache => {
                let cache = target.cache_mut(self.context);
                *cache = put(cache, MAP_FIELD, steps, value)?;
                return Ok(false);
            }
            Access::AnyText(_) if !matches!(value, Value::Text(_)) => return Err(expected("string", value)),
            Access::Any(number) | Access::AnyText(number) => {
                let message = target.message_mut(self.context);
                let any = message.field(*number)?.unwrap_or_default();
                if !steps.is_empty() && !matches!(value::read_any(any)?, Value::Map(..) | Value::List(_)) {
                    return Err("log bodies that are no maps and no lists cannot be indexed".into());
                }
                let any = put_any(any, steps, value, DEPTH_MAX)?;
                let mut field = Vec::with_capacity(any.len() + 8);
                value::push_message(*number, &any, &mut field);
                let written = replace(message.bytes(), &[*number], &field)?;
                message.write(written);
            }
            Access::SchemaUrl => match value {
                Value::Text(url) => target.write_schema_url(self.context, url),
                other => return Err(expected("string", other)),
            },
            Access::Field(number, Form::TraceState) => {
                let message = target.message_mut(self.context);
                let Value::Text(text) = value else { return Err(expected("string", value)) };
                let state = match steps {
                    [Step::Text(key)] => with_member(message.field(*number)?.unwrap_or_default(), key, text),
                    _ => text.to_vec(),
                };
                let field = encode(*number, Form::Text, &Value::Text(Cow::Owned(state)), false)?;
                let written = replace(message.bytes(), &[*number], &field)?;
                message.write(written);
            }
            _ => return self.set_scalar(target, value),
        }
        Ok(true)
    }

    fn set_scalar(&self, target: &mut Target<'_>, value: &Value<'_>) -> Result<bool, EvalError> {
        let message = target.message_mut(self.context);
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
            Access::PointValue(number, form) if point_field(message, &[1, 0, 0, 0]) != 0 => {
                (None, *number, *form, [4, 6], true)
            }
            _ => return Ok(false), // a path that this metric does not have
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
        message.write(written);
        Ok(true)
    }

    /// Edits the map here entry by entry, then appends encoded entries of [`MAP_FIELD`].
    pub(in crate::ottl) fn edit(
        &self,
        target: &mut Target<'_>,
        steps: &[Step],
        edit: &mut EditEntry<'_>,
        appended: &[u8],
    ) -> Result<bool, EvalError> {
        if let (Access::Attributes, []) = (self.access, steps) {
            let message = target.message_mut(self.context);
            let field = message.attributes_field();
            let mut written = edit_map(message.bytes(), field, edit)?;
            if !appended.is_empty() {
                let written = written.get_or_insert_with(|| message.bytes().to_vec());
                written.extend(value::entries(appended, MAP_FIELD, field)?);
            }
            let changed = written.is_some();
            written.into_iter().for_each(|written| message.write(written));
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
    fn at(&self, target: &Target<'_>, steps: &[Step]) -> Result<Value<'static>, EvalError> {
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

pub(in crate::ottl) fn expected(wanted: &str, found: &Value<'_>) -> EvalError {
    format!("expected {wanted} but got {}", found.kind()).into()
}

/// A message without the fields `dropped`; `field` stands where the first of them stood, or at the end.
fn replace(message: &[u8], dropped: &[u32], field: &[u8]) -> Result<Vec<u8>, EvalError> {
    let mut out = Vec::with_capacity(message.len() + field.len());
    let mut written = false;
    for old in Fields::new(message) {
        let old = old?;
        if !dropped.contains(&old.number) {
            out.extend_from_slice(&message[old.whole]);
        } else if !std::mem::replace(&mut written, true) {
            out.extend_from_slice(field);
        }
    }
    if !written {
        out.extend_from_slice(field);
    }
    Ok(out)
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
        let is_id = !matches!(form, Form::Text | Form::TraceState);
        if !bytes.is_empty() && !(is_id && bytes.iter().all(|byte| *byte == 0)) {
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

/// A trace state with a member set, which then stands first.
fn with_member(state: &[u8], key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = [key, b"=", text].concat();
    for member in state.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        let at = member.iter().position(|byte| *byte == b'=').unwrap_or(member.len());
        if !member.is_empty() && member[..at] != *key {
            out.push(b',');
            out.extend_from_slice(member);
        }
    }
    out
}

/// A map with a value put under keys.
fn put(map: &[u8], field: u32, steps: &[Step], value: &Value<'_>) -> Result<Vec<u8>, EvalError> {
    put_map(map, field, steps, value, DEPTH_MAX)
}

fn put_map(
    map: &[u8],
    field: u32,
    steps: &[Step],
    value: &Value<'_>,
    depth: usize,
) -> Result<Vec<u8>, EvalError> {
    let Some((step, rest)) = steps.split_first() else {
        let Value::Map(new, from) = value else { return Err(expected("pcommon.Map", value)) };
        return replace(map, &[field], &value::entries(new, *from, field)?);
    };
    let Step::Text(wanted) = step else {
        return Err("a map is indexed by strings".into());
    };
    let mut found = false;
    let edited = edit_map(map, field, &mut |key, any| {
        if found || key != wanted.as_slice() {
            return Ok(Edit::Keep);
        }
        found = true;
        Ok(Edit::Replace(put_any(any, rest, value, depth - 1)?))
    })?;
    let mut map = edited.unwrap_or_else(|| map.to_vec());
    if !found {
        value::push_entry(field, wanted, &put_any(&[], rest, value, depth - 1)?, &mut map);
    }
    Ok(map)
}

fn put_any(any: &[u8], steps: &[Step], value: &Value<'_>, depth: usize) -> Result<Vec<u8>, EvalError> {
    if depth == 0 {
        return Err("a path has too many keys".into());
    }
    let Some((step, rest)) = steps.split_first() else { return value.any() };
    let new = match (value::read_any(any)?, step) {
        (Value::Nil, Step::Text(_)) => {
            Value::Map(Cow::Owned(put_map(&[], MAP_FIELD, steps, value, depth)?), MAP_FIELD)
        }
        (Value::Map(map, field), Step::Text(_)) => {
            Value::Map(Cow::Owned(put_map(&map, field, steps, value, depth)?), field)
        }
        (Value::Nil, Step::Index(index)) => {
            let room = usize::try_from(*index).ok().filter(|index| *index < LIST_GROWTH_MAX);
            let room = room.ok_or_else(|| EvalError::from(format!("index {index} out of bounds")))?;
            let empty = Value::list(std::iter::repeat_n(Value::Nil, room + 1))?;
            let Value::List(empty) = empty else { return value.any() };
            put_list(&empty, *index, rest, value, depth)?
        }
        (Value::List(list), Step::Index(index)) => put_list(&list, *index, rest, value, depth)?,
        (other, Step::Text(_)) => {
            return Err(format!("type {} does not support string indexing", other.kind()).into());
        }
        (other, Step::Index(_)) => {
            return Err(format!("type {} does not support int indexing", other.kind()).into());
        }
    };
    new.any()
}

fn put_list(
    list: &[u8],
    index: i64,
    rest: &[Step],
    value: &Value<'_>,
    depth: usize,
) -> Result<Value<'static>, EvalError> {
    let mut out = Vec::with_capacity(list.len());
    let mut found = false;
    for (at, any) in (0i64..).zip(value::payloads(list, value::LIST_VALUES)) {
        let any = any?;
        if at == index {
            found = true;
            value::push_message(value::LIST_VALUES, &put_any(any, rest, value, depth - 1)?, &mut out);
        } else {
            value::push_message(value::LIST_VALUES, any, &mut out);
        }
    }
    if !found {
        return Err(format!("index {index} out of bounds").into());
    }
    Ok(Value::List(Cow::Owned(out)))
}
