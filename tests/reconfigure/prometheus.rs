//! The `prometheus` exporter: series stay where they have the same names, and its listener with them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtail::export::{Prometheus, PrometheusExporter};
use ringtail::flow::{Consumer, Request};
use ringtail::observe::Registry;
use ringtail::outcome::Signal;
use ringtail::tls::{self, Pem, Version};
use ringtail::wire::json::{Limits, to_protobuf};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::support::certs::Certs;
use crate::support::ledger::Scrape;
use crate::support::process::free_address;
use crate::support::{http, wait};

struct Bench {
    exporter: PrometheusExporter,
    registry: Registry,
}

impl Bench {
    async fn start(config: Prometheus) -> Self {
        let (registry, stop) = (Registry::new(), CancellationToken::new());
        let exporter = PrometheusExporter::start("prometheus", config, &registry, &stop, &[]).await.unwrap();
        Self { exporter, registry }
    }

    async fn gauge(&self, name: &str, value: u64) {
        let text = format!(
            r#"{{"resourceMetrics":[{{"resource":{{}},"scopeMetrics":[{{"scope":{{}},"metrics":[{{"name":"{name}",
            "gauge":{{"dataPoints":[{{"timeUnixNano":"{value}000000000","asInt":"{value}"}}]}}}}]}}]}}]}}"#
        );
        let body = Bytes::from(to_protobuf(Signal::Metrics, text.as_bytes(), Limits::default()).unwrap());
        let request = Request {
            signal: Signal::Metrics,
            body,
            items: 1,
            arrived: Instant::now(),
            deadline: None,
            kept: false,
            batched: false,
            origin: None,
            window: ringtail::flow::Window::None,
        };
        self.exporter.consume(request).await.unwrap();
    }

    async fn change(&self, config: Prometheus) {
        self.exporter.reconfigure(config).await.unwrap();
    }

    fn assert_sums(&self, delivered: u64) {
        let scrape = Scrape::parse(&self.registry.render(false));
        scrape.assert_balanced();
        assert_eq!(scrape.ledger("prometheus", "metrics").delivered, delivered);
    }
}

fn at(address: SocketAddr) -> Prometheus {
    Prometheus { endpoint: address.to_string(), ..Prometheus::default() }
}

async fn page(address: SocketAddr) -> String {
    http::get(address, "/metrics").await.unwrap().text()
}

#[tokio::test]
async fn series_connections_and_counts_stay_when_names_do() {
    let address = free_address();
    let bench = Bench::start(at(address)).await;
    bench.gauge("up", 7).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut ask = async || {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 1 << 16];
        let read = stream.read(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    assert!(ask().await.contains("\nup 7\n"));
    let changed = Prometheus {
        send_timestamps: true,
        enable_open_metrics: true,
        response_headers: vec![("x-here".into(), "1".into())],
        max_series: 1,
        ..at(address)
    };
    bench.change(changed).await;
    let answer = ask().await;
    assert!(answer.contains("\nup 7 7000\n") && answer.contains("x-here: 1\r\n"), "{answer}");
    bench.gauge("down", 1).await;
    let page = page(address).await;
    assert!(page.contains("\nup 7 7000\n") && !page.contains("down"), "the new limit holds: {page}");
    let scrape = Scrape::parse(&bench.registry.render(false));
    assert_eq!(scrape.reason("prometheus", "series_full"), 1);
    bench.change(Prometheus { metric_expiration: Duration::ZERO, ..at(address) }).await;
    let empty = || async { (!self::page(address).await.contains("up")).then_some(()) };
    wait::until_some("the series has expired", empty).await;
    bench.assert_sums(1);
}

#[tokio::test]
async fn other_names_begin_without_series_on_the_same_listener() {
    let address = free_address();
    let bench = Bench::start(at(address)).await;
    bench.gauge("up", 1).await;
    bench.change(Prometheus { namespace: "shop".into(), ..at(address) }).await;
    assert!(!page(address).await.contains("up"));
    bench.gauge("up", 2).await;
    let page = page(address).await;
    assert!(page.contains("\nshop_up 2\n") && !page.contains("\nup "), "{page}");
    bench.assert_sums(2);
}

#[tokio::test]
async fn a_listener_moves_with_its_series_and_is_bound_before_the_old_one_goes() {
    let (old, new) = (free_address(), free_address());
    let bench = Bench::start(at(old)).await;
    bench.gauge("up", 1).await;
    let taken = tokio::net::TcpListener::bind(new).await.unwrap();
    let error = bench.exporter.reconfigure(at(new)).await.unwrap_err().to_string();
    assert!(error.starts_with("endpoint: cannot listen on "), "{error}");
    assert!(page(old).await.contains("\nup 1\n"), "nothing has changed");
    drop(taken);
    bench.change(at(new)).await;
    assert!(page(new).await.contains("\nup 1\n"));
    let gone = || async { TcpStream::connect(old).await.is_err().then_some(()) };
    wait::until_some("nobody listens there", gone).await;
    bench.change(Prometheus { endpoint: format!(":{}", new.port()), ..Prometheus::default() }).await;
    assert!(page(new).await.contains("\nup 1\n"), "also where the addresses overlap");
    bench.exporter.close().await;
    tokio::net::TcpListener::bind(new).await.unwrap();
}

#[tokio::test]
async fn certificates_hold_for_the_next_connection_and_broken_ones_change_nothing() {
    let (dir, address) = (TempDir::new().unwrap(), free_address());
    let bench = Bench::start(at(address)).await;
    bench.gauge("up", 1).await;
    let secured = |certs: &Certs| {
        let tls = tls::ServerConfig {
            cert: Pem::File(certs.cert.clone()),
            key: Pem::File(certs.key.clone()),
            client_ca: None,
            client_ca_reload: false,
            choice: tls::Choice::default(),
            min_version: Version::V12,
            max_version: None,
            reload_interval: None,
        };
        Prometheus { tls: Some(tls), ..at(address) }
    };
    let missing = Certs { ca: "/none".into(), cert: "/none".into(), key: "/none".into() };
    let error = bench.exporter.reconfigure(secured(&missing)).await.unwrap_err().to_string();
    assert!(error.contains("cert_file: cannot read /none"), "{error}");
    assert!(page(address).await.contains("\nup 1\n"));
    let certs = Certs::write(dir.path());
    bench.change(secured(&certs)).await;
    let stream = certs.connect(address, b"http/1.1", false).await.unwrap();
    let answer = http::send_over(stream, http::request("GET", "/metrics", &[], "")).await.unwrap();
    assert!(answer.text().contains("\nup 1\n"));
}
