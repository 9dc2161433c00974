//! Requests in progress on one connection, and when a connection that was asked to leave has nothing left to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The requests in progress on one connection.
#[derive(Clone, Default)]
pub struct InProgress {
    running: Arc<AtomicUsize>,
    begun: Arc<AtomicBool>,
}

/// Counts a request for as long as it lives.
pub struct Running(Arc<AtomicUsize>);

impl InProgress {
    /// One more, until the result is dropped.
    pub fn begin(&self) -> Running {
        self.begun.store(true, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(&self.running))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Ready when the connection is to end; one without a request as yet has had time for its first.
    pub async fn told_to_go(&self, closing: &CancellationToken) {
        closing.cancelled().await;
        if !self.begun.load(Ordering::Relaxed) {
            tokio::time::sleep(GOOD_BYE_TIME).await;
        }
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

/// Ready when a connection that has not begun is to end, and has had time to: its first request may be on its way.
pub async fn told_to_go(closing: &CancellationToken) {
    closing.cancelled().await;
    tokio::time::sleep(GOOD_BYE_TIME).await;
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
