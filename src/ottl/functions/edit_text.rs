//! Editors of strings: replacing, truncating, masking.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use regex::bytes::Regex;

use super::edit_map::each;
use super::edit_value::{owned_text, write};
use super::{Argument, Arguments, Converter, Editor, Kind, Param, edits, optional, param, value};
use crate::ottl::env::Env;
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::target::{Edit, Target};
use crate::ottl::value::{self as codec, Value};

/// Longest string that a replacement makes.
const RESULT_BYTES_MAX: usize = 16 << 20;

const TARGET: Param = param("target", Kind::Path);
const FUNCTION: Param = optional("function", Kind::Function);
const FORMAT: Param = optional("replacement_format", Kind::Value);

pub(super) const EDITORS: &[Editor] = &[
    Editor {
        check: |arguments| check_format(arguments.get(4)),
        ..edits(
            "replace_pattern",
            &[TARGET, param("regex", Kind::Pattern), value("replacement"), FUNCTION, FORMAT],
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
                param("regex", Kind::Pattern),
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

/// What stands before and behind the one `%s`; `%%` is a percent sign.
fn split_format(format: &[u8]) -> Result<(Vec<u8>, Vec<u8>), EvalError> {
    let mut parts = vec![Vec::new()];
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        match (byte, parts.last_mut()) {
            (b'%', Some(part)) => match bytes.next() {
                Some(b's') => parts.push(Vec::new()),
                Some(b'%') => part.push(b'%'),
                _ => return Err(FORMAT_WRONG.into()),
            },
            (byte, Some(part)) => part.push(*byte),
            (_, None) => {}
        }
    }
    match (parts.pop(), parts.pop(), parts.is_empty()) {
        (Some(after), Some(before), true) => Ok((before, after)),
        _ => Err(FORMAT_WRONG.into()),
    }
}

const FORMAT_WRONG: &str =
    "replacementFormat must be format string containing a single %s and no other format specifiers";

/// What a matched string is replaced by.
struct Replacement<'v> {
    arguments: Arguments<'v>,
    text: Cow<'v, [u8]>,
    function: Option<&'static Converter>,
    format: Option<(Vec<u8>, Vec<u8>)>,
}

impl<'v> Replacement<'v> {
    /// Of arguments from `at` on.
    fn of(arguments: Arguments<'v>, at: usize) -> Result<Self, EvalError> {
        let text = arguments.text(at)?;
        let function = arguments.function(at + 1);
        let given = arguments.is_given(at + 2);
        let format = if given { Some(split_format(&arguments.text(at + 2)?)?) } else { None };
        Ok(Self { arguments, text, function, format })
    }

    fn converted(&self, text: Vec<u8>) -> Result<Vec<u8>, EvalError> {
        let Some(function) = self.function else { return Ok(text) };
        let converted = self.arguments.apply(function, text)?;
        Ok(match &self.format {
            Some((before, after)) => [before, &converted[..], after].concat(),
            None => converted,
        })
    }

    /// `text` with what matches replaced; `None` when nothing does.
    fn pattern(&self, pattern: &Regex, text: &[u8]) -> Result<Option<Vec<u8>>, EvalError> {
        if self.function.is_some() {
            return if pattern.is_match(text) { self.each_match(pattern, text).map(Some) } else { Ok(None) };
        }
        let mut out = Spliced { text, out: Vec::new(), copied: 0 };
        if self.text.contains(&b'$') {
            for captures in pattern.captures_iter(text) {
                let Some(whole) = captures.get(0) else { continue };
                out.put(whole.range(), |out| captures.expand(&self.text, out))?;
            }
        } else {
            // Where groups lie costs more than where the match does.
            for found in pattern.find_iter(text) {
                out.put(found.range(), |out| out.extend_from_slice(&self.text))?;
            }
        }
        Ok(out.end())
    }

    /// With a function, the Collector replaces each matched text wherever it occurs, once per match.
    fn each_match(&self, pattern: &Regex, text: &[u8]) -> Result<Vec<u8>, EvalError> {
        let mut out = text.to_vec();
        for captures in pattern.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            let mut expanded = Vec::new();
            captures.expand(&self.text, &mut expanded);
            let new = self.converted(expanded)?;
            out = replace_all(&out, whole.as_bytes(), &new)?;
        }
        Ok(out)
    }
}

/// A text of which parts are replaced, from left to right.
struct Spliced<'t> {
    text: &'t [u8],
    out: Vec<u8>,
    copied: usize,
}

impl Spliced<'_> {
    fn put(&mut self, place: Range<usize>, new: impl FnOnce(&mut Vec<u8>)) -> Result<(), EvalError> {
        if self.out.capacity() == 0 {
            self.out.reserve(self.text.len() + 1);
        }
        self.out.extend_from_slice(&self.text[self.copied..place.start]);
        new(&mut self.out);
        self.copied = place.end;
        bounded(self.out.len())
    }

    /// `None` when nothing was replaced.
    fn end(mut self) -> Option<Vec<u8>> {
        (self.out.capacity() > 0).then(|| {
            self.out.extend_from_slice(&self.text[self.copied..]);
            self.out
        })
    }
}

fn bounded(len: usize) -> Result<(), EvalError> {
    if len > RESULT_BYTES_MAX {
        Err("a replacement makes a string of more than 16 MiB".into())
    } else {
        Ok(())
    }
}

/// Go's `strings.ReplaceAll`; an empty `old` stands before every character and at the end.
pub(super) fn replace_all(text: &[u8], old: &[u8], new: &[u8]) -> Result<Vec<u8>, EvalError> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if old.is_empty() {
            out.extend_from_slice(new);
            let next = at + 1 + text[at + 1..].iter().take_while(|byte| (**byte & 0xc0) == 0x80).count();
            out.extend_from_slice(&text[at..next]);
            at = next;
        } else if text[at..].starts_with(old) {
            out.extend_from_slice(new);
            at += old.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
        bounded(out.len())?;
    }
    if old.is_empty() {
        out.extend_from_slice(new);
    }
    Ok(out)
}

fn replace_one(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    glob: bool,
) -> Result<bool, EvalError> {
    write(arguments, target, env, |given| {
        let Value::Text(text) = given.value(0)? else { return Ok(None) };
        let pattern = given.pattern(1)?;
        if glob || !given.is_text_alone(2) {
            // What cannot be evaluated fails only where it is needed.
            if !pattern.is_match(&text) {
                return Ok(None);
            }
        }
        let replacement = Replacement::of(Arguments::new(arguments, given.view), 2)?;
        if glob {
            return Ok(Some(owned_text(replacement.converted(replacement.text.to_vec())?)));
        }
        Ok(replacement.pattern(&pattern, &text)?.map(owned_text))
    })
}

/// Computes edits of all entries first, as they may look at the target, then makes them.
fn each_text(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    edit: impl Fn(&Arguments<'_>, &[u8], &[u8]) -> Result<Edit, EvalError>,
) -> Result<bool, EvalError> {
    let given = Arguments::new(arguments, View { target, env });
    let (map, field) = given.map(0)?;
    let mut edits = Vec::new();
    for entry in codec::payloads(&map, field) {
        let (key, any) = codec::key_and_any(entry?)?;
        edits.push(edit(&given, key, any)?);
    }
    drop(map);
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
    each_text(arguments, target, env, |given, _, any| {
        let pattern = given.pattern(1)?;
        let Some(_) = text_of(any)?.filter(|text| pattern.is_match(text)) else { return Ok(Edit::Keep) };
        let replacement = Replacement::of(Arguments::new(arguments, given.view), 2)?;
        replaced(Some(replacement.converted(replacement.text.to_vec())?))
    })
}

fn replace_all_patterns(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let keys = matches!(literal(arguments.get(1)), Some(Value::Text(mode)) if **mode == *b"key");
    let edited = each_text(arguments, target, env, |given, key, any| {
        let pattern = given.pattern(2)?;
        let text = if keys { Some(key) } else { text_of(any)? };
        let Some(text) = text else { return Ok(Edit::Keep) };
        if !given.is_text_alone(3) && !pattern.is_match(text) {
            return Ok(Edit::Keep);
        }
        let replacement = Replacement::of(Arguments::new(arguments, given.view), 3)?;
        let new = replacement.pattern(&pattern, text)?;
        match new {
            Some(key) if keys => Ok(Edit::Entry(key, any.to_vec())),
            new => replaced(new),
        }
    })?;
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
    each_text(arguments, target, env, |given, _, any| {
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
    })
}

/// Ours: masks e-mail addresses in a string, or in all strings of a map.
fn mask_emails(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let is_map = {
        let given = Arguments::new(arguments, View { target, env });
        matches!(given.value(0)?, Value::Map(..))
    };
    if is_map {
        return each_text(arguments, target, env, |_, _, any| {
            replaced(text_of(any)?.and_then(crate::ottl::mask::emails))
        });
    }
    write(arguments, target, env, |given| match given.value(0)? {
        Value::Text(text) => Ok(crate::ottl::mask::emails(&text).map(owned_text)),
        _ => Ok(None),
    })
}
