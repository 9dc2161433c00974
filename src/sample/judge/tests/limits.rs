//! Limiters and composites on many traces.

use std::time::Duration;

use super::*;
use crate::sample::facts::Plan;
use crate::sample::testing::*;

fn check_count(policies: Vec<Policy>, traces: &[(u128, &str)], compat_and_ours: (usize, usize)) {
    for (compat, expected) in [(true, compat_and_ours.0), (false, compat_and_ours.1)] {
        let config = config(compat, policies.clone());
        assert_eq!(kept(&judge(&config, traces)), expected, "{policies:?}, compat {compat}");
    }
}

#[test]
fn limiters() {
    check_count(vec![rate(10, None)], &alike(1, 30, ""), (20, 20));
    check_count(vec![rate(10, 5)], &alike(1, 1, ";;;;;"), (0, 0));
    check_count(vec![rate(10, 5)], &alike(1, 2, ";;;;"), (1, 1));
    check_count(vec![rate(0, 5)], &alike(1, 8, ""), (5, 5));
    let mut mixed = alike(1, 20, "k=n");
    mixed.extend(alike(100, 7, "k=y"));
    check_count(vec![and(vec![text("k", &["y"]), rate(1, 5)])], &mixed, (5, 5));
    // The Collector charges left to right, also for what a later member rejects.
    check_count(vec![and(vec![rate(1, 5), text("k", &["y"])])], &mixed, (0, 5));
    check_count(vec![not(rate(1, 2))], &alike(1, 6, ""), (4, 4));
    // ... and for what another policy keeps.
    check_count(vec![text("k", &["n"]), rate(1, 5)], &mixed, (20, 25));
}

#[test]
fn limits_refill_and_composites_begin_anew() {
    for compat in [true, false] {
        for (limit, expected) in
            [(rate(2, 4), [4, 2, 2]), (composite(5, vec![named("x", always())], &[]), [5; 3])]
        {
            let config = config(compat, vec![limit]);
            let (plan, mut policies) = (Plan::new(&config), Policies::new(&config));
            for (second, expected) in (0..).zip(expected) {
                let now = Moment(NOW) + Duration::from_secs(second);
                let traces = alike(u128::from(second) * 100 + 1, 12, "");
                assert_eq!(kept(&judge_with(&plan, &mut policies, now, &traces)), expected);
            }
        }
    }
}

#[test]
fn bytes_are_counted_as_the_collector_counts_them() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        name: "span".into(),
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    };
    let scope_spans =
        vec![ScopeSpans { spans: vec![span], schema_url: "gone".into(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, schema_url: "gone".into(), resource: None }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    for (burst, outcome) in [(66, Outcome::Sampled), (65, Outcome::NotSampled)] {
        let limit = policy(Rule::BytesLimiting { bytes_per_second: 1, burst: Some(burst) });
        let config = config(true, vec![limit]);
        let arrival = Plan::new(&config).read(body.clone().into()).unwrap();
        let facts = &arrival.portions[0].facts;
        assert_eq!((facts.bytes, facts.envelope_bytes, facts.resources), (64, 2, 1));
        let due = Candidate { trace_id: [1; 16], facts };
        assert_eq!(Policies::new(&config).judge(Moment(NOW), &[due])[0].outcome, outcome);
    }
}

#[test]
fn composites() {
    let a = || named("a", text("k", &["a"]));
    let b = || named("b", text("k", &["b"]));
    let rest = || named("rest", always());
    let count = |compat, policy: Policy, traces: &[(u128, &str)]| {
        let verdicts = judge(&config(compat, vec![policy]), traces);
        let of = |wanted: &str| {
            let kept = |(_, verdict): &(&(u128, &str), &Verdict)| verdict.outcome == Outcome::Sampled;
            traces.iter().zip(&verdicts).filter(|(trace, _)| trace.1 == wanted).filter(kept).count()
        };
        (of("k=a"), of("k=b"), of("k=c"))
    };
    let mut traces = alike(1, 20, "k=a");
    traces.extend(alike(100, 15, "k=b"));
    traces.extend(alike(200, 15, "k=c"));
    let three = || composite(30, vec![a(), b(), rest()], &[("a", 50)]);
    assert_eq!(count(true, three(), &traces), (15, 10, 10));
    let ours = count(false, three(), &traces);
    assert_eq!(ours.0 + ours.1 + ours.2, 30, "what has no room falls through, and the total holds");
    assert!(ours.0 >= 10 && ours.1 >= 10 && ours.2 >= 10, "{ours:?}");

    let mut traces = alike(1, 20, "k=a");
    traces.extend(alike(100, 20, "k=c"));
    let small = composite(100, vec![a(), rest()], &[("a", 5), ("rest", 95)]);
    assert_eq!(count(true, small.clone(), &traces), (5, 0, 20));
    assert_eq!(count(false, small, &traces), (20, 0, 20));
    let twice = composite(10, vec![a(), rest()], &[("a", 100), ("rest", 100)]);
    assert_eq!(count(true, twice.clone(), &traces), (10, 0, 10));
    let ours = count(false, twice, &traces);
    assert_eq!(ours.0 + ours.2, 10);
    check_count(vec![composite(5, vec![rest()], &[])], &[(1, ";;;;;"), (2, ";;;;")], (1, 1));
    check_count(vec![composite(5, vec![], &[])], &[(1, "")], (0, 0));
}

#[test]
fn unused_budget_of_a_composite_is_given_away() {
    let parts = vec![named("a", text("k", &["a"])), named("rest", always())];
    let config = config(false, vec![composite(20, parts, &[("a", 50), ("rest", 50)])]);
    let (plan, mut policies) = (Plan::new(&config), Policies::new(&config));
    let mut second = |second: u64, traces: &[(u128, &'static str)]| {
        kept(&judge_with(&plan, &mut policies, Moment(NOW) + Duration::from_secs(second), traces))
    };
    assert_eq!(second(0, &alike(1, 40, "k=c")), 10, "nothing is known yet: half is kept for the other");
    assert_eq!(second(1, &alike(1, 40, "k=c")), 20, "the other did not want it");
    let mut both = alike(1, 40, "k=c");
    both.extend(alike(1000, 6, "k=a"));
    assert_eq!(second(2, &both), 20);
    assert_eq!(second(3, &alike(1, 40, "k=c")), 14, "six are kept for who wanted them the second before");
}

#[test]
fn limits_are_divided_among_shards_but_not_the_burst() {
    let with = |policy, num_shards| Config { num_shards, ..config(true, vec![policy]) };
    assert_eq!(kept(&judge(&with(rate(4, 4), 2), &alike(1, 20, ""))), 4);
    assert_eq!(kept(&judge(&with(rate(1, None), 4), &alike(1, 15, ""))), 2);
    let whole = composite(20, vec![named("x", always())], &[]);
    assert_eq!(kept(&judge(&with(whole, 2), &alike(1, 30, ""))), 10);
}
