//! Grok: patterns that name others, `%{IP:client.address}`. The library has the general ones and those of syslog and
//! Apache; definitions in the statement add to it.
//!
//! Owns: the library of patterns, and their expansion into one regular expression.
//! Takes: a pattern, definitions beside the library, whether only what has a name of its own is captured.
//! Gives: the captures of a text, typed where the pattern says so.
//! Bounds: expanded, a pattern has 1 MiB at most and nests 64 deep.
//! Loses: nothing; a capture that does not read as its type is an error.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use regex::Regex as TextRegex;
use regex::bytes::Regex;

use super::{Argument, Arguments, Converter, Kind, Made, converts, literal_text, optional, value};
use crate::ottl::error::EvalError;
use crate::ottl::expression::Expression;
use crate::ottl::value::Value;
use crate::pattern;

const EXPANDED_BYTES_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 64;

pub(super) const CONVERTERS: &[Converter] = &[Converter {
    prepare,
    ..converts(
        "ExtractGrokPatterns",
        &[
            value("target"),
            value("pattern"),
            optional("named_captures_only", Kind::Value),
            optional("pattern_definitions", Kind::Value),
        ],
        extract,
    )
}];

static LIBRARY: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = include_str!("patterns.txt").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect()
});

/// `%{NAME}`, `%{NAME:field}`, `%{NAME:field:type}`.
static REFERENCE: LazyLock<Option<TextRegex>> = LazyLock::new(|| {
    TextRegex::new(r"%\{([0-9A-Za-z_]+)(?::([0-9A-Za-z_+.]+)(?::([0-9A-Za-z_]+))?)?\}").ok()
});

/// A pattern, compiled.
#[derive(Debug)]
pub(in crate::ottl) struct Grok {
    regex: Regex,
    /// By number of the group: the field it fills.
    fields: Vec<Option<Field>>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: Option<String>,
}

impl Grok {
    fn of(text: &str, named_only: bool, definitions: &HashMap<&str, &str>) -> Result<Self, String> {
        let wrong = |error: String| {
            format!(
                "the regex pattern supplied to ExtractGrokPatterns {text:?} is not a valid pattern: {error}"
            )
        };
        let mut expansion = Expansion { named_only, definitions, out: String::new(), fields: Vec::new() };
        expansion.expand(text, 0).map_err(wrong)?;
        let regex = pattern::compile(&expansion.out).map_err(wrong)?;
        if named_only && expansion.fields.is_empty() {
            return Err("at least 1 named capture group must be supplied in the given regex".into());
        }
        // A type that one place gives holds for every place of that name.
        let kinds: Vec<(String, String)> =
            expansion.fields.iter().filter_map(|(name, kind)| Some((name.clone(), kind.clone()?))).collect();
        let field = |group: &str| {
            let (name, _) = expansion.fields.get(group.strip_prefix('g')?.parse::<usize>().ok()?)?;
            let kind = kinds.iter().rev().find(|(of, _)| of == name).map(|(_, kind)| kind.clone());
            Some(Field { name: name.replace("___", "."), kind })
        };
        let fields = regex.capture_names().map(|name| field(name?)).collect();
        Ok(Self { regex, fields })
    }

    fn captures(&self, text: &[u8]) -> Result<Value<'static>, EvalError> {
        let Some(captures) = self.regex.captures(text) else { return Value::map::<&str>([]) };
        let mut found: Vec<(&str, Value<'static>)> = Vec::new();
        for (field, group) in self.fields.iter().zip(captures.iter()) {
            let (Some(field), Some(group)) = (field, group) else { continue };
            if group.is_empty() {
                continue;
            }
            let value = field.typed(group.as_bytes())?;
            match found.iter_mut().find(|(name, _)| *name == field.name) {
                Some(entry) => entry.1 = value,
                None => found.push((&field.name, value)),
            }
        }
        Value::map(found)
    }
}

impl Field {
    fn typed(&self, text: &[u8]) -> Result<Value<'static>, EvalError> {
        let parsed = || std::str::from_utf8(text).unwrap_or_default();
        let wrong = |kind: &str| EvalError::from(format!("{}: {:?} is no {kind}", self.name, parsed()));
        Ok(match self.kind.as_deref() {
            None | Some("string") => Value::Text(Cow::Owned(text.to_vec())),
            Some(kind @ ("int" | "long")) => Value::Int(parsed().parse().map_err(|_| wrong(kind))?),
            Some(kind @ ("float" | "double")) => Value::Double(parsed().parse().map_err(|_| wrong(kind))?),
            Some(kind @ ("bool" | "boolean")) => Value::Bool(match parsed() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                _ => return Err(wrong(kind)),
            }),
            Some(kind) => return Err(format!("invalid type for {}: {kind}", self.name).into()),
        })
    }
}

/// A pattern being expanded. Groups get names of their own, as one field may stand in several.
struct Expansion<'d> {
    named_only: bool,
    definitions: &'d HashMap<&'d str, &'d str>,
    out: String,
    fields: Vec<(String, Option<String>)>,
}

impl Expansion<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("patterns nest more than {DEPTH_MAX} deep"));
        }
        let Some(reference) = &*REFERENCE else { return Ok(()) };
        let mut copied = 0;
        for found in reference.captures_iter(text) {
            let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
            self.plain(&text[copied..whole.start()])?;
            copied = whole.end();
            let name = name.as_str();
            let pattern = self.definitions.get(name).or_else(|| LIBRARY.get(name)).copied();
            let pattern = pattern.ok_or_else(|| {
                format!("pattern definition {name:?} unknown: give it in pattern_definitions")
            })?;
            match found.get(2) {
                None if self.named_only => self.out.push('('),
                field => {
                    let field = field.map_or(name, |field| field.as_str());
                    if field.contains('+') {
                        return Err(format!("invalid named capture: {field:?}"));
                    }
                    let kind = found.get(3).map(|kind| kind.as_str().to_owned());
                    self.open(field.replace('.', "___"), kind);
                }
            }
            self.expand(pattern, depth + 1)?;
            self.out.push(')');
        }
        self.plain(&text[copied..])
    }

    fn open(&mut self, name: String, kind: Option<String>) {
        self.out.push_str(&format!("(?P<g{}>", self.fields.len()));
        self.fields.push((name, kind));
    }

    /// What stands between references; groups that it names itself are fields too.
    fn plain(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some(at) = rest.find("(?") {
            let (before, group) = rest.split_at(at);
            self.out.push_str(before);
            let escapes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
            let named = group.strip_prefix("(?P<").or_else(|| group.strip_prefix("(?<"));
            let name = named.filter(|_| escapes % 2 == 0).and_then(|named| named.split_once('>'));
            match name
                .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
            {
                Some((name, after)) => {
                    self.open(name.to_owned(), None);
                    rest = after;
                }
                None => {
                    self.out.push_str("(?");
                    rest = &group[2..];
                }
            }
        }
        self.out.push_str(rest);
        match self.out.len() > EXPANDED_BYTES_MAX {
            true => Err(format!("expanded, it has more than {EXPANDED_BYTES_MAX} bytes")),
            false => Ok(()),
        }
    }
}

/// Definitions as `NAME=pattern`.
fn definitions(texts: &[String]) -> Result<HashMap<&str, &str>, String> {
    let mut found = HashMap::new();
    for (at, text) in texts.iter().enumerate() {
        let (name, pattern) = text.split_once('=').ok_or_else(|| {
            let start: String = text.chars().take(20).collect();
            format!(
                "pattern {start:?} supplied to ExtractGrokPatterns at index {at} has incorrect format, expecting PATTERNNAME=pattern definition"
            )
        })?;
        if name.contains(':') {
            return Err(format!("pattern ID {name:?} should not contain ':'"));
        }
        found.insert(name, pattern);
    }
    Ok(found)
}

fn prepare(arguments: &mut [Argument]) -> Result<(), String> {
    let named_only = match arguments.get(2) {
        None | Some(Argument::Absent) => false,
        Some(Argument::Value(Expression::Literal(Value::Bool(value)))) => *value,
        Some(_) => return Err("named_captures_only must be true or false, written out".into()),
    };
    let texts = match arguments.get(3) {
        None | Some(Argument::Absent) => Vec::new(),
        Some(Argument::Value(Expression::List(values))) => {
            let text = |value: &Expression| match value.literal() {
                Some(Value::Text(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
                _ => Err("pattern_definitions must be strings, written out".to_owned()),
            };
            values.iter().map(text).collect::<Result<_, _>>()?
        }
        Some(_) => return Err("pattern_definitions must be a list of strings, written out".into()),
    };
    let definitions = definitions(&texts)?;
    if let Some(pattern) = literal_text(arguments, 1) {
        let grok = Grok::of(&pattern, named_only, &definitions)?;
        arguments[1] = Argument::Made(Arc::new(Made::Grok(grok)));
    }
    Ok(())
}

fn extract<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let text = given.text(0)?;
    if let Some(Made::Grok(grok)) = given.made(1) {
        return grok.captures(&text);
    }
    let mut texts = Vec::new();
    for text in given.texts(3)? {
        texts.push(String::from_utf8_lossy(&text).into_owned());
    }
    Grok::of(&given.utf8(1)?, given.flag(2, false)?, &definitions(&texts)?)?.captures(&text)
}
