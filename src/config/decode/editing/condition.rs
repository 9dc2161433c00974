//! `include` and `exclude`.

use super::any::Any;
use crate::config::decode::{Cut, Section};
use crate::edit::{Condition, Library, Match, Matching, SeverityBound, Value};
use crate::outcome::Signal;

/// Reads `include` or `exclude`; `signals` say which properties make sense.
pub(super) fn condition(
    section: &mut Section<'_>,
    key: &'static str,
    signals: &[Signal],
) -> Option<Condition> {
    section.when_filled(key, |section| {
        section.shared_as("include and exclude");
        read(section, signals)
    })
}

/// How a list matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Strict,
    Regexp,
}

fn read(section: &mut Section<'_>, signals: &[Signal]) -> Condition {
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
    let kind = kind.unwrap_or(Kind::Strict);
    section.when_written("regexp", |section| {
        section.ignored::<bool>("cacheenabled");
        section.ignored::<Cut>("cachemaxnumentries");
    });
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
        attributes: pairs(section, "attributes", kind),
        resources: pairs(section, "resources", kind),
        libraries: section.list("libraries", |section| library(section, kind)),
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
