//! Editors of strings: replacing, truncating, masking.

use std::borrow::Cow;
use std::collections::HashMap;

use super::edit_map::each;
use super::edit_value::{owned_text, write};
use super::replacement::{Replacement, split_format};
use super::{Argument, Arguments, Editor, Kind, Param, edits, optional, param, value};
use crate::ottl::env::Env;
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::target::{Edit, Target};
use crate::ottl::value::{self as codec, Value};
use crate::pattern;

const TARGET: Param = param("target", Kind::Path);
const FUNCTION: Param = optional("function", Kind::Function);
const FORMAT: Param = optional("replacement_format", Kind::Value);

pub(super) const EDITORS: &[Editor] = &[
    Editor {
        check: |arguments| check_format(arguments.get(4)),
        ..edits(
            "replace_pattern",
            &[TARGET, param("regex_pattern", Kind::Pattern), value("replacement"), FUNCTION, FORMAT],
            |arguments, target, env| replace_one(arguments, target, env, false),
        )
    },
    Editor {
        check: |arguments| check_format(arguments.get(4)),
        ..edits(
            "replace_match",
            &[TARGET, param("pattern", Kind::Glob), value("replacement"), FUNCTION, FORMAT],
            |arguments, target, env| replace_one(arguments, target, env, true),
        )
    },
    Editor {
        check: |arguments| check_format(arguments.get(4)),
        ..edits(
            "replace_all_matches",
            &[TARGET, param("pattern", Kind::Glob), value("replacement"), FUNCTION, FORMAT],
            replace_all_matches,
        )
    },
    Editor {
        check: |arguments| check_format(arguments.get(5)),
        ..edits(
            "replace_all_patterns",
            &[
                TARGET,
                param("mode", Kind::Choice(&["key", "value"])),
                param("regex_pattern", Kind::Pattern),
                value("replacement"),
                FUNCTION,
                FORMAT,
            ],
            replace_all_patterns,
        )
    },
    Editor {
        check: check_truncate,
        ..edits(
            "truncate_all",
            &[
                TARGET,
                param("limit", Kind::Count),
                optional("utf8_safe", Kind::Value),
                optional("truncation_marker", Kind::Value),
            ],
            truncate_all,
        )
    },
    edits("mask_emails", &[TARGET], mask_emails),
];

fn literal(argument: Option<&Argument>) -> Option<&Value<'static>> {
    match argument {
        Some(Argument::Value(expression)) => expression.literal(),
        _ => None,
    }
}

fn check_format(format: Option<&Argument>) -> Result<(), String> {
    match literal(format) {
        Some(Value::Text(format)) => split_format(format).map(|_| ()).map_err(|error| error.to_string()),
        _ => Ok(()),
    }
}

fn replace_one(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    glob: bool,
) -> Result<bool, EvalError> {
    write(arguments, target, env, |given| {
        let value = given.value(0)?;
        if matches!(value, Value::Nil) && !glob {
            return Ok(None);
        }
        // It is evaluated whether or not anything matches: what cannot be is an error.
        let replacement = Replacement::of(Arguments::new(arguments, given.view), 2)?;
        let whole = if glob { Some(replacement.whole()?) } else { None };
        let Value::Text(text) = value else { return Ok(None) };
        let regex = given.pattern(1)?;
        let new = match whole {
            Some(whole) => pattern::is_match(&regex, &text).then_some(whole),
            None => replacement.pattern(&regex, &text)?,
        };
        Ok(new.map(owned_text))
    })
}

/// Edits of all entries, computed first, as they may look at the target.
fn edits_of(
    given: &Arguments<'_>,
    edit: impl Fn(&[u8], &[u8]) -> Result<Edit, EvalError>,
) -> Result<Vec<Edit>, EvalError> {
    let (map, field) = given.map(0)?;
    let mut edits = Vec::new();
    for entry in codec::payloads(&map, field) {
        let (key, any) = codec::key_and_any(entry?)?;
        edits.push(edit(key, any)?);
    }
    Ok(edits)
}

fn make(
    edits: Vec<Edit>,
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    if edits.iter().all(|edit| matches!(edit, Edit::Keep)) {
        return Ok(false);
    }
    let mut edits = edits.into_iter();
    each(arguments, target, env, &mut |_, _| Ok(edits.next().unwrap_or(Edit::Keep)))
}

fn text_of(any: &[u8]) -> Result<Option<&[u8]>, EvalError> {
    Ok(match codec::read_any(any)? {
        Value::Text(Cow::Borrowed(text)) => Some(text),
        _ => None,
    })
}

fn replaced(text: Option<Vec<u8>>) -> Result<Edit, EvalError> {
    Ok(match text {
        Some(text) => Edit::Replace(owned_text(text).any()?),
        None => Edit::Keep,
    })
}

fn replace_all_matches(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = Arguments::new(arguments, View { target, env });
    let regex = given.pattern(1)?;
    let new = owned_text(Replacement::of(Arguments::new(arguments, given.view), 2)?.whole()?).any()?;
    let edits = edits_of(&given, |_, any| {
        let matches = text_of(any)?.is_some_and(|text| pattern::is_match(&regex, text));
        Ok(if matches { Edit::Replace(new.clone()) } else { Edit::Keep })
    })?;
    make(edits, arguments, target, env)
}

fn replace_all_patterns(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let keys = matches!(literal(arguments.get(1)), Some(Value::Text(mode)) if **mode == *b"key");
    let given = Arguments::new(arguments, View { target, env });
    let regex = given.pattern(2)?;
    let replacement = Replacement::of(Arguments::new(arguments, given.view), 3)?;
    let edits = edits_of(&given, |key, any| {
        let text = if keys { Some(key) } else { text_of(any)? };
        let Some(text) = text else { return Ok(Edit::Keep) };
        match replacement.pattern(&regex, text) {
            Ok(Some(key)) if keys => Ok(Edit::Entry(key, any.to_vec())),
            Ok(new) => replaced(new),
            // As in the Collector: an entry goes with its key.
            Err(_) if replacement.is_converted() => Ok(if keys { Edit::Remove } else { Edit::Keep }),
            Err(error) => Err(error),
        }
    })?;
    let edited = make(edits, arguments, target, env)?;
    Ok(edited && (!keys || once_each(arguments, target, env)?))
}

/// Of entries that have come to the same key, the last value stands in the place of the first.
fn once_each(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let mut last: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut count = 0;
    {
        let (map, field) = Arguments::new(arguments, View { target, env }).map(0)?;
        for entry in codec::payloads(&map, field) {
            let (key, any) = codec::key_and_any(entry?)?;
            last.insert(key.to_vec(), any.to_vec());
            count += 1;
        }
    }
    if last.len() < count {
        each(arguments, target, env, &mut |key, _| Ok(last.remove(key).map_or(Edit::Remove, Edit::Replace)))?;
    }
    Ok(true)
}

fn check_truncate(arguments: &[Argument]) -> Result<(), String> {
    match (literal(arguments.get(1)), literal(arguments.get(3))) {
        (Some(Value::Int(limit)), Some(Value::Text(marker))) if marker.len() as u64 > *limit as u64 => {
            Err(format!(
                "invalid truncation marker for truncate_all: {} bytes are more than the limit of {limit}",
                marker.len()
            ))
        }
        _ => Ok(()),
    }
}

fn truncate_all(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let given = Arguments::new(arguments, View { target, env });
    let edits = edits_of(&given, |_, any| {
        let limit = usize::try_from(given.int(1)?).unwrap_or(0);
        let Some(text) = text_of(any)?.filter(|text| text.len() > limit) else { return Ok(Edit::Keep) };
        let marker = if given.is_given(3) { given.text(3)?.into_owned() } else { Vec::new() };
        let mut end = limit.saturating_sub(marker.len());
        if given.flag(2, true)? {
            while end > 0 && (text[end] & 0xc0) == 0x80 {
                end -= 1;
            }
        }
        replaced(Some([&text[..end], &marker].concat()))
    })?;
    make(edits, arguments, target, env)
}

/// Ours: masks e-mail addresses in a string, or in all strings of a map.
fn mask_emails(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let given = Arguments::new(arguments, View { target, env });
    if matches!(given.value(0)?, Value::Map(..)) {
        let edits = edits_of(&given, |_, any| replaced(text_of(any)?.and_then(crate::ottl::mask::emails)))?;
        return make(edits, arguments, target, env);
    }
    write(arguments, target, env, |given| match given.value(0)? {
        Value::Text(text) => Ok(crate::ottl::mask::emails(&text).map(owned_text)),
        _ => Ok(None),
    })
}
