//! Requests in, files out.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::super::config::{FileFormat, GroupBy};
use super::*;
use crate::wire::json::{Limits, to_protobuf};

fn config(path: &Path) -> File {
    File {
        path: path.to_str().unwrap().to_owned(),
        format: FileFormat::Json,
        append: false,
        rotation: None,
        zstd: false,
        group_by: None,
        create_directory: false,
        directory_permissions: 0o755,
    }
}

/// A request of one log record a tenant.
fn request(tenants: &[&str]) -> Request {
    let resources: Vec<String> = tenants
        .iter()
        .map(|tenant| {
            format!(
                r#"{{"resource":{{"attributes":[{{"key":"tenant","value":{{"stringValue":"{tenant}"}}}}]}},
                    "scopeLogs":[{{"logRecords":[{{"severityNumber":9}}]}}]}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"resourceLogs":[{}]}}"#, resources.join(","));
    let body = Bytes::from(to_protobuf(Signal::Logs, text.as_bytes(), Limits::default()).unwrap());
    Request {
        signal: Signal::Logs,
        body,
        items: tenants.len() as u64,
        arrived: Instant::now(),
        deadline: None,
        kept: false,
        batched: false,
        metadata: None,
        window: crate::flow::Window::None,
    }
}

fn ledger(registry: &Registry) -> crate::observe::LedgerSnapshot {
    Ledger::new(registry, "exporter", "file", Signal::Logs).snapshot()
}

#[tokio::test]
async fn what_is_answered_is_in_the_file() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let path = folder.path().join("new/logs.json");
    assert!(FileExporter::start("file", config(&path), &registry).is_err(), "there is no directory");
    let exporter =
        FileExporter::start("file", File { create_directory: true, ..config(&path) }, &registry).unwrap();
    for lines in 1..=3 {
        exporter.consume(request(&["a"])).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), lines);
    }
    assert_eq!(ledger(&registry).delivered, 3);
}

#[tokio::test]
async fn a_full_disk_is_a_refusal_that_passes() {
    let registry = Registry::new();
    let exporter = FileExporter::start("file", config(Path::new("/dev/full")), &registry).unwrap();
    let refusal = exporter.consume(request(&["a", "b"])).await.unwrap_err();
    assert!(refusal.passes() && refusal.retry_after.is_some(), "{refusal:?}");
    let seen = ledger(&registry);
    assert_eq!((seen.refused, seen.imbalance), (vec![(Reason::DiskFull, 2)], 0));
}

#[tokio::test]
async fn each_group_has_its_file_and_none_is_emptied_again() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let group_by = Some(GroupBy { attribute: "tenant".into(), max_open_files: 1 });
    let path = folder.path().join("logs/*.json");
    let exporter = FileExporter::start("file", File { group_by, ..config(&path) }, &registry).unwrap();
    for _ in 0..2 {
        exporter.consume(request(&["a", "b", "../a", "../../x"])).await.unwrap();
    }
    let lines = |name: &str| {
        let text = fs::read_to_string(folder.path().join("logs").join(name)).unwrap();
        text.lines().map(|line| line.matches("severityNumber").count()).collect::<Vec<_>>()
    };
    assert_eq!(lines("a.json"), [1, 1, 1, 1]);
    assert_eq!(lines("b.json"), [1, 1], "it was closed in between");
    assert_eq!(lines("x.json"), [1, 1], "inside the directory");
    assert_eq!(ledger(&registry).delivered, 8);
}

#[tokio::test]
async fn what_has_no_file_is_dropped_by_name() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let group_by = Some(GroupBy { attribute: "other".into(), max_open_files: 1 });
    let path = folder.path().join("*.json");
    let exporter =
        Arc::new(FileExporter::start("file", File { group_by, ..config(&path) }, &registry).unwrap());
    exporter.consume(request(&["a", "b"])).await.unwrap();
    let seen = ledger(&registry);
    assert_eq!((seen.dropped, seen.imbalance), (vec![(Reason::NoDestination, 2)], 0));
}

#[tokio::test]
async fn a_name_that_no_file_can_have_drops_its_group_only() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let group_by = Some(GroupBy { attribute: "tenant".into(), max_open_files: 9 });
    let path = folder.path().join("*");
    let exporter = FileExporter::start("file", File { group_by, ..config(&path) }, &registry).unwrap();
    let long = "x".repeat(300);
    exporter.consume(request(&["a", &long])).await.unwrap();
    let seen = ledger(&registry);
    assert_eq!((seen.delivered, seen.dropped), (1, vec![(Reason::NoDestination, 1)]));
}
