//! What we know that we hold: bytes of telemetry in memory, component by component. `memory_limiter` adds them up.

use super::instruments::Gauge;
use super::metrics::Registry;

/// The bytes that one component holds. A clone, and another of the same name, is the same sum.
#[derive(Clone, Debug)]
pub struct HeldBytes(Gauge);

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct Weight {
    held: Gauge,
    bytes: i64,
}

impl HeldBytes {
    /// Of a `receiver`, `processor` or `exporter` by its name in the configuration.
    pub fn new(registry: &Registry, kind: &str, component: &str) -> Self {
        let labels = [("component_kind", kind), ("component", component)];
        Self(registry.gauge(NAME, HELP, &labels))
    }

    /// Of a component that keeps count itself.
    pub fn counted(
        registry: &Registry,
        kind: &str,
        component: &str,
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let labels = [("component_kind", kind), ("component", component)];
        registry.computed_gauge(NAME, HELP, &labels, move || Some(count() as f64));
    }

    /// So many more are held.
    pub fn hold(&self, bytes: usize) -> Weight {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.add(bytes);
        Weight { held: self.0.clone(), bytes }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.sub(self.bytes);
    }
}

impl Registry {
    /// All bytes that all components say they hold.
    pub fn held_bytes(&self) -> u64 {
        self.sum_of_gauges(NAME).max(0.0) as u64
    }
}

const NAME: &str = "ringtail_held_bytes";
const HELP: &str = "Bytes of telemetry that a component holds in memory";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_of_all_components_and_goes_with_what_is_held() {
        let registry = Registry::new();
        let batch = HeldBytes::new(&registry, "processor", "batch");
        let again = HeldBytes::new(&registry, "processor", "batch");
        let queue = HeldBytes::new(&registry, "exporter", "otlp");
        let (a, b, c) = (batch.hold(10), again.hold(20), queue.hold(300));
        assert_eq!(registry.held_bytes(), 330);
        drop((a, c));
        assert_eq!(registry.held_bytes(), 20);
        drop(b);
        HeldBytes::counted(&registry, "receiver", "otlp", || 5);
        assert_eq!(registry.held_bytes(), 5);
    }
}
