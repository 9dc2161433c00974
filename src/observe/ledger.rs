//! The conservation sum: what came in is delivered, held, refused or dropped for a named reason. Nothing else.
//!
//! `held` is a gauge of its own, kept by whoever holds, and not the difference of the others: so the sum can fail,
//! and a loss shows.

use std::sync::{Arc, OnceLock};

use super::instruments::{Counter, Gauge};
use super::metrics::Registry;
use crate::outcome::{Reason, Signal};

const REASONS: usize = Reason::ALL.len();

/// Times a sum that does not close is taken again, before it is believed: items between two counters make it fail
/// for an instant, a loss for good.
const READINGS: usize = 16;

/// The sum of one component and signal. A clone, and another ledger of the same names, is the same sum.
#[derive(Clone)]
pub struct Ledger(Arc<Sums>);

struct Sums {
    taken: Counter,
    delivered: Counter,
    held: Gauge,
    refused: Reasons,
    dropped: Reasons,
}

/// A counter a reason, made when it is first needed: few ever are.
struct Reasons {
    registry: Registry,
    labels: [(&'static str, String); 4],
    counters: [OnceLock<Counter>; REASONS],
}

impl Reasons {
    fn add(&self, reason: Reason, n: u64) {
        let make = || self.registry.counter(ITEMS.0, ITEMS.1, &self.labels_of(reason));
        self.counters[reason as usize].get_or_init(make).add(n);
    }

    /// The count so far, also when another ledger of the same names counted it.
    fn get(&self, reason: Reason) -> u64 {
        let known = self.counters[reason as usize].get().cloned();
        let known = known.or_else(|| self.registry.find_counter(ITEMS.0, &self.labels_of(reason)));
        known.map_or(0, |counter| counter.get())
    }

    fn labels_of(&self, reason: Reason) -> [(&str, &str); 5] {
        let [kind, component, signal, state] = &self.labels;
        let [kind, component, signal, state] =
            [kind, component, signal, state].map(|(name, value)| (*name, value.as_str()));
        [kind, component, signal, state, ("reason", reason.name())]
    }
}

/// Name and help of the series.
const ITEMS: (&str, &str) = (
    "ringtail_ledger_items",
    "Items by what became of them; taken is the sum of the others and ringtail_held_items",
);

/// A ledger at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSnapshot {
    /// Items that came in.
    pub taken: u64,
    /// Items that are where the configuration promises.
    pub delivered: u64,
    /// Items in memory or on disk here.
    pub held: i64,
    /// Items refused to the sender, where there are any.
    pub refused: Vec<(Reason, u64)>,
    /// Items dropped after they were taken, where there are any.
    pub dropped: Vec<(Reason, u64)>,
    /// What is missing: above zero, items are lost; below, counted twice.
    pub imbalance: i64,
}

impl Ledger {
    /// The ledger of `component`, a `receiver` or `exporter` by its name in the configuration, for one signal.
    pub fn new(registry: &Registry, kind: &str, component: &str, signal: Signal) -> Self {
        let who = [("component_kind", kind), ("component", component), ("signal", signal.name())];
        let labels = |state| [who[0], who[1], who[2], ("state", state), ("reason", "")];
        let items = |state| registry.counter(ITEMS.0, ITEMS.1, &labels(state));
        let reasons = |state: &str| Reasons {
            registry: registry.clone(),
            labels: [who[0], who[1], who[2], ("state", state)].map(|(name, value)| (name, value.to_owned())),
            counters: [const { OnceLock::new() }; REASONS],
        };
        let sums = Arc::new(Sums {
            taken: items("taken"),
            delivered: items("delivered"),
            held: registry.gauge("ringtail_held_items", "Items held now, in memory or on disk", &who),
            refused: reasons("refused"),
            dropped: reasons("dropped"),
        });
        let read = sums.clone();
        let help = "Taken minus delivered, held, refused and dropped; anything but zero is a bug";
        registry.computed_gauge("ringtail_conservation_imbalance", help, &who, move || {
            Some(read.settled() as f64)
        });
        Self(sums)
    }

    /// `n` items came in. Say next, without waiting for anything, what became of them or that they are held.
    pub fn taken(&self, n: u64) {
        self.0.taken.add(n);
    }

    /// `n` items are where the configuration promises.
    pub fn delivered(&self, n: u64) {
        self.0.delivered.add(n);
    }

    /// `n` items are held from now on.
    pub fn held_add(&self, n: u64) {
        self.0.held.add(signed(n));
    }

    /// `n` items are held no longer. Say next what became of them.
    pub fn held_sub(&self, n: u64) {
        self.0.held.sub(signed(n));
    }

    /// `n` items were refused to their sender.
    pub fn refused(&self, reason: Reason, n: u64) {
        if n > 0 {
            self.0.refused.add(reason, n);
        }
    }

    /// `n` items were dropped after they were taken.
    pub fn dropped(&self, reason: Reason, n: u64) {
        if n > 0 {
            self.0.dropped.add(reason, n);
        }
    }

    /// What is missing now, items between two counters included.
    pub fn imbalance(&self) -> i64 {
        self.0.read().imbalance
    }

    /// What is missing, or zero if the sum closed in one of several readings.
    pub fn settled_imbalance(&self) -> i64 {
        self.0.settled()
    }

    /// The sum now.
    pub fn snapshot(&self) -> LedgerSnapshot {
        self.0.read()
    }
}

impl Sums {
    fn read(&self) -> LedgerSnapshot {
        let list = |reasons: &Reasons| -> Vec<(Reason, u64)> {
            let counts = Reason::ALL.into_iter().map(|reason| (reason, reasons.get(reason)));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let (refused, dropped) = (list(&self.refused), list(&self.dropped));
        let (taken, delivered, held) = (self.taken.get(), self.delivered.get(), self.held.get());
        let named: u64 = refused.iter().chain(&dropped).map(|(_, count)| count).sum();
        let imbalance = signed(taken) - signed(delivered) - held - signed(named);
        LedgerSnapshot { taken, delivered, held, refused, dropped, imbalance }
    }

    fn settled(&self) -> i64 {
        let mut smallest = i64::MAX;
        for _ in 0..READINGS {
            let imbalance = self.read().imbalance;
            if imbalance.unsigned_abs() <= smallest.unsigned_abs() {
                smallest = imbalance;
            }
            if smallest == 0 {
                break;
            }
            std::thread::yield_now();
        }
        smallest
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_index_by_their_place_in_the_list() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{}", reason.name());
        }
    }

    #[test]
    fn the_sum_closes_when_every_item_has_an_end() {
        let ledger = Ledger::new(&Registry::new(), "exporter", "load_balancing", Signal::Traces);
        ledger.taken(10);
        ledger.held_add(10);
        assert_eq!(ledger.imbalance(), 0);
        ledger.held_sub(7);
        ledger.delivered(4);
        ledger.dropped(Reason::BackendRejected, 1);
        ledger.refused(Reason::LaneFull, 2);
        let seen = ledger.snapshot();
        assert_eq!((seen.taken, seen.delivered, seen.held, seen.imbalance), (10, 4, 3, 0));
        assert_eq!(seen.refused, [(Reason::LaneFull, 2)]);
        assert_eq!(seen.dropped, [(Reason::BackendRejected, 1)]);
    }

    #[test]
    fn a_loss_shows_in_the_exposition() {
        let registry = Registry::new();
        let ledger = Ledger::new(&registry, "receiver", "otlp", Signal::Logs);
        ledger.taken(5);
        ledger.delivered(3);
        ledger.dropped(Reason::Internal, 1);
        let text = registry.render(false);
        let who = "component=\"otlp\",component_kind=\"receiver\"";
        assert!(
            text.contains(&format!("ringtail_conservation_imbalance{{{who},signal=\"logs\"}} 1\n")),
            "{text}"
        );
        assert!(text.contains("reason=\"internal\",signal=\"logs\",state=\"dropped\"} 1\n"), "{text}");
        assert!(!text.contains("busy"), "reasons that never occurred are not shown: {text}");
        assert!(text.contains(&format!("ringtail_held_items{{{who},signal=\"logs\"}} 0\n")), "{text}");
    }

    #[test]
    fn a_ledger_made_again_continues_the_same_sum() {
        let registry = Registry::new();
        let first = Ledger::new(&registry, "receiver", "otlp", Signal::Traces);
        first.taken(3);
        first.refused(Reason::Busy, 1);
        drop(first);
        let second = Ledger::new(&registry, "receiver", "otlp", Signal::Traces);
        second.delivered(2);
        assert_eq!(second.imbalance(), 0);
        assert_eq!(second.snapshot().taken, 3);
    }
}
