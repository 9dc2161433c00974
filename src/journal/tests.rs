//! What a journal promises, held against a list of what was appended.

mod crash;
mod damage;
mod full;
mod model;
mod owner;
mod reconfigure;

use std::path::Path;

use super::*;

/// A record as a test remembers it.
type Kept = (u8, Position, Vec<u8>);

fn memory() -> Config {
    Config { max_memory: Some(64 << 20), ..Config::default() }
}

fn files(directory: &Path) -> Config {
    Config { directory: Some(directory.to_owned()), segment_size: 64 << 20, ..Config::default() }
}

fn lz4(config: Config) -> Config {
    Config { compression: Compression::Lz4, ..config }
}

/// Memory and files, plain and compressed, with small segments.
fn all_kinds(directory: &Path) -> Vec<Config> {
    let small = |config: Config| Config { segment_size: 16 << 10, ..config };
    vec![
        small(memory()),
        small(lz4(memory())),
        small(files(&directory.join("plain"))),
        small(lz4(files(&directory.join("lz4")))),
    ]
}

fn open(config: &Config) -> Journal {
    reopen(config).0
}

/// Opens and remembers what came back.
fn reopen(config: &Config) -> (Journal, Recovery, Vec<Kept>) {
    let mut records = Vec::new();
    let keep = &mut |record: Record<'_>| records.push((record.kind, record.at, record.payload.to_vec()));
    let (journal, recovery) = Journal::open(config, Path::new("traces/0"), 1, keep).unwrap();
    (journal, recovery, records)
}

fn append(journal: &mut Journal, kind: u8, payload: &[u8]) -> Kept {
    let (first, second) = payload.split_at(payload.len() / 2);
    (kind, journal.append(kind, &[first, second]).unwrap(), payload.to_vec())
}

/// Bytes that look like nothing else, and compress by half.
fn payload(seed: usize, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed as u64);
    (0..length).map(|at| if at % 16 < 8 { random.u8(..) } else { b'x' }).collect()
}

fn check(journal: &mut Journal, records: &[Kept]) {
    for (_, at, payload) in records {
        assert_eq!(journal.read(*at, payload.len()).unwrap(), payload);
        let middle = payload.len() / 2;
        assert_eq!(journal.read(at.plus(middle as u32), payload.len() - middle).unwrap(), &payload[middle..]);
    }
}

#[test]
fn every_record_is_read_back_by_its_position_committed_or_not_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for config in all_kinds(directory.path()) {
        let mut journal = open(&config);
        let mut records = Vec::new();
        for number in 0..400 {
            let length = if number == 77 { 100_000 } else { number * 7 };
            records.push(append(&mut journal, number as u8, &payload(number, length)));
            if number % 5 == 0 {
                journal.commit().unwrap();
            }
            check(&mut journal, &records[number.saturating_sub(8)..]);
        }
        check(&mut journal, &records);
        assert!(records.is_sorted_by_key(|record| record.1));
        assert!(journal.end() > records[399].1 && journal.segments() > 10);
        journal.commit().unwrap();
        drop(journal);
        if config.directory.is_none() {
            continue;
        }
        let (mut journal, recovery, found) = reopen(&config);
        assert_eq!(found, records);
        assert_eq!((recovery.records, recovery.corrupt_records, recovery.torn_bytes), (400, 0, 0));
        let next = append(&mut journal, 1, b"goes on");
        assert!(next.1 > records[399].1);
        check(&mut journal, &records);
        check(&mut journal, &[next]);
    }
}

#[test]
fn positions_fit_eight_bytes_with_none() {
    assert_eq!(size_of::<Option<Position>>(), 8);
    let at = Position::new(3, 9);
    assert_eq!((at.segment(), at.plus(4).offset(), Position::from_u64(at.as_u64())), (3, 13, Some(at)));
    assert_eq!(Position::from_u64(0), None);
}
