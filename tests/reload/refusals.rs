//! What cannot be put in force changes nothing, and says why.

use crate::config::{Config, apply, generation, put, refused};
use crate::support::backend::Backend;
use crate::support::http;
use crate::support::load::{span, traces};
use crate::support::process::free_address;
use crate::support::wait;

fn sampling(config: &Config, keys: &str) -> Config {
    let policy = "policies: [{name: all, type: always_sample}]";
    let mut config =
        config.clone().processor(&format!("tail_sampling: {{decision_wait: 100ms, {policy}{keys}}}"));
    config.pipelines =
        vec!["traces: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp/a]}".into()];
    config
}

/// Scenario: a key with a typing error, then the correction.
/// Guarantee: the log, `/config` and the metrics name file, line and key; what runs goes on; the correction is applied.
#[tokio::test]
async fn a_mistake_is_named_and_changes_nothing() {
    let backend = Backend::grpc().await;
    let base = Config::new().to("a", &backend, "");
    let good = base.clone().pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}");
    let ringtail = good.start().await;
    let wrong = good.text().replace("compression: none", "compresion: none");
    put(&ringtail, &wrong);
    let last = refused(&ringtail).await;
    let error = &last["errors"][0];
    assert_eq!(error["key"], "exporters::otlp/a::compresion", "{last}");
    let line = wrong.lines().position(|line| line.contains("compresion")).unwrap() + 1;
    assert_eq!(error["line"], line);
    assert!(error["file"].as_str().unwrap().ends_with("ringtail.yaml"), "{last}");
    assert_eq!(last["trigger"], "file");
    let page = ringtail.page("/config").await;
    assert_eq!((&page["generation"], &page["on_disk"]["result"]), (&1.into(), &"refused".into()));
    assert_eq!(page["running"]["exporters"]["otlp/a"]["compression"], "none");
    let scrape = ringtail.scrape().await;
    assert_eq!(scrape.sum("ringtail_config_reloads", &[("result", "refused")]), 1.0);
    assert_eq!(scrape.sum("ringtail_config_last_reload_successful", &[]), 0.0);
    let log = ringtail.stderr();
    let told: Vec<_> = log.lines().filter(|line| line.contains("exporters::otlp/a::compresion")).collect();
    assert_eq!(told.len(), 1, "it is told once: {told:?}");
    assert!(told[0].contains("ringtail.yaml") && told[0].contains(&format!("line={line}")), "{told:?}");
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    put(&ringtail, &good.text());
    ringtail
        .scrape_until("it is well again", |scrape| {
            scrape.sum("ringtail_config_last_reload_successful", &[]) == 1.0
        })
        .await;
    assert_eq!(generation(&ringtail).await, 1);
    wait::until("it has arrived", || backend.has("operation 1/0")).await;
    ringtail.settled().await;
}

/// Scenario: keys that only a start can put in force, together with one that a reload could.
/// Guarantee: they are named, and nothing of it is put in force.
#[tokio::test]
async fn what_needs_a_restart_is_named_and_nothing_changes() {
    let backend = Backend::grpc().await;
    let base = Config::new().to("a", &backend, "");
    let ringtail = sampling(&base, "").start().await;
    let dir = ringtail.dir.path().join("journal");
    let keys = format!(
        ", num_shards: 3, decision_cache: {{sampled_cache_size: 7}}, journal: {{directory: '{}'}}",
        dir.display()
    );
    put(&ringtail, &sampling(&base, &keys).exporter("nop: ").text());
    let last = refused(&ringtail).await;
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.starts_with("processors::tail_sampling::num_shards, journal.directory: "), "{reason}");
    assert!(reason.contains("restart"), "{reason}");
    assert_eq!(generation(&ringtail).await, 1);
    assert!(!dir.exists(), "nothing was begun");
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    wait::until("it has arrived", || backend.has("operation 1/0")).await;
    ringtail.settled().await;
}

/// Scenario: a new receiver at a port that is taken, beside a new exporter and a changed one.
/// Guarantee: the key and the port are named; nothing of it is put in force; once the port is free it is.
#[tokio::test]
async fn a_port_that_is_taken_is_named_and_tried_again() {
    let backend = Backend::grpc().await;
    let base = Config::new().to("a", &backend, "");
    let ringtail = base.clone().pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}").start().await;
    let taken = std::net::TcpListener::bind(free_address()).unwrap();
    let address = taken.local_addr().unwrap();
    let next = base
        .receiver(&format!("otlp/more: {{protocols: {{http: {{endpoint: '{address}'}}}}}}"))
        .exporter("debug: ")
        .pipeline("traces: {receivers: [otlp, otlp/more], exporters: [otlp/a, debug]}");
    put(&ringtail, &next.text());
    let last = refused(&ringtail).await;
    let reason = last["reason"].as_str().unwrap();
    assert!(
        reason.contains("receivers::otlp/more::protocols::http") && reason.contains(&address.to_string()),
        "{reason}"
    );
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_eq!(ringtail.stdout(), "", "the new exporter is not in force");
    drop(taken);
    let answer = ringtail.reload().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = http::post(address, "/v1/traces", "application/x-protobuf", "").await;
    assert_eq!(answer.status, 200);
    apply(&ringtail, &next.exporter("nop: ").pipeline("logs: {receivers: [otlp], exporters: [nop]}")).await;
    ringtail.settled().await;
}
