//! The Common Event Format: `CEF:0|vendor|product|version|id|name|severity|key=value key=value`.

use super::Found;
use crate::ottl::error::EvalError;

const HEADER: [&str; 7] = [
    "cef.version",
    "cef.device_vendor",
    "cef.device_product",
    "cef.device_version",
    "cef.device_event_class_id",
    "cef.name",
    "cef.severity",
];

pub(super) fn parse(line: &str) -> Result<Found, EvalError> {
    let start = line.find("CEF:").ok_or("invalid CEF message: 'CEF:' not found")?;
    let (fields, extension) = header(&line[start + "CEF:".len()..])?;
    if fields[0].is_empty() {
        return Err("invalid CEF message: missing version".into());
    }
    let mut found = Found::default();
    for (at, (key, field)) in HEADER.iter().zip(fields).enumerate() {
        // The version is not escaped.
        found.put_text(key, if at == 0 { field } else { unescaped(&field, |c| (c == '|').then_some('|')) });
    }
    found.put("cef.extensions", extensions(extension).into_value()?);
    Ok(found)
}

/// The fields up to the seventh unescaped bar, as written, and what stands behind it.
fn header(text: &str) -> Result<(Vec<String>, &str), EvalError> {
    let (mut fields, mut from) = (Vec::new(), 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next_if(|(_, next)| matches!(next, '|' | '\\'));
        } else if c == '|' {
            fields.push(text[from..at].to_owned());
            from = at + 1;
            if fields.len() == HEADER.len() {
                return Ok((fields, &text[from..]));
            }
        }
    }
    fields.push(text[from..].to_owned());
    if fields.len() == HEADER.len() {
        return Ok((fields, ""));
    }
    Err(format!(
        "invalid CEF header: expected at least 7 pipe-delimited fields (CEF:Version, Device Vendor, Device Product, \
         Device Version, Device Event Class ID, Name, Severity), got {}",
        fields.len()
    )
    .into())
}

/// Backslashes stand for themselves unless another one or what `means` knows follows.
fn unescaped(text: &str, means: impl Fn(char) -> Option<char>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let meaning = |next: &char| if *next == '\\' { Some('\\') } else { means(*next) };
        match chars.peek().filter(|_| c == '\\').and_then(meaning) {
            Some(meant) => {
                chars.next();
                out.push(meant);
            }
            None => out.push(c),
        }
    }
    out
}

/// A value goes on until the next word that ends in `=`.
fn extensions(text: &str) -> Found {
    let mut found = Found::default();
    let mut open: Option<(&str, usize)> = None;
    let close = |found: &mut Found, open: Option<(&str, usize)>, end: usize| {
        if let Some((key, from)) = open {
            let meaning = |c| match c {
                '=' => Some('='),
                'n' => Some('\n'),
                'r' => Some('\r'),
                _ => None,
            };
            found.put_text(key, unescaped(text[from..end].trim_end_matches(' '), meaning));
        }
    };
    let mut at = 0;
    while let Some(next) = text.get(at..) {
        if let Some(key) = key(next) {
            close(&mut found, open, at);
            open = Some((key, at + key.len() + 1));
            at += key.len() + 1;
        }
        // The first character of a value is no place for a key, unless it is a space.
        match text[at..].find(' ') {
            Some(space) => at += space + 1,
            None => break,
        }
    }
    close(&mut found, open, text.len());
    found
}

fn key(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    (end > 0 && text[end..].starts_with('=')).then(|| &text[..end])
}
