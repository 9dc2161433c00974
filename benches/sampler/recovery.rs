//! A start on a journal full of undecided traces, after a kill.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::generator::{Load, Running};
use crate::common::payload::Payload;
use crate::common::shape::Shape;
use crate::common::sink::Options;
use crate::common::sink_process::SinkProcess;
use crate::scrape::{Series, get};
use crate::setup::{Kind, Setup};

/// Longer than the run: nothing is decided.
const WAIT: Duration = Duration::from_secs(3_600);
const LOOK: Duration = Duration::from_millis(20);
const READY_WITHIN: Duration = Duration::from_secs(120);

/// Fills a journal, kills, starts again; says in a line how long it took and what was found again.
pub fn run(binary: &Path, megabytes: u64, seed: u64, folder: &Path) -> anyhow::Result<String> {
    let folder = tempfile::tempdir_in(folder)?;
    let shape = Shape {
        spans: 128,
        per_trace: 10,
        spread: 5,
        seed,
        errors_one_in: u64::MAX,
        padding: 0,
        urls: false,
    };
    let sink = SinkProcess::start(
        &Options {
            ports: 1,
            shape,
            threads: 1,
            slow: 0,
            delay_ms: 0,
            dead: 0,
            fail_percent: 0,
            forget_percent: 0,
        },
        None,
    )?;
    let kind = Kind::Files;
    let setup =
        Setup { kind, wait: WAIT, policies: 2, founding: false, sink: sink.ports[0], folder: folder.path() };
    let sent = fill(&setup, binary, shape, megabytes * 1_000_000)?;
    let on_disk = size(&setup.directory())?;

    let begun = Instant::now();
    let started = setup.start(binary)?;
    while !started.admin.is_some_and(|admin| get(admin, "/readyz").is_ok_and(|(status, _)| status == 200)) {
        anyhow::ensure!(begun.elapsed() < READY_WITHIN, "not ready:\n{}", started.peer.last_words());
        sleep(LOOK);
    }
    let ready = begun.elapsed().as_secs_f64();
    let cpu = started.peer.process.cpu()?.as_secs_f64();
    let metrics = started.metrics.expect("ringtail has metrics");
    let series = Series::scrape(metrics)?;
    let found = series.sum("ringtail_journal_recovered_spans");
    let seconds = series.sum("ringtail_journal_recovery_seconds");
    let gigabytes = on_disk as f64 / 1e9;
    let verdict = if found == sent as f64 { "all of them" } else { "NOT ALL OF THEM" };
    Ok(format!(
        "recovery: {gigabytes:.2} GB, {:.2} s/GB by its own clock, {:.2} s/GB of CPU, ready after {ready:.2} s, {:.0} MB \
         resident; {found} of {sent} acknowledged spans found again, {verdict}",
        seconds / gigabytes,
        cpu / gigabytes,
        started.peer.process.rss_mb()?,
    ))
}

/// Sends until so many bytes are in the journal, then kills; says how many spans were acknowledged.
fn fill(setup: &Setup<'_>, binary: &Path, shape: Shape, bytes: u64) -> anyhow::Result<u64> {
    let started = setup.start(binary)?;
    let payload = Payload::new(shape);
    let (spans, per_request) = (payload.spans(), payload.spans() * payload.bytes_per_span() as u64);
    let load = Load { target: started.peer.address, connections: 2, in_flight: 8, rate: None, threads: 1 };
    let mut running = Running::start(&load, payload);
    while running.stats.ok.load(Relaxed) * per_request < bytes {
        sleep(LOOK);
    }
    running.drain();
    let failed = running.stats.reason.lock().ok().and_then(|reason| reason.clone());
    anyhow::ensure!(failed.is_none(), "filling failed: {}", failed.unwrap_or_default());
    Ok(running.stats.ok.load(Relaxed) * spans) // dropping `started` is kill -9
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        sum += if kind.is_dir() { size(&entry.path())? } else { kind.len() };
    }
    Ok(sum)
}
