//! Other policies and limits for a sampler that runs.
//!
//! Facts are of the plan that they were gathered by. When another plan asks for others, the portions of open traces are
//! read again: of each trace before anything else happens to it, of the others a few at a time, oldest first, as they
//! are due soonest. What a smaller limit leaves no room for goes a few at a time likewise.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chain::Place;
use super::facts::{Facts, Plan};
use super::index::Ticket;
use super::judge::Policies;
use super::room::Room;
use super::sampler::{Sampler, is_open, is_retained};
use super::{Config, Moment};

/// Reads what lies in the journal once more.
pub trait Reread {
    /// Shows the facts of the spans at a place, as `plan` gathers them, in one or more parts. False when they cannot be
    /// read.
    fn reread(&mut self, plan: &Plan, place: Place, show: &mut dyn FnMut(&Facts)) -> bool;
}

/// Where there is nothing to read: before the first reconfiguration nothing has to be.
impl Reread for () {
    fn reread(&mut self, _: &Plan, _: Place, _: &mut dyn FnMut(&Facts)) -> bool {
        false
    }
}

/// What is left to do of a reconfiguration. Traces are counted in the order that they came.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The next trace that may have facts of an earlier plan.
    next: u64,
    /// The first that has not.
    end: u64,
    /// There may be more than the limits allow.
    oversize: bool,
    /// Long traces with facts of an earlier plan, those that are due meanwhile among them.
    long: VecDeque<Ticket>,
    /// What is known of the first of them, from so many of its portions.
    known: (Facts, usize),
}

impl Sampler {
    /// Puts other policies and limits in force, and what `plan` gathers for them: the plan there was, if it gathers the
    /// same. `num_shards` stays.
    ///
    /// An open trace is judged by the policies at its deadline, which is counted from its first span by the new waits
    /// but is not earlier than now. The state of a policy that is as it was stays, wherever it stands in the list.
    pub fn reconfigure(&mut self, config: Config, plan: Arc<Plan>, now: Moment) {
        if !Arc::ptr_eq(&self.plan, &plan) {
            self.plan = plan;
            self.generation = self.generation.wrapping_add(1);
            self.backlog.next = self.arrivals_gone;
            self.backlog.end = self.arrivals_gone + self.arrivals.len() as u64;
            self.backlog.known = Default::default();
        }
        let before = std::mem::replace(&mut self.policies, Policies::new(&config));
        self.policies.take_over(before, &self.config.policies, &config.policies);
        self.names.change(&config);
        self.waits.change(&config, now);
        if config.compat && !self.config.compat {
            self.map_order.extend(self.arrivals.iter().map(|(ticket, _)| *ticket));
        }
        let room = Room::new(&config);
        self.num_traces = room.traces;
        self.sampled.change(room.sampled, config.compat);
        self.not_sampled.change(room.not_sampled, config.compat);
        self.explanations.change(room.explanations, config.compat);
        self.backlog.oversize = true;
        self.config = config;
    }

    /// Whether [`Self::catch_up`] has something to do.
    pub fn is_behind(&self) -> bool {
        let Backlog { next, end, oversize, long, .. } = &self.backlog;
        *oversize || next < end || !long.is_empty()
    }

    /// Does a part of what a reconfiguration left to do; call it until nothing is.
    pub fn catch_up(&mut self, now: Moment, journal: &mut dyn Reread) {
        if self.backlog.oversize {
            self.shrink(now, journal);
        }
        self.read_long(now, journal);
        self.backlog.next = self.backlog.next.max(self.arrivals_gone);
        let mut read = 0;
        while self.backlog.next < self.backlog.end && read < PORTIONS_AT_ONCE {
            let at = (self.backlog.next - self.arrivals_gone) as usize;
            let Some((ticket, _)) = self.arrivals.get(at).copied() else {
                self.backlog.next = self.backlog.end;
                break;
            };
            // A trace that has gone or is as it should be is looked at in no time, but not in none.
            read += if self.waits_for_facts(ticket) { 0 } else { self.renew(ticket, journal) }.max(1);
            self.backlog.next += 1;
        }
    }

    /// Whether a trace has facts of an earlier plan and is so long that reading it would keep others waiting. Then
    /// [`Self::catch_up`] reads it, and judges it if it should be.
    pub(super) fn waits_for_facts(&mut self, ticket: Ticket) -> bool {
        let entry = self.index.get(ticket).filter(|entry| is_open(entry.state));
        let waits =
            entry.is_some_and(|entry| entry.facts_of != self.generation && entry.chain.len() > LONG_PORTIONS);
        if waits && !self.backlog.long.contains(&ticket) {
            self.backlog.long.push_back(ticket);
        }
        waits
    }

    /// Brings the facts of a trace to the plan in force; gives how many portions were read.
    #[inline]
    pub(super) fn renew(&mut self, ticket: Ticket, journal: &mut dyn Reread) -> usize {
        match self.index.get(ticket) {
            Some(entry) if entry.facts_of != self.generation => self.read_again(ticket, journal),
            _ => 0,
        }
    }

    #[cold]
    fn read_again(&mut self, ticket: Ticket, journal: &mut dyn Reread) -> usize {
        let mut known = Default::default();
        while !self.read_some(ticket, &mut known, journal) {}
        known.1
    }

    /// Reads the first of the long traces on.
    fn read_long(&mut self, now: Moment, journal: &mut dyn Reread) {
        let Some(ticket) = self.backlog.long.front().copied() else { return };
        let mut known = std::mem::take(&mut self.backlog.known);
        if !self.read_some(ticket, &mut known, journal) {
            self.backlog.known = known;
            return;
        }
        self.backlog.long.pop_front();
        self.has_facts(ticket, now, journal);
    }

    /// A long trace has its facts: what had to wait for them happens now.
    fn has_facts(&mut self, ticket: Ticket, now: Moment, journal: &mut dyn Reread) {
        let Some(entry) = self.index.get(ticket).filter(|entry| is_open(entry.state)) else { return };
        let (at, trigger) = self.waits.deadline(entry);
        if at <= now {
            self.judge_now(ticket, trigger, now, journal);
        } else {
            self.due.push_slot(at, ticket); // it may have been due once, before the waits changed
            self.may_be_decided(ticket, None, now, journal);
        }
    }

    /// Reads some portions of a trace by the plan in force, and adds them to what is `known` of so many. True when the
    /// trace has its facts, or has gone.
    fn read_some(&mut self, ticket: Ticket, known: &mut (Facts, usize), journal: &mut dyn Reread) -> bool {
        let (generation, plan) = (self.generation, &self.plan);
        let Some((entry, chunks)) = self.index.get_mut(ticket) else { return true };
        if entry.facts_of == generation {
            return true;
        }
        let (facts, done) = known;
        let places = entry.chain.some(*done, LONG_PORTIONS, chunks);
        for place in &places {
            if !journal.reread(plan, *place, &mut |portion| plan.absorb(facts, portion)) {
                // What every plan gathers is still known of what cannot be read.
                let before = &entry.facts;
                facts.start_min = facts.start_min.min(before.start_min);
                facts.end_max = facts.end_max.max(before.end_max);
                facts.bytes = facts.bytes.max(before.bytes);
                facts.has_root |= before.has_root;
                facts.has_error |= before.has_error;
            }
        }
        *done += places.len();
        if *done < entry.chain.len() {
            return false;
        }
        facts.spans = entry.facts.spans; // they are held, whether they can be read or not
        if is_open(entry.state) || is_retained(entry) {
            entry.facts = std::mem::take(facts);
        }
        entry.facts_of = generation;
        true
    }

    /// Makes room where there is more than the limits allow.
    fn shrink(&mut self, now: Moment, journal: &mut dyn Reread) {
        let forgets = self.sampled.shrink(FORGOTTEN_AT_ONCE) | self.not_sampled.shrink(FORGOTTEN_AT_ONCE);
        let judges = (0..JUDGED_AT_ONCE).all(|_| self.let_go(now, journal));
        self.backlog.oversize = forgets || judges;
    }

    /// One trace leaves that there is no room for. False when there is none.
    fn let_go(&mut self, now: Moment, journal: &mut dyn Reread) -> bool {
        if !self.config.compat && self.forget_mapped() {
            return true;
        }
        self.index.len() > self.num_traces && !self.refuses_new() && self.make_room(now, journal)
    }

    /// `compat` has been left: the oldest entry of the Collector's map goes, unless it has to stay. False when the map
    /// is empty.
    fn forget_mapped(&mut self) -> bool {
        let Some(ticket) = self.map_order.pop_front() else { return false };
        let entry = self.index.get(ticket);
        if entry.is_some_and(|entry| !is_open(entry.state) && !is_retained(entry)) {
            self.index.remove(ticket);
        }
        true
    }
}

/// Portions that are read again in one go; a trace that has more is long. In tests most are.
pub(super) const LONG_PORTIONS: usize = if cfg!(test) { 3 } else { 256 };
/// Portions read again between two traces that others may come between, one trace more at worst.
pub(super) const PORTIONS_AT_ONCE: usize = 16;
/// Traces judged to make room in one go.
const JUDGED_AT_ONCE: usize = 64;
/// Remembered verdicts let go in one go.
const FORGOTTEN_AT_ONCE: usize = 4096;
