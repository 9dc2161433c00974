//! A sampler that is reconfigured: how much is done in one go, and that it is done once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::change::{LONG_PORTIONS, PORTIONS_AT_ONCE};
use super::facts::{Facts, Plan};
use super::sampler::REREAD_AT_ONCE;
use super::testing::*;
use super::{
    Config, Decided, DecisionCache, Early, Moment, Output, Place, Placing, Reread, Sampler, Trigger, WhenFull,
};

/// Requests of one trace by their place, and how often one was read again.
#[derive(Default)]
struct Requests {
    by_place: HashMap<Place, Bytes>,
    read: usize,
}

impl Reread for Requests {
    fn reread(&mut self, plan: &Plan, place: Place, show: &mut dyn FnMut(&Facts)) -> bool {
        self.read += 1;
        let Some(request) = self.by_place.get(&place) else { return false };
        plan.read(request.clone()).unwrap().portions.iter().for_each(|portion| show(&portion.facts));
        true
    }
}

impl Requests {
    /// How many portions `what` reads again.
    fn during(&mut self, what: impl FnOnce(&mut Self)) -> usize {
        let before = self.read;
        what(self);
        self.read - before
    }
}

fn seconds(seconds: u64) -> Moment {
    Moment(0) + Duration::from_secs(seconds)
}

/// Everything waits for its deadline after 10 s.
fn waits(policies: Vec<super::Policy>) -> Config {
    let decision_wait = Duration::from_secs(10);
    Config { early: Early::Off, decision_wait, ..config(false, policies) }
}

fn sampler(config: &Config) -> Sampler {
    Sampler::new(config.clone(), Arc::new(Plan::new(config)), 5, Moment(0))
}

fn change(sampler: &mut Sampler, config: &Config, now: Moment) {
    let plan = Plan::new(config);
    let known = Arc::clone(sampler.plan());
    let plan = if plan.asks_the_same(&known) { known } else { Arc::new(plan) };
    sampler.reconfigure(config.clone(), plan, now);
}

/// A span of a trace comes.
fn come(sampler: &mut Sampler, requests: &mut Requests, trace: u128, text: &str, now: Moment) -> Placing {
    let request = request(trace, &[span(text)]);
    let portion = sampler.plan().read(request.clone()).unwrap().portions.remove(0);
    let placing = sampler.placing(&portion, 0);
    if placing == Placing::Journal {
        let place = Place(requests.by_place.len() as u64 + 1);
        requests.by_place.insert(place, request);
        sampler.accept(&portion, place, now, requests);
    }
    placing
}

fn verdicts(sampler: &mut Sampler) -> Vec<Decided> {
    let mut decided = Vec::new();
    while let Some(output) = sampler.poll_output() {
        if let Output::Verdict(one) = output {
            decided.push(*one);
        }
    }
    decided
}

fn catch_up(sampler: &mut Sampler, requests: &mut Requests, now: Moment) {
    while sampler.is_behind() {
        sampler.catch_up(now, requests);
    }
}

/// Scenario: many traces are open when the policies change; half of them are due while they are read again.
/// Guarantees: the change itself reads nothing, no step reads more than a little, everything is read once.
#[test]
fn no_step_reads_much_and_nothing_is_read_twice() {
    const TRACES: u128 = 5000;
    let (before, after) = (waits(vec![status(false, false, true)]), waits(vec![text("k", &["y"])]));
    let (mut sampler, mut requests) = (sampler(&before), Requests::default());
    for trace in 1..=TRACES {
        let now = if trace <= TRACES / 2 { seconds(0) } else { seconds(5) };
        come(&mut sampler, &mut requests, trace, if trace % 5 == 0 { "k=y" } else { "k=n" }, now);
        come(&mut sampler, &mut requests, trace, "child", now);
    }
    assert_eq!(requests.during(|_| change(&mut sampler, &after, seconds(6))), 0);
    for step in 0..50 {
        let read = requests.during(|requests| sampler.catch_up(seconds(7), requests));
        assert!((1..=PORTIONS_AT_ONCE + LONG_PORTIONS).contains(&read), "step {step} read {read}");
    }
    let mut decided = Vec::new();
    while decided.len() < TRACES as usize / 2 {
        assert!(sampler.poll_timeout().unwrap() <= seconds(10), "it does not go on at once");
        let read = requests.during(|requests| sampler.handle_timeout(seconds(10), requests));
        assert!(read < REREAD_AT_ONCE + LONG_PORTIONS, "{read}");
        decided.extend(verdicts(&mut sampler));
    }
    catch_up(&mut sampler, &mut requests, seconds(11));
    assert_eq!(requests.during(|requests| sampler.handle_timeout(seconds(15), requests)), 0);
    decided.extend(verdicts(&mut sampler));
    assert_eq!(decided.len(), TRACES as usize);
    assert_eq!(decided.iter().filter(|one| one.is_kept()).count(), TRACES as usize / 5);
    assert_eq!(requests.read, requests.by_place.len());
}

#[test]
fn policies_that_ask_the_same_have_nothing_read_again() {
    let before = waits(vec![named("a", text("k", &["y"])), named("b", rate(5, None)), latency(5, 0)]);
    let after = waits(vec![rate(7, 9), not(text("k", &["y"])), span_count(3, 0), always(), latency(9, 0)]);
    let (mut sampler, mut requests) = (sampler(&before), Requests::default());
    for trace in 1..=100 {
        come(&mut sampler, &mut requests, trace, "k=y", seconds(0));
    }
    change(&mut sampler, &after, seconds(1));
    catch_up(&mut sampler, &mut requests, seconds(1));
    sampler.handle_timeout(seconds(10), &mut requests);
    assert_eq!((verdicts(&mut sampler).len(), requests.read), (100, 0));
}

/// Scenario: a trace of very many portions is due soon after the policies changed, others with it.
/// Guarantees: the others are judged at once, the long one when it has been read, a part at a time.
#[test]
fn a_long_trace_is_read_in_parts_and_delays_nobody() {
    const PORTIONS: usize = 40 * LONG_PORTIONS;
    let (before, after) = (waits(vec![status(false, false, true)]), waits(vec![text("k", &["y"])]));
    let (mut sampler, mut requests) = (sampler(&before), Requests::default());
    for portion in 0..PORTIONS {
        come(&mut sampler, &mut requests, 1, if portion == 7 { "k=y" } else { "" }, seconds(0));
    }
    (2..10).for_each(|trace| {
        come(&mut sampler, &mut requests, trace, "", seconds(0));
    });
    change(&mut sampler, &after, seconds(9));
    assert_eq!(
        requests.during(|requests| {
            come(&mut sampler, requests, 1, "", seconds(9));
        }),
        0
    );
    assert_eq!(requests.during(|requests| sampler.handle_timeout(seconds(10), requests)), 8);
    assert_eq!(verdicts(&mut sampler).len(), 8, "the others");
    let mut steps = 0;
    while sampler.is_behind() {
        assert!(verdicts(&mut sampler).is_empty());
        let read = requests.during(|requests| sampler.catch_up(seconds(10), requests));
        assert!(read <= LONG_PORTIONS + PORTIONS_AT_ONCE, "{read}");
        steps += 1;
    }
    assert!(steps >= 40, "{steps}");
    let decided = verdicts(&mut sampler).pop().unwrap();
    assert_eq!((decided.is_kept(), decided.trigger), (true, Trigger::Deadline));
    assert_eq!((decided.known.spans, decided.places.len()), (PORTIONS as u64 + 1, PORTIONS + 1));
    assert_eq!(requests.read, requests.by_place.len());
}

/// Scenario: policies change again while a long trace is read and due, and the wait becomes longer.
/// Guarantees: it is read anew, and judged at its new deadline, once.
#[test]
fn a_long_trace_that_is_not_due_any_more_waits() {
    let (before, after) = (waits(vec![status(false, false, true)]), waits(vec![text("k", &["y"])]));
    let (mut sampler, mut requests) = (sampler(&before), Requests::default());
    for _ in 0..10 * LONG_PORTIONS {
        come(&mut sampler, &mut requests, 1, "k=z", seconds(0));
    }
    change(&mut sampler, &after, seconds(9));
    sampler.handle_timeout(seconds(10), &mut requests);
    sampler.catch_up(seconds(10), &mut requests);
    let longer = Config { decision_wait: Duration::from_secs(20), ..waits(vec![text("k", &["z"])]) };
    change(&mut sampler, &longer, seconds(11));
    catch_up(&mut sampler, &mut requests, seconds(11));
    sampler.handle_timeout(seconds(19), &mut requests);
    assert!(verdicts(&mut sampler).is_empty());
    sampler.handle_timeout(seconds(20), &mut requests);
    sampler.handle_timeout(seconds(40), &mut requests);
    let decided = verdicts(&mut sampler);
    assert_eq!(
        decided.iter().map(|one| (one.is_kept(), one.deadline)).collect::<Vec<_>>(),
        [(true, seconds(20))]
    );
}

#[test]
fn a_smaller_limit_judges_the_oldest_a_few_at_a_time() {
    let many = waits(vec![always()]);
    let few = Config { num_traces: 10, ..many.clone() };
    let (mut sampler, mut requests) = (sampler(&many), Requests::default());
    for trace in 1..=1000 {
        come(&mut sampler, &mut requests, trace, "", seconds(0));
    }
    change(&mut sampler, &few, seconds(1));
    let mut decided = Vec::new();
    while sampler.is_behind() {
        sampler.catch_up(seconds(1), &mut requests);
        let some = verdicts(&mut sampler);
        assert!(some.len() < 100, "{}", some.len());
        decided.extend(some);
    }
    assert_eq!((decided.len(), sampler.size().traces), (990, 10));
    for (trace, decided) in (1u128..).zip(&decided) {
        assert_eq!((decided.trace_id, decided.trigger), (trace.to_be_bytes(), Trigger::TracesLimit));
    }
}

#[test]
fn a_smaller_limit_that_refuses_lets_open_traces_be() {
    let many = waits(vec![always()]);
    let few = Config { num_traces: 10, when_full: WhenFull::Refuse, ..many.clone() };
    let (mut sampler, mut requests) = (sampler(&many), Requests::default());
    for trace in 1..=100 {
        come(&mut sampler, &mut requests, trace, "", seconds(0));
    }
    change(&mut sampler, &few, seconds(1));
    catch_up(&mut sampler, &mut requests, seconds(1));
    assert_eq!((verdicts(&mut sampler).len(), sampler.size().traces), (0, 100));
    assert_eq!(come(&mut sampler, &mut requests, 7, "child", seconds(2)), Placing::Journal);
    assert_eq!(come(&mut sampler, &mut requests, 1000, "", seconds(2)), Placing::Refuse);
    sampler.handle_timeout(seconds(10), &mut requests);
    assert_eq!(verdicts(&mut sampler).len(), 100);
    assert_eq!(come(&mut sampler, &mut requests, 1000, "", seconds(11)), Placing::Journal);
}

/// Scenario: verdicts are remembered; then fewer may be, and the Collector's way comes and goes.
/// Guarantees: the newest stay, and late spans follow them all along.
#[test]
fn remembered_verdicts_stay_as_far_as_there_is_room() {
    let cache = |sampled| DecisionCache { sampled: Some(sampled), not_sampled: Some(5) };
    let ours = Config { decision_cache: cache(100), ..waits(vec![always()]) };
    let (mut sampler, mut requests) = (sampler(&ours), Requests::default());
    for trace in 1..=50 {
        come(&mut sampler, &mut requests, trace, "", seconds(0));
    }
    sampler.handle_timeout(seconds(10), &mut requests);
    let compat = Config { compat: true, tracestate: false, ..ours.clone() };
    let few = Config { decision_cache: cache(10), ..ours.clone() };
    for (config, remembered) in [(&compat, 50), (&ours, 50), (&few, 10), (&compat, 10), (&ours, 10)] {
        change(&mut sampler, config, seconds(11));
        catch_up(&mut sampler, &mut requests, seconds(11));
        let known = (1..=50u128).filter(|trace| sampler.remembered(&trace.to_be_bytes()).is_some());
        assert_eq!(known.count(), remembered);
        assert!(sampler.remembered(&50u128.to_be_bytes()).is_some());
    }
}

/// Scenario: `compat` without caches keeps decided traces in its map; then it is left.
/// Guarantees: they go, and the room is there for others.
#[test]
fn the_collectors_map_is_emptied_when_compat_is_left() {
    let ours = Config { num_traces: 20, ..waits(vec![always()]) };
    let compat = Config { compat: true, tracestate: false, ..ours.clone() };
    let (mut sampler, mut requests) = (sampler(&compat), Requests::default());
    for trace in 1..=20 {
        come(&mut sampler, &mut requests, trace, "", seconds(0));
    }
    sampler.handle_timeout(seconds(12), &mut requests);
    assert_eq!((verdicts(&mut sampler).len(), sampler.size().traces), (20, 20));
    change(&mut sampler, &ours, seconds(12));
    catch_up(&mut sampler, &mut requests, seconds(12));
    assert_eq!(sampler.size().traces, 0);
    // And back: what began meanwhile is pushed out first by what comes then.
    come(&mut sampler, &mut requests, 100, "", seconds(13));
    change(&mut sampler, &compat, seconds(13));
    for trace in 101..=120 {
        come(&mut sampler, &mut requests, trace, "", seconds(14));
    }
    assert_eq!((sampler.open(&100u128.to_be_bytes()), sampler.size().traces), (None, 20));
}
