//! Limits, and disks that fill up.

use std::process::Command;

use super::segment::fault::set_room;
use super::*;

#[test]
fn a_full_journal_refuses_but_for_the_reserve_and_takes_again_after_a_release() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    for config in all_kinds(directory.path()) {
        let config = Config { max_size: limit, max_memory: Some(limit), ..config };
        let mut journal = open(&config);
        let random: Vec<u8> = (0..3000).map(|_| fastrand::u8(..)).collect();
        let mut last = journal.end();
        let full = loop {
            match journal.append(0, &[&random]) {
                Ok(at) => last = at,
                Err(full) => break full,
            }
            journal.commit().unwrap();
        };
        assert!(matches!(full, Full::Limit { limit_bytes, .. } if limit_bytes == limit));
        assert!(journal.used_bytes() <= limit && journal.used_bytes() > limit * 9 / 10);
        let mut reserved = 0;
        let mut small = [0; 100];
        while {
            fastrand::fill(&mut small);
            journal.append_reserved(1, &[&small]).is_ok()
        } {
            reserved += 1;
        }
        assert!((500..=800).contains(&reserved), "{reserved}");
        journal.commit().unwrap();
        journal.release_before(last);
        assert!(journal.used_bytes() < limit / 4, "{}", journal.used_bytes());
        assert_eq!(journal.read(last, 3000).unwrap(), random);
        journal.append(0, &[&random]).unwrap();
    }
}

#[test]
fn limits_are_shared_and_a_record_beyond_them_is_told_apart() {
    let config = Config { max_memory: Some(4 << 20), ..memory() };
    let (mut journal, _) = Journal::open(&config, Path::new(""), 4, &mut |_| {}).unwrap();
    assert_eq!(journal.limit_bytes(), 1 << 20);
    let large = vec![1; (1 << 20) + 1];
    assert_eq!(journal.append(0, &[&large]), Err(Full::Record { bytes: (1 << 20) + 1, max_bytes: 1 << 20 }));
    assert!(
        journal.append(0, &[&large[1..]]).is_ok(),
        "one that fits exactly is taken while nothing else is held"
    );
    journal.set_limit(3 << 20);
    assert!(journal.append(0, &[&large]).is_ok());
}

#[test]
fn what_a_full_disk_refuses_was_never_appended() {
    let directory = tempfile::tempdir().unwrap();
    for (index, config) in all_kinds(directory.path()).into_iter().enumerate().skip(2) {
        let mut journal = open(&config);
        let mut records = Vec::new();
        let mut refused = 0;
        for round in 0..60 {
            // Some rounds span segments, some fail in the middle of a frame.
            set_room((round % 3 != 0).then_some(round * 211));
            let before = (journal.end(), journal.used_bytes(), journal.segments());
            let mut appended = Vec::new();
            for number in 0..round % 30 {
                let bytes: Vec<u8> = (0..number * 60).map(|_| fastrand::u8(..)).collect();
                match journal.append(3, &[&bytes]) {
                    Ok(at) => appended.push((3, at, bytes)),
                    Err(full) => assert_eq!(full, Full::Failed),
                }
            }
            match journal.commit() {
                Ok(()) => records.append(&mut appended),
                Err(error) => {
                    refused += 1;
                    assert!(error.disk_full);
                    assert!(error.to_string().contains("traces/0: cannot write:"), "{error}");
                    assert_eq!((journal.end(), journal.used_bytes(), journal.segments()), before);
                }
            }
            set_room(None);
            check(&mut journal, &records);
        }
        assert!(refused > 10 && records.len() > 100, "{refused} {}", records.len());
        drop(journal);
        let (_, recovery, found) = reopen(&config);
        assert_eq!(found, records, "kind {index}");
        assert_eq!((recovery.corrupt_records, recovery.torn_bytes), (0, 0));
    }
}

#[test]
fn a_disk_that_is_truly_full_says_so_and_works_again_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "none"]).arg(directory.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return; // not allowed here: the test above fills a disk that is made up
    }
    let config = Config { segment_size: 64 << 10, ..files(directory.path()) };
    let mut journal = open(&config);
    let mut records = Vec::new();
    let error = loop {
        let record = append(&mut journal, 0, &payload(records.len(), 10_000));
        match journal.commit() {
            Ok(()) => records.push(record),
            Err(error) => break error,
        }
    };
    let room = records.len();
    assert!(error.disk_full && room > 30, "{error} {room}");
    check(&mut journal, &records);
    journal.release_before(records[room / 2].1);
    records.push(append(&mut journal, 0, &payload(99, 10_000)));
    journal.commit().unwrap();
    drop(journal);
    let found = reopen(&config).2;
    let unmounted = Command::new("umount").arg("-l").arg(directory.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert!(found.len() > room / 2 && records.ends_with(&found));
}

#[test]
fn a_full_disk_gets_back_what_nobody_needs_even_when_it_has_no_room_for_another_file() {
    let directory = tempfile::tempdir().unwrap();
    for config in [files(&directory.path().join("plain")), lz4(files(&directory.path().join("lz4")))] {
        let mut journal = open(&config);
        let record = append(&mut journal, 0, &payload(1, 5000));
        journal.commit().unwrap();
        set_room(Some(0));
        journal.append(0, &[b"x"]).unwrap();
        assert!(journal.commit().unwrap_err().disk_full);
        check(&mut journal, std::slice::from_ref(&record));
        journal.release_before(Position::MAX);
        set_room(None);
        let file = journal.folder.as_ref().unwrap().segment_path(1);
        assert_eq!((std::fs::metadata(file).unwrap().len(), journal.used_bytes()), (64, 64));
        assert!(journal.read(record.1, 1).is_err());
        let next = append(&mut journal, 0, b"room again");
        assert!(next.1.segment() > 1);
        journal.commit().unwrap();
        check(&mut journal, std::slice::from_ref(&next));
        drop(journal);
        assert_eq!(reopen(&config).2, [next]);
    }
}

#[test]
fn memory_is_used_again_and_given_back() {
    let config = Config { max_memory: Some(64 << 20), segment_size: 1 << 20, ..Config::default() };
    let mut journal = open(&config);
    let mut records = Vec::new();
    for round in 0..2000 {
        records.push(append(&mut journal, 0, &payload(round, 50_000)));
        if records.len() > 200 {
            records.drain(..50);
            journal.release_before(records[0].1);
        }
        let spare: usize = journal.spare.iter().map(Vec::capacity).sum();
        assert!(spare <= 2 << 20, "{spare}");
        assert!(journal.used_bytes() <= (records.len() as u64 + 21) * 50_000);
    }
    check(&mut journal, &records);
    journal.append(0, &[&vec![0; 5 << 20]]).unwrap();
    let end = journal.end();
    journal.release_before(Position::MAX);
    assert_eq!((journal.used_bytes(), journal.segments(), journal.oldest()), (0, 1, None));
    assert!(journal.end() > end, "a position means one record only");
    assert!(matches!(journal.read(records[0].1, 1), Err(ReadError::Released { .. })));
    assert!(journal.spare.len() <= 1 && journal.spare.iter().all(|memory| memory.capacity() == 1 << 20));
}
