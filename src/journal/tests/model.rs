//! Random operations against a list.

use proptest::prelude::*;

use super::segment::fault::set_room;
use super::*;

#[derive(Clone, Debug)]
enum Operation {
    Append(usize),
    Reserved(usize),
    Commit,
    FailedCommit(usize),
    Kill,
    Release(prop::sample::Index),
    ReleaseAll,
    Read(prop::sample::Index, usize),
    Rounds(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0..3000_usize).prop_map(Operation::Append),
        1 => (0..60_000_usize).prop_map(Operation::Append),
        1 => (0..100_usize).prop_map(Operation::Reserved),
        4 => Just(Operation::Commit),
        1 => (0..9000_usize).prop_map(Operation::FailedCommit),
        1 => Just(Operation::Kill),
        2 => any::<prop::sample::Index>().prop_map(Operation::Release),
        1 => Just(Operation::ReleaseAll),
        6 => (any::<prop::sample::Index>(), 0..3000_usize).prop_map(|(index, skip)| Operation::Read(index, skip)),
        2 => (1..40_usize).prop_map(Operation::Rounds),
    ]
}

struct Twin {
    config: Config,
    journal: Journal,
    committed: Vec<Kept>,
    open: Vec<Kept>,
    seed: usize,
}

impl Twin {
    fn append(&mut self, length: usize, reserved: bool) {
        self.seed += 1;
        let bytes = payload(self.seed, length);
        let kind = self.seed as u8;
        let appended = match reserved {
            true => self.journal.append_reserved(kind, &[&bytes]),
            false => self.journal.append(kind, &[&bytes[..length / 3], &bytes[length / 3..]]),
        };
        if let Ok(at) = appended {
            let last = self.open.last().or(self.committed.last());
            assert!(last.is_none_or(|last| last.1 < at || last.2.is_empty()));
            self.open.push((kind, at, bytes));
        }
    }

    fn commit(&mut self) {
        match self.journal.commit() {
            Ok(()) => self.committed.append(&mut self.open),
            Err(_) => self.open.clear(),
        }
    }

    fn release(&mut self, before: Position) {
        self.journal.release_before(before);
        let oldest = self.journal.oldest().unwrap_or(Position::MAX);
        self.committed.retain(|record| record.1 >= oldest);
        // Only in memory, where it is as good as committed.
        self.open.retain(|record| self.config.directory.is_some() || record.1 >= oldest);
        assert!(self.committed.iter().all(|record| record.1 < before || record.1 >= oldest));
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(length) => self.append(*length, false),
            Operation::Reserved(length) => self.append(*length, true),
            Operation::Commit => self.commit(),
            Operation::FailedCommit(room) => {
                set_room(self.config.directory.is_some().then_some(*room));
                self.append(5000, false);
                self.append(5000, false);
                self.commit();
                set_room(None);
            }
            Operation::Kill if self.config.directory.is_some() => {
                let lock = self.journal.folder.take(); // gone without a word
                drop(lock);
                let (journal, recovery, found) = reopen(&self.config);
                assert_eq!((recovery.corrupt_records, recovery.torn_bytes), (0, 0));
                assert_eq!(found[..self.committed.len()], self.committed);
                assert!(self.open.starts_with(&found[self.committed.len()..]));
                self.journal = journal;
                (self.committed, self.open) = (found, Vec::new());
            }
            Operation::Release(index) if !self.committed.is_empty() => {
                let at = self.committed[index.index(self.committed.len())].1;
                self.release(at);
            }
            Operation::ReleaseAll => self.release(Position::MAX),
            Operation::Read(index, skip) if self.committed.len() + self.open.len() > 0 => {
                let index = index.index(self.committed.len() + self.open.len());
                let (_, at, bytes) = self.committed.iter().chain(&self.open).nth(index).unwrap();
                let skip = skip % (bytes.len() + 1);
                let read = self.journal.read(at.plus(skip as u32), bytes.len() - skip).unwrap();
                assert_eq!(read, &bytes[skip..]);
            }
            Operation::Rounds(rounds) => {
                for _ in 0..*rounds {
                    self.append(400, false);
                    self.commit();
                }
            }
            _ => {}
        }
        let journal = &self.journal;
        let used: u64 = journal.segments.iter().map(|segment| u64::from(segment.length)).sum();
        assert_eq!(journal.used_bytes(), used + journal.block.len() as u64);
        assert!(journal.used_bytes() <= LIMIT + (64 << 10) + 100 * journal.segments() as u64);
        let held = self.committed.iter().chain(&self.open).map(|record| record.2.len() as u64).sum::<u64>();
        assert!(held == 0 || journal.oldest().is_some());
    }
}

const LIMIT: u64 = 256 << 10;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_a_list_that_forgets_whole_segments(operations in prop::collection::vec(operation(), 1..120)) {
        let directory = tempfile::tempdir().unwrap();
        for config in all_kinds(directory.path()) {
            let config = Config { max_size: LIMIT, max_memory: Some(LIMIT), ..config };
            let journal = open(&config);
            let mut twin = Twin { config, journal, committed: Vec::new(), open: Vec::new(), seed: 0 };
            for operation in &operations {
                twin.apply(operation);
            }
            twin.commit();
            check(&mut twin.journal, &twin.committed);
        }
    }
}
