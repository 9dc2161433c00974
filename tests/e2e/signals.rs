//! Other signals, keys, protocols and pipelines than traces by trace id over gRPC from a fixed list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use prost::Message;
use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::load::{
    assert_arrived_once, count, logs_of, metrics_of, scattered, seen, span, text, traces, traces_of,
};
use crate::support::setup::Setup;
use crate::support::{Content, Traces, http, wait};

const ALL: &str = "{traces: {receivers: [otlp], exporters: [load_balancing]}, \
                   logs: {receivers: [otlp], exporters: [load_balancing]}, \
                   metrics: {receivers: [otlp], exporters: [load_balancing]}}";

async fn three() -> [Backend; 3] {
    [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await]
}

/// Scenario: OTLP/HTTP backends, gzip on the way, spans scattered over requests.
/// Guarantee: as over gRPC: each trace at one backend, each span once, unchanged.
#[tokio::test]
async fn otlp_http_backends_get_every_trace_whole() {
    let [a, b] = [Backend::http().await, Backend::http().await];
    for compression in ["none", "gzip", "zstd"] {
        let protocol = format!("{{otlp_http: {{tls: {{insecure: true}}, compression: {compression}}}}}");
        let ringtail = Setup::over(&[&a, &b]).protocol(&protocol).start().await;
        let sent = scattered(0, 30, 4, 6);
        for request in &sent {
            ringtail.export(request.clone()).await.unwrap();
        }
        assert_arrived_once(&sent, &[&a, &b]);
        ringtail.settled().await;
        [&a, &b].iter().for_each(|backend| backend.forget());
    }
}

/// Scenario: an OTLP/HTTP backend answers 503 with Retry-After, 400, a partial success, breaks off, and dies.
/// Guarantee: 503 is retried no sooner than asked, 400 is for good, the partial success reaches the sender, a broken
/// connection is replaced.
#[tokio::test]
async fn answers_of_otlp_http_backends_are_understood() {
    let backend = Backend::http().await;
    let protocol = "{otlp_http: {tls: {insecure: true}}}";
    let ringtail = Setup::over(&[&backend]).protocol(protocol).start().await;
    backend.answer_next(1, Reply::Http(503, Some(1)));
    let start = Instant::now();
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    for status in [400, 401, 413] {
        backend.answer_next(1, Reply::Http(status, None));
        let refusal = ringtail.export(traces([span(2, 0)])).await.unwrap_err();
        assert_ne!(refusal.code(), Code::Unavailable, "{status}: {refusal:?}");
        assert!(refusal.message().contains(&status.to_string()), "{refusal:?}");
    }
    backend.answer_next(1, Reply::Partial(1, "old"));
    let answer = ringtail.export(traces([span(3, 0), span(3, 1)])).await.unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
    backend.restart().await;
    ringtail.export(traces([span(4, 0)])).await.unwrap();
    backend.close_gate();
    let before = backend.calls();
    let mut client = ringtail.traces();
    let waiting = tokio::spawn(async move { client.export(traces([span(5, 0)])).await });
    wait::until("the call is with the backend", || backend.calls() > before).await;
    backend.stop();
    backend.open_gate();
    backend.restart().await;
    waiting.await.unwrap().unwrap();
    let sent = [traces([span(1, 0)]), traces([span(3, 0), span(3, 1)]), traces([span(4, 0), span(5, 0)])];
    assert_arrived_once(&sent, &[&backend]);
    ringtail.settled().await;
}

/// Scenario: members from DNS, under the one name that every machine has.
/// Guarantee: they are found with the configured port, and get their traces.
#[tokio::test]
async fn members_come_from_dns() {
    let backend = Backend::grpc().await;
    let resolver = format!("{{dns: {{hostname: localhost, port: '{}'}}}}", backend.port());
    let ringtail = Setup::resolving(&resolver).start().await;
    let found = |scrape: &crate::support::ledger::Scrape| {
        scrape.sum("otelcol_loadbalancer_num_backends", &[("resolver", "dns")]) >= 1.0
    };
    ringtail.scrape_until("members are found", found).await;
    // The name may stand for ::1 as well, where nobody listens.
    let sent = traces(ringtail.owned_by(&backend, 5).await.into_iter().map(|trace| span(trace, 0)));
    ringtail.export(sent.clone()).await.unwrap();
    assert_arrived_once(&[sent], &[&backend]);
    let scrape = ringtail.settled().await;
    assert!(scrape.sum("otelcol_loadbalancer_num_resolutions", &[("resolver", "dns")]) >= 1.0);
}

/// Which backends have spans of each value of a key.
fn places(
    backends: &[&Backend],
    key: impl Fn(&crate::support::load::Seen) -> String,
) -> BTreeMap<String, BTreeSet<usize>> {
    let mut places: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (index, backend) in backends.iter().enumerate() {
        for one in backend.spans() {
            places.entry(key(&one)).or_default().insert(index);
        }
    }
    places
}

/// Scenario: `routing_key: service`, twenty services in many requests.
/// Guarantee: each service at one backend, all backends used, nothing lost.
#[tokio::test]
async fn the_service_decides_where_it_is_the_routing_key() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).with("routing_key: service").start().await;
    let one = |request: u64, service: u64| {
        traces_of(&format!("service-{service}"), (0..3).map(|n| span(request * 100 + service, n)))
    };
    let mut sent = Vec::new();
    for request in 0..4 {
        let whole = Traces { resource_spans: (0..20).flat_map(|s| one(request, s).resource_spans).collect() };
        ringtail.export(whole.clone()).await.unwrap();
        sent.push(whole);
    }
    let service = |one: &crate::support::load::Seen| format!("{:?}", one.resource);
    let places = places(&[&a, &b, &c], service);
    assert_eq!(places.len(), 20);
    assert!(places.values().all(|at| at.len() == 1), "{places:?}");
    assert_eq!(places.values().flatten().collect::<BTreeSet<_>>().len(), 3);
    assert_arrived_once(&sent, &[&a, &b, &c]);
    ringtail.settled().await;
}

/// Scenario: `routing_key: attributes` with an attribute of the span, thirty customers in many traces.
/// Guarantee: each customer's spans at one backend, nothing lost.
#[tokio::test]
async fn an_attribute_decides_where_it_is_the_routing_key() {
    let [a, b, c] = three().await;
    let keys = "routing_key: attributes, routing_attributes: [customer]";
    let ringtail = Setup::over(&[&a, &b, &c]).with(keys).start().await;
    let mut spans = Vec::new();
    for n in 0..300 {
        let mut span = span(n, 0);
        span.attributes.push(text("customer", &format!("c{}", n % 30)));
        spans.push(span);
    }
    for chunk in spans.chunks(50) {
        ringtail.export(traces(chunk.iter().cloned())).await.unwrap();
    }
    let places = places(&[&a, &b, &c], |one| format!("{:?}", one.span.attributes.last()));
    assert_eq!(places.len(), 30);
    assert!(places.values().all(|at| at.len() == 1), "{places:?}");
    assert_arrived_once(&[traces(spans)], &[&a, &b, &c]);
    ringtail.settled().await;
}

/// Scenario: logs and metrics of ten services, over gRPC and over HTTP in both encodings.
/// Guarantee: each service at one backend; records and data points are counted, in the receiver and in the exporter.
#[tokio::test]
async fn logs_and_metrics_go_by_service_and_are_counted_in_items() {
    let [a, b, c] = three().await;
    let ringtail = Setup::over(&[&a, &b, &c]).pipelines(ALL).start().await;
    let (mut logs, mut metrics) = (ringtail.logs(), ringtail.metrics());
    let (protobuf, json, to) = ("application/x-protobuf", "application/json", ringtail.ports.http);
    for n in 0..10 {
        let service = format!("service-{n}");
        logs.export(logs_of(&service, 3)).await.unwrap();
        metrics.export(metrics_of(&service, 4)).await.unwrap();
        let posts = [
            ("/v1/logs", protobuf, logs_of(&service, 2).encode_to_vec()),
            ("/v1/logs", json, serde_json::to_vec(&logs_of(&service, 1)).unwrap()),
            ("/v1/metrics", protobuf, metrics_of(&service, 5).encode_to_vec()),
            ("/v1/metrics", json, serde_json::to_vec(&metrics_of(&service, 6)).unwrap()),
        ];
        for (path, media, body) in posts {
            let answer = http::post(to, path, media, body).await;
            assert_eq!(answer.status, 200, "{path} {media}: {}", answer.text());
        }
    }
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    let (mut records, mut points, mut at) = (0, 0, BTreeMap::<String, BTreeSet<usize>>::new());
    for (index, backend) in [&a, &b, &c].iter().enumerate() {
        for content in backend.taken() {
            let resources: Vec<_> = match content {
                Content::Traces(_) => continue,
                Content::Logs(logs) => {
                    let of = logs.resource_logs;
                    records +=
                        of.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum::<usize>();
                    of.into_iter().map(|of| format!("logs {:?}", of.resource)).collect()
                }
                Content::Metrics(metrics) => {
                    let of = metrics.resource_metrics;
                    points += of
                        .iter()
                        .flat_map(|r| &r.scope_metrics)
                        .flat_map(|s| &s.metrics)
                        .map(gauge_points)
                        .sum::<usize>();
                    of.into_iter().map(|of| format!("metrics {:?}", of.resource)).collect()
                }
            };
            for resource in resources {
                at.entry(resource).or_default().insert(index);
            }
        }
    }
    assert_eq!((records, points, at.len()), (60, 150, 20));
    assert!(at.values().all(|places| places.len() == 1), "{at:?}");
    let scrape = ringtail.settled().await;
    for (signal, items) in [("logs", 60), ("metrics", 150), ("traces", 1)] {
        assert_eq!(scrape.ledger("load_balancing", signal).delivered, items, "{signal}");
    }
    assert_eq!(scrape.sum("otelcol_receiver_accepted_log_records", &[]), 60.0);
    assert_eq!(scrape.sum("otelcol_receiver_accepted_metric_points", &[]), 150.0);
    assert_eq!(scrape.sum("otelcol_exporter_sent_metric_points", &[]), 150.0);
}

fn gauge_points(metric: &opentelemetry_proto::tonic::metrics::v1::Metric) -> usize {
    match &metric.data {
        Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        other => panic!("only gauges were sent: {other:?}"),
    }
}

/// Scenario: two pipelines of traces behind one receiver, each with its own balancer; one of the two also shows what
/// passes (`debug`).
/// Guarantee: every span reaches both, and is shown; success needs both, a refusal of one is the answer.
#[tokio::test]
async fn pipelines_that_share_a_receiver_all_get_everything() {
    let (one, two) = (Backend::grpc().await, Backend::grpc().await);
    let mut setup = Setup::over(&[&one]);
    setup.more_exporters = format!(
        "  load_balancing/two: {{protocol: {{otlp: {{tls: {{insecure: true}}}}}}, resolver: {{static: {{hostnames: ['{}']}}}}}}
  debug: {{verbosity: detailed}}",
        two.address()
    );
    setup.pipelines = "{traces: {receivers: [otlp], exporters: [load_balancing, debug]}, \
                       traces/two: {receivers: [otlp], exporters: [load_balancing/two]}}"
        .into();
    let ringtail = setup.start().await;
    let sent = scattered(0, 10, 3, 3);
    for request in &sent {
        ringtail.export(request.clone()).await.unwrap();
    }
    assert_arrived_once(&sent, &[&one]);
    assert_arrived_once(&sent, &[&two]);
    two.answer_next(1, Reply::Refuse(Code::PermissionDenied, None));
    let refusal = ringtail.export(traces([span(77, 0)])).await.unwrap_err();
    assert!(refusal.message().contains(&two.address()), "{refusal:?}");
    let shown = || sent.iter().flat_map(seen).all(|s| ringtail.stdout().contains(&s.span.name));
    wait::until("every span is shown", shown).await;
    let scrape = ringtail.settled().await;
    let all = sent.iter().map(count).sum::<u64>();
    assert_eq!(scrape.ledger("load_balancing", "traces").delivered, all + 1);
    assert_eq!(scrape.ledger("load_balancing/two", "traces").delivered, all);
    assert_eq!(scrape.ledger("debug", "traces").delivered, all + 1);
    assert_eq!(scrape.ledger("otlp/grpc", "traces").delivered, all);
}
