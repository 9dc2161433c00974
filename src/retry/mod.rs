//! When to try again: the Collector's exponential backoff as a value.
//!
//! Owns: the position in one series of attempts.
//! Takes: the moment of a failure, the server's own delay, a random fraction.
//! Gives: how long to wait, or that it is over.
//! Bounds: `max_interval` (times the jitter) a wait, `max_elapsed_time` the series.
//! Loses: nothing; the caller names the reason when the series is over.

use std::time::{Duration, Instant};

/// `retry_on_failure`, with the Collector's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Off means one attempt only.
    pub enabled: bool,
    /// The first wait, before jitter.
    pub initial_interval: Duration,
    /// Each wait is spread over `1 ± randomization_factor`.
    pub randomization_factor: f64,
    /// Growth from one wait to the next.
    pub multiplier: f64,
    /// The longest wait, before jitter.
    pub max_interval: Duration,
    /// The whole series; zero means for ever.
    pub max_elapsed_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

/// One series of attempts, from its first failure to success or exhaustion.
#[derive(Clone, Debug)]
pub struct Backoff {
    started: Instant,
    interval: Duration, // the next wait before jitter; initial_interval..=max_interval
}

impl Backoff {
    /// A series whose first attempt began at `now`.
    pub fn new(config: &Config, now: Instant) -> Self {
        Self { started: now, interval: config.initial_interval.min(config.max_interval) }
    }

    /// The wait after a failure at `now`: the larger of the jittered interval and the server's own delay, or `None`
    /// when the series would last longer than `max_elapsed_time`. `fraction` is a random number in `0.0..1.0`.
    ///
    /// The formula is cenkalti/backoff's, as the Collector uses it: uniform in `interval * (1 ± factor)`.
    pub fn after_failure(
        &mut self,
        config: &Config,
        now: Instant,
        server_delay: Option<Duration>,
        fraction: f64,
    ) -> Option<Duration> {
        if !config.enabled {
            return None;
        }
        let spread = 1.0 - config.randomization_factor + 2.0 * config.randomization_factor * fraction;
        let jittered = scaled(self.interval, spread.max(0.0));
        self.interval = scaled(self.interval, config.multiplier.max(1.0)).min(config.max_interval);
        let wait = jittered.max(server_delay.unwrap_or_default());
        let forever = config.max_elapsed_time.is_zero();
        (forever || now.duration_since(self.started) + wait <= config.max_elapsed_time).then_some(wait)
    }
}

/// `interval * factor`, at most a century: factors come from files and may be anything.
fn scaled(interval: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(interval.as_secs_f64() * factor).unwrap_or(CENTURY).min(CENTURY)
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_the_collectors_formula_and_end() {
        let config = Config { max_elapsed_time: Duration::from_secs(20), ..Config::default() };
        let start = Instant::now();
        let mut backoff = Backoff::new(&config, start);
        assert_eq!(backoff.after_failure(&config, start, None, 0.0), Some(Duration::from_millis(2500)));
        assert_eq!(backoff.after_failure(&config, start, None, 0.5), Some(Duration::from_millis(7500)));
        let late = start + Duration::from_secs(10);
        assert_eq!(backoff.after_failure(&config, late, None, 0.5), None);
    }

    #[test]
    fn a_servers_delay_is_honoured_when_longer() {
        let config = Config::default();
        let start = Instant::now();
        let mut backoff = Backoff::new(&config, start);
        let asked = Some(Duration::from_secs(9));
        assert_eq!(backoff.after_failure(&config, start, asked, 0.0), asked);
    }

    #[test]
    fn no_factor_is_too_large() {
        let config = Config {
            multiplier: 1e300,
            max_interval: Duration::MAX,
            max_elapsed_time: Duration::ZERO,
            ..Config::default()
        };
        let start = Instant::now();
        let mut backoff = Backoff::new(&config, start);
        for _ in 0..5 {
            assert!(backoff.after_failure(&config, start, None, 0.9).is_some());
        }
    }

    #[test]
    fn disabled_means_one_attempt() {
        let config = Config { enabled: false, ..Config::default() };
        let start = Instant::now();
        assert_eq!(Backoff::new(&config, start).after_failure(&config, start, None, 0.5), None);
    }
}
