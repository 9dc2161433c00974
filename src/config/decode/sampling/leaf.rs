//! The Collector's policies that look at a trace themselves.

use super::policy::Place;
use crate::config::decode::scalars::Bad;
use crate::config::decode::{Cut, Scalar, Section};
use crate::config::print::Printed;
use crate::config::tree::{Node, Typed};
use crate::sample::{ErrorMode, check_ottl, check_pattern};
use crate::sample::{Number, Rule, StatusCodes};

fn whole(section: &mut Section<'_>, key: &'static str) -> i64 {
    section.get(key, Cut(0)).0
}

pub(super) fn latency(section: &mut Section<'_>, _: &Place<'_>) -> Option<Rule> {
    Some(Rule::Latency {
        threshold_ms: whole(section, "threshold_ms"),
        upper_threshold_ms: whole(section, "upper_threshold_ms"),
    })
}

/// In the Collector a bound of zero counts as not written, and a policy without bounds ends the process.
pub(super) fn numeric(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let key = section.get("key", String::new());
    let (min, max) = (section.opt("min_value"), section.opt("max_value"));
    let bounds = |bound: &Option<Number>| bound.is_some_and(|bound| !place.compat || cut(bound) != 0);
    if !bounds(&min) && !bounds(&max) {
        let help = match place.compat {
            true => "write one that is not 0; the Collector ends at the first trace without one",
            false => "write one; the Collector ends at the first trace without one",
        };
        place.fail(section, "", "at least one of min_value or max_value must be set", Some(help));
    }
    Some(Rule::Numeric { key, min, max, invert: section.get("invert_match", false) })
}

fn cut(number: Number) -> i64 {
    match number {
        Number::Int(value) => value,
        Number::Double(value) => value as i64,
    }
}

impl Scalar for Number {
    fn zero() -> Result<Self, Bad> {
        Ok(Self::Int(0))
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match node.typed() {
            Typed::Float(value) if value.fract() != 0.0 && value.is_finite() => Ok(Self::Double(value)),
            Typed::Float(value) if !value.is_finite() => Err(Bad::Form("must be a finite number".into())),
            _ => Cut::read(node).map(|Cut(value)| Self::Int(value)),
        }
    }

    fn print(&self) -> Printed {
        match self {
            Self::Int(value) => value.print(),
            Self::Double(value) => value.print(),
        }
    }
}

pub(super) fn probabilistic(section: &mut Section<'_>, _: &Place<'_>) -> Option<Rule> {
    Some(Rule::Probabilistic {
        hash_salt: section.get("hash_salt", String::new()),
        percentage: section.get("sampling_percentage", 0.0),
    })
}

pub(super) fn status_code(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let words = section.get("status_codes", Vec::new());
    let mut codes = StatusCodes::default();
    for word in &words {
        match word.as_str() {
            "OK" => codes.ok = true,
            "ERROR" => codes.error = true,
            "UNSET" => codes.unset = true,
            _ => {
                let hidden = section.is_expanded("status_codes");
                let shown = if hidden { "(not shown)".to_owned() } else { format!("{word:?}") };
                let reason = format!("unknown status code {shown}, supported: OK, ERROR, UNSET");
                let help = Some("codes are written in capitals").filter(|_| !hidden);
                place.fail(section, "status_codes", &reason, help);
            }
        }
    }
    if words.is_empty() {
        let help = Some("write status_codes: [ERROR]");
        place.fail(section, "status_codes", "expected at least one status code to filter on", help);
    }
    Some(Rule::StatusCode { codes })
}

pub(super) fn string(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let key = section.get("key", String::new());
    let values = section.get("values", Vec::new());
    let regex = section.get("enabled_regex_matching", false);
    section.ignored::<Cut>("cache_max_size");
    for pattern in values.iter().filter(|_| regex) {
        if let Err(reason) = check_pattern(pattern) {
            let message = if section.is_expanded("values") { "invalid regex" } else { &reason };
            place.fail(section, "values", message, Some("patterns are RE2's, without look-around"));
        }
    }
    Some(Rule::StringAttribute { key, values, regex, invert: section.get("invert_match", false) })
}

pub(super) fn boolean(section: &mut Section<'_>, _: &Place<'_>) -> Option<Rule> {
    Some(Rule::Boolean {
        key: section.get("key", String::new()),
        value: section.get("value", false),
        invert: section.get("invert_match", false),
    })
}

pub(super) fn rate_limiting(section: &mut Section<'_>, _: &Place<'_>) -> Option<Rule> {
    let spans_per_second = whole(section, "spans_per_second");
    Some(Rule::RateLimiting { spans_per_second, burst: burst(section) })
}

pub(super) fn bytes_limiting(section: &mut Section<'_>, _: &Place<'_>) -> Option<Rule> {
    let bytes_per_second = whole(section, "bytes_per_second");
    Some(Rule::BytesLimiting { bytes_per_second, burst: burst(section) })
}

/// Not written, zero and below mean twice the rate.
fn burst(section: &mut Section<'_>) -> Option<i64> {
    section.written("burst_capacity").map(|Cut(burst)| burst).filter(|burst| *burst > 0)
}

pub(super) fn span_count(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    Some(Rule::SpanCount {
        min: narrow(section, "min_spans", place),
        max: narrow(section, "max_spans", place),
    })
}

/// A number of 32 bits. What does not fit is cut by the Collector, so that a huge minimum matches everything.
fn narrow(section: &mut Section<'_>, key: &'static str, place: &Place<'_>) -> i32 {
    let value = whole(section, key);
    if let Ok(value) = i32::try_from(value) {
        return value;
    }
    let used = if place.compat { value as i32 } else { value.clamp(i32::MIN.into(), i32::MAX.into()) as i32 };
    let message = format!("'{key}' does not fit 32 bits; {used} is used");
    let help = match place.compat {
        true => "this is what the Collector makes of it".to_owned(),
        false => format!("the Collector makes {} of it", value as i32),
    };
    section.warn(&section.mark_of(key), key, message, Some(help));
    used
}

pub(super) fn trace_state(section: &mut Section<'_>, _: &Place<'_>) -> Option<Rule> {
    Some(Rule::TraceState {
        key: section.get("key", String::new()),
        values: section.get("values", Vec::new()),
    })
}

pub(super) fn ottl_condition(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let modes =
        [("ignore", ErrorMode::Ignore), ("silent", ErrorMode::Silent), ("propagate", ErrorMode::Propagate)];
    if section.text_of("error_mode").is_some_and(|mode| mode.is_empty()) {
        section.error("error_mode", "unknown error mode \"\"", Some("remove it for silent".into()));
    }
    let error_mode = section.level("error_mode", "silent", &modes, "unknown error mode");
    let mut conditions = |key: &'static str| {
        let texts: Vec<String> = section.get(key, Vec::new());
        for text in &texts {
            if let Err((message, help)) = check_ottl(text, key == "spanevent") {
                let hidden = section.is_expanded(key);
                let shown = if hidden { "a condition cannot be parsed (not shown)" } else { &message };
                let help = help.filter(|_| !hidden).map(|near| format!("did you mean {near:?}?"));
                place.fail(section, key, shown, help.as_deref());
            }
        }
        texts
    };
    let (span, spanevent) = (conditions("span"), conditions("spanevent"));
    if span.is_empty() && spanevent.is_empty() {
        let help = Some("write span: ['attributes[\"key\"] == \"value\"']");
        place.fail(section, "span", "expected at least one OTTL condition to filter on", help);
    }
    Some(Rule::OttlCondition { error_mode: error_mode?, span, spanevent })
}
