//! Policies that follow others keep the state of those that are as they were.

use std::time::Duration;

use super::*;
use crate::sample::facts::Plan;
use crate::sample::testing::*;
use crate::sample::{Dynamic, Method};

fn dynamic(goal: i64) -> Policy {
    let method = Method::WindowedThroughput {
        goal_throughput_per_sec: goal,
        update_frequency: Duration::from_secs(1),
        lookback_frequency: Duration::from_secs(10),
    };
    let dynamic = Dynamic { fields: vec!["k".into()], use_trace_length: false, max_keys: 10, method };
    policy(Rule::Dynamic(dynamic))
}

/// What policies keep of a second's traces after they have judged those of the second before; `change` comes between.
fn kept_after(compat: bool, before: &Policy, change: impl FnOnce(&mut Policies, &[Policy])) -> usize {
    let config = config(compat, vec![before.clone()]);
    let (plan, mut policies) = (Plan::new(&config), Policies::new(&config));
    judge_with(&plan, &mut policies, Moment(NOW), &alike(1, 40, "k=y"));
    change(&mut policies, &config.policies);
    // The policy that is looked at is the last one of what there is now.
    // Composites count by the second, dynamic samplers learn after one.
    let learns = matches!(before.rule, Rule::Dynamic(_));
    let now = Moment(NOW) + Duration::from_millis(if learns { 1500 } else { 500 });
    let later: Vec<(u128, &str)> = (0..40).map(|n| (n << 50 | 1 << 60, "k=y")).collect();
    kept(&judge_with(&plan, &mut policies, now, &later))
}

#[test]
fn what_is_as_it_was_goes_on_and_what_is_not_begins_anew() {
    let limited = |part: Policy| named("it", part);
    let policies = [
        limited(rate(4, 20)),
        limited(and(vec![text("k", &["y"]), rate(4, 20)])),
        limited(not(rate(4, 20))),
        limited(composite(20, vec![named("x", always())], &[])),
        limited(composite(20, vec![named("x", rate(4, 10)), named("y", always())], &[])),
        limited(dynamic(1)),
    ];
    for policy in policies {
        for compat in [false, true] {
            let on = kept_after(compat, &policy, |_, _| {});
            let anew = kept_after(compat, &policy, |policies, before| {
                *policies = Policies::new(&config(compat, before.to_vec()));
            });
            assert_ne!(on, anew, "{policy:?} has no state: the test is void");
            // Another policy before it that keeps nothing: its place is another.
            let moved = kept_after(compat, &policy, |policies, before| {
                let now = vec![named("none", span_count(1000, 0)), policy.clone()];
                let earlier = std::mem::replace(policies, Policies::new(&config(compat, now.clone())));
                policies.take_over(earlier, before, &now);
            });
            assert_eq!(moved, on, "{policy:?}, compat {compat}");
            let renamed = kept_after(compat, &policy, |policies, before| {
                let now = vec![named("other", policy.clone())];
                let earlier = std::mem::replace(policies, Policies::new(&config(compat, now.clone())));
                policies.take_over(earlier, before, &now);
            });
            assert_eq!(renamed, anew, "{policy:?}, compat {compat}");
        }
    }
}

#[test]
fn two_of_a_kind_have_a_state_each() {
    let it = named("it", rate(1, 5));
    let (one, two) = (config(false, vec![it.clone()]), config(false, vec![it.clone(), it]));
    let (plan, mut earlier) = (Plan::new(&one), Policies::new(&one));
    assert_eq!(kept(&judge_with(&plan, &mut earlier, Moment(NOW), &alike(1, 9, ""))), 5);
    let mut policies = Policies::new(&two);
    policies.take_over(earlier, &one.policies, &two.policies);
    assert_eq!(kept(&judge_with(&plan, &mut policies, Moment(NOW), &alike(20, 9, ""))), 5);
}
