//! A journal without room: what is refused and what is decided early, and that nothing acknowledged is lost by it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use prost::Message;
use tonic::Code;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, hex, span, text, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::sampling::{ALL, Sampling};
use crate::support::status::retry_delay;
use crate::support::{Traces, wait};

/// Bytes of one request, at least.
const REQUEST: usize = 40_000;
const PROTOBUF: &str = "application/x-protobuf";

/// A request of four traces, `REQUEST` bytes.
fn heavy(n: u64) -> Traces {
    let padding = "x".repeat(REQUEST / 4);
    traces((n * 4..n * 4 + 4).map(|trace| {
        let mut span = span(trace, 0);
        span.attributes.push(text("padding", &padding));
        span
    }))
}

/// Sends until something is refused; returns how many were not, and the refusal.
async fn fill(ringtail: &Ringtail, from: u64) -> (u64, tonic::Status) {
    let mut client = ringtail.traces();
    for n in from..from + 1000 {
        if let Err(refusal) = client.export(heavy(n)).await {
            return (n, refusal);
        }
    }
    panic!("40 MB went in");
}

fn assert_comes_back(refusal: &tonic::Status) {
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    let delay = retry_delay(refusal.details());
    assert!(delay.is_some_and(|delay| delay <= Duration::from_secs(30)), "{refusal:?}");
}

/// Sends until it is taken.
async fn insist(ringtail: &Ringtail, n: u64) {
    let start = Instant::now();
    while let Err(refusal) = ringtail.export(heavy(n)).await {
        assert_comes_back(&refusal);
        assert!(start.elapsed() < wait::DEADLINE, "never taken: {refusal:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everything from the first to this arrives.
async fn assert_all(ringtail: &Ringtail, backend: &Backend, end: u64) {
    wait::until("all arrive", || backend.spans().len() as u64 >= end * 4).await;
    ringtail.settled().await;
    assert_arrived_once(&(0..end).map(heavy).collect::<Vec<_>>(), &[backend]);
}

/// Scenario: the journal reaches `max_size` under `when_full: refuse`.
/// Guarantee: senders are asked to come back, over gRPC and HTTP; what was taken arrives, and then there is room again.
#[tokio::test]
async fn a_full_journal_refuses_at_the_door() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 3s, early_verdicts: off, when_full: refuse, policies: [{ALL}]");
    let journal = ", max_size: 2MiB, segment_size: 256KiB";
    let ringtail = Sampling::to(&backend, &keys).on_disk(journal).start().await;
    let (taken, refusal) = fill(&ringtail, 0).await;
    assert_comes_back(&refusal);
    let bytes = taken as usize * REQUEST;
    assert!(bytes > 1_200_000 && bytes < 2_200_000, "{bytes} bytes found room in 2 MiB");
    let answer = ringtail.post(&[("content-type", PROTOBUF)], heavy(taken).encode_to_vec()).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    insist(&ringtail, taken).await;
    assert_all(&ringtail, &backend, taken + 1).await;
    let scrape = ringtail.scrape().await;
    assert!(scrape.ledger("tail_sampling", "traces").refused >= 8);
    assert_eq!(scrape.ledger("tail_sampling", "traces").dropped, 0);
}

/// Scenario: the journal in memory reaches `max_memory` under `when_full: refuse`.
/// Guarantee: the same.
#[tokio::test]
async fn a_full_memory_refuses_at_the_door() {
    let backend = Backend::grpc().await;
    let journal = "journal: {max_memory: 4MiB, segment_size: 256KiB}";
    let keys =
        format!("decision_wait: 3s, early_verdicts: off, when_full: refuse, {journal}, policies: [{ALL}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let (taken, refusal) = fill(&ringtail, 0).await;
    assert_comes_back(&refusal);
    insist(&ringtail, taken).await;
    assert_all(&ringtail, &backend, taken + 1).await;
}

/// Scenario: the journal reaches `max_size` under `when_full: decide_oldest`, long before any deadline.
/// Guarantee: nothing is refused; the oldest traces are judged early, and `/trace` says that a limit did it.
#[tokio::test]
async fn a_full_journal_decides_the_oldest() {
    let backend = Backend::grpc().await;
    let keys =
        format!("decision_wait: 600s, early_verdicts: off, when_full: decide_oldest, policies: [{ALL}]");
    let journal = ", max_size: 2MiB, segment_size: 256KiB";
    let ringtail = Sampling::to(&backend, &keys).on_disk(journal).start().await;
    let mut client = ringtail.traces();
    for n in 0..150 {
        let start = Instant::now();
        while let Err(refusal) = client.export(heavy(n)).await {
            assert_comes_back(&refusal); // what is exported frees its place only then
            assert!(start.elapsed() < wait::DEADLINE, "no room is made: {refusal:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    wait::until("the first have left", || backend.spans().len() >= 100 * 4).await;
    for n in 0..100 {
        assert!(backend.has(&format!("operation {}/0", n * 4)), "request {n} is older, and still there");
    }
    assert!(!backend.has(&format!("operation {}/0", 149 * 4)), "the youngest was judged, too");
    let page = ringtail.page(&format!("/trace/{}", hex(&trace_id(0)))).await.to_string();
    assert!(page.contains("limit_journal"), "{page}");
    ringtail.scrape().await.assert_closes();
}

/// A file system of its own, as small as can be; gone when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// `None` where the machine does not allow it.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then(|| Self(at.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Scenario: the disk under the journal is full, of something else; later that is removed.
/// Guarantee: senders are asked to come back; nothing acknowledged is lost, not even when it is killed meanwhile; it
/// takes requests again when there is room.
#[tokio::test]
async fn a_full_disk_refuses_at_the_door() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 6s, early_verdicts: off, policies: [{ALL}]");
    let sampling = Sampling::to(&backend, &keys);
    let place = sampling.dir.path().join("small");
    let Some(disk) = Tmpfs::mount(&place, "4m") else {
        use std::io::Write;
        return std::io::stderr().write_all(b"skipped: mounting needs root\n").unwrap();
    };
    let filler = place.join("filler");
    std::fs::write(&filler, vec![1; 2 << 20]).unwrap();
    let journal =
        format!("journal: {{directory: '{}', segment_size: 256KiB}}", place.join("journal").display());
    let ringtail = sampling.with(&journal).start().await;
    let (taken, refusal) = fill(&ringtail, 0).await;
    assert_comes_back(&refusal);
    assert!(ringtail.exited().is_none());
    ringtail.kill();
    ringtail.respawn();
    ringtail.ready().await;
    assert_comes_back(&ringtail.export(heavy(taken)).await.unwrap_err());
    std::fs::remove_file(filler).unwrap();
    insist(&ringtail, taken).await;
    assert_all(&ringtail, &backend, taken + 1).await;
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    drop(disk);
}
