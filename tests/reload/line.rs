//! What changes in the line, and what stays.

use bytes::Bytes;
use prost::Message;

use crate::config::{Config, apply};
use crate::support::backend::{Backend, Reply};
use crate::support::load::{logs_of, metrics_of, span, traces};
use crate::support::process::free_address;
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::{http, wait};

fn body(trace: u64, n: u64) -> Bytes {
    framed(false, &traces([span(trace, n)]).encode_to_vec())
}

async fn send(sender: &RawGrpc, body: Bytes) {
    let answer = sender.call(TRACES, &[], body).await.unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.message);
}

/// Scenario: a sampler with an open trace; then other policies, a transform before it and a batch behind it.
/// Guarantee: the sender's connection stays; the trace is judged once, by the policies at its deadline, and arrives
/// whole; counters go on.
#[tokio::test]
async fn an_open_trace_is_judged_by_the_policies_at_its_deadline() {
    let backend = Backend::grpc().await;
    let base = Config::new().to("a", &backend, "");
    let never = "{name: one, type: status_code, status_code: {status_codes: [ERROR]}}";
    let always = "{name: one, type: always_sample}";
    let sampling = |policy: &str| {
        base.clone().processor(&format!("tail_sampling: {{decision_wait: 3s, policies: [{policy}]}}"))
    };
    let first = sampling(never)
        .pipeline("traces: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp/a]}");
    let second = sampling(always)
        .processor("transform: {trace_statements: ['set(span.attributes[\"seen\"], \"yes\")']}")
        .processor("batch: {timeout: 50ms}")
        .pipeline(
            "traces: {receivers: [otlp], processors: [transform, tail_sampling, batch], exporters: [otlp/a]}",
        );
    let ringtail = first.start().await;
    let sender = RawGrpc::connect(ringtail.ports.grpc).await;
    send(&sender, body(1, 0)).await;
    apply(&ringtail, &second).await;
    assert!(backend.spans().is_empty(), "it is open still");
    send(&sender, body(1, 1)).await;
    wait::until("it is judged", || backend.spans().len() == 2).await;
    let seen: Vec<bool> = backend
        .spans()
        .iter()
        .map(|one| one.span.attributes.iter().any(|attribute| attribute.key == "seen"))
        .collect();
    assert_eq!(seen.iter().filter(|seen| **seen).count(), 1, "what came after the change was transformed");
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.ledger("tail_sampling", "traces").taken, 2);
    let verdicts = "otelcol_processor_tail_sampling_global_count_traces_sampled";
    assert_eq!(scrape.sum(verdicts, &[("sampled", "true")]), 1.0);
    assert_eq!(scrape.sum(verdicts, &[("sampled", "false")]), 0.0);
}

/// Scenario: a backend does not answer and its exporter's queue is full of what was acknowledged; the exporter is removed
/// from the configuration, another takes its place; later the backend answers.
/// Guarantee: what was queued reaches the old backend, what comes later the new one; nothing is held in the end.
#[tokio::test]
async fn a_removed_exporter_hands_on_its_queue() {
    let [old, new] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new();
    let queue = ", sending_queue: {wait_for_result: false}";
    let first =
        base.clone().to("a", &old, queue).pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}");
    let second = base.to("b", &new, "").pipeline("traces: {receivers: [otlp], exporters: [otlp/b]}");
    let ringtail = first.start().await;
    old.close_gate();
    for trace in 0..40 {
        ringtail.export(traces([span(trace, 0)])).await.unwrap();
    }
    apply(&ringtail, &second).await;
    ringtail.export(traces([span(100, 0)])).await.unwrap();
    wait::until("the new one has it", || new.has("operation 100/0")).await;
    assert_eq!(ringtail.scrape().await.ledger("otlp/a", "traces").held, 40);
    old.open_gate();
    wait::until("the old one has the rest", || old.spans().len() == 40).await;
    ringtail.settled().await;
    assert_eq!(new.spans().len(), 1);
}

/// Scenario: as before, but the process is asked to end while the old exporter still has its queue.
/// Guarantee: what it holds leaves first.
#[tokio::test]
async fn the_end_waits_for_what_a_reload_removed() {
    let [old, new] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new();
    let first = base
        .clone()
        .to("a", &old, "")
        .processor("batch: {timeout: 60s}")
        .pipeline("traces: {receivers: [otlp], processors: [batch], exporters: [otlp/a]}");
    let second = base.to("b", &new, "").pipeline("traces: {receivers: [otlp], exporters: [otlp/b]}");
    let ringtail = first.start().await;
    old.close_gate();
    ringtail.export(traces([span(1, 0), span(1, 1)])).await.unwrap();
    apply(&ringtail, &second).await;
    wait::until("the batch leaves", || old.calls() == 1).await;
    ringtail.terminate();
    wait::until("it ends", || ringtail.stderr().contains("stopping")).await;
    old.open_gate();
    assert_eq!(ringtail.ended().await, 0);
    assert_eq!(old.spans().len(), 2);
    assert!(ringtail.stderr().contains("nothing was left"));
}

/// Scenario: a batch holds acknowledged spans for a minute; its configuration changes.
/// Guarantee: they leave at once.
#[tokio::test]
async fn a_changed_batch_sends_what_it_holds() {
    let backend = Backend::grpc().await;
    let base = Config::new()
        .to("a", &backend, "")
        .pipeline("traces: {receivers: [otlp], processors: [batch], exporters: [otlp/a]}");
    let ringtail = base.clone().processor("batch: {timeout: 60s}").start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    apply(&ringtail, &base.clone().processor("batch: {timeout: 50s}")).await;
    wait::until("it leaves", || backend.has("operation 1/0")).await;
    ringtail.export(traces([span(2, 0)])).await.unwrap();
    apply(&ringtail, &base.processor("batch: {timeout: 10ms}")).await;
    wait::until("it leaves", || backend.has("operation 2/0")).await;
    ringtail.settled().await;
}

/// Scenario: a signal gets its first pipeline, a receiver another endpoint and a second receiver, then all that goes again.
/// Guarantee: what is configured is answered, what is not is not; the first connection stays all the time.
#[tokio::test]
async fn receivers_and_signals_come_and_go() {
    let backend = Backend::grpc().await;
    let base = Config::new().to("a", &backend, "");
    let small = base.clone().pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}");
    let more = free_address();
    let large = base
        .receiver(&format!("otlp/more: {{protocols: {{http: {{endpoint: '{more}'}}}}}}"))
        .pipeline("traces: {receivers: [otlp, otlp/more], exporters: [otlp/a]}")
        .pipeline("logs: {receivers: [otlp], exporters: [otlp/a]}");
    let ringtail = small.start().await;
    let sender = RawGrpc::connect(ringtail.ports.grpc).await;
    let post = |address| {
        http::post(address, "/v1/traces", "application/x-protobuf", traces([span(1, 0)]).encode_to_vec())
    };
    send(&sender, body(1, 0)).await;
    assert_eq!(
        ringtail.logs().export(logs_of("shop", 1)).await.unwrap_err().code(),
        tonic::Code::Unimplemented
    );
    apply(&ringtail, &large).await;
    send(&sender, body(1, 1)).await;
    ringtail.logs().export(logs_of("shop", 1)).await.unwrap();
    assert_eq!(post(more).await.status, 200);
    apply(&ringtail, &small).await;
    send(&sender, body(1, 2)).await;
    assert_eq!(
        ringtail.logs().export(logs_of("shop", 1)).await.unwrap_err().code(),
        tonic::Code::Unimplemented
    );
    wait::until("the receiver has closed", || std::net::TcpStream::connect(more).is_err()).await;
    apply(&ringtail, &large).await;
    assert_eq!(post(more).await.status, 200);
    wait::until("all has arrived", || backend.spans().len() == 5).await;
    ringtail.settled().await;
}

/// Scenario: pipelines joined by a connector: one edits and hands on to two, of which one samples; then without it.
/// Guarantee: each has everything once; the end goes from the first to the last.
#[tokio::test]
async fn pipelines_hand_on_to_pipelines() {
    let [all, kept] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new()
        .to("all", &all, "")
        .to("kept", &kept, "")
        .processor("resource: {attributes: [{key: stage, value: in, action: upsert}]}")
        .processor(
            "tail_sampling: {decision_wait: 60s, policies: [{name: few, type: span_count, span_count: {max_spans: 1}}]}",
        );
    let joined = base
        .clone()
        .connectors("{forward: }")
        .pipeline("traces/in: {receivers: [otlp], processors: [resource], exporters: [forward]}")
        .pipeline("traces/all: {receivers: [forward], exporters: [otlp/all]}")
        .pipeline("traces/kept: {receivers: [forward], processors: [tail_sampling], exporters: [otlp/kept]}");
    let ringtail = joined.start().await;
    ringtail.export(traces([span(1, 0), span(2, 0), span(2, 1)])).await.unwrap();
    wait::until("all has arrived", || all.spans().len() == 3).await;
    let resource = all.spans()[0].resource.clone().unwrap();
    assert!(resource.attributes.iter().any(|attribute| attribute.key == "stage"));
    let apart = base
        .pipeline("traces/in: {receivers: [otlp], processors: [resource], exporters: [otlp/all]}")
        .pipeline("traces/kept: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp/kept]}");
    apply(&ringtail, &apart).await;
    ringtail.export(traces([span(3, 0), span(4, 0), span(4, 1)])).await.unwrap();
    apply(&ringtail, &joined).await;
    ringtail.export(traces([span(5, 0)])).await.unwrap();
    wait::until("all has arrived", || all.spans().len() == 7).await;
    assert_eq!(kept.spans().len(), 0, "the sampler still waits");
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    let mut names: Vec<_> = kept.spans().into_iter().map(|one| one.span.name).collect();
    names.sort();
    assert_eq!(names, ["operation 1/0", "operation 3/0", "operation 5/0"]);
}

/// Scenario: an exporter of kept traces is refused for a while, during which the batch in front of it changes twice.
/// Guarantee: each kept trace arrives once.
#[tokio::test]
async fn kept_traces_wait_for_their_backend_through_reloads() {
    let backend = Backend::grpc().await;
    backend.answer(|_| Reply::Refuse(tonic::Code::Unavailable, None));
    let config = |timeout: &str| {
        Config::new()
            .to("a", &backend, ", sending_queue: {enabled: false}")
            .processor("tail_sampling: {decision_wait: 100ms, policies: [{name: all, type: always_sample}]}")
            .processor(&format!("batch: {{timeout: {timeout}}}"))
            .pipeline("traces: {receivers: [otlp], processors: [tail_sampling, batch], exporters: [otlp/a]}")
    };
    let first = config("10ms");
    let ringtail = first.start().await;
    let then = |timeout: &str| Config { ports: first.ports, ..config(timeout) };
    for (n, timeout) in ["20ms", "30ms", "40ms"].into_iter().enumerate() {
        ringtail.export(traces([span(n as u64, 0), span(n as u64, 1)])).await.unwrap();
        let calls = backend.calls();
        wait::until("it is offered", || backend.calls() > calls).await;
        apply(&ringtail, &then(timeout)).await;
    }
    backend.answer(|_| Reply::Take);
    wait::until("all has arrived", || backend.spans().len() == 6).await;
    ringtail.settled().await;
    assert_eq!(backend.spans().len(), 6);
}

/// Scenario: a pipeline with a sampler goes while a trace is open in it.
/// Guarantee: the trace is judged when its time comes, not before, and arrives whole.
#[tokio::test]
async fn a_removed_sampler_judges_what_it_holds() {
    let backend = Backend::grpc().await;
    let base = Config::new().to("a", &backend, "").exporter("nop: ");
    let policy = "{name: few, type: span_count, span_count: {max_spans: 2}}";
    let first = base
        .clone()
        .processor(&format!("tail_sampling: {{decision_wait: 2s, policies: [{policy}]}}"))
        .processor("batch: {timeout: 60s}")
        .pipeline("traces: {receivers: [otlp], processors: [tail_sampling, batch], exporters: [otlp/a]}");
    let ringtail = first.start().await;
    ringtail.export(traces([span(1, 0), span(1, 1), span(2, 0), span(2, 1), span(2, 2)])).await.unwrap();
    let begun = std::time::Instant::now();
    apply(&ringtail, &base.pipeline("logs: {receivers: [otlp], exporters: [nop]}")).await;
    assert_eq!(ringtail.export(traces([span(1, 2)])).await.unwrap_err().code(), tonic::Code::Unimplemented);
    wait::until("it is judged", || backend.spans().len() == 2).await;
    assert!(begun.elapsed() > std::time::Duration::from_millis(1500), "too early: {:?}", begun.elapsed());
    ringtail.settled().await;
    assert!(backend.has("operation 1/0") && backend.has("operation 1/1"));
}

/// Scenario: a `prometheus` exporter gets another name at the same address, and a `file` exporter another name for the same
/// file.
/// Guarantee: the address answers all the time; the file goes on.
#[tokio::test]
async fn exporters_take_over_addresses_and_files() {
    let address = free_address();
    let base = Config::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.json");
    let named = |name: &str| {
        base.clone()
            .exporter(&format!("prometheus/{name}: {{endpoint: '{address}'}}"))
            .exporter(&format!("file/{name}: {{path: '{}'}}", path.display()))
            .pipeline(&format!("metrics: {{receivers: [otlp], exporters: [prometheus/{name}]}}"))
            .pipeline(&format!("traces: {{receivers: [otlp], exporters: [file/{name}]}}"))
    };
    let ringtail = named("a").start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    ringtail.metrics().export(metrics_of("shop", 1)).await.unwrap();
    assert!(http::get(address, "/metrics").await.unwrap().text().contains("queue"));
    apply(&ringtail, &named("b")).await;
    ringtail.export(traces([span(2, 0)])).await.unwrap();
    ringtail.metrics().export(metrics_of("shop", 1)).await.unwrap();
    assert!(http::get(address, "/metrics").await.unwrap().text().contains("queue"));
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count(), 2, "{written}");
    apply(&ringtail, &base.exporter("nop: ").pipeline("traces: {receivers: [otlp], exporters: [nop]}")).await;
    wait::until("the address is free", || std::net::TcpListener::bind(address).is_ok()).await;
    ringtail.settled().await;
}

/// Scenario: a `load_balancing` exporter gets other members, and then a second signal; then it loses the first one.
/// Guarantee: each member has what came while it was one; the page shows the members in force.
#[tokio::test]
async fn a_balancer_gets_other_members_and_signals() {
    let [a, b] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new();
    let over = |backend: &Backend| {
        base.clone().exporter(&format!(
            "load_balancing: {{protocol: {{otlp: {{tls: {{insecure: true}}}}}}, resolver: {{static: {{hostnames: ['{}']}}}}}}",
            backend.address()
        ))
    };
    let (traces_in, metrics_in) = (
        "traces: {receivers: [otlp], exporters: [load_balancing]}",
        "metrics: {receivers: [otlp], exporters: [load_balancing]}",
    );
    let ringtail = over(&a).pipeline(traces_in).start().await;
    let sender = RawGrpc::connect(ringtail.ports.grpc).await;
    send(&sender, body(1, 0)).await;
    apply(&ringtail, &over(&b).pipeline(traces_in)).await;
    wait::until_some("the other member is in force", || async {
        let members = ringtail.page("/membership").await["load_balancing"]["members"].clone();
        (members[0]["address"] == b.address()).then_some(())
    })
    .await;
    send(&sender, body(2, 0)).await;
    apply(&ringtail, &over(&b).pipeline(traces_in).pipeline(metrics_in)).await;
    send(&sender, body(3, 0)).await;
    ringtail.metrics().export(metrics_of("shop", 1)).await.unwrap();
    apply(&ringtail, &over(&b).pipeline(metrics_in)).await;
    ringtail.metrics().export(metrics_of("shop", 1)).await.unwrap();
    assert_eq!(ringtail.export(traces([span(4, 0)])).await.unwrap_err().code(), tonic::Code::Unimplemented);
    assert_eq!((a.spans().len(), b.spans().len(), b.taken().len()), (1, 2, 4));
    ringtail.settled().await;
}
