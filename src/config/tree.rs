//! A configuration before it has meaning: maps, lists and scalars, each with the place it was written at.

use std::collections::HashMap;
use std::rc::Rc;

use super::diagnostic::{Diagnostic, Severity};

/// A place in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub source: Rc<str>,
    pub line: u32,   // from one; zero when the source has no lines of its own
    pub column: u32, // from one, in characters
}

impl Mark {
    pub(super) fn start_of(source: &Rc<str>) -> Self {
        Self { source: source.clone(), line: 1, column: 1 }
    }

    pub(super) fn error(&self, path: &str, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, path, message.into(), help)
    }

    pub(super) fn warning(&self, path: &str, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, path, message.into(), help)
    }

    fn diagnostic(
        &self,
        severity: Severity,
        path: &str,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            message,
            path: path.to_owned(),
            file: self.source.to_string(),
            line: self.line,
            column: self.column,
            help,
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub mark: Mark,
    pub value: Value,
    /// The text that stood in the environment or a referenced file. A string field takes it as it is; no message
    /// may show it, nor anything below it.
    pub expanded: Option<String>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `plain` text gets its type from its look; quoted text is a string.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub mark: Mark,
    pub value: Node,
}

/// The type a value has by YAML 1.2's core schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Typed<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
    List(&'a [Node]),
    Map(&'a [Entry]),
}

impl Typed<'_> {
    /// What the type is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }
}

impl Node {
    pub(super) fn map(mark: Mark, entries: Vec<Entry>) -> Self {
        Self { mark, value: Value::Map(entries), expanded: None }
    }

    pub(super) fn text(mark: Mark, text: String) -> Self {
        Self { mark, value: Value::Scalar { text, plain: false }, expanded: None }
    }

    pub(super) fn null(mark: Mark) -> Self {
        Self { mark, value: Value::Scalar { text: String::new(), plain: true }, expanded: None }
    }

    pub(super) fn typed(&self) -> Typed<'_> {
        match &self.value {
            Value::Scalar { text, plain: true } => plain(text),
            Value::Scalar { text, plain: false } => Typed::Text(text),
            Value::List(items) => Typed::List(items),
            Value::Map(entries) => Typed::Map(entries),
        }
    }

    /// The value as JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self.typed() {
            Typed::Null => serde_json::Value::Null,
            Typed::Bool(value) => value.into(),
            Typed::Int(value) => i64::try_from(value).map_or_else(|_| value.to_string().into(), Into::into),
            Typed::Float(value) => value.into(),
            Typed::Text(text) => text.into(),
            Typed::List(items) => items.iter().map(Self::to_json).collect(),
            Typed::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.typed() == Typed::Null
    }

    /// Whether anything in it came from the environment or a referenced file.
    pub(super) fn is_from_outside(&self) -> bool {
        self.expanded.is_some()
            || match &self.value {
                Value::Scalar { .. } => false,
                Value::List(items) => items.iter().any(Self::is_from_outside),
                Value::Map(entries) => entries.iter().any(|entry| entry.value.is_from_outside()),
            }
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }
}

/// What unquoted text is: the core schema's reading, and the numbers of older YAML that the Collector's parser takes as
/// well (`1_000`, `0b11`, and `012`, which is ten).
pub(super) fn plain(text: &str) -> Typed<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Typed::Null,
        "true" | "True" | "TRUE" => return Typed::Bool(true),
        "false" | "False" | "FALSE" => return Typed::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Typed::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Typed::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Typed::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Typed::Text(text);
    }
    let number = text.replace('_', "");
    match (integer(&number), number.parse::<f64>()) {
        (Some(value), _) => Typed::Int(value),
        (None, Ok(value)) if is_decimal(&number) => Typed::Float(value),
        _ => Typed::Text(text),
    }
}

/// An integer of 64 bits, with or without a sign.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("-", digits) => (-1, digits),
        ("+", digits) => (1, digits),
        _ => (1, text),
    };
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = i128::from_str_radix(digits, radix).ok().filter(|_| plain)? * sign;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// Whether it is a number as it is written down, not one of the words that are numbers too.
fn is_decimal(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
}

/// Lays one tree over another: maps join, everything else is replaced by the later.
pub(super) fn merge(base: &mut Node, over: Node) {
    if let (Value::Map(entries), Value::Map(_)) = (&mut base.value, &over.value) {
        let Value::Map(later) = over.value else { return };
        let places: HashMap<String, usize> =
            entries.iter().enumerate().map(|(place, entry)| (entry.key.clone(), place)).collect();
        for entry in later {
            match places.get(&entry.key) {
                Some(place) => merge(&mut entries[*place].value, entry.value),
                None => entries.push(entry),
            }
        }
    } else {
        *base = over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_text_has_the_type_of_the_core_schema() {
        for text in [
            "yes", "no", "on", "off", "1.2.3", "1e", "e1", ".", "-", "0xg", "12s", "_1", "+.e", "0o8", "0b",
            "1:30",
        ] {
            assert_eq!(plain(text), Typed::Text(text), "{text}");
        }
        assert_eq!(plain("-3"), Typed::Int(-3));
        assert_eq!(plain("0x1F"), Typed::Int(31));
        assert_eq!(plain("0o17"), Typed::Int(15));
        assert_eq!(plain("1.5"), Typed::Float(1.5));
        assert_eq!(plain(".5"), Typed::Float(0.5));
        assert_eq!(plain("1e3"), Typed::Float(1000.0));
        assert_eq!(plain("~"), Typed::Null);
        assert_eq!(plain("True"), Typed::Bool(true));
    }

    /// As a running Collector has them.
    #[test]
    fn numbers_of_older_yaml_are_the_collectors() {
        for (text, value) in [
            ("012", 10),
            ("-012", -10),
            ("1_000", 1000),
            ("1__0", 10),
            ("1_", 1),
            ("0b11", 3),
            ("-0b1", -1),
            ("0X1f", 31),
            ("0x_1", 1),
            ("+0x10", 16),
            ("18446744073709551615", i128::from(u64::MAX)),
        ] {
            assert_eq!(plain(text), Typed::Int(value), "{text}");
        }
        for (text, value) in [
            ("08", 8.0),
            ("0_8", 8.0),
            ("099", 99.0),
            ("1_0.0", 10.0),
            ("18446744073709551616", 2_f64.powi(64)),
        ] {
            assert_eq!(plain(text), Typed::Float(value), "{text}");
        }
    }
}
