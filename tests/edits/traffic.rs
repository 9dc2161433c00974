//! Requests with values of every type, and how what comes out is compared.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::{Value, json};

use crate::support::{Content, Logs, Metrics, Traces};

/// Requests of each signal.
const REQUESTS: u64 = 8;
const ITEMS: u64 = 12;

pub fn requests(signals: &[&str]) -> Vec<Content> {
    let mut all = Vec::new();
    for seed in 0..REQUESTS {
        if signals.contains(&"traces") {
            all.push(Content::Traces(traces(seed)));
        }
        if signals.contains(&"metrics") {
            all.push(Content::Metrics(metrics(seed)));
        }
        if signals.contains(&"logs") {
            all.push(Content::Logs(logs(seed)));
        }
    }
    all
}

/// A stream of numbers that looks random and is the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize].clone()
    }

    pub fn id<const N: usize>(&mut self) -> Vec<u8> {
        (0..N).map(|_| self.roll(256) as u8).collect()
    }
}

pub fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(any(value)), ..KeyValue::default() }
}

pub fn text(value: &str) -> Any {
    Any::StringValue(value.into())
}

fn attributes(dice: &mut Dice) -> Vec<KeyValue> {
    let list = |values| Any::ArrayValue(ArrayValue { values });
    let pool = [
        pair(
            "url",
            dice.one(&[
                text("http://host/a?password=x"),
                text("https://h/"),
                text("/password=1"),
                Any::IntValue(1),
            ]),
        ),
        pair(
            "number",
            dice.one(&[
                text("12"),
                Any::IntValue(12),
                Any::DoubleValue(12.7),
                text("1x"),
                Any::BoolValue(true),
            ]),
        ),
        pair(
            "ratio",
            dice.one(&[
                Any::DoubleValue(0.1),
                Any::DoubleValue(1e21),
                Any::DoubleValue(-2.5e-9),
                Any::DoubleValue(3.0),
            ]),
        ),
        pair("flag", dice.one(&[Any::BoolValue(true), Any::BoolValue(false), text("true")])),
        pair("list", list(vec![any(Any::IntValue(1)), any(text("<b>")), any(Any::DoubleValue(0.5))])),
        pair(
            "map",
            Any::KvlistValue(KeyValueList {
                values: vec![pair("z", text("q\"")), pair("a", Any::IntValue(-1))],
            }),
        ),
        pair("bytes", Any::BytesValue(vec![0, 255, 7])),
        pair("secret.key", text("s")),
        pair("secret", text("t")),
        pair("user", dice.one(&[text("joe"), text("ann"), Any::IntValue(7)])),
        pair("id1", Any::IntValue(5)),
        pair("share", dice.one(&[Any::IntValue(100), Any::DoubleValue(0.001), text("50")])),
    ];
    pool.into_iter().filter(|_| dice.roll(3) > 0).collect()
}

fn resource(dice: &mut Dice) -> Option<Resource> {
    let mut attributes = vec![pair("service.name", dice.one(&[text("shop"), text("till")]))];
    if dice.roll(2) == 0 {
        attributes.push(pair("host", dice.one(&[text("h1"), text("h2")])));
    }
    attributes.push(pair("count", Any::IntValue(3)));
    (dice.roll(8) > 0).then(|| Resource { attributes, ..Resource::default() })
}

fn scope(dice: &mut Dice) -> Option<InstrumentationScope> {
    let name = dice.one(&["lib", "other"]).into();
    Some(InstrumentationScope { name, version: "1".into(), ..InstrumentationScope::default() })
}

fn traces(seed: u64) -> Traces {
    let mut dice = Dice(seed);
    let states = [
        "",
        "",
        "a=b",
        "ot=th:8",
        "ot=rv:c0000000000000",
        "ot=rv:c0000000000000;th:8,a=b",
        "ot=rv:10000000000000;th:c",
        "ot=rv:zz",
        "x=y,ot=th:0;k:v",
        "=",
    ];
    let span = |dice: &mut Dice| {
        let mut span = Span {
            trace_id: dice.id::<16>(),
            span_id: dice.id::<8>(),
            trace_state: dice.one(&states).into(),
            name: dice.one(&["GET /a", "GET /b", "POST /a", "work"]).into(),
            kind: dice.roll(6) as i32,
            start_time_unix_nano: 1_700_000_000_000_000_000,
            end_time_unix_nano: 1_700_000_000_500_000_000,
            attributes: attributes(dice),
            ..Span::default()
        };
        if dice.roll(3) == 0 {
            span.attributes.push(pair(
                "sampling.priority",
                dice.one(&[Any::IntValue(0), Any::IntValue(1), text("0.5"), text("x")]),
            ));
        }
        if dice.roll(3) == 0 {
            let event = |dice: &mut Dice| Event {
                name: dice.one(&["tick", "exception"]).into(),
                attributes: attributes(dice),
                ..Event::default()
            };
            span.events = (0..3).map(|_| event(dice)).collect();
        }
        if dice.roll(3) == 0 {
            span.status = Some(Status { message: "m".into(), code: dice.roll(3) as i32 });
        }
        span
    };
    let scopes = |dice: &mut Dice| {
        let scope = |dice: &mut Dice| ScopeSpans {
            scope: scope(dice),
            spans: (0..ITEMS).map(|_| span(dice)).collect(),
            ..ScopeSpans::default()
        };
        (0..1 + dice.roll(2)).map(|_| scope(dice)).collect()
    };
    let entry = |dice: &mut Dice| ResourceSpans {
        resource: resource(dice),
        scope_spans: scopes(dice),
        ..ResourceSpans::default()
    };
    Traces { resource_spans: (0..2).map(|_| entry(&mut dice)).collect() }
}

fn logs(seed: u64) -> Logs {
    let mut dice = Dice(seed + 1000);
    let record = |dice: &mut Dice| {
        let map = Any::KvlistValue(KeyValueList { values: vec![pair("k", text("v"))] });
        let mut record = LogRecord {
            time_unix_nano: 1,
            severity_number: dice.one(&[0, 5, 9, 13, 17]),
            severity_text: dice.one(&["", "INFO", "warn"]).into(),
            body: Some(any(dice.one(&[text("plain"), text("failed: 5"), Any::IntValue(5), map]))),
            attributes: attributes(dice),
            ..LogRecord::default()
        };
        if dice.roll(3) > 0 {
            record.trace_id = dice.id::<16>();
        }
        if dice.roll(6) == 0 {
            record
                .attributes
                .push(pair("sampling.randomness", dice.one(&[text("c0000000000000"), text("zz")])));
        }
        if dice.roll(6) == 0 {
            record.attributes.push(pair("sampling.threshold", dice.one(&[text("8"), text("fff")])));
        }
        record
    };
    let entry = |dice: &mut Dice| ResourceLogs {
        resource: resource(dice),
        scope_logs: vec![ScopeLogs {
            scope: scope(dice),
            log_records: (0..ITEMS).map(|_| record(dice)).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    Logs { resource_logs: (0..2).map(|_| entry(&mut dice)).collect() }
}

fn metrics(seed: u64) -> Metrics {
    let mut dice = Dice(seed + 2000);
    let number = |dice: &mut Dice| NumberDataPoint {
        attributes: attributes(dice),
        value: Some(number_data_point::Value::AsInt(dice.roll(9) as i64)),
        ..NumberDataPoint::default()
    };
    let entry = |dice: &mut Dice| {
        let data = [
            ("gauge", Data::Gauge(Gauge { data_points: vec![number(dice), number(dice)] })),
            (
                "sum",
                Data::Sum(Sum {
                    data_points: vec![number(dice)],
                    is_monotonic: true,
                    aggregation_temporality: 2,
                }),
            ),
            (
                "histogram",
                Data::Histogram(Histogram {
                    data_points: vec![HistogramDataPoint {
                        attributes: attributes(dice),
                        count: 1,
                        ..HistogramDataPoint::default()
                    }],
                    aggregation_temporality: 2,
                }),
            ),
            (
                "exponential",
                Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: vec![ExponentialHistogramDataPoint {
                        attributes: attributes(dice),
                        ..ExponentialHistogramDataPoint::default()
                    }],
                    aggregation_temporality: 2,
                }),
            ),
            (
                "summary",
                Data::Summary(Summary {
                    data_points: vec![SummaryDataPoint {
                        attributes: attributes(dice),
                        ..SummaryDataPoint::default()
                    }],
                }),
            ),
        ];
        let metric =
            |(name, data): (&str, Data)| Metric { name: name.into(), data: Some(data), ..Metric::default() };
        let metrics = data.into_iter().map(metric).collect();
        ResourceMetrics {
            resource: resource(dice),
            scope_metrics: vec![ScopeMetrics { scope: scope(dice), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }
    };
    Metrics { resource_metrics: (0..2).map(|_| entry(&mut dice)).collect() }
}

/// A request as a value, attributes and maps in order of their keys (a collector writes maps of its configuration in any),
/// without what means nothing: the collector writes messages
/// that it holds by value even when they are empty.
pub fn plain(content: &Content) -> Value {
    let mut value = match content {
        Content::Traces(request) => serde_json::to_value(request),
        Content::Logs(request) => serde_json::to_value(request),
        Content::Metrics(request) => serde_json::to_value(request),
    }
    .unwrap();
    prune(&mut value);
    in_order(&mut value);
    value
}

/// Entries of maps in order of their keys: the collector makes many of them in none.
fn in_order(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(in_order);
            if let Some(Value::Array(entries)) =
                fields.get_mut("kvlistValue").and_then(|map| map.get_mut("values"))
            {
                entries.sort_by_key(|pair| pair["key"].as_str().unwrap_or_default().to_owned());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(in_order),
        _ => {}
    }
}

fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "value").for_each(|(_, field)| prune(field));
            fields.iter_mut().filter(|(name, _)| *name == "value").for_each(|(_, field)| sort_maps(field));
            fields.retain(|_, field| !is_nothing(field));
            for name in ["attributes", "filteredAttributes"] {
                fields.get_mut(name).into_iter().for_each(sort_pairs);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(prune),
        _ => {}
    }
}

/// The items of a request, each with what describes it: entries that have no items, and metrics that have no points, count
/// for nothing.
pub fn items(request: &Value) -> Vec<Value> {
    let mut items = Vec::new();
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for [entries, scopes, inside] in [
        ["resourceSpans", "scopeSpans", "spans"],
        ["resourceMetrics", "scopeMetrics", "metrics"],
        ["resourceLogs", "scopeLogs", "logRecords"],
    ] {
        for entry in list(request, entries) {
            for scope in list(&entry, scopes) {
                let has_points = |item: &Value| {
                    inside != "metrics"
                        || item
                            .as_object()
                            .into_iter()
                            .flatten()
                            .any(|(_, data)| data["dataPoints"].is_array())
                };
                let described =
                    |item| json!({"item": item, "scope": scope["scope"], "resource": entry["resource"]});
                items.extend(list(&scope, inside).into_iter().filter(has_points).map(described));
            }
        }
    }
    items
}

/// The value of an attribute, or a list in it.
fn sort_maps(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(map)) = fields.get_mut("kvlistValue") {
                map.get_mut("values").into_iter().for_each(sort_pairs);
            }
            fields.values_mut().for_each(sort_maps);
        }
        Value::Array(values) => values.iter_mut().for_each(sort_maps),
        _ => {}
    }
}

fn sort_pairs(pairs: &mut Value) {
    if let Value::Array(pairs) = pairs {
        pairs.sort_by_key(|pair| pair["key"].as_str().unwrap_or_default().to_owned());
    }
}

/// What a field is when nobody has set it. What an attribute holds is wrapped, and so is never looked at here.
fn is_nothing(field: &Value) -> bool {
    match field {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Bool(_) => false,
    }
}

/// Where two values differ, and how.
pub fn differences(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of =
                    |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                differences(&format!("{path}.{key}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b))
            if a.len() != b.len() && a.iter().chain(b).all(|pair| pair["key"].is_string()) =>
        {
            let by_key = |pairs: &[Value]| {
                pairs
                    .iter()
                    .map(|pair| (pair["key"].as_str().unwrap_or_default().to_owned(), pair["value"].clone()))
                    .collect()
            };
            differences(path, &Value::Object(by_key(a)), &Value::Object(by_key(b)), found);
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let only = |of: &[Value], other: &[Value]| {
                of.iter()
                    .filter(|one| !other.contains(one))
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let (theirs, ours) = (only(a, b), only(b, a));
            found.push(format!("{path}: only the collector has [{theirs}], only ringtail [{ours}]"));
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{path}: collector {theirs}, ringtail {ours}")),
    }
}
