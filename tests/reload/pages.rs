//! What is not part of the line: health, metrics, admin, logs.

use crate::config::{Config, apply, put};
use crate::support::backend::Backend;
use crate::support::load::{span, traces};
use crate::support::process::free_address;
use crate::support::{http, wait};

/// Scenario: a health check comes and changes its path, the metrics endpoint its names, the log its level, all at the
/// addresses they have; then the admin API moves, asked by itself.
/// Guarantee: each is as configured, and whoever asked has an answer.
#[tokio::test]
async fn pages_change_where_they_are_and_move() {
    let backend = Backend::grpc().await;
    let base =
        Config::new().to("a", &backend, "").pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}");
    let ringtail = base.start().await;
    let health = free_address();
    let with = |path: &str| {
        let mut config = base.clone();
        config.extensions = vec![format!("health_check: {{endpoint: '{health}', path: {path}}}")];
        config
    };
    apply(&ringtail, &with("/here")).await;
    assert_eq!(http::get(health, "/here").await.unwrap().status, 200);
    let loud = Config { metrics: ", without_type_suffix: false", level: "warn", ..with("/there") };
    apply(&ringtail, &loud).await;
    assert_eq!(http::get(health, "/there").await.unwrap().status, 200);
    assert_eq!(http::get(health, "/here").await.unwrap().status, 404);
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    let scrape = ringtail.scrape().await;
    assert_eq!(scrape.sum("otelcol_receiver_accepted_spans_total", &[]), 1.0);
    let said = ringtail.stderr().len();
    apply(&ringtail, &Config { metrics: "", ..loud.clone() }).await;
    assert!(!ringtail.stderr()[said..].contains("INFO"), "{}", &ringtail.stderr()[said..]);
    let moved = free_address();
    let mut config = base.clone();
    config.ports.admin = moved;
    put(&ringtail, &config.text());
    let answer = ringtail.reload().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait::until_some("it has moved", || async { http::get(moved, "/readyz").await.ok() }).await;
    wait::until("the old address is free", || std::net::TcpListener::bind(ringtail.ports.admin).is_ok())
        .await;
    wait::until("the health check has gone", || std::net::TcpListener::bind(health).is_ok()).await;
}
