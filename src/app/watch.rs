//! The files of the configuration, watched: a rename over one, a ConfigMap's swap of links, or a change in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use xxhash_rust::xxh3::Xxh3;

use super::cli::is_read_once;
use super::live::{Live, Outcome, Trigger};
use crate::discover::WatchDirs;

/// Reloads whenever the files have changed and are at rest again, until the process ends.
pub async fn watch(live: Arc<Live>) {
    let mut dirs = WatchDirs::new(Vec::new());
    let mut seen = None;
    // What changed while the process started is found by a first look.
    let mut trigger = Trigger::Poll;
    loop {
        let paths = paths(&live);
        if paths.is_empty() {
            return;
        }
        dirs.set(paths.clone());
        dirs.follow().await;
        let now = at_rest(paths).await;
        let refused = || matches!(live.view().last.as_deref(), Some(last) if matches!(last.outcome, Outcome::Refused { .. }));
        if seen != Some(now) || (trigger == Trigger::Poll && refused()) {
            let first = seen.replace(now).is_none();
            live.reload(if first { Trigger::Poll } else { trigger }).await;
        }
        trigger = tokio::select! {
            () = dirs.hint() => Trigger::File,
            () = sleep(POLL) => Trigger::Poll,
        };
    }
}

/// Every file that was read, and directories in which others may appear. None if something cannot be read twice, as a
/// pipe.
fn paths(live: &Live) -> Vec<PathBuf> {
    let mut paths = live.view().loaded.files.clone();
    if paths.iter().any(|path| is_read_once(path)) {
        return Vec::new();
    }
    for source in live.sources() {
        let path = Path::new(source.strip_prefix("file:").unwrap_or(source));
        if path.is_dir() {
            paths.push(path.join("."));
        }
    }
    paths
}

/// A print of the files once they stay the same for a moment, and none is empty: half a file may well be valid, and who
/// changes a file in place empties it first. Files that do not come to rest are taken as they are.
async fn at_rest(paths: Vec<PathBuf>) -> u64 {
    let paths: Arc<[PathBuf]> = paths.into();
    let look = || {
        let paths = Arc::clone(&paths);
        async move { tokio::task::spawn_blocking(move || print(&paths)).await.unwrap_or_default() }
    };
    let mut last = look().await;
    for _ in 0..LOOKS_MAX {
        sleep(DEBOUNCE).await;
        let now = look().await;
        let rests = now == last && !now.has_empty;
        last = now;
        if rests {
            break;
        }
    }
    last.hash
}

/// What files look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Print {
    hash: u64,
    has_empty: bool,
}

/// Of names and contents; what cannot be read has a print too.
fn print(paths: &[PathBuf]) -> Print {
    let mut hash = Xxh3::new();
    let mut has_empty = false;
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for path in paths {
        add(path.as_os_str().as_encoded_bytes());
        if path.is_dir() {
            let mut names: Vec<_> = std::fs::read_dir(path)
                .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect())
                .unwrap_or_default();
            names.sort();
            names.iter().for_each(|name| add(name.as_encoded_bytes()));
        } else {
            match std::fs::read(path) {
                Ok(content) => {
                    has_empty |= content.is_empty();
                    add(&content);
                }
                Err(error) => add(error.to_string().as_bytes()),
            }
        }
    }
    Print { hash: hash.digest(), has_empty }
}

/// How long files must stay the same.
const DEBOUNCE: Duration = Duration::from_millis(150);
/// Looks at files that keep changing.
const LOOKS_MAX: usize = 20;
/// A hint that never came costs this much time.
const POLL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_being_written_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, "half").unwrap();
        let looking = tokio::spawn(at_rest(vec![path.clone()]));
        for n in 0..4 {
            sleep(DEBOUNCE / 2).await;
            std::fs::write(&path, format!("more {n}")).unwrap();
        }
        let found = looking.await.unwrap();
        assert_eq!(found, print(std::slice::from_ref(&path)).hash);
        std::fs::remove_file(&path).unwrap();
        assert_ne!(found, print(&[path]).hash);
    }

    #[tokio::test]
    async fn a_file_that_has_been_emptied_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, "").unwrap();
        let looking = tokio::spawn(at_rest(vec![path.clone()]));
        sleep(DEBOUNCE * 3).await;
        assert!(!looking.is_finished());
        std::fs::write(&path, "full").unwrap();
        assert_eq!(looking.await.unwrap(), print(&[path]).hash);
    }

    #[test]
    fn a_name_in_a_directory_counts() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join(".")];
        let before = print(&paths);
        std::fs::write(dir.path().join("b.yaml"), "").unwrap();
        assert_ne!(before, print(&paths));
    }
}
