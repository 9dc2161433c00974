//! The joint between two stages, where a reload puts another stage in place of the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::{Answer, Consumer, Request};
use crate::outcome::{Refusal, Signal};

/// Hands each request to whoever stands behind it at that moment. A clone is the same joint.
#[derive(Clone)]
pub struct Link(Arc<ArcSwap<Destination>>);

struct Destination {
    next: Arc<dyn Consumer>,
    on_their_way: AtomicUsize, // requests handed over and not answered
    none: Notify,
}

/// Who stood behind a joint before.
pub struct Former(Arc<Destination>);

impl Link {
    /// To `next`.
    pub fn new(next: Arc<dyn Consumer>) -> Self {
        Self(Arc::new(ArcSwap::new(Destination::new(next))))
    }

    /// To `next` from now on. What was handed over before stays where it is.
    pub fn set(&self, next: Arc<dyn Consumer>) -> Former {
        Former(self.0.swap(Destination::new(next)))
    }

    /// Counts before it looks whether the destination still stands, so that whoever swaps it and then reads the count
    /// either sees this request or is seen by it.
    fn enter(&self) -> Passage {
        loop {
            let passage = Passage::new(self.0.load_full());
            if Arc::ptr_eq(&self.0.load(), &passage.0) {
                return passage;
            }
        }
    }
}

impl Consumer for Link {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let passage = self.enter();
        let answer = passage.0.next.consume(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(passage);
            answer
        })
    }

    fn is_destination(&self) -> bool {
        self.0.load().next.is_destination()
    }

    fn give_up(&self, signal: Signal, items: u64, refusal: &Refusal) {
        self.0.load().next.give_up(signal, items, refusal);
    }
}

impl Destination {
    fn new(next: Arc<dyn Consumer>) -> Arc<Self> {
        Arc::new(Self { next, on_their_way: AtomicUsize::new(0), none: Notify::new() })
    }
}

/// A request on its way.
struct Passage(Arc<Destination>);

impl Passage {
    fn new(destination: Arc<Destination>) -> Self {
        destination.on_their_way.fetch_add(1, Ordering::SeqCst);
        Self(destination)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.0.on_their_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

impl Former {
    /// Ready when all that was handed to it has been answered or let go, or at `deadline`; says which.
    pub async fn left(&self, deadline: Instant) -> bool {
        loop {
            let none = self.0.none.notified();
            if self.0.on_their_way.load(Ordering::SeqCst) == 0 {
                return true;
            }
            if timeout_at(deadline.into(), none).await.is_err() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Accepted;
    use bytes::Bytes;
    use parking_lot::Mutex;
    use std::time::Duration;
    use tokio::sync::Semaphore;

    /// Answers once it may.
    struct Gate {
        may: Arc<Semaphore>,
        seen: Mutex<usize>,
    }

    impl Gate {
        fn new(open: usize) -> Arc<Self> {
            Arc::new(Self { may: Arc::new(Semaphore::new(open)), seen: Mutex::new(0) })
        }
    }

    impl Consumer for Gate {
        fn consume(&self, _request: Request) -> BoxFuture<'static, Answer> {
            *self.seen.lock() += 1;
            let may = Arc::clone(&self.may);
            Box::pin(async move {
                may.acquire_owned().await.unwrap().forget();
                Ok(Accepted::default())
            })
        }
    }

    fn request() -> Request {
        Request::new(Signal::Traces, Bytes::new(), 1)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_handed_over_stays_and_what_comes_goes_to_the_next() {
        let (first, second) = (Gate::new(0), Gate::new(9));
        let link = Link::new(first.clone());
        let early = tokio::spawn(link.consume(request()));
        tokio::task::yield_now().await;
        let former = link.set(second.clone());
        link.consume(request()).await.unwrap();
        assert_eq!((*first.seen.lock(), *second.seen.lock()), (1, 1));
        assert!(!former.left(Instant::now() + Duration::from_secs(1)).await);
        first.may.add_permits(1);
        early.await.unwrap().unwrap();
        assert!(former.left(Instant::now() + Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_goes_away_is_not_waited_for() {
        let first = Gate::new(0);
        let link = Link::new(first.clone());
        let going = link.consume(request());
        let former = link.set(Gate::new(9));
        drop(going);
        assert!(former.left(Instant::now() + Duration::from_secs(1)).await);
    }
}
