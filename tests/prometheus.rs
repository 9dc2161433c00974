//! The `prometheus` exporter as a process: OTLP in, expositions out; and a real Prometheus that scrapes it.
//!
//! The last runs where `RINGTAIL_PROMETHEUS` names a prometheus (Debian's package `prometheus` has one).

#![allow(clippy::unwrap_used)]

mod peers;
mod support;

use std::net::SocketAddr;

use ringtail::compress::{Compression, inflate};

use support::certs::Certs;
use support::http;
use support::process::{Ports, Ringtail, free_address};
use support::prometheus::Prometheus;

/// A ringtail whose pipeline of metrics ends in `prometheus`, and where that is.
async fn exporting(keys: &str) -> (Ringtail, SocketAddr) {
    let (ports, endpoint) = (Ports::free(), free_address());
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
exporters: {{prometheus: {{endpoint: '{endpoint}'{keys}}}}}
extensions: {{admin: {{endpoint: '{admin}'}}}}
service:
  extensions: [admin]
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheus]}}}}
",
        http = ports.http,
        admin = ports.admin,
        metrics = ports.metrics.port(),
    );
    let dir = tempfile::tempdir().unwrap();
    (Ringtail::start(&config, ports, dir).await, endpoint)
}

/// A request with these metrics, of a service `shop`.
fn request(metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[
            {{"key":"service.name","value":{{"stringValue":"shop"}}}},
            {{"key":"service.instance.id","value":{{"stringValue":"one"}}}},
            {{"key":"host.name","value":{{"stringValue":"h"}}}}]}},
            "scopeMetrics":[{{"scope":{{"name":"lib"}},"metrics":[{metrics}]}}]}}]}}"#
    )
}

fn counter(name: &str, value: u64) -> String {
    format!(
        r#"{{"name":"{name}","unit":"By","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
            {{"timeUnixNano":"1","asInt":"{value}","exemplars":[{{"timeUnixNano":"1000000000","asInt":"2",
            "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}}]}}]}}}}"#
    )
}

const HISTOGRAM: &str = r#"{"name":"latency","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[
    {"timeUnixNano":"1","count":"4","sum":3.5,"bucketCounts":["1","2","1"],"explicitBounds":[0.5,1]}]}}"#;
const EXPONENTIAL: &str = r#"{"name":"size","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
    {"timeUnixNano":"1","count":"4","sum":9,"scale":3,"positive":{"offset":0,"bucketCounts":["1","1","1","1"]}}]}}"#;

async fn send(ringtail: &Ringtail, metrics: &str) {
    let answer = http::post(ringtail.ports.http, "/v1/metrics", "application/json", request(metrics)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn scrape(endpoint: SocketAddr, headers: &[(&str, &str)]) -> http::Answer {
    http::send(endpoint, http::request("GET", "/metrics", headers, "")).await.unwrap()
}

#[tokio::test]
async fn what_is_sent_can_be_scraped() {
    let (ringtail, endpoint) = exporting("").await;
    send(&ringtail, &[&counter("net.io", 5), HISTOGRAM].join(",")).await;
    send(&ringtail, &counter("net.io", 7)).await;
    let page = scrape(endpoint, &[]).await;
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
    );
    let who = r#"instance="one",job="shop",otel_scope_name="lib""#;
    for line in [
        "target_info{host_name=\"h\",instance=\"one\",job=\"shop\"} 1".to_owned(),
        "# TYPE net_io_bytes_total counter".to_owned(),
        format!("net_io_bytes_total{{{who}}} 7"),
        format!("latency_seconds_bucket{{{who},le=\"1\"}} 3"),
        format!("latency_seconds_count{{{who}}} 4"),
    ] {
        assert!(page.text().lines().any(|known| known == line), "{line}\n{}", page.text());
    }
    assert_eq!(http::get(endpoint, "/other").await.unwrap().status, 404);
    let open = scrape(endpoint, &[("accept", "application/openmetrics-text")]).await;
    assert_eq!(open.header("content-type"), page.header("content-type"), "off by default");
    let scraped = ringtail.settled().await;
    assert_eq!(scraped.ledger("prometheus", "metrics").delivered, 3);
    assert_eq!(scraped.sum("otelcol_exporter_sent_metric_points", &[("exporter", "prometheus")]), 3.0);
}

#[tokio::test]
async fn open_metrics_and_gzip_are_given_to_who_asks() {
    let (ringtail, endpoint) = exporting(", enable_open_metrics: true, response_headers: {x-a: b}").await;
    send(&ringtail, &counter("net.io", 5)).await;
    let accept = ("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let page = scrape(endpoint, &[accept, ("accept-encoding", "gzip")]).await;
    assert!(page.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0;"));
    assert_eq!((page.header("content-encoding"), page.header("x-a")), (Some("gzip"), Some("b")));
    let text = inflate(Compression::Gzip, &page.body, 1 << 20).unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains(" # {trace_id=\"0102030405060708090a0b0c0d0e0f10\",span_id="), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn the_page_is_served_over_tls_to_clients_with_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::write(folder.path());
    let tls = format!(
        ", tls: {{cert_file: '{}', key_file: '{}', client_ca_file: '{}'}}",
        certs.cert.display(),
        certs.key.display(),
        certs.ca.display()
    );
    let (ringtail, endpoint) = exporting(&tls).await;
    send(&ringtail, HISTOGRAM).await;
    for show in [false, true] {
        let page = async {
            let stream = certs.connect(endpoint, b"http/1.1", show).await.ok()?;
            http::send_over(stream, http::request("GET", "/metrics", &[], "")).await.ok()
        };
        assert_eq!(page.await.map(|page| page.text().contains("latency_seconds_sum")), show.then_some(true));
    }
    assert!(http::get(endpoint, "/metrics").await.is_err(), "plaintext is not answered");
}

#[tokio::test]
async fn points_that_are_left_out_are_counted_by_reason() {
    let (ringtail, endpoint) = exporting("").await;
    send(&ringtail, &counter("a", 5)).await;
    let gauge = r#"{"name":"a.bytes.total","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"}]}}"#;
    send(&ringtail, gauge).await;
    let delta =
        r#"{"name":"b","sum":{"aggregationTemporality":1,"dataPoints":[{"asInt":"1"},{"asInt":"2"}]}}"#;
    send(&ringtail, delta).await;
    let scraped = ringtail.settled().await;
    assert_eq!(scraped.reason("prometheus", "type_conflict"), 1);
    assert_eq!(scraped.reason("prometheus", "unsupported_temporality"), 2);
    assert!(ringtail.stderr().contains("a_bytes_total"), "the log names it");
    assert!(!scrape(endpoint, &[]).await.text().contains("gauge\na_bytes_total"));
}

#[tokio::test]
async fn other_signals_are_an_error_of_the_configuration() {
    let config = "receivers: {otlp: {protocols: {grpc: }}}\nexporters: {prometheus: {endpoint: 'localhost:0'}}\n\
                  service: {pipelines: {traces: {receivers: [otlp], exporters: [prometheus]}}}";
    let ringtail = Ringtail::spawn(config, Ports::free(), tempfile::tempdir().unwrap());
    assert_ne!(ringtail.ended().await, 0);
    let expected =
        "failed to create \"prometheus\" exporter for data type \"traces\": telemetry type is not supported";
    assert!(ringtail.stderr().contains(expected), "{}", ringtail.stderr());
}

#[tokio::test]
async fn a_real_prometheus_scrapes_it() {
    let Some(program) = peers::program("RINGTAIL_PROMETHEUS") else { return };
    for keys in ["", ", enable_open_metrics: true, send_timestamps: false"] {
        let (ringtail, endpoint) = exporting(keys).await;
        send(&ringtail, &[&counter("net.io", 7), HISTOGRAM, EXPONENTIAL].join(",")).await;
        let prometheus = Prometheus::start(&program, endpoint, &[]);
        let found = prometheus.query("net_io_bytes_total").await;
        assert_eq!(found["value"][1], "7");
        // Prometheus keeps the labels of the target and puts ours aside, unless it is told to honor them.
        assert_eq!(
            (&found["metric"]["job"], &found["metric"]["otel_scope_name"]),
            (&"shop".into(), &"lib".into())
        );
        let found = prometheus.query("histogram_quantile(0.5,latency_seconds_bucket)").await;
        assert_eq!(found["value"][1], "0.75");
        let found = prometheus.query("histogram_quantile(1,size_bucket)").await;
        assert_eq!(found["value"][1], "2", "exponential histograms have classic buckets");
        let joined = "net_io_bytes_total*on(job,instance)group_left(host_name)target_info";
        assert_eq!(prometheus.query(joined).await["metric"]["host_name"], "h");
        let metadata = http::get(prometheus.address, "/api/v1/metadata").await.unwrap().json();
        assert_eq!(metadata["data"]["latency_seconds"][0]["type"], "histogram", "{metadata}");
    }
}

#[tokio::test]
async fn a_real_prometheus_takes_native_histograms() {
    let Some(program) = peers::program("RINGTAIL_PROMETHEUS") else { return };
    let (ringtail, endpoint) = exporting("").await;
    send(&ringtail, &[&counter("net.io", 7), HISTOGRAM, EXPONENTIAL].join(",")).await;
    let prometheus = Prometheus::start(&program, endpoint, &["--enable-feature=native-histograms"]);
    assert_eq!(prometheus.query("net_io_bytes_total").await["value"][1], "7");
    assert_eq!(prometheus.query("histogram_quantile(0.5,latency_seconds_bucket)").await["value"][1], "0.75");
    assert_eq!(prometheus.query("histogram_count(size)").await["value"][1], "4");
    // Four buckets of scale 3 from 1 on: the last ends at the square root of two.
    let highest = prometheus.query("histogram_quantile(1,size)").await["value"][1].clone();
    let highest: f64 = highest.as_str().unwrap().parse().unwrap();
    assert!((highest - 2_f64.sqrt()).abs() < 1e-9, "{highest}");
}
