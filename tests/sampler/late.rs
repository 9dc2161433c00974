//! Spans that come after the verdict of their trace.

use crate::ended;
use crate::mixed;
use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, failing, span, traces};
use crate::support::sampling::{ERRORS, Sampling};
use crate::support::wait;

/// Scenario: verdicts are taken; then spans come of kept traces and of others, some of them failing.
/// Guarantee: those of kept traces arrive, at once; the others do not, and are counted as late.
#[tokio::test]
async fn late_spans_follow_the_verdict() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).batch("timeout: 20ms").start().await;
    let first = traces((0..30).map(|trace| mixed(trace, 0)));
    ringtail.export(first).await.unwrap();
    ringtail.settled().await;
    let late =
        traces((0..30).map(|trace| if trace % 3 == 0 { span(trace, 1) } else { failing(span(trace, 1)) }));
    ringtail.export(late).await.unwrap();
    let scrape = ringtail.settled().await;
    let of_errors = (0..30).filter(|trace| trace % 3 == 0).flat_map(|t| [failing(span(t, 0)), span(t, 1)]);
    assert_arrived_once(&[traces(of_errors)], &[&backend]);
    assert_eq!(ended(&scrape, "late_not_sampled"), 20);
    assert_eq!(ended(&scrape, "not_sampled"), 20);
}

/// Scenario: the same with `second_chance`.
/// Guarantee: a late error brings the whole trace, what came before the verdict included; a late success does not.
#[tokio::test]
async fn a_late_error_is_a_second_chance() {
    for directory in [false, true] {
        let backend = Backend::grpc().await;
        let keys = format!("decision_wait: 2s, second_chance: true, policies: [{ERRORS}]");
        let setup = Sampling::to(&backend, &keys);
        let setup = if directory { setup.on_disk("") } else { setup };
        let ringtail = setup.batch("timeout: 20ms").start().await;
        ringtail.export(traces((0..20).map(|trace| span(trace, 0)))).await.unwrap();
        ringtail.scrape_until("the verdicts", |s| crate::verdicts(s, "false") == 20.0).await;
        let late = traces((0..20).map(|t| if t < 5 { failing(span(t, 1)) } else { span(t, 1) }));
        ringtail.export(late).await.unwrap();
        wait::until("five traces arrive", || backend.spans().len() >= 10).await;
        ringtail.settled().await;
        let whole = (0..5).flat_map(|trace| [span(trace, 0), failing(span(trace, 1))]);
        assert_arrived_once(&[traces(whole)], &[&backend]);
    }
}
