//! What a shard may have on its way at once: the bytes are in memory meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Requests on their way that count, and their bytes.
#[derive(Debug, Default)]
pub struct Window {
    bytes: AtomicUsize,
    requests: AtomicUsize,
    room: Notify,
}

/// A request that counts until [`Counted::leave`].
#[derive(Clone, Debug)]
pub struct Counted(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    window: Arc<Window>,
    bytes: usize,
    left: AtomicBool,
}

impl Window {
    /// Nothing more may leave.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= BYTES_MAX
            || self.requests.load(Ordering::Relaxed) >= REQUESTS_MAX
    }

    /// One more request counts.
    pub fn enter(self: &Arc<Self>, bytes: usize) -> Counted {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::new(Inner { window: Arc::clone(self), bytes, left: AtomicBool::new(false) }))
    }

    /// Ready when there may be room again.
    pub async fn room(&self) {
        self.room.notified().await;
    }
}

impl Counted {
    /// It counts no more, because it was answered or because it waits where nobody else waits for it.
    pub fn leave(&self) {
        let Inner { window, bytes, left } = &*self.0;
        if left.swap(true, Ordering::Relaxed) {
            return;
        }
        let full = window.is_full();
        window.bytes.fetch_sub(*bytes, Ordering::Relaxed);
        window.requests.fetch_sub(1, Ordering::Relaxed);
        if full {
            window.room.notify_one();
        }
    }
}

/// A `batch` behind may hold requests for seconds.
const BYTES_MAX: usize = 64 << 20;
/// Likewise.
const REQUESTS_MAX: usize = 4096;
