//! What samplers read and what edits write, as far as their settings say.

use std::fmt;

use crate::config::settings::Processor;
use crate::edit::{Action, Change, Config, Filter, Group};
use crate::ottl::{self, Context, Named};
use crate::outcome::Signal;
use crate::sample::{Policy, Rule};

/// Something of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// An attribute; policies look for it on the resource and on the span, and then there is no context.
    Attribute(Option<Context>, String),
    /// Anything else: `status.code`.
    Other(Context, String),
    /// Whether there are items at all.
    Spans,
}

impl Field {
    /// Whether they may be the same.
    pub(super) fn is(&self, written: &Self) -> bool {
        match (self, written) {
            (Self::Attribute(None, key), Self::Attribute(context, other)) => {
                key == other && matches!(context, None | Some(Context::Resource | Context::Span))
            }
            (one, other) => one == other,
        }
    }

    fn of(named: Named) -> Option<Self> {
        match (named.field.as_str(), named.key) {
            ("cache", _) | ("attributes", None) => None, // which one can't be told
            ("attributes", Some(key)) => Some(Self::Attribute(Some(named.context), key)),
            // A moment is the same in either form.
            ("start_time", _) => Some(Self::Other(named.context, "start_time_unix_nano".into())),
            ("end_time", _) => Some(Self::Other(named.context, "end_time_unix_nano".into())),
            _ => Some(Self::Other(named.context, named.field)),
        }
    }

    fn of_span(field: &str) -> Self {
        Self::Other(Context::Span, field.into())
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(Some(context), key) => write!(f, "{} attribute {key:?}", context.name()),
            Self::Attribute(None, key) => write!(f, "attribute {key:?}"),
            Self::Other(context, field) => write!(f, "{}.{field}", context.name()),
            Self::Spans => f.write_str("spans"),
        }
    }
}

/// What a sampler looks at, by policy.
pub(super) fn read_by(processor: &Processor, signal: Signal) -> Vec<(Option<&str>, Field)> {
    let mut reads = Vec::new();
    match processor {
        Processor::TailSampling(config) => {
            for policy in &config.sampling.policies {
                let mut fields = Vec::new();
                read_by_policy(policy, &mut fields);
                reads.extend(fields.into_iter().map(|field| (Some(policy.name.as_str()), field)));
            }
        }
        Processor::Edit(config) => {
            if let Config::Sampler(sampling) = &**config {
                let keys = match signal {
                    Signal::Traces => vec!["sampling.priority"],
                    _ => vec![sampling.from_attribute.as_str(), sampling.priority.as_str()],
                };
                let keys = keys.into_iter().filter(|key| !key.is_empty());
                let item = item(signal);
                reads.extend(keys.map(|key| (None, Field::Attribute(Some(item), key.into()))));
            }
        }
        _ => {}
    }
    reads
}

fn read_by_policy(policy: &Policy, fields: &mut Vec<Field>) {
    match &policy.rule {
        Rule::Numeric { key, .. } | Rule::StringAttribute { key, .. } | Rule::Boolean { key, .. } => {
            fields.push(Field::Attribute(None, key.clone()));
        }
        Rule::StatusCode { .. } => fields.push(Field::of_span("status.code")),
        Rule::Latency { .. } => {
            fields.extend(["start_time_unix_nano", "end_time_unix_nano"].map(Field::of_span));
        }
        Rule::TraceState { .. } => fields.push(Field::of_span("trace_state")),
        Rule::TraceFlags => fields.push(Field::of_span("flags")),
        Rule::SpanCount { .. } => fields.push(Field::Spans),
        Rule::OttlCondition { span, spanevent, .. } => {
            for (texts, context) in [(span, Context::Span), (spanevent, Context::SpanEvent)] {
                let named = texts.iter().filter_map(|text| ottl::read_by(text, context).ok()).flatten();
                fields.extend(named.filter_map(Field::of));
            }
        }
        Rule::Dynamic(dynamic) => fields.extend(
            dynamic
                .fields
                .iter()
                .map(|field| Field::Attribute(None, field.strip_prefix("root.").unwrap_or(field).to_owned())),
        ),
        Rule::And(parts) | Rule::Drop(parts) => parts.iter().for_each(|part| read_by_policy(part, fields)),
        Rule::Not(part) => read_by_policy(part, fields),
        Rule::Composite(composite) => {
            composite.policies.iter().for_each(|part| read_by_policy(part, fields));
        }
        Rule::AlwaysSample
        | Rule::Probabilistic { .. }
        | Rule::RateLimiting { .. }
        | Rule::BytesLimiting { .. } => {}
    }
}

/// What an edit writes. What it removes or makes unreadable is not among it: to do that behind a sampler is right.
pub(super) fn written_by(config: &Config, signal: Signal) -> Vec<Field> {
    match config {
        Config::Resource(actions) => {
            actions.list.iter().flat_map(|one| keys_of(one, Context::Resource)).collect()
        }
        Config::Attributes { actions, .. } => {
            actions.list.iter().flat_map(|one| keys_of(one, item(signal))).collect()
        }
        Config::Transform(groups) => groups.of(signal).iter().flat_map(written_by_group).collect(),
        Config::Filter(filters) if signal == Signal::Traces && drops_spans(filters.of(signal)) => {
            vec![Field::Spans]
        }
        Config::Filter(_) | Config::Redaction(_) | Config::Sampler(_) => Vec::new(),
    }
}

fn keys_of(action: &Action, context: Context) -> Vec<Field> {
    let keys = match &action.change {
        Change::Insert(_)
        | Change::Update(_)
        | Change::Upsert(_)
        | Change::ConvertToText
        | Change::ConvertToInt
        | Change::ConvertToDouble => vec![action.key.clone()],
        Change::Extract(pattern) => pattern.groups.clone(),
        Change::Delete(_) | Change::Hash(_) => Vec::new(),
    };
    keys.into_iter().map(|key| Field::Attribute(Some(context), key)).collect()
}

fn written_by_group(group: &Group) -> Vec<Field> {
    let texts = group.statements.iter().map(|statement| statement.text.as_str());
    texts
        .filter_map(|text| ottl::written_by(text, group.context).ok().flatten())
        .filter_map(Field::of)
        .collect()
}

fn drops_spans(filter: &Filter) -> bool {
    let of_spans = |context: Context| matches!(context, Context::Resource | Context::Scope | Context::Span);
    filter.conditions.iter().any(|(context, ..)| of_spans(*context))
        || filter.include.is_some()
        || filter.exclude.is_some()
}

fn item(signal: Signal) -> Context {
    match signal {
        Signal::Traces => Context::Span,
        Signal::Metrics => Context::DataPoint,
        Signal::Logs => Context::Log,
    }
}
