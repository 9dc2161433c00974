//! One corpus through both programs, and every trace of which they think differently.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::corpus::{self, Corpus, TraceId};
use crate::program::{Extras, Program};
use crate::report;
use crate::rules::Set;
use crate::sets;
use crate::sink::{Sink, Verdicts};
use crate::sizes;

#[test]
fn the_same_verdicts_as_a_collector() {
    let Some(collector) = Program::collector() else { return };
    let extras = Extras { record_policy: true, ..Extras::default() };
    compare(&collector, &sets::all(), extras);
}

#[test]
fn the_same_thresholds_as_a_collector() {
    let Some(collector) = Program::collector() else { return };
    let extras = Extras { record_policy: true, trace_state: true };
    compare(&collector, &sets::of_thresholds(), extras);
}

fn compare(collector: &Program, sets: &[Set], extras: Extras) {
    let _alone = crate::alone();
    let mut corpus = Corpus::new();
    corpus.first.extend(sizes::requests());
    let theirs = judged(collector, sets, extras, &corpus);
    show(sets, &theirs);
    let ours = if std::env::var_os("SELF").is_some() {
        judged(collector, sets, extras, &corpus)
    } else {
        judged(&Program::ringtail(), sets, extras, &corpus)
    };
    let differences = report::differences(sets, &corpus, &theirs, &ours);
    assert!(differences.is_empty(), "{differences}");
}

/// Sends the corpus, what is late after all verdicts, and ends the program: whatever it kept is out then.
fn judged(program: &Program, sets: &[Set], extras: Extras, corpus: &Corpus) -> Vec<Verdicts> {
    let t = std::time::Instant::now();
    let sink = Sink::start();
    let mut running = program.start(sets, extras, false, &sink);
    eprintln!("started {:?}", t.elapsed());
    let mut sender = sink.connect(running.port(0));
    corpus.first.iter().for_each(|request| sender.send(request));
    eprintln!("sent {:?}", t.elapsed());
    running.until("a verdict on every trace", crate::program::Running::has_judged_all);
    eprintln!("decided {:?}", t.elapsed());
    corpus.late.iter().for_each(|request| sender.send(request));
    eprintln!("sent {:?}", t.elapsed());
    running.process.stop();
    eprintln!("stopped {:?}", t.elapsed());
    (0..sets.len()).map(|set| sink.verdicts(&set.to_string())).collect()
}

fn show(sets: &[Set], verdicts: &[Verdicts]) {
    for (set, verdicts) in sets.iter().zip(verdicts) {
        eprintln!("{:5} {:6} {}", verdicts.len(), verdicts.values().map(Vec::len).sum::<usize>(), set.yaml());
    }
}
