//! Tables of statements: each runs on a scope entry of its own, so none sees what another did.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::cases::Case;
use super::traffic::{any, pair, text};
use crate::support::{Content, Logs, Metrics, Traces};

/// 2024-02-29 13:14:15.123456789.
const START: u64 = 1_709_212_455_123_456_789;

/// A case of statements that run in a context. `= value` sets the attribute `out`; `? condition` sets it where that holds.
pub fn table(name: &'static str, context: &str, statements: &[&str]) -> Case {
    let out = if context == "exemplar" { "filtered_attributes" } else { "attributes" };
    let written = |(at, text): (usize, &&str)| {
        let text = match text.split_at(2) {
            ("= ", value) => format!("set({out}[\"out\"], {value})"),
            ("? ", condition) => format!("set({out}[\"out\"], true) where {condition}"),
            _ => (*text).to_owned(),
        };
        let (editor, condition) = text.split_once(" where ").unwrap_or((&text, "true"));
        format!("{editor} where scope.version == \"{at}\" and ({condition})")
    };
    let written: Vec<String> = statements.iter().enumerate().map(written).collect();
    let (signals, key, request): (&'static [&'static str], _, _) = match context {
        "span" | "spanevent" => (&["traces"], "trace_statements", Content::Traces(traces(written.len()))),
        "log" => (&["logs"], "log_statements", Content::Logs(logs(written.len()))),
        _ => (&["metrics"], "metric_statements", Content::Metrics(metrics(written.len()))),
    };
    // Dollars are doubled as in any configuration.
    let quoted = |text: &String| format!("      - '{}'\n", text.replace('\'', "''").replace('$', "$$"));
    let listed: String = written.iter().map(quoted).collect();
    let body = format!("{key}:\n  - context: {context}\n    statements:\n{listed}");
    let processors = vec![("transform", body)];
    let requests = Some(vec![request]);
    Case { name: name.to_owned(), signals, processors, wild: None, requests, statements: written }
}

/// The statement whose entry a path lies in.
pub fn named(statements: &[String], path: &str) -> String {
    let entry = path.split_once("].scope").map_or("", |(_, rest)| rest);
    let index = entry.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let statement = index.and_then(|(index, _)| statements.get(index.parse::<usize>().ok()?));
    statement.map_or(String::new(), |statement| format!("\n    by {statement}"))
}

fn attributes() -> Vec<KeyValue> {
    let list =
        |values: Vec<Any>| Any::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() });
    let map = |values| Any::KvlistValue(KeyValueList { values });
    vec![
        pair("text", text("hello world")),
        pair("url", text("https://h/p?password=secret&q=1")),
        pair("int", Any::IntValue(42)),
        pair("float", Any::DoubleValue(1.5)),
        pair("yes", Any::BoolValue(true)),
        pair("bytes", Any::BytesValue(vec![1, 0xff, b'a'])),
        pair("list", list(vec![text("b"), text("a"), Any::IntValue(2)])),
        pair("ints", list(vec![Any::IntValue(3), Any::IntValue(-1), Any::IntValue(2)])),
        pair(
            "map",
            map(vec![
                pair("x", Any::IntValue(1)),
                pair(
                    "y",
                    map(vec![
                        pair("z", text("deep")),
                        pair("l", list(vec![text("p"), map(vec![pair("q", text("r"))])])),
                    ]),
                ),
            ]),
        ),
        pair(
            "rows",
            list(vec![
                map(vec![pair("name", text("a")), pair("v", map(vec![pair("w", Any::IntValue(1))]))]),
                map(vec![pair("name", text("b")), pair("v", map(vec![pair("w", Any::IntValue(2))]))]),
            ]),
        ),
        pair("empty", text("")),
        pair("html", text("a<b>&\u{2028}\u{1}\u{7f}\t")),
        pair("small", list(vec![Any::DoubleValue(1e-9), Any::DoubleValue(1e22), text("<")])),
        KeyValue { key: "nothing".into(), value: Some(Default::default()), ..KeyValue::default() },
        pair("ünï", text("grüße €")),
    ]
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![pair("service.name", text("shop"))], ..Resource::default() })
}

fn scope(at: usize) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "lib".into(),
        version: at.to_string(),
        ..InstrumentationScope::default()
    })
}

fn span() -> Span {
    let event = |name: &str| Event {
        time_unix_nano: START + 7,
        name: name.into(),
        attributes: attributes(),
        dropped_attributes_count: 1,
    };
    Span {
        trace_id: (1..17).collect(),
        span_id: (1..9).collect(),
        parent_span_id: (2..10).collect(),
        trace_state: "a=1,b=2".into(),
        flags: 1,
        name: "GET /users".into(),
        kind: 2,
        start_time_unix_nano: START,
        end_time_unix_nano: START + 1_500_000_000,
        attributes: attributes(),
        dropped_attributes_count: 3,
        events: vec![event("one"), event("two")],
        links: vec![Link { trace_id: vec![5; 16], span_id: vec![6; 8], ..Link::default() }],
        status: Some(Status { code: 2, message: "boom".into() }),
        ..Span::default()
    }
}

fn traces(count: usize) -> Traces {
    let entry =
        |at| ScopeSpans { scope: scope(at), spans: vec![span(), Span::default()], schema_url: "u".into() };
    let scope_spans = (0..count).map(entry).collect();
    Traces {
        resource_spans: vec![ResourceSpans { resource: resource(), scope_spans, schema_url: "r".into() }],
    }
}

fn logs(count: usize) -> Logs {
    let record = LogRecord {
        time_unix_nano: START,
        observed_time_unix_nano: START + 1,
        severity_number: 9,
        severity_text: "Info".into(),
        body: Some(any(Any::KvlistValue(KeyValueList { values: attributes() }))),
        attributes: attributes(),
        dropped_attributes_count: 2,
        flags: 1,
        trace_id: (1..17).collect(),
        span_id: (1..9).collect(),
        event_name: "event".into(),
    };
    let plain = LogRecord { body: Some(any(text("plain"))), ..record.clone() };
    let list = ArrayValue { values: vec![any(text("a")), any(Any::IntValue(2))] };
    let list = LogRecord { body: Some(any(Any::ArrayValue(list))), ..record.clone() };
    let records = vec![record, plain, list, LogRecord::default()];
    let entry = |at| ScopeLogs { scope: scope(at), log_records: records.clone(), ..ScopeLogs::default() };
    let scope_logs = (0..count).map(entry).collect();
    Logs { resource_logs: vec![ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() }] }
}

fn metrics(count: usize) -> Metrics {
    let entry = |at| ScopeMetrics { scope: scope(at), metrics: kinds(), ..ScopeMetrics::default() };
    let scope_metrics = (0..count).map(entry).collect();
    Metrics {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

fn exemplars() -> Vec<Exemplar> {
    let one =
        Exemplar { time_unix_nano: START, value: Some(exemplar::Value::AsInt(4)), ..Exemplar::default() };
    let other = Exemplar {
        filtered_attributes: attributes(),
        value: Some(exemplar::Value::AsDouble(1.5)),
        trace_id: (1..17).collect(),
        span_id: (1..9).collect(),
        ..one.clone()
    };
    vec![one, other]
}

fn number(value: number_data_point::Value, instance: &str) -> NumberDataPoint {
    let mut attributes = attributes();
    attributes.push(pair("instance", text(instance)));
    NumberDataPoint {
        attributes,
        start_time_unix_nano: START,
        time_unix_nano: START + 1,
        exemplars: exemplars(),
        value: Some(value),
        flags: 0,
    }
}

/// A metric of each kind.
fn kinds() -> Vec<Metric> {
    use number_data_point::Value::{AsDouble, AsInt};
    let histogram = |instance: &str, counts: Vec<u64>| HistogramDataPoint {
        attributes: vec![pair("instance", text(instance)), pair("zone", text("z"))],
        start_time_unix_nano: START,
        time_unix_nano: START + 1,
        count: counts.iter().sum(),
        sum: Some(12.5),
        bucket_counts: counts,
        explicit_bounds: vec![1.0, 2.0, 5.0],
        exemplars: exemplars(),
        min: Some(0.5),
        max: Some(9.0),
        ..HistogramDataPoint::default()
    };
    let exponential = |instance: &str, offset| ExponentialHistogramDataPoint {
        attributes: vec![pair("instance", text(instance)), pair("zone", text("z"))],
        start_time_unix_nano: START,
        time_unix_nano: START + 1,
        count: 11,
        sum: Some(30.0),
        scale: 1,
        zero_count: 2,
        positive: Some(Buckets { offset, bucket_counts: vec![1, 2, 3] }),
        negative: Some(Buckets { offset: -1, bucket_counts: vec![1, 0, 2] }),
        min: Some(-2.0),
        max: Some(9.0),
        zero_threshold: 0.1,
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        attributes: vec![pair("instance", text("i"))],
        start_time_unix_nano: START,
        time_unix_nano: START + 1,
        count: 7,
        sum: 21.0,
        quantile_values: vec![
            ValueAtQuantile { quantile: 0.5, value: 3.0 },
            ValueAtQuantile { quantile: 0.99, value: 6.0 },
        ],
        ..SummaryDataPoint::default()
    };
    let data = [
        Data::Gauge(Gauge {
            data_points: vec![number(AsInt(4), "a"), number(AsInt(7), "b"), number(AsInt(6), "c")],
        }),
        Data::Sum(Sum {
            data_points: vec![number(AsDouble(1.5), "a"), number(AsDouble(2.0), "b")],
            is_monotonic: true,
            aggregation_temporality: 2,
        }),
        Data::Histogram(Histogram {
            data_points: vec![histogram("a", vec![1, 2, 3, 4]), histogram("b", vec![0, 1, 0, 2])],
            aggregation_temporality: 1,
        }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential("a", 0), exponential("b", 1)],
            aggregation_temporality: 2,
        }),
        Data::Summary(Summary { data_points: vec![summary] }),
    ];
    let names = ["gauge", "sum", "histogram", "exponential", "summary"];
    let metric = |(name, data): (&str, Data)| Metric {
        name: name.into(),
        description: "of things".into(),
        unit: "s".into(),
        data: Some(data),
        ..Metric::default()
    };
    names.into_iter().zip(data).map(metric).collect()
}
