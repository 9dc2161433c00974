//! What is done with one list of attributes, and the attributes that say so.

use std::borrow::Cow;
use std::collections::BTreeSet;

use regex::bytes::RegexSet;

use super::sanitize::{Place, Sanitizers};
use crate::digest::{Digest, Keyed};
use crate::edit::attributes::Attributes;
use crate::edit::text::as_text;
use crate::edit::value::Value;
use crate::outcome::Signal;
use crate::pattern::Pattern;
use crate::pii::{self, MASK};
use crate::semconv::Names;
use crate::wire::Malformed;

/// What to redact.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    /// `allowed_keys`; `None` = `allow_all_keys`.
    pub allowed_keys: Option<BTreeSet<String>>,
    /// `ignored_keys`: passed as they are.
    pub ignored_keys: BTreeSet<String>,
    /// `ignored_key_patterns`, likewise.
    pub ignored_key_patterns: RegexSet,
    /// `blocked_key_patterns`: values of such keys are masked whole.
    pub blocked_key_patterns: RegexSet,
    /// `blocked_values`: what they find in a value is masked.
    pub blocked_values: Vec<Pattern>,
    /// `allowed_values`: values in which they find something are passed as they are.
    pub allowed_values: RegexSet,
    /// `pii`: what else is masked in values.
    pub pii: Vec<pii::Rule>,
    /// `url_sanitizer` and `db_sanitizer`: what becomes of URLs and queries after that.
    pub sanitizers: Sanitizers,
    /// `redact_all_types`: values that are no text are looked at as text.
    pub redact_all_types: bool,
    /// `hash_function`: what stands for what is masked.
    pub hashing: Hashing,
    /// `summary`.
    pub summary: Summary,
    /// `semconv`: which attributes keys and their patterns mean.
    pub names: Names,
}

/// What stands for what is masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// `****`.
    #[default]
    None,
    /// A digest of it.
    Digest(Digest),
    /// A keyed digest of it.
    Hmac(Keyed, String),
}

/// How much is said of what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Summary {
    /// Nothing.
    #[default]
    Silent,
    /// How many attributes.
    Info,
    /// Which attributes too.
    Debug,
}

impl PartialEq for Redaction {
    fn eq(&self, other: &Self) -> bool {
        let keys = |one: &Self| (one.allowed_keys.clone(), one.ignored_keys.clone());
        let sets = |one: &Self| {
            [&one.ignored_key_patterns, &one.blocked_key_patterns, &one.allowed_values]
                .map(|set| set.patterns().to_vec())
        };
        let rest =
            |one: &Self| (one.pii.clone(), one.redact_all_types, one.hashing.clone(), one.summary, one.names);
        keys(self) == keys(other)
            && sets(self) == sets(other)
            && rest(self) == rest(other)
            && self.blocked_values == other.blocked_values
            && self.sanitizers == other.sanitizers
    }
}

/// Keys by what was done with them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) redacted: Vec<Vec<u8>>,
    pub(super) masked: Vec<Vec<u8>>,
    pub(super) allowed: Vec<Vec<u8>>,
    pub(super) ignored: usize,
}

/// Whether an attribute is one that a redaction before this has written; those pass, and no other of that prefix.
fn is_own(key: &[u8]) -> bool {
    let Some(rest) = key.strip_prefix(b"redaction.") else { return false };
    let rest = rest.strip_prefix(b"body.").unwrap_or(rest);
    let names: [&[u8]; 7] = [
        b"redacted.keys",
        b"redacted.count",
        b"masked.keys",
        b"masked.count",
        b"allowed.keys",
        b"allowed.count",
        b"ignored.count",
    ];
    names.contains(&rest)
}

impl Redaction {
    /// Redacts a list of attributes.
    pub(super) fn apply(
        &self,
        signal: Signal,
        message: &[u8],
        list: &mut Attributes,
    ) -> Result<(), Malformed> {
        let system = self.sanitizers.system(message, list)?;
        let says = self.summary != Summary::Silent;
        let mut found = Found::default();
        let mut note = |to: fn(&mut Found) -> &mut Vec<Vec<u8>>, key: &[u8]| {
            if says {
                to(&mut found).push(key.to_vec());
            }
        };
        let mut ignored = 0;
        for index in 0..list.end() {
            let key = list.key(message, index);
            if self.ignores(key) {
                ignored += 1;
            } else if !self.passes(key) {
                note(|found| &mut found.redacted, key);
                list.remove(index);
            } else {
                let text = self.text_of(list.value(message, index)?)?;
                if self.allows(&text) {
                    note(|found| &mut found.allowed, key);
                } else if let Some(masked) = self.mask_at(Place { key, signal, system: &system }, &text) {
                    note(|found| &mut found.masked, key);
                    list.set(index, &Value::Text(&masked).to_bytes());
                }
            }
        }
        found.ignored = ignored;
        found.sum_up(self, message, list, false)
    }

    /// The text that is looked at.
    fn text_of<'a>(&self, value: Value<'a>) -> Result<Cow<'a, [u8]>, Malformed> {
        match value {
            Value::Text(text) => Ok(Cow::Borrowed(text)),
            other if self.redact_all_types => as_text(other),
            _ => Ok(Cow::Borrowed(&[])),
        }
    }

    pub(super) fn ignores(&self, key: &[u8]) -> bool {
        self.names.any(key, |key| has(&self.ignored_keys, key) || finds(&self.ignored_key_patterns, key))
    }

    pub(super) fn passes(&self, key: &[u8]) -> bool {
        let Some(keys) = &self.allowed_keys else { return true };
        self.names.any(key, |key| has(keys, key)) || is_own(key)
    }

    pub(super) fn allows(&self, text: &[u8]) -> bool {
        finds(&self.allowed_values, text)
    }

    pub(super) fn masks_key(&self, key: &[u8]) -> bool {
        self.names.any(key, |key| finds(&self.blocked_key_patterns, key))
    }

    fn mask_at(&self, at: Place<'_>, text: &[u8]) -> Option<Vec<u8>> {
        if self.masks_key(at.key) {
            return Some(self.mask_whole(text));
        }
        changed(text, self.sanitizers.value(self.mask_found(text), at, self.names))
    }

    /// A text of a body with what is blocked masked, and without what sanitizers take out; nothing when nothing is.
    pub(super) fn mask(&self, text: &[u8]) -> Option<Vec<u8>> {
        changed(text, self.sanitizers.text(self.mask_found(text)))
    }

    /// A value masked whole; each line, as the Collector does it.
    pub(super) fn mask_whole(&self, text: &[u8]) -> Vec<u8> {
        let lines = text.split(|byte| *byte == b'\n');
        lines.map(|line| self.stand_in(line)).collect::<Vec<_>>().join(&b'\n')
    }

    /// The text with what is blocked masked.
    fn mask_found<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut masked = Cow::Borrowed(text);
        for pattern in &self.blocked_values {
            // Most values hold nothing to mask, and to ask is cheaper than to get ready to replace.
            if !pattern.regex.is_match(&masked) {
                continue;
            }
            let before: &[u8] = &masked;
            let by = |found: &regex::bytes::Captures<'_>| match found.get(0) {
                Some(found) if found.is_empty() && is_inside_character(before, found.start()) => Vec::new(),
                _ => self.stand_in(&found[0]),
            };
            if let Cow::Owned(next) = pattern.regex.replace_all(before, by) {
                masked = Cow::Owned(next);
            }
        }
        if let Cow::Owned(next) = pii::mask_all(&self.pii, &masked) {
            masked = Cow::Owned(next);
        }
        masked
    }

    fn stand_in(&self, text: &[u8]) -> Vec<u8> {
        match &self.hashing {
            Hashing::None => MASK.to_vec(),
            Hashing::Digest(digest) => digest.hex(text).into_bytes(),
            Hashing::Hmac(digest, key) => digest.hex(key.as_bytes(), text).into_bytes(),
        }
    }
}

fn changed(before: &[u8], after: Cow<'_, [u8]>) -> Option<Vec<u8>> {
    (*after != *before).then(|| after.into_owned())
}

/// Patterns find nothing at all there in Go, and here an empty text.
fn is_inside_character(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
}

/// Whether any of the patterns finds something; mostly there are none.
fn finds(patterns: &RegexSet, text: &[u8]) -> bool {
    !patterns.is_empty() && patterns.is_match(text)
}

pub(super) fn has(keys: &BTreeSet<String>, key: &[u8]) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| keys.contains(key))
}

impl Found {
    /// Adds the attributes that say what was done.
    pub(super) fn sum_up(
        self,
        redaction: &Redaction,
        message: &[u8],
        list: &mut Attributes,
        body: bool,
    ) -> Result<(), Malformed> {
        if redaction.summary == Summary::Silent {
            return Ok(());
        }
        let part = if body { "body." } else { "" };
        for (name, keys) in [("redacted", self.redacted), ("masked", self.masked), ("allowed", self.allowed)]
        {
            let count = keys.len();
            if count > 0 && redaction.summary == Summary::Debug {
                put_keys(&format!("redaction.{part}{name}.keys"), keys, message, list)?;
            }
            put_count(&format!("redaction.{part}{name}.count"), count, message, list)?;
        }
        put_count(&format!("redaction.{part}ignored.count"), self.ignored, message, list)
    }
}

/// Keys in order, together with those of a redaction before.
fn put_keys(
    name: &str,
    mut keys: Vec<Vec<u8>>,
    message: &[u8],
    list: &mut Attributes,
) -> Result<(), Malformed> {
    if let Some(index) = list.find(message, name.as_bytes())
        && let Value::Text(before) = list.value(message, index)?
        && !before.is_empty()
    {
        keys.extend(before.split(|byte| *byte == b',').map(<[u8]>::to_vec));
    }
    keys.sort();
    list.put(message, name.as_bytes(), &Value::Text(&keys.join(&b',')).to_bytes());
    Ok(())
}

fn put_count(name: &str, count: usize, message: &[u8], list: &mut Attributes) -> Result<(), Malformed> {
    if count == 0 {
        return Ok(());
    }
    let before = match list.find(message, name.as_bytes()) {
        Some(index) => match list.value(message, index)? {
            Value::Int(before) => before,
            _ => 0,
        },
        None => 0,
    };
    let count = before.saturating_add(count as i64);
    list.put(message, name.as_bytes(), &Value::Int(count).to_bytes());
    Ok(())
}
