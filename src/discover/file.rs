//! The watched members file: any event is only a hint to read it again, a poll reads it regardless.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::watch_dirs::WatchDirs;
use super::{MembersFile, Rejection, members_file};
use crate::route::Membership;

/// Largest members file.
const BYTES_MAX: u64 = 1 << 20;
/// Reads of a file that keeps changing before it is taken as it is.
const SETTLE_MAX: usize = 8;

/// Reads one file, again and again.
pub(super) struct FileSource {
    config: MembersFile,
    watch: WatchDirs,
    /// When to read next: at the poll, or a quiet moment after a hint.
    due: Instant,
    /// Hash of the content in force.
    accepted: Option<u64>,
}

impl FileSource {
    pub(super) fn new(config: MembersFile) -> Self {
        let watch = WatchDirs::new(vec![config.path.clone()]);
        Self { watch, due: Instant::now() + config.poll_interval, accepted: None, config }
    }

    /// Waits until the file should be read. Hints push the time on while they keep coming, but not past the poll.
    pub(super) async fn due(&mut self) {
        let poll = self.due;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(self.due) => return,
                () = self.watch.hint() => self.due = poll.min(Instant::now() + self.config.debounce),
            }
        }
    }

    /// The content as a membership that may follow `current`; `None` when it is the content in force.
    pub(super) async fn read(&mut self, current: &Membership) -> Result<Option<Membership>, Rejection> {
        self.due = Instant::now() + self.config.poll_interval;
        // Before the read, so that a change after it is a hint.
        self.watch.follow().await;
        let content = self.settled().await?;
        let hash = xxh3_64(&content);
        if self.accepted == Some(hash) {
            return Ok(None);
        }
        let parsed = members_file::parse(&self.config.path, &content)?;
        parsed.may_follow(current, self.config.max_shrink)?;
        self.accepted = Some(hash);
        Ok(Some(parsed.membership))
    }

    /// The content once it is at rest: half a list may well parse. What was written only just now is read again a
    /// quiet moment later, until it is the same.
    async fn settled(&self) -> Result<Vec<u8>, Rejection> {
        let (mut content, mut age) = read(&self.config.path).await?;
        for _ in 0..SETTLE_MAX {
            if self.accepted == Some(xxh3_64(&content)) || age >= self.config.debounce {
                break;
            }
            tokio::time::sleep(self.config.debounce).await;
            let (again, new_age) = read(&self.config.path).await?;
            if again == content {
                break;
            }
            (content, age) = (again, new_age);
        }
        Ok(content)
    }

    pub(super) fn content_hash(&self) -> u64 {
        self.accepted.unwrap_or(0)
    }
}

/// The content and the time since it was written; nought when the clocks disagree.
async fn read(path: &Path) -> Result<(Vec<u8>, Duration), Rejection> {
    let unreadable = |error: std::io::Error| {
        Rejection::Unreadable(format!("{}: the members file cannot be read: {error}", path.display()))
    };
    let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return Err(Rejection::Unreadable(format!("{}: the members file is not a file", path.display())));
    }
    let age = metadata.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut content = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut content).await.map_err(unreadable)?;
    if content.len() as u64 > BYTES_MAX {
        return Err(Rejection::Invalid(format!(
            "{}: the members file is larger than 1 MiB, which no list of members needs",
            path.display()
        )));
    }
    Ok((content, age))
}
