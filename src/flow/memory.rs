//! The `memory_limiter` processor: a door that is shut while the process uses more memory than it may, by what the
//! system says or by what we know that we hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{MissedTickBehavior, interval};

use super::{Answer, Consumer, RETRY_HINT, Request};
use crate::observe::{self, Ledger, MemoryLimiterMetrics, MemoryLimiterState, Registry};
use crate::outcome::{Fault, Reason, Refusal, Signal};

/// What a `memory_limiter` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// `check_interval`.
    pub check_interval: Duration,
    /// `limit_mib` or `limit_percentage`.
    pub limit: Amount,
    /// `spike_limit_mib` or `spike_limit_percentage`; zero means a fifth of the limit.
    pub spike: Amount,
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// In MiB.
    Mib(u32),
    /// In percent of the machine's, or of the control group's.
    Percent(u32),
}

impl Amount {
    fn bytes(self, total: Option<u64>) -> Option<u64> {
        match self {
            Self::Mib(mib) => Some(u64::from(mib) << 20),
            Self::Percent(percent) => Some((u128::from(total?) * u128::from(percent) / 100) as u64),
        }
    }
}

/// What a limit means here, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// From here on requests are refused.
    soft: u64,
    /// The limit itself, of which nothing more follows: there is no garbage to collect.
    hard: u64,
}

impl MemoryLimit {
    /// Nothing when the total is needed and not known.
    fn limits(&self, total: Option<u64>) -> Option<Limits> {
        let hard = self.limit.bytes(total)?;
        let spike = match self.spike.bytes(total)? {
            0 => hard / 5,
            spike => spike,
        };
        Some(Limits { soft: hard.saturating_sub(spike), hard })
    }
}

/// Whether there is too little memory, looked at again and again. All processors of one name share it.
#[derive(Clone)]
pub struct MemoryGate(Arc<Gate>);

struct Gate {
    name: String,
    limits: Limits,
    registry: Registry,
    shut: AtomicBool,
}

/// Memory in use, by either account.
#[derive(Clone, Copy, Debug)]
struct Used {
    /// What the system says: pages that no file backs. `None` where it does not say.
    resident: Option<u64>,
    /// What receivers, batches, queues, samplers and journals in memory say they hold.
    held: u64,
}

impl MemoryGate {
    /// Looks at once, then every `check_interval` as long as anyone holds the gate.
    pub fn start(name: &str, limit: &MemoryLimit, registry: &Registry) -> Result<Self, String> {
        let limits = limit.limits(observe::available_memory());
        let limits = limits.ok_or("failed to get total memory, use fixed memory settings (limit_mib)")?;
        let (registry, shut) = (registry.clone(), AtomicBool::new(false));
        let gate = Arc::new(Gate { name: name.to_owned(), limits, registry, shut });
        gate.expose();
        gate.look(gate.used());
        let (weak, every) = (Arc::downgrade(&gate), limit.check_interval);
        tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(gate) = weak.upgrade() else { return };
                gate.look(gate.used());
            }
        });
        Ok(Self(gate))
    }

    /// Whether there is memory for another request; if not, the refusal of a `memory_limiter`.
    pub fn ask(&self) -> Result<(), Refusal> {
        if self.0.shut.load(Ordering::Relaxed) { Err(refused()) } else { Ok(()) }
    }
}

impl Gate {
    /// What it compares, as series.
    fn expose(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        observe::expose_memory_limiter(&self.registry, &self.name, move || {
            let gate = weak.upgrade()?;
            let Limits { soft: soft_bytes, hard: hard_bytes } = gate.limits;
            Some(MemoryLimiterState { soft_bytes, hard_bytes, refuses: gate.shut.load(Ordering::Relaxed) })
        });
    }

    fn used(&self) -> Used {
        Used { resident: observe::memory_in_use(), held: self.registry.held_bytes() }
    }

    fn look(&self, used: Used) {
        let over = |bytes: u64| bytes >= self.limits.soft;
        let shut = used.resident.is_some_and(over) || over(used.held);
        if shut == self.shut.swap(shut, Ordering::Relaxed) {
            return;
        }
        let (processor, resident_mib, held_mib) =
            (&self.name, used.resident.unwrap_or(0) >> 20, used.held >> 20);
        if shut {
            let soft_limit_mib = self.limits.soft >> 20;
            tracing::warn!(
                processor,
                resident_mib,
                held_mib,
                soft_limit_mib,
                "memory usage is above the soft limit; data is refused"
            );
        } else {
            tracing::info!(processor, resident_mib, held_mib, "memory usage is back within the limits");
        }
    }
}

/// A `memory_limiter` of one pipeline. What it lets through it has nothing to do with any more.
#[derive(Clone)]
pub struct MemoryLimiter {
    gate: MemoryGate,
    next: Arc<dyn Consumer>,
    ledger: Ledger,
    metrics: MemoryLimiterMetrics,
}

impl MemoryLimiter {
    /// A door in front of `next`.
    pub fn new(gate: MemoryGate, signal: Signal, next: Arc<dyn Consumer>, registry: &Registry) -> Self {
        let ledger = Ledger::new(registry, "processor", &gate.0.name, signal);
        let metrics = MemoryLimiterMetrics::new(registry, &gate.0.name, signal);
        Self { gate, next, ledger, metrics }
    }
}

impl Consumer for MemoryLimiter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let items = request.items;
        self.ledger.taken(items);
        if let Err(refusal) = self.gate.ask() {
            self.ledger.refused(Reason::MemoryLimit, items);
            self.metrics.refused.add(items);
            return Box::pin(std::future::ready(Err(refusal)));
        }
        self.ledger.delivered(items);
        self.metrics.accepted.add(items);
        self.next.consume(request)
    }

    fn is_destination(&self) -> bool {
        self.next.is_destination()
    }

    fn give_up(&self, signal: Signal, items: u64, refusal: &Refusal) {
        self.next.give_up(signal, items, refusal);
    }
}

fn refused() -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::MemoryLimit,
        message: "data refused due to high memory usage".into(),
        retry_after: Some(RETRY_HINT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Accepted;
    use bytes::Bytes;

    struct Takes;

    impl Consumer for Takes {
        fn consume(&self, _: Request) -> BoxFuture<'static, Answer> {
            Box::pin(std::future::ready(Ok(Accepted::default())))
        }
    }

    fn limit(limit: Amount, spike: Amount) -> MemoryLimit {
        MemoryLimit { check_interval: Duration::from_secs(1), limit, spike }
    }

    #[test]
    fn the_soft_limit_is_the_limit_without_the_spike() {
        let mib = |mib: u64| Some(mib << 20);
        let soft = |limit: MemoryLimit, total| limit.limits(total).map(|limits| limits.soft);
        assert_eq!(soft(limit(Amount::Mib(100), Amount::Mib(0)), None), mib(80));
        assert_eq!(soft(limit(Amount::Mib(100), Amount::Mib(30)), None), mib(70));
        let percent = limit(Amount::Percent(50), Amount::Percent(10));
        assert_eq!(soft(percent.clone(), mib(1000)), mib(400));
        assert_eq!(soft(percent, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_door_is_shut_while_too_much_is_used() {
        let registry = Registry::new();
        let limit = limit(Amount::Mib(1 << 20), Amount::Mib(0));
        let gate = MemoryGate::start("memory_limiter", &limit, &registry).unwrap();
        let limiter = MemoryLimiter::new(gate.clone(), Signal::Traces, Arc::new(Takes), &registry);
        let offer = || limiter.consume(Request::new(Signal::Traces, Bytes::new(), 3));
        let quiet = Used { resident: Some(0), held: 0 };
        let refusing = || registry.sum_of_gauges("ringtail_memory_limiter_refusing");
        assert!(offer().await.is_ok());
        for used in [Used { resident: Some(u64::MAX), held: 0 }, Used { resident: None, held: u64::MAX }] {
            gate.0.look(used);
            assert_eq!(refusing(), 1.0);
            let refusal = offer().await.unwrap_err();
            assert!(refusal.passes());
            assert_eq!(refusal.message, "data refused due to high memory usage");
            gate.0.look(quiet);
            assert!(offer().await.is_ok());
        }
        assert_eq!(refusing(), 0.0);
        assert_eq!(limiter.ledger.imbalance(), 0);
        assert_eq!((limiter.metrics.accepted.get(), limiter.metrics.refused.get()), (9, 6));
    }
}
