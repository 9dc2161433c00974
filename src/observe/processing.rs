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

/// What a filter leaves out, under the Collector's name: items of the signal, where metrics count by their points.
pub fn filtered(registry: &Registry, processor: &str, signal: Signal) -> Counter {
    let (items, what) = match signal {
        Signal::Traces => ("spans", "spans"),
        Signal::Metrics => ("datapoints", "metric data points"),
        Signal::Logs => ("logs", "logs"),
    };
    let help = format!("Number of {what} dropped by the filter processor");
    registry.counter(&format!("otelcol_processor_filter_{items}_filtered"), &help, &[("filter", processor)])
}

/// `otelcol_processor_probabilistic_sampler_count_*_sampled`: of a policy, what was kept and what was not. All samplers
/// count together, as in the Collector.
pub fn sampled(registry: &Registry, signal: Signal, policy: &str) -> [Counter; 2] {
    let items = if signal == Signal::Logs { "logs" } else { "traces" };
    let name = format!("otelcol_processor_probabilistic_sampler_count_{items}_sampled");
    let help = format!("Count of {items} that were sampled or not");
    ["false", "true"]
        .map(|kept| registry.sparse_counter(&name, &help, &[("policy", policy), ("sampled", kept)]))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_the_collectors_names() {
        let registry = Registry::new();
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            filtered(&registry, "filter/a", signal).add(2);
        }
        sampled(&registry, Signal::Logs, "missing_randomness")[0].add(1);
        sampled(&registry, Signal::Traces, "trace_id_hash")[1].add(3);
        let text = registry.render(false);
        for line in [
            "otelcol_processor_filter_spans_filtered{filter=\"filter/a\"} 2",
            "otelcol_processor_filter_datapoints_filtered{filter=\"filter/a\"} 2",
            "otelcol_processor_filter_logs_filtered{filter=\"filter/a\"} 2",
            "otelcol_processor_probabilistic_sampler_count_logs_sampled{policy=\"missing_randomness\",sampled=\"false\"} 1",
            "otelcol_processor_probabilistic_sampler_count_traces_sampled{policy=\"trace_id_hash\",sampled=\"true\"} 3",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
        assert!(!text.contains("sampled=\"true\",policy=\"missing"), "what has not occurred is not shown");
    }
}
