//! Kept traces on their way out: together, never one call a trace.

use crate::support::Content;
use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, count, span, traces};
use crate::support::sampling::{ALL, Sampling};
use crate::{support::Traces, verdicts};

const TRACES: u64 = 3000;

/// Many traces, spread over requests that come together.
fn burst() -> Vec<Traces> {
    let request = |first| traces((first..first + 100).flat_map(|trace| [span(trace, 0), span(trace, 1)]));
    (0..TRACES).step_by(100).map(request).collect()
}

fn calls(backend: &Backend) -> Vec<u64> {
    let spans = |content: &Content| match content {
        Content::Traces(traces) => count(traces),
        _ => 0,
    };
    backend.taken().iter().map(spans).collect()
}

/// Scenario: three thousand traces are kept within a moment, with `batch` behind the sampler, and without.
/// Guarantee: they leave in few calls.
#[tokio::test]
async fn a_burst_of_kept_traces_leaves_in_few_calls() {
    for batch in [Some("timeout: 100ms"), None] {
        let backend = Backend::grpc().await;
        let mut setup =
            Sampling::to(&backend, &format!("decision_wait: 1s, early_verdicts: off, policies: [{ALL}]"));
        setup.batch = batch.map(str::to_owned);
        let ringtail = setup.start().await;
        let sent = burst();
        for request in &sent {
            ringtail.export(request.clone()).await.unwrap();
        }
        let scrape = ringtail.settled().await;
        assert_eq!(verdicts(&scrape, "true"), TRACES as f64);
        assert_arrived_once(&sent, &[&backend]);
        let calls = backend.calls() as u64;
        assert!(calls <= TRACES / 30, "{calls} calls for {TRACES} traces, batch: {batch:?}");
    }
}

/// Scenario: the same with `send_batch_max_size`.
/// Guarantee: no call is larger, none is much smaller than need be.
#[tokio::test]
async fn a_batch_is_not_larger_than_allowed() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, early_verdicts: off, policies: [{ALL}]");
    let batch = "timeout: 200ms, send_batch_size: 500, send_batch_max_size: 500";
    let ringtail = Sampling::to(&backend, &keys).batch(batch).start().await;
    let sent = burst();
    for request in &sent {
        ringtail.export(request.clone()).await.unwrap();
    }
    ringtail.settled().await;
    assert_arrived_once(&sent, &[&backend]);
    let calls = calls(&backend);
    assert!(calls.iter().all(|spans| *spans <= 500), "{calls:?}");
    assert!(calls.len() <= 24, "{calls:?}");
}
