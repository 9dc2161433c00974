//! Verdicts that depend on what came before: late spans, caches, room, limits, the end of the process.

use std::thread;

use crate::corpus::TraceId;
use crate::program::{Extras, Program, Running};
use crate::rules::{Set, always, and, drop, latency, not, span_count, string};
use crate::sink::Sink;
use crate::spoken;

/// A wait that ends no test: what comes out, comes out at once.
const ENDLESS: &str = "decision_wait: 300s";
const SOON: &str = "decision_wait: 1s";
/// Numbers of traces that never come out, to the end of the process, begin here.
const NEVER: u64 = 1 << 56;

type Steps = fn(&Line<'_>);

#[test]
fn what_came_before_counts_as_for_a_collector() {
    let _alone = crate::alone();
    Program::each(|program| {
        let table: Vec<_> = [late(), room(), at_ingest()].into_iter().flatten().collect();
        let sets: Vec<_> = table.iter().map(|(set, _)| set.clone()).collect();
        let sink = Sink::start();
        let mut running = program.start(&sets, Extras::default(), true, &sink);
        thread::scope(|scope| {
            for (set, (rules, steps)) in table.iter().enumerate() {
                let what = format!("{}: {}", program.name, rules.yaml());
                let line = Line { running: &running, sink: &sink, set, what };
                scope.spawn(move || steps(&line));
            }
        });
        running.process.stop();
        for (set, (rules, _)) in table.iter().enumerate() {
            let kept = sink.verdicts(&set.to_string());
            let never: Vec<_> = kept.keys().filter(|id| id[8] == NEVER.to_be_bytes()[0]).collect();
            assert!(never.is_empty(), "{}: {}: {never:02x?} came out", program.name, rules.yaml());
        }
    });
}

#[test]
fn a_process_that_ends_judges_what_it_has_or_drops_it() {
    let _alone = crate::alone();
    let set = || Set::of([string("k", "[y]")]).with(ENDLESS);
    let sets = [set(), set().with("drop_pending_traces_on_shutdown: true")];
    Program::each(|program| {
        let sink = Sink::start();
        let mut running = program.start(&sets, Extras::default(), false, &sink);
        let mut sender = sink.connect(running.port(0));
        for (number, text) in [(1, "k=n"), (2, "k=y"), (3, "k=n ; k=y")] {
            spoken::requests(id(0, number), text).iter().for_each(|request| sender.send(request));
        }
        running.until("every trace is there", |running| running.traces() == 6.0);
        running.process.stop();
        let kept: Vec<_> = sink.verdicts("0").into_keys().collect();
        assert_eq!(kept, [id(0, 2), id(0, 3)], "{}", program.name);
        assert_eq!(sink.spans("1"), 0, "{}", program.name);
    });
}

/// One pipeline of a program, and what came out of it.
struct Line<'a> {
    running: &'a Running,
    sink: &'a Sink,
    set: usize,
    what: String,
}

impl Line<'_> {
    /// Sends traces, each with its number.
    fn send(&self, traces: &[(u64, &str)]) {
        self.send_ids(&traces.iter().map(|(number, text)| (id(0, *number), *text)).collect::<Vec<_>>());
    }

    fn send_ids(&self, traces: &[(TraceId, &str)]) {
        let mut sender = self.sink.connect(self.running.port(self.set));
        for (id, text) in traces {
            spoken::requests(*id, text).iter().for_each(|request| sender.send(request));
        }
    }

    /// Spans of a trace that came out so far.
    fn kept(&self, id: TraceId) -> usize {
        self.sink.verdicts(&self.set.to_string()).get(&id).map_or(0, Vec::len)
    }

    fn until(&self, number: u64, spans: usize) {
        self.until_id(id(0, number), spans);
    }

    /// Waits for spans of a trace; there must not be more.
    fn until_id(&self, id: TraceId, spans: usize) {
        let what = format!("{spans} spans of {id:02x?}, {}", self.what);
        self.running.until(&what, |_| self.kept(id) >= spans);
        assert_eq!(self.kept(id), spans, "{what}");
    }

    /// Says that nothing of a trace came out so far.
    fn nothing_of(&self, number: u64) {
        assert_eq!(self.kept(id(0, number)), 0, "trace {number}, {}", self.what);
    }
}

fn id(high: u64, low: u64) -> TraceId {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

// What was sent before a trace is judged when that trace is out.
fn late() -> Vec<(Set, Steps)> {
    let of_text = || Set::of([string("k", "[y]")]).with(SOON);
    vec![
        (of_text(), |line| {
            line.send(&[(NEVER, "k=n"), (2, "k=y")]);
            line.until(2, 1);
            line.send(&[(NEVER, "k=y"), (2, "k=n"), (3, "k=y")]);
            line.until(2, 2);
            line.until(3, 1);
        }),
        // The caches know the right half of an id only.
        (of_text().cached(), |line| {
            line.send(&[(NEVER, "k=n"), (2, "k=y")]);
            line.until(2, 1);
            line.send_ids(&[(id(7, NEVER), "k=y"), (id(7, 2), "k=n")]);
            line.send(&[(NEVER, "k=y"), (2, "k=n"), (3, "k=y")]);
            line.until_id(id(7, 2), 1);
            line.until(2, 2);
            line.until(3, 1);
        }),
        (Set::of([always(), drop([string("k", "[n]")])]).with(SOON), |line| {
            line.send(&[(NEVER, "k=n"), (2, "")]);
            line.until(2, 1);
            line.send(&[(NEVER, ""), (3, "")]);
            line.until(3, 1);
        }),
        // Traces that others pushed out are judged anew.
        (of_text().with("num_traces: 2"), |line| {
            line.send(&[(1, "k=y"), (2, "k=n")]);
            line.until(1, 1);
            line.send(&[(3, "k=n"), (4, "k=y")]);
            line.until(4, 1);
            line.send(&[(1, "k=n"), (2, "k=y")]);
            line.until(2, 1);
            line.until(1, 1);
        }),
    ]
}

fn room() -> Vec<(Set, Steps)> {
    vec![
        // The first comes back when it was pushed out, and pushes out the third.
        (Set::of([always()]).with("num_traces: 3").with("decision_wait: 2s"), |line| {
            line.send(&[(1, "k=old"), (NEVER, ""), (NEVER + 1, ""), (4, ""), (5, ""), (1, "k=new")]);
            line.until(4, 1);
            line.until(5, 1);
            line.until(1, 1);
        }),
        (Set::of([always()]).with("num_traces: 2, block_on_overflow: true").with(SOON).cached(), |line| {
            line.send(&[(1, ""), (2, ""), (3, ""), (4, ""), (5, "")]);
            (1..=5).for_each(|number| line.until(number, 1));
        }),
    ]
}

fn at_ingest() -> Vec<(Set, Steps)> {
    let endless = |set: Set| set.at_ingest().with(ENDLESS);
    let soon = |set: Set| set.at_ingest().with(SOON);
    let (y, j) = (|| string("k", "[y]"), || string("j", "[y]"));
    vec![
        (endless(Set::of([y()])), |line| {
            line.send(&[(1, "k=q"), (2, "k=y")]);
            line.until(2, 1);
            line.nothing_of(1);
            line.send(&[(1, "k=y")]);
            line.until(1, 2);
            line.send(&[(1, "j=y")]);
            line.until(1, 3);
        }),
        (endless(Set::of([span_count(3, 0)])), |line| {
            line.send(&[(1, "1* / 1*"), (2, "3*")]);
            line.until(2, 3);
            line.nothing_of(1);
            line.send(&[(1, "1*")]);
            line.until(1, 3);
        }),
        (endless(Set::of([not(string("d", "['1']"))])), |line| {
            line.send(&[(1, "")]);
            line.until(1, 1);
        }),
        // What comes in two parts is never seen together.
        (soon(Set::of([latency(100, 0)])), |line| {
            line.send(&[(NEVER, "@0..60 / @60..150"), (2, "@0..150")]);
            line.until(2, 1);
        }),
        (soon(Set::of([and([y(), j()])])), |line| {
            line.send(&[(NEVER, "k=y / j=y"), (2, "k=y ; j=y")]);
            line.until(2, 2);
        }),
        // With a policy that could still drop, nothing is ever kept.
        (soon(Set::of([always(), drop([string("d", "['1']")])])), |line| {
            line.send(&[(NEVER, ""), (NEVER + 1, "d='1")])
        }),
    ]
}
