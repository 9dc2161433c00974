//! A text as Go's engine reads it: a byte that is no UTF-8 is a character of its own, U+FFFD.

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::Regex;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// A text that patterns are searched in.
#[derive(Debug)]
pub struct Read<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where characters stand in `bytes` that are one byte in the text.
    replaced: Vec<usize>,
}

impl<'t> Read<'t> {
    /// Copies the text only if it is no UTF-8.
    pub fn of(text: &'t [u8]) -> Self {
        if std::str::from_utf8(text).is_ok() {
            return Self { bytes: Cow::Borrowed(text), replaced: Vec::new() };
        }
        let (mut bytes, mut replaced) = (Vec::with_capacity(text.len() + 16), Vec::new());
        for chunk in text.utf8_chunks() {
            bytes.extend_from_slice(chunk.valid().as_bytes());
            for _ in chunk.invalid() {
                replaced.push(bytes.len());
                bytes.extend_from_slice(REPLACEMENT);
            }
        }
        Self { bytes: Cow::Owned(bytes), replaced }
    }

    /// What is searched.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the text a match of [`Read::bytes`] lies; none for an empty one within a character, which Go does not see.
    pub fn place(&self, found: Range<usize>) -> Option<Range<usize>> {
        let within = found.is_empty() && self.bytes.get(found.start).is_some_and(|byte| byte & 0xc0 == 0x80);
        (!within).then(|| self.offset(found.start)..self.offset(found.end))
    }

    fn offset(&self, at: usize) -> usize {
        let before = self.replaced.partition_point(|start| *start < at);
        at - before * (REPLACEMENT.len() - 1)
    }
}

/// Whether the pattern matches anywhere in the text, as Go reads it.
pub fn is_match(pattern: &Regex, text: &[u8]) -> bool {
    pattern.is_match(Read::of(text).bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_are_characters() {
        let any = super::super::compile("^.$").unwrap();
        assert!(is_match(&any, b"\xff") && is_match(&any, "ü".as_bytes()) && !is_match(&any, b"\xe2\x82"));
        let text = b"\xffa\xe2\x82b";
        let read = Read::of(text);
        let letters = super::super::compile("[^a]b?").unwrap();
        let places: Vec<_> = letters.find_iter(read.bytes()).filter_map(|m| read.place(m.range())).collect();
        assert_eq!(places, [0..1, 2..3, 3..5]);
    }
}
