//! A shard that is reconfigured while traces come, wait, leave and come late. Time is made up; the journal is memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use parking_lot::Mutex;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::open::Opening;
use super::reconfigure::Change;
use super::run::Flights;
use super::state::{Counters, Shard};
use super::turn::Offer;
use crate::flow::{Answer, Consumer, Request};
use crate::journal;
use crate::lane::Budget;
use crate::observe::{Ledger, Registry, SamplerMetrics, SamplerSeries};
use crate::outcome::{Accepted, Signal};
use crate::sample::facts::{Facts, Plan};
use crate::sample::judge::{Candidate, Outcome, Policies, Verdict, Vote};
use crate::sample::{Config, DecisionCache, Early, ErrorMode, Moment, Policy, Rule, StatusCodes};

/// Keeps what it is given.
#[derive(Default)]
struct Backend(Mutex<Vec<Bytes>>);

impl Consumer for Backend {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        self.0.lock().push(request.body);
        Box::pin(std::future::ready(Ok(Accepted::default())))
    }
}

/// What should be known of a trace.
#[derive(Default)]
struct Trace {
    first_seen: Moment,
    root_seen: Option<Moment>,
    requests: Vec<Bytes>,
    spans: BTreeSet<Vec<u8>>,
    told: Option<Value>, // the verdict, once it is taken
}

/// A shard and what should be in it.
struct World {
    shard: Shard,
    flights: Flights,
    backend: Arc<Backend>,
    registry: Registry,
    config: Config,
    journal: journal::Config,
    plans: [Arc<Plan>; 2], // that of the senders before the last change, and now
    begun: Instant,
    origin: Moment,
    since: Moment, // of the waits
    passed: Duration,
    traces: BTreeMap<u8, Trace>,
    next_span: u64,
}

impl World {
    fn new(config: Config, journal: journal::Config) -> Self {
        let (registry, backend) = (Registry::new(), Arc::new(Backend::default()));
        let plan = Arc::new(Plan::new(&config));
        let next: Arc<dyn Consumer> = backend.clone();
        let begun = Instant::now();
        let opening = Opening {
            sampling: &config,
            journal: &journal,
            folder: PathBuf::from("shard"),
            index: 0,
            plan: &plan,
            next: &next,
            ledger: &Ledger::new(&registry, "processor", "t", Signal::Traces),
        };
        let shard = opening.open(Counters::new(metrics(&registry, &config), &config)).unwrap();
        let origin = shard.clock.moment(begun);
        let plans = [Arc::clone(&plan), plan];
        Self {
            shard,
            flights: Flights::new(),
            backend,
            registry,
            config,
            journal,
            plans,
            begun,
            origin,
            since: Moment(0),
            passed: Duration::ZERO,
            traces: BTreeMap::new(),
            next_span: 0,
        }
    }

    fn now(&self) -> Instant {
        self.begun + self.passed
    }

    fn moment(&self) -> Moment {
        self.shard.clock.moment(self.now())
    }

    /// A request comes. `late_reader`: it was read before the last change.
    fn request(&mut self, request: ExportTraceServiceRequest, late_reader: bool) {
        let (moment, body) = (self.moment(), Bytes::from(request.encode_to_vec()));
        let mut ids = BTreeSet::new();
        for span in spans_of(&request) {
            let id = span.trace_id[0];
            let trace =
                self.traces.entry(id).or_insert_with(|| Trace { first_seen: moment, ..Trace::default() });
            trace.spans.insert(span.span_id.clone());
            if span.parent_span_id.is_empty() {
                trace.root_seen.get_or_insert(moment);
            }
            if ids.insert(id) {
                trace.requests.push(body.clone());
            }
        }
        let plan = Arc::clone(&self.plans[usize::from(!late_reader)]);
        let arrival = plan.read_at(body, moment.0).unwrap();
        let (answer, mut answered) = oneshot::channel();
        let permit = Budget::new(1 << 20).try_take(1).unwrap();
        let offer =
            Offer { source: arrival.source, plan, portions: arrival.portions, answer, _permit: permit };
        let now = self.now();
        self.shard.take(&mut vec![offer], now);
        assert!(answered.try_recv().unwrap().is_ok());
    }

    fn change(&mut self, config: Config) {
        let new = Plan::new(&config);
        let known = Arc::clone(&self.plans[1]);
        let plan = if new.asks_the_same(&known) { Arc::clone(&known) } else { Arc::new(new) };
        self.plans = [known, Arc::clone(&plan)];
        let waits = |config: &Config| (config.decision_wait, config.decision_wait_after_root, config.compat);
        if waits(&config) != waits(&self.config) {
            self.since = self.moment();
        }
        let (metrics, journal) = (metrics(&self.registry, &config), self.journal.clone());
        let change = Change { sampling: config.clone(), journal, plan, metrics };
        let now = self.now();
        self.shard.change(change, now);
        self.config = config;
    }

    /// The process dies and begins anew with these policies. Time goes on.
    fn restart(self, config: Config) -> Self {
        let Self { journal, passed, next_span, shard, .. } = self;
        drop(shard);
        Self { passed, next_span, ..Self::new(config, journal) }
    }

    /// A span of a trace with this value of `k`.
    fn span(&mut self, trace: u8, value: &str) {
        self.next_span += 1;
        let span = Span {
            trace_id: vec![trace; 16],
            span_id: self.next_span.to_be_bytes().to_vec(),
            attributes: vec![pair("k", value)],
            ..Span::default()
        };
        let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
        let entry = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
        self.request(ExportTraceServiceRequest { resource_spans: vec![entry] }, false);
    }

    /// Spans that have left since the last look: trace and policy.
    fn left(&self) -> Vec<(u8, Option<String>)> {
        let bodies = std::mem::take(&mut *self.backend.0.lock());
        let mut left = Vec::new();
        for request in bodies.iter().map(|body| ExportTraceServiceRequest::decode(&body[..]).unwrap()) {
            for scope in request.resource_spans.iter().flat_map(|entry| &entry.scope_spans) {
                let policy = policy_of(scope.scope.as_ref());
                left.extend(scope.spans.iter().map(|span| (span.trace_id[0], policy.clone())));
            }
        }
        left.sort();
        left
    }

    /// Time passes, and everything that is due then happens.
    fn pass(&mut self, time: Duration) {
        self.passed += time;
        let now = self.now();
        loop {
            self.shard.step(now);
            self.shard.depart(now, &mut self.flights);
            while let Some(Some((flight, answer))) = self.flights.next().now_or_never() {
                self.shard.land(flight, answer, now);
            }
            let due = self.shard.sampler.poll_timeout().is_some_and(|at| at <= self.moment());
            if !due && !self.shard.is_behind() {
                return;
            }
        }
    }

    fn deadline(&self, trace: &Trace) -> Moment {
        let after = |began: Moment, wait: Duration| {
            let at = match self.config.compat {
                false => began + wait,
                true => self.origin + Duration::from_secs(began.since(self.origin).as_secs() + 1) + wait,
            };
            at.max(self.since)
        };
        let (wait, after_root) = (self.config.decision_wait, self.config.decision_wait_after_root);
        let root = trace.root_seen.filter(|_| !after_root.is_zero()).map(|at| after(at, after_root));
        root.into_iter().fold(after(trace.first_seen, wait), Moment::min)
    }

    /// Verdicts taken since the last look are those of who had these policies all along; `due` ones are taken.
    fn look(&mut self, due: bool) {
        let now = self.moment();
        let open: Vec<u8> =
            self.traces.iter().filter(|(_, trace)| trace.told.is_none()).map(|(id, _)| *id).collect();
        for id in open {
            let trace = &self.traces[&id];
            let told = self.shard.tell(&[id; 16]).unwrap();
            if told["state"] == "open" {
                let late = due && self.deadline(trace) <= now;
                assert!(!late, "trace {id} is overdue: {told}");
                continue;
            }
            let trigger = told["trigger"].as_str().unwrap();
            let early = trigger == "limit_traces";
            assert!(early || (due && self.deadline(trace) <= now), "trace {id} is judged too early: {told}");
            // One that made room for another of the same request was judged without what that had of it.
            let known = trace.requests.len();
            let expected = (known - usize::from(early)..=known)
                .map(|known| said(&self.config, id, &trace.requests[..known], now));
            let said = json!({"verdict": told["verdict"], "policy": told["policy"], "votes": told["votes"],
                "threshold": told["threshold"]["rejected_below"]});
            let expected: Vec<Value> = expected.collect();
            assert!(expected.contains(&said), "trace {id}: {said}, expected {expected:?}");
            self.traces.get_mut(&id).unwrap().told = Some(told);
        }
    }

    /// Everything is over: what was kept has left whole, once, under the name of who kept it; nothing else has.
    fn end(&mut self) {
        self.pass(Duration::from_secs(60));
        self.look(true);
        let mut left: BTreeMap<u8, BTreeMap<Vec<u8>, Option<String>>> = BTreeMap::new();
        for body in self.backend.0.lock().iter() {
            let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
            for scope in request.resource_spans.iter().flat_map(|entry| &entry.scope_spans) {
                let policy = policy_of(scope.scope.as_ref());
                for span in &scope.spans {
                    let twice = left
                        .entry(span.trace_id[0])
                        .or_default()
                        .insert(span.span_id.clone(), policy.clone());
                    assert_eq!(twice, None, "a span left twice");
                }
            }
        }
        for (id, trace) in &self.traces {
            let told = trace.told.as_ref().unwrap();
            let again = self.shard.tell(&[*id; 16]).unwrap();
            for key in ["verdict", "policy", "votes", "trigger", "decided"] {
                assert_eq!(again[key], told[key], "it is told otherwise later");
            }
            let spans = left.remove(id).unwrap_or_default();
            if told["verdict"] != "sampled" {
                assert!(spans.is_empty(), "trace {id} was not kept");
                continue;
            }
            assert!(spans.keys().eq(trace.spans.iter()), "trace {id} is not whole");
            let policy = told["policy"].as_str().map(str::to_owned);
            assert!(spans.values().all(|known| *known == policy), "trace {id} names another policy");
        }
        assert!(left.is_empty());
        let sum = Ledger::new(&self.registry, "processor", "t", Signal::Traces).snapshot();
        assert_eq!((sum.held, sum.imbalance), (0, 0), "{sum:?}");
        assert_eq!(sum.taken, self.next_span);
    }
}

fn metrics(registry: &Registry, config: &Config) -> SamplerMetrics {
    let policies: Vec<String> = config.policies.iter().map(|policy| policy.name.clone()).collect();
    SamplerMetrics::new(registry, "t", "", &policies, SamplerSeries::default())
}

/// What a sampler says of a trace that has had these policies all along.
fn said(config: &Config, id: u8, requests: &[Bytes], now: Moment) -> Value {
    let (plan, mut facts) = (Plan::new(config), Facts::default());
    for request in requests {
        let portions = plan.read(request.clone()).unwrap().portions;
        let portions = portions.iter().filter(|portion| portion.trace_id == [id; 16]);
        portions.for_each(|portion| plan.absorb(&mut facts, &portion.facts));
    }
    let candidate = Candidate { trace_id: [id; 16], facts: &facts };
    let Verdict { outcome, policy, votes, threshold, .. } =
        Policies::new(config).judge(now, &[candidate]).pop().unwrap();
    let name = |place: usize| config.policies[place].name.clone();
    let vote = |(place, vote): (usize, &Vote)| {
        let vote = match vote {
            Vote::Sampled => "sampled",
            Vote::NotSampled => "not_sampled",
            Vote::Dropped => "dropped",
            Vote::Failed => "failed",
            Vote::NotAsked => "not_asked",
        };
        json!({"policy": name(place), "vote": vote})
    };
    let outcome = match outcome {
        Outcome::Sampled => "sampled",
        Outcome::NotSampled => "not_sampled",
        Outcome::Dropped => "dropped",
    };
    json!({
        "verdict": outcome, "policy": policy.map(|place| name(usize::from(place))),
        "votes": votes.iter().enumerate().map(vote).collect::<Vec<_>>(),
        "threshold": threshold.map(|threshold| format!("{threshold:014x}")),
    })
}

fn spans_of(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request.resource_spans.iter().flat_map(|entry| &entry.scope_spans).flat_map(|scope| &scope.spans)
}

fn policy_of(scope: Option<&InstrumentationScope>) -> Option<String> {
    let mark = scope?.attributes.iter().find(|pair| pair.key == "tailsampling.policy")?;
    match mark.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn pair(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

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
