//! `ringtail_config_*`: which configuration runs, and what became of attempts to change it.

use std::time::{SystemTime, UNIX_EPOCH};

use super::instruments::{Counter, FloatGauge, Gauge};
use super::metrics::Registry;

/// The series of the configuration.
pub struct ConfigMetrics {
    registry: Registry,
    applied: Counter,
    unchanged: Counter,
    refused: Counter,
    last_successful: Gauge,
    last_success: FloatGauge,
    generation: Gauge,
}

impl ConfigMetrics {
    /// Of this process.
    pub fn new(registry: &Registry) -> Self {
        let reloads = |result| {
            let help = "Number of times the configuration was read again, by what became of it";
            registry.counter("ringtail_config_reloads", help, &[("result", result)])
        };
        Self {
            applied: reloads("applied"),
            unchanged: reloads("unchanged"),
            refused: reloads("refused"),
            last_successful: registry.gauge(
                "ringtail_config_last_reload_successful",
                "Whether what was read last is in force: 1 if so, 0 if it was refused",
                &[],
            ),
            last_success: registry.float_gauge(
                "ringtail_config_last_success_timestamp_seconds",
                "When the configuration in force was last read or found unchanged",
                &[],
            ),
            generation: registry.gauge(
                "ringtail_config_generation",
                "How many configurations have been in force, this one included",
                &[],
            ),
            registry: registry.clone(),
        }
    }

    /// A configuration is in force: by a reload, or by the start.
    pub fn in_force(&self, generation: u64, hash: &str, by_reload: bool) {
        if by_reload {
            self.applied.inc();
        }
        self.generation.set(generation as i64);
        let help = "Always 1; the label is a hash of the configuration in force, secrets masked";
        self.registry.info("ringtail_config_hash", help, &[], &[("hash", hash)]);
        self.succeeded();
    }

    /// What was read is what runs.
    pub fn unchanged(&self) {
        self.unchanged.inc();
    }

    /// What runs is what there is to read.
    pub fn succeeded(&self) {
        self.last_successful.set(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success.set(now.as_secs_f64());
    }

    /// What was read cannot be used.
    pub fn refused(&self) {
        self.refused.inc();
        self.last_successful.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hash_in_force_is_shown() {
        let registry = Registry::new();
        let metrics = ConfigMetrics::new(&registry);
        metrics.in_force(1, "aa", false);
        metrics.refused();
        let text = registry.render(false);
        assert!(text.contains("ringtail_config_hash{hash=\"aa\"} 1"), "{text}");
        assert!(text.contains("ringtail_config_last_reload_successful 0"), "{text}");
        metrics.in_force(2, "bb", true);
        let text = registry.render(false);
        assert!(!text.contains("\"aa\"") && text.contains("ringtail_config_hash{hash=\"bb\"} 1"), "{text}");
        assert!(text.contains("ringtail_config_reloads{result=\"applied\"} 1"), "{text}");
        assert!(text.contains("ringtail_config_generation 2"), "{text}");
    }
}
