//! What the members are, now: static lists, a watched file, DNS.
//!
//! Owns: one task per source; the last good membership.
//! Takes: files, DNS answers.
//! Gives: memberships, one at a time, through a watch channel; why an update was refused.
//! Bounds: one membership of 65,000 members; 1 MiB of members file.
//! Loses: nothing; a source that fails leaves the last good membership in force.

mod address;
mod change;
mod config;
mod dns;
mod file;
mod members_file;
mod task;
mod watch_dirs;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::route::Membership;
pub use change::{Change, Rejection};
pub use config::{Config, Dns, MembersFile};
pub use task::start;
pub use watch_dirs::WatchDirs;

/// Most members of one membership; indices are 16 bits, with room to spare.
pub const MEMBERS_MAX: usize = 65_000;

/// The membership that a members file of this content describes, whatever is in force; `path` is for messages only.
pub fn read_members(path: &Path, content: &[u8]) -> Result<Membership, Rejection> {
    members_file::parse(path, content).map(|parsed| parsed.membership)
}

/// What a source needs from its surroundings.
pub struct Context {
    /// Stops the source when cancelled.
    pub cancel: CancellationToken,
    /// Called from the source's task at every [`Event`]: attach counters here; it must not block.
    pub on_event: Box<dyn Fn(Event) + Send + Sync>,
    /// Name servers to ask instead of the system's; empty: the system's.
    pub name_servers: Vec<SocketAddr>,
}

impl Context {
    /// A context without listeners and with the system's name servers.
    pub fn new(cancel: CancellationToken) -> Self {
        Self { cancel, on_event: Box::new(|_| ()), name_servers: Vec::new() }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("name_servers", &self.name_servers).finish_non_exhaustive()
    }
}

/// What a source reports while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The source was read: a look-up, a read of the file, the one reading of a static list.
    Resolved {
        /// Whether it gave a membership in force, new or not.
        success: bool,
    },
    /// A membership came into force that differs from the one before.
    Updated {
        /// How many members it has.
        members: usize,
    },
    /// A reading was refused and the last good membership stays; told once while the reason stays the same.
    Refused {
        /// [`Rejection::kind`].
        reason: &'static str,
    },
}

/// How a source fares, for the admin page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `static`, `dns` or `file`.
    pub kind: &'static str,
    /// What is read: a path, a name and port, a count of host names.
    pub source: String,
    /// When a reading last succeeded.
    pub last_success: Option<SystemTime>,
    /// Why the last reading failed; `None` after a success.
    pub last_error: Option<String>,
    /// Hash of the content in force: of the bytes of a file, of the members of other sources.
    pub content_hash: u64,
}

/// A running source. Dropping it stops the task; the last membership stays readable in clones of the channel.
#[derive(Debug)]
pub struct Discovery {
    members: watch::Receiver<Arc<Membership>>,
    status: Arc<Mutex<Status>>,
    requests: mpsc::Sender<oneshot::Sender<Result<Change, Rejection>>>,
    _stop: DropGuard,
}

impl Discovery {
    /// The membership in force, and every later one. Never without a value: until a name resolves for the first time
    /// the membership is empty.
    pub fn members(&self) -> watch::Receiver<Arc<Membership>> {
        self.members.clone()
    }

    /// Reads the source now and says what changed, or why nothing could (the membership in force stays).
    pub async fn refresh(&self) -> Result<Change, Rejection> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(reply).await.map_err(|_| Rejection::Stopped)?;
        answer.await.map_err(|_| Rejection::Stopped)?
    }

    /// How the source fares.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }
}
