//! The `file` exporter as a process, and beside a real collector: record for record the same files.
//!
//! The comparison runs where `RINGTAIL_OTELCOL` names a collector, which `tests/collector/install` builds.

#![allow(clippy::unwrap_used)]

mod peers;

use std::path::{Path, PathBuf};

use peers::process::{Process, http, ringtail};
use ringtail::compress::{Compression, inflate};
use ringtail::outcome::Signal;
use ringtail::wire::json::from_protobuf;

/// What is sent: one request a signal, with an attribute to group by.
const REQUESTS: [(&str, &str); 3] = [
    (
        "traces",
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"tenant","value":{"stringValue":"a"}}]},"scopeSpans":[
           {"scope":{"name":"lib"},"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708",
           "name":"a\nb","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2","status":{"code":2}}]}]}]}"#,
    ),
    (
        "metrics",
        r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"tenant","value":{"stringValue":"b"}}]},"scopeMetrics":[
           {"scope":{},"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"5","asDouble":0.5}]}}]}]}]}"#,
    ),
    (
        "logs",
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"tenant","value":{"stringValue":"a"}}]},"scopeLogs":[
           {"scope":{},"logRecords":[{"severityNumber":9,"body":{"stringValue":"hello"}}]}]}]}"#,
    ),
];

/// Runs a program over the requests, in order, and ends it.
fn run(program: &Path, ours: bool, path: &str, keys: &str) -> PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    let extension = if ours { "extensions: {admin: {enabled: false}}" } else { "" };
    let listed = if ours { "extensions: [admin], " } else { "" };
    let mut process = Process::start(program, 1, |ports, _| {
        let line = |signal: &str| format!("{signal}: {{receivers: [otlp], exporters: [file]}}");
        format!(
            "{extension}
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}
exporters: {{file: {{path: '{folder}/{path}'{keys}}}}}
service: {{{listed}telemetry: {{metrics: {{level: none}}}}, pipelines: {{{pipelines}}}}}
",
            port = ports[0],
            folder = folder.display(),
            pipelines = ["traces", "metrics", "logs"].map(line).join(", "),
        )
    });
    for (signal, body) in REQUESTS {
        let headers = [("content-type", "application/json")];
        let answer = http(process.ports[0], "POST", &format!("/v1/{signal}"), &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    process.stop();
    folder
}

/// The records of a file behind their lengths, inflated where they are compressed.
fn records(bytes: &[u8], zstd: bool) -> Vec<Vec<u8>> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let record = &rest[4..4 + length];
        found.push(if zstd {
            inflate(Compression::Zstd, record, 1 << 20).unwrap().to_vec()
        } else {
            record.to_vec()
        });
        rest = &rest[4 + length..];
    }
    found
}

/// What protobuf records of the three requests say.
fn meanings(records: &[Vec<u8>]) -> Vec<String> {
    let signals = [Signal::Traces, Signal::Metrics, Signal::Logs];
    assert_eq!(records.len(), signals.len());
    records.iter().zip(signals).map(|(record, signal)| from_protobuf(signal, record).unwrap()).collect()
}

#[test]
fn files_are_the_collectors() {
    let Some(collector) = peers::program("RINGTAIL_OTELCOL") else { return };
    for (format, zstd) in [("json", false), ("proto", false), ("json", true), ("proto", true)] {
        let compression = if zstd { ", compression: zstd" } else { "" };
        let keys = format!(", format: {format}{compression}");
        let read = |program: &Path, ours: bool| {
            let folder = run(program, ours, "out", &keys);
            let bytes = std::fs::read(folder.join("out")).unwrap();
            std::fs::remove_dir_all(folder).unwrap();
            bytes
        };
        let (ours, theirs) = (read(ringtail(), true), read(&collector, false));
        match (format, zstd) {
            ("json", false) => {
                assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
            }
            ("json", _) => assert_eq!(records(&ours, zstd), records(&theirs, zstd), "{keys}"),
            // The Collector encodes again, in an order of its own.
            _ => assert_eq!(meanings(&records(&ours, zstd)), meanings(&records(&theirs, zstd)), "{keys}"),
        }
    }
}

#[test]
fn groups_are_the_collectors() {
    let Some(collector) = peers::program("RINGTAIL_OTELCOL") else { return };
    let read = |program: &Path, ours: bool| {
        let folder =
            run(program, ours, "by/*.json", ", group_by: {enabled: true, resource_attribute: tenant}");
        let files =
            ["a", "b"].map(|name| std::fs::read_to_string(folder.join(format!("by/{name}.json"))).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
        files
    };
    assert_eq!(read(ringtail(), true), read(&collector, false));
}

#[test]
fn a_file_is_continued_after_a_restart_where_it_is_to_be_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    for (keys, lines) in [("", 3), (", append: true", 6), (", append: true", 9), ("", 3)] {
        let keys = format!("{keys}, create_directory: true");
        let relative = format!("../../..{}", path.display());
        std::fs::remove_dir_all(run(ringtail(), true, &relative, &keys)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), lines, "{keys}");
    }
}
