//! `otelcol_processor_batch_*`: what batches look like and why they leave.

use super::instruments::{Counter, Gauge, Histogram};
use super::metrics::Registry;

/// The series of one `batch` processor; its instances in several pipelines count together.
#[derive(Clone, Debug)]
pub struct BatchMetrics {
    /// Items in each batch.
    pub send_size: Histogram,
    /// Batches that left because they were full.
    pub size_triggers: Counter,
    /// Batches that left because they had waited long enough.
    pub timeout_triggers: Counter,
    /// Distinct sets of metadata values.
    pub metadata_cardinality: Gauge,
}

impl BatchMetrics {
    /// For `processor` by its name in the configuration.
    pub fn new(registry: &Registry, processor: &str) -> Self {
        let by = [("processor", processor)];
        Self {
            send_size: registry.histogram(
                "otelcol_processor_batch_batch_send_size",
                "Number of units in the batch",
                &by,
                ITEMS,
            ),
            size_triggers: registry.counter(
                "otelcol_processor_batch_batch_size_trigger_send",
                "Number of times the batch was sent due to a size trigger",
                &by,
            ),
            timeout_triggers: registry.counter(
                "otelcol_processor_batch_timeout_trigger_send",
                "Number of times the batch was sent due to a timeout trigger",
                &by,
            ),
            metadata_cardinality: registry.gauge(
                "otelcol_processor_batch_metadata_cardinality",
                "Number of distinct metadata value combinations being processed",
                &by,
            ),
        }
    }
}

/// Upper bounds, the Collector's.
const ITEMS: &[f64] = &[
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0,
    7000.0, 8000.0, 9000.0, 10_000.0, 20_000.0, 30_000.0, 50_000.0, 100_000.0,
];
