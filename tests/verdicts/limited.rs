//! Limits: how much they let through at once. Which traces it is, is left to chance.

use crate::corpus::{self, TraceId, request};
use crate::program::{Extras, Program};
use crate::rules::{Set, always, and, byte_rate, composite, not, rate, string};
use crate::sink::{Sink, Verdicts};
use crate::{sizes, spoken};

/// A set, and per kind of trace how many are sent together, what they are, and how many spans of them come out.
type Limit = (Set, &'static [(usize, &'static str, usize)]);

/// A tick may part what was sent together, and more passes then; so the strictest of some runs counts.
const RUNS: usize = 3;

#[test]
fn limits_let_through_as_much_as_a_collectors() {
    let _alone = crate::alone();
    let limits = all();
    Program::each(|program| {
        let sent: Vec<Vec<_>> = limits.iter().map(|(_, kinds)| mixed(kinds)).collect();
        let sets: Vec<_> = limits.iter().map(|(set, _)| set.clone()).collect();
        let kept = run(program, &sets, Extras::default(), &sent);
        for ((set, kinds), kept) in limits.iter().zip(kept) {
            for (kind, (_, text, expected)) in kinds.iter().enumerate() {
                let counts = kept.iter().map(|verdicts| {
                    verdicts
                        .iter()
                        .filter(|(id, _)| usize::from(id[0]) == kind)
                        .map(|(_, spans)| spans.len())
                        .sum()
                });
                let fewest: usize = counts.min().unwrap();
                assert_eq!(fewest, *expected, "{}: spans of `{text}` under {}", program.name, set.yaml());
            }
        }
    });
}

#[test]
fn a_byte_limit_counts_as_a_collectors() {
    let _alone = crate::alone();
    // What a collector counts for one trace of the size that its limit on traces counts: a tag and a length more.
    let counted = sizes::SIZE as i64 + 3;
    let sets = [counted - 1, counted, counted + 1].map(|burst| Set::of([byte_rate(1, burst)]));
    let sent: Vec<_> = sets.iter().map(|_| vec![sizes::filled()]).collect();
    Program::each(|program| {
        let kept: Vec<_> =
            run(program, &sets, Extras::default(), &sent).iter().map(|runs| !runs[0].is_empty()).collect();
        assert_eq!(kept, [false, true, true], "{}", program.name);
    });
}

#[test]
fn a_limit_keeps_the_likeliest_traces_and_says_how_likely_they_were() {
    let _alone = crate::alone();
    let sets = [
        Set::of([rate(3, Some(3))]),
        Set::of([rate(20, Some(20))]),
        Set::of([and([rate(3, Some(3)), string("k", "[even]")])]),
        Set::of([rate(3, Some(3)), string("k", "[even]")]),
    ];
    // Randomness is the last seven bytes of an id.
    let likely = |number: u8| {
        let mut id: TraceId = [number; 16];
        id[9] = number << 4;
        id[10..].fill(0);
        id
    };
    let spoken = |number: u8| {
        let text = if number.is_multiple_of(2) { "k=even" } else { "k=odd" };
        spoken::requests(likely(number), text).into_iter().flat_map(|request| request.resource_spans)
    };
    let sent = vec![vec![request((1..=10).flat_map(spoken).collect())]; sets.len()];
    let (all, fourth, fifth) = ("ot=th:0", "ot=th:70000000000001", "ot=th:40000000000001");
    let everything: Vec<_> = (1..=10).map(|number| (number, all)).collect();
    let expected: [&[(u8, &str)]; 4] = [
        &[(8, fourth), (9, fourth), (10, fourth)],
        &everything,
        &[(6, fifth), (8, fifth), (10, fifth)],
        &[(2, all), (4, all), (6, all), (8, all), (9, fourth), (10, all)],
    ];
    Program::each(|program| {
        let extras = Extras { trace_state: true, ..Extras::default() };
        let kept = run(program, &sets, extras, &sent);
        for ((set, runs), expected) in sets.iter().zip(kept).zip(expected) {
            let fewest = runs.iter().min_by_key(|verdicts| verdicts.len()).unwrap();
            let states = fewest.iter().map(|(id, spans)| (id[0], spans[0].trace_state.as_str()));
            assert_eq!(states.collect::<Vec<_>>(), expected, "{} under {}", program.name, set.yaml());
        }
    });
}

type Requests = Vec<opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest>;

/// What each set kept of what was sent to it, in every run.
fn run(program: &Program, sets: &[Set], extras: Extras, sent: &[Requests]) -> Vec<Vec<Verdicts>> {
    let lines: Vec<_> =
        (0..sets.len() * RUNS).map(|line| sets[line / RUNS].clone().with("decision_wait: 1s")).collect();
    let sink = Sink::start();
    let mut running = program.start(&lines, extras, true, &sink);
    for line in 0..lines.len() {
        let mut sender = sink.connect(running.port(line));
        sent[line / RUNS].iter().for_each(|request| sender.send(request));
    }
    let traces = sent.iter().map(|requests| corpus::traces(requests).len()).sum::<usize>() * RUNS;
    running.until("every trace is there", |running| running.traces() == traces as f64);
    running.judge_all();
    running.process.stop();
    let kept = |set: usize| (0..RUNS).map(|run| sink.verdicts(&(set * RUNS + run).to_string())).collect();
    (0..sets.len()).map(kept).collect()
}

/// All traces in one request, the kind in the first byte of their ids.
fn mixed(kinds: &[(usize, &str, usize)]) -> Requests {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut all = Vec::new();
    for (kind, (count, text, _)) in kinds.iter().enumerate() {
        for _ in 0..*count {
            let mut id: TraceId = rng.u128(..).to_be_bytes();
            id[0] = kind as u8;
            all.extend(spoken::requests(id, text).into_iter().flat_map(|request| request.resource_spans));
        }
    }
    vec![request(all)]
}

fn all() -> Vec<Limit> {
    let (a, b, y) = (|| string("k", "[a]"), || string("k", "[b]"), || string("k", "[y]"));
    let one = |rule: String| Set::of([rule]);
    vec![
        (one(rate(10, None)), &[(30, "", 20)]),
        (one(rate(10, Some(5))), &[(1, "6*", 0), (2, "5*", 5)]),
        (one(rate(0, Some(5))), &[(8, "", 5)]),
        (one(rate(0, None)), &[(8, "", 0)]),
        (Set::of([rate(1, Some(5)), string("k", "[y]")]), &[(4, "k=y", 4)]),
        (one(and([y(), rate(1, Some(5))])), &[(20, "k=n", 0), (7, "k=y", 5)]),
        (one(not(rate(1, Some(2)))), &[(6, "", 4)]),
        (
            one(composite(30, [a(), b(), always()], &[("s0", 50)])),
            &[(20, "k=a", 15), (15, "k=b", 10), (15, "k=c", 10)],
        ),
        (one(composite(100, [a(), always()], &[("s0", 5), ("s1", 95)])), &[(20, "k=a", 5), (20, "k=c", 20)]),
        (
            one(composite(10, [a(), always()], &[("s0", 100), ("s1", 100)])),
            &[(20, "k=a", 10), (20, "k=c", 10)],
        ),
        (one(composite(10, [a(), always()], &[("s0", 15)])), &[(20, "k=a", 1), (20, "k=c", 5)]),
        (one(composite(10, [a(), b(), always()], &[])), &[(20, "k=a", 3), (20, "k=b", 3), (20, "k=c", 3)]),
        (one(composite(5, [always()], &[])), &[(1, "6*", 0), (1, "5*", 5)]),
        (one(rate(4, Some(4))).with("num_shards: 2"), &[(40, "", 8)]),
        (one(rate(1, None)).with("num_shards: 4"), &[(60, "", 8)]),
        (one(composite(20, [always()], &[])).with("num_shards: 2"), &[(60, "", 20)]),
    ]
}
