//! A process that is killed while it writes.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const DIRECTORY: &str = "RINGTAIL_TEST_JOURNAL";
/// Records a writer holds before it releases the oldest.
const HELD: usize = 300;

fn config(directory: &Path) -> Config {
    let compression = if directory.ends_with("lz4") { Compression::Lz4 } else { Compression::None };
    Config { segment_size: 64 << 10, compression, ..files(directory) }
}

fn numbered(number: u32) -> Vec<u8> {
    [&number.to_le_bytes()[..], &payload(number as usize, number as usize * 37 % 2000)].concat()
}

/// Not a test of its own: the process that [`a_kill_loses_nothing_that_was_committed`] starts and kills.
#[test]
fn writer() {
    let Ok(directory) = env::var(DIRECTORY) else { return };
    let (mut journal, _, found) = reopen(&config(Path::new(&directory)));
    let mut positions: Vec<Position> = found.iter().map(|record| record.1).collect();
    let mut number = found.last().map_or(0, |last| u32::from_le_bytes(last.2[..4].try_into().unwrap()) + 1);
    let mut out = io::stdout();
    loop {
        for _ in 0..number % 7 + 1 {
            positions.push(journal.append(1, &[&numbered(number)]).unwrap());
            number += 1;
        }
        journal.commit().unwrap();
        let released = positions.len().saturating_sub(HELD);
        positions.drain(..released);
        journal.release_before(positions[0]);
        writeln!(out, "committed {number}").unwrap();
    }
}

#[test]
fn a_kill_loses_nothing_that_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..8_u32 {
        let directory = directory.path().join(if round % 2 == 0 { "plain" } else { "lz4" });
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "journal::tests::crash::writer", "--nocapture"])
            .env(DIRECTORY, &directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut committed = 0;
        for _ in 0..fastrand::usize(20..1000) {
            let line = lines.next().expect("the writer goes on until it is killed");
            committed = line.strip_prefix("committed ").map_or(committed, |number| number.parse().unwrap());
        }
        child.kill().unwrap();
        for line in lines {
            // Said before it died; the last line may be torn.
            committed = line
                .strip_prefix("committed ")
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
                .max(committed);
        }
        child.wait().unwrap();
        let (_, recovery, found) = reopen(&config(&directory));
        assert_eq!((recovery.corrupt_records, recovery.unreadable_segments), (0, 0));
        let first = u32::from_le_bytes(found[0].2[..4].try_into().unwrap());
        assert!(first == 0 || found.len() >= HELD - 8, "{first} {}", found.len());
        for (number, record) in (first..).zip(&found) {
            assert_eq!(record.2, numbered(number), "in order, each once");
        }
        assert!(first + found.len() as u32 >= committed, "{first} + {} < {committed}", found.len());
    }
}
