//! The functions by name, and what they take.

mod arguments;
mod edit_map;
mod edit_text;
mod edit_value;
mod encodings;
mod grok;
mod hash;
mod lines;
mod metrics;
mod moment;
mod parsers;
mod records;
mod replacement;
mod rows;
mod span_name;
mod strings;
mod types;
mod xml;

use std::borrow::Cow;
use std::sync::Arc;

use regex::bytes::Regex;

use super::context::Context;
use super::env::Env;
use super::error::EvalError;
use super::expression::Expression;
use super::path::Place;
use super::target::Target;
use super::value::Value;
use super::xml::XPath;
use super::zone::Zone;

pub(super) use arguments::Arguments;
pub(super) use encodings::base64;
pub(super) use moment::rfc3339;

/// A function with a value: its name begins in upper case.
#[derive(Debug)]
pub(super) struct Converter {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    pub(super) call: for<'v> fn(&Arguments<'v>) -> Result<Value<'v>, EvalError>,
    /// Checks what is written out among the arguments, and makes what can be made of it once.
    pub(super) prepare: fn(&mut [Argument]) -> Result<(), String>,
    /// It reads this message beside its arguments.
    pub(super) looks_at: Option<Context>,
}

/// A function that changes its target: its name is in lower case.
#[derive(Debug)]
pub(super) struct Editor {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    /// What is wrong with the arguments as written.
    pub(super) check: fn(&[Argument]) -> Result<(), String>,
    pub(super) run: Run,
    /// The one context it exists in.
    pub(super) only: Option<Context>,
}

type Run = fn(&[Argument], &mut Target<'_>, &Env<'_>) -> Result<bool, EvalError>;

/// A parameter.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) optional: bool,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Value,
    /// A path that is written to.
    Path,
    /// A regular expression, compiled at once when it is written out.
    Pattern,
    Glob,
    /// The name of an attribute, or a list of them; those that are written out may have other names too.
    Name,
    /// The name of a converter of one argument.
    Function,
    /// One of these strings, written out.
    Choice(&'static [&'static str]),
    /// A whole number from 0, written out.
    Count,
}

/// An argument, compiled.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Absent,
    Value(Expression),
    Place(Place),
    Pattern(Regex),
    Function(&'static Converter),
    Made(Arc<Made>),
}

/// What is made of arguments once.
#[derive(Debug)]
pub(super) enum Made {
    Zone(Zone),
    Networks(Vec<parsers::Network>),
    Grok(grok::Grok),
    Severities(records::Severities),
    XPath(XPath),
}

/// A string that is written out.
fn literal_text(arguments: &[Argument], at: usize) -> Option<Cow<'_, str>> {
    match arguments.get(at) {
        Some(Argument::Value(Expression::Literal(Value::Text(text)))) => Some(String::from_utf8_lossy(text)),
        _ => None,
    }
}

const fn param(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, optional: false }
}

const fn value(name: &'static str) -> Param {
    param(name, Kind::Value)
}

const fn optional(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, optional: true }
}

type Call = for<'v> fn(&Arguments<'v>) -> Result<Value<'v>, EvalError>;

const fn converts(name: &'static str, params: &'static [Param], call: Call) -> Converter {
    Converter { name, params, call, prepare: |_| Ok(()), looks_at: None }
}

const fn edits(name: &'static str, params: &'static [Param], run: Run) -> Editor {
    Editor { name, params, check: |_| Ok(()), run, only: None }
}

const CONVERTERS: &[&[Converter]] = &[
    strings::CONVERTERS,
    types::CONVERTERS,
    hash::CONVERTERS,
    moment::CONVERTERS,
    parsers::CONVERTERS,
    rows::CONVERTERS,
    encodings::CONVERTERS,
    grok::CONVERTERS,
    records::CONVERTERS,
    xml::CONVERTERS,
    lines::CONVERTERS,
    metrics::CONVERTERS,
];

const EDITORS: &[&[Editor]] =
    &[edit_value::EDITORS, edit_map::EDITORS, edit_text::EDITORS, span_name::EDITORS, metrics::EDITORS];

/// Why a name that the Collector knows is not one here.
pub(super) fn absent(name: &str) -> Option<&'static str> {
    Some(match name {
        "All" | "Any" | "Filter" | "Find" | "MapEach" | "MapKeys" | "Reduce" | "When" => {
            "it takes a lambda, which the Collector has behind the alpha gate ottl.functions.enableLambda"
        }
        _ => return None,
    })
}

/// The converter of a name.
pub(super) fn converter(name: &str) -> Option<&'static Converter> {
    CONVERTERS.iter().copied().flatten().find(|converter| converter.name == name)
}

/// The editor of a name.
pub(super) fn editor(name: &str) -> Option<&'static Editor> {
    EDITORS.iter().copied().flatten().find(|editor| editor.name == name)
}

/// The names of all converters.
pub(super) fn converter_names() -> impl Iterator<Item = &'static str> {
    CONVERTERS.iter().copied().flatten().map(|converter| converter.name)
}

/// The names of all editors.
pub(super) fn editor_names() -> impl Iterator<Item = &'static str> {
    EDITORS.iter().copied().flatten().map(|editor| editor.name)
}
