//! Any bytes as a request through the processors that edit: nothing panics, nothing is lost uncounted, what could be
//! decoded still can be, and doing it twice is doing it once where the rules say so.
#![no_main]

use std::cell::RefCell;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;
use prost::Message;
use ringtail::config::{Processor, load};
use ringtail::edit::{Around, Editor, Walker};
use ringtail::outcome::Signal;
use ringtail::split::count_items;
use ringtail_fuzz::{head, signal};

/// A processor, whether it says nothing new the second time, and its keys.
const PROCESSORS: [(&str, bool, &str); 10] = [
    (
        "resource",
        true,
        "attributes: [{key: k, value: [1, {a: b}], action: insert}, {key: service.name, action: delete}]",
    ),
    (
        "attributes",
        false,
        "actions: [{key: k, action: hash}, {key: n, from_attribute: k, action: upsert}, {pattern: '^s', action: delete}, \
         {key: k, action: extract, pattern: '(?P<x>.)(?P<y>.*)'}, {key: k, action: convert, converted_type: string}]",
    ),
    (
        "transform",
        false,
        "trace_statements: [{context: span, statements: ['replace_pattern(attributes[\"k\"], \"v.*\", \"w\")', \
         'set(resource.attributes[\"of\"], name)', 'limit(attributes, 2, [\"k\"])', 'set(status.message, name)', \
         'merge_maps(attributes, resource.attributes, \"upsert\")', 'truncate_all(attributes, 3)']}, \
         {context: spanevent, statements: ['set(attributes[\"of\"], span.name)', 'keep_keys(attributes, [\"of\"])']}], \
         metric_statements: [{context: datapoint, statements: ['set(attributes[\"m\"], metric.name)', \
         'delete_key(attributes, \"k\")']}, {context: metric, statements: ['set(name, \"n\") where type == 1']}], \
         log_statements: [{context: log, statements: ['set(attributes[\"b\"], body)', 'set(body, \"x\")', \
         'flatten(attributes)', 'set(scope.name, \"s\")']}], error_mode: ignore",
    ),
    (
        "transform",
        true,
        "trace_statements: [{context: resource, statements: ['keep_keys(attributes, [\"k\"])']}, \
         {context: scope, statements: ['set(version, \"1\")']}], error_mode: propagate",
    ),
    (
        "filter",
        true,
        "traces: {span: ['kind == 2', 'attributes[\"k\"] == nil'], spanevent: ['name == \"e\"']}, \
         metrics: {metric: ['name == \"m\"'], datapoint: ['attributes[\"k\"] != nil']}, \
         logs: {log_record: ['severity_number > 9', 'IsMatch(body, \"^b\")']}",
    ),
    ("filter", true, "trace_conditions: [{context: resource, conditions: ['attributes[\"k\"] == \"v\"']}]"),
    (
        "filter",
        true,
        "metrics: {exclude: {match_type: expr, expressions: ['MetricName == \"m\" || Label(\"k\") in [\"v\"]']}}",
    ),
    (
        "redaction",
        false,
        "allow_all_keys: true, redact_all_types: true, url_sanitizer: {enabled: true, attributes: [n]}, \
         db_sanitizer: {sql: {enabled: true, attributes: [k]}, redis: {enabled: true, attributes: [k]}, \
         memcached: {enabled: true}, mongo: {enabled: true, attributes: [k]}}",
    ),
    (
        "redaction",
        false,
        "allowed_keys: [k, n], blocked_values: ['[a-z]+'], blocked_key_patterns: ['^n'], summary: debug, ignored_keys: [service.name]",
    ),
    ("probabilistic_sampler", false, "sampling_percentage: 50, hash_seed: 7"),
];

thread_local! {
    static EDITORS: RefCell<Vec<Vec<Vec<Box<dyn Editor>>>>> =
        RefCell::new(Signal::ALL.map(|signal| PROCESSORS.iter().map(|one| editors(*one, signal)).collect()).into());
}

/// The editors of a processor for one signal; a sampler has none for metrics.
fn editors((name, _, keys): (&str, bool, &str), signal: Signal) -> Vec<Box<dyn Editor>> {
    if name == "probabilistic_sampler" && signal == Signal::Metrics {
        return Vec::new();
    }
    let config = format!(
        "yaml:{{receivers: {{otlp: {{protocols: {{grpc: }}}}}}, exporters: {{nop: }}, processors: {{{name}: {{{keys}}}}}, \
         service: {{pipelines: {{{}: {{receivers: [otlp], processors: [{name}], exporters: [nop]}}}}}}}}",
        signal.name()
    );
    let loaded = load(&[config], &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let of = |processor: &Processor| match processor {
        Processor::Edit(config) => config.editors(signal),
        other => panic!("{other:?}"),
    };
    loaded.settings.processors.values().flat_map(of).collect()
}

/// Why it cannot be decoded, if it cannot.
fn undecodable(signal: Signal, body: &[u8]) -> Option<String> {
    let decoded = match signal {
        Signal::Traces => Traces::decode(body).map(drop),
        Signal::Metrics => Metrics::decode(body).map(drop),
        Signal::Logs => Logs::decode(body).map(drop),
    };
    decoded.err().map(|error| error.to_string())
}

/// Edits; none when an editor refuses the request.
fn edit(signal: Signal, sent: &Bytes, editors: &mut [Box<dyn Editor>]) -> Option<Bytes> {
    let around = Around { signal, origin: None, now_unix_nanos: 1, random: || 7 };
    let mut body = sent.clone();
    for editor in editors {
        let edited = Walker::default().edit(&body, &around, editor.as_mut());
        let _ = editor.take_errors();
        let edited = edited.ok()?;
        if let Ok(before) = count_items(signal, &body) {
            assert_eq!(count_items(signal, &edited.body), Ok(before - edited.dropped));
        }
        body = edited.body;
    }
    Some(body)
}

fuzz_target!(|data: &[u8]| {
    let (first, body) = head(data);
    let (signal, body) = (signal(first), Bytes::copy_from_slice(body));
    let chosen = usize::from(first / 3) % PROCESSORS.len();
    EDITORS.with_borrow_mut(|editors| {
        let editors = &mut editors[signal as usize][chosen];
        let Some(edited) = edit(signal, &body, editors) else { return };
        if undecodable(signal, &body).is_none()
            && let Some(reason) = undecodable(signal, &edited)
        {
            // A text that is none travels, out of scopes of older senders too, which the decoder does not look at.
            assert!(reason.contains("UTF-8"), "it could be decoded before: {reason}");
        }
        if PROCESSORS[chosen].1 {
            assert_eq!(edit(signal, &edited, editors), Some(edited), "the second time changes nothing");
        }
    });
});
