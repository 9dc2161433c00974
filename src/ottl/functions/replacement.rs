//! What matches are replaced by, as Go's `regexp` and the Collector do it.

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::{Captures, Regex};

use super::{Arguments, Converter};
use crate::ottl::error::EvalError;
use crate::pattern::Read;

/// Longest string that a replacement makes.
const RESULT_BYTES_MAX: usize = 16 << 20;

pub(super) const FORMAT_WRONG: &str =
    "replacementFormat must be format string containing a single %s and no other format specifiers";

/// What a matched string is replaced by.
pub(super) struct Replacement<'v> {
    arguments: Arguments<'v>,
    text: Cow<'v, [u8]>,
    function: Option<&'static Converter>,
    format: Option<Cow<'v, [u8]>>,
}

impl<'v> Replacement<'v> {
    /// Of arguments from `at` on.
    pub(super) fn of(arguments: Arguments<'v>, at: usize) -> Result<Self, EvalError> {
        let text = arguments.text(at)?;
        let function = arguments.function(at + 1);
        let format = if arguments.is_given(at + 2) { Some(arguments.text(at + 2)?) } else { None };
        Ok(Self { arguments, text, function, format })
    }

    /// Whether a converter makes the replacement.
    pub(super) fn is_converted(&self) -> bool {
        self.function.is_some()
    }

    /// The replacement of a whole text.
    pub(super) fn whole(&self) -> Result<Vec<u8>, EvalError> {
        self.converted(self.text.to_vec())
    }

    fn converted(&self, text: Vec<u8>) -> Result<Vec<u8>, EvalError> {
        let Some(function) = self.function else { return Ok(text) };
        let converted = self.arguments.apply(function, text)?;
        let Some(format) = &self.format else { return Ok(converted) };
        let (before, after) = split_format(format)?;
        Ok([&before, &converted[..], &after].concat())
    }

    /// `text` with what matches replaced; `None` when nothing does.
    pub(super) fn pattern(&self, pattern: &Regex, text: &[u8]) -> Result<Option<Vec<u8>>, EvalError> {
        let read = Read::of(text);
        let mut out = Spliced { text, out: Vec::new(), copied: 0 };
        if self.function.is_none() && !self.text.contains(&b'$') {
            // Where groups lie costs more than where the match does.
            for found in pattern.find_iter(read.bytes()) {
                if let Some(place) = read.place(found.range()) {
                    out.put(place, |out| out.extend_from_slice(&self.text))?;
                }
            }
            return Ok(out.end());
        }
        for captures in pattern.captures_iter(read.bytes()) {
            let whole = captures.get(0).and_then(|whole| read.place(whole.range()));
            let Some(place) = whole else { continue };
            let mut new = Vec::new();
            expand(&self.text, &captures, |group| &text[read.place(group).unwrap_or_default()], &mut new);
            let new = self.converted(new)?;
            out.put(place, |out| out.extend_from_slice(&new))?;
        }
        Ok(out.end())
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
        if self.out.len() > RESULT_BYTES_MAX {
            return Err("a replacement makes a string of more than 16 MiB".into());
        }
        Ok(())
    }

    /// `None` when nothing was replaced.
    fn end(mut self) -> Option<Vec<u8>> {
        (self.out.capacity() > 0).then(|| {
            self.out.extend_from_slice(&self.text[self.copied..]);
            self.out
        })
    }
}

/// Go's `Regexp.Expand`: `$name` and `${name}` are groups, `$$` is a dollar, as is one that begins no name.
fn expand<'t>(
    template: &[u8],
    captures: &Captures<'_>,
    text: impl Fn(Range<usize>) -> &'t [u8],
    out: &mut Vec<u8>,
) {
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
        } else if let Some((name, after)) = group_name(rest) {
            let is_number =
                name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
            let group = match name.parse() {
                Ok(number) if is_number => captures.get(number),
                _ => captures.name(name),
            };
            out.extend_from_slice(group.map_or(&[], |group| text(group.range())));
            rest = after;
        } else {
            out.push(b'$');
        }
    }
    out.extend_from_slice(rest);
}

/// The name of a group at the beginning of a text, and what is behind it.
fn group_name(text: &[u8]) -> Option<(&str, &[u8])> {
    let (text, braced) = text.strip_prefix(b"{").map_or((text, false), |text| (text, true));
    let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let len = valid.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(valid.len());
    let (name, after) = (&valid[..len], &text[len..]);
    let after = if braced { after.strip_prefix(b"}")? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// What stands before and behind the one `%s`; the Collector has no `%%` here.
pub(super) fn split_format(format: &[u8]) -> Result<(Vec<u8>, Vec<u8>), EvalError> {
    let mut parts = vec![Vec::new()];
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        match (byte, parts.last_mut()) {
            (b'%', Some(_)) => match bytes.next() {
                Some(b's') => parts.push(Vec::new()),
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
