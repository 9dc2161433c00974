//! `redaction`: configurations that are compared, and telemetry with something in it to redact.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::cases::{ALL, Case};
use super::traffic::{Dice, any, pair, text};
use crate::support::{Content, Logs, Metrics, Traces};

const REQUESTS: u64 = 12;
const ITEMS: usize = 16;

pub fn cases() -> Vec<Case> {
    let all_db = |attributes: &str, more: &str| {
        let kinds = ["sql", "redis", "valkey", "memcached", "mongo"];
        let each: Vec<_> =
            kinds.iter().map(|kind| format!("{kind}: {{enabled: true, {attributes}}}")).collect();
        format!("{{allow_all_keys: true, summary: debug, db_sanitizer: {{{}{more}}}}}", each.join(", "))
    };
    let bodies = ", opensearch: {enabled: true}, es: {enabled: true}";
    let queries = "attributes: [db.statement, db.query.text]";
    [
        (
            "redaction by keys",
            "{allowed_keys: [db.statement, url, number], ignored_keys: [card], ignored_key_patterns: ['^safe'], summary: debug}".to_owned(),
        ),
        (
            "redaction by values",
            "{allow_all_keys: true, blocked_key_patterns: ['token$', '^db\\.q'], blocked_values: ['4[0-9]{15}', 'secret', '[0-9]+'], allowed_values: ['joe'], summary: debug}"
                .to_owned(),
        ),
        (
            "redaction of all types",
            "{allow_all_keys: true, redact_all_types: true, blocked_values: ['[0-9]+', 'a.?'], hash_function: sha3, summary: info}"
                .to_owned(),
        ),
        (
            "redaction of URLs",
            "{allow_all_keys: true, url_sanitizer: {enabled: true, attributes: [url, http.url]}, summary: debug}".to_owned(),
        ),
        (
            "redaction of URLs but not in names",
            "{allowed_keys: [url, number, http.url], redact_all_types: true, allowed_values: ['joe'], \
             url_sanitizer: {enabled: true, attributes: [url, number], sanitize_span_name: false}}"
                .to_owned(),
        ),
        ("redaction of queries", all_db(queries, &format!("{bodies}, sanitize_span_name: false"))),
        ("redaction of queries and names", all_db(queries, bodies)),
        ("redaction of names by query", all_db("attributes: []", bodies)),
        (
            "redaction of all at once",
            "{allow_all_keys: true, ignored_keys: [url], blocked_values: ['secret', 'it'], blocked_key_patterns: [token], allowed_values: ['/joe'], \
             url_sanitizer: {enabled: true, attributes: [http.url, url]}, \
             db_sanitizer: {sql: {enabled: true, attributes: [db.statement]}, redis: {enabled: true}}, summary: info}"
                .to_owned(),
        ),
        (
            "redaction without the system",
            "{allowed_keys: [db.statement, http.url], db_sanitizer: {sql: {enabled: true, attributes: [db.statement]}}}".to_owned(),
        ),
        (
            "redaction switched off",
            "{allow_all_keys: true, url_sanitizer: {enabled: false, attributes: [url]}, \
             db_sanitizer: {sql: {enabled: false, attributes: [db.statement]}}}"
                .to_owned(),
        ),
    ]
    .into_iter()
    .map(|(name, body)| Case {
        name: name.to_owned(),
        signals: ALL,
        processors: vec![("redaction", body)],
        wild: None,
        requests: Some((0..REQUESTS).flat_map(requests).collect()),
        statements: Vec::new(),
    })
    .collect()
}

/// Texts that one of the rules is about.
const TEXTS: [&str; 28] = [
    "SELECT * FROM users1 WHERE name = 'secret' AND id IN (1, 2)",
    "insert into t2 values (1, 'it''s', NULL, true) -- 5",
    "SELECT $1, $tag$ x $tag$, $func$ select 5 $func$",
    "  SELECT 1  ",
    "SET key secret",
    "HMSET h a 1 b 2\nGET key 5",
    "AUTH joe secret",
    "set key 0 0 5\r\nvalue",
    "{\"find\": \"users\", \"filter\": {\"name\": \"joe\", \"ids\": [1, 2]}} ",
    "{\"query\": {\"match\": {\"title\": \"secret\"}}",
    "[1, \"a\"]",
    "GET /users/123",
    "GET /users/joe/cart?id=5",
    "/users/fdklsd",
    "/123/456",
    "https://example.com/orders/550e8400-e29b-41d4-a716-446655440000/items#top",
    "/a/b/c/d/e/f/g/h/123/j",
    "4111111111111111",
    "card 4111111111111111 of joe",
    "a token=secret",
    "hello world",
    "work",
    "123",
    "...",
    "?x",
    "*",
    "line one\nline 2",
    "",
];

/// Without MySQL, whose quotes the Collector knows in names of spans, and in attributes only after such a name.
const SYSTEMS: [&str; 12] = [
    "postgresql",
    "MariaDB",
    "sqlite",
    "other_sql",
    "redis",
    "valkey",
    "memcached",
    "mongodb",
    "opensearch",
    "elasticsearch",
    "mssql",
    "",
];

fn value(dice: &mut Dice, depth: u64) -> Any {
    match dice.roll(if depth > 2 { 6 } else { 9 }) {
        0 => Any::IntValue(dice.one(&[123, 4_111_111_111_111_111, -5])),
        1 => Any::DoubleValue(dice.one(&[0.5, 12.0, 1e21])),
        2 => Any::BoolValue(true),
        3 => Any::BytesValue(vec![1, 255]),
        6 => Any::ArrayValue(ArrayValue {
            values: (0..dice.roll(4)).map(|_| any(value(dice, depth + 1))).collect(),
        }),
        7 => {
            let mut keys = vec!["url", "db.statement", "a.token", "card", "safe.x", "other"];
            let values = (0..dice.roll(4)).map(|_| {
                let key = keys.swap_remove(dice.roll(keys.len() as u64) as usize);
                pair(key, value(dice, depth + 1))
            });
            Any::KvlistValue(KeyValueList { values: values.collect() })
        }
        _ => text(dice.one(&TEXTS)),
    }
}

fn attributes(dice: &mut Dice) -> Vec<KeyValue> {
    let keys =
        ["url", "http.url", "db.statement", "db.query.text", "number", "a.token", "card", "safe.x", "other"];
    let mut all: Vec<_> = keys.iter().map(|key| pair(key, value(dice, 0))).collect();
    all.push(pair("db.system", text(dice.one(&SYSTEMS))));
    all.push(pair("db.system.name", dice.one(&[text("redis"), text(""), Any::IntValue(1)])));
    all.push(pair("http.request.method", text("GET")));
    all.retain(|one| dice.roll(if one.key == "db.system.name" { 6 } else { 2 }) == 0);
    all
}

fn items<T>(dice: &mut Dice, one: impl Fn(&mut Dice) -> T) -> Vec<T> {
    (0..ITEMS).map(|_| one(dice)).collect()
}

fn requests(seed: u64) -> Vec<Content> {
    let dice = &mut Dice(seed + 7_000);
    let resource = |dice: &mut Dice| Some(Resource { attributes: attributes(dice), ..Resource::default() });
    let scope = |dice: &mut Dice| {
        Some(InstrumentationScope { attributes: attributes(dice), ..InstrumentationScope::default() })
    };
    let spans = ScopeSpans { scope: scope(dice), spans: items(dice, span), ..ScopeSpans::default() };
    let spans =
        ResourceSpans { resource: resource(dice), scope_spans: vec![spans], ..ResourceSpans::default() };
    let records = ScopeLogs { scope: scope(dice), log_records: items(dice, record), ..ScopeLogs::default() };
    let records =
        ResourceLogs { resource: resource(dice), scope_logs: vec![records], ..ResourceLogs::default() };
    let metrics =
        ScopeMetrics { scope: scope(dice), metrics: items(dice, metric), ..ScopeMetrics::default() };
    let metrics = ResourceMetrics {
        resource: resource(dice),
        scope_metrics: vec![metrics],
        ..ResourceMetrics::default()
    };
    vec![
        Content::Traces(Traces { resource_spans: vec![spans] }),
        Content::Logs(Logs { resource_logs: vec![records] }),
        Content::Metrics(Metrics { resource_metrics: vec![metrics] }),
    ]
}

fn span(dice: &mut Dice) -> Span {
    let event = |dice: &mut Dice| Event { attributes: attributes(dice), ..Event::default() };
    Span {
        trace_id: dice.id::<16>(),
        span_id: dice.id::<8>(),
        name: dice.one(&TEXTS).into(),
        kind: dice.roll(6) as i32,
        attributes: attributes(dice),
        events: (0..dice.roll(3)).map(|_| event(dice)).collect(),
        ..Span::default()
    }
}

fn record(dice: &mut Dice) -> LogRecord {
    let body = (dice.roll(8) > 0).then(|| any(value(dice, 0)));
    LogRecord { body, attributes: attributes(dice), ..LogRecord::default() }
}

fn metric(dice: &mut Dice) -> Metric {
    let point = NumberDataPoint { attributes: attributes(dice), ..NumberDataPoint::default() };
    Metric {
        name: "gauge".into(),
        data: Some(Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    }
}
