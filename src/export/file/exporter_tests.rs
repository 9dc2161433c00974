//! Requests in, files out.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::super::config::{FileFormat, GroupBy, Rotation};
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
        origin: None,
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

/// The records of a file, once the thread has written them.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[tokio::test]
async fn a_path_that_stays_is_continued_and_so_is_one_that_was_written_to_before() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
    fs::write(&two, "old\n").unwrap();
    let exporter = FileExporter::start("file", config(&one), &registry).unwrap();
    let send = async || exporter.consume(request(&["a"])).await.unwrap();
    send().await;
    let rotation = Some(Rotation { max_bytes: 1 << 20, max_age: None, max_backups: 1 });
    exporter.reconfigure(File { rotation, ..config(&one) }).unwrap();
    send().await;
    exporter.reconfigure(config(&one)).unwrap();
    send().await;
    assert_eq!(lines(&one), 3, "never emptied");
    drop(exporter.prepare(config(&two)).unwrap());
    assert_eq!(fs::read_to_string(&two).unwrap(), "old\n", "nothing is emptied before the change");
    exporter.reconfigure(config(&two)).unwrap();
    send().await;
    assert_eq!((lines(&one), lines(&two)), (3, 1), "another path begins as at a start");
    exporter.reconfigure(config(&one)).unwrap();
    exporter.reconfigure(config(&two)).unwrap();
    exporter.reconfigure(config(&one)).unwrap();
    send().await;
    assert_eq!((lines(&one), lines(&two)), (4, 1));
    let seen = ledger(&registry);
    assert_eq!((seen.delivered, seen.imbalance), (5, 0));
}

#[tokio::test]
async fn format_compression_and_rotation_hold_for_the_next_record() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let path = folder.path().join("a.json");
    let exporter = FileExporter::start("file", config(&path), &registry).unwrap();
    let send = async || exporter.consume(request(&["a"])).await.unwrap();
    send().await;
    let rotation = Some(Rotation { max_bytes: 10, max_age: None, max_backups: 0 });
    exporter.reconfigure(File { rotation, zstd: true, format: FileFormat::Proto, ..config(&path) }).unwrap();
    send().await;
    let written = fs::read(&path).unwrap();
    assert_eq!(u32::from_be_bytes(written[..4].try_into().unwrap()) as usize, written.len() - 4);
    assert_eq!(zstd::decode_all(&written[4..]).unwrap(), request(&["a"]).body);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the first was put aside");
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_named_and_changes_nothing() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let path = folder.path().join("a.json");
    let exporter = FileExporter::start("file", config(&path), &registry).unwrap();
    let error = exporter.reconfigure(config(&folder.path().join("none/b.json"))).unwrap_err().to_string();
    assert!(error.contains("none/b.json: "), "{error}");
    exporter.consume(request(&["a"])).await.unwrap();
    assert_eq!(lines(&path), 1);
}

#[tokio::test]
async fn groups_that_stay_are_continued() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let path = folder.path().join("*.json");
    let grouped = |max_open_files| {
        let group_by = Some(GroupBy { attribute: "tenant".into(), max_open_files });
        File { group_by, ..config(&path) }
    };
    let exporter = FileExporter::start("file", grouped(9), &registry).unwrap();
    for most in [1, 2, 9] {
        exporter.consume(request(&["a", "b"])).await.unwrap();
        exporter.reconfigure(grouped(most)).unwrap();
    }
    exporter.consume(request(&["a"])).await.unwrap();
    assert_eq!((lines(&folder.path().join("a.json")), lines(&folder.path().join("b.json"))), (4, 3));
}
