//! One death each: what continues after it, and what is said of it.

use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::load::{Seen, assert_arrived_once, failing, span, traces};
use crate::support::sampling::{ALL, ERRORS, Sampling};
use crate::support::{Traces, wait};

/// A request with one span of each of these traces; every third trace fails.
fn mixed(range: std::ops::Range<u64>, n: u64) -> Traces {
    traces(range.map(|trace| match trace % 3 {
        0 => failing(span(trace, n)),
        _ => span(trace, n),
    }))
}

/// The spans of [`mixed`] that are to be kept.
fn errors(range: std::ops::Range<u64>, n: u64) -> Traces {
    traces(range.filter(|trace| trace % 3 == 0).map(|trace| failing(span(trace, n))))
}

fn unique(backend: &Backend) -> usize {
    backend.spans().iter().map(Seen::key).collect::<std::collections::HashSet<_>>().len()
}

/// Scenario: kept traces wait for a dead backend; the process is killed, killed again while it still cannot export, and
/// stopped; then the backend returns.
/// Guarantee: all of them arrive after the last start, without a sender's help; the sum begins with what was recovered.
#[tokio::test]
async fn unfinished_exports_continue_after_every_restart() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, policies: [{ALL}]");
    let ringtail = Sampling::to(&backend, &keys).on_disk("").batch("timeout: 20ms").start().await;
    backend.stop();
    let sent: Vec<_> = (0..5).map(|n| mixed(0..40, n)).collect();
    for request in &sent {
        ringtail.export(request.clone()).await.unwrap();
    }
    let decided = |s: &crate::support::ledger::Scrape| {
        s.sum("otelcol_processor_tail_sampling_global_count_traces_sampled", &[("sampled", "true")]) == 40.0
    };
    ringtail.scrape_until("all are decided", decided).await;
    for _ in 0..2 {
        ringtail.kill();
        ringtail.respawn();
        ringtail.ready().await;
        let held = |s: &crate::support::ledger::Scrape| s.ledger("tail_sampling", "traces").held == 200;
        let scrape = ringtail.scrape_until("it holds what it held", held).await;
        assert_eq!(scrape.ledger("tail_sampling", "traces").recovered, 200);
    }
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    ringtail.respawn();
    ringtail.ready().await;
    backend.restart().await;
    wait::until("everything arrives", || unique(&backend) == 200).await;
    assert_arrived_once(&sent, &[&backend]);
    let scrape = ringtail.settled().await;
    let sums = scrape.ledger("tail_sampling", "traces");
    assert_eq!((sums.recovered, sums.delivered), (200, 200), "{sums:?}");
}

/// Scenario: SIGTERM while traces wait for their deadline in a journal in memory.
/// Guarantee: they are judged before the end, what is kept arrives, and the log says how many traces it was.
#[tokio::test]
async fn an_orderly_end_without_a_directory_decides_early_and_says_so() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 60s, early_verdicts: off, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).batch("timeout: 10s").start().await;
    for n in 0..3 {
        ringtail.export(mixed(0..37, n)).await.unwrap();
    }
    assert_eq!(backend.calls(), 0);
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    assert_arrived_once(&[errors(0..37, 0), errors(0..37, 1), errors(0..37, 2)], &[&backend]);
    let log = ringtail.stderr();
    let said =
        log.lines().any(|line| line.contains("37") && line.contains("trace") && line.contains("early"));
    assert!(said, "it does not say that 37 traces were decided early:\n{log}");
}

/// Scenario: the same with `drop_pending_traces_on_shutdown`.
/// Guarantee: nothing is exported.
#[tokio::test]
async fn an_orderly_end_discards_what_is_pending_when_told_so() {
    let backend = Backend::grpc().await;
    let keys = format!(
        "decision_wait: 60s, early_verdicts: off, drop_pending_traces_on_shutdown: true, policies: [{ALL}]"
    );
    let ringtail = Sampling::to(&backend, &keys).start().await;
    ringtail.export(mixed(0..10, 0)).await.unwrap();
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    assert_eq!(backend.calls(), 0);
}

/// Scenario: SIGTERM while traces wait for their deadline in a directory; further spans of them come after the restart.
/// Guarantee: nothing is decided at the end; after the restart traces are whole, at the deadline that they had.
#[tokio::test]
async fn an_orderly_end_with_a_directory_keeps_what_is_undecided() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 3s, early_verdicts: off, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).on_disk("").start().await;
    let first = Instant::now();
    ringtail.export(mixed(0..37, 0)).await.unwrap();
    let last = Instant::now();
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    assert!(first.elapsed() < Duration::from_secs(3), "the end took too long to tell anything");
    assert_eq!(backend.calls(), 0, "decided before the deadline");
    ringtail.respawn();
    ringtail.ready().await;
    ringtail.export(traces((0..37).map(|trace| span(trace, 1)))).await.unwrap();
    wait::until("the verdict", || !backend.spans().is_empty()).await;
    assert!(first.elapsed() >= Duration::from_secs(3), "decided {:?} after the first span", first.elapsed());
    let late = last.elapsed().saturating_sub(Duration::from_secs(3));
    assert!(late < Duration::from_secs(2), "{late:?} after the deadline, which should not begin again");
    ringtail.settled().await;
    let followed = traces((0..37).filter(|trace| trace % 3 == 0).map(|trace| span(trace, 1)));
    assert_arrived_once(&[errors(0..37, 0), followed], &[&backend]);
}

/// Scenario: verdicts are taken, and shortly after the process is killed; spans come after the restart that belong to
/// kept and to other traces, and would change the verdict if it were taken anew.
/// Guarantee: late spans follow the verdict of before.
#[tokio::test]
async fn verdicts_hold_across_a_kill() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).on_disk("").start().await;
    ringtail.export(mixed(0..30, 0)).await.unwrap();
    ringtail.settled().await;
    wait::until("the kept ones are there", || backend.spans().len() == 10).await;
    ringtail.kill();
    ringtail.respawn();
    ringtail.ready().await;
    let late = |trace| if trace % 3 == 0 { span(trace, 1) } else { failing(span(trace, 1)) };
    ringtail.export(traces((0..30).map(late))).await.unwrap();
    ringtail.settled().await;
    let follow = traces((0..30).filter(|trace| trace % 3 == 0).map(|trace| span(trace, 1)));
    wait::until("late spans are there", || backend.spans().len() >= 20).await;
    assert_arrived_once(&[errors(0..30, 0), follow], &[&backend]);
}
