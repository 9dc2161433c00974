//! The policies against verdicts that were seen from a running Collector, and where ours differ on purpose.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sample::facts::Plan;
use crate::sample::testing::*;
use crate::sample::{Composite, Policy, Rule};

/// A trace, and whether it is kept: `S` or `-`, in `compat` and ours alike, or first in `compat`, then ours.
type Row = (&'static str, &'static str);

fn check(policies: Vec<Policy>, rows: &[Row]) {
    for (trace, expected) in rows {
        for (compat, expected) in [(true, &expected[..1]), (false, &expected[expected.len() - 1..])] {
            let config = config(compat, policies.clone());
            let verdict = judge(&config, &[(7, trace)]).remove(0);
            let kept = if verdict.outcome == Outcome::Sampled { "S" } else { "-" };
            assert_eq!(kept, expected, "{policies:?} on {trace:?}, compat {compat}");
        }
    }
}

#[test]
fn string_attribute() {
    check(
        vec![text("k", &["acme"])],
        &[
            ("k=acme", "S"),
            ("k=acme2", "-"),
            ("k=ACME", "-"),
            ("res.k=acme", "S"),
            ("scope.k=acme", "-"),
            ("event:k=acme", "-"),
            ("res.k=other k=acme", "S"),
            ("k=[acme]", "-"),
            ("k=x k=acme", "-"), // the first of equal keys counts
        ],
    );
    check(vec![text("k", &["", "acme"])], &[("k=", "-"), ("res.k=", "-")]);
    check(vec![text("k", &["7"])], &[("k=#7", "-"), ("k=7", "S")]);
    check(vec![inverted(text("k", &[]))], &[("k=acme", "S")]);
    check(vec![regex("k", &["[cm]"])], &[("k=acme", "S"), ("k=abc", "S")]);
    check(vec![regex("k", &["^cm$"])], &[("k=acme", "-")]);
    check(vec![regex("k", &["z", "cm"])], &[("k=acme", "S"), ("k=abc", "-")]);
    let any = regex("k", &[".*"]);
    let rows = [("k=", "-"), ("res.k=", "S"), ("res.k=#7", "S-"), ("k=#7", "-"), ("", "-")];
    check(vec![any.clone()], &rows);
    check(vec![inverted(any)], &[("k=", "S"), ("res.k=", "-")]);
    let not_acme = inverted(text("k", &["acme"]));
    check(
        vec![not_acme.clone()],
        &[("k=acme", "-"), ("k=x", "S"), ("", "S"), ("k=x;k=acme", "-"), ("res.k=acme k=x", "-")],
    );
    check(vec![not_acme, always()], &[("k=acme", "S")]);
}

#[test]
fn numeric_attribute() {
    check(
        vec![numeric("n", 400, 499)],
        &[
            ("n=#399", "-"),
            ("n=#400", "S"),
            ("n=#499", "S"),
            ("n=#500", "-"),
            ("n=%450.0", "-S"),
            ("n=450", "-"),
            ("res.n=#450", "S"),
            ("scope.n=#450", "-"),
            ("n=#1;n=#450", "S"),
        ],
    );
    check(
        vec![numeric("n", None, 100)],
        &[("n=#100", "S"), ("n=#101", "-"), ("n=#-5", "S"), ("n=%700.5", "S-"), ("n=x", "S-"), ("", "-")],
    );
    check(vec![numeric("n", -10, 0)], &[("n=#1000", "S-"), ("n=#-11", "-"), ("n=#0", "S")]);
    check(vec![numeric("n", 0, 10)], &[("n=#-5", "S-"), ("n=#11", "-"), ("n=%10.0", "S"), ("n=%10.5", "S-")]);
    check(vec![numeric("n", 10, 5)], &[("n=#7", "-")]);
    let outside = inverted(numeric("n", 400, 499));
    check(vec![outside], &[("n=#450", "-"), ("n=%450.0", "S-"), ("", "S")]);
    let fraction = Some(crate::sample::Number::Double(1.5));
    let cut = policy(Rule::Numeric { key: "n".into(), min: fraction, max: None, invert: false });
    check(vec![cut], &[("n=#1", "S-"), ("n=#2", "S"), ("n=%1.5", "-S")]);
}

#[test]
fn boolean_attribute() {
    check(
        vec![boolean("b", true)],
        &[("b=!true", "S"), ("b=true", "-"), ("b=#1", "-"), ("res.b=!true", "S"), ("", "-")],
    );
    let no = boolean("b", false);
    check(
        vec![no.clone()],
        &[("b=!true", "-"), ("b=!false", "S"), ("b=true", "S-"), ("b=#1", "S-"), ("", "-")],
    );
    check(vec![inverted(no)], &[("b=!true", "S"), ("b=x", "-S"), ("", "S")]);
}

#[test]
fn status_code_and_flags() {
    let error = status(false, false, true);
    check(vec![error], &[("status:1;status:2", "S"), ("status:1", "-"), ("status:0", "-"), ("", "-")]);
    check(vec![status(true, false, false)], &[("", "S"), ("status:2", "-")]);
    let flags = policy(Rule::TraceFlags);
    check(
        vec![flags],
        &[("flags:1", "S"), ("flags:100", "-"), ("flags:301", "S"), ("", "-"), ("flags:0;flags:1", "S")],
    );
}

#[test]
fn latency_policy() {
    check(
        vec![latency(100, 0)],
        &[
            ("@0~100", "-"),
            ("@0~100.999", "-"),
            ("@0~101", "S"),
            ("@0~60;@50~101", "S"),
            ("@50~101;@0~60", "S"),
            ("@0~60;@60~100.9", "-"),
            ("@z~0", "S-"),
            ("@0~z", "-"),
            ("@500~0", "-"),
            ("@z~z;@0~10", "-"),
            ("@0~10;@z~z", "S-"),
        ],
    );
    check(vec![latency(0, 0)], &[("@0~0.999", "-"), ("@0~1", "S")]);
    check(vec![latency(-1, 0)], &[("@0~0", "S"), ("@0.5~0", "S"), ("@1~0", "-")]);
    check(
        vec![latency(100, 200)],
        &[
            ("@0~100", "-"),
            ("@0~101", "S"),
            ("@0~200.9", "S"),
            ("@0~201", "-"),
            ("@0~150;@0~500", "S-"),
            ("@0~500;@0~150", "-"),
            ("@0~60/@60~150/@300~400", "S-"),
        ],
    );
    check(vec![latency(200, 100)], &[("@0~150", "-")]);
}

#[test]
fn span_counts() {
    check(vec![span_count(2, 0)], &[("", "-"), (";", "S")]);
    check(vec![span_count(2, 3)], &[(";;", "S"), (";;;", "-")]);
    check(vec![span_count(3, 0)], &[("//", "S")]);
    check(vec![span_count(0, 0)], &[("", "S")]);
    check(vec![span_count(0, -1)], &[("", "-")]);
    check(vec![span_count(3_000_000_000_i64 as i32, 0)], &[("", "S")]);
}

#[test]
fn trace_state() {
    let values = vec!["v1".into(), "v2".into()];
    let state = policy(Rule::TraceState { key: "vendor".into(), values });
    check(
        vec![state.clone()],
        &[
            ("ts:a=b,vendor=v2", "S"),
            ("ts:vendor=v3", "-"),
            ("ts:vendor=v1,=x", "-"),
            ("ts:vendor=v1,UPPER=x", "-"),
            ("ts:vendor=v1,vendor=v2", "-"),
            ("ts:a=b , vendor=v1", "S"),
            ("ts:a=b,,vendor=v1", "S"),
            (";ts:vendor=v1", "S"),
        ],
    );
    for (others, kept) in [(31, Outcome::Sampled), (32, Outcome::NotSampled)] {
        let others: String = (0..others).map(|n| format!(",k{n}=v")).collect();
        let verdict = judge(&config(true, vec![state.clone()]), &[(1, &format!("ts:vendor=v1{others}"))]);
        assert_eq!(verdict[0].outcome, kept);
    }
    for (len, kept) in [(249, Outcome::Sampled), (250, Outcome::NotSampled)] {
        let value = "x".repeat(len);
        let long = policy(Rule::TraceState { key: "vendor".into(), values: vec![value.clone()] });
        let verdict = judge(&config(false, vec![long]), &[(1, &format!("ts:vendor={value}"))]);
        assert_eq!(verdict[0].outcome, kept);
    }
}

#[test]
fn combinators() {
    let (a, b) = (text("a", &["1"]), text("b", &["1"]));
    check(vec![and(vec![a.clone(), b.clone()])], &[("a=1;b=1", "S"), ("a=1", "-")]);
    check(vec![and(vec![])], &[("", "S")]);
    check(vec![not(a.clone())], &[("a=1", "-"), ("", "S")]);
    check(vec![not(inverted(a.clone()))], &[("a=1", "S")]);
    check(vec![always(), drop_if(vec![a.clone()])], &[("a=1", "-"), ("", "S")]);
    check(vec![always(), drop_if(vec![a.clone(), b])], &[("a=1", "S"), ("a=1 b=1", "-")]);
    check(vec![always(), drop_if(vec![])], &[("", "-")]);
    check(vec![drop_if(vec![a.clone()])], &[("", "-")]);
    check(vec![always(), drop_if(vec![not(a.clone())])], &[("", "-"), ("a=1", "S")]);
    check(vec![], &[("", "-")]);
    for compat in [true, false] {
        let policies = vec![always(), drop_if(vec![a.clone()])];
        let config = Config { sample_on_first_match: true, ..config(compat, policies) };
        assert_eq!(judge(&config, &[(1, "a=1")])[0].outcome, Outcome::Dropped);
    }
}

/// `count` traces alike, with ids from `first` on.
fn alike(first: u128, count: u128, trace: &'static str) -> Vec<(u128, &'static str)> {
    (first..first + count).map(|id| (id, trace)).collect()
}

fn kept(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Sampled).count()
}

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

fn composite(max_total: i64, policies: Vec<Policy>, allocation: &[(&str, i64)]) -> Policy {
    let order = policies.iter().map(|policy| policy.name.clone()).collect();
    let allocation = allocation.iter().map(|(name, percent)| ((*name).to_owned(), *percent)).collect();
    policy(Rule::Composite(Composite { max_total, order, policies, allocation }))
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

#[test]
fn span_ingest_in_compat_sees_the_portion_only() {
    let run = |policy: Vec<Policy>, parts: &[&str]| {
        let config = config(true, policy);
        let (plan, mut policies) = (Plan::new(&config), Policies::new(&config));
        let mut trace = Facts::default();
        parts.iter().position(|part| {
            let portion = facts(&plan, 1, part);
            plan.absorb(&mut trace, &portion);
            let candidate = Candidate { trace_id: 1u128.to_be_bytes(), facts: &trace };
            policies.ingest(Moment(NOW), candidate, &portion).is_some()
        })
    };
    assert_eq!(run(vec![text("k", &["y"])], &["k=q", "k=y", "j=y"]), Some(1));
    assert_eq!(run(vec![span_count(3, 0)], &["", "", ""]), Some(2));
    assert_eq!(run(vec![latency(100, 0)], &["@0~60", "@60~150"]), None);
    assert_eq!(run(vec![and(vec![text("k", &["y"]), text("j", &["y"])])], &["k=y", "j=y"]), None);
    assert_eq!(run(vec![always(), drop_if(vec![text("d", &["1"])])], &["", ""]), None);
    assert_eq!(run(vec![always(), drop_if(vec![text("d", &["1"])])], &["", "d=1"]), Some(1));
    assert_eq!(run(vec![not(text("d", &["1"]))], &["x=1"]), Some(0));
}

#[test]
fn span_ingest_of_ours_sees_the_trace() {
    let config = config(false, vec![and(vec![text("k", &["y"]), text("j", &["y"])])]);
    let (plan, mut policies) = (Plan::new(&config), Policies::new(&config));
    let portion = facts(&plan, 1, "j=y");
    let mut trace = facts(&plan, 1, "k=y");
    let mut ingest = |facts: &Facts| {
        policies.ingest(Moment(NOW), Candidate { trace_id: [1; 16], facts }, &portion).is_some()
    };
    assert!(!ingest(&trace));
    plan.absorb(&mut trace, &portion);
    assert!(ingest(&trace));
}

/// A trace id whose low 56 bits are `randomness`.
fn id(randomness: u64) -> u128 {
    1 << 100 | u128::from(randomness)
}

#[test]
fn thresholds_of_opentelemetry() {
    const HALF: u64 = 1 << 55;
    for compat in [true, false] {
        let with = |policies| Config { tracestate: true, ..config(compat, policies) };
        let one = |policies, trace_id, trace| {
            let verdict = judge(&with(policies), &[(trace_id, trace)]).remove(0);
            (verdict.outcome == Outcome::Sampled, verdict.threshold)
        };
        let half = || vec![probabilistic(50.0)];
        assert_eq!(one(half(), 1, "ts:ot=rv:80000000000000"), (true, Some(HALF)));
        assert_eq!(one(half(), 1, "ts:ot=rv:7fffffffffffff"), (false, None), "the hash is not asked");
        assert_eq!(one(half(), id((1 << 56) - 1), "ts:ot=th:0"), (true, Some(HALF)));
        assert_eq!(one(vec![probabilistic(50.0), always()], 1, "ts:ot=rv:80000000000000"), (true, Some(0)));
        let both = and(vec![probabilistic(50.0), probabilistic(25.0)]);
        assert_eq!(one(vec![both], 1, "ts:ot=rv:f0000000000000"), (true, Some(HALF + HALF / 2)));
        let hashed = judge(&with(half()), &[(1, "ts:ot=rv:zz"), (0x8000 << 112, "")]);
        assert_eq!(hashed[0].outcome, Outcome::NotSampled, "what cannot be read says nothing: the hash");
        assert_eq!((hashed[1].outcome, hashed[1].threshold), (Outcome::Sampled, Some(HALF)));
        assert_eq!(one(vec![always()], 1, ""), (true, None), "nothing here is a matter of chance");
        assert_eq!(one(vec![rate(10, None)], 1, ""), (true, Some(0)), "a limiter that is not full");

        let traces: Vec<(u128, &str)> = (1..=10).map(|n| (id(n << 40), "")).collect();
        let verdicts = judge(&with(vec![rate(3, 3)]), &traces);
        let kept: Vec<usize> = (0..10).filter(|at| verdicts[*at].outcome == Outcome::Sampled).collect();
        assert_eq!(kept, [7, 8, 9], "those of the highest randomness");
        assert!(
            kept.iter().all(|at| verdicts[*at].threshold == Some((7 << 40) + 1)),
            "the next one's, and 1"
        );

        let tied = [(id(9), ""), (id(5), ""), (id(5) | 1 << 99, ""), (id(1), "")];
        assert_eq!(kept_of(&judge(&with(vec![rate(2, 2)]), &tied)), [0], "ties fall together");
    }
}

fn kept_of(verdicts: &[Verdict]) -> Vec<usize> {
    (0..verdicts.len()).filter(|at| verdicts[*at].outcome == Outcome::Sampled).collect()
}

#[test]
fn the_record_names_who_decided() {
    let parts = vec![named("x", text("k", &["a"])), named("y", always())];
    let policies =
        vec![status(false, false, true), composite(10, parts, &[]), drop_if(vec![text("d", &["1"])])];
    for compat in [true, false] {
        let config = config(compat, policies.clone());
        let verdicts = judge(&config, &[(1, "k=b"), (2, "status:2 d=1"), (3, "status:2")]);
        assert_eq!((verdicts[0].policy, verdicts[0].composite), (Some(1), Some((1, 1))));
        assert_eq!(verdicts[0].votes[..], [Vote::NotSampled, Vote::Sampled, Vote::NotSampled]);
        assert_eq!((verdicts[1].outcome, verdicts[1].policy), (Outcome::Dropped, Some(2)));
        assert_eq!(verdicts[1].votes[..], [Vote::NotAsked, Vote::NotAsked, Vote::Dropped]);
        // The Collector asks the composite although the trace is kept.
        let asked = if compat { (Vote::Sampled, Some((1, 1))) } else { (Vote::NotAsked, None) };
        assert_eq!(
            (verdicts[2].policy, verdicts[2].votes[1], verdicts[2].composite),
            (Some(0), asked.0, asked.1)
        );
    }
}

/// Policies of every kind, for the properties.
fn any_policies() -> impl Strategy<Value = Vec<Policy>> {
    let leaf = prop_oneof![
        Just(always()),
        Just(status(false, false, true)),
        (-50i64..200, 0i64..300).prop_map(|(threshold, upper)| latency(threshold, upper)),
        (0i32..4, 0i32..6).prop_map(|(min, max)| span_count(min, max)),
        (0.0f64..110.0).prop_map(probabilistic),
        prop::sample::select(vec!["1", "2"]).prop_map(|value| text("a", &[value])),
        Just(inverted(text("a", &["1"]))),
        Just(numeric("n", 0, 10)),
        Just(boolean("b", false)),
        (1i64..10).prop_map(|spans| rate(spans, None)),
    ];
    let parts = prop::collection::vec(leaf.clone(), 0..3);
    let any = prop_oneof![
        4 => leaf.clone(),
        1 => parts.clone().prop_map(and),
        1 => parts.clone().prop_map(drop_if),
        1 => leaf.prop_map(not),
        1 => (1i64..20, parts).prop_map(|(max, parts)| {
            let name = |(at, part): (usize, Policy)| named(&format!("p{at}"), part);
            composite(max, parts.into_iter().enumerate().map(name).collect(), &[("p0", 30)])
        }),
    ];
    prop::collection::vec(any, 0..5)
}

fn any_span() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a=1", "a=2", "res.a=1", "n=#5", "n=%3.5", "n=x", "b=!false", "b=x", "status:2", "@0~50", "@40~170",
        "@z~z", "child",
    ]);
    prop::collection::vec(token, 0..4).prop_map(|tokens| tokens.join(" "))
}

fn any_traces() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(any_span(), 1..5), 1..12)
}

fn facts_of(plan: &Plan, id: u128, spans: &[String]) -> Facts {
    facts(plan, id, &spans.join("/"))
}

proptest! {
    // Scenario: the same traces, their spans and the policies in another order.
    // Guarantees: outside `compat` every verdict and threshold is the same.
    #[test]
    fn verdicts_do_not_depend_on_any_order(
        policies in any_policies(),
        traces in any_traces(),
        turn in 0usize..12,
    ) {
        let judge = |policies: Vec<Policy>, turn: usize, backwards: bool| {
            let config = config(false, policies);
            let (plan, mut state) = (Plan::new(&config), Policies::new(&config));
            let mut order: Vec<usize> = (0..traces.len()).collect();
            order.rotate_left(turn % traces.len());
            let facts: Vec<Facts> = order.iter().map(|at| {
                let mut spans = traces[*at].clone();
                if backwards { spans.reverse(); }
                facts_of(&plan, *at as u128 + 1, &spans)
            }).collect();
            let candidate = |(at, facts): (&usize, _)| Candidate { trace_id: (*at as u128 + 1).to_be_bytes(), facts };
            let due: Vec<Candidate<'_>> = order.iter().zip(&facts).map(candidate).collect();
            let verdicts = state.judge(Moment(NOW), &due);
            let mut found: Vec<_> = order.into_iter().zip(verdicts).collect();
            found.sort_by_key(|(at, _)| *at);
            found.into_iter().map(|(_, verdict)| (verdict.outcome, verdict.threshold)).collect::<Vec<_>>()
        };
        let mut turned = policies.clone();
        turned.reverse();
        prop_assert_eq!(judge(policies, 0, false), judge(turned, turn, true));
    }

    // Scenario: a trace comes span by span; before its end a verdict is settled.
    // Guarantees: the verdict at the end is the same, and recorded under the same policy.
    #[test]
    fn what_is_settled_stays(policies in any_policies(), spans in prop::collection::vec(any_span(), 1..6), id in 1u128..1000) {
        let config = config(false, policies);
        let (plan, state) = (Plan::new(&config), Policies::new(&config));
        let mut trace = Facts::default();
        let mut settled: Option<Verdict> = None;
        for span in &spans {
            plan.absorb(&mut trace, &facts(&plan, id, span));
            let candidate = Candidate { trace_id: id.to_be_bytes(), facts: &trace };
            settled = settled.or_else(|| state.settled(candidate));
        }
        let candidate = Candidate { trace_id: id.to_be_bytes(), facts: &trace };
        let verdict = Policies::new(&config).judge(Moment(NOW), &[candidate]).remove(0);
        if let Some(settled) = settled {
            let said = (settled.outcome, settled.policy, settled.threshold);
            prop_assert_eq!(said, (verdict.outcome, verdict.policy, verdict.threshold));
        }
    }

    // Scenario: more than a composite's or a limiter's worth of traces in one second, whatever the sub-policies.
    // Guarantees: a composite of ours never exceeds its total.
    #[test]
    fn a_composite_never_exceeds_its_total(max in 1i64..20, traces in any_traces(), percent in 0i64..200) {
        let parts = vec![named("a", text("a", &["1"])), named("n", numeric("n", 0, 9)), named("r", always())];
        let config = config(false, vec![composite(max, parts, &[("a", percent), ("n", percent / 2)])]);
        let (plan, mut state) = (Plan::new(&config), Policies::new(&config));
        for second in 0..3u64 {
            let facts: Vec<Facts> =
                traces.iter().zip(1u128..).map(|(spans, id)| facts_of(&plan, id, spans)).collect();
            let candidate = |(facts, id): (_, u128)| Candidate { trace_id: id.to_be_bytes(), facts };
            let due: Vec<Candidate<'_>> = facts.iter().zip(1..).map(candidate).collect();
            let verdicts = state.judge(Moment(NOW) + Duration::from_secs(second), &due);
            let kept = verdicts.iter().zip(&due).filter(|(verdict, _)| verdict.outcome == Outcome::Sampled);
            prop_assert!(kept.map(|(_, trace)| i64::from(trace.facts.spans)).sum::<i64>() <= max);
        }
    }
}
