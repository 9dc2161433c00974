//! Several pipelines: of one receiver, with samplers of their own, one after the other.

use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::load::{assert_arrived_once, failing, lasting, span, traces};
use crate::support::sampling::{ALL, ERRORS, Sampling, otlp};
use crate::support::wait;
use crate::verdicts;

const SLOW: &str = "{name: slow, type: latency, latency: {threshold_ms: 1000}}";

fn request() -> crate::support::Traces {
    traces((0..30).map(|trace| match trace % 3 {
        0 => failing(span(trace, 0)),
        1 => lasting(span(trace, 0), 2000),
        _ => span(trace, 0),
    }))
}

fn only(rest: u64) -> crate::support::Traces {
    traces(request().resource_spans.remove(0).scope_spans.remove(0).spans.into_iter().filter(|span| {
        let trace: u64 = span.name.split([' ', '/']).nth(1).unwrap().parse().unwrap();
        trace % 3 == rest
    }))
}

/// Scenario: three pipelines behind one receiver: one samples errors, one slow traces, one passes everything on.
/// Guarantee: each backend has what its pipeline keeps, each sampler counts for itself.
#[tokio::test]
async fn pipelines_of_one_receiver_sample_for_themselves() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let setup = Sampling::to(&a, &format!("decision_wait: 1s, policies: [{ERRORS}]"));
    let ringtail = setup
        .processors(&format!(
            "  tail_sampling/slow: {{decision_wait: 1s, tracestate: false, policies: [{SLOW}]}}\n  batch/slow:"
        ))
        .exporters(&format!("  otlp/b: {{{}}}\n  otlp/c: {{{}}}", otlp(&b.address()), otlp(&c.address())))
        .pipelines(
            "{traces/a: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp]},
              traces/b: {receivers: [otlp], processors: [tail_sampling/slow, batch/slow], exporters: [otlp/b]},
              traces/c: {receivers: [otlp], exporters: [otlp/c]}}",
        )
        .start()
        .await;
    ringtail.export(request()).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_arrived_once(&[only(0)], &[&a]);
    assert_arrived_once(&[only(1)], &[&b]);
    assert_arrived_once(&[request()], &[&c]);
    assert_eq!(scrape.ledger("tail_sampling", "traces").delivered, 10);
    assert_eq!(scrape.ledger("tail_sampling/slow", "traces").delivered, 10);
    assert_eq!(scrape.ledger("otlp/c", "traces").delivered, 30);
    assert_eq!(verdicts(&scrape, "true"), 20.0);
}

/// Scenario: one of the pipelines passes on without a sampler, to a backend that refuses for good.
/// Guarantee: the sender is refused, although the sampler has taken its share; that share is sampled.
#[tokio::test]
async fn a_sender_is_answered_by_all_pipelines() {
    let [a, b] = [Backend::grpc().await, Backend::grpc().await];
    let setup = Sampling::to(&a, &format!("decision_wait: 1s, policies: [{ALL}]"));
    let ringtail = setup
        .exporters(&format!("  otlp/b: {{{}}}", otlp(&b.address())))
        .pipelines(
            "{traces/a: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp]},
              traces/b: {receivers: [otlp], exporters: [otlp/b]}}",
        )
        .start()
        .await;
    b.answer(|_| Reply::Refuse(Code::PermissionDenied, None));
    ringtail.export(request()).await.unwrap_err();
    ringtail.settled().await;
    assert_arrived_once(&[request()], &[&a]);
    assert!(b.spans().is_empty());
}

/// Scenario: two samplers one after the other in one pipeline, the first keeps errors and slow traces, the second slow
/// ones; both have their journals in directories.
/// Guarantee: what both keep arrives, once; what the first kept and the second did not is counted there.
#[tokio::test]
async fn samplers_can_follow_each_other() {
    let backend = Backend::grpc().await;
    let setup =
        Sampling::to(&backend, &format!("decision_wait: 1s, policies: [{ERRORS}, {SLOW}]")).on_disk("");
    let second = setup.dir.path().join("second");
    let ringtail = setup
        .processors(&format!(
            "  tail_sampling/2: {{decision_wait: 1s, tracestate: false, policies: [{SLOW}], journal: {{directory: \
             '{}'}}}}",
            second.display()
        ))
        .pipelines("{traces: {receivers: [otlp], processors: [tail_sampling, tail_sampling/2], exporters: [otlp]}}")
        .start()
        .await;
    ringtail.export(request()).await.unwrap();
    wait::until("the slow ones arrive", || backend.spans().len() >= 10).await;
    let scrape = ringtail.settled().await;
    assert_arrived_once(&[only(1)], &[&backend]);
    assert_eq!(scrape.ledger("tail_sampling", "traces").delivered, 20);
    assert_eq!(scrape.reason("tail_sampling/2", "not_sampled"), 10);
}

/// Scenario: two samplers, and one that is in two pipelines, are given the same directory; the process is killed.
/// Guarantee: they keep apart in it; after the restart each goes on with what it had.
#[tokio::test]
async fn samplers_share_a_directory_without_mixing() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let setup = Sampling::to(&a, &format!("decision_wait: 2s, early_verdicts: off, policies: [{ERRORS}]"))
        .on_disk("");
    let directory = setup.directory().display().to_string();
    let ringtail = setup
        .processors(&format!(
            "  tail_sampling/2: {{decision_wait: 2s, early_verdicts: off, tracestate: false, policies: [{SLOW}], \
             journal: {{directory: '{directory}'}}}}"
        ))
        .exporters(&format!("  otlp/b: {{{}}}\n  otlp/c: {{{}}}", otlp(&b.address()), otlp(&c.address())))
        .pipelines(
            "{traces/a: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp]},
              traces/b: {receivers: [otlp], processors: [tail_sampling/2], exporters: [otlp/b]},
              traces/c: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp/c]}}",
        )
        .start()
        .await;
    ringtail.export(request()).await.unwrap();
    ringtail.kill();
    ringtail.respawn();
    ringtail.ready().await;
    ringtail.settled().await;
    assert_arrived_once(&[only(0)], &[&a]);
    assert_arrived_once(&[only(1)], &[&b]);
    assert_arrived_once(&[only(0)], &[&c]);
}
