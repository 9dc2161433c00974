//! The merged and defaulted configuration as text, secrets masked.

use std::fmt::Write;

use super::tree::{Typed, plain};

/// Whether secrets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `[REDACTED]` stands for each.
    Redacted,
    /// They are shown.
    Unredacted,
}

/// How the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Readable by the loader.
    Yaml,
    /// The same as JSON.
    Json,
}

/// A value to print.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Printed {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Secret(String),
    List(Vec<Printed>),
    Map(Vec<(String, Printed)>),
}

const REDACTED: &str = "[REDACTED]";

impl Printed {
    pub(super) fn render(&self, mode: Mode, format: Format) -> String {
        let json = self.json(mode);
        let mut out = String::new();
        match format {
            Format::Json => out = format!("{json:#}\n"),
            Format::Yaml => yaml(&json, 0, &mut out),
        }
        out
    }

    fn json(&self, mode: Mode) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => i64::try_from(*value).map_or(Value::Null, Value::from),
            Self::Float(value) => Value::from(*value),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Secret(text) if mode == Mode::Unredacted => Value::from(text.as_str()),
            Self::Secret(_) => Value::from(REDACTED),
            Self::List(items) => items.iter().map(|item| item.json(mode)).collect(),
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.json(mode))).collect()
            }
        }
    }
}

/// Block style for what has content, flow style for what is empty. JSON strings are YAML strings.
fn yaml(value: &serde_json::Value, indent: usize, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(out, "{:indent$}{}:", "", word(key));
                below(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let start = out.len() + indent;
                if is_block(item) {
                    yaml(item, indent + 4, out); // begins with the indentation that the dash goes into
                } else {
                    let _ = write!(out, "{:indent$}  ", "");
                    yaml(item, 0, out);
                }
                out.replace_range(start..=start, "-");
            }
        }
        Value::String(text) => {
            let _ = writeln!(out, "{}", word(&text.replace('$', "$$"))); // reads back as itself
        }
        other => {
            let _ = writeln!(out, "{other}");
        }
    }
}

fn below(value: &serde_json::Value, indent: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        yaml(value, indent + 4, out);
    } else {
        out.push(' ');
        yaml(value, 0, out);
    }
}

fn is_block(value: &serde_json::Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty())
}

/// Text without quotes where that cannot be misread.
fn word(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_./-:".contains(&b);
    let simple = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.contains(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(safe)
        && !text.ends_with(':')
        && matches!(plain(text), Typed::Text(_))
        && !matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n");
    if simple { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
