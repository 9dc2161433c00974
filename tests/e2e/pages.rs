//! Admin pages, health check, shares: what operators look at is what happens.

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, hex, owners, span, trace_id, traces};
use crate::support::process::free_address;
use crate::support::setup::Setup;
use crate::support::{http, wait};

/// Scenario: a hundred traces over three backends.
/// Guarantee: `/trace/{id}` names the backend that got it; `/membership` and the metrics show the shares.
#[tokio::test]
async fn pages_name_the_owner_and_the_shares() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let ringtail = Setup::over(&[&a, &b, &c]).start().await;
    let sent = traces((0..100).map(|trace| span(trace, 0)));
    ringtail.export(sent.clone()).await.unwrap();
    assert_arrived_once(&[sent], &[&a, &b, &c]);
    let owners = owners(&[&a, &b, &c]);
    for trace in 0..100 {
        let owner = [&a, &b, &c][owners[&trace_id(trace)]].address();
        assert_eq!(ringtail.owner(trace).await, owner);
    }
    let membership = ringtail.page("/membership").await;
    let members = membership["load_balancing"]["members"].as_array().unwrap();
    let shares: Vec<_> = members.iter().map(|member| member["share"].as_f64().unwrap()).collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{shares:?}");
    let scrape = ringtail.settled().await;
    let exposed: Vec<_> = scrape.series("ringtail_ring_share", &[]).map(|(_, share)| share).collect();
    assert_eq!(exposed.len(), 3);
    assert!((exposed.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{exposed:?}");
    assert!(exposed.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.02), "{exposed:?}");
    let bad = http::get(ringtail.ports.admin, "/trace/xyz").await.unwrap();
    assert_eq!(bad.status, 400);
    let zero = http::get(ringtail.ports.admin, &format!("/trace/{}", hex(&[0; 16]))).await.unwrap();
    assert_eq!(zero.json()["owners"], serde_json::json!({}), "the id that is none has no owner");
}

/// Scenario: a backend that does not answer.
/// Guarantee: `/membership` shows what is held for it.
#[tokio::test]
async fn the_membership_page_shows_what_is_held() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).start().await;
    backend.close_gate();
    let mut client = ringtail.traces();
    let waiting = tokio::spawn(async move { client.export(traces([span(1, 0)])).await });
    wait::until("the call is with the backend", || backend.calls() == 1).await;
    let member = ringtail.page("/membership").await["load_balancing"]["members"][0].clone();
    assert_eq!(member["calls_in_flight"], 1, "{member}");
    assert!(member["held_bytes"].as_u64().unwrap() > 50, "{member}");
    backend.open_gate();
    waiting.await.unwrap().unwrap();
    ringtail.settled().await;
    let member = ringtail.page("/membership").await["load_balancing"]["members"][0].clone();
    assert_eq!((&member["calls_in_flight"], &member["held_bytes"]), (&0.into(), &0.into()), "{member}");
}

/// Scenario: a header with a secret in the configuration.
/// Guarantee: the backend gets it; `/config` shows the configuration without it.
#[tokio::test]
async fn secrets_are_masked_in_the_configuration_shown() {
    let backend = Backend::grpc().await;
    let protocol = "{otlp: {tls: {insecure: true}, headers: {authorization: 'Bearer hunter2'}}}";
    let ringtail = Setup::over(&[&backend]).protocol(protocol).start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_eq!(backend.last_header("authorization").as_deref(), Some("Bearer hunter2"));
    let page = http::get(ringtail.ports.admin, "/config").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.text().contains("load_balancing") && page.text().contains("authorization"));
    assert!(!page.text().contains("hunter2"), "{}", page.text());
    assert!(!ringtail.stderr().contains("hunter2"));
    ringtail.settled().await;
}

/// Scenario: the health check extension, from start to end.
/// Guarantee: 200 while requests are taken, 503 while the process stops.
#[tokio::test]
async fn the_health_check_follows_the_process() {
    let backend = Backend::grpc().await;
    let mut setup = Setup::over(&[&backend]);
    let health = free_address();
    setup.extensions = format!("  health_check: {{endpoint: '{health}', path: /health}}");
    setup.service_extensions = ", health_check".into();
    let ringtail = setup.start().await;
    assert_eq!(http::get(health, "/health").await.unwrap().status, 200);
    backend.close_gate();
    let mut client = ringtail.traces();
    let waiting = tokio::spawn(async move { client.export(traces([span(1, 0)])).await });
    wait::until("the call is with the backend", || backend.calls() == 1).await;
    ringtail.scrape().await.assert_balanced();
    ringtail.terminate();
    let stopping = || async { http::get(health, "/health").await.ok().filter(|answer| answer.status == 503) };
    wait::until_some("it says that it stops", stopping).await;
    backend.open_gate();
    waiting.await.unwrap().unwrap();
    assert_eq!(ringtail.ended().await, 0);
}
