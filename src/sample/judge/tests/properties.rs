//! What holds whatever the policies.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sample::facts::Plan;
use crate::sample::testing::*;

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
