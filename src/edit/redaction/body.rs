//! Bodies of log records: texts as attributes have them, maps and lists all the way down.

use super::rules::{Found, Redaction};
use crate::edit::condition::text;
use crate::edit::text::{as_text, elements, read_pair};
use crate::edit::value::{Value, write_field};
use crate::wire::json::DEPTH_MAX;
use crate::wire::{Malformed, otlp};

/// What was done with a body.
pub(super) struct Redacted {
    pub(super) found: Found,
    /// The body as it is now, encoded, if it has changed.
    pub(super) body: Option<Vec<u8>>,
}

/// Redacts the body of a record, if it has one.
pub(super) fn redact(rules: &Redaction, record: &[u8]) -> Result<Option<Redacted>, Malformed> {
    let body = text(record, otlp::LOG_BODY)?;
    let mut found = Found::default();
    let value = Value::read(body)?;
    let body = match value {
        Value::List(list) => Walk { rules, found: &mut found }.list(b"", list, 0)?,
        Value::Map(map) => Walk { rules, found: &mut found }.map(b"", map, 0)?,
        single => {
            let text = as_text(single)?;
            if rules.allows(&text) {
                return Ok(None);
            }
            let masked = rules.mask(&text);
            found.masked.extend(masked.is_some().then(|| b"body".to_vec()));
            masked.map(|masked| Value::Text(&masked).to_bytes())
        }
    };
    Ok(Some(Redacted { found, body }))
}

struct Walk<'a> {
    rules: &'a Redaction,
    found: &'a mut Found,
}

impl Walk<'_> {
    /// The encoded value as it is after this; nothing when it has not changed.
    fn value(&mut self, path: &[u8], value: Value<'_>, depth: usize) -> Result<Option<Vec<u8>>, Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed { at: 0, what: "a value nests too deep" });
        }
        match value {
            Value::List(list) => self.list(path, list, depth),
            Value::Map(map) => self.map(path, map, depth),
            single => {
                let text = as_text(single)?;
                if self.rules.allows(&text) {
                    self.found.allowed.push(path.to_vec());
                    return Ok(None);
                }
                let masked = self.rules.mask(&text);
                self.found.masked.extend(masked.is_some().then(|| path.to_vec()));
                Ok(masked.map(|masked| Value::Text(&masked).to_bytes()))
            }
        }
    }

    fn list(&mut self, path: &[u8], list: &[u8], depth: usize) -> Result<Option<Vec<u8>>, Malformed> {
        let (mut out, mut changed) = (Vec::new(), false);
        for (index, element) in elements(list).enumerate() {
            let element = element?;
            let path = below(path, format!("[{index}]").as_bytes());
            let after = self.value(&path, Value::read(element)?, depth + 1)?;
            changed |= after.is_some();
            write_field(otlp::VALUES, after.as_deref().unwrap_or(element), &mut out);
        }
        Ok(changed.then(|| Value::List(&out).to_bytes()))
    }

    fn map(&mut self, path: &[u8], map: &[u8], depth: usize) -> Result<Option<Vec<u8>>, Malformed> {
        let (mut out, mut changed) = (Vec::new(), false);
        for pair in elements(map) {
            let pair = pair?;
            let (key, value) = read_pair(pair)?;
            let path = below(path, key);
            let after = if self.rules.ignores(key) {
                self.found.ignored += 1;
                None
            } else if !self.rules.passes(key) {
                self.found.redacted.push(path);
                changed = true;
                continue;
            } else if self.rules.masks_key(key) {
                self.found.masked.push(path);
                let text = if let Value::Text(text) = value { text } else { b"" };
                Some(Value::Text(&self.rules.mask_whole(text)).to_bytes())
            } else {
                self.value(&path, value, depth + 1)?
            };
            let Some(after) = after else {
                write_field(otlp::VALUES, pair, &mut out);
                continue;
            };
            changed = true;
            let mut pair = Vec::new();
            write_field(otlp::ATTRIBUTE_KEY, key, &mut pair);
            write_field(otlp::ATTRIBUTE_VALUE, &after, &mut pair);
            write_field(otlp::VALUES, &pair, &mut out);
        }
        Ok(changed.then(|| Value::Map(&out).to_bytes()))
    }
}

fn below(path: &[u8], key: &[u8]) -> Vec<u8> {
    if path.is_empty() { key.to_vec() } else { [path, key].join(&b'.') }
}
