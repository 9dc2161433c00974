//! A shard that is reconfigured while traces come, wait, leave and come late.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::change_world::{World, pair};
use crate::journal;
use crate::observe::Ledger;
use crate::outcome::Signal;
use crate::sample::{Config, DecisionCache, Early, ErrorMode, Policy, Rule, StatusCodes};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Spans { request: ExportTraceServiceRequest, late_reader: bool },
    Pass { ms: u64 },
    Change(Box<Config>),
}

prop_compose! {
    fn span()(
        trace in 1u8..7,
        error in prop::bool::weighted(0.1),
        root in prop::bool::weighted(0.2),
        value in prop_oneof![Just("a"), Just("b"), Just("{}")],
        ms in prop_oneof![Just(10u64), Just(700)],
        state in prop_oneof![4 => Just(""), 1 => Just("ot=rv:80000000000001"), 1 => Just("v=1")],
    ) -> Span {
        let start = 1_700_000_000_000_000_000;
        Span {
            trace_id: vec![trace; 16],
            parent_span_id: if root { Vec::new() } else { vec![1; 8] },
            status: error.then(|| Status { code: 2, ..Status::default() }),
            attributes: vec![pair("k", value)],
            start_time_unix_nano: start,
            end_time_unix_nano: start + ms * 1_000_000,
            trace_state: state.into(),
            ..Span::default()
        }
    }
}

prop_compose! {
    fn resource()(env in 0u8..2, scopes in prop::collection::vec(prop::collection::vec(span(), 1..3), 1..3)) -> ResourceSpans {
        let scope = |spans| ScopeSpans { spans, ..ScopeSpans::default() };
        ResourceSpans {
            resource: Some(Resource { attributes: vec![pair("env", ["dev", "prod"][usize::from(env)])], ..Resource::default() }),
            scope_spans: scopes.into_iter().map(scope).collect(),
            ..ResourceSpans::default()
        }
    }
}

fn text(key: &str, value: &str, invert: bool) -> Rule {
    Rule::StringAttribute { key: key.into(), values: vec![value.into()], regex: false, invert }
}

fn rule(number: usize) -> Policy {
    let part = |rule| Policy { name: String::new(), rule };
    let ottl = |text: &str, error_mode| Rule::OttlCondition {
        error_mode,
        span: vec![text.into()],
        spanevent: vec![],
    };
    let rule = match number {
        0 => Rule::StatusCode { codes: StatusCodes { error: true, ..StatusCodes::default() } },
        1 => text("k", "a", false),
        2 => Rule::Latency { threshold_ms: 500, upper_threshold_ms: 0 },
        3 => Rule::And(vec![
            part(text("env", "prod", false)),
            part(Rule::Not(Box::new(part(text("k", "a", false))))),
        ]),
        4 => Rule::Drop(vec![part(text("k", "b", false))]),
        5 => Rule::Probabilistic { hash_salt: String::new(), percentage: 50.0 },
        6 => Rule::SpanCount { min: 4, max: 0 },
        7 => text("env", "dev", true),
        8 => ottl(r#"attributes["k"] == "b" and resource.attributes["env"] == "prod""#, ErrorMode::Ignore),
        // It fails on a text that is not JSON: the first span to meet it or to fail decides.
        9 => ottl(r#"ParseJSON(attributes["k"]) != nil"#, ErrorMode::Propagate),
        10 => Rule::TraceState { key: "v".into(), values: vec!["1".into()] },
        _ => Rule::AlwaysSample,
    };
    Policy { name: format!("policy-{number}"), rule }
}

prop_compose! {
    fn config()(
        rules in prop::sample::subsequence((0usize..12).collect::<Vec<_>>(), 0..5).prop_shuffle(),
        wait in prop_oneof![Just(2u64), Just(5), Just(10)],
        after_root in prop_oneof![2 => Just(0u64), 1 => Just(1), 1 => Just(3)],
        compat in prop::bool::weighted(0.25),
        few in prop::bool::weighted(0.2),
        first_match in prop::bool::weighted(0.2),
    ) -> Config {
        Config {
            policies: rules.into_iter().map(rule).collect(),
            decision_wait: Duration::from_secs(wait),
            decision_wait_after_root: Duration::from_secs(after_root),
            decision_cache: DecisionCache { sampled: Some(1000), not_sampled: Some(1000) },
            num_traces: if few && !compat { 3 } else { 100 },
            sample_on_first_match: first_match,
            early: Early::Off,
            record_policy: true,
            compat,
            tracestate: !compat,
            ..Config::default()
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let request = prop::collection::vec(resource(), 1..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans });
    prop_oneof![
        5 => (request, any::<bool>()).prop_map(|(request, late_reader)| Step::Spans { request, late_reader }),
        3 => (1u64..300).prop_map(|tens| Step::Pass { ms: tens * 10 }),
        2 => config().prop_map(|config| Step::Change(Box::new(config))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Scenario: traces come in pieces, wait and come late, while policies, waits, limits and the mode change.
    // Guarantees: each verdict is taken when it is due, and is the one that the policies of that moment would have taken
    // had they been there all along, votes and names included; what is kept leaves whole and once, late spans too, under
    // the policy's name; the sum closes.
    #[test]
    fn every_verdict_is_that_of_the_policies_at_its_deadline(
        first in config(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(first, journal::Config::default());
        for step in steps {
            match step {
                Step::Spans { mut request, late_reader } => {
                    for span in request.resource_spans.iter_mut().flat_map(|entry| &mut entry.scope_spans).flat_map(|scope| &mut scope.spans) {
                        world.next_span += 1;
                        span.span_id = world.next_span.to_be_bytes().to_vec();
                    }
                    world.request(request, late_reader);
                    world.look(false);
                }
                Step::Pass { ms } => {
                    world.pass(Duration::from_millis(ms));
                    world.look(true);
                }
                Step::Change(config) => world.change(*config),
            }
        }
        world.end();
    }
}

/// Policies that keep traces with this value of `k`, named after it.
fn keeping(values: &[&str]) -> Config {
    let policy = |value: &&str| Policy { name: (*value).to_owned(), rule: text("k", value, false) };
    Config {
        policies: values.iter().map(policy).collect(),
        decision_wait: Duration::from_secs(10),
        early: Early::Off,
        record_policy: true,
        ..Config::default()
    }
}

fn kept(traces: &[(u8, &str)]) -> Vec<(u8, Option<String>)> {
    traces.iter().map(|(trace, policy)| (*trace, Some((*policy).to_owned()))).collect()
}

/// Scenario: policies change, with traces open and others decided; the process dies, and begins with yet others.
/// Guarantees: what was open is judged by the newest policies; what was decided stays so, also by name.
#[test]
fn a_restart_after_a_change_goes_on_with_the_newest_policies() {
    let directory = tempfile::tempdir().unwrap();
    let journal =
        journal::Config { directory: Some(directory.path().to_owned()), ..journal::Config::default() };
    let mut world = World::new(keeping(&["x", "a"]), journal);
    world.span(1, "a");
    world.span(2, "b");
    world.pass(Duration::from_secs(11));
    assert_eq!(world.left(), kept(&[(1, "a")]));
    world.span(3, "b");
    world.change(keeping(&["c", "x", "b"]));
    world.span(4, "a");
    world.span(5, "c");
    world.pass(Duration::from_secs(1));
    let mut world = world.restart(keeping(&["b", "c", "a", "y"]));
    for trace in [1, 2, 3, 5] {
        world.span(trace, "z");
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(world.left(), kept(&[(1, "a")]), "a late span");
    world.change(keeping(&["y", "c", "d", "a"]));
    world.pass(Duration::from_secs(20));
    assert_eq!(world.left(), kept(&[(4, "a"), (5, "c"), (5, "c")]));
    world.span(1, "z");
    world.span(5, "z");
    let mut world = world.restart(keeping(&["c", "b"]));
    world.span(5, "z");
    world.pass(Duration::from_secs(1));
    // Of a policy that there is no more, the name is not known after a restart; no other is put in its place.
    let left = world.left();
    assert_eq!(left, [(1, None), (5, Some("c".into())), (5, Some("c".into()))]);
}

/// Scenario: a journal that is half full may be an eighth as large from now on.
/// Guarantees: the oldest traces are judged early, under that name, until it fits; all of it leaves or is named.
#[test]
fn a_smaller_journal_judges_the_oldest_until_it_fits() {
    let journal =
        journal::Config { max_memory: Some(1 << 20), segment_size: 16 << 10, ..journal::Config::default() };
    let mut world = World::new(keeping(&["x"]), journal);
    for trace in 1..=200 {
        world.span(trace, &"y".repeat(2000));
    }
    world.journal.max_memory = Some(1 << 17);
    world.change(keeping(&["x", "z"]));
    world.pass(Duration::from_secs(1));
    assert!(world.shard.journal.used_bytes() <= world.shard.journal.limit_bytes());
    let trigger = |trace: u8| world.shard.tell(&[trace; 16]).unwrap()["trigger"].clone();
    assert_eq!((trigger(1), trigger(200)), (json!("limit_journal"), Value::Null));
    let early = (1..=200).filter(|trace| trigger(*trace) == "limit_journal").count();
    assert!((100..190).contains(&early), "{early}");
    world.pass(Duration::from_secs(20));
    let sum = Ledger::new(&world.registry, "processor", "t", Signal::Traces).snapshot();
    assert_eq!((sum.taken, sum.held, sum.imbalance), (200, 0, 0), "{sum:?}");
}
