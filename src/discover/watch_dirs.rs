//! A hint that something happened in the directories that files live in.
//!
//! Watching a file itself misses a rename over it and the symlink swap of a ConfigMap, so its directory is watched
//! and, when the path is a link, the directory of what it points to. A hint that never comes only costs the time to
//! the next poll.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Watches directories for the files in them.
pub struct WatchDirs {
    paths: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    watched: Vec<Directory>,
    hint: Arc<Notify>,
}

/// A directory and which one it is: the path of a replaced directory is the same, the directory is not.
#[derive(Clone, PartialEq, Eq)]
struct Directory {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl WatchDirs {
    /// Prepares to watch, see [`Self::follow`]; without the system's help (out of watches, say) only polls remain, and
    /// a log line says so.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let hint = Arc::new(Notify::new());
        let notified = Arc::clone(&hint);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, matters) {
                notified.notify_one();
            }
        });
        let watcher =
            watcher.inspect_err(|error| tracing::warn!(%error, ?paths, "no file watch; polling only")).ok();
        Self { paths, watcher, watched: Vec::new(), hint }
    }

    /// Watches for these files instead, from the next [`Self::follow`] on.
    pub fn set(&mut self, paths: Vec<PathBuf>) {
        self.paths = paths;
    }

    /// Waits for the next hint; one that came since the last wait counts.
    pub async fn hint(&self) {
        self.hint.notified().await;
    }

    /// Moves the watches to where the files live now.
    pub async fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let paths = self.paths.clone();
        // A network filesystem may take its time.
        let Ok(wanted) = tokio::task::spawn_blocking(move || directories(&paths)).await else {
            return;
        };
        if wanted == self.watched {
            return;
        }
        for old in &self.watched {
            // A directory that is gone took its watch along.
            let _ = watcher.unwatch(&old.path);
        }
        self.watched = wanted;
        self.watched.retain(|directory| {
            let watched = watcher.watch(&directory.path, RecursiveMode::NonRecursive);
            if let Err(error) = &watched {
                tracing::debug!(%error, directory = %directory.path.display(), "not watched; polling only");
            }
            watched.is_ok()
        });
    }
}

/// Reading a file is an event too; only what may have changed one is a hint.
fn matters(event: &notify::Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => event.need_rescan() || kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn directories(paths: &[PathBuf]) -> Vec<Directory> {
    let mut all: Vec<Directory> = Vec::new();
    for path in paths.iter().flat_map(|path| directories_of(path)) {
        let directory = Directory { identity: identity(&path), path };
        if !all.contains(&directory) {
            all.push(directory);
        }
    }
    all
}

fn directories_of(path: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut paths = vec![parent(path)];
    if let Ok(target) = path.canonicalize() {
        let target = parent(&target);
        if paths[0].canonicalize().ok().as_deref() != Some(&target) {
            paths.push(target);
        }
    }
    paths
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, ModifyKind};

    use super::*;

    #[test]
    fn reading_is_no_hint_but_writing_and_overflow_are() {
        let event = |kind| notify::Event::new(kind);
        assert!(!matters(&event(EventKind::Access(AccessKind::Open(AccessMode::Any)))));
        assert!(!matters(&event(EventKind::Access(AccessKind::Close(AccessMode::Read)))));
        assert!(matters(&event(EventKind::Access(AccessKind::Close(AccessMode::Write)))));
        assert!(matters(&event(EventKind::Modify(ModifyKind::Data(DataChange::Any)))));
        assert!(matters(&event(EventKind::Other).set_flag(Flag::Rescan)));
    }

    #[test]
    fn both_ends_of_a_link_are_watched() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let plain = there.path().join("real");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(directories(&[plain.clone(), there.path().join("other")]).len(), 1);
        let link = here.path().join("link");
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        assert_eq!(directories(&[link]).len(), 2);
        assert_eq!(directories(&["bare".into()])[0].path, Path::new("."));
    }
}
