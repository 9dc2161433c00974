//! A file whose content is needed in its newest form: looked at when it is used, at most once a second.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How often a file is looked at, when it is used.
const EVERY: Duration = Duration::from_secs(1);
/// Largest file.
const BYTES_MAX: u64 = 1 << 20;

/// What is made of a file's text; the reason when it cannot be used.
type Make<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

/// A value made of a file's text, and made again when that changes.
pub(super) struct Watched<T> {
    path: PathBuf,
    current: ArcSwap<T>,
    make: Make<T>,
    seen: Mutex<Option<String>>,
    started: Instant,
    due: AtomicU64, // milliseconds after `started`
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the file. With `otherwise`, one that cannot be read yet is that meanwhile.
    pub(super) fn open(
        path: &Path,
        otherwise: Option<T>,
        make: impl Fn(&str) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, String> {
        let text = read(path);
        let made = text.as_ref().map_err(Clone::clone).and_then(|text| make(text));
        let (current, seen) = match (made, otherwise) {
            (Ok(made), _) => (made, text.ok()),
            (Err(problem), Some(otherwise)) => {
                tracing::warn!(path = %path.display(), problem, "waiting for a file with credentials");
                (otherwise, None)
            }
            (Err(problem), None) => return Err(problem),
        };
        Ok(Arc::new(Self {
            path: path.to_owned(),
            current: ArcSwap::from_pointee(current),
            make: Box::new(make),
            seen: Mutex::new(seen),
            started: Instant::now(),
            due: AtomicU64::new(millis(EVERY)),
        }))
    }

    /// The newest value. The first use after a second waits for the file; others meanwhile take what there is.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<T> {
        if self.claim() {
            let this = Arc::clone(self);
            // It ends without a value only when the runtime shuts down; then the old one will do.
            let _ = tokio::task::spawn_blocking(move || this.reread()).await;
        }
        self.current.load_full()
    }

    fn claim(&self) -> bool {
        let now = millis(self.started.elapsed());
        let due = self.due.load(Relaxed);
        let next = now + millis(EVERY);
        now >= due && self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    fn reread(&self) {
        let path = self.path.display();
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(problem) => {
                tracing::debug!(%path, problem, "credentials cannot be read again; those read before are used");
                return;
            }
        };
        let mut seen = self.seen.lock();
        if seen.as_ref() == Some(&text) {
            return;
        }
        match (self.make)(&text) {
            Ok(made) => {
                self.current.store(Arc::new(made));
                tracing::info!(%path, "new credentials are in use");
            }
            Err(problem) => {
                tracing::warn!(%path, problem, "new credentials cannot be used; those before are");
            }
        }
        *seen = Some(text);
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("it is larger than {BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(text: &str) -> Result<String, String> {
        if text.is_empty() { Err("empty".into()) } else { Ok(text.to_uppercase()) }
    }

    async fn later<T: Send + Sync + 'static>(watched: &Arc<Watched<T>>) -> Arc<T> {
        tokio::time::advance(EVERY).await;
        watched.current().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_within_a_second_and_a_broken_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "a").unwrap();
        let watched = Watched::open(&path, None, upper).unwrap();
        std::fs::write(&path, "b").unwrap();
        assert_eq!(*watched.current().await, "A");
        assert_eq!(*later(&watched).await, "B");
        std::fs::write(&path, "").unwrap();
        assert_eq!(*later(&watched).await, "B");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*later(&watched).await, "B");
        std::fs::write(folder.path().join("next"), "c").unwrap();
        std::fs::rename(folder.path().join("next"), &path).unwrap();
        assert_eq!(*later(&watched).await, "C");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_may_come_late_only_where_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(Watched::open(&path, None, upper).is_err());
        let watched = Watched::open(&path, Some(String::new()), upper).unwrap();
        assert_eq!(*watched.current().await, "");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(*later(&watched).await, "X");
    }
}
