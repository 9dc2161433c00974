//! Policies on real traffic: who is kept, and what is written on the kept.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;

use crate::support::backend::Backend;
use crate::support::load::{Seen, failing, lasting, span, text, traces, traces_of};
use crate::support::process::Ringtail;
use crate::support::sampling::{ALL, ERRORS, Sampling};
use crate::support::{Traces, wait};
use crate::{ended, mixed, verdicts};

const SLOW: &str = "{name: slow, type: latency, latency: {threshold_ms: 1000}}";
const TENTH: &str = "{name: tenth, type: probabilistic, probabilistic: {sampling_percentage: 10}}";

const TRACES: u64 = 400;

/// Of ten traces, one fails, one is slow; both only by their second span.
fn second(trace: u64) -> opentelemetry_proto::tonic::trace::v1::Span {
    match trace % 10 {
        0 => failing(span(trace, 1)),
        1 => lasting(span(trace, 1), 1500),
        _ => span(trace, 1),
    }
}

/// The traces in what arrived.
fn kept(backend: &Backend) -> BTreeSet<u64> {
    let name = |one: &Seen| one.span.name.split([' ', '/']).nth(1).unwrap().parse().unwrap();
    backend.spans().iter().map(name).collect()
}

/// Sends every trace in two parts: over gRPC, and over HTTP in both encodings.
async fn send_in_parts(ringtail: &Ringtail) {
    let every: Vec<u64> = (0..TRACES).collect();
    for chunk in every.chunks(40) {
        ringtail.export(traces(chunk.iter().map(|trace| span(*trace, 0)))).await.unwrap();
        let (some, others) = chunk.split_at(20);
        let body = traces(some.iter().map(|trace| second(*trace))).encode_to_vec();
        let answer = ringtail.post(&[("content-type", "application/x-protobuf")], body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = serde_json::to_vec(&traces(others.iter().map(|trace| second(*trace)))).unwrap();
        let answer = ringtail.post(&[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Scenario: errors, slow ones and a tenth of the rest, over gRPC and HTTP in, to a backend over gRPC and to one over
/// HTTP, by two processes.
/// Guarantee: every failing and slow trace is kept whole, a tenth of the others, the same in both processes.
#[tokio::test]
async fn errors_slow_traces_and_a_tenth_of_the_rest_are_kept() {
    let (one, two) = (Backend::grpc().await, Backend::http().await);
    let keys = format!("decision_wait: 1s, policies: [{ERRORS}, {SLOW}, {TENTH}]");
    let setups = [Sampling::to(&one, &keys), Sampling::to_http(&two, &keys)];
    for (setup, backend) in setups.into_iter().zip([&one, &two]) {
        let ringtail = setup.batch("timeout: 50ms").start().await;
        send_in_parts(&ringtail).await;
        let scrape = ringtail.settled().await;
        let kept = kept(backend);
        assert_eq!(backend.spans().len(), 2 * kept.len(), "every kept trace once, whole");
        assert!((0..TRACES).filter(|trace| trace % 10 < 2).all(|trace| kept.contains(&trace)));
        let rest = kept.iter().filter(|trace| **trace % 10 >= 2).count();
        assert!((12..60).contains(&rest), "{rest} of 320 is not a tenth");
        assert_eq!(verdicts(&scrape, "true"), kept.len() as f64);
        assert_eq!(verdicts(&scrape, "false"), (TRACES as usize - kept.len()) as f64);
        assert_eq!(ended(&scrape, "not_sampled"), 2 * (TRACES - kept.len() as u64));
        ringtail.settled().await;
    }
    assert_eq!(kept(&one), kept(&two));
}

/// Scenario: attributes of resource and span, a combination, a negation, and a drop policy against all of them.
/// Guarantee: the documented verdict for each.
#[tokio::test]
async fn combinations_decide_as_documented() {
    let backend = Backend::grpc().await;
    let keys = "decision_wait: 1s, policies: [
        {name: bank, type: string_attribute, string_attribute: {key: service.name, values: [bank]}},
        {name: both, type: and, and: {and_sub_policy: [
            {name: a, type: string_attribute, string_attribute: {key: tier, values: [gold]}},
            {name: b, type: span_count, span_count: {min_spans: 2}}]}},
        {name: veto, type: drop, drop: {drop_sub_policy: [
            {name: h, type: string_attribute, string_attribute: {key: health, values: ['yes']}}]}}]";
    let ringtail = Sampling::to(&backend, keys).start().await;
    let tagged = |trace: u64, n: u64, key: &str, value: &str| {
        let mut span = span(trace, n);
        span.attributes.push(text(key, value));
        span
    };
    let requests: Vec<Traces> = vec![
        traces_of("bank", [span(0, 0)]),
        traces([tagged(1, 0, "tier", "gold")]),
        traces([tagged(2, 0, "tier", "gold"), span(2, 1)]),
        traces([tagged(3, 0, "tier", "tin"), span(3, 1)]),
        traces_of("bank", [tagged(4, 0, "health", "yes")]),
        traces_of("shop", [span(5, 0)]),
    ];
    for request in requests {
        ringtail.export(request).await.unwrap();
    }
    // Met by different requests of one trace.
    ringtail.export(traces([tagged(6, 0, "tier", "gold")])).await.unwrap();
    ringtail.export(traces([span(6, 1)])).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_eq!(kept(&backend), BTreeSet::from([0, 2, 6]));
    assert_eq!(ended(&scrape, "policy_dropped"), 1);
    assert_eq!(ended(&scrape, "not_sampled"), 1 + 2 + 1);
}

/// Scenario: half of the traces, spans with a tracestate of their own, some with explicit randomness.
/// Guarantee: kept spans say `ot=th:8` beside what they said before; explicit randomness decides where it is given.
#[tokio::test]
async fn kept_spans_carry_the_threshold() {
    let backend = Backend::grpc().await;
    let half = "{name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}";
    let mut setup = Sampling::to(&backend, "");
    setup.keys = format!("decision_wait: 1s, policies: [{half}]");
    let ringtail = setup.start().await;
    let with = |trace, state: &str| {
        let mut span = span(trace, 0);
        span.trace_state = state.into();
        span
    };
    let plain = (0..100).map(|trace| span(trace, 0));
    let high = (100..110).map(|trace| with(trace, "ot=rv:80000000000000,vendor=x"));
    let low = (110..120).map(|trace| with(trace, "ot=rv:7fffffffffffff,vendor=x"));
    ringtail.export(traces(plain.chain(high).chain(low))).await.unwrap();
    ringtail.settled().await;
    let kept = kept(&backend);
    assert!((100..110).all(|trace| kept.contains(&trace)), "randomness of one half is kept");
    assert!((110..120).all(|trace| !kept.contains(&trace)), "just below is not");
    let of_plain = kept.iter().filter(|trace| **trace < 100).count();
    assert!((25..75).contains(&of_plain), "{of_plain} of 100 is not half");
    for one in backend.spans() {
        let state = &one.span.trace_state;
        assert!(state.split([',', '=', ';']).any(|word| word == "th:8"), "{state}");
        assert!(state.contains("vendor=x"), "{state}");
    }
}

/// Scenario: `record_policy`, two policies of which both or one keep a trace.
/// Guarantee: each kept scope names the first policy that kept it; nothing else is changed.
#[tokio::test]
async fn kept_traces_name_their_policy() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, record_policy: true, policies: [{ERRORS}, {ALL}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    ringtail.export(traces((0..9).map(|trace| mixed(trace, 0)))).await.unwrap();
    ringtail.settled().await;
    assert_eq!(backend.spans().len(), 9);
    for one in backend.spans() {
        let trace: u64 = one.span.name.split([' ', '/']).nth(1).unwrap().parse().unwrap();
        let policy = if trace.is_multiple_of(3) { "errors" } else { "all" };
        let scope = one.scope.unwrap();
        assert_eq!(scope.attributes, [text("tailsampling.policy", policy)], "trace {trace}");
        assert_eq!((scope.name.as_str(), one.span), ("library", mixed(trace, 0)));
    }
}

/// Scenario: a limit of 20 spans a second with a burst of 20, and 100 traces of one span at once, a third with errors,
/// which another policy keeps.
/// Guarantee: the limit is charged only for what nothing else keeps.
#[tokio::test]
async fn a_rate_limit_is_not_charged_for_what_is_kept_anyway() {
    let backend = Backend::grpc().await;
    let rate = "{name: rate, type: rate_limiting, rate_limiting: {spans_per_second: 20, burst_capacity: 20}}";
    let keys = format!("decision_wait: 2s, early_verdicts: off, policies: [{rate}, {ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    ringtail.export(traces((0..99).map(|trace| mixed(trace, 0)))).await.unwrap();
    ringtail.settled().await;
    let others = kept(&backend).into_iter().filter(|trace| trace % 3 != 0).count();
    assert_eq!(backend.spans().len() - others, 33, "every error");
    assert!((20..=24).contains(&others), "{others} others");
}

/// Scenario: no policy at all; and a policy whose engine is not there.
/// Guarantee: nothing is kept; the start is refused with the reason.
#[tokio::test]
async fn without_policies_nothing_is_kept_and_an_unknown_one_is_refused() {
    let backend = Backend::grpc().await;
    let ringtail = Sampling::to(&backend, "decision_wait: 1s, policies: []").start().await;
    ringtail.export(traces((0..5).map(|trace| mixed(trace, 0)))).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_eq!((backend.calls(), ended(&scrape, "not_sampled")), (0, 5));
    let odd = Sampling::to(&backend, "policies: [{name: x, type: nonsense}]").spawn();
    wait::until("it ends", || odd.exited().is_some()).await;
    assert_ne!(odd.ended().await, 0);
    assert!(odd.stderr().contains("nonsense"), "{}", odd.stderr());
}

/// Scenario: policies written for one name of a renamed attribute, spans that carry the other, with and without `semconv`.
/// Guarantee: with it they are kept as those that carry the written name; without it they are not.
#[tokio::test]
async fn renamed_attributes_are_found_when_asked() {
    let policies = "policies: [
        {name: failed, type: numeric_attribute, numeric_attribute: {key: http.status_code, min_value: 500}},
        {name: put, type: and, and: {and_sub_policy: [
            {name: a, type: string_attribute, string_attribute: {key: http.request.method, values: [PUT]}},
            {name: b, type: ottl_condition, ottl_condition: {span: ['attributes[\"url.full\"] == \"/a\"']}}]}}]";
    for (semconv, expected) in [(true, BTreeSet::from([0, 1, 2, 3])), (false, BTreeSet::from([0, 3]))] {
        let backend = Backend::grpc().await;
        let keys = format!("decision_wait: 1s, semconv: {semconv}, {policies}");
        let ringtail = Sampling::to(&backend, &keys).start().await;
        let with = |trace: u64, attributes: Vec<KeyValue>| {
            let mut span = span(trace, 0);
            span.attributes.extend(attributes);
            span
        };
        let status = |key: &str, code| KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(Value::IntValue(code)) }),
            ..KeyValue::default()
        };
        let spans = [
            with(0, vec![status("http.status_code", 500)]),
            with(1, vec![status("http.response.status_code", 503)]),
            with(2, vec![text("http.method", "PUT"), text("http.url", "/a")]),
            with(3, vec![text("http.request.method", "PUT"), text("url.full", "/a")]),
            with(
                4,
                vec![text("http.request.method", "GET"), text("http.method", "PUT"), text("url.full", "/a")],
            ),
            with(5, vec![status("http.response.status_code", 200)]),
        ];
        ringtail.export(traces(spans)).await.unwrap();
        ringtail.settled().await;
        assert_eq!(kept(&backend), expected, "semconv: {semconv}");
    }
}

/// Scenario: conditions that fail on every span, under both modes that take that for no match.
/// Guarantee: `ignore` tells of it, in a line that stands for many; `silent` does not; the other policies decide alike.
#[tokio::test]
async fn conditions_that_fail_are_told_unless_they_are_to_be_silent() {
    let said = |ringtail: &Ringtail| ringtail.stderr().matches("a condition of a policy failed").count();
    for (mode, lines) in [("ignore", 1), ("silent", 0)] {
        let backend = Backend::grpc().await;
        let condition = format!("error_mode: {mode}, span: ['ParseInt(name, 10) == 1']");
        let policy = format!("{{name: odd, type: ottl_condition, ottl_condition: {{{condition}}}}}");
        let keys = format!("decision_wait: 1s, policies: [{policy}, {ERRORS}]");
        let ringtail = Sampling::to(&backend, &keys).start().await;
        for trace in 0..5 {
            ringtail.export(traces([span(trace, 0), failing(span(trace, 1))])).await.unwrap();
        }
        wait::until("all are kept", || backend.spans().len() == 10).await;
        assert_eq!(said(&ringtail), lines, "{mode}: {}", ringtail.stderr());
        if lines > 0 {
            let stderr = ringtail.stderr();
            assert!(stderr.contains("ParseInt(name, 10) == 1") && stderr.contains("more=1"), "{stderr}");
        }
    }
}
