//! Files that are not as they were left: each damage costs what it hit, and is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{failing, span, traces};
use crate::support::process::Ringtail;
use crate::support::sampling::{ERRORS, Sampling, journal_in};
use crate::support::{Traces, wait};

const REQUESTS: u64 = 20;
const TRACES: u64 = 4;

/// One request: traces of its own, all to be kept.
fn request(n: u64) -> Traces {
    traces((n * TRACES..(n + 1) * TRACES).map(|trace| failing(span(trace, 0))))
}

/// A sampler killed while it held requests, all acknowledged and none decided.
async fn killed(backend: &Backend) -> Ringtail {
    let keys = format!("decision_wait: 2s, early_verdicts: off, policies: [{ERRORS}]");
    let ringtail = Sampling::to(backend, &keys).on_disk(", segment_size: 1MiB").start().await;
    for n in 0..REQUESTS {
        ringtail.export(request(n)).await.unwrap();
    }
    ringtail.kill();
    assert_eq!(backend.calls(), 0, "too slow: decided before the kill");
    ringtail
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The file that holds this text and where the text begins in it.
fn find(directory: &Path, text: &str) -> (PathBuf, usize) {
    let hits = files(directory).into_iter().filter_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes())?;
        Some((path, at))
    });
    let hits: Vec<_> = hits.collect();
    assert_eq!(hits.len(), 1, "{text:?} is in {hits:?}");
    hits.into_iter().next().unwrap()
}

/// What the journal says of damage: records that are not what they were, and ends that were never completed.
fn damage(scrape: &Scrape) -> f64 {
    scrape.sum("ringtail_journal_corrupt_records", &[]) + scrape.sum("ringtail_journal_torn_bytes", &[])
}

/// Starts it again; then every request but `lost` must arrive, whole.
async fn assert_only_lost(ringtail: &Ringtail, backend: &Backend, lost: u64, what: &str) {
    ringtail.respawn();
    ringtail.ready().await;
    let expected = ((REQUESTS - 1) * TRACES) as usize;
    wait::until("the rest arrives", || backend.spans().len() >= expected).await;
    let scrape = ringtail.settled().await;
    for n in 0..REQUESTS {
        for trace in n * TRACES..(n + 1) * TRACES {
            assert_eq!(backend.has(&format!("operation {trace}/0")), n != lost, "request {n}");
        }
    }
    assert_eq!(scrape.ledger("tail_sampling", "traces").recovered, expected as u64);
    let log = ringtail.stderr();
    assert!(damage(&scrape) > 0.0, "no metric counts it");
    assert!(
        log.lines().any(|line| line.contains("journal") && line.contains(what)),
        "nothing says it:\n{log}"
    );
}

/// Scenario: the last record in the directory is cut off in its middle, as by a machine that died while it wrote.
/// Guarantee: it alone is lost, and counted.
#[tokio::test]
async fn a_torn_record_costs_itself() {
    let backend = Backend::grpc().await;
    let ringtail = killed(&backend).await;
    let last = REQUESTS - 1;
    let (path, at) = find(&journal_in(&ringtail.dir), &format!("operation {}/0", last * TRACES + 1));
    fs::File::options().write(true).open(path).unwrap().set_len(at as u64).unwrap();
    assert_only_lost(&ringtail, &backend, last, "torn").await;
}

/// Scenario: a byte in the middle of the directory's records is another.
/// Guarantee: the record it is in is lost, and counted; those before and after are not.
#[tokio::test]
async fn a_flipped_byte_costs_its_record() {
    let backend = Backend::grpc().await;
    let ringtail = killed(&backend).await;
    let (path, at) = find(&journal_in(&ringtail.dir), &format!("operation {}/0", 7 * TRACES + 1));
    let mut bytes = fs::read(&path).unwrap();
    bytes[at + 3] ^= 0x40;
    fs::write(path, bytes).unwrap();
    assert_only_lost(&ringtail, &backend, 7, "corrupt").await;
}

/// Scenario: the last record is followed by bytes that nobody wrote: zeros, then noise.
/// Guarantee: nothing is lost.
#[tokio::test]
async fn bytes_after_the_last_record_cost_nothing() {
    for tail in [vec![0; 5000], (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()] {
        let backend = Backend::grpc().await;
        let ringtail = killed(&backend).await;
        let last = format!("operation {}/0", REQUESTS * TRACES - 1);
        let (path, _) = find(&journal_in(&ringtail.dir), &last);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(tail);
        fs::write(path, bytes).unwrap();
        ringtail.respawn();
        ringtail.ready().await;
        wait::until("all arrive", || backend.spans().len() as u64 == REQUESTS * TRACES).await;
        ringtail.settled().await;
    }
}

/// Scenario: one of the two headers of the last segment is wiped out; then both.
/// Guarantee: the first costs nothing; the second costs the segment, and is counted.
#[tokio::test]
async fn a_lost_header_costs_its_segment_at_most() {
    for copies in [1, 2] {
        let backend = Backend::grpc().await;
        let ringtail = killed(&backend).await;
        let (path, _) = find(&journal_in(&ringtail.dir), "operation 0/0");
        let mut bytes = fs::read(&path).unwrap();
        let copy = (1..).find(|at| bytes[*at..].starts_with(&bytes[..16])).unwrap();
        bytes[..copies * copy].fill(0);
        fs::write(path, bytes).unwrap();
        ringtail.respawn();
        ringtail.ready().await;
        ringtail.export(request(REQUESTS)).await.unwrap();
        let expected = if copies == 1 { (REQUESTS + 1) * TRACES } else { TRACES };
        wait::until("what is left arrives", || backend.spans().len() as u64 >= expected).await;
        let scrape = ringtail.settled().await;
        assert_eq!(backend.spans().len() as u64, expected);
        assert_eq!(damage(&scrape) > 0.0, copies == 2, "{}", ringtail.stderr());
    }
}

/// Scenario: a second process is started with the same directory.
/// Guarantee: it ends with an error that names the directory; the first goes on as if nothing had happened.
#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, policies: [{ERRORS}]");
    let first = Sampling::to(&backend, &keys).on_disk("").start().await;
    first.export(request(0)).await.unwrap();
    let directory = journal_in(&first.dir);
    let mut second = Sampling::to(&backend, &keys);
    second.keys = format!("{keys}, journal: {{directory: '{}'}}", directory.display());
    let second = second.spawn();
    assert_ne!(second.ended().await, 0);
    let said = second.stderr();
    assert!(said.contains(&directory.display().to_string()) && said.contains("in use"), "{said}");
    first.export(request(1)).await.unwrap();
    wait::until("both arrive", || backend.spans().len() as u64 == 2 * TRACES).await;
    first.settled().await;
    first.kill();
    first.respawn(); // the lock went with the process
    first.ready().await;
}

/// Scenario: a directory that another version has written, and one that holds something else.
/// Guarantee: the process ends with an error that names the file, and changes nothing; what it held is still there for
/// the version that wrote it.
#[tokio::test]
async fn a_directory_of_another_version_is_refused() {
    let backend = Backend::grpc().await;
    let ringtail = killed(&backend).await;
    let formats = files(&journal_in(&ringtail.dir)).into_iter();
    let formats = formats.filter(|path| path.file_name().is_some_and(|name| name == "format"));
    for format in formats {
        let good = fs::read_to_string(&format).unwrap();
        for (name, text) in
            [("format 7", good.replace('1', "7")), ("not a file of a journal", "dear diary".into())]
        {
            fs::write(&format, &text).unwrap();
            let before = everything(&ringtail);
            ringtail.respawn();
            assert_ne!(ringtail.ended().await, 0);
            let (said, format) = (ringtail.stderr(), format.display().to_string());
            assert!(said.lines().any(|line| line.contains(&format) && line.contains(name)), "{said}");
            assert_eq!(everything(&ringtail), before, "it was changed");
        }
        fs::write(&format, good).unwrap();
    }
    ringtail.respawn();
    ringtail.ready().await;
    wait::until("all arrive", || backend.spans().len() as u64 == REQUESTS * TRACES).await;
    ringtail.settled().await;
}

/// The whole content of a journal.
fn everything(ringtail: &Ringtail) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files(&journal_in(&ringtail.dir)).into_iter();
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}
