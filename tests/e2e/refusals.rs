//! Backends that refuse, break off, or take a part: who is told what, and what is sent again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prost::Message;
use tonic::Code;

use crate::support::Content;
use crate::support::backend::{Backend, Reply};
use crate::support::load::{assert_arrived_once, seen, span, traces};
use crate::support::process::Ringtail;
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::status::retry_delay;
use crate::support::wait;

async fn one() -> (Backend, Ringtail) {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("gather: {max_age: 60s}").start().await;
    (backend, ringtail)
}

fn has_poison(content: &Content) -> bool {
    matches!(content, Content::Traces(traces) if seen(traces).iter().any(|one| one.span.name == "poison"))
}

/// Scenario: nine requests gather into one call; one of them holds a span for which the backend refuses the whole call
/// with INVALID_ARGUMENT.
/// Guarantee: only that sender is refused, for good; the other eight succeed and arrive once.
#[tokio::test]
async fn only_the_guilty_sender_of_a_merged_call_is_refused() {
    let (backend, ringtail) = one().await;
    backend.answer(|content| match has_poison(content) {
        true => Reply::Refuse(Code::InvalidArgument, None),
        false => Reply::Take,
    });
    backend.close_gate();
    let first = traces([span(100, 0)]);
    let innocents: Vec<_> = (0..8).map(|n| traces([span(n, 0), span(n, 1)])).collect();
    let mut poison = span(50, 0);
    poison.name = "poison".into();
    let client = ringtail.traces(); // one connection, so that all gather on one worker
    let export = |request| {
        let mut client = client.clone();
        tokio::spawn(async move { client.export(request).await })
    };
    let plug = export(first.clone());
    wait::until("the first call is with the backend", || backend.calls() == 1).await;
    let good: Vec<_> = innocents.iter().map(|request| export(request.clone())).collect();
    let bad = export(traces([poison]));
    let ten = |scrape: &crate::support::ledger::Scrape| scrape.sum("ringtail_calls_in", &[]) == 10.0;
    ringtail.scrape_until("all are in", ten).await;
    backend.open_gate();
    plug.await.unwrap().unwrap();
    let refusal = bad.await.unwrap().unwrap_err();
    assert!(matches!(refusal.code(), Code::InvalidArgument | Code::Internal), "{refusal:?}");
    assert!(refusal.message().contains("as told"), "{refusal:?}");
    for answer in join_all(good).await {
        answer.unwrap().unwrap();
    }
    let sent: Vec<_> = innocents.into_iter().chain([first]).collect();
    assert_arrived_once(&sent, &[&backend]);
    let merged = backend.taken().iter().any(|c| matches!(c, Content::Traces(t) if seen(t).len() > 2));
    assert!(merged, "innocents still travel together");
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "backend_refused"), 1);
}

/// Scenario: a backend answers UNAVAILABLE once, another time with RetryInfo of 400 ms.
/// Guarantee: the sender sees success only; the backend's wish is honoured.
#[tokio::test]
async fn a_passing_refusal_is_retried_and_the_sender_never_knows() {
    let (backend, ringtail) = one().await;
    backend.answer_next(1, Reply::Refuse(Code::Unavailable, None));
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_eq!(backend.calls(), 2);
    let wish = Duration::from_millis(400);
    for (n, code) in [(2, Code::Unavailable), (3, Code::ResourceExhausted)] {
        backend.answer_next(1, Reply::Refuse(code, Some(wish)));
        let start = Instant::now();
        ringtail.export(traces([span(n, 0)])).await.unwrap();
        assert!(start.elapsed() >= wish, "{code:?}: sent again after {:?}", start.elapsed());
    }
    assert_arrived_once(&[traces((1..4).map(|n| span(n, 0)))], &[&backend]);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.ledger("load_balancing", "traces").delivered, 3);
}

/// Scenario: RESOURCE_EXHAUSTED without RetryInfo, and codes that never pass.
/// Guarantee: one attempt, and a refusal that the sender must not retry.
#[tokio::test]
async fn a_refusal_for_good_is_passed_on_at_once() {
    let (backend, ringtail) = one().await;
    let codes = [Code::ResourceExhausted, Code::PermissionDenied, Code::Unimplemented, Code::InvalidArgument];
    for code in codes {
        let before = backend.calls();
        backend.answer_next(1, Reply::Refuse(code, None));
        let refusal = ringtail.export(traces([span(1, 0)])).await.unwrap_err();
        let retried = [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted, Code::Cancelled];
        assert!(!retried.contains(&refusal.code()), "{code:?} became {refusal:?}");
        assert_eq!(retry_delay(refusal.details()), None);
        assert_eq!(backend.calls(), before + 1, "{code:?}");
    }
    let headers = [("content-type", "application/json")];
    backend.answer_next(1, Reply::Refuse(Code::InvalidArgument, None));
    let answer = ringtail.post(&headers, serde_json::to_vec(&traces([span(1, 0)])).unwrap()).await;
    assert!(![429, 502, 503, 504].contains(&answer.status), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(ringtail.settled().await.reason("load_balancing", "backend_refused"), 5);
}

/// Scenario: `retry_on_failure: {enabled: false}` and a backend that answers UNAVAILABLE.
/// Guarantee: one attempt; the sender is told to come back.
#[tokio::test]
async fn without_retries_a_passing_refusal_goes_to_the_sender() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).retry("{enabled: false}").start().await;
    backend.answer_next(1, Reply::Refuse(Code::Unavailable, Some(Duration::from_secs(7))));
    let refusal = ringtail.export(traces([span(1, 0)])).await.unwrap_err();
    assert_eq!((refusal.code(), backend.calls()), (Code::Unavailable, 1));
    assert_eq!(retry_delay(refusal.details()), Some(Duration::from_secs(7)));
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_arrived_once(&[traces([span(1, 0)])], &[&backend]);
    assert_eq!(ringtail.settled().await.reason("load_balancing", "retry_exhausted"), 1);
}

/// Scenario: a backend takes a call and rejects two of its five spans.
/// Guarantee: the sender learns of exactly two, with the backend's words, and nothing is sent again.
#[tokio::test]
async fn a_backend_s_partial_success_reaches_the_sender() {
    let (backend, ringtail) = one().await;
    backend.answer_next(1, Reply::Partial(2, "too old"));
    let answer = ringtail.export(traces((0..5).map(|n| span(1, n)))).await.unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!((partial.rejected_spans, &*partial.error_message), (2, "too old"));
    assert_eq!(backend.calls(), 1);
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.reason("load_balancing", "backend_rejected"), 2);
    assert_eq!(scrape.ledger("load_balancing", "traces").delivered, 3);
}

/// Scenario: a backend dies with a call in its hands and comes back on the same port.
/// Guarantee: the call is sent again to it; the sender sees success, spans arrive once.
#[tokio::test]
async fn a_call_cut_off_by_a_restart_is_sent_again() {
    let (backend, ringtail) = one().await;
    backend.close_gate();
    let sent = traces((0..3).map(|n| span(1, n)));
    let mut client = ringtail.traces();
    let request = sent.clone();
    let waiting = tokio::spawn(async move { client.export(request).await });
    wait::until("the call is with the backend", || backend.calls() == 1).await;
    backend.stop();
    let held = |scrape: &crate::support::ledger::Scrape| scrape.held() > 0.0;
    ringtail.scrape_until("it is held", held).await;
    backend.open_gate();
    backend.restart().await;
    waiting.await.unwrap().unwrap();
    assert_arrived_once(&[sent], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: a backend that does not answer within `timeout`, then does.
/// Guarantee: the call ends at the timeout and is sent again; the sender sees success.
#[tokio::test]
async fn a_call_without_answer_is_sent_again_after_the_timeout() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("timeout: 200ms").start().await;
    backend.close_gate();
    let sent = traces([span(1, 0)]);
    let mut client = ringtail.traces();
    let request = sent.clone();
    let waiting = tokio::spawn(async move { client.export(request).await });
    wait::until("the call came twice", || backend.calls() >= 2).await;
    backend.open_gate();
    waiting.await.unwrap().unwrap();
    assert_arrived_once(&[sent], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: a backend refuses for good, and another time for now, with messages of many kilobytes.
/// Guarantee: the sender gets the right kind of refusal with the beginning of the message, in headers that every
/// client accepts (the smallest limit among them is 8 KB).
#[tokio::test]
async fn long_messages_of_a_backend_are_shortened() {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).with("hold: {max_age: 200ms}").start().await;
    for length in [3_000, 9_000] {
        let message = "ü".repeat(length / 2);
        for (code, passes) in [(Code::PermissionDenied, false), (Code::Unavailable, true)] {
            let said = message.clone();
            backend.answer(move |_| Reply::Say(code, said.clone()));
            let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
            let body = framed(false, &traces([span(1, 0)]).encode_to_vec());
            let answer = grpc.call(TRACES, &[], body).await.unwrap();
            assert_eq!(answer.code == Some(14), passes, "{length}: {:?} {}", answer.code, answer.message);
            let size: usize = answer.headers.iter().map(|(k, v)| k.as_str().len() + v.len() + 32).sum();
            assert!(size < 8 << 10, "{size} bytes of headers");
            assert!(answer.message.contains("%C3%BC%C3%BC"), "{length} {code:?}: {}", answer.message);
        }
    }
    ringtail.settled().await;
}
