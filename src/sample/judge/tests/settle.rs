//! How verdicts come about: at each arrival, with thresholds, under whose name.

use super::*;
use crate::sample::facts::Plan;
use crate::sample::testing::*;

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
        let chance = (true, compat.then_some(0));
        assert_eq!(one(vec![always()], 1, ""), chance, "only the Collector says so where there is no chance");
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

#[test]
fn dynamic_samplers_agree_across_nodes_and_mark_what_they_keep() {
    use crate::sample::{Dynamic, Method};
    let method = Method::Window { sample_rate: 10, clear_frequency: std::time::Duration::from_secs(30) };
    let dynamic = Dynamic { fields: vec!["k".into()], use_trace_length: false, max_keys: 500, method };
    let config = Config { tracestate: true, ..config(false, vec![policy(Rule::Dynamic(dynamic))]) };
    let traces: Vec<(u128, &str)> =
        (1..=400u64).map(|n| (id(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8), "k=a")).collect();
    let first = judge(&config, &traces);
    let backwards: Vec<_> = traces.iter().rev().copied().collect();
    let mut second = judge(&config, &backwards);
    second.reverse();
    assert!((20..=60).contains(&kept(&first)), "{} of 400, wanted a tenth", kept(&first));
    for (one, other) in first.iter().zip(&second) {
        assert_eq!((one.outcome, one.threshold), (other.outcome, other.threshold));
        let marked = (one.outcome == Outcome::Sampled).then_some((9 * (1u64 << 56)).div_euclid(10));
        assert_eq!(one.threshold, marked);
    }
}

#[test]
fn settled_verdicts() {
    let says = |policies: Vec<Policy>, trace| {
        let config = Config { tracestate: false, ..config(false, policies) };
        let facts = facts(&Plan::new(&config), 1, trace);
        let candidate = Candidate { trace_id: 1u128.to_be_bytes(), facts: &facts };
        Policies::new(&config).settled(candidate).map(|verdict| (verdict.outcome, verdict.policy))
    };
    let error = || status(false, false, true);
    let drop = || drop_if(vec![text("d", &["1"])]);
    assert_eq!(says(vec![error()], ""), None, "an error may come");
    assert_eq!(says(vec![error()], "status:2"), Some((Outcome::Sampled, Some(0))));
    assert_eq!(says(vec![latency(1, 0), error()], "status:2"), None, "it may come under another name");
    assert_eq!(says(vec![rate(1, None), error()], "status:2"), Some((Outcome::Sampled, Some(1))));
    assert_eq!(says(vec![error(), drop()], "status:2"), None, "it may be dropped");
    assert_eq!(says(vec![error(), drop()], "status:2 d=1"), Some((Outcome::Dropped, Some(1))));
    assert_eq!(says(vec![probabilistic(0.0)], ""), Some((Outcome::NotSampled, None)));
    assert_eq!(says(vec![probabilistic(100.0)], ""), Some((Outcome::Sampled, Some(0))));
    assert_eq!(says(vec![], ""), Some((Outcome::NotSampled, None)));
    assert_eq!(says(vec![span_count(0, 2)], ";;"), Some((Outcome::NotSampled, None)));
    assert_eq!(says(vec![rate(5, None)], ""), None, "who has state is not asked");
    let compat = config(true, vec![always()]);
    let facts = facts(&Plan::new(&compat), 1, "");
    let candidate = Candidate { trace_id: [1; 16], facts: &facts };
    assert!(Policies::new(&compat).settled(candidate).is_none());
}
