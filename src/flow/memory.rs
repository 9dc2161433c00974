//! The `memory_limiter` processor: a door that is shut while the process uses more memory than it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{MissedTickBehavior, interval};

use super::{Answer, Consumer, RETRY_HINT, Request};
use crate::observe::{self, Ledger, MemoryLimiterMetrics, Registry};
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

impl MemoryLimit {
    /// Above so many bytes requests are refused; nothing when the total is needed and not known.
    fn soft_bytes(&self, total: Option<u64>) -> Option<u64> {
        let limit = self.limit.bytes(total)?;
        let spike = match self.spike.bytes(total)? {
            0 => limit / 5,
            spike => spike,
        };
        Some(limit.saturating_sub(spike))
    }
}

/// Whether there is too little memory, looked at again and again. All processors of one name share it.
#[derive(Clone)]
pub struct MemoryGate(Arc<Gate>);

struct Gate {
    name: String,
    soft_bytes: u64,
    shut: AtomicBool,
}

impl MemoryGate {
    /// Looks at once, then every `check_interval` as long as anyone holds the gate.
    pub fn start(name: &str, limit: &MemoryLimit) -> Result<Self, String> {
        let soft_bytes = limit.soft_bytes(observe::available_memory());
        let soft_bytes =
            soft_bytes.ok_or("failed to get total memory, use fixed memory settings (limit_mib)")?;
        let gate = Arc::new(Gate { name: name.to_owned(), soft_bytes, shut: AtomicBool::new(false) });
        gate.look(observe::memory_in_use());
        let (weak, every) = (Arc::downgrade(&gate), limit.check_interval);
        tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(gate) = weak.upgrade() else { return };
                gate.look(observe::memory_in_use());
            }
        });
        Ok(Self(gate))
    }
}

impl Gate {
    fn look(&self, used_bytes: Option<u64>) {
        let shut = used_bytes.is_some_and(|used| used >= self.soft_bytes);
        if shut == self.shut.swap(shut, Ordering::Relaxed) {
            return;
        }
        let (processor, used_mib) = (&self.name, used_bytes.unwrap_or(0) >> 20);
        if shut {
            tracing::warn!(processor, used_mib, "memory usage is above the soft limit; data is refused");
        } else {
            tracing::info!(processor, used_mib, "memory usage is back within the limits");
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
        if self.gate.0.shut.load(Ordering::Relaxed) {
            self.ledger.refused(Reason::MemoryLimit, items);
            self.metrics.refused.add(items);
            return Box::pin(std::future::ready(Err(refused())));
        }
        self.ledger.delivered(items);
        self.metrics.accepted.add(items);
        self.next.consume(request)
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
    use crate::flow::Window;
    use crate::outcome::Accepted;
    use bytes::Bytes;
    use std::time::Instant;

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
        assert_eq!(limit(Amount::Mib(100), Amount::Mib(0)).soft_bytes(None), mib(80));
        assert_eq!(limit(Amount::Mib(100), Amount::Mib(30)).soft_bytes(None), mib(70));
        let percent = limit(Amount::Percent(50), Amount::Percent(10));
        assert_eq!(percent.soft_bytes(mib(1000)), mib(400));
        assert_eq!(percent.soft_bytes(None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_door_is_shut_while_too_much_is_used() {
        let registry = Registry::new();
        let gate = MemoryGate::start("memory_limiter", &limit(Amount::Mib(1 << 20), Amount::Mib(0))).unwrap();
        let limiter = MemoryLimiter::new(gate.clone(), Signal::Traces, Arc::new(Takes), &registry);
        let offer = || {
            limiter.consume(Request {
                signal: Signal::Traces,
                body: Bytes::new(),
                items: 3,
                arrived: Instant::now(),
                deadline: None,
                kept: false,
                batched: false,
                metadata: None,
                window: Window::None,
            })
        };
        assert!(offer().await.is_ok());
        gate.0.look(Some(u64::MAX));
        let refusal = offer().await.unwrap_err();
        assert!(refusal.passes());
        assert_eq!(refusal.message, "data refused due to high memory usage");
        gate.0.look(Some(0));
        assert!(offer().await.is_ok());
        assert_eq!(limiter.ledger.imbalance(), 0);
        assert_eq!((limiter.metrics.accepted.get(), limiter.metrics.refused.get()), (6, 3));
    }
}
