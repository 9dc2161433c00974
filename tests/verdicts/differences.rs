//! One corpus through both programs, and every trace of which they think differently.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::corpus::{self, Corpus, TraceId};
use crate::program::{Extras, Program};
use crate::report;
use crate::rules::Set;
use crate::sets;
use crate::sink::{Sink, Verdicts};
use crate::sizes;

/// Waits for a verdict that are tried, in seconds, until all traces come in less.
const WAITS: [u64; 3] = [4, 12, 36];
/// How much less: a decision falls no earlier than the wait, or a second before it where a set says so.
const MARGIN: u64 = 2;

#[test]
fn the_same_verdicts_as_a_collector() {
    compare(&sets::all(), false);
}

#[test]
fn the_same_thresholds_as_a_collector() {
    compare(&sets::of_thresholds(), true);
}

#[test]
fn patterns_mean_what_they_mean_in_go() {
    compare(&sets::of_go(), false);
}

fn compare(sets: &[Set], trace_state: bool) {
    let Some(collector) = Program::collector() else { return };
    let ringtail = Program::ringtail();
    let _alone = crate::alone();
    let sets = sets.to_vec();
    let mut corpus = Corpus::new();
    corpus.first.extend(sizes::requests());
    let [theirs, ours] = std::thread::scope(|scope| {
        let (sets, corpus) = (&sets, &corpus);
        let judged = |program| scope.spawn(move || judged(program, sets, trace_state, corpus));
        [judged(&collector), judged(&ringtail)].map(|thread| thread.join().unwrap())
    });
    telling(&sets, &theirs);
    let differences = report::differences(&sets, &corpus, &theirs, &ours);
    assert!(differences.is_empty(), "{differences}");
}

/// Lets a program judge the corpus, with a wait that every trace comes whole in.
fn judged(program: &Program, sets: &[Set], trace_state: bool, corpus: &Corpus) -> Vec<Verdicts> {
    for wait_seconds in WAITS {
        let extras = Extras { wait_seconds, record_policy: true, trace_state };
        if let Some(verdicts) = judged_within(program, sets, extras, corpus) {
            return verdicts;
        }
    }
    panic!("{}: traces do not come in {WAITS:?} seconds", program.name);
}

/// Sends the corpus, what is late after all verdicts, and ends the program: whatever it kept is out then.
fn judged_within(program: &Program, sets: &[Set], extras: Extras, corpus: &Corpus) -> Option<Vec<Verdicts>> {
    let sink = Sink::start();
    let mut running = program.start(sets, extras, false, &sink);
    let mut sender = sink.connect(running.port(0));
    // Traces with the same low half meet in caches, so they come together as if they were one.
    let mut began: BTreeMap<[u8; 8], Instant> = BTreeMap::new();
    for request in &corpus.first {
        let start = Instant::now();
        sender.send(request);
        for id in corpus::traces(std::slice::from_ref(request)).into_keys() {
            let took = began.entry(low_half(&id)).or_insert(start).elapsed();
            if took > Duration::from_secs(extras.wait_seconds - MARGIN) {
                return None;
            }
        }
    }
    running.judge_all();
    corpus.late.iter().for_each(|request| sender.send(request));
    running.process.stop();
    Some((0..sets.len()).map(|set| sink.verdicts(&set.to_string())).collect())
}

fn low_half(id: &TraceId) -> [u8; 8] {
    std::array::from_fn(|index| id[8 + index])
}

/// Many sets part the corpus, else agreement means nothing.
fn telling(sets: &[Set], verdicts: &[Verdicts]) {
    let all = verdicts.iter().map(Verdicts::len).max().unwrap();
    let parting = verdicts.iter().filter(|kept| !kept.is_empty() && kept.len() < all).count();
    assert!(parting > sets.len() / 2, "{parting} of {} sets keep some traces and not others", sets.len());
}
