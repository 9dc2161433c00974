//! Waiting for a condition instead of for a time.

use std::future::Future;
use std::time::{Duration, Instant};

/// Longest wait for anything; only a failing test takes it.
pub const DEADLINE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `holds`; panics with `what` when it never does.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until `look` finds something.
pub async fn until_some<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
