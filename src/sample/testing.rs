//! Requests and policies for tests, written short.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::facts::{Facts, Plan};
use super::judge::{Candidate, Policies, Verdict};
use super::{Config, Moment, Number, Policy, Rule, StatusCodes};

/// The instant that times of test spans count from.
pub const NOW: u64 = 1_700_000_000_000_000_000;

/// A span with what describes it.
#[derive(Clone, Default)]
pub struct Described {
    pub resource: Vec<KeyValue>,
    pub scope: Vec<KeyValue>,
    pub span: Span,
}

/// `key=text`, `key=#7` int, `key=%4.5` double, `key=!true` boolean, `key=[text]` array.
pub fn attribute(token: &str) -> KeyValue {
    let (key, value) = token.split_once('=').unwrap();
    let text = |text: &str| any_value::Value::StringValue(text.into());
    let value = match value.split_at_checked(1) {
        Some(("#", rest)) => any_value::Value::IntValue(rest.parse().unwrap()),
        Some(("%", rest)) => any_value::Value::DoubleValue(rest.parse().unwrap()),
        Some(("!", rest)) => any_value::Value::BoolValue(rest == "true"),
        Some(("[", rest)) => {
            let values = vec![AnyValue { value: Some(text(rest.trim_end_matches(']'))) }];
            any_value::Value::ArrayValue(ArrayValue { values })
        }
        _ => text(value),
    };
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A span of tokens: attributes (`res.` and `scope.` in front for those), `@start~end` in milliseconds (`z` = 0),
/// `status:2`, `flags:1`, `child`, `event:name=value`. `ts:` takes the rest of the text for the trace state.
pub fn span(text: &str) -> Described {
    let mut described = Described::default();
    let (text, state) = text.split_once("ts:").unwrap_or((text, ""));
    described.span.trace_state = state.into();
    for token in text.split_whitespace() {
        let span = &mut described.span;
        if let Some(token) = token.strip_prefix("res.") {
            described.resource.push(attribute(token));
        } else if let Some(token) = token.strip_prefix("scope.") {
            described.scope.push(attribute(token));
        } else if let Some(token) = token.strip_prefix("event:") {
            span.events.push(Event { attributes: vec![attribute(token)], ..Event::default() });
        } else if let Some(times) = token.strip_prefix('@') {
            let (start, end) = times.split_once('~').unwrap();
            (span.start_time_unix_nano, span.end_time_unix_nano) = (time(start), time(end));
        } else if let Some(code) = token.strip_prefix("status:") {
            span.status = Some(Status { code: code.parse().unwrap(), ..Status::default() });
        } else if let Some(flags) = token.strip_prefix("flags:") {
            span.flags = u32::from_str_radix(flags, 16).unwrap();
        } else if token == "child" {
            span.parent_span_id = vec![1; 8];
        } else {
            span.attributes.push(attribute(token));
        }
    }
    described
}

fn time(text: &str) -> u64 {
    if text == "z" {
        return 0;
    }
    let millis: f64 = text.parse().unwrap();
    (NOW as i64 + (millis * 1e6).round() as i64) as u64
}

/// One request of these spans; those with a resource or scope of their own stand in their own entry.
pub fn request(trace_id: u128, spans: &[Described]) -> Bytes {
    let mut entries: Vec<ResourceSpans> = Vec::new();
    for (number, described) in spans.iter().enumerate() {
        let mut span = described.span.clone();
        span.trace_id = trace_id.to_be_bytes().to_vec();
        span.span_id = (number as u64 + 1).to_be_bytes().to_vec();
        let plain = described.resource.is_empty() && described.scope.is_empty();
        if let Some(last) = entries.last_mut().filter(|last| plain && last.resource.is_none()) {
            last.scope_spans[0].spans.push(span);
            continue;
        }
        let attributes = described.resource.clone();
        let scope =
            InstrumentationScope { attributes: described.scope.clone(), ..InstrumentationScope::default() };
        entries.push(ResourceSpans {
            resource: (!plain).then(|| Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans {
                scope: (!plain).then_some(scope),
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        });
    }
    ExportTraceServiceRequest { resource_spans: entries }.encode_to_vec().into()
}

/// The facts of a trace: requests parted by `/`, their spans by `;`.
pub fn facts(plan: &Plan, trace_id: u128, trace: &str) -> Facts {
    let mut facts = Facts::default();
    for part in trace.split('/') {
        let spans: Vec<Described> = part.split(';').map(span).collect();
        let arrival = plan.read(request(trace_id, &spans)).unwrap();
        assert_eq!(arrival.portions.len(), 1);
        plan.absorb(&mut facts, &arrival.portions[0].facts);
    }
    facts
}

/// Judges traces at one moment.
pub fn judge(config: &Config, traces: &[(u128, &str)]) -> Vec<Verdict> {
    judge_with(&Plan::new(config), &mut Policies::new(config), Moment(NOW), traces)
}

/// Judges traces by policies that have judged before.
pub fn judge_with(
    plan: &Plan,
    policies: &mut Policies,
    now: Moment,
    traces: &[(u128, &str)],
) -> Vec<Verdict> {
    let facts: Vec<(u128, Facts)> = traces.iter().map(|(id, trace)| (*id, facts(plan, *id, trace))).collect();
    let due: Vec<Candidate<'_>> =
        facts.iter().map(|(id, facts)| Candidate { trace_id: id.to_be_bytes(), facts }).collect();
    policies.judge(now, &due)
}

/// A configuration of these policies.
pub fn config(compat: bool, policies: Vec<Policy>) -> Config {
    Config { policies, compat, tracestate: !compat, ..Config::default() }
}

pub fn policy(rule: Rule) -> Policy {
    Policy { name: String::new(), rule }
}

pub fn named(name: &str, policy: Policy) -> Policy {
    Policy { name: name.into(), ..policy }
}

pub fn always() -> Policy {
    policy(Rule::AlwaysSample)
}

pub fn text(key: &str, values: &[&str]) -> Policy {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    policy(Rule::StringAttribute { key: key.into(), values, regex: false, invert: false })
}

pub fn regex(key: &str, values: &[&str]) -> Policy {
    let mut policy = text(key, values);
    if let Rule::StringAttribute { regex, .. } = &mut policy.rule {
        *regex = true;
    }
    policy
}

pub fn numeric(key: &str, min: impl Into<Option<i64>>, max: impl Into<Option<i64>>) -> Policy {
    let (min, max) = (min.into().map(Number::Int), max.into().map(Number::Int));
    policy(Rule::Numeric { key: key.into(), min, max, invert: false })
}

pub fn boolean(key: &str, value: bool) -> Policy {
    policy(Rule::Boolean { key: key.into(), value, invert: false })
}

pub fn inverted(mut policy: Policy) -> Policy {
    match &mut policy.rule {
        Rule::StringAttribute { invert, .. }
        | Rule::Numeric { invert, .. }
        | Rule::Boolean { invert, .. } => {
            *invert = true;
        }
        _ => panic!("it cannot be inverted"),
    }
    policy
}

pub fn status(unset: bool, ok: bool, error: bool) -> Policy {
    policy(Rule::StatusCode { codes: StatusCodes { unset, ok, error } })
}

pub fn latency(threshold_ms: i64, upper_threshold_ms: i64) -> Policy {
    policy(Rule::Latency { threshold_ms, upper_threshold_ms })
}

pub fn span_count(min: i32, max: i32) -> Policy {
    policy(Rule::SpanCount { min, max })
}

pub fn probabilistic(percentage: f64) -> Policy {
    policy(Rule::Probabilistic { hash_salt: String::new(), percentage })
}

pub fn rate(spans_per_second: i64, burst: impl Into<Option<i64>>) -> Policy {
    policy(Rule::RateLimiting { spans_per_second, burst: burst.into() })
}

pub fn and(parts: Vec<Policy>) -> Policy {
    policy(Rule::And(parts))
}

pub fn not(part: Policy) -> Policy {
    policy(Rule::Not(Box::new(part)))
}

pub fn drop_if(parts: Vec<Policy>) -> Policy {
    policy(Rule::Drop(parts))
}
