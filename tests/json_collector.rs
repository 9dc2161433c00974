//! Our JSON beside a real collector's: the same requests through its OTLP receiver and its file exporter.
//!
//! Runs where `RINGTAIL_OTELCOL` names a collector with the file exporter; says so and passes elsewhere.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write, stderr};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringtail::outcome::Signal;
use ringtail::wire::json::{Limits, from_protobuf, to_protobuf};
use serde_json::{Value, json};

struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn our_json_is_the_collectors() {
    let Some(binary) = std::env::var_os("RINGTAIL_OTELCOL") else {
        // Written past the test harness, which hides what passing tests print.
        let _ = writeln!(
            stderr(),
            "skipped: our_json_is_the_collectors: RINGTAIL_OTELCOL names no collector to compare with"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.path().join("collector.yaml");
    fs::write(&config, configuration(port, folder.path())).unwrap();
    let child = Command::new(binary)
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let collector = Collector(child);
    for signal in Signal::ALL {
        for (index, document) in documents(signal).iter().enumerate() {
            let protobuf = to_protobuf(signal, document.to_string().as_bytes(), Limits::default()).unwrap();
            let ours = from_protobuf(signal, &protobuf).unwrap();
            post(port, signal, "application/x-protobuf", &protobuf, folder.path());
            let theirs = line(folder.path(), signal, 2 * index);
            assert_eq!(plain(&ours), plain(&theirs), "protobuf to JSON:\n{ours}\n{theirs}");
            // And the document itself, as they read it.
            post(port, signal, "application/json", document.to_string().as_bytes(), folder.path());
            let theirs = line(folder.path(), signal, 2 * index + 1);
            assert_eq!(plain(&ours), plain(&theirs), "JSON to JSON:\n{ours}\n{theirs}");
            // Written the same way, too: order of fields, escapes, floats.
            let bare = ["resource", "scope", "status"].iter().fold(theirs, |text, name| {
                let empty = format!("\"{name}\":{{}}");
                text.replace(&format!(",{empty}"), "").replace(&format!("{empty},"), "")
            });
            assert_eq!(ours, bare);
        }
    }
    drop(collector);
}

fn configuration(port: u16, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}
exporters:
  file/traces: {{path: '{folder}/traces', flush_interval: 20ms}}
  file/metrics: {{path: '{folder}/metrics', flush_interval: 20ms}}
  file/logs: {{path: '{folder}/logs', flush_interval: 20ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"
    )
}

fn post(port: u16, signal: Signal, kind: &str, body: &[u8], folder: &Path) {
    let patience = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > patience => {
                panic!("{error}: {}", fs::read_to_string(folder.join("log")).unwrap())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        signal.http_path(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The line that the collector wrote for the request of this index.
fn line(folder: &Path, signal: Signal, index: usize) -> String {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let text = fs::read_to_string(folder.join(signal.name())).unwrap_or_default();
        if let (Some(line), true) = (text.lines().nth(index), text.ends_with('\n')) {
            return line.to_owned();
        }
        assert!(Instant::now() < patience, "the collector wrote no line {index} of {}", signal.name());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Without what means nothing: the collector always writes messages that it holds by value, even empty ones.
fn plain(text: &str) -> Value {
    fn prune(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["resource", "scope", "status", "body", "value", "positive", "negative"] {
                    if fields.get(name).is_some_and(|field| *field == json!({})) {
                        fields.remove(name);
                    }
                }
                fields.values_mut().for_each(prune);
            }
            Value::Array(values) => values.iter_mut().for_each(prune),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap();
    prune(&mut value);
    value
}

fn documents(signal: Signal) -> Vec<Value> {
    let attributes = json!([
        {"key": "text", "value": {"stringValue": "q\"uo\\te </script> \u{1}\n\t\u{7f} \u{2028} 日本語 🦝"}},
        {"key": "empty", "value": {"stringValue": ""}},
        {"key": "none", "value": {}},
        {"key": "no", "value": {"boolValue": false}},
        {"key": "zero", "value": {"intValue": "0"}},
        {"key": "least", "value": {"intValue": "-9223372036854775808"}},
        {"key": "tenth", "value": {"doubleValue": 0.1}},
        {"key": "one", "value": {"doubleValue": 1.0}},
        {"key": "huge", "value": {"doubleValue": 1.5e300}},
        {"key": "big", "value": {"doubleValue": 1e20}},
        {"key": "tiny", "value": {"doubleValue": 2.5e-9}},
        {"key": "not", "value": {"doubleValue": "NaN"}},
        {"key": "endless", "value": {"doubleValue": "-Infinity"}},
        {"key": "bytes", "value": {"bytesValue": "AP8="}},
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": 1}, {}, {"arrayValue": {}}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "", "value": {"boolValue": true}}]}}},
    ]);
    let resource = json!({"attributes": attributes, "droppedAttributesCount": 1,
        "entityRefs": [{"type": "host", "idKeys": ["text"], "descriptionKeys": ["empty"], "schemaUrl": "u"}]});
    let scope = json!({"name": "s", "version": "1", "attributes": attributes});
    let ids = json!({"traceId": "00112233445566778899AABBCCDDEEFF", "spanId": "0102030405060708"});
    let id = |key: &str| ids[key].clone();
    match signal {
        Signal::Traces => vec![
            json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "bare"}]}]}]}),
            json!({"resourceSpans": [{"resource": resource, "schemaUrl": "r", "scopeSpans": [{"scope": scope,
                "schemaUrl": "s", "spans": [{"traceId": id("traceId"), "spanId": id("spanId"),
                "parentSpanId": "0807060504030201", "traceState": "a=b", "name": "n", "kind": "SPAN_KIND_SERVER",
                "flags": 257, "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": "18446744073709551615",
                "attributes": attributes, "droppedAttributesCount": 1, "droppedEventsCount": 2, "droppedLinksCount": 3,
                "events": [{"timeUnixNano": "1", "name": "e", "attributes": attributes, "droppedAttributesCount": 4}],
                "links": [{"traceId": id("traceId"), "spanId": id("spanId"), "traceState": "c=d", "flags": 1,
                "attributes": attributes}], "status": {"code": 2, "message": "bad"}}]}]}]}),
        ],
        Signal::Logs => vec![json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope,
            "logRecords": [{"timeUnixNano": "1", "observedTimeUnixNano": "2", "severityNumber": "SEVERITY_NUMBER_WARN",
            "severityText": "warn", "body": {"kvlistValue": {"values": attributes}}, "attributes": attributes,
            "traceId": id("traceId"), "spanId": id("spanId"), "flags": 1, "eventName": "event"}]}]}]})],
        Signal::Metrics => vec![metrics(&ids, &attributes)],
    }
}

fn metrics(ids: &Value, attributes: &Value) -> Value {
    let exemplars = json!([{"timeUnixNano": "3", "asInt": "-7", "spanId": ids["spanId"], "traceId": ids["traceId"],
        "filteredAttributes": attributes}, {"asDouble": 0.5}]);
    let point = |more: Value| {
        let mut point =
            json!({"attributes": attributes, "startTimeUnixNano": "1", "timeUnixNano": "2", "flags": 1});
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([point])
    };
    let number = point(json!({"asInt": "0", "exemplars": exemplars}));
    let histogram =
        point(json!({"count": "3", "sum": 0.0, "min": -1.5, "max": 2, "bucketCounts": ["1", "2"],
        "explicitBounds": [1.0], "exemplars": exemplars}));
    let exponential = point(
        json!({"count": "3", "sum": 1, "scale": -2, "zeroCount": "1", "zeroThreshold": 0.25,
        "positive": {"offset": -3, "bucketCounts": ["1", "0", "18446744073709551615"]}, "negative": {"offset": 1}}),
    );
    let summary =
        point(json!({"count": "3", "sum": 4.5, "quantileValues": [{"quantile": 0.5, "value": 1.5}, {}]}));
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "unit": "1", "description": "d", "gauge": {"dataPoints": number}, "metadata": attributes},
        {"name": "s", "sum": {"dataPoints": [{"asDouble": 1.0}], "aggregationTemporality": 2, "isMonotonic": true}},
        {"name": "h", "histogram": {"dataPoints": histogram, "aggregationTemporality": 1}},
        {"name": "e", "exponentialHistogram": {"dataPoints": exponential, "aggregationTemporality": 2}},
        {"name": "q", "summary": {"dataPoints": summary}},
    ]}]}]})
}
