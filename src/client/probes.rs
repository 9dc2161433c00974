//! Notices the return of a backend that could not be reached.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::backend::Client;

/// Notices an unreachable backend's return sooner than the backoff would: by connecting now and then.
#[derive(Default)]
pub struct Probes {
    failures: u32, // calls in a row that found nobody
    next: Option<Instant>,
}

impl Probes {
    /// A call has ended.
    pub fn heard(&mut self, taken: bool, unreachable: bool) {
        if taken || !unreachable {
            self.next = None;
        }
        if taken {
            self.failures = 0;
        } else if unreachable {
            self.failures = self.failures.saturating_add(1);
            self.next = Some(Instant::now() + self.pause());
        }
    }

    /// Whether the backend's return is waited for.
    pub fn wanted(&self) -> bool {
        self.next.is_some()
    }

    fn pause(&self) -> Duration {
        let doubled = PROBE_FIRST * 2u32.pow(self.failures.min(8).saturating_sub(1));
        doubled.min(PROBE_PAUSE_MAX)
    }

    /// Ready when the backend takes connections. Cancel safe: the next attempt's time is kept.
    pub async fn until_back(&mut self, client: &Client) {
        while let Some(at) = self.next {
            sleep_until(at).await;
            self.next = Some(Instant::now() + self.pause());
            if client.answers().await {
                self.next = None;
            }
        }
    }
}

/// First pause before a connection attempt; doubles with each failed call.
const PROBE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(5);
