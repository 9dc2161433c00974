//! When verdicts are taken: at the deadline, after the root, as early as can be.

use std::time::{Duration, Instant};

use crate::mixed;
use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{assert_arrived_once, failing, span, text, traces};
use crate::support::sampling::{ALL, ERRORS, Sampling};
use crate::support::wait;
use crate::verdicts;

const HEALTH: &str = "{name: veto, type: drop, drop: {drop_sub_policy: [{name: h, type: string_attribute, \
                      string_attribute: {key: health, values: ['yes']}}]}}";

/// Scenario: `decision_wait_after_root_received`; the root of some traces comes, of others not.
/// Guarantee: those with a root leave soon, the others at their deadline.
#[tokio::test]
async fn a_root_shortens_the_wait() {
    let backend = Backend::grpc().await;
    let keys = format!(
        "decision_wait: 4s, decision_wait_after_root_received: 500ms, early_verdicts: off, policies: [{ALL}]"
    );
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let start = Instant::now();
    let rooted = traces((0..5).map(|trace| span(trace, 0)));
    let rootless = traces((5..10).map(|trace| span(trace, 1)));
    ringtail.export(rooted.clone()).await.unwrap();
    ringtail.export(rootless.clone()).await.unwrap();
    wait::until("those with a root", || backend.spans().len() == 5).await;
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert_arrived_once(std::slice::from_ref(&rooted), &[&backend]);
    wait::until("the others", || backend.spans().len() == 10).await;
    assert!(start.elapsed() >= Duration::from_secs(4));
    assert_arrived_once(&[rooted, rootless], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: `early_verdicts: all` and a long wait; errors come, later more spans of the same traces.
/// Guarantee: what cannot change leaves at once and what follows follows; what can change stays.
#[tokio::test]
async fn a_verdict_that_cannot_change_is_taken_at_once() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 6s, early_verdicts: all, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let start = Instant::now();
    ringtail.export(traces((0..9).map(|trace| span(trace, 0)))).await.unwrap();
    ringtail.export(traces((0..9).map(|trace| mixed(trace, 1)))).await.unwrap();
    ringtail.export(traces((0..9).map(|trace| span(trace, 2)))).await.unwrap();
    wait::until("the errors", || backend.spans().len() == 9).await;
    assert!(start.elapsed() < Duration::from_secs(5), "not early");
    let waiting = |s: &Scrape| s.ledger("tail_sampling", "traces").held == 18;
    let scrape = ringtail.scrape_until("the others wait", waiting).await;
    assert_eq!((verdicts(&scrape, "true"), verdicts(&scrape, "false")), (3.0, 0.0));
    let whole = [0, 3, 6].into_iter().flat_map(|t| [span(t, 0), failing(span(t, 1)), span(t, 2)]);
    assert_arrived_once(&[traces(whole)], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: `early_verdicts: not_kept`; some traces meet a drop policy, some fail.
/// Guarantee: the dropped ones are let go at once, the failing ones wait and leave whole.
#[tokio::test]
async fn only_what_is_not_kept_is_let_go_early_when_told_so() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 3s, early_verdicts: not_kept, policies: [{ERRORS}, {HEALTH}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let start = Instant::now();
    let health = |trace| {
        let mut span = failing(span(trace, 0));
        span.attributes.push(text("health", "yes"));
        span
    };
    ringtail.export(traces((0..10).map(health))).await.unwrap();
    let errors = traces((10..20).map(|trace| failing(span(trace, 0))));
    ringtail.export(errors.clone()).await.unwrap();
    let scrape = ringtail.scrape_until("ten are dropped", |s| crate::ended(s, "policy_dropped") == 10).await;
    if start.elapsed() < Duration::from_secs(2) {
        assert_eq!(scrape.ledger("tail_sampling", "traces").held, 10);
        assert_eq!(backend.calls(), 0);
    }
    ringtail.settled().await;
    assert!(start.elapsed() >= Duration::from_secs(3));
    assert_arrived_once(&[errors], &[&backend]);
}

/// Scenario: `early_verdicts: off`.
/// Guarantee: nothing leaves before its deadline, everything leaves shortly after.
#[tokio::test]
async fn verdicts_wait_for_their_deadline_when_told_so() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 2s, early_verdicts: off, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let start = Instant::now();
    ringtail.export(traces((0..30).map(|trace| mixed(trace, 0)))).await.unwrap();
    wait::until("the errors", || backend.spans().len() == 10).await;
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(4), "{took:?}");
    ringtail.settled().await;
}
