//! One map of the tree while it is read: keys by name, and at the end the keys that nobody asked for.

use super::{Context, KeyKind};
use crate::config::diagnostic::{Diagnostic, nearest};
use crate::config::print::Printed;
use crate::config::tree::{Entry, Mark, Node, Typed, Value};

/// One map, as far as it has been read.
pub(in crate::config) struct Section<'a> {
    context: &'a Context,
    entries: &'a [Entry],
    /// The keys that lead here, as written: `exporters::load_balancing/a::resolver`.
    pub path: String,
    schema: String, // the same by type: `exporters.load_balancing.resolver`
    /// Where the map is written.
    pub mark: Mark,
    asked: Vec<(&'static str, KeyKind)>,
    hints: Vec<(&'static str, &'static str)>,
    lenient: bool,
    maps_are_ignored: bool,
    printed: Vec<(String, Printed)>,
}

impl<'a> Section<'a> {
    /// A map at a place of the tree; anything but a map or null is an error and reads as empty.
    pub(in crate::config) fn new(context: &'a Context, node: &'a Node, path: &str, schema: &str) -> Self {
        if !matches!(node.value, Value::Map(_)) && !node.is_null() {
            let name = path.rsplit("::").next().unwrap_or(path);
            let message = format!("'{name}' expected a map, got {}", node.typed().name());
            context.push(node.mark.error(path, message, None));
        }
        Self::of(context, node.entries(), node.mark.clone(), path.to_owned(), schema.to_owned())
    }

    /// A map under a key, which is where its own errors point to.
    pub(in crate::config) fn under(context: &'a Context, entry: &'a Entry, path: &str, schema: &str) -> Self {
        let section = Self::new(context, &entry.value, path, schema);
        Self { mark: entry.mark.clone(), ..section }
    }

    fn of(context: &'a Context, entries: &'a [Entry], mark: Mark, path: String, schema: String) -> Self {
        Self {
            context,
            entries,
            path,
            schema,
            mark,
            asked: Vec::new(),
            hints: Vec::new(),
            lenient: false,
            maps_are_ignored: false,
            printed: Vec::new(),
        }
    }

    /// Unknown keys are warnings here, because the Collector ignores them silently.
    pub(in crate::config) fn lenient(&mut self) {
        self.lenient = true;
    }

    /// Unknown keys are warnings here when their value is a map, which the Collector ignores silently.
    pub(in crate::config) fn maps_are_ignored(&mut self) {
        self.maps_are_ignored = true;
    }

    /// The keys of this part are the same wherever it stands, so they are listed under one name.
    pub(in crate::config) fn shared_as(&mut self, name: &str) {
        self.schema = format!("({name})");
    }

    /// What to say when this unknown key is met.
    pub(in crate::config) fn hint(&mut self, key: &'static str, help: &'static str) {
        self.hints.push((key, help));
    }

    /// Every key, whatever its name: for maps that users fill.
    pub(in crate::config) fn all(&self) -> &'a [Entry] {
        self.entries
    }

    pub(in crate::config) fn context(&self) -> &'a Context {
        self.context
    }

    pub(in crate::config) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}::{key}", self.path) }
    }

    fn schema_of(&self, key: &str) -> String {
        if self.schema.is_empty() { key.to_owned() } else { format!("{}.{key}", self.schema) }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Asks for a key.
    pub(in crate::config) fn find(&mut self, key: &'static str, kind: KeyKind) -> Option<&'a Entry> {
        let entry = self.entry(key);
        if !self.asked.iter().any(|(known, _)| *known == key) {
            self.asked.push((key, kind));
            self.context.register(self.schema_of(key), kind, entry.is_some());
        }
        entry
    }

    /// Whether the key is written, with or without a value.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Where the value is written, the key when it has none of its own, the section when there is no key.
    pub(in crate::config) fn mark_of(&self, key: &str) -> Mark {
        match self.entry(key) {
            Some(entry) if matches!(entry.value.typed(), Typed::Map(_) | Typed::Null) => entry.mark.clone(),
            Some(entry) => entry.value.mark.clone(),
            None => self.mark.clone(),
        }
    }

    /// Whether the value came from outside the file and must not be shown.
    pub(in crate::config) fn is_expanded(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| entry.value.is_from_outside())
    }

    /// A part that exists whether written or not.
    pub(in crate::config) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let entry = self.find(key, KeyKind::Live);
        self.part(key, entry, read)
    }

    /// A part that is off unless written; null and `{}` turn it on, `enabled: false` off.
    pub(in crate::config) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let entry = self.find(key, KeyKind::Live)?;
        let mut on = true;
        let value = self.part(key, Some(entry), |part| {
            if part.has("enabled") && !part.asked.iter().any(|(key, _)| *key == "enabled") {
                part.asked.push(("enabled", KeyKind::Live)); // allowed on every optional part
                on = part.value(&part.entry("enabled")?.value, "enabled").unwrap_or(true);
            }
            Some(read(part))
        });
        if !on {
            self.show(key, Printed::Map(vec![("enabled".to_owned(), Printed::Bool(false))]));
        }
        value.filter(|_| on)
    }

    /// A part that is off unless written with content: null means absent.
    pub(in crate::config) fn when_filled<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let entry = self.find(key, KeyKind::Live)?;
        if entry.value.is_null() { None } else { Some(self.part(key, Some(entry), read)) }
    }

    /// A part that is off unless written; null and `{}` turn it on.
    pub(in crate::config) fn when_written<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let entry = self.find(key, KeyKind::Live)?;
        Some(self.part(key, Some(entry), read))
    }

    fn part<T>(
        &mut self,
        key: &str,
        entry: Option<&'a Entry>,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let (path, schema) = (self.path_of(key), self.schema_of(key));
        let mut part = match entry {
            Some(entry) => Section::under(self.context, entry, &path, &schema),
            None => Section::of(self.context, &[], self.mark.clone(), path, schema),
        };
        let value = read(&mut part);
        let printed = part.finish();
        self.printed.push((key.to_owned(), printed));
        value
    }

    /// Reads a list of maps, each with `read`.
    pub(in crate::config) fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'a>) -> T,
    ) -> Vec<T> {
        let Some(entry) = self.find(key, KeyKind::Live) else { return Vec::new() };
        let Value::List(items) = &entry.value.value else {
            if !entry.value.is_null() {
                let got = entry.value.typed().name();
                self.error(
                    key,
                    format!("'{key}' expected type 'list', got unconvertible type '{got}'"),
                    None,
                );
            }
            return Vec::new();
        };
        let (mut values, mut printed) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            let mut part = Section::new(self.context, item, &path, &self.schema_of(key));
            values.push(read(&mut part));
            printed.push(part.finish());
        }
        self.printed.push((key.to_owned(), Printed::List(printed)));
        values
    }

    /// Adds to what `print-config` shows.
    pub(in crate::config) fn show(&mut self, key: &str, printed: Printed) {
        self.printed.retain(|(known, _)| known != key);
        self.printed.push((key.to_owned(), printed));
    }

    /// An error at a key, or at the section when the key is not written.
    pub(in crate::config) fn error(&self, key: &str, message: impl Into<String>, help: Option<String>) {
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.context.push(self.mark_of(key).error(&path, message, help));
    }

    pub(in crate::config) fn warn(
        &self,
        mark: &Mark,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.context.push(mark.warning(&self.path_of(key), message, help));
    }

    /// A warning about an older spelling.
    pub(in crate::config) fn deprecated(&mut self, key: &'static str, help: &str) -> Option<&'a Entry> {
        let entry = self.find(key, KeyKind::Deprecated)?;
        self.warn(&entry.mark, key, format!("'{key}' is deprecated"), Some(help.to_owned()));
        Some(entry)
    }

    /// Reports the keys that nobody asked for and hands over what is to be printed.
    pub(in crate::config) fn finish(self) -> Printed {
        for entry in self.entries {
            if !self.asked.iter().any(|(key, _)| *key == entry.key) {
                self.context.push(self.unknown(entry));
            }
        }
        Printed::Map(self.printed)
    }

    fn unknown(&self, entry: &Entry) -> Diagnostic {
        let name = self.path.rsplit("::").next().unwrap_or_default();
        let known = || self.asked.iter().filter(|(_, kind)| *kind != KeyKind::Refused).map(|(key, _)| *key);
        let help = match self.hints.iter().find(|(key, _)| *key == entry.key) {
            Some((_, help)) => (*help).to_owned(),
            None => match nearest(&entry.key, known()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known().next().is_none() => "it has no keys".to_owned(),
                None => format!("valid keys: {}", known().collect::<Vec<_>>().join(", ")),
            },
        };
        if entry.value.expanded.is_some() && entry.mark == entry.value.mark {
            let message = format!("what is referenced here has keys that {:?} has not", self.path);
            return entry.mark.error(&self.path, message, Some(help)); // even a key may be a secret misread
        }
        let path = self.path_of(&entry.key);
        let map = matches!(entry.value.typed(), Typed::Map(_) | Typed::Null);
        if self.lenient || (self.maps_are_ignored && map) {
            let message = format!("'{name}' has no key {:?}; it is ignored", entry.key);
            return entry.mark.warning(&path, message, Some(help));
        }
        let name = if name.is_empty() { "the configuration" } else { name };
        entry.mark.error(&path, format!("'{name}' has invalid keys: {}", entry.key), Some(help))
    }
}
