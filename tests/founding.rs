//! The founding configuration as it is written: traces edited, judged, batched, exported over TLS and logged; metrics
//! scraped. Only addresses are set from outside.
//!
//! A real Prometheus scrapes it where `RINGTAIL_PROMETHEUS` names one.

#![allow(clippy::unwrap_used)]

mod peers;
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use tempfile::TempDir;

use support::backend::Backend;
use support::certs::Certs;
use support::ledger::Scrape;
use support::load::{count, failing, lasting, metrics_of, span, text, traces, traces_of};
use support::process::{Ports, Ringtail, free_address};
use support::prometheus::Prometheus;
use support::{Content, Traces, http, wait};

const FOUNDING: &str = include_str!("../config/examples/founding.yaml");
const URL: &str = "https://shop/login?user=joe&password=hunter2&next=/";

const FAILING: u64 = 1500; // more than a batch
const SLOW: u64 = 20;
const REQUEST: u64 = 200;
const OTHERS: u64 = 2000; // more than the limit lets through while they are judged

/// Runs it with a backend as `tempo`; `keys` are further values to set.
async fn founding(tempo: &Backend, keys: &[(&str, String)]) -> (Ringtail, SocketAddr) {
    let (ports, exposition) = (Ports::free(), free_address());
    let reader = format!(
        "[{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}}}}}}}}}]",
        ports.metrics.port()
    );
    let addresses = [
        ("receivers.otlp.protocols.grpc.endpoint", ports.grpc.to_string()),
        ("receivers.otlp.protocols.http.endpoint", ports.http.to_string()),
        ("exporters.otlp/tempo.endpoint", format!("localhost:{}", tempo.port())),
        ("exporters.prometheus.endpoint", exposition.to_string()),
        ("extensions.admin.endpoint", ports.admin.to_string()),
        ("service.extensions", "[admin]".to_owned()),
        ("service.telemetry.metrics.readers", reader),
    ];
    let set = |(key, value): &(&str, String)| ["--set".to_owned(), format!("{key}={value}")];
    let arguments = addresses.iter().chain(keys).flat_map(set).collect();
    let ringtail = Ringtail::spawn_with(FOUNDING, arguments, ports, TempDir::new().unwrap());
    ringtail.ready().await;
    (ringtail, exposition)
}

/// A span as an SDK writes it on a request with a password in its URL.
fn request_span(trace: u64) -> Span {
    let mut span = span(trace, 0);
    span.attributes.push(text("http.url", URL));
    span.attributes.push(text("http.method", "POST"));
    span
}

/// Traces of one span: failing ones, slow ones, and others, mixed.
fn mixed() -> Vec<Traces> {
    let one = |trace: u64| match trace {
        0..FAILING => failing(request_span(trace)),
        FAILING.. if trace < FAILING + SLOW => lasting(request_span(trace), 1001),
        _ => request_span(trace),
    };
    let all: Vec<u64> = (0..FAILING + SLOW + OTHERS).collect();
    all.chunks(REQUEST as usize).map(|part| traces(part.iter().map(|trace| one(*trace)))).collect()
}

/// How many of each kind arrived: failing, slow, others.
fn kinds(backend: &Backend) -> [u64; 3] {
    let spans = backend.spans();
    let mut kinds = [0; 3];
    for one in &spans {
        let failed = one.span.status.as_ref().is_some_and(|status| status.code == 2);
        let slow = one.span.end_time_unix_nano - one.span.start_time_unix_nano > 1_000_000_000;
        kinds[if failed { 0 } else { 1 + usize::from(!slow) }] += 1;
    }
    kinds
}

fn attributes(span: &Span) -> BTreeMap<&str, &str> {
    let attributes = span.attributes.iter();
    attributes
        .filter_map(|pair| Some((pair.key.as_str(), peers::text(&span.attributes, &pair.key)?)))
        .collect()
}

/// Verdicts to keep by a policy.
fn kept_by(scrape: &Scrape, policy: &str) -> f64 {
    scrape.sum("ringtail_sampler_verdicts", &[("policy", policy), ("decision", "sampled")])
}

/// Scenario: `tempo` speaks TLS with a certificate of our own authority; failing, slow and other traces.
/// Guarantee: all failing and all slow ones arrive, of the others what the limit lets through, in batches of the size
/// named, with the resource attribute and without the password; the log shows them in detail.
#[tokio::test]
async fn traces_are_edited_judged_batched_exported_and_logged() {
    let folder = TempDir::new().unwrap();
    let certs = Certs::write(folder.path());
    let tempo = Backend::tls(certs.server()).await;
    let ca = ("exporters.otlp/tempo.tls.ca_file", certs.ca.display().to_string());
    let (ringtail, _) = founding(&tempo, &[ca]).await;
    for request in mixed() {
        ringtail.export(request).await.unwrap();
    }
    wait::until("a full batch arrives without waiting", || !tempo.spans().is_empty()).await;
    ringtail
        .scrape_until("every trace is judged", |scrape| verdicts(scrape) == FAILING + SLOW + OTHERS)
        .await;
    let arrived = || kinds(&tempo)[..2] == [FAILING, SLOW];
    wait::until("the last batch arrives", arrived).await;
    let scrape = ringtail.settled().await;
    let others = kinds(&tempo)[2];
    // All were sent within moments, so that they are judged within few seconds.
    assert!((100..1000).contains(&others), "100 a second of {OTHERS}, not {others}");
    assert_eq!(kept_by(&scrape, "rate-limiting"), others as f64);
    assert_eq!(kept_by(&scrape, "errors-policy"), FAILING as f64);
    assert_eq!(kept_by(&scrape, "latency-policy"), SLOW as f64);
    assert_edited(&tempo);
    assert_batches(&tempo, others + FAILING + SLOW);
    assert_logged(&ringtail, others + FAILING + SLOW);
}

fn verdicts(scrape: &Scrape) -> u64 {
    scrape.sum("ringtail_sampler_verdicts", &[]) as u64
}

fn assert_edited(tempo: &Backend) {
    for one in tempo.spans() {
        let attributes = attributes(&one.span);
        assert_eq!(attributes["http.url"], "https://shop/login?user=joe&password=REDACTED");
        assert_eq!((attributes["http.method"], attributes["http.route"]), ("POST", "/cart/{id}"));
        let resource = one.resource.unwrap().attributes;
        assert_eq!(peers::text(&resource, "environment"), Some("production"));
        assert_eq!(peers::text(&resource, "service.name"), Some("shop"));
    }
}

/// A batch leaves as soon as it holds what `send_batch_size` says, with all of the request that filled it; what never
/// fills one leaves after `timeout`.
fn assert_batches(tempo: &Backend, spans: u64) {
    let size = |content: &Content| match content {
        Content::Traces(request) => count(request),
        other => panic!("{other:?}"),
    };
    let mut sizes: Vec<u64> = tempo.taken().iter().map(size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes.iter().sum::<u64>(), spans);
    let (full, others) = sizes.split_last().unwrap();
    assert!((1024..1024 + REQUEST).contains(full), "{sizes:?}");
    assert!(others.len() <= 3 && others.iter().all(|size| *size < 1024), "{sizes:?}");
}

/// `loglevel: debug` shows every field.
fn assert_logged(ringtail: &Ringtail, spans: u64) {
    let shown = ringtail.stdout() + &ringtail.stderr();
    assert!(!shown.contains("hunter2"), "the password is shown");
    for (line, times) in [
        ("-> http.url: Str(https://shop/login?user=joe&password=REDACTED)", spans),
        ("-> environment: Str(production)", 1),
    ] {
        let found = shown.matches(line).count() as u64;
        assert!(found >= times, "{line}: {found} of {times}");
    }
}

/// Scenario: a resource that has the attribute already.
/// Guarantee: `insert` leaves it; without `password=` the URL stays as it is; a plaintext backend is spoken to with
/// `tls: {insecure: true}`.
#[tokio::test]
async fn what_no_rule_matches_stays_as_it_is() {
    let tempo = Backend::grpc().await;
    let (ringtail, _) = founding(&tempo, &[("exporters.otlp/tempo.tls.insecure", "true".into())]).await;
    let mut sent = failing(span(1, 0));
    sent.attributes.push(text("http.url", "https://shop/"));
    let mut request = traces_of("shop", [sent.clone()]);
    let resource = request.resource_spans[0].resource.as_mut().unwrap();
    resource.attributes.push(text("environment", "staging"));
    let resource = resource.clone();
    ringtail.export(request).await.unwrap();
    ringtail.scrape_until("it is judged", |scrape| verdicts(scrape) == 1).await;
    wait::until("it arrives", || tempo.spans().len() == 1).await;
    let arrived = tempo.spans().remove(0);
    assert_eq!(arrived.resource, Some(resource));
    assert_eq!(arrived.span.attributes, sent.attributes);
    ringtail.settled().await;
}

/// Scenario: `tempo` speaks plaintext, and the file says nothing of TLS.
/// Guarantee: the log names the key to set.
#[tokio::test]
async fn a_plaintext_backend_is_told_apart_by_the_key_to_set() {
    let tempo = Backend::grpc().await;
    let (ringtail, _) = founding(&tempo, &[("processors.batch.timeout", "10ms".into())]).await;
    ringtail.export(traces([failing(span(1, 0))])).await.unwrap();
    wait::until("the log names it", || ringtail.stderr().contains("tls.insecure: true")).await;
    assert!(ringtail.stderr().contains("otlp/tempo"), "and the exporter");
    assert!(tempo.spans().is_empty());
}

/// Scenario: metrics of two services, one of which names its environment itself.
/// Guarantee: a Prometheus finds their values, and their resource attributes as `target_info`.
#[tokio::test]
async fn metrics_are_scraped_with_their_resource() {
    let tempo = Backend::grpc().await;
    let (ringtail, exposition) = founding(&tempo, &[]).await;
    for (service, value) in [("shop", 1.5), ("bank", 2.5)] {
        let mut request = metrics_of(service, 1);
        let of = &mut request.resource_metrics[0];
        if service == "bank" {
            of.resource.as_mut().unwrap().attributes.push(text("environment", "staging"));
        }
        let Some(Data::Gauge(gauge)) = &mut of.scope_metrics[0].metrics[0].data else { panic!() };
        gauge.data_points[0].value =
            Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsDouble(value));
        ringtail.metrics().export(request).await.unwrap();
    }
    let delivered = |scrape: &Scrape| scrape.ledger("prometheus", "metrics").delivered == 2;
    ringtail.scrape_until("the batch is out", delivered).await;
    let page = http::get(exposition, "/metrics").await.unwrap().text();
    for line in [
        "queue{job=\"shop\",otel_scope_name=\"meter\",otel_scope_version=\"1.2\"} 1.5",
        "queue{job=\"bank\",otel_scope_name=\"meter\",otel_scope_version=\"1.2\"} 2.5",
        "target_info{environment=\"production\",host_name=\"box\",job=\"shop\"} 1",
        "target_info{environment=\"staging\",host_name=\"box\",job=\"bank\"} 1",
    ] {
        assert!(page.lines().any(|known| known == line), "{line}\n{page}");
    }
    ringtail.settled().await;
    let Some(program) = peers::program("RINGTAIL_PROMETHEUS") else { return };
    let prometheus = Prometheus::start(&program, exposition, &[]);
    for (service, environment, value) in [("shop", "production", "1.5"), ("bank", "staging", "2.5")] {
        let joined = format!("queue%7Bjob=%22{service}%22%7D*on(job)group_left(environment)target_info");
        let found = prometheus.query(&joined).await;
        assert_eq!(found["value"][1], value, "{found}");
        assert_eq!(found["metric"]["environment"], environment, "{found}");
    }
}

/// The text as it is written, by the command that people try first.
#[test]
fn the_text_as_written_is_valid_and_names_what_has_other_names_today() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("founding.yaml");
    std::fs::write(&path, FOUNDING).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ringtail"))
        .args(["validate", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
    let expected = [
        "warning: \"otlp\" alias is deprecated; use \"otlp_grpc\" instead",
        "warning: \"logging\" alias is deprecated; use \"debug\" instead",
        "warning: 'loglevel' is deprecated",
    ];
    assert_eq!(warnings, expected, "{said}");
}
