//! The SDKs that applications use, through a real ringtail to three backends: everything arrives once, each trace at
//! one backend, unchanged; and what a backend refused arrives after the SDK's own retry.
//!
//! Runs where `tests/clients/install` has put the SDKs: `RINGTAIL_CLIENTS`, or `target/clients`.

#![allow(clippy::unwrap_used)]

mod peers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use peers::backends::Backends;
use peers::process::{Process, metric};
use peers::{int, text, value};
use serde_json::json;

const TRACES: usize = 150;
const LOGS: usize = 100;
const POINTS: usize = 40;
const LEVELS: usize = 4;
const TEXT: &str = "q\"uo\\te </script> \u{1}\n 日本語 🦝";

#[test]
fn python_grpc() {
    arrives_once("python", "grpc", "none");
}

#[test]
fn python_grpc_gzip() {
    arrives_once("python", "grpc", "gzip");
}

#[test]
fn python_http() {
    arrives_once("python", "http", "none");
}

#[test]
fn python_http_gzip() {
    arrives_once("python", "http", "gzip");
}

#[test]
fn python_http_deflate() {
    arrives_once("python", "http", "deflate");
}

#[test]
fn javascript_grpc() {
    arrives_once("javascript", "grpc", "none");
}

#[test]
fn javascript_grpc_gzip() {
    arrives_once("javascript", "grpc", "gzip");
}

#[test]
fn javascript_http_protobuf() {
    arrives_once("javascript", "proto", "none");
}

#[test]
fn javascript_http_protobuf_gzip() {
    arrives_once("javascript", "proto", "gzip");
}

#[test]
fn javascript_http_json() {
    arrives_once("javascript", "json", "none");
}

#[test]
fn javascript_http_json_gzip() {
    arrives_once("javascript", "json", "gzip");
}

#[test]
fn python_grpc_retries_what_was_refused() {
    retried_without_duplicates("python", "grpc");
}

#[test]
fn python_http_retries_what_was_refused() {
    retried_without_duplicates("python", "http");
}

// The JavaScript exporter over gRPC never retries, so it has no such test.
#[test]
fn javascript_http_protobuf_retries_what_was_refused() {
    retried_without_duplicates("javascript", "proto");
}

#[test]
fn javascript_http_json_retries_what_was_refused() {
    retried_without_duplicates("javascript", "json");
}

fn arrives_once(language: &str, protocol: &str, compression: &str) {
    let Some(client) = Client::find(language) else { return };
    let backends = Backends::start(3);
    let ringtail = ringtail(&backends, "");
    let run = format!("{language} {protocol} {compression}");
    client.send(&ringtail, &run, protocol, compression);

    assert_eq!(traces_arrived_once(&backends, &run), 3, "150 traces reach every backend");
    logs_arrived_once(&backends, &run);
    points_arrived_once(&backends, &run);

    let page = ringtail.ports[2];
    let counted = |name| metric(page, name, &[]);
    assert_eq!(counted("otelcol_receiver_accepted_spans"), (TRACES * LEVELS) as f64);
    assert_eq!(counted("otelcol_receiver_accepted_log_records"), LOGS as f64);
    assert_eq!(counted("otelcol_receiver_accepted_metric_points"), POINTS as f64);
    assert_eq!(counted("otelcol_receiver_refused_spans"), 0.0);
}

fn retried_without_duplicates(language: &str, protocol: &str) {
    let Some(client) = Client::find(language) else { return };
    let backends = Backends::start(3);
    // An owner is tried once in this time, so the refusal reaches the SDK.
    let ringtail = ringtail(&backends, "hold: {max_age: 300ms}");
    let run = format!("{language} {protocol} retry");
    backends.refuse(1, 1);
    client.send(&ringtail, &run, protocol, "gzip");

    traces_arrived_once(&backends, &run);
    logs_arrived_once(&backends, &run);
    points_arrived_once(&backends, &run);
    let refused = metric(ringtail.ports[2], "otelcol_receiver_refused_spans", &[]);
    assert!(refused > 0.0, "nothing was refused, so nothing was retried");
}

fn ringtail(backends: &Backends, keys: &str) -> Process {
    Process::ringtail(3, |ports, _| {
        let [grpc, http, metrics] = ports else { panic!("three ports") };
        format!(
            "receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}}}
extensions: {{admin: {{enabled: false}}}}
exporters:
  load_balancing:
    {keys}
    protocol: {{otlp: {{tls: {{insecure: true}}}}}}
    resolver: {{static: {{hostnames: {}}}}}
service:
  extensions: [admin]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [load_balancing]}}
    logs: {{receivers: [otlp], exporters: [load_balancing]}}
    metrics: {{receivers: [otlp], exporters: [load_balancing]}}
",
            backends.hosts()
        )
    })
}

/// The SDK of one language.
struct Client {
    folder: PathBuf,
    language: String,
}

impl Client {
    fn find(language: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let named = std::env::var_os("RINGTAIL_CLIENTS").map(PathBuf::from);
        let folder = named.unwrap_or_else(|| root.join("target/clients"));
        let folder = root.join(folder);
        if !folder.join(language).join(".installed").is_file() {
            peers::skipped(&format!(
                "there is no {language} SDK in {}; run tests/clients/install",
                folder.display()
            ));
            return None;
        }
        Some(Self { folder, language: language.to_owned() })
    }

    /// Sends everything and has the SDK say that everything was taken.
    fn send(&self, ringtail: &Process, run: &str, protocol: &str, compression: &str) {
        let port = ringtail.ports[usize::from(protocol != "grpc")];
        let options = json!({"run": run, "protocol": protocol, "url": format!("http://127.0.0.1:{port}"),
            "compression": compression, "traces": TRACES, "logs": LOGS, "points": POINTS});
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let mut command = match self.language.as_str() {
            "python" => {
                let mut command = Command::new(self.folder.join("python/bin/python"));
                command.arg(scripts.join("python/send.py"));
                command
            }
            _ => {
                let mut command = Command::new("node");
                command.arg(scripts.join("javascript/send.mjs"));
                command.env("RINGTAIL_NODE_MODULES", self.folder.join("javascript/node_modules"));
                command
            }
        };
        let output = command.arg(options.to_string()).output().unwrap();
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}\n{errors}");
        let counts: BTreeMap<String, BTreeMap<String, u64>> =
            serde_json::from_str(said.lines().last().unwrap()).unwrap();
        for signal in ["traces", "logs", "metrics"] {
            let counts = &counts[signal];
            assert!(counts["ok"] > 0 && counts["failed"] == 0, "{signal}: {counts:?}\n{errors}");
        }
    }
}

/// Every span once and unchanged, each trace at one backend; how many backends took some.
fn traces_arrived_once(backends: &Backends, run: &str) -> usize {
    let mut owners: BTreeMap<Vec<u8>, BTreeSet<usize>> = BTreeMap::new();
    let mut spans: BTreeMap<(i64, i64), Span> = BTreeMap::new();
    for (backend, request) in backends.traces() {
        for resource in request.resource_spans {
            let of = resource.resource.unwrap().attributes;
            assert_eq!(text(&of, "service.name"), Some(format!("client {run}").as_str()));
            for scope in resource.scope_spans {
                let of = scope.scope.unwrap();
                assert_eq!((of.name.as_str(), of.version.as_str()), ("test.scope", "1.2.3"));
                for span in scope.spans {
                    owners.entry(span.trace_id.clone()).or_default().insert(backend);
                    let key = (
                        int(&span.attributes, "trace.index").unwrap(),
                        int(&span.attributes, "span.index").unwrap(),
                    );
                    assert!(spans.insert(key, span).is_none(), "the span {key:?} came twice");
                }
            }
        }
    }
    assert_eq!(spans.len(), TRACES * LEVELS);
    assert_eq!(owners.len(), TRACES);
    assert!(owners.values().all(|backends| backends.len() == 1), "a trace was split: {owners:?}");
    for (key, span) in &spans {
        let root = &spans[&(key.0, 0)];
        unchanged(run, *key, span, root);
    }
    owners.values().flatten().collect::<BTreeSet<_>>().len()
}

fn unchanged(run: &str, (trace, level): (i64, i64), span: &Span, root: &Span) {
    let of = &span.attributes;
    let list = |values: &[Value]| {
        let values = values.iter().map(|value| AnyValue { value: Some(value.clone()) }).collect();
        Some(Value::ArrayValue(ArrayValue { values }))
    };
    let word = |text: &str| Value::StringValue(text.to_owned());
    assert!((0..LEVELS as i64).contains(&level));
    assert_eq!(of.len(), 8, "{of:?}");
    assert_eq!(text(of, "run"), Some(run));
    assert_eq!(text(of, "text"), Some(TEXT));
    assert_eq!(value(of, "flag"), Some(&Value::BoolValue(level % 2 == 0)));
    assert_eq!(value(of, "ratio"), Some(&Value::DoubleValue(trace as f64 + 0.5)));
    assert_eq!(value(of, "words").cloned(), list(&[word("a"), word(""), word("ü")]));
    let numbers = [1, -2, 1 << 40].map(Value::IntValue);
    assert_eq!(value(of, "numbers").cloned(), list(&numbers));
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
    assert_eq!(span.trace_id, root.trace_id);
    assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
    let code = span.status.as_ref().map_or((0, ""), |status| (status.code, status.message.as_str()));
    assert_eq!(code, if level == 3 { (2, "bad") } else { (0, "") });
    if level == 0 {
        assert_eq!((span.name.clone(), span.kind), (format!("root {trace}"), 2));
        assert!(span.parent_span_id.is_empty() && span.links.is_empty() && span.events.is_empty());
        return;
    }
    assert_eq!((span.name.clone(), span.kind), (format!("child {level}"), 3));
    assert_eq!(span.parent_span_id, root.span_id);
    assert_eq!((span.events.len(), span.links.len()), (1, 1));
    assert_eq!(span.events[0].name, "event");
    assert_eq!(int(&span.events[0].attributes, "n"), Some(level));
    assert_eq!(span.links[0].span_id, root.span_id);
    assert_eq!(text(&span.links[0].attributes, "why"), Some("test"));
}

/// Every record once; one service, so one backend.
fn logs_arrived_once(backends: &Backends, run: &str) {
    let (mut seen, mut owners) = (BTreeSet::new(), BTreeSet::new());
    for (backend, request) in backends.logs() {
        owners.insert(backend);
        let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        for record in scopes.flat_map(|scope| scope.log_records) {
            let index = int(&record.attributes, "log.index").unwrap();
            assert!(seen.insert(index), "the record {index} came twice");
            let body = record.body.and_then(|body| body.value);
            assert_eq!(body, Some(Value::StringValue(format!("log {index}"))));
            assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
            assert_eq!(text(&record.attributes, "run"), Some(run));
            assert_eq!(text(&record.attributes, "text"), Some(TEXT));
        }
    }
    assert_eq!((seen.len(), owners.len()), (LOGS, 1));
}

/// Every point once; one service, so one backend.
fn points_arrived_once(backends: &Backends, run: &str) {
    let (mut seen, mut owners) = (BTreeSet::new(), BTreeSet::new());
    for (backend, request) in backends.metrics() {
        owners.insert(backend);
        for resource in request.resource_metrics {
            assert_eq!(text(&resource.resource.unwrap().attributes, "run"), Some(run));
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("test.requests", "1"));
                let Some(Data::Sum(sum)) = metric.data else { panic!("{metric:?}") };
                assert!(sum.is_monotonic);
                for point in sum.data_points {
                    let index = int(&point.attributes, "point.index").unwrap();
                    assert!(seen.insert(index), "the point {index} came twice");
                    let number = match point.value.unwrap() {
                        number_data_point::Value::AsInt(number) => number as f64,
                        number_data_point::Value::AsDouble(number) => number,
                    };
                    assert_eq!(number, (index + 1) as f64);
                }
            }
        }
    }
    assert_eq!((seen.len(), owners.len()), (POINTS, 1));
}
