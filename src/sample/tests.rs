//! The sampler against a naive twin: random arrivals, virtual time, every output compared.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message;

use super::facts::{Plan, Portion};
use super::judge::Outcome;
use super::{
    Config, Early, Moment, Output, Place, Placing, Policy, Rule, Sampler, StatusCodes, Trigger, WhenFull,
};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Spans { trace: u8, count: u8, error: bool, root: bool },
    Pass { ms: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..8, 1u8..4, prop::bool::weighted(0.15), prop::bool::weighted(0.2))
            .prop_map(|(trace, count, error, root)| Step::Spans { trace, count, error, root }),
        1 => (1u16..6000).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// What is told of an output, comparable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Verdict { trace: u8, outcome: &'static str, trigger: &'static str, spans: u64, places: Vec<u64> },
    Late { trace: u8, place: u64, spans: u64 },
    Discard { spans: u64, reason: &'static str },
}

#[derive(Clone, Debug)]
struct Twin {
    config: Config,
    now: u64,
    open: BTreeMap<u8, Open>,
    order: Vec<u8>, // open traces, oldest first
    retained: VecDeque<(u8, u64)>,
    held: BTreeMap<u8, Open>, // retained
    decided: BTreeMap<u8, bool>,
    seen: Vec<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Open {
    deadline: u64,
    rooted: Option<(u64, u64)>, // when the wait after its root is over, and the place of that root
    spans: u64,
    error: bool,
    places: Vec<u64>,
}

impl Open {
    /// The policies of the test: an error, or five spans.
    fn is_kept(&self) -> bool {
        self.error || self.spans >= 5
    }
}

impl Twin {
    fn decide(&mut self, trace: u8, trigger: Trigger) {
        let Some(open) = self.open.remove(&trace) else { return };
        self.order.retain(|known| *known != trace);
        let kept = open.is_kept();
        self.decided.insert(trace, kept);
        let places = if kept { open.places.clone() } else { Vec::new() };
        let (outcome, trigger) = (if kept { "sampled" } else { "not" }, trigger.name());
        self.seen.push(Seen::Verdict { trace, outcome, trigger, spans: open.spans, places });
        if !kept && self.config.second_chance {
            self.retained.push_back((trace, self.now + millis(self.config.decision_wait)));
            self.held.insert(trace, open);
        }
    }

    fn retire(&mut self) -> bool {
        while let Some((trace, _)) = self.retained.pop_front() {
            if let Some(open) = self.held.remove(&trace) {
                self.seen.push(Seen::Discard { spans: open.spans, reason: "not_sampled" });
                return true;
            }
        }
        false
    }

    /// False when the sender has to come back.
    fn spans(&mut self, trace: u8, count: u64, error: bool, root: bool, place: u64) -> bool {
        if let Some(open) = self.held.get_mut(&trace) {
            open.spans += count;
            open.error |= error;
            open.places.push(place);
            if error {
                let open = self.held.remove(&trace).unwrap();
                self.decided.insert(trace, true);
                let trigger = Trigger::SecondChance.name();
                let places = open.places;
                self.seen.push(Seen::Verdict {
                    trace,
                    outcome: "sampled",
                    trigger,
                    spans: open.spans,
                    places,
                });
            }
            return true;
        }
        match self.decided.get(&trace) {
            Some(true) => {
                self.seen.push(Seen::Late { trace, place, spans: count });
                return true;
            }
            Some(false) => {
                self.seen.push(Seen::Discard { spans: count, reason: "late_not_sampled" });
                return true;
            }
            None => {}
        }
        if !self.open.contains_key(&trace) {
            let max = self.config.num_traces as usize;
            if self.config.when_full == WhenFull::Refuse && self.open.len() + self.held.len() >= max {
                return false;
            }
            while self.open.len() + self.held.len() >= max {
                if !self.retire() {
                    self.decide(self.order[0], Trigger::TracesLimit);
                }
            }
            let deadline = self.now + millis(self.config.decision_wait);
            self.open.insert(trace, Open { deadline, ..Open::default() });
            self.order.push(trace);
        }
        let open = self.open.get_mut(&trace).unwrap();
        open.spans += count;
        open.error |= error;
        open.places.push(place);
        if root && !self.config.decision_wait_after_root.is_zero() && open.rooted.is_none() {
            open.rooted = Some((self.now + millis(self.config.decision_wait_after_root), place));
        }
        if self.config.early == Early::All && open.error {
            self.decide(trace, Trigger::Early);
        } else if open.spans > self.config.max_spans.unwrap() {
            self.decide(trace, Trigger::SpanLimit);
        }
        true
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        while let Some((trace, _)) = self.retained.pop_front_if(|(_, at)| *at <= self.now) {
            if let Some(open) = self.held.remove(&trace) {
                self.seen.push(Seen::Discard { spans: open.spans, reason: "not_sampled" });
            }
        }
        let now = self.now;
        let of_root = |open: &Open| open.rooted.filter(|(at, _)| *at <= now);
        let mut by_root: Vec<u8> =
            self.order.iter().copied().filter(|trace| of_root(&self.open[trace]).is_some()).collect();
        by_root.sort_by_key(|trace| self.open[trace].rooted);
        for trace in by_root {
            let open = &self.open[&trace];
            let sooner = open.rooted.is_some_and(|(at, _)| at < open.deadline);
            self.decide(trace, if sooner { Trigger::Root } else { Trigger::Deadline });
        }
        let by_wait: Vec<u8> =
            self.order.iter().copied().filter(|trace| self.open[trace].deadline <= now).collect();
        by_wait.into_iter().for_each(|trace| self.decide(trace, Trigger::Deadline));
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

fn portion(plan: &Plan, trace: u8, count: u8, error: bool, root: bool) -> Portion {
    let span = |n: u8| Span {
        trace_id: vec![trace + 1; 16],
        span_id: vec![n + 1; 8],
        parent_span_id: if root && n == 0 { Vec::new() } else { vec![9; 8] },
        status: (error && n == 0).then(|| Status { code: 2, ..Status::default() }),
        ..Span::default()
    };
    let scope = ScopeSpans { spans: (0..count).map(span).collect(), ..ScopeSpans::default() };
    let entry = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![entry] };
    plan.read(request.encode_to_vec().into()).unwrap().portions.remove(0)
}

fn outputs(sampler: &mut Sampler) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(output) = sampler.poll_output() {
        seen.push(match output {
            Output::Verdict(decided) => Seen::Verdict {
                trace: decided.trace_id[0] - 1,
                outcome: if decided.verdict.outcome == Outcome::Sampled { "sampled" } else { "not" },
                trigger: decided.trigger.name(),
                spans: decided.known.spans,
                places: decided.places.iter().map(|place| place.0).collect(),
            },
            Output::Late(late) => {
                Seen::Late { trace: late.trace_id[0] - 1, place: late.place.0, spans: late.spans }
            }
            Output::Discard { spans, reason } => Seen::Discard { spans, reason: reason.name() },
        });
    }
    seen
}

fn config(early: Early, when_full: WhenFull, second_chance: bool, after_root: u64) -> Config {
    let status = StatusCodes { error: true, ..StatusCodes::default() };
    let policies =
        [("errors", Rule::StatusCode { codes: status }), ("many", Rule::SpanCount { min: 5, max: 0 })];
    Config {
        policies: policies.into_iter().map(|(name, rule)| Policy { name: name.into(), rule }).collect(),
        decision_wait: Duration::from_secs(10),
        decision_wait_after_root: Duration::from_millis(after_root),
        num_traces: 4,
        max_spans: Some(9),
        early,
        when_full,
        second_chance,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Scenario: traces come in pieces, wait, are pushed out, come back late, get a second chance.
    // Guarantees: every verdict, its trigger and its portions are those of a twin that keeps plain lists; what the
    // journal has to hold is never less than what is open.
    #[test]
    fn it_says_what_a_naive_twin_says(
        steps in prop::collection::vec(step(), 1..120),
        early in prop_oneof![Just(Early::Off), Just(Early::All)],
        when_full in prop_oneof![Just(WhenFull::Refuse), Just(WhenFull::DecideOldest)],
        second_chance: bool,
        after_root in prop_oneof![Just(0u64), Just(3000)],
    ) {
        let config = config(early, when_full, second_chance, after_root);
        let plan = Arc::new(Plan::new(&config));
        let mut sampler = Sampler::new(config.clone(), Arc::clone(&plan), 5, Moment(0));
        let mut twin = Twin {
            config, now: 0, open: BTreeMap::new(), order: Vec::new(), retained: VecDeque::new(),
            held: BTreeMap::new(), decided: BTreeMap::new(), seen: Vec::new(),
        };
        for (place, step) in steps.into_iter().enumerate() {
            let place = place as u64 + 1;
            match step {
                Step::Spans { trace, count, error, root } => {
                    let portion = portion(&plan, trace, count, error, root);
                    let now = Moment(twin.now * 1_000_000);
                    let took = match sampler.placing(&portion, 0) {
                        Placing::Journal => {
                            sampler.accept(&portion, Place(place), now, &mut ());
                            true
                        }
                        Placing::Discard => {
                            sampler.discard(&portion, now);
                            twin.seen.push(Seen::Discard { spans: 0, reason: "" }); // as below
                            true
                        }
                        Placing::Refuse => false,
                    };
                    let discarded = twin.seen.pop_if(|seen| *seen == Seen::Discard { spans: 0, reason: "" });
                    prop_assert_eq!(twin.spans(trace, u64::from(count), error, root, place), took);
                    if discarded.is_some() {
                        let last = twin.seen.pop();
                        prop_assert_eq!(last, Some(Seen::Discard { spans: count.into(), reason: "late_not_sampled" }));
                    }
                }
                Step::Pass { ms } => {
                    twin.pass(ms.into());
                    sampler.handle_timeout(Moment(twin.now * 1_000_000), &mut ());
                }
            }
            let mut said = outputs(&mut sampler);
            let mut expected = std::mem::take(&mut twin.seen);
            said.sort();
            expected.sort();
            prop_assert_eq!(said, expected);
            prop_assert_eq!(sampler.size().traces, twin.open.len() + twin.held.len());
            let needed = twin.open.values().chain(twin.held.values()).filter_map(|open| open.places.first()).min();
            let oldest = sampler.oldest_place().map(|place| place.0);
            let kept = needed.is_none_or(|needed| oldest.is_some_and(|oldest| oldest <= *needed));
            prop_assert!(kept, "{needed:?} is needed, {oldest:?} is kept");
        }
    }
}

#[test]
fn a_decided_trace_is_explained_with_every_vote() {
    let config = config(Early::Off, WhenFull::Refuse, false, 0);
    let plan = Arc::new(Plan::new(&config));
    let mut sampler = Sampler::new(config, Arc::clone(&plan), 5, Moment(0));
    sampler.accept(&portion(&plan, 1, 2, true, true), Place(1), Moment(0), &mut ());
    assert!(sampler.open(&[2; 16]).is_some() && sampler.explain(&[2; 16]).is_none());
    sampler.handle_timeout(Moment(10_000_000_000), &mut ());
    let told = sampler.explain(&[2; 16]).unwrap();
    assert_eq!((told.trigger, told.verdict.policy), (Trigger::Deadline, Some(0)));
    assert_eq!(told.verdict.votes.len(), 2);
    assert_eq!((told.known.spans, told.known.has_root, told.known.has_error), (2, true, true));
    sampler.accept(&portion(&plan, 1, 3, false, false), Place(2), Moment(10_000_000_001), &mut ());
    assert_eq!(sampler.explain(&[2; 16]).unwrap().late_spans, 3);
}
