//! When verdicts are due. Waits have one length each, so the traces wait in queues in the order that they came, not in a
//! heap; the queues hold when each wait began, so that another length moves every deadline at once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::decided::Trigger;
use super::index::{Entry, State, Ticket};
use super::{Config, Moment};

/// Where deadlines come from.
#[derive(Debug)]
pub(super) struct Waits {
    wait: Duration,
    after_root: Option<Duration>,
    ticks: bool,    // compat: verdicts are taken at whole seconds from `origin` on
    origin: Moment, // when the sampler began
    since: Moment,  // when these waits were put in force; no deadline is earlier
}

impl Waits {
    pub(super) fn new(config: &Config, origin: Moment) -> Self {
        let after_root = config.decision_wait_after_root;
        if config.compat {
            // The Collector counts whole seconds, at least one, and decides at the tick after.
            let wait = Duration::from_secs(config.decision_wait.as_secs().max(1));
            let after_root = (!after_root.is_zero()).then(|| Duration::from_secs(after_root.as_secs()));
            return Self { wait, after_root, ticks: true, origin, since: Moment(0) };
        }
        let after_root = (!after_root.is_zero()).then_some(after_root);
        Self { wait: config.decision_wait, after_root, ticks: false, origin, since: Moment(0) }
    }

    /// Other waits, for open traces too: they count from where they began.
    pub(super) fn change(&mut self, config: &Config, now: Moment) {
        let new = Self::new(config, self.origin);
        if (new.wait, new.after_root, new.ticks) != (self.wait, self.after_root, self.ticks) {
            *self = Self { since: now, ..new };
        }
    }

    /// When a trace is due, and by what.
    pub(super) fn deadline(&self, entry: &Entry) -> (Moment, Trigger) {
        let at = self.of_first(entry.first_seen);
        match self.sooner(entry) {
            Some(sooner) if sooner < at && entry.state == State::Rooted => (sooner, Trigger::Root),
            Some(sooner) => (sooner.min(at), Trigger::Deadline),
            None => (at, Trigger::Deadline),
        }
    }

    /// When a trace is due whose first span came then.
    pub(super) fn of_first(&self, seen: Moment) -> Moment {
        self.after(seen, self.wait)
    }

    /// Whether a root that comes now may bring the deadline forward: the first one, and in a slot only if that is sooner.
    pub(super) fn is_hurried_by_root(&self, entry: &Entry, now: Moment) -> bool {
        match entry.state {
            State::Open => true,
            State::Slotted => self.of_root(now).is_some_and(|at| at < entry.hurry),
            _ => false,
        }
    }

    /// When a trace is due for another reason than its first span.
    fn sooner(&self, entry: &Entry) -> Option<Moment> {
        match entry.state {
            State::Rooted => self.of_root(entry.hurry),
            State::Slotted => Some(entry.hurry),
            _ => None,
        }
    }

    fn of_root(&self, seen: Moment) -> Option<Moment> {
        self.after_root.map(|wait| self.after(seen, wait))
    }

    fn after(&self, began: Moment, wait: Duration) -> Moment {
        if !self.ticks {
            return (began + wait).max(self.since);
        }
        let passed = began.since(self.origin).as_secs();
        (self.origin + Duration::from_secs(passed + 1) + wait).max(self.since)
    }
}

/// Tickets in the order of their deadlines.
#[derive(Debug, Default)]
pub(super) struct Due {
    by_wait: VecDeque<(Moment, Ticket)>,            // when the first span came
    by_root: VecDeque<(Moment, Ticket)>,            // when the root came
    by_slot: BinaryHeap<Reverse<(Moment, Ticket)>>, // when it is due
}

impl Due {
    /// The first span of a trace has come.
    pub(super) fn push(&mut self, seen: Moment, ticket: Ticket) {
        self.by_wait.push_back((seen, ticket));
    }

    /// The root of a trace has come.
    pub(super) fn push_root(&mut self, seen: Moment, ticket: Ticket) {
        self.by_root.push_back((seen, ticket));
    }

    /// A trace is due at a moment of its own.
    pub(super) fn push_slot(&mut self, at: Moment, ticket: Ticket) {
        self.by_slot.push(Reverse((at, ticket)));
    }

    /// The next ticket whose time has come; each once, though it be in several queues. It may be stale.
    pub(super) fn pop<'i>(
        &mut self,
        waits: &Waits,
        now: Moment,
        entry: impl Fn(Ticket) -> Option<&'i Entry>,
    ) -> Option<Ticket> {
        if self.by_slot.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            return self.by_slot.pop().map(|Reverse((_, ticket))| ticket);
        }
        let due = |(seen, _): &mut (Moment, Ticket)| waits.of_root(*seen).is_some_and(|at| at <= now);
        if let Some((_, ticket)) = self.by_root.pop_front_if(due) {
            return Some(ticket);
        }
        while let Some((_, ticket)) = self.by_wait.pop_front_if(|(seen, _)| waits.of_first(*seen) <= now) {
            let had = entry(ticket).and_then(|entry| waits.sooner(entry)).is_some_and(|at| at <= now);
            if !had {
                return Some(ticket);
            }
        }
        None
    }

    /// The earliest time of any ticket, stale ones included.
    pub(super) fn next(&self, waits: &Waits) -> Option<Moment> {
        let by_wait = self.by_wait.front().map(|(seen, _)| waits.of_first(*seen));
        let by_root = self.by_root.front().and_then(|(seen, _)| waits.of_root(*seen));
        let by_slot = self.by_slot.peek().map(|Reverse((at, _))| *at);
        [by_wait, by_root, by_slot].into_iter().flatten().min()
    }

    /// Tickets that are stale at the fronts are let go, so that the queues do not grow without bound.
    pub(super) fn trim(&mut self, is_open: impl Fn(Ticket) -> bool) {
        for queue in [&mut self.by_root, &mut self.by_wait] {
            while queue.pop_front_if(|(_, ticket)| !is_open(*ticket)).is_some() {}
        }
        while self.by_slot.peek().is_some_and(|Reverse((_, ticket))| !is_open(*ticket)) {
            self.by_slot.pop();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let tickets = self.by_wait.capacity() + self.by_root.capacity() + self.by_slot.capacity();
        tickets * size_of::<(Moment, Ticket)>()
    }
}
