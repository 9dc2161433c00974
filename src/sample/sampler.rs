//! The sampler of one shard: a state machine without clock, runtime or bytes.
//!
//! Inputs: [`Sampler::placing`] says what becomes of a portion; once its bytes are in the journal, [`Sampler::accept`]
//! takes it. [`Sampler::handle_timeout`] tells that time has passed. Outputs: [`Sampler::poll_output`], to be emptied
//! after every input, and [`Sampler::poll_timeout`].

use std::collections::VecDeque;
use std::time::Duration;

use super::asked::{Age, Counts};
use super::chain::Place;
use super::change::{Backlog, Reread};
use super::decided::{Late, Output, Trigger};
use super::due::{Due, Waits};
use super::explain::Explanations;
use super::facts::{Facts, Plan, Portion};
use super::index::{Generation, Index, State, Ticket};
use super::judge::{Candidate, Outcome, Policies};
use super::names::Names;
use super::remember::{Memory, Remembered};
use super::room::Room;
use super::{Config, Early, Moment, Reason, Strategy, WhenFull};

/// What becomes of a portion that has just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// It belongs into the journal, then to [`Sampler::accept`].
    Journal,
    /// Its trace was not kept: tell [`Sampler::discard`], and forget it.
    Discard,
    /// There is no room for a new trace; its sender should come back.
    Refuse,
}

/// The sampler of one shard.
#[derive(Debug)]
pub struct Sampler {
    pub(super) config: Config,
    pub(super) plan: std::sync::Arc<Plan>,
    pub(super) generation: Generation, // of the plan
    pub(super) policies: Policies,
    pub(super) names: Names,
    pub(super) index: Index,
    pub(super) waits: Waits,
    pub(super) due: Due,
    pub(super) arrivals: VecDeque<(Ticket, Place)>, // in order of their first span; may be stale
    pub(super) arrivals_gone: u64,                  // how many have left the front of `arrivals`
    pub(super) map_order: VecDeque<Ticket>, // compat: every entry in order of arrival, decided ones too
    pub(super) retired: VecDeque<(Moment, Ticket)>, // not kept then, with a second chance since
    pub(super) evicted: VecDeque<([u8; 16], Moment)>, // compat: pushed out, and when they were due
    pub(super) sampled: Memory,
    pub(super) not_sampled: Memory,
    pub(super) explanations: Explanations,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counts: Counts,
    pub(super) ages: VecDeque<Age>,
    pub(super) num_traces: usize,
    pub(super) backlog: Backlog,
    pub(super) judged_at: Moment,
    pub(super) judges_on: bool,     // more was due than one turn takes
    pub(super) arriving_spans: u64, // of the portion at hand
}

impl Sampler {
    /// The sampler of one of `config.num_shards` shards. `seed` keys its tables; `now` is where ticks count from.
    pub fn new(config: Config, plan: std::sync::Arc<Plan>, seed: u64, now: Moment) -> Self {
        let room = Room::new(&config);
        Self {
            policies: Policies::new(&config),
            names: Names::new(&config),
            index: Index::new(seed),
            waits: Waits::new(&config, now),
            due: Due::default(),
            arrivals: VecDeque::new(),
            arrivals_gone: 0,
            map_order: VecDeque::new(),
            retired: VecDeque::new(),
            evicted: VecDeque::new(),
            sampled: Memory::new(room.sampled, config.compat, seed),
            not_sampled: Memory::new(room.not_sampled, config.compat, seed),
            explanations: Explanations::new(room.explanations, seed, config.compat),
            outputs: VecDeque::new(),
            counts: Counts::default(),
            ages: VecDeque::new(),
            num_traces: room.traces,
            backlog: Backlog::default(),
            judged_at: Moment(0),
            judges_on: false,
            arriving_spans: 0,
            plan,
            generation: 0,
            config,
        }
    }

    /// What becomes of a portion; changes nothing. `new` is how many traces of the same request before it were new.
    pub fn placing(&self, portion: &Portion, new: usize) -> Placing {
        // Most portions are of open traces: these cost one look-up. Only the Collector's memory, where ids with equal
        // right halves share a verdict, has to be asked first.
        if self.memory_first() && self.sampled.peek(&portion.trace_id).is_some() {
            return Placing::Journal;
        }
        let entry = self.index.find(&portion.trace_id).and_then(|ticket| self.index.get(ticket));
        match entry {
            Some(entry) if is_open(entry.state) || entry.state == State::Decided(Outcome::Sampled) => {
                Placing::Journal
            }
            Some(entry) if is_retained(entry) => Placing::Journal,
            Some(_) => Placing::Discard,
            None if self.sampled.peek(&portion.trace_id).is_some() => Placing::Journal,
            None if self.not_sampled.peek(&portion.trace_id).is_some() => Placing::Discard,
            None if self.refuses_new() && self.index.len() + new >= self.num_traces => Placing::Refuse,
            None => Placing::Journal,
        }
    }

    /// Whether a portion begins a trace that takes one of the last places, where they are counted.
    pub fn is_new(&self, portion: &Portion) -> bool {
        self.refuses_new()
            && self.index.find(&portion.trace_id).is_none()
            && self.sampled.peek(&portion.trace_id).is_none()
            && self.not_sampled.peek(&portion.trace_id).is_none()
    }

    /// The Collector asks its caches before its map.
    fn memory_first(&self) -> bool {
        self.config.compat && !self.config.second_chance
    }

    pub(super) fn refuses_new(&self) -> bool {
        self.config.block_on_overflow || (!self.config.compat && self.config.when_full == WhenFull::Refuse)
    }

    /// A portion whose trace was not kept has come and is not journaled.
    pub fn discard(&mut self, portion: &Portion, now: Moment) {
        let spans = u64::from(portion.facts.spans);
        if self.not_sampled.ask(&portion.trace_id).is_some() {
            self.counts.cached_not_sampled_spans += spans;
        } else if let Some(entry) =
            self.index.find(&portion.trace_id).and_then(|ticket| self.index.get(ticket))
        {
            self.ages.push_back(Age::LateSpan(now.since(entry.first_seen)));
        }
        self.explanations.late(&portion.trace_id, spans);
    }

    /// Takes a portion that lies in the journal at `place`, read by the plan in force. `now` is when it came.
    pub fn accept(&mut self, portion: &Portion, place: Place, now: Moment, journal: &mut dyn Reread) {
        if self.memory_first() && self.follows_memory(portion, place) {
            return;
        }
        let ticket = match self.index.find(&portion.trace_id) {
            Some(ticket) => ticket,
            None if !self.memory_first() && self.follows_memory(portion, place) => return,
            None => self.begin(portion.trace_id, place, now, journal),
        };
        let waits = self.is_behind() && self.waits_for_facts(ticket);
        if !waits {
            self.renew(ticket, journal);
        }
        let Some((entry, chunks)) = self.index.get_mut(ticket) else { return };
        let (state, first_seen) = (entry.state, entry.first_seen);
        match state {
            State::Decided(Outcome::NotSampled) if entry.chain.oldest().is_some() => {
                entry.chain.push(place, chunks);
                self.plan.absorb(&mut entry.facts, &portion.facts);
                self.explanations.late(&portion.trace_id, u64::from(portion.facts.spans));
                if portion.facts.has_error {
                    self.reconsider(ticket, now);
                }
            }
            State::Decided(outcome) => {
                self.ages.push_back(Age::LateSpan(now.since(first_seen)));
                self.late_by_entry(portion, place, outcome);
            }
            State::Open | State::Rooted | State::Slotted | State::Free => {
                entry.chain.push(place, chunks);
                self.plan.absorb(&mut entry.facts, &portion.facts);
                self.arrived(ticket, &portion.facts, now, journal);
            }
        }
    }

    fn follows_memory(&mut self, portion: &Portion, place: Place) -> bool {
        let spans = u64::from(portion.facts.spans);
        if let Some(verdict) = self.sampled.ask(&portion.trace_id) {
            self.counts.cached_sampled_spans += spans;
            self.explanations.late(&portion.trace_id, spans);
            let late = Late { trace_id: portion.trace_id, verdict, cached: true, place, spans };
            self.outputs.push_back(Output::Late(late));
            return true;
        }
        if self.not_sampled.peek(&portion.trace_id).is_none() {
            return false;
        }
        self.not_sampled.ask(&portion.trace_id);
        self.counts.cached_not_sampled_spans += spans;
        self.explanations.late(&portion.trace_id, spans);
        self.outputs.push_back(Output::Discard { spans, reason: Reason::LateNotSampled });
        true
    }

    fn late_by_entry(&mut self, portion: &Portion, place: Place, outcome: Outcome) {
        let spans = u64::from(portion.facts.spans);
        self.explanations.late(&portion.trace_id, spans);
        if outcome == Outcome::Sampled {
            let known = self.explanations.get(&portion.trace_id);
            let verdict = Remembered {
                policy: known.and_then(|known| known.policy(known.verdict.policy)),
                threshold: known.and_then(|known| known.verdict.threshold),
            };
            let late = Late { trace_id: portion.trace_id, verdict, cached: false, place, spans };
            self.outputs.push_back(Output::Late(late));
        } else {
            self.outputs.push_back(Output::Discard { spans, reason: Reason::LateNotSampled });
        }
    }

    fn begin(&mut self, trace_id: [u8; 16], place: Place, now: Moment, journal: &mut dyn Reread) -> Ticket {
        self.counts.new_traces += 1;
        for _ in 0..ROOM_AT_ONCE {
            if self.index.len() < self.num_traces || !self.make_room(now, journal) {
                break;
            }
        }
        let ticket = self.index.insert(trace_id, self.generation, now);
        self.due.push(now, ticket);
        if let Some(at) = self.evicted.iter().position(|(id, _)| *id == trace_id) {
            // The Collector's id of the first time is still in its slot, and decides the trace.
            let slot = self.evicted.remove(at).map(|(_, at)| at);
            if let Some((slot, (entry, _))) = slot.zip(self.index.get_mut(ticket)) {
                (entry.state, entry.hurry) = (State::Slotted, slot);
                self.due.push_slot(slot, ticket);
            }
        }
        self.arrivals.push_back((ticket, place));
        if self.config.compat {
            self.map_order.push_back(ticket);
        }
        ticket
    }

    /// A portion of an open trace has been added.
    fn arrived(&mut self, ticket: Ticket, portion: &Facts, now: Moment, journal: &mut dyn Reread) {
        self.arriving_spans = u64::from(portion.spans);
        let Some((entry, _)) = self.index.get_mut(ticket) else { return };
        if portion.has_root && self.waits.is_hurried_by_root(entry, now) {
            (entry.state, entry.hurry) = (State::Rooted, now);
            self.due.push_root(now, ticket);
        }
        if self.config.maximum_trace_size_bytes.is_some_and(|max| entry.facts.bytes > max) {
            self.too_large(ticket, now);
        } else if entry.facts_of == self.generation {
            self.may_be_decided(ticket, Some(portion), now, journal);
        }
    }

    /// What is known of an open trace, by a portion that has just come or because it was read again, may decide it.
    pub(super) fn may_be_decided(
        &mut self,
        ticket: Ticket,
        portion: Option<&Facts>,
        now: Moment,
        journal: &mut dyn Reread,
    ) {
        let Some(entry) = self.index.get(ticket) else { return };
        let candidate = Candidate { trace_id: entry.trace_id, facts: &entry.facts };
        if self.config.strategy == Strategy::SpanIngest {
            if let Some(portion) = portion
                && let Some(verdict) = self.policies.ingest(now, candidate, portion)
            {
                self.decide(ticket, verdict, Trigger::Ingest, now);
                return;
            }
        } else if self.config.early != Early::Off
            && let Some(verdict) = self.policies.settled(candidate)
            && (self.config.early == Early::All || verdict.outcome != Outcome::Sampled)
        {
            self.decide(ticket, verdict, Trigger::Early, now);
            return;
        }
        let spans = self.index.get(ticket).map_or(0, |entry| u64::from(entry.facts.spans));
        if self.config.max_spans.is_some_and(|max| spans > max) {
            self.judge_now(ticket, Trigger::SpanLimit, now, journal);
        }
    }

    /// Time has passed: takes the verdicts that are due. At most [`BATCH`] of them; call again while
    /// [`Self::poll_timeout`] is not later than `now`.
    pub fn handle_timeout(&mut self, now: Moment, journal: &mut dyn Reread) {
        self.judged_at = now;
        while self.retired.front().is_some_and(|(at, _)| *at + self.config.decision_wait <= now) {
            self.retire_first(now);
        }
        while self.evicted.front().is_some_and(|(_, at)| *at <= now) {
            self.evicted.pop_front();
            self.counts.dropped_too_early += 1;
        }
        let (mut batch, mut read) = (Vec::new(), 0);
        while batch.len() < BATCH
            && read < REREAD_AT_ONCE
            && let Some(ticket) = self.due.pop(&self.waits, now, |ticket| self.index.get(ticket))
        {
            // A ticket is stale when the trace was decided.
            let Some(entry) = self.index.get(ticket).filter(|entry| is_open(entry.state)) else { continue };
            let (at, trigger) = self.waits.deadline(entry);
            if at > now {
                self.due.push_slot(at, ticket); // it was due sooner, before the waits changed
            } else if !self.waits_for_facts(ticket) {
                read += self.renew(ticket, journal);
                batch.push((ticket, trigger));
            }
        }
        self.judge_batch(&batch, now, journal);
        self.trim();
        self.judges_on = self.due.next(&self.waits).is_some_and(|at| at <= now);
    }

    /// When [`Self::handle_timeout`] has something to do. Verdicts that are due shortly after others wait for
    /// [`COALESCE`], so that they are judged together.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let retired = self.retired.front().map(|(at, _)| *at + self.config.decision_wait);
        let evicted = self.evicted.front().map(|(_, at)| *at);
        let next = [self.due.next(&self.waits), retired, evicted].into_iter().flatten().min()?;
        Some(if self.judges_on { next } else { next.max(self.judged_at + COALESCE) })
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next age to be counted.
    pub fn poll_age(&mut self) -> Option<Age> {
        self.ages.pop_front()
    }

    /// Nothing in the journal before this place is needed by an open trace, or for a second chance.
    pub fn oldest_place(&mut self) -> Option<Place> {
        self.trim();
        let (ticket, place) = self.arrivals.front()?;
        let entry = self.index.get(*ticket);
        Some(entry.and_then(|entry| entry.chain.oldest()).unwrap_or(*place))
    }

    /// Forgets queue entries at the fronts that mean nothing any more.
    pub(super) fn trim(&mut self) {
        let (index, arrivals) = (&self.index, &mut self.arrivals);
        let alive = |ticket: Ticket| index.get(ticket).is_some_and(|entry| is_open(entry.state));
        self.due.trim(alive);
        while self.map_order.front().is_some_and(|ticket| index.get(*ticket).is_none()) {
            self.map_order.pop_front();
        }
        while let Some((ticket, _)) = arrivals.front() {
            let entry = index.get(*ticket);
            let needed = entry.is_some_and(|entry| is_open(entry.state) || is_retained(entry));
            if needed {
                break;
            }
            arrivals.pop_front();
            self.arrivals_gone += 1;
        }
    }
}

pub(super) fn is_open(state: State) -> bool {
    matches!(state, State::Open | State::Rooted | State::Slotted)
}

/// Whether an entry is decided and still has its bytes.
pub(super) fn is_retained(entry: &super::index::Entry) -> bool {
    !is_open(entry.state) && entry.chain.oldest().is_some()
}

/// Verdicts taken in one go.
const BATCH: usize = 4096;
/// Portions read again for them, one trace more at worst.
pub(super) const REREAD_AT_ONCE: usize = 512;
/// Entries that make room for one: more when one of them stays for a second chance, or the limit has become smaller.
const ROOM_AT_ONCE: usize = 8;
/// Verdicts that are due within this are taken together.
const COALESCE: Duration = Duration::from_millis(5);
