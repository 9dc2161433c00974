//! `memory_limiter`, processor and extension, under load: what it counts, when it refuses, and that it lets in again.

#![allow(clippy::unwrap_used)]

mod support;

use support::backend::Backend;
use support::ledger::Scrape;
use support::load::{span, text, traces};
use support::process::{Ports, Ringtail};
use support::sampling::Sampling;
use support::status::retry_delay;
use support::{Traces, wait};

const MIB: f64 = 1048576.0;

/// Sixteen traces of one span of 64 KiB.
fn heavy(request: u64) -> Traces {
    let one = |trace| {
        let mut span = span(trace, 0);
        span.attributes.push(text("payload", &"x".repeat(64 << 10)));
        span
    };
    traces((request * 16..request * 16 + 16).map(one))
}

fn limited(setup: Sampling, limit_mib: u32, processors: &str, exporters: &str) -> Sampling {
    let limiter =
        format!("  memory_limiter: {{check_interval: 20ms, limit_mib: {limit_mib}, spike_limit_mib: 1}}");
    setup.processors(&limiter).pipelines(&format!(
        "{{traces: {{receivers: [otlp], processors: [memory_limiter, {processors}], exporters: [{exporters}]}}}}"
    ))
}

/// Sends until the limiter refuses; says how many requests were taken.
async fn fill(ringtail: &Ringtail, first: u64) -> u64 {
    for request in first..first + 1000 {
        match ringtail.export(heavy(request)).await {
            Ok(_) => {}
            Err(status) => {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
                assert_eq!(status.message(), "data refused due to high memory usage");
                return request - first;
            }
        }
    }
    panic!("a gigabyte was taken");
}

fn held(scrape: &Scrape, component: &str) -> f64 {
    scrape.sum("ringtail_held_bytes", &[("component", component)]) / MIB
}

/// Scenario: a backend stalls; a batch processor and the exporter's queue take what they may; the backend goes on.
/// Guarantee: senders are refused, and told to come back, before more is held than the limit; what is held is what was
/// taken; when it has left, senders are let in again and everything taken has arrived.
#[tokio::test]
async fn batches_and_queues_are_limited() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let setup = Sampling::to(&backend, "policies: []").batch("timeout: 50ms, send_batch_size: 16");
    let setup = setup.exporter("sending_queue: {queue_size: 10000}");
    let ringtail = limited(setup, 81, "batch", "otlp").start().await;
    let taken = fill(&ringtail, 0).await;
    assert!((20..=80).contains(&taken), "{taken} MiB");
    let scrape = ringtail.scrape().await;
    let in_all = held(&scrape, "batch") + held(&scrape, "otlp");
    assert!(in_all >= taken as f64 * 0.95, "{in_all} MiB of {taken} are counted");
    assert_eq!(scrape.sum("ringtail_memory_limiter_limit_bytes", &[("limit", "soft")]), 80.0 * MIB);
    assert_eq!(scrape.sum("ringtail_memory_limiter_limit_bytes", &[("limit", "hard")]), 81.0 * MIB);
    assert!(scrape.sum("otelcol_process_memory_rss", &[]) < 250.0 * MIB);
    assert!(scrape.sum("otelcol_processor_memory_limiter_refused_spans", &[]) >= 16.0);
    backend.open_gate();
    ringtail
        .scrape_until("it lets in again", |s| s.sum("ringtail_memory_limiter_refusing", &[]) == 0.0)
        .await;
    wait::until_some("a sender is let in", || async { ringtail.export(heavy(5000)).await.ok() }).await;
    let scrape = ringtail.settled().await;
    assert_eq!((held(&scrape, "batch"), held(&scrape, "otlp"), held(&scrape, "otlp")), (0.0, 0.0, 0.0));
    assert!(backend.spans().len() as u64 >= (taken + 1) * 16);
}

/// Scenario: a sampler with its journal in memory gets more than may be in memory.
/// Guarantee: senders are refused by what the journal holds, and let in again after the verdicts.
#[tokio::test]
async fn a_journal_in_memory_is_limited() {
    let backend = Backend::grpc().await;
    let none = "{name: none, type: string_attribute, string_attribute: {key: no, values: [x]}}";
    let keys = format!("decision_wait: 10s, early_verdicts: off, policies: [{none}]");
    let ringtail = limited(Sampling::to(&backend, &keys), 101, "tail_sampling", "otlp").start().await;
    let taken = fill(&ringtail, 0).await;
    assert!((20..=105).contains(&taken), "{taken} MiB");
    let counted = |s: &Scrape| held(s, "tail_sampling") >= taken as f64 * 0.95;
    ringtail.scrape_until("the journal counts", counted).await;
    wait::until_some("a sender is let in", || async { ringtail.export(heavy(5000)).await.ok() }).await;
    ringtail.scrape_until("what was judged is gone", |s| held(s, "tail_sampling") < 20.0).await;
}

/// Scenario: the extension stands before both protocols of a receiver, first with a limit that is always reached; a
/// reload changes the limit.
/// Guarantee: requests are refused as by the Collector's extension before anything is read, and counted; then let in.
#[tokio::test]
async fn the_extension_refuses_before_anything_is_read() {
    let ports = Ports::free();
    let config = |limit_mib: u32| {
        let keys = |at| format!("{{endpoint: '{at}', middlewares: [{{id: memory_limiter}}]}}");
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {}, http: {}}}}}}}
exporters: {{nop: }}
extensions:
  admin: {{endpoint: '{}'}}
  memory_limiter: {{check_interval: 20ms, limit_mib: {limit_mib}}}
service:
  extensions: [admin, memory_limiter]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}}}}}}}}}]}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
",
            keys(ports.grpc),
            keys(ports.http),
            ports.admin,
            ports.metrics.port(),
        )
    };
    let (tight, wide) = (config(1), config(100_000));
    let ringtail = Ringtail::start(&tight, ports, tempfile::tempdir().unwrap()).await;
    let status = ringtail.export(traces([span(1, 0)])).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    assert_eq!(status.message(), "RESOURCE_EXHAUSTED");
    assert!(retry_delay(status.details()).is_some(), "senders know that they may try again");
    // It is refused for what it is not: nobody has looked.
    let answer = ringtail.post(&[("content-type", "application/json")], b"{".to_vec()).await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (429, true), "{}", answer.text());
    assert_eq!(answer.text(), "Too Many Requests\n");
    let scrape = ringtail.scrape().await;
    for transport in ["grpc", "http"] {
        let labels = [("receiver", "otlp"), ("transport", transport)];
        assert_eq!(scrape.sum("ringtail_receiver_memory_limited_requests", &labels), 1.0);
    }
    assert_eq!(scrape.sum("ringtail_receiver_malformed_requests", &[]), 0.0);
    std::fs::write(ringtail.dir.path().join("ringtail.yaml"), wide).unwrap();
    assert_eq!(ringtail.reload().await.status, 200);
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    ringtail.settled().await;
}
