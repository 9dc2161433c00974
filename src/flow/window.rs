//! Windows: a stage that keeps what it sends has only so much on its way at once. Requests say how they count.

use std::fmt;
use std::sync::{Arc, Weak};

/// How a request counts in the windows of the stages that it came through.
#[derive(Clone, Default)]
pub enum Window {
    /// There are none: its sender is at the door and waits for the answer.
    #[default]
    None,
    /// A stage counts it until it is answered, or until this is called: what is left of it then waits in queues with
    /// bounds of their own.
    Counted(Arc<dyn Fn() + Send + Sync>),
    /// It is one share of a request that goes to several exporters. Whoever puts it into a queue with a bound of its own
    /// drops this; the last one lets the stages before go on.
    Share(Arc<Share>),
}

/// What the shares of a request hold together.
pub struct Share(Window);

impl Window {
    /// The window of shares.
    pub(super) fn shared(self) -> Arc<Share> {
        Arc::new(Share(self))
    }

    /// Whether the request is one of several shares, so that nobody but its exporter waits for its end.
    pub fn is_share(&self) -> bool {
        matches!(self, Self::Share(_))
    }

    /// The request does not count any more.
    pub fn release(self) {
        if let Self::Counted(release) = self {
            release();
        }
    }

    /// One more share; of nothing, when the others count no more.
    pub(super) fn again(share: &Weak<Share>) -> Self {
        Self::Share(share.upgrade().unwrap_or_else(|| Self::None.shared()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).release();
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Counted(_) => "Counted",
            Self::Share(_) => "Share",
        })
    }
}
