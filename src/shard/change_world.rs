//! A shard with what should be in it, for tests that reconfigure it. Time is made up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use parking_lot::Mutex;
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
use crate::sample::{Config, Moment};

/// Keeps what it is given.
#[derive(Default)]
pub struct Backend(Mutex<Vec<Bytes>>);

impl Consumer for Backend {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        self.0.lock().push(request.body);
        Box::pin(std::future::ready(Ok(Accepted::default())))
    }
}

/// What should be known of a trace.
#[derive(Default)]
pub struct Trace {
    first_seen: Moment,
    root_seen: Option<Moment>,
    requests: Vec<Bytes>,
    spans: BTreeSet<Vec<u8>>,
    told: Option<Value>, // the verdict, once it is taken
}

/// A shard and what should be in it.
pub struct World {
    pub shard: Shard,
    flights: Flights,
    backend: Arc<Backend>,
    pub registry: Registry,
    config: Config,
    pub journal: journal::Config,
    plans: [Arc<Plan>; 2], // that of the senders before the last change, and now
    begun: Instant,
    origin: Moment,
    since: Moment, // of the waits
    passed: Duration,
    traces: BTreeMap<u8, Trace>,
    pub next_span: u64,
}

impl World {
    pub fn new(config: Config, journal: journal::Config) -> Self {
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
    pub fn request(&mut self, request: ExportTraceServiceRequest, late_reader: bool) {
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

    pub fn change(&mut self, config: Config) {
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
    pub fn restart(self, config: Config) -> Self {
        let Self { journal, passed, next_span, shard, .. } = self;
        drop(shard);
        Self { passed, next_span, ..Self::new(config, journal) }
    }

    /// A span of a trace with this value of `k`.
    pub fn span(&mut self, trace: u8, value: &str) {
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
    pub fn left(&self) -> Vec<(u8, Option<String>)> {
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
    pub fn pass(&mut self, time: Duration) {
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
    pub fn look(&mut self, due: bool) {
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
    pub fn end(&mut self) {
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

pub fn pair(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}
