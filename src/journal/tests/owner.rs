//! Who may use a directory, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn refusal(config: &Config, folder: &str) -> OpenError {
    Journal::open(config, Path::new(folder), 1, &mut |_| {}).map(|_| ()).unwrap_err()
}

#[test]
fn one_owner_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let config = files(directory.path());
    let first = open(&config);
    let refused = refusal(&config, "traces/0");
    assert!(matches!(refused, OpenError::InUse { .. }));
    let path = directory.path().join("traces/0");
    assert!(
        refused.to_string().starts_with(&format!("journal {}: in use by another process", path.display()))
    );
    Journal::open(&config, Path::new("traces/1"), 1, &mut |_| {}).unwrap();
    drop(first);
    open(&config);
}

#[test]
fn another_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let config = files(directory.path());
    append(&mut open(&config), 0, b"x");
    let format = directory.path().join("traces/0/format");
    fs::write(&format, "ringtail journal, format 12\n").unwrap();
    assert!(matches!(refusal(&config, "traces/0"), OpenError::Version { found: 12, known: 1, .. }));
    assert_eq!(fs::read_to_string(&format).unwrap(), "ringtail journal, format 12\n");
    fs::write(&format, "[format]\n").unwrap();
    assert!(matches!(refusal(&config, "traces/0"), OpenError::Foreign { .. }));
    fs::write(&format, "").unwrap();
    // A segment says it too.
    let segment = directory.path().join("traces/0/0000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    for copy in bytes.chunks_exact_mut(32) {
        copy[8] = 3;
        let sum = crc32fast::hash(&copy[..28]);
        copy[28..].copy_from_slice(&sum.to_le_bytes());
    }
    fs::write(&segment, &bytes).unwrap();
    let refused = refusal(&config, "traces/0").to_string();
    assert!(
        refused.contains("0000000001.seg: written in format 3, and this version knows 1; start"),
        "{refused}"
    );
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

#[test]
fn foreign_files_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let config = files(directory.path());
    let folder = directory.path().join("traces/0");
    fs::create_dir_all(&folder).unwrap();
    let foreign =
        ["1.seg", "0000000000.seg", "00000000001.seg", "9999999999.seg", "notes.txt", "000000000a.seg"];
    for name in foreign {
        fs::write(folder.join(name), name).unwrap();
    }
    let mut journal = open(&config);
    let record = append(&mut journal, 0, b"x");
    journal.commit().unwrap();
    journal.release_before(Position::MAX);
    drop(journal);
    assert_eq!(reopen(&config).2, [record]);
    for name in foreign {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), name);
    }
}

#[test]
fn directories_and_files_are_not_for_everybody() {
    let directory = tempfile::tempdir().unwrap();
    open(&files(directory.path()));
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("traces/0") & !0o750, 0);
    assert_eq!(mode("traces/0/0000000001.seg") & !0o640, 0);
}

#[test]
fn a_folder_cannot_leave_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    for folder in ["../x", "/tmp", "a/../../b"] {
        assert!(matches!(refusal(&files(directory.path()), folder), OpenError::Folder { .. }));
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let refused = refusal(&files(&directory.path().join("file")), "a").to_string();
    assert!(refused.contains("file/a: cannot create the directory:"), "{refused}");
}

#[test]
fn a_change_of_compression_keeps_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = Vec::new();
    for round in 0..4 {
        let config = if round % 2 == 0 { files(directory.path()) } else { lz4(files(directory.path())) };
        let (mut journal, _, found) = reopen(&config);
        assert_eq!(found, records);
        for number in 0..10 {
            records.push(append(&mut journal, number, &payload(usize::from(number), 2000)));
        }
        check(&mut journal, &records);
        journal.close().unwrap();
    }
}
