//! Taking verdicts: when they are due, when there is no room to wait, and at the end.

use super::asked::Age;
use super::change::Reread;
use super::decided::{Decided, Known, Output, Trigger};
use super::index::{State, Ticket};
use super::judge::{Candidate, Outcome, Verdict, Vote};
use super::sampler::{Sampler, is_open, is_retained};
use super::{Moment, Reason, Strategy, WhenFull};

impl Sampler {
    /// Judges traces together.
    pub(super) fn judge_batch(&mut self, batch: &[(Ticket, Trigger)], now: Moment, journal: &mut dyn Reread) {
        if batch.is_empty() {
            return;
        }
        for (ticket, _) in batch {
            self.renew(*ticket, journal);
        }
        let open = |(ticket, _): &(Ticket, Trigger)| {
            let entry = self.index.get(*ticket)?;
            Some(Candidate { trace_id: entry.trace_id, facts: &entry.facts })
        };
        let verdicts = if self.config.compat && self.config.strategy == Strategy::SpanIngest {
            // The Collector asks no policy at the deadline: what is pending is not sampled.
            batch.iter().map(|_| self.pending_verdict()).collect()
        } else {
            let candidates: Vec<Candidate<'_>> = batch.iter().filter_map(open).collect();
            self.policies.judge(now, &candidates)
        };
        for ((ticket, trigger), verdict) in batch.iter().zip(verdicts) {
            self.decide(*ticket, verdict, *trigger, now);
        }
    }

    fn pending_verdict(&self) -> Verdict {
        Verdict {
            outcome: Outcome::NotSampled,
            policy: None,
            composite: None,
            threshold: None,
            votes: self.config.policies.iter().map(|_| Vote::NotAsked).collect(),
        }
    }

    pub(super) fn judge_now(
        &mut self,
        ticket: Ticket,
        trigger: Trigger,
        now: Moment,
        journal: &mut dyn Reread,
    ) {
        self.judge_batch(&[(ticket, trigger)], now, journal);
    }

    /// A late error: the verdict "not sampled" is taken again.
    pub(super) fn reconsider(&mut self, ticket: Ticket, now: Moment) {
        let Some(entry) = self.index.get(ticket) else { return };
        let candidate = Candidate { trace_id: entry.trace_id, facts: &entry.facts };
        let verdicts = self.policies.judge(now, &[candidate]);
        let Some(verdict) = verdicts.into_iter().next() else { return };
        if verdict.outcome == Outcome::Sampled {
            self.not_sampled.forget(&entry.trace_id.clone());
            self.decide(ticket, verdict, Trigger::SecondChance, now);
        }
    }

    /// Puts a verdict into force.
    pub(super) fn decide(&mut self, ticket: Ticket, verdict: Verdict, trigger: Trigger, now: Moment) {
        let Some((entry, chunks)) = self.index.get_mut(ticket) else { return };
        let outcome = verdict.outcome;
        let second_chance =
            self.config.second_chance && outcome == Outcome::NotSampled && trigger != Trigger::Shutdown;
        let mut decided = Decided {
            trace_id: entry.trace_id,
            verdict,
            trigger,
            first_seen: entry.first_seen,
            deadline: self.waits.deadline(entry).0,
            at: now,
            known: Known::of(&entry.facts),
            places: Vec::new(),
            portion_spans: self.arriving_spans,
            retained: second_chance,
            policies: std::sync::Arc::clone(self.names.places()),
        };
        if outcome == Outcome::Sampled {
            decided.places = entry.chain.take(chunks);
        } else if !second_chance {
            entry.chain.clear(chunks);
        }
        entry.state = State::Decided(outcome);
        entry.facts.more = entry.facts.more.take().filter(|_| second_chance);
        self.explanations.put(&decided);
        let memory = if outcome == Outcome::Sampled { &mut self.sampled } else { &mut self.not_sampled };
        memory.put(&decided.trace_id, decided.remembered());
        let remembered = memory.is_on();
        if second_chance {
            self.retired.push_back((now, ticket));
        } else if remembered || !self.config.compat || self.leaves_the_map(outcome, trigger) {
            self.index.remove(ticket);
            self.ages.push_back(Age::Removal(now.since(decided.first_seen)));
        }
        self.outputs.push_back(Output::Verdict(Box::new(decided)));
    }

    /// In the Collector's `span-ingest`, what was pending at its deadline leaves the map.
    fn leaves_the_map(&self, outcome: Outcome, trigger: Trigger) -> bool {
        let pending = matches!(trigger, Trigger::Deadline | Trigger::Root | Trigger::Shutdown);
        self.config.strategy == Strategy::SpanIngest && outcome == Outcome::NotSampled && pending
    }

    /// Over `maximum_trace_size_bytes`: not sampled, without a vote.
    pub(super) fn too_large(&mut self, ticket: Ticket, now: Moment) {
        self.counts.too_large += 1;
        let verdict = self.pending_verdict();
        self.decide(ticket, verdict, Trigger::SizeLimit, now);
    }

    /// `num_traces` is reached: one entry makes room. False when none can.
    pub(super) fn make_room(&mut self, now: Moment, journal: &mut dyn Reread) -> bool {
        if self.config.compat {
            return self.evict(now);
        }
        self.judge_early(Trigger::TracesLimit, now, journal)
    }

    /// The Collector's way: the oldest entry goes, decided or not.
    fn evict(&mut self, now: Moment) -> bool {
        while let Some(ticket) = self.map_order.pop_front() {
            let Some(entry) = self.index.get(ticket) else { continue };
            self.ages.push_back(Age::Removal(now.since(entry.first_seen)));
            if is_open(entry.state) {
                let spans = u64::from(entry.facts.spans);
                self.outputs.push_back(Output::Discard { spans, reason: Reason::Evicted });
                let (trace_id, deadline) = (entry.trace_id, self.waits.deadline(entry).0);
                let at = self.evicted.partition_point(|(_, known)| *known <= deadline);
                self.evicted.insert(at, (trace_id, deadline));
            }
            self.index.remove(ticket);
            return true;
        }
        false
    }

    /// Judges one open trace before its time, to make room in the index or in the journal. False when none is open.
    pub fn judge_early(&mut self, trigger: Trigger, now: Moment, journal: &mut dyn Reread) -> bool {
        // What is kept for a second chance only goes first.
        if self.retire(now) {
            return true;
        }
        let Some(ticket) = self.victim() else { return false };
        self.judge_now(ticket, trigger, now, journal);
        true
    }

    /// The oldest trace that is held for a second chance has had it. False when there is none.
    fn retire(&mut self, now: Moment) -> bool {
        while !self.retired.is_empty() {
            if self.retire_first(now) {
                return true;
            }
        }
        false
    }

    /// The first of those queue up to be retired is, unless it has left otherwise.
    pub(super) fn retire_first(&mut self, now: Moment) -> bool {
        let Some((_, ticket)) = self.retired.pop_front() else { return false };
        let Some(entry) = self.index.get(ticket).filter(|entry| is_retained(entry)) else { return false };
        let spans = u64::from(entry.facts.spans);
        self.ages.push_back(Age::Removal(now.since(entry.first_seen)));
        self.outputs.push_back(Output::Discard { spans, reason: Reason::NotSampled });
        self.index.remove(ticket);
        true
    }

    fn victim(&mut self) -> Option<Ticket> {
        self.trim();
        let open = self.arrivals.iter().filter_map(|(ticket, _)| {
            let entry = self.index.get(*ticket)?;
            is_open(entry.state).then_some((*ticket, entry))
        });
        match self.config.when_full {
            WhenFull::DecideLargest => {
                let size =
                    |(_, entry): &(Ticket, &super::index::Entry)| (entry.facts.spans, entry.facts.bytes);
                open.take(LOOK_AT).max_by_key(size).map(|(ticket, _)| ticket)
            }
            WhenFull::DecideOldest | WhenFull::Refuse => open.take(1).next().map(|(ticket, _)| ticket),
        }
    }

    /// Judges open traces because the process ends, at most [`AT_ONCE`] of them; false when none is left.
    pub fn judge_rest(&mut self, now: Moment, journal: &mut dyn Reread) -> bool {
        let open: Vec<(Ticket, Trigger)> = self
            .index
            .iter()
            .filter(|(_, entry)| is_open(entry.state))
            .take(AT_ONCE)
            .map(|(ticket, _)| (ticket, Trigger::Shutdown))
            .collect();
        self.judge_batch(&open, now, journal);
        !open.is_empty()
    }

    /// `drop_pending_traces_on_shutdown`: lets go of every open trace.
    pub fn drop_rest(&mut self) {
        let open: Vec<(Ticket, u64)> = self
            .index
            .iter()
            .filter(|(_, entry)| is_open(entry.state))
            .map(|(ticket, entry)| (ticket, u64::from(entry.facts.spans)))
            .collect();
        for (ticket, spans) in open {
            self.index.remove(ticket);
            self.outputs.push_back(Output::Discard { spans, reason: Reason::PendingDropped });
        }
    }

    /// Open traces and their spans.
    pub fn pending(&self) -> (u64, u64) {
        let open = self.index.iter().filter(|(_, entry)| is_open(entry.state));
        open.fold((0, 0), |(traces, spans), (_, entry)| (traces + 1, spans + u64::from(entry.facts.spans)))
    }
}

/// Traces that are compared to find the largest.
const LOOK_AT: usize = 64;
/// Verdicts taken in one go at the end.
const AT_ONCE: usize = 4096;
