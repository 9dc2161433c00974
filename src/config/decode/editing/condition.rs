//! `include` and `exclude`.

use super::any::Any;
use crate::config::decode::{Cut, Section};
use crate::edit::{Condition, Expression, Library, Match, Matching, SeverityBound, Value};
use crate::outcome::Signal;
use crate::semconv::Names;

/// Reads `include` or `exclude`; `signals` say which properties make sense.
pub(super) fn condition(
    section: &mut Section<'_>,
    key: &'static str,
    signals: &[Signal],
    names: Names,
) -> Option<Condition> {
    section.when_filled(key, |section| {
        section.shared_as("include and exclude");
        Condition { names, ..read(section, signals) }
    })
}

/// `include` or `exclude` of metrics in `filter`.
pub(super) fn metric_condition(
    section: &mut Section<'_>,
    key: &'static str,
    names: Names,
) -> Option<Condition> {
    section.when_filled(key, |section| {
        section.shared_as("filter of metrics");
        let kind = match_type_of_metrics(section);
        cache(section);
        let (metric_names, expressions) = match kind {
            Kind::Expr => {
                unused(section, "metric_names", "match_type: expr looks at expressions only");
                (None, expressions(section))
            }
            _ => {
                unused(section, "expressions", "they need match_type: expr");
                (texts(section, "metric_names", kind), Vec::new())
            }
        };
        Condition {
            metric_names,
            expressions,
            resources: pairs(section, "resource_attributes", kind),
            names,
            ..Condition::default()
        }
    })
}

/// Says of a list that nobody reads it.
fn unused(section: &mut Section<'_>, key: &'static str, why: &str) {
    if !section.get::<Vec<String>>(key, Vec::new()).is_empty() {
        section.warn(&section.mark_of(key), key, format!("'{key}' has no effect here: {why}"), None);
    }
}

/// `expressions`; those that cannot be used are reported.
fn expressions(section: &mut Section<'_>) -> Vec<Expression> {
    let list = section.get::<Vec<String>>("expressions", Vec::new());
    let is_expanded = section.is_expanded("expressions");
    let compiled = |(index, text): (usize, &String)| match Expression::new(text) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let column = text[..error.at].chars().count() + 1;
            let what = if is_expanded { "(not shown)" } else { &error.message };
            let message = format!("expression {} cannot be used: {what}, at column {column}", index + 1);
            let help = "there are MetricName, MetricType, Label(\"a\"), HasLabel(\"a\"), lower, upper and trim, compared by \
                        ==, !=, <, in, matches, contains, startsWith, endsWith; all else goes in OTTL: metrics: {datapoint: [...]}";
            section.error("expressions", message, Some(help.into()));
            None
        }
    };
    list.iter().enumerate().filter_map(compiled).collect()
}

/// `include` or `exclude` of log records in `filter`.
pub(super) fn log_condition(section: &mut Section<'_>, key: &'static str, names: Names) -> Option<Condition> {
    section.when_filled(key, |section| {
        section.shared_as("filter of logs");
        let kind = match_type(section);
        Condition {
            resources: pairs(section, "resource_attributes", kind),
            attributes: pairs(section, "record_attributes", kind),
            log_severity_texts: texts(section, "severity_texts", kind),
            log_bodies: texts(section, "bodies", kind),
            log_severity_number: section.when_filled("severity_number", |section| SeverityBound {
                min: severity(section),
                match_undefined: section.get("match_undefined", false),
            }),
            names,
            ..Condition::default()
        }
    })
}

/// A severity by its short name: INFO, INFO2 and so on.
fn severity(section: &mut Section<'_>) -> i64 {
    let name = section.get("min", String::new()).to_ascii_uppercase();
    if name.is_empty() {
        return 0;
    }
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let (word, step) = match name.strip_suffix(['2', '3', '4']) {
        Some(word) => (word, i64::from(name.as_bytes()[name.len() - 1] - b'1')),
        None => (name.as_str(), 0),
    };
    match levels.iter().zip(0i64..).find(|(level, _)| **level == word) {
        Some((_, place)) => place * 4 + 1 + step,
        None => {
            let shown = if section.is_expanded("min") { "(not shown)" } else { &name };
            let help = format!("severities: {}, each also with 2, 3 or 4", levels.join(", "));
            section.error("min", format!("'{shown}' is not a valid severity"), Some(help));
            0
        }
    }
}

/// How a list matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Strict,
    Regexp,
    /// Of names of metrics only: expressions say it.
    Expr,
}

/// Whether matches are cached, which they are not here.
fn cache(section: &mut Section<'_>) {
    section.when_written("regexp", |section| {
        section.ignored::<bool>("cacheenabled");
        section.ignored::<Cut>("cachemaxnumentries");
    });
}

fn match_type_of_metrics(section: &mut Section<'_>) -> Kind {
    if section.text_of("match_type").as_deref() == Some("expr") {
        section.get("match_type", String::new());
        return Kind::Expr;
    }
    match_type(section)
}

fn match_type(section: &mut Section<'_>) -> Kind {
    let word = section.get("match_type", String::new());
    let kind = match word.as_str() {
        "strict" => Some(Kind::Strict),
        "regexp" => Some(Kind::Regexp),
        _ => None,
    };
    if kind.is_none() {
        let shown = if section.is_expanded("match_type") { "(not shown)" } else { &word };
        let message = format!("unrecognized match_type: '{shown}', valid types are: [regexp strict]");
        section.error("match_type", message, None);
    }
    kind.unwrap_or(Kind::Strict)
}

fn read(section: &mut Section<'_>, signals: &[Signal]) -> Condition {
    let kind = match_type(section);
    cache(section);
    let condition = Condition {
        services: texts(section, "services", kind),
        span_names: texts(section, "span_names", kind),
        span_kinds: texts(section, "span_kinds", kind),
        log_bodies: texts(section, "log_bodies", kind),
        log_severity_texts: texts(section, "log_severity_texts", kind),
        log_severity_number: section.when_filled("log_severity_number", |section| SeverityBound {
            min: section.get("min", Cut(0)).0,
            match_undefined: section.get("match_undefined", false),
        }),
        metric_names: texts(section, "metric_names", kind),
        expressions: Vec::new(),
        attributes: pairs(section, "attributes", kind),
        resources: pairs(section, "resources", kind),
        libraries: section.list("libraries", |section| library(section, kind)),
        names: Names::default(),
    };
    if let Some(wrong) = signals.iter().find_map(|signal| misfit(&condition, *signal)) {
        section.error("", wrong, None);
    }
    let unknown = match &condition.span_kinds {
        Some(Matching::Strict(kinds)) => !kinds.iter().all(|kind| KINDS.contains(&kind.as_str())),
        _ => false,
    };
    if unknown {
        let message = format!(
            "span_kinds string must match one of the standard span kinds when match_type=strict: [{}]",
            KINDS.join(" ")
        );
        section.error("span_kinds", message, None);
    }
    condition
}

const KINDS: [&str; 5] = [
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_CONSUMER",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_SERVER",
];

fn texts(section: &mut Section<'_>, key: &'static str, kind: Kind) -> Option<Matching> {
    let list = section.get(key, Vec::new());
    if list.is_empty() { None } else { Some(matching(section, key, list, kind)) }
}

/// A list of texts or patterns; patterns that cannot be used are reported.
fn matching(section: &Section<'_>, key: &str, list: Vec<String>, kind: Kind) -> Matching {
    if kind == Kind::Regexp {
        match Matching::patterns(&list) {
            Ok(matching) => return matching,
            Err(reason) => {
                let reason = if section.is_expanded(key) { "invalid regex" } else { &reason };
                let help = "patterns are RE2's, without look-around";
                section.error(key, format!("error creating {key} filters: {reason}"), Some(help.into()));
            }
        }
    }
    Matching::Strict(list)
}

fn pairs(section: &mut Section<'_>, key: &'static str, kind: Kind) -> Vec<(String, Match)> {
    let pair = |section: &mut Section<'_>| {
        let key = section.get("key", String::new());
        if key.is_empty() {
            let message = "error creating attribute filters: can't have empty key in the list of attributes";
            section.error("key", message, None);
        }
        let wanted = match section.opt::<Any>("value") {
            None => Match::Any,
            Some(_) if kind == Kind::Expr => {
                let message = "unrecognized match_type: 'expr', valid types are: [regexp strict]";
                section.error("value", message, Some("values need one of those; write this in OTTL".into()));
                return None;
            }
            Some(value) if kind == Kind::Strict => Match::Exactly(value.encoded),
            Some(value) => match Value::read(&value.encoded) {
                Ok(Value::Text(text)) => {
                    let text = String::from_utf8_lossy(text).into_owned();
                    Match::Text(matching(section, "value", vec![text], kind))
                }
                _ => {
                    let message = format!("match_type=regexp for {key:?} only supports Str");
                    section.error("value", message, Some("put it in quotes".into()));
                    return None;
                }
            },
        };
        Some((key, wanted))
    };
    section.list(key, pair).into_iter().flatten().collect()
}

fn library(section: &mut Section<'_>, kind: Kind) -> Library {
    let name = section.get("name", String::new());
    let name = matching(section, "name", vec![name], kind);
    let version = section.opt::<String>("version");
    let version = version.map(|version| matching(section, "version", vec![version], kind));
    Library { name, version }
}

/// What the Collector says of properties that do not fit a signal.
fn misfit(condition: &Condition, signal: Signal) -> Option<&'static str> {
    let c = condition;
    let logs = c.log_bodies.is_some() || c.log_severity_texts.is_some() || c.log_severity_number.is_some();
    let spans = c.services.is_some() || c.span_names.is_some() || c.span_kinds.is_some();
    let attributes = !c.attributes.is_empty() || !c.libraries.is_empty();
    let common = attributes || !c.resources.is_empty();
    match signal {
        Signal::Traces if c.log_bodies.is_some() => {
            Some("log_bodies should not be specified for trace spans")
        }
        Signal::Traces if c.log_severity_texts.is_some() => {
            Some("log_severity_texts should not be specified for trace spans")
        }
        Signal::Traces if c.log_severity_number.is_some() => {
            Some("log_severity_number should not be specified for trace spans")
        }
        Signal::Traces if c.metric_names.is_some() => {
            Some("metric_names should not be specified for trace spans")
        }
        Signal::Traces if !spans && !common => {
            Some("at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified")
        }
        Signal::Logs if spans || c.metric_names.is_some() => {
            Some("services, span_names, span_kinds and metric_names are not valid for log records")
        }
        Signal::Logs if !logs && !common => Some(concat!(
            "at least one of \"attributes\", \"libraries\", \"span_kinds\", \"resources\", \"log_bodies\", ",
            "\"log_severity_texts\" or \"log_severity_number\" field must be specified"
        )),
        Signal::Metrics if logs || spans || attributes => Some(concat!(
            "\"span_names\", \"span_kinds\", \"log_bodies\", \"log_severity_texts\", \"log_severity_number\", ",
            "\"services\", \"attributes\" and \"libraries\" are not valid for metrics"
        )),
        Signal::Metrics if c.metric_names.is_none() && c.resources.is_empty() => {
            Some("at least one of \"metric_names\" or \"resources\" field must be specified")
        }
        _ => None,
    }
}
