//! Another configuration in the middle of everything.

use super::*;

#[test]
fn records_of_before_and_after_a_change_are_read_back_and_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for first in all_kinds(directory.path()) {
        let other = match first.compression {
            Compression::None => Compression::Lz4,
            Compression::Lz4 => Compression::None,
        };
        let second =
            Config { compression: other, segment_size: 64 << 10, sync: Sync::Always, ..first.clone() };
        let (mut journal, mut records) = (open(&first), Vec::new());
        for number in 0..120 {
            match number % 20 {
                7 => journal.reconfigure(&second, 1), // with uncommitted records
                13 => journal.reconfigure(&first, 1),
                _ => {}
            }
            records.push(append(&mut journal, number as u8, &payload(number, number * 20)));
            if number % 5 == 0 {
                journal.commit().unwrap();
            }
            check(&mut journal, &records);
        }
        journal.commit().unwrap();
        let kept_from = records[60].1;
        journal.release_before(kept_from);
        check(&mut journal, &records[60..]);
        drop(journal);
        if first.directory.is_some() {
            let (mut journal, recovery, found) = reopen(&second);
            assert_eq!((recovery.corrupt_records, recovery.torn_bytes), (0, 0));
            assert!(found.ends_with(&records[60..]));
            check(&mut journal, &records[60..]);
        }
    }
}

#[test]
fn a_smaller_limit_takes_nothing_back_and_is_kept_to() {
    let directory = tempfile::tempdir().unwrap();
    for config in all_kinds(directory.path()) {
        let sized = |limit| Config { max_size: limit, max_memory: Some(limit), ..config.clone() };
        let mut journal = open(&sized(4 << 20));
        let records: Vec<_> = (0..200).map(|n| append(&mut journal, 0, &payload(n, 4000))).collect();
        journal.commit().unwrap();
        journal.reconfigure(&sized(100 << 10), 1);
        assert!(matches!(journal.append(0, &[&[0; 2000]]), Err(Full::Limit { limit_bytes: 102_400, .. })));
        check(&mut journal, &records);
        let end = journal.end();
        journal.release_before(end);
        journal.append(0, &[&[0; 2000]]).unwrap();
    }
}
