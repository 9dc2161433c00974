//! The watched members file: any event is only a hint to read it again, a poll reads it regardless.

use std::path::Path;

use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::watch_dirs::WatchDirs;
use super::{MembersFile, Rejection, members_file};
use crate::route::Membership;

/// Largest members file.
const BYTES_MAX: u64 = 1 << 20;

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
        let watch = WatchDirs::new(&config.path);
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
        self.watch.follow();
        let content = read(&self.config.path).await?;
        let hash = xxh3_64(&content);
        if self.accepted == Some(hash) {
            return Ok(None);
        }
        let parsed = members_file::parse(&self.config.path, &content)?;
        parsed.may_follow(current, self.config.max_shrink)?;
        self.accepted = Some(hash);
        Ok(Some(parsed.membership))
    }

    pub(super) fn content_hash(&self) -> u64 {
        self.accepted.unwrap_or(0)
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Rejection> {
    let unreadable = |error: std::io::Error| {
        Rejection::Unreadable(format!("{}: the members file cannot be read: {error}", path.display()))
    };
    // Opening a pipe would wait for its writer.
    if !tokio::fs::metadata(path).await.map_err(unreadable)?.is_file() {
        return Err(Rejection::Unreadable(format!("{}: the members file is not a file", path.display())));
    }
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut content = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut content).await.map_err(unreadable)?;
    if content.len() as u64 > BYTES_MAX {
        return Err(Rejection::Invalid(format!(
            "{}: the members file is larger than 1 MiB, which no list of members needs",
            path.display()
        )));
    }
    Ok(content)
}
