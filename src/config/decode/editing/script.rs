//! Lists of texts in OTTL: plain ones, whose context follows from their paths, or groups that name it.

use crate::config::decode::{KeyKind, Section};
use crate::config::tree::{Typed, Value};
use crate::edit::{Compiled, ErrorMode};
use crate::ottl::{self, Context, Dialect, ParseError};
use crate::outcome::Signal;

/// A group as it is written.
pub(super) struct Group {
    pub(super) context: Option<Context>,
    pub(super) texts: Vec<String>,
    /// What has to hold first, where a group has both.
    pub(super) conditions: Vec<String>,
    pub(super) error_mode: ErrorMode,
}

/// `error_mode`, with what an absent one means.
pub(super) fn error_mode(section: &mut Section<'_>, default: ErrorMode) -> ErrorMode {
    let words =
        [("ignore", ErrorMode::Ignore), ("silent", ErrorMode::Silent), ("propagate", ErrorMode::Propagate)];
    let word = words.iter().find(|(_, mode)| *mode == default).map_or("ignore", |(word, _)| *word);
    section.level("error_mode", word, &words, "unknown error mode").unwrap_or(default)
}

/// Reads the groups under `key`; their texts are under `texts`.
pub(super) fn groups(
    section: &mut Section<'_>,
    key: &'static str,
    texts: &'static str,
    default: ErrorMode,
) -> Vec<Group> {
    let Some(entry) = section.find(key, KeyKind::Live) else { return Vec::new() };
    let items = match &entry.value.value {
        Value::List(items) => &items[..],
        _ => &[],
    };
    let plain = items.iter().filter(|item| matches!(item.typed(), Typed::Text(_))).count();
    if plain > 0 && plain < items.len() {
        let message = "configuring multiple configuration styles is not supported, please use only Basic configuration \
                       or only Advanced configuration";
        section.error(key, message, Some("write all of the list as texts, or all as groups".into()));
        return Vec::new();
    }
    if plain > 0 {
        let list = section.get(key, Vec::new());
        return vec![Group { context: None, texts: list, conditions: Vec::new(), error_mode: default }];
    }
    section.list(key, |section| {
        section.shared_as(if texts == "statements" { "statement groups" } else { "condition groups" });
        let context = context(section);
        let conditions = section.get("conditions", Vec::new());
        let (texts, conditions) = match texts {
            "conditions" => (conditions, Vec::new()),
            texts => (section.get(texts, Vec::new()), conditions),
        };
        if section.has("shared_cache") {
            section.ignored::<bool>("shared_cache");
        }
        Group { context, texts, conditions, error_mode: error_mode(section, default) }
    })
}

fn context(section: &mut Section<'_>) -> Option<Context> {
    let name = section.get("context", String::new());
    let context = Context::of_name(&name);
    if context.is_none() && !name.is_empty() {
        let shown = if section.is_expanded("context") { "(not shown)" } else { &name };
        let help = "contexts: resource, scope, span, spanevent, metric, datapoint, exemplar, log";
        section.error("context", format!("unknown context {shown:?}"), Some(help.into()));
    }
    context
}

/// Compiles texts for a signal, and says what is wrong with them.
pub(super) struct Compiler<'s, 'a> {
    pub(super) section: &'s Section<'a>,
    pub(super) key: &'static str,
    pub(super) signal: Signal,
    pub(super) dialect: Dialect,
}

impl Compiler<'_, '_> {
    /// What the group runs on: what it says, or the innermost of what its paths name.
    pub(super) fn context(&self, group: &Group, are_conditions: bool) -> Option<Context> {
        let as_statement = |text: &String| format!("set(cache[\"\"], 0) where {text}");
        let mut texts: Vec<String> = group.conditions.iter().map(as_statement).collect();
        match are_conditions {
            true => texts.extend(group.texts.iter().map(as_statement)),
            false => texts.extend(group.texts.iter().cloned()),
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let context = match group.context {
            Some(context) => Some(context),
            None => match ottl::infer(&texts) {
                Ok(context) => context,
                // Each text by itself says below what is wrong with it.
                Err(_) => Some(Context::Resource),
            },
        };
        let of_signal: &[Context] = match self.signal {
            Signal::Traces => &[Context::Resource, Context::Scope, Context::Span, Context::SpanEvent],
            Signal::Metrics if are_conditions => {
                &[Context::Resource, Context::Scope, Context::Metric, Context::DataPoint]
            }
            Signal::Metrics => {
                &[Context::Resource, Context::Scope, Context::Metric, Context::DataPoint, Context::Exemplar]
            }
            Signal::Logs => &[Context::Resource, Context::Scope, Context::Log],
        };
        match context {
            Some(context) if of_signal.contains(&context) => return Some(context),
            Some(context) => {
                let message = format!("{:?} has no context {:?}", self.signal.name(), context.name());
                let known: Vec<_> = of_signal.iter().map(|context| context.name()).collect();
                self.section.error(self.key, message, Some(format!("contexts here: {}", known.join(", "))));
            }
            None => {
                let message = "unable to infer context from statements, path's first segment must be a valid context name";
                let help =
                    "write span.name for the name of a span, or put the texts into a group with a context";
                self.section.error(self.key, message, Some(help.into()));
            }
        }
        None
    }

    pub(super) fn conditions(&self, texts: &[String], context: Context) -> Vec<Compiled<ottl::Condition>> {
        self.compile(texts, |text| self.dialect.condition(text, context))
    }

    pub(super) fn statements(&self, texts: &[String], context: Context) -> Vec<Compiled<ottl::Statement>> {
        self.compile(texts, |text| self.dialect.statement(text, Some(context)))
    }

    fn compile<T>(
        &self,
        texts: &[String],
        compile: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Vec<Compiled<T>> {
        let mut compiled = Vec::new();
        for text in texts {
            match compile(text) {
                Ok(code) => compiled.push(Compiled { text: text.clone(), code }),
                Err(error) => {
                    let hidden = self.section.is_expanded(self.key);
                    let shown = if hidden { "a text cannot be parsed (not shown)" } else { &error.message };
                    let help = error.help.filter(|_| !hidden).map(|near| format!("did you mean {near:?}?"));
                    self.section.error(self.key, shown, help);
                }
            }
        }
        compiled
    }
}
