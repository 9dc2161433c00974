//! Putting a value under keys of an encoded map or list.

use std::borrow::Cow;

use super::{Step, expected};
use crate::ottl::error::EvalError;
use crate::ottl::points::replace;
use crate::ottl::target::{Edit, MAP_FIELD, edit_map};
use crate::ottl::value::{self, DEPTH_MAX, Value};

/// Longest list that an assignment past its end makes.
const LIST_GROWTH_MAX: usize = 1024;

/// A trace state with a member set, which then stands first.
pub(super) fn with_member(state: &[u8], key: &[u8], text: &[u8]) -> Vec<u8> {
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
pub(super) fn put(
    map: &[u8],
    field: u32,
    steps: &[Step<'_>],
    value: &Value<'_>,
) -> Result<Vec<u8>, EvalError> {
    put_map(map, field, steps, value, DEPTH_MAX)
}

fn put_map(
    map: &[u8],
    field: u32,
    steps: &[Step<'_>],
    value: &Value<'_>,
    depth: usize,
) -> Result<Vec<u8>, EvalError> {
    let Some((step, rest)) = steps.split_first() else {
        let Value::Map(new, from) = value else { return Err(expected("pcommon.Map", value)) };
        return Ok(replace(map, &[field], &value::entries(new, *from, field)?)?);
    };
    let Step::Text(wanted) = step else {
        return Err("a map is indexed by strings".into());
    };
    let mut found = false;
    let edited = edit_map(map, field, &mut |key, any| {
        if found || *key != **wanted {
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

pub(super) fn put_any(
    any: &[u8],
    steps: &[Step<'_>],
    value: &Value<'_>,
    depth: usize,
) -> Result<Vec<u8>, EvalError> {
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
    rest: &[Step<'_>],
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
