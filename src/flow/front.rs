//! What stands behind a receiver, which a reload can put others behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::{Answer, Consumer, Former, Link, Outlets, Request};
use crate::outcome::Signal;

/// The way from a receiver into its pipelines. A clone is the same way.
#[derive(Clone)]
pub struct Front {
    link: Link,
    takes: Arc<[AtomicBool; 3]>, // by signal
}

impl Front {
    /// Into these pipelines.
    pub fn new(outlets: Outlets) -> Self {
        let takes = Signal::ALL.map(|signal| AtomicBool::new(outlets.takes(signal)));
        Self { link: Link::new(Arc::new(outlets)), takes: Arc::new(takes) }
    }

    /// Whether any pipeline takes `signal`.
    pub fn takes(&self, signal: Signal) -> bool {
        self.takes[signal as usize].load(Ordering::Relaxed)
    }

    /// Into these pipelines from now on. What was handed over before stays where it is.
    pub fn set(&self, outlets: Outlets) -> Former {
        let takes = Signal::ALL.map(|signal| outlets.takes(signal));
        let former = self.link.set(Arc::new(outlets));
        for (known, takes) in self.takes.iter().zip(takes) {
            known.store(takes, Ordering::Relaxed);
        }
        former
    }
}

impl Consumer for Front {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        self.link.consume(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Accepted, Fault};
    use bytes::Bytes;

    struct Takes;

    impl Consumer for Takes {
        fn consume(&self, _: Request) -> BoxFuture<'static, Answer> {
            Box::pin(std::future::ready(Ok(Accepted::default())))
        }
    }

    fn outlets(signal: Signal) -> Outlets {
        let mut outlets = Outlets::default();
        outlets.add(signal, Arc::new(Takes));
        outlets
    }

    #[tokio::test]
    async fn a_signal_comes_and_goes_with_its_pipelines() {
        let front = Front::new(outlets(Signal::Traces));
        let offer = |signal| front.consume(Request::new(signal, Bytes::new(), 1));
        assert!(front.takes(Signal::Traces) && !front.takes(Signal::Logs));
        assert!(offer(Signal::Traces).await.is_ok());
        front.set(outlets(Signal::Logs));
        assert!(!front.takes(Signal::Traces) && front.takes(Signal::Logs));
        assert!(offer(Signal::Logs).await.is_ok());
        assert_eq!(offer(Signal::Traces).await.unwrap_err().fault, Fault::Unhandled);
    }
}
