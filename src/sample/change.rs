//! Other policies and limits for a sampler that runs.
//!
//! Facts are of the plan that they were gathered by. When another plan asks for others, the portions of open traces are
//! read again: of each trace before anything else happens to it, of the others a few at a time, oldest first, as they
//! are due soonest. What a smaller limit leaves no room for goes a few at a time likewise.

use std::sync::Arc;

use super::chain::Place;
use super::facts::{Facts, Plan};
use super::index::Ticket;
use super::judge::Policies;
use super::sampler::{Room, Sampler, is_open, is_retained};
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
        }
        let before = std::mem::replace(&mut self.policies, Policies::new(&config));
        self.policies.take_over(before, &self.config.policies, &config.policies);
        self.names.change(&config);
        self.waits.change(&config, now);
        if config.compat && !self.config.compat {
            self.map_order = self.arrivals.iter().map(|(ticket, _)| *ticket).collect();
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
        self.backlog.oversize || self.backlog.next < self.backlog.end
    }

    /// Does a part of what a reconfiguration left to do; call it until nothing is. `portions` is how many are read again
    /// at most, one trace more at worst.
    pub fn catch_up(&mut self, portions: usize, now: Moment, journal: &mut dyn Reread) {
        if self.backlog.oversize {
            self.shrink(now, journal);
        }
        self.backlog.next = self.backlog.next.max(self.arrivals_gone);
        let mut read = 0;
        while self.backlog.next < self.backlog.end && read < portions {
            let at = (self.backlog.next - self.arrivals_gone) as usize;
            let Some((ticket, _)) = self.arrivals.get(at).copied() else {
                self.backlog.next = self.backlog.end;
                return;
            };
            // A trace that has gone or is as it should be is looked at in no time, but not in none.
            read += self.renew(ticket, journal).max(1);
            self.backlog.next += 1;
        }
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
        let (generation, plan) = (self.generation, Arc::clone(&self.plan));
        let Some((entry, chunks)) = self.index.get_mut(ticket) else { return 0 };
        entry.facts_of = generation;
        if !is_open(entry.state) && !is_retained(entry) {
            return 0;
        }
        let (mut facts, mut lost) = (Facts::default(), false);
        let places = entry.chain.places(chunks);
        for place in &places {
            lost |= !journal.reread(&plan, *place, &mut |portion| plan.absorb(&mut facts, portion));
        }
        let before = &mut entry.facts;
        if lost {
            // What every plan gathers is still known of what cannot be read.
            facts.start_min = facts.start_min.min(before.start_min);
            facts.end_max = facts.end_max.max(before.end_max);
            facts.has_root |= before.has_root;
            facts.has_error |= before.has_error;
            facts.bytes = facts.bytes.max(before.bytes);
        }
        facts.spans = before.spans; // they are held, whether they can be read or not
        *before = facts;
        places.len()
    }

    /// Makes room where there is more than the limits allow.
    fn shrink(&mut self, now: Moment, journal: &mut dyn Reread) {
        let mut more = self.sampled.shrink(FORGOTTEN_AT_ONCE) | self.not_sampled.shrink(FORGOTTEN_AT_ONCE);
        for _ in 0..JUDGED_AT_ONCE {
            // Decided traces that only the Collector keeps in its map.
            let leaves = !self.config.compat && self.forget_mapped();
            let full = self.index.len() > self.num_traces && !self.refuses_new();
            if !leaves && !(full && self.make_room(now, journal)) {
                self.backlog.oversize = more;
                return;
            }
        }
        more = true;
        self.backlog.oversize = more;
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

/// Traces judged to make room in one go.
const JUDGED_AT_ONCE: usize = 64;
/// Remembered verdicts let go in one go.
const FORGOTTEN_AT_ONCE: usize = 4096;
