//! Files of any content.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// A journal of one segment with some records, each committed alone, and the file.
fn written(config: &Config, lengths: &[usize]) -> (PathBuf, Vec<Kept>) {
    let mut journal = open(config);
    let mut records = Vec::new();
    for (number, length) in lengths.iter().enumerate() {
        records.push(append(&mut journal, number as u8, &payload(number, *length)));
        journal.commit().unwrap();
    }
    (journal.folder.as_ref().unwrap().segment_path(1), records)
}

/// Where a record's frame begins and ends in the file.
fn frames(path: &Path) -> Vec<std::ops::Range<usize>> {
    let bytes = fs::read(path).unwrap();
    let file = fs::File::open(path).unwrap();
    let folder::Opening::Ours { salt, .. } = folder::opening(&file, 1).unwrap() else { panic!("no header") };
    let mut scan = frame::Scan { salt, at: folder::START };
    let mut source = frame::Slice { start: 0, bytes: &bytes };
    let mut found = Vec::new();
    while let Some((what, start, end)) = scan.next(&mut source).unwrap() {
        assert!(matches!(what, frame::Found::Frame(_)));
        found.push(start as usize..end as usize);
    }
    found
}

fn both(directory: &Path) -> [Config; 2] {
    [files(&directory.join("plain")), lz4(files(&directory.join("lz4")))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_byte_loses_the_record_it_hits_and_no_other(
        lengths in prop::collection::vec(0..900_usize, 1..12), place in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        let directory = tempfile::tempdir().unwrap();
        for config in both(directory.path()) {
            let (path, mut records) = written(&config, &lengths);
            let frames = frames(&path);
            let mut bytes = fs::read(&path).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            fs::write(&path, &bytes).unwrap();
            let (mut journal, recovery, found) = reopen(&config);
            if found.len() < records.len() {
                records.remove(frames.iter().position(|frame| frame.contains(&place)).unwrap());
                prop_assert!(recovery.corrupt_records == 1 || recovery.torn_bytes > 0);
                prop_assert_eq!(recovery.faults.len(), 1);
            }
            prop_assert_eq!(&found, &records);
            let next = append(&mut journal, 9, b"and it goes on");
            journal.commit().unwrap();
            check(&mut journal, &records);
            drop(journal);
            records.push(next);
            prop_assert_eq!(reopen(&config).2, records);
        }
    }

    #[test]
    fn a_file_cut_anywhere_keeps_every_record_before(
        lengths in prop::collection::vec(0..900_usize, 1..12), place in any::<prop::sample::Index>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        for config in both(directory.path()) {
            let (path, mut records) = written(&config, &lengths);
            let frames = frames(&path);
            let length = place.index(fs::metadata(&path).unwrap().len() as usize);
            fs::File::options().write(true).open(&path).unwrap().set_len(length as u64).unwrap();
            let (mut journal, recovery, found) = reopen(&config);
            let whole = frames.iter().take_while(|frame| frame.end <= length).count();
            prop_assert!(found.len() == whole || found.len() == whole + 1); // only padding was cut
            records.truncate(found.len());
            prop_assert_eq!(&found, &records);
            prop_assert_eq!((recovery.corrupt_records, recovery.unreadable_segments), (0, 0));
            let next = append(&mut journal, 9, b"and it goes on");
            journal.commit().unwrap();
            drop(journal);
            records.push(next);
            prop_assert_eq!(reopen(&config).2, records);
        }
    }

    #[test]
    fn any_bytes_in_any_file_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..3000), whole in any::<bool>(), middle in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        for config in both(directory.path()) {
            let (path, _) = written(&config, &[100, 200]);
            let mut content = if whole { Vec::new() } else { fs::read(&path).unwrap() };
            content.extend_from_slice(&bytes);
            fs::write(&path, &content).unwrap();
            if middle {
                fs::write(path.with_file_name("0000000007.seg"), &bytes).unwrap();
            }
            let (mut journal, recovery, found) = reopen(&config);
            prop_assert!(whole || found.len() == 2);
            prop_assert_eq!(recovery.records, found.len() as u64);
            let next = append(&mut journal, 1, b"next");
            journal.commit().unwrap();
            drop(journal);
            let (mut journal, _, found) = reopen(&config);
            prop_assert_eq!(found.last(), Some(&next));
            check(&mut journal, &found);
            journal.release_before(Position::MAX);
            prop_assert!(journal.segments() == 1);
        }
    }
}

#[test]
fn every_lost_stretch_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let config = files(directory.path());
    let (path, records) = written(&config, &[100, 200, 300, 400]);
    let frames = frames(&path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[frames[1].start + 40] ^= 1;
    bytes[frames[2].start] ^= 1;
    bytes.truncate(frames[3].end - 20);
    fs::write(&path, &bytes).unwrap();
    let (_, recovery, found) = reopen(&config);
    assert_eq!(found, records[..1]);
    // The head of the third is gone and so is what follows: they are one torn end.
    assert_eq!((recovery.corrupt_records, recovery.corrupt_bytes), (1, frames[1].len() as u64));
    assert_eq!(recovery.torn_bytes, (bytes.len() - frames[2].start) as u64);
    assert_eq!(
        recovery.faults[0].to_string(),
        format!(
            "{}: a corrupt record at byte {}, {} bytes",
            path.display(),
            frames[1].start,
            frames[1].len()
        )
    );
}

#[test]
fn a_payload_that_looks_like_a_frame_never_becomes_one() {
    let directory = tempfile::tempdir().unwrap();
    let config = files(directory.path());
    let (path, mut records) = written(&config, &[200, 0, 100]);
    // A true frame of the same file, as the payload of another record, at every alignment.
    let copied = fs::read(&path).unwrap()[frames(&path)[0].clone()].to_vec();
    let mut journal = reopen(&config).0;
    for shift in 0..8 {
        let payload = [&vec![0; shift][..], &copied].concat();
        records.push(append(&mut journal, 7, &payload));
    }
    journal.commit().unwrap();
    drop(journal);
    let frames = frames(&path);
    let mut bytes = fs::read(&path).unwrap();
    for frame in &frames[3..11] {
        bytes[frame.start + 4] ^= 0xff;
    }
    fs::write(&path, bytes).unwrap();
    assert_eq!(reopen(&config).2, records[..3]);
}

#[test]
fn a_frame_moved_within_its_file_or_from_an_older_one_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let config = files(directory.path());
    let (path, records) = written(&config, &[200, 200, 200]);
    let frames = frames(&path);
    let mut bytes = fs::read(&path).unwrap();
    bytes.copy_within(frames[0].clone(), frames[1].start);
    fs::write(&path, &bytes).unwrap();
    let (journal, recovery, found) = reopen(&config);
    assert_eq!(found, [records[0].clone(), records[2].clone()]);
    assert_eq!(recovery.corrupt_records, 1);
    drop(journal);
    // The same place, another segment.
    fs::rename(&path, path.with_file_name("0000000002.seg")).unwrap();
    let (_, recovery, found) = reopen(&config);
    assert_eq!((found.len(), recovery.unreadable_segments), (0, 1));
}

#[test]
fn what_rots_while_it_is_held_fails_to_read_and_spares_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    for config in both(directory.path()) {
        let mut journal = open(&config);
        let mut records = Vec::new();
        for number in 0..5 {
            records.push(append(&mut journal, 0, &payload(number, 1000)));
            journal.commit().unwrap();
        }
        let path = journal.folder.as_ref().unwrap().segment_path(1);
        let mut bytes = fs::read(&path).unwrap();
        bytes[frames(&path)[2].start + 300] ^= 4;
        fs::write(&path, bytes).unwrap();
        let lost = records.remove(2);
        assert!(matches!(journal.read(lost.1, 10), Err(ReadError::Corrupt { segment: 1, .. })));
        check(&mut journal, &records);
        assert!(matches!(journal.read(lost.1.plus(500), 10), Err(ReadError::Corrupt { .. })));
    }
}

#[test]
fn a_lost_block_moves_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let config = lz4(files(directory.path()));
    let (path, records) = written(&config, &[5000, 5000, 5000]);
    let first = frames(&path)[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[first].fill(0);
    fs::write(&path, bytes).unwrap();
    let (mut journal, recovery, found) = reopen(&config);
    assert_eq!((&found[..], recovery.corrupt_records), (&records[1..], 1));
    check(&mut journal, &records[1..]);
    assert!(matches!(journal.read(records[0].1, 10), Err(ReadError::Corrupt { .. })));
}
