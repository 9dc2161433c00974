//! What goes through processors, by the Collector's names.

use super::instruments::Counter;
use super::metrics::Registry;
use crate::outcome::Signal;

/// The series of one processor and signal; its instances in several pipelines count together.
#[derive(Clone, Debug)]
pub struct ProcessorMetrics {
    /// Items that came.
    pub incoming: Counter,
    /// Items that went on.
    pub outgoing: Counter,
}

impl ProcessorMetrics {
    /// For `processor` by its name in the configuration.
    pub fn new(registry: &Registry, processor: &str, signal: Signal) -> Self {
        let by = [("processor", processor), ("otel_signal", signal.name())];
        let counter = |name, help| registry.counter(name, help, &by);
        Self {
            incoming: counter("otelcol_processor_incoming_items", "Number of items passed to the processor"),
            outgoing: counter(
                "otelcol_processor_outgoing_items",
                "Number of items emitted from the processor",
            ),
        }
    }
}

/// `otelcol_processor_memory_limiter_*` of one processor and signal.
#[derive(Clone, Debug)]
pub struct MemoryLimiterMetrics {
    /// Items that were let through.
    pub accepted: Counter,
    /// Items that were refused.
    pub refused: Counter,
}

impl MemoryLimiterMetrics {
    /// For `processor` by its name in the configuration.
    pub fn new(registry: &Registry, processor: &str, signal: Signal) -> Self {
        let counter = |what, help| {
            let name = format!("otelcol_processor_memory_limiter_{what}_{}", signal.items());
            registry.counter(&name, help, &[("processor", processor)])
        };
        Self {
            accepted: counter("accepted", "Number of items let through by the memory limiter"),
            refused: counter("refused", "Number of items refused by the memory limiter"),
        }
    }
}

/// What a memory limiter compares with memory in use.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimiterState {
    /// From so many bytes on data is refused.
    pub soft_bytes: u64,
    /// The limit itself.
    pub hard_bytes: u64,
    /// Data is refused now.
    pub refuses: bool,
}

/// Shows the state of a memory limiter as long as there is one. Memory in use, with which it compares its limits, is
/// `otelcol_process_runtime_heap_alloc_bytes` and the sum of `ringtail_held_bytes`.
pub fn expose_memory_limiter(
    registry: &Registry,
    processor: &str,
    state: impl Fn() -> Option<MemoryLimiterState> + Clone + Send + Sync + 'static,
) {
    let help = "Bytes of memory from which on data is refused (soft), and the limit itself (hard)";
    for (limit, soft) in [("soft", true), ("hard", false)] {
        let (labels, state) = ([("processor", processor), ("limit", limit)], state.clone());
        let of = move |state: MemoryLimiterState| if soft { state.soft_bytes } else { state.hard_bytes };
        let read = move || state().map(|state| of(state) as f64);
        registry.computed_gauge("ringtail_memory_limiter_limit_bytes", help, &labels, read);
    }
    let help = "Whether data is refused now, because too much memory is in use";
    let read = move || state().map(|state| f64::from(u8::from(state.refuses)));
    registry.computed_gauge("ringtail_memory_limiter_refusing", help, &[("processor", processor)], read);
}
