//! When verdicts are due. Waits have one length each, so the traces wait in two queues, not in a heap.

use std::collections::VecDeque;
use std::time::Duration;

use super::index::Ticket;
use super::{Config, Moment};

/// Where deadlines come from.
#[derive(Debug)]
pub(super) struct Waits {
    wait: Duration,
    after_root: Option<Duration>,
    ticks_from: Option<Moment>, // compat: verdicts are taken at whole seconds from here on
}

impl Waits {
    pub(super) fn new(config: &Config, origin: Moment) -> Self {
        let after_root = config.decision_wait_after_root;
        if config.compat {
            // The Collector counts whole seconds, at least one, and decides at the tick after.
            let wait = Duration::from_secs(config.decision_wait.as_secs().max(1));
            let after_root = (!after_root.is_zero()).then(|| Duration::from_secs(after_root.as_secs()));
            return Self { wait, after_root, ticks_from: Some(origin) };
        }
        let after_root = (!after_root.is_zero()).then_some(after_root);
        Self { wait: config.decision_wait, after_root, ticks_from: None }
    }

    /// When a trace that begins now is due.
    pub(super) fn deadline(&self, now: Moment) -> Moment {
        self.after(now, self.wait)
    }

    /// When a trace whose root has come now is due at the latest.
    pub(super) fn deadline_of_root(&self, now: Moment) -> Option<Moment> {
        self.after_root.map(|wait| self.after(now, wait))
    }

    fn after(&self, now: Moment, wait: Duration) -> Moment {
        let Some(origin) = self.ticks_from else { return now + wait };
        let passed = now.since(origin).as_secs();
        origin + Duration::from_secs(passed + 1) + wait
    }
}

/// Tickets in the order of their deadlines.
#[derive(Debug, Default)]
pub(super) struct Due {
    by_wait: VecDeque<(Moment, Ticket)>,
    by_root: VecDeque<(Moment, Ticket)>,
}

impl Due {
    pub(super) fn push(&mut self, at: Moment, ticket: Ticket) {
        self.by_wait.push_back((at, ticket));
    }

    pub(super) fn push_root(&mut self, at: Moment, ticket: Ticket) {
        self.by_root.push_back((at, ticket));
    }

    /// The next ticket whose time has come. It may be stale, or have come sooner by the other queue.
    pub(super) fn pop(&mut self, now: Moment) -> Option<(Moment, Ticket)> {
        for queue in [&mut self.by_root, &mut self.by_wait] {
            if queue.front().is_some_and(|(at, _)| *at <= now) {
                return queue.pop_front();
            }
        }
        None
    }

    /// The earliest time of any ticket, stale ones included.
    pub(super) fn next(&self) -> Option<Moment> {
        let fronts = [self.by_root.front(), self.by_wait.front()];
        fronts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Tickets in the queue of waits that are stale at its front are let go, so that it does not grow without bound.
    pub(super) fn trim(&mut self, is_open: impl Fn(Ticket) -> bool) {
        for queue in [&mut self.by_root, &mut self.by_wait] {
            while queue.front().is_some_and(|(_, ticket)| !is_open(*ticket)) {
                queue.pop_front();
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        (self.by_wait.capacity() + self.by_root.capacity()) * size_of::<(Moment, Ticket)>()
    }
}
