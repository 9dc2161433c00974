//! Policies and sets of them, as YAML in flow style.

/// A `tail_sampling` block: its policies, and other keys of it.
#[derive(Clone)]
pub struct Set {
    pub policies: String,
    pub keys: String,
}

impl Set {
    /// Policies in this order, named `p0`, `p1`, …
    pub fn of<const N: usize>(rules: [String; N]) -> Self {
        Self { policies: listed("p", &rules), keys: String::new() }
    }

    /// The same with another key.
    pub fn with(mut self, key: &str) -> Self {
        self.keys += &format!("{key}, ");
        self
    }

    /// With both decision caches, large enough for every trace.
    pub fn cached(self) -> Self {
        self.with("decision_cache: {sampled_cache_size: 100000, non_sampled_cache_size: 100000}")
    }

    /// With `sampling_strategy: span-ingest`.
    pub fn at_ingest(self) -> Self {
        self.with("sampling_strategy: span-ingest")
    }

    /// The block, without the keys that all sets share.
    pub fn yaml(&self) -> String {
        format!("{}policies: {}", self.keys, self.policies)
    }
}

fn listed(name: &str, rules: &[String]) -> String {
    let policies: Vec<_> =
        rules.iter().enumerate().map(|(index, rule)| format!("{{name: {name}{index}, {rule}}}")).collect();
    format!("[{}]", policies.join(", "))
}

/// A policy of this type, with the keys of its block.
pub fn leaf(kind: &str, keys: &str) -> String {
    format!("type: {kind}, {kind}: {{{keys}}}")
}

pub fn always() -> String {
    "type: always_sample".to_owned()
}

pub fn string(key: &str, values: &str) -> String {
    leaf("string_attribute", &format!("key: {key}, values: {values}"))
}

pub fn not_string(key: &str, values: &str) -> String {
    leaf("string_attribute", &format!("key: {key}, values: {values}, invert_match: true"))
}

/// Patterns are given without quotes.
pub fn regex(key: &str, pattern: &str) -> String {
    regex_with(key, pattern, "")
}

pub fn regex_with(key: &str, pattern: &str, keys: &str) -> String {
    let pattern = pattern.replace('\'', "''");
    leaf(
        "string_attribute",
        &format!("key: {key}, enabled_regex_matching: true, values: ['{pattern}']{keys}"),
    )
}

pub fn numeric(key: &str, bounds: &str) -> String {
    leaf("numeric_attribute", &format!("key: {key}, {bounds}"))
}

pub fn boolean(key: &str, value: &str) -> String {
    leaf("boolean_attribute", &format!("key: {key}, value: {value}"))
}

pub fn status(codes: &str) -> String {
    leaf("status_code", &format!("status_codes: [{codes}]"))
}

/// An upper bound of 0 is none.
pub fn latency(threshold: i64, upper: i64) -> String {
    leaf("latency", &format!("threshold_ms: {threshold}, upper_threshold_ms: {upper}"))
}

/// A maximum of 0 is none.
pub fn span_count(min: i64, max: i64) -> String {
    leaf("span_count", &format!("min_spans: {min}, max_spans: {max}"))
}

pub fn trace_state(key: &str, values: &str) -> String {
    leaf("trace_state", &format!("key: {key}, values: {values}"))
}

pub fn probabilistic(percentage: f64, salt: &str) -> String {
    leaf("probabilistic", &format!("sampling_percentage: {percentage}, hash_salt: '{salt}'"))
}

pub fn rate(spans: i64, burst: Option<i64>) -> String {
    let burst = burst.map_or(String::new(), |burst| format!(", burst_capacity: {burst}"));
    leaf("rate_limiting", &format!("spans_per_second: {spans}{burst}"))
}

pub fn byte_rate(bytes: i64, burst: i64) -> String {
    leaf("bytes_limiting", &format!("bytes_per_second: {bytes}, burst_capacity: {burst}"))
}

/// Conditions on spans and on events, each a YAML list.
pub fn ottl(mode: &str, span: &str, event: &str) -> String {
    let mode = if mode.is_empty() { String::new() } else { format!("error_mode: {mode}, ") };
    leaf("ottl_condition", &format!("{mode}span: {span}, spanevent: {event}"))
}

pub fn and<const N: usize>(rules: [String; N]) -> String {
    leaf("and", &format!("and_sub_policy: {}", listed("s", &rules)))
}

pub fn drop<const N: usize>(rules: [String; N]) -> String {
    leaf("drop", &format!("drop_sub_policy: {}", listed("s", &rules)))
}

pub fn not(rule: String) -> String {
    leaf("not", &format!("not_sub_policy: {{name: s0, {rule}}}"))
}

/// Sub-policies are named `s0`, `s1`, …; `allocation` gives some of them their percentages.
pub fn composite<const N: usize>(max: i64, rules: [String; N], allocation: &[(&str, i64)]) -> String {
    let allocation: Vec<_> = allocation
        .iter()
        .map(|(policy, percent)| format!("{{policy: {policy}, percent: {percent}}}"))
        .collect();
    let order: Vec<_> = (0..N).map(|index| format!("s{index}")).collect();
    leaf(
        "composite",
        &format!(
            "max_total_spans_per_second: {max}, policy_order: [{}], composite_sub_policy: {}, rate_allocation: [{}]",
            order.join(", "),
            listed("s", &rules),
            allocation.join(", ")
        ),
    )
}
