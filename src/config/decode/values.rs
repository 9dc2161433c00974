//! Single values of a section: live, optional, secret, without effect, refused, one of several words.

use super::scalars::Bad;
use super::{KeyKind, Scalar, Section};
use crate::config::diagnostic::nearest;
use crate::config::print::Printed;
use crate::config::tree::{Node, Typed, Value};

impl Section<'_> {
    /// Reads a single value; absent means the default, null the zero value.
    pub(in crate::config) fn get<T: Scalar>(&mut self, key: &'static str, default: T) -> T {
        let value = self.read(key, KeyKind::Live).unwrap_or(default);
        self.show(key, value.print());
        value
    }

    /// Reads a single value that has no default. Null is `None` too.
    pub(in crate::config) fn opt<T: Scalar>(&mut self, key: &'static str) -> Option<T> {
        let entry = self.find(key, KeyKind::Live)?;
        if entry.value.is_null() && entry.value.expanded.as_deref().is_none_or(str::is_empty) {
            return None;
        }
        let value: T = self.value(&entry.value, key)?;
        self.show(key, value.print());
        Some(value)
    }

    /// Reads a single value that has no default, but null is the zero value.
    pub(in crate::config) fn written<T: Scalar>(&mut self, key: &'static str) -> Option<T> {
        let value: T = self.read(key, KeyKind::Live)?;
        self.show(key, value.print());
        Some(value)
    }

    /// Like [`Section::opt`], and never printed.
    pub(in crate::config) fn secret(&mut self, key: &'static str) -> Option<String> {
        let value: String = self.opt(key)?;
        self.show(key, Printed::Secret(value.clone()));
        Some(value)
    }

    /// The text of a key that has been read already.
    pub(in crate::config) fn text_of(&self, key: &str) -> Option<String> {
        String::read(&self.entry(key)?.value).ok()
    }

    /// Checks a key that has no effect here.
    pub(in crate::config) fn ignored<T: Scalar>(&mut self, key: &'static str) {
        if let Some(value) = self.read::<T>(key, KeyKind::Ignored) {
            self.show(key, value.print());
        }
    }

    /// Checks a key that has no effect here, and warns when it is set.
    pub(in crate::config) fn without_effect<T: Scalar>(&mut self, key: &'static str, why: &str) {
        self.ignored::<T>(key);
        if let Some(entry) = self.entry(key)
            && !entry.value.is_null()
        {
            self.warn(&entry.mark, key, format!("'{key}' has no effect here: {why}"), None);
        }
    }

    /// Whether a part is written only to be switched off.
    pub(in crate::config) fn is_switched_off(&self, key: &str) -> bool {
        let entries = self.entry(key).map_or(&[][..], |entry| entry.value.entries());
        entries.iter().any(|entry| entry.key == "enabled" && entry.value.typed() == Typed::Bool(false))
    }

    /// Refuses a key when it is set to anything but null.
    pub(in crate::config) fn refused(&mut self, key: &'static str, why: &str, help: &str) {
        if let Some(entry) = self.find(key, KeyKind::Refused)
            && !entry.value.is_null()
        {
            let message = format!("'{key}' is not available in this version: {why}");
            self.context().push(entry.mark.error(&self.path_of(key), message, Some(help.to_owned())));
        }
    }

    fn read<T: Scalar>(&mut self, key: &'static str, kind: KeyKind) -> Option<T> {
        let entry = self.find(key, kind)?;
        self.value(&entry.value, key)
    }

    /// Reads a value as the key's type, or says why not.
    pub(in crate::config) fn value<T: Scalar>(&self, node: &Node, key: &str) -> Option<T> {
        let null = node.is_null() && node.expanded.as_deref().is_none_or(str::is_empty);
        match if null { T::zero() } else { T::read(node) } {
            Ok(value) => Some(value),
            Err(Bad::Type(expected)) => {
                let got = node.typed().name();
                let message = format!("'{key}' expected type '{expected}', got unconvertible type '{got}'");
                let help = (expected == "string" && matches!(got, "int" | "float64" | "bool"))
                    .then(|| "put it in quotes".to_owned());
                self.context().push(node.mark.error(&self.path_of(key), message, help));
                None
            }
            Err(Bad::Negative(expected)) => {
                let shown = match (&node.value, &node.expanded) {
                    (Value::Scalar { text, .. }, None) => text,
                    _ => "it",
                };
                let message = format!("'{key}' cannot parse value as '{expected}': {shown} overflows uint");
                let help = "it cannot be negative".to_owned();
                self.context().push(node.mark.error(&self.path_of(key), message, Some(help)));
                None
            }
            Err(Bad::Form(reason)) => {
                let shown = match (&node.value, &node.expanded) {
                    (Value::Scalar { text, .. }, None) if !null => format!(": {text:?}"),
                    _ => String::new(),
                };
                self.context().push(node.mark.error(
                    &self.path_of(key),
                    format!("'{key}' {reason}{shown}"),
                    None,
                ));
                None
            }
        }
    }

    /// Reads one of several words; the empty word means the default.
    pub(in crate::config) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        default: &'static str,
        words: &[(&'static str, T)],
        wording: &str,
    ) -> Option<T> {
        self.one_of(key, default, words, wording, false)
    }

    /// Like [`Section::choice`], for words that the Collector takes in upper case too.
    pub(in crate::config) fn level<T: Copy>(
        &mut self,
        key: &'static str,
        default: &'static str,
        words: &[(&'static str, T)],
        wording: &str,
    ) -> Option<T> {
        self.one_of(key, default, words, wording, true)
    }

    fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        default: &'static str,
        words: &[(&'static str, T)],
        wording: &str,
        any_case: bool,
    ) -> Option<T> {
        let word = self.get(key, default.to_owned());
        let word = if word.is_empty() { default } else { word.as_str() };
        let same = |known: &str| known == word || (any_case && known.eq_ignore_ascii_case(word));
        let found = words.iter().find(|(known, _)| same(known)).map(|(_, value)| *value);
        if found.is_none() {
            let shown = if self.is_expanded(key) { "the value given" } else { word };
            let valid: Vec<_> = words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
            let help = match nearest(word, valid.iter().copied()) {
                Some(near) if !self.is_expanded(key) => format!("did you mean {near:?}?"),
                _ => format!("valid values: {}", valid.join(", ")),
            };
            self.error(key, format!("{wording} {shown:?}"), Some(help));
        }
        found
    }
}
