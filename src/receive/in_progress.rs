//! Requests in progress on one connection, and when a connection that was asked to leave has nothing left to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The requests in progress on one connection.
#[derive(Clone, Default)]
pub struct InProgress(Arc<AtomicUsize>);

/// Counts a request for as long as it lives.
pub struct Running(Arc<AtomicUsize>);

impl InProgress {
    /// One more, until the result is dropped.
    pub fn begin(&self) -> Running {
        self.0.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(&self.0))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Ready when there has been time for the good-bye, and nothing is in progress: a client that does not answer it
    /// must not keep the connection, nor a process that wants to end.
    pub async fn over(&self) {
        loop {
            tokio::time::sleep(GOOD_BYE_TIME).await;
            if self.count() == 0 {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// For the client to hear that it should reconnect, and for the last answer to leave.
const GOOD_BYE_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mute_connection_is_over_once_its_requests_are() {
        let requests = InProgress::default();
        let (start, running) = (tokio::time::Instant::now(), requests.begin());
        tokio::time::timeout(GOOD_BYE_TIME * 10, requests.over()).await.unwrap_err();
        drop(running);
        requests.over().await;
        assert_eq!(start.elapsed(), GOOD_BYE_TIME * 11);
    }
}
