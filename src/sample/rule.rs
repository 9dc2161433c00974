//! What a policy says: the rules of `policies`, as configured.

use std::time::Duration;

/// One entry of `policies`, or of a combinator's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// `name`; may be empty inside combinators.
    pub name: String,
    /// `type` and its block.
    pub rule: Rule,
}

/// The rule of a policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// `always_sample`.
    AlwaysSample,
    /// `latency`.
    Latency {
        /// Milliseconds; a trace longer than this matches.
        threshold_ms: i64,
        /// Milliseconds; longer ones do not. 0 = none.
        upper_threshold_ms: i64,
    },
    /// `numeric_attribute`.
    Numeric {
        /// Attribute of resource or span.
        key: String,
        /// Inclusive; `None` = not written.
        min: Option<Number>,
        /// Inclusive; `None` = not written.
        max: Option<Number>,
        /// Match traces without such a value.
        invert: bool,
    },
    /// `probabilistic`.
    Probabilistic {
        /// Empty means the Collector's default seed.
        hash_salt: String,
        /// Percent; 100 and more is all, 0 and less none.
        percentage: f64,
    },
    /// `status_code`.
    StatusCode {
        /// Any of these.
        codes: StatusCodes,
    },
    /// `string_attribute`.
    StringAttribute {
        /// Attribute of resource or span.
        key: String,
        /// Values, or patterns.
        values: Vec<String>,
        /// `values` are regular expressions, searched unanchored.
        regex: bool,
        /// Match traces without such a value.
        invert: bool,
    },
    /// `boolean_attribute`.
    Boolean {
        /// Attribute of resource or span.
        key: String,
        /// The value that matches.
        value: bool,
        /// Match traces without such a value.
        invert: bool,
    },
    /// `rate_limiting`.
    RateLimiting {
        /// Spans.
        spans_per_second: i64,
        /// Spans; `None` = twice the rate.
        burst: Option<i64>,
    },
    /// `bytes_limiting`.
    BytesLimiting {
        /// Bytes.
        bytes_per_second: i64,
        /// Bytes; `None` = twice the rate.
        burst: Option<i64>,
    },
    /// `span_count`.
    SpanCount {
        /// Inclusive.
        min: i32,
        /// Inclusive; 0 = none.
        max: i32,
    },
    /// `trace_state`.
    TraceState {
        /// W3C tracestate key.
        key: String,
        /// Any of these.
        values: Vec<String>,
    },
    /// `ottl_condition`: a span, or an event of one, meets a condition.
    OttlCondition {
        /// What a condition that fails means.
        error_mode: ErrorMode,
        /// Conditions on spans, any of which may hold.
        span: Vec<String>,
        /// Conditions on events, likewise.
        spanevent: Vec<String>,
    },
    /// `trace_flags`: the sampled bit.
    TraceFlags,
    /// `and`: all of them.
    And(Vec<Policy>),
    /// `not`.
    Not(Box<Policy>),
    /// `drop`: all of them; a veto.
    Drop(Vec<Policy>),
    /// `composite`.
    Composite(Composite),
    /// Ours: `dynamic`, `ema_dynamic`, `ema_throughput`, `windowed_throughput`.
    Dynamic(Dynamic),
}

/// A bound of `numeric_attribute`: as written, whole or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// A fraction; the Collector cuts it.
    Double(f64),
}

/// `error_mode` of `ottl_condition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMode {
    /// A condition that fails does not match, and that is told.
    Ignore,
    /// A condition that fails does not match.
    Silent,
    /// The first condition that fails ends the policy with an error.
    Propagate,
}

/// The codes of `status_code`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCodes {
    /// `UNSET`.
    pub unset: bool,
    /// `OK`.
    pub ok: bool,
    /// `ERROR`.
    pub error: bool,
}

/// `composite`.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// `max_total_spans_per_second`.
    pub max_total: i64,
    /// `policy_order`; the Collector does not use it.
    pub order: Vec<String>,
    /// `composite_sub_policy`.
    pub policies: Vec<Policy>,
    /// `rate_allocation`: name and percent.
    pub allocation: Vec<(String, i64)>,
}

/// A sampler with a rate per key, after Honeycomb's Refinery.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynamic {
    /// `fields`: attributes of span or resource whose distinct values make the key; `root.` means the root span only.
    pub fields: Vec<String>,
    /// `use_trace_length`: the number of spans is part of the key.
    pub use_trace_length: bool,
    /// `max_keys`, 500.
    pub max_keys: usize,
    /// How rates are found.
    pub method: Method,
}

/// How a [`Dynamic`] sampler finds its rates. Keep 1 in `rate`.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// `dynamic`: counts of one window.
    Window {
        /// `sample_rate`: the goal over all keys.
        sample_rate: i64,
        /// `clear_frequency`, 30 s.
        clear_frequency: Duration,
    },
    /// `ema_dynamic`.
    Ema {
        /// `goal_sample_rate`.
        goal_sample_rate: i64,
        /// The moving average.
        ema: Ema,
    },
    /// `ema_throughput`.
    EmaThroughput {
        /// `goal_throughput_per_sec`: spans kept a second.
        goal_throughput_per_sec: i64,
        /// `initial_sample_rate`, 10.
        initial_sample_rate: i64,
        /// The moving average.
        ema: Ema,
    },
    /// `windowed_throughput`.
    WindowedThroughput {
        /// `goal_throughput_per_sec`: spans kept a second.
        goal_throughput_per_sec: i64,
        /// `update_frequency`, 1 s.
        update_frequency: Duration,
        /// `lookback_frequency`, 30 s.
        lookback_frequency: Duration,
    },
}

/// An exponentially moving average of counts per key.
#[derive(Clone, Debug, PartialEq)]
pub struct Ema {
    /// `adjustment_interval`, 15 s.
    pub adjustment_interval: Duration,
    /// `weight`, 0.5.
    pub weight: f64,
    /// `age_out_value`; the weight when not written.
    pub age_out_value: f64,
    /// `burst_multiple`, 2; negative = no burst detection.
    pub burst_multiple: f64,
    /// `burst_detection_delay`, 3 intervals.
    pub burst_detection_delay: u32,
}
