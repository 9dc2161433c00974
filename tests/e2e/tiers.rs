//! Processes behind processes, and processes that cannot start.

use std::time::Duration;

use tonic::Code;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, scattered, span, traces};
use crate::support::process::{Ports, Ringtail};
use crate::support::setup::Setup;
use crate::support::status::retry_delay;

/// Balances over other processes.
fn over(behind: &[&Ringtail]) -> Setup {
    let hosts: Vec<_> = behind.iter().map(|ringtail| ringtail.ports.grpc.to_string()).collect();
    Setup::resolving(&format!("{{static: {{hostnames: [{}]}}}}", hosts.join(", ")))
}

/// Scenario: two proxies in front of two proxies in front of two backends.
/// Guarantee: every trace at one backend, every span once, unchanged; every sum of every process closes.
#[tokio::test]
async fn proxies_stand_behind_proxies() {
    let (a, b) = (Backend::grpc().await, Backend::grpc().await);
    let back = [Setup::over(&[&a, &b]).start().await, Setup::over(&[&b, &a]).start().await];
    let front = [over(&[&back[0], &back[1]]).start().await, over(&[&back[1], &back[0]]).start().await];
    let sent = scattered(0, 60, 4, 8);
    for (index, request) in sent.iter().enumerate() {
        front[index % 2].export(request.clone()).await.unwrap();
    }
    assert_arrived_once(&sent, &[&a, &b]);
    for ringtail in front.iter().chain(&back) {
        assert!(ringtail.settled().await.ledger("load_balancing", "traces").delivered > 0);
    }
}

/// Scenario: the last of the chain is dead for longer than both holds, then returns.
/// Guarantee: the sender is told to come back through both, and its resend arrives once.
#[tokio::test]
async fn a_refusal_travels_through_proxies() {
    let backend = Backend::grpc().await;
    let back = Setup::over(&[&backend]).with("hold: {max_age: 200ms}").start().await;
    let front = over(&[&back]).with("hold: {max_age: 700ms}").start().await;
    backend.stop();
    let sent = traces((0..5).map(|n| span(n, 0)));
    let refusal = front.export(sent.clone()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    assert!(retry_delay(refusal.details()).is_some_and(|delay| delay >= Duration::from_millis(1)));
    backend.restart().await;
    let mut again = front.export(sent.clone()).await;
    for _ in 0..20 {
        // The hint of the one behind may outlast the hold of the one in front.
        if again.is_ok() {
            break;
        }
        again = front.export(sent.clone()).await;
    }
    again.unwrap();
    assert_arrived_once(&[sent], &[&backend]);
    front.settled().await;
    back.settled().await;
}

/// Scenario: a port that is taken, for each listener; a members file that is missing.
/// Guarantee: the process ends with code 1 and names the key and the reason.
#[tokio::test]
async fn what_cannot_start_says_why_and_ends() {
    let backend = Backend::grpc().await;
    let first = Setup::over(&[&backend]).start().await;
    let taken = first.ports;
    let cases = [
        (Ports { grpc: taken.grpc, ..Ports::free() }, "grpc"),
        (Ports { http: taken.http, ..Ports::free() }, "http"),
        (Ports { metrics: taken.metrics, ..Ports::free() }, "metrics"),
        (Ports { admin: taken.admin, ..Ports::free() }, "admin"),
    ];
    for (ports, word) in cases {
        let second = Setup::over(&[&backend]).spawn(ports);
        assert_eq!(second.ended().await, 1, "{word}");
        let log = second.stderr();
        assert!(log.contains(word) && log.contains("in use"), "{word}: {log}");
    }
    let lost = Setup::resolving("{file: {path: /nowhere/members.yaml}}").spawn(Ports::free());
    assert_eq!(lost.ended().await, 1);
    assert!(lost.stderr().contains("/nowhere/members.yaml"), "{}", lost.stderr());
    first.export(traces([span(1, 0)])).await.unwrap();
    first.settled().await;
}
