//! Our policies with a rate per key.

use std::time::Duration;

use super::policy::Place;
use crate::config::decode::{Count, Cut, Section};
use crate::sample::{Dynamic, Ema, Method, Rule};

/// How many `update_frequency` a `lookback_frequency` is, when not written.
const LOOKBACK: u32 = 30;

pub(super) fn dynamic(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let method = Method::Window {
        sample_rate: rate(section, "sample_rate", None, place),
        clear_frequency: positive(section, "clear_frequency", Duration::from_secs(30), place),
    };
    Some(by_key(section, method, place))
}

pub(super) fn ema_dynamic(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let method = Method::Ema {
        goal_sample_rate: rate(section, "goal_sample_rate", None, place),
        ema: ema(section, place),
    };
    Some(by_key(section, method, place))
}

pub(super) fn ema_throughput(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let method = Method::EmaThroughput {
        goal_throughput_per_sec: rate(section, "goal_throughput_per_sec", None, place),
        initial_sample_rate: rate(section, "initial_sample_rate", Some(10), place),
        ema: ema(section, place),
    };
    Some(by_key(section, method, place))
}

pub(super) fn windowed_throughput(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let goal_throughput_per_sec = rate(section, "goal_throughput_per_sec", None, place);
    let update_frequency = positive(section, "update_frequency", Duration::from_secs(1), place);
    let usual = update_frequency.saturating_mul(LOOKBACK);
    let lookback_frequency = positive(section, "lookback_frequency", usual, place);
    if !lookback_frequency.as_nanos().is_multiple_of(update_frequency.as_nanos().max(1)) {
        let reason = "lookback_frequency must be a multiple of update_frequency";
        place.fail(section, "lookback_frequency", reason, None);
    }
    let method = Method::WindowedThroughput { goal_throughput_per_sec, update_frequency, lookback_frequency };
    Some(by_key(section, method, place))
}

/// The keys that all of them have.
fn by_key(section: &mut Section<'_>, method: Method, place: &Place<'_>) -> Rule {
    let fields = section.get("fields", Vec::new());
    if fields.iter().all(String::is_empty) {
        let help = Some("write fields: [http.route, http.response.status_code]");
        place.fail(section, "fields", "expected at least one field to make the key of", help);
    } else if fields.iter().any(String::is_empty) {
        place.fail(section, "fields", "a field is empty", None);
    }
    Rule::Dynamic(Dynamic {
        fields,
        use_trace_length: section.get("use_trace_length", false),
        max_keys: section.get("max_keys", Count(500)).0,
        method,
    })
}

fn ema(section: &mut Section<'_>, place: &Place<'_>) -> Ema {
    let weight = section.get("weight", 0.5);
    if !(weight > 0.0 && weight < 1.0) {
        place.fail(section, "weight", "weight must be between 0 and 1", Some("0.5 is the default"));
    }
    let age_out_value = section.get("age_out_value", weight);
    if age_out_value <= 0.0 {
        let help = Some("leave it out for the weight");
        place.fail(section, "age_out_value", "age_out_value must be greater than 0", help);
    }
    let burst_multiple = section.get("burst_multiple", 2.0);
    if (0.0..=1.0).contains(&burst_multiple) {
        let help = Some("a negative number switches burst detection off");
        place.fail(section, "burst_multiple", "burst_multiple must be greater than 1", help);
    }
    Ema {
        adjustment_interval: positive(section, "adjustment_interval", Duration::from_secs(15), place),
        weight,
        age_out_value,
        burst_multiple,
        burst_detection_delay: section.get("burst_detection_delay", 3),
    }
}

/// One in so many, or so many a second: at least one. Without a default it must be written.
fn rate(section: &mut Section<'_>, key: &'static str, default: Option<i64>, place: &Place<'_>) -> i64 {
    let rate = section.get(key, Cut(default.unwrap_or(0))).0;
    if rate < 1 {
        place.fail(section, key, &format!("{key} must be at least 1"), None);
    }
    rate.max(1)
}

fn positive(section: &mut Section<'_>, key: &'static str, default: Duration, place: &Place<'_>) -> Duration {
    let duration = section.get(key, default);
    if duration.is_zero() {
        place.fail(section, key, &format!("{key} must be longer than zero"), None);
        return default;
    }
    duration
}
