//! What people see.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wire::json::{Limits, to_protobuf};

fn show(signal: Signal, document: &Value, verbosity: Verbosity) -> String {
    let request = to_protobuf(signal, document.to_string().as_bytes(), Limits::default()).unwrap();
    let mut out = String::new();
    format(signal, &request, verbosity, &mut out);
    out
}

fn resource(service: &str) -> Value {
    json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]})
}

fn attributes() -> Value {
    json!([{"key": "http.method", "value": {"stringValue": "GET x"}}, {"key": "n", "value": {"intValue": 3}},
        {"key": "l", "value": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "a"}]}}},
        {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": true}}]}}}])
}

const TRACE: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff";

fn two_traces() -> Value {
    let child = json!({"traceId": TRACE, "spanId": "0102030405060708", "parentSpanId": "0807060504030201",
        "name": "charge", "startTimeUnixNano": "1700000000020000000", "endTimeUnixNano": "1700000000050000000",
        "attributes": attributes()});
    let root = json!({"traceId": TRACE, "spanId": "0807060504030201", "name": "POST /pay", "kind": 2,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000100000000",
        "attributes": [{"key": "http.response.status_code", "value": {"intValue": 500}}],
        "status": {"code": 2, "message": "no\nmoney"}});
    let other = json!({"traceId": OTHER, "spanId": "0102030405060708", "name": "\u{1b}[31mred\r\n",
        "startTimeUnixNano": "5", "endTimeUnixNano": "4"});
    json!({"resourceSpans": [
        {"resource": resource("bank"), "scopeSpans": [{"scope": {"name": "lib", "version": "1"}, "spans": [child, other]}]},
        {"resource": resource("shop"), "scopeSpans": [{"spans": [root]}]}]})
}

#[test]
fn each_trace_is_a_line() {
    assert_eq!(
        show(Signal::Traces, &two_traces(), Verbosity::Trace),
        format!(
            "22:13:20.000 {TRACE} POST /pay [bank, shop] 2 spans 100.0ms HTTP 500 ERROR\n\
             00:00:00.000 {OTHER} \\u{{1b}}[31mred\\r\\n [bank] 1 span 0.0ns\n"
        )
    );
}

#[test]
fn spans_without_ids_and_names_have_a_line_too() {
    let bare = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]});
    assert_eq!(
        show(Signal::Traces, &bare, Verbosity::Trace),
        "00:00:00.000 (no trace id) (no name) [] 1 span 0.0ns\n"
    );
}

#[test]
fn basic_counts() {
    assert_eq!(
        show(Signal::Traces, &two_traces(), Verbosity::Basic),
        "Traces  resource spans: 2, spans: 3\n"
    );
    assert_eq!(show(Signal::Logs, &records(), Verbosity::Basic), "Logs  resource logs: 1, log records: 1\n");
    assert_eq!(
        show(Signal::Metrics, &metrics(), Verbosity::Basic),
        "Metrics  resource metrics: 1, metrics: 3, data points: 4\n"
    );
}

#[test]
fn normal_shows_a_line_an_item() {
    let text = show(Signal::Traces, &two_traces(), Verbosity::Normal);
    let expected = format!(
        "Traces  resource spans: 2, spans: 3\nResourceTraces #0 service.name=bank\nScopeTraces #0 lib@1\n\
         charge {TRACE} 0102030405060708 http.method=GET x n=3 l=[1,\"a\"] m={{\"k\":true}}\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text}");
    assert_eq!(
        show(Signal::Metrics, &metrics(), Verbosity::Normal),
        "Metrics  resource metrics: 1, metrics: 3, data points: 4\nResourceMetrics #0 service.name=shop\n\
         ScopeMetrics #0\ng{n=3} -5\ng{} 0.5\nh{} count=3 sum=2 min=1 le1.5=1 2\ns{} count=9 q0.5=7.25\n"
    );
    assert!(
        show(Signal::Logs, &records(), Verbosity::Normal)
            .ends_with("\nScopeLog #0\nhe\\tllo http.method=GET x n=3 l=[1,\"a\"] m={\"k\":true}\n")
    );
}

#[test]
fn records_are_lines_for_people() {
    assert_eq!(
        show(Signal::Logs, &records(), Verbosity::Trace),
        format!("00:00:01.500 warn shop he\\tllo trace {TRACE}\n")
    );
}

#[test]
fn detailed_shows_every_field() {
    let text = show(Signal::Traces, &two_traces(), Verbosity::Detailed);
    for line in [
        "resourceSpans #0\n  resource\n    -> service.name: Str(bank)\n  scopeSpans #0\n    scope\n      name: lib\n",
        "    spans #0\n      traceId: 00112233445566778899aabbccddeeff\n",
        "      endTimeUnixNano: 2023-11-14T22:13:20.050000000Z\n",
        "      kind: SPAN_KIND_SERVER (2)\n",
        "      -> l: Slice([1,\"a\"])\n",
        "      status\n        message: no\\nmoney\n        code: STATUS_CODE_ERROR (2)\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let text = show(Signal::Metrics, &metrics(), Verbosity::Detailed);
    assert!(text.contains("bucketCounts: [1, 2]\n") && text.contains("explicitBounds: [1.5]\n"), "{text}");
}

#[test]
fn deep_values_are_cut() {
    let wrap = |inner: Vec<u8>, number: &u32| {
        let mut outer = Vec::new();
        crate::wire::json::proto::put_bytes_field(&mut outer, *number, &inner);
        outer
    };
    let value = (0..2000).fold(Vec::new(), |value, _| [1, 5].iter().fold(value, wrap));
    let request = [2, 1, 1, 1].iter().fold(value, wrap);
    for verbosity in [Verbosity::Normal, Verbosity::Detailed] {
        let mut out = String::new();
        format(Signal::Traces, &request, verbosity, &mut out);
        assert!(out.contains("[[[…]]]"), "{out}");
    }
}

#[test]
fn dates_are_right() {
    let time = |nanos| {
        let mut out = String::new();
        text::push_time(&mut out, nanos);
        out
    };
    assert_eq!(time(0), "1970-01-01T00:00:00.000000000Z");
    assert_eq!(time(951_782_400_000_000_000), "2000-02-29T00:00:00.000000000Z");
    assert_eq!(time(1_709_251_199_999_999_999), "2024-02-29T23:59:59.999999999Z");
    assert_eq!(time(u64::MAX), "2554-07-21T23:34:33.709551615Z");
}

fn records() -> Value {
    json!({"resourceLogs": [{"resource": resource("shop"), "scopeLogs": [{"logRecords": [{"severityText": "warn",
        "observedTimeUnixNano": "1500000000", "body": {"stringValue": "he\tllo"}, "attributes": attributes(),
        "traceId": TRACE}]}]}]})
}

fn metrics() -> Value {
    json!({"resourceMetrics": [{"resource": resource("shop"), "scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": [
            {"asInt": -5, "attributes": [{"key": "n", "value": {"intValue": 3}}]}, {"asDouble": 0.5}]}},
        {"name": "h", "histogram": {"dataPoints": [
            {"count": 3, "sum": 2, "min": 1, "bucketCounts": [1, 2], "explicitBounds": [1.5]}]}},
        {"name": "s", "summary": {"dataPoints": [
            {"count": 9, "quantileValues": [{"quantile": 0.5, "value": 7.25}]}]}},
    ]}]}]})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics_and_nothing_steers_a_terminal(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let documents = [two_traces(), metrics(), records()];
        for (signal, document) in Signal::ALL.into_iter().zip(documents) {
            let mut request = to_protobuf(signal, document.to_string().as_bytes(), Limits::default()).unwrap();
            for (at, value) in &flips {
                let at = at.index(request.len());
                request[at] = *value;
            }
            let verbosities = [Verbosity::Trace, Verbosity::Basic, Verbosity::Normal, Verbosity::Detailed];
            for verbosity in verbosities {
                let mut out = String::new();
                format(signal, &request, verbosity, &mut out);
                format(signal, &garbage, verbosity, &mut out);
                prop_assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
            }
        }
    }
}
