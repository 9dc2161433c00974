//! Files that were put aside: their names, and which of them go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::config::Rotation;
use crate::observe::timestamp;

/// Puts a file aside under a name of its own: `traces.json` is `traces-2026-11-26T06-14-27.123-size.json` then.
pub(super) fn put_aside(path: &Path, now: SystemTime) -> io::Result<()> {
    let mut at = now;
    // Two in one millisecond must not be one file.
    let aside = loop {
        let aside = aside(path, at);
        if !aside.try_exists()? {
            break aside;
        }
        at += Duration::from_millis(1);
    };
    fs::rename(path, aside)
}

/// Removes what is too old or too many. What cannot be removed stays; the next rotation tries again.
pub(super) fn remove_old(path: &Path, rotation: &Rotation, now: SystemTime) {
    let Ok(mut old) = all_aside(path) else { return };
    old.sort();
    let too_many = match rotation.max_backups {
        0 => 0,
        most => old.len().saturating_sub(most),
    };
    let oldest = rotation.max_age.and_then(|age| now.checked_sub(age)).map(|oldest| aside(path, oldest));
    for (index, file) in old.iter().enumerate() {
        if (index < too_many || oldest.as_ref().is_some_and(|oldest| file < oldest))
            && let Err(error) = fs::remove_file(file)
        {
            tracing::warn!(file = %file.display(), %error, "an old file cannot be removed");
        }
    }
}

fn all_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (stem, extension) = halves(path);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let is_aside = |name: &str| {
        let middle = name.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('-'));
        let middle = middle.and_then(|rest| rest.strip_suffix(&format!("-size{extension}")));
        middle.is_some_and(|time| {
            time.len() == TIME_SHAPE.len()
                && time.bytes().zip(TIME_SHAPE.bytes()).all(|(byte, shape)| match shape {
                    b'0' => byte.is_ascii_digit(),
                    other => byte == other,
                })
        })
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(is_aside) {
            found.push(path.with_file_name(name));
        }
    }
    Ok(found)
}

const TIME_SHAPE: &str = "0000-00-00T00-00-00.000";

fn aside(path: &Path, at: SystemTime) -> PathBuf {
    let (stem, extension) = halves(path);
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()));
    let seconds = seconds.trim_end_matches('Z').replace(':', "-");
    path.with_file_name(format!("{stem}-{seconds}.{:03}-size{extension}", since.subsec_millis()))
}

/// The name of a file before its extension, and the extension with its dot.
fn halves(path: &Path) -> (String, String) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.rfind('.') {
        Some(dot) => (name[..dot].to_owned(), name[dot..].to_owned()),
        None => (name, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_673_521_500 + millis)
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_put_aside_has_its_time_in_its_name_and_none_overwrites_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.b.json");
        for _ in 0..2 {
            fs::write(&path, "x").unwrap();
            put_aside(&path, at(0)).unwrap();
        }
        assert_eq!(
            names(folder.path()),
            ["a.b-2026-11-26T06-12-01.500-size.json", "a.b-2026-11-26T06-12-01.501-size.json"]
        );
    }

    #[test]
    fn the_latest_are_kept_and_other_files_are_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(folder.path().join("a-notes-size.json"), "x").unwrap();
        for millis in 0..5 {
            fs::write(&path, "x").unwrap();
            put_aside(&path, at(millis)).unwrap();
        }
        let rotation = Rotation { max_bytes: 1, max_age: None, max_backups: 2 };
        remove_old(&path, &rotation, at(9));
        assert_eq!(names(folder.path()).len(), 3);
        assert!(names(folder.path())[0].contains("01.503"), "{:?}", names(folder.path()));
        let rotation = Rotation { max_age: Some(Duration::from_millis(5)), max_backups: 0, ..rotation };
        remove_old(&path, &rotation, at(9));
        assert_eq!(names(folder.path()).len(), 2);
    }
}
