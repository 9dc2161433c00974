//! A segment of any content, or one that was written and then damaged: what comes back was written, where it was, and
//! the journal goes on after it.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use ringtail::journal::{Compression, Config, Journal, OpenError, Position, Record, Recovery};
use ringtail_fuzz::head;

/// Kind, position, payload.
type Kept = (u8, Position, Vec<u8>);

fuzz_target!(|data: &[u8]| {
    let (mode, rest) = head(data);
    let directory = std::env::temp_dir().join(format!("ringtail-fuzz-journal-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    let compression = if mode & 1 == 0 { Compression::None } else { Compression::Lz4 };
    let config = Config { directory: Some(directory.clone()), compression, ..Config::default() };
    let path = directory.join("a/0000000001.seg");
    if mode & 2 == 0 {
        let (count, rest) = head(rest);
        let (lengths, edits) = rest.split_at(rest.len().min(usize::from(count)));
        let written = write(&config, lengths);
        let lost_max = damage(&path, edits);
        let found = survive(&config).expect("no single edit makes another version");
        let mut rest = written.iter();
        assert!(found.iter().all(|record| rest.any(|one| one == record)), "something that was never written");
        assert!(found.len() + lost_max >= written.len(), "an innocent record is lost");
    } else {
        fs::create_dir_all(directory.join("a")).expect("a place for files");
        fs::write(&path, rest).expect("a file");
        if let Err(refused) = survive(&config) {
            assert!(matches!(refused, OpenError::Version { .. }), "{refused}");
            assert_eq!(fs::read(&path).expect("left alone"), rest);
        }
    }
    let _ = fs::remove_dir_all(&directory);
});

fn open(config: &Config) -> Result<(Journal, Recovery, Vec<Kept>), OpenError> {
    let mut found = Vec::new();
    let keep = &mut |record: Record<'_>| found.push((record.kind, record.at, record.payload.to_vec()));
    let (journal, recovery) = Journal::open(config, Path::new("a"), 1, keep)?;
    Ok((journal, recovery, found))
}

fn write(config: &Config, lengths: &[u8]) -> Vec<Kept> {
    let mut journal = open(config).expect("an empty directory").0;
    let mut written = Vec::new();
    for (number, length) in lengths.iter().enumerate() {
        let payload: Vec<u8> = (0..*length).map(|at| if at % 3 == 0 { number as u8 } else { b'j' }).collect();
        let at = journal.append(number as u8, &[&payload]).expect("room");
        journal.commit().expect("a disk");
        written.push((number as u8, at, payload));
    }
    written
}

/// Flips, cuts and copies as the input says; returns how many records that can lose.
fn damage(path: &Path, edits: &[u8]) -> usize {
    let mut bytes = fs::read(path).expect("what was written");
    let mut lost_max = 0;
    let alone = edits.len() <= 3;
    for edit in edits.chunks(3) {
        let place = usize::from(edit.get(1).copied().unwrap_or(0)) * bytes.len() / 256;
        let with = edit.get(2).copied().unwrap_or(1);
        match edit[0] % 3 {
            0 if place < bytes.len() => bytes[place] ^= with,
            1 => bytes.truncate(place),
            _ => {
                let from = usize::from(with) * 8 % bytes.len().max(1);
                let length = 64.min(bytes.len() - from).min(bytes.len() - place);
                bytes.copy_within(from..from + length, place);
            }
        }
        // The header stands twice: one flip in it loses nothing.
        let harmless = edit[0] % 3 == 0 && (alone || place >= 64);
        lost_max += if harmless { 1 } else { usize::from(u8::MAX) };
    }
    fs::write(path, bytes).expect("a file");
    lost_max
}

/// Opens, reads everything again by its position, appends, and finds all of it at the next opening.
fn survive(config: &Config) -> Result<Vec<Kept>, OpenError> {
    let (mut journal, recovery, found) = open(config)?;
    assert_eq!(recovery.records, found.len() as u64);
    for (_, at, payload) in &found {
        assert_eq!(journal.read(*at, payload.len()).expect("it was just read"), payload);
    }
    let last = journal.append(1, &[b"goes ", b"on"]).expect("room");
    journal.commit().expect("a disk");
    drop(journal);
    let (mut journal, _, again) = open(config)?;
    assert_eq!(again[..found.len()], found);
    assert_eq!(again[found.len()..], [(1, last, b"goes on".to_vec())]);
    journal.release_before(Position::MAX);
    assert!(journal.segments() <= 1);
    Ok(found)
}
