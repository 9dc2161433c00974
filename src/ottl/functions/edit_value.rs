//! Editors of one value: `set`, and those of lists.

use std::borrow::Cow;

use super::{Argument, Arguments, Editor, Kind, edits, optional, param, value};
use crate::ottl::env::Env;
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::path::{Place, Steps, expected};
use crate::ottl::target::Target;
use crate::ottl::value::Value;

pub(super) const EDITORS: &[Editor] = &[
    edits("set", &[param("target", Kind::Path), value("value")], set),
    edits(
        "append",
        &[param("target", Kind::Path), optional("value", Kind::Value), optional("values", Kind::Value)],
        append,
    ),
    edits(
        "delete_index",
        &[param("target", Kind::Path), value("start_index"), optional("end_index", Kind::Value)],
        delete_index,
    ),
];

/// A value to write, with its own memory, and where.
pub(super) fn write(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    make: impl FnOnce(&Arguments<'_>) -> Result<Option<Value<'static>>, EvalError>,
) -> Result<bool, EvalError> {
    let view = View { target, env };
    let given = Arguments::new(arguments, view);
    let Some(value) = make(&given)? else { return Ok(false) };
    let (place, steps) = target_of(arguments, view)?;
    place.set(target, &steps, &value)
}

/// The path that an editor writes to, and its keys.
pub(super) fn target_of<'p>(
    arguments: &'p [Argument],
    view: View<'_>,
) -> Result<(&'p Place, Steps<'p>), EvalError> {
    match arguments.first() {
        Some(Argument::Place(place)) => Ok((place, place.steps(view)?)),
        _ => Err("the target is not a path".into()),
    }
}

fn set(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    if let Some(Argument::Value(expression)) = arguments.get(1)
        && let Some(value) = expression.literal()
        && !matches!(value, Value::Nil)
    {
        let (place, steps) = target_of(arguments, View { target, env })?;
        return place.set(target, &steps, value); // without a copy of the value
    }
    write(arguments, target, env, |given| match given.value(1)? {
        Value::Nil => Ok(None), // as the Collector until 0.160
        value => Ok(Some(value.into_owned())),
    })
}

/// Appends to a list; another value becomes the first element of one.
fn append(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    write(arguments, target, env, |given| {
        let mut list = match given.value(0)? {
            Value::Nil => Vec::new(),
            Value::List(_) => given.list(0)?,
            value => vec![value.into_owned()],
        };
        if !given.is_given(1) && !given.is_given(2) {
            return Err(
                "at least one of the optional arguments ('value' or 'values') must be provided".into()
            );
        }
        if given.is_given(1) {
            list.push(given.value(1)?.into_owned());
        }
        if given.is_given(2) {
            list.extend(given.list(2)?);
        }
        Ok(Some(Value::list(list)?))
    })
}

fn delete_index(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    write(arguments, target, env, |given| {
        let mut list = match given.value(0)? {
            Value::List(_) => given.list(0)?,
            other => return Err(expected("pcommon.Slice", &other)),
        };
        let start = given.int(1)?;
        let end = if given.is_given(2) { given.int(2)? } else { start.saturating_add(1) };
        let place = |index: i64| usize::try_from(index).ok().filter(|index| *index <= list.len());
        let (Some(first), Some(end)) = (place(start), place(end)) else {
            return Err(format!("index {start} out of bounds").into());
        };
        if first >= end {
            return Err("end_index must be greater than start_index".into());
        }
        list.drain(first..end);
        Ok(Some(Value::list(list)?))
    })
}

/// A string with its own memory.
pub(super) fn owned_text(text: Vec<u8>) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}
