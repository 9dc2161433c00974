//! Single verdicts that a collector was seen to give, each with its policies and the trace it judged.

use crate::corpus::{self, TraceId};
use crate::program::{Extras, Program};
use crate::rules::{
    Set, always, and, boolean, drop, latency, leaf, not, not_string, numeric, ottl, probabilistic, regex,
    regex_with, span_count, status, string, trace_state,
};
use crate::sink::Sink;
use crate::spoken;

/// Policies, the traces they keep, and those they do not; as [`spoken`] has them.
pub struct Vector {
    pub set: Set,
    kept: &'static [&'static str],
    not_kept: &'static [&'static str],
}

#[test]
fn what_a_collector_was_seen_to_keep_is_kept() {
    let _alone = crate::alone();
    Program::each(|program| {
        let vectors = all();
        let wrong = judged(program, &vectors);
        assert!(wrong.is_empty(), "{}:\n{}", program.name, wrong.join("\n"));
    });
}

/// What the program judges otherwise.
fn judged(program: &Program, vectors: &[Vector]) -> Vec<String> {
    let sink = Sink::start();
    let sets: Vec<_> = vectors.iter().map(|vector| vector.set.clone()).collect();
    let mut running = program.start(&sets, Extras::default(), false, &sink);
    let mut sender = sink.connect(running.port(0));
    let cases: Vec<_> = vectors.iter().enumerate().flat_map(|(set, vector)| cases(set, vector)).collect();
    for (number, case) in cases.iter().enumerate() {
        spoken::requests(trace_id(number), case.trace).iter().for_each(|request| sender.send(request));
    }
    running.judge_all();
    running.process.stop();
    let verdicts: Vec<_> = (0..sets.len()).map(|set| sink.verdicts(&set.to_string())).collect();
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let sent: usize = corpus::traces(&spoken::requests(trace_id(number), case.trace)).into_values().sum();
        let kept = verdicts[case.set].get(&trace_id(number)).map_or(0, Vec::len);
        if kept != if case.kept { sent } else { 0 } {
            wrong.push(format!("{}: `{}`: {kept} spans of {sent} kept", sets[case.set].yaml(), case.trace));
        }
    }
    wrong
}

struct Case {
    set: usize,
    trace: &'static str,
    kept: bool,
}

fn cases(set: usize, vector: &Vector) -> impl Iterator<Item = Case> {
    let kept = vector.kept.iter().map(move |trace| Case { set, trace, kept: true });
    let not_kept = vector.not_kept.iter().map(move |trace| Case { set, trace, kept: false });
    kept.chain(not_kept)
}

fn trace_id(number: usize) -> TraceId {
    (1 << 100 | number as u128).to_be_bytes()
}

/// The table.
pub fn all() -> Vec<Vector> {
    [strings(), numbers(), truths_and_states(), latencies(), counts_and_headers(), conditions(), combined()]
        .into_iter()
        .flatten()
        .map(|(set, kept, not_kept)| Vector { set, kept, not_kept })
        .collect()
}

type Row = (Set, &'static [&'static str], &'static [&'static str]);

fn one(rule: String) -> Set {
    Set::of([rule])
}

fn strings() -> Vec<Row> {
    let ids = leaf("string_attribute", "key: k, values: ['7']");
    vec![
        (
            one(string("k", "[acme]")),
            &["k=acme", "res:k=acme", "res:k=other k=acme"],
            &["k=acme2", "k=ACME", "scope:k=acme", "event:k=acme", "k=[acme]", ""],
        ),
        (one(string("k", "['', acme]")), &[], &["k=", "res:k="]),
        (one(ids), &["k='7"], &["k=7"]),
        (one(not_string("k", "[]")), &["k=acme"], &[]),
        (one(regex("k", "cm")), &["k=acme"], &["k=abc"]),
        (one(regex("k", "^cm$")), &[], &["k=acme"]),
        (one(regex("k", ".*")), &["res:k=", "res:k=7"], &["k=", "k=7", ""]),
        (one(regex_with("k", ".*", ", invert_match: true")), &["k="], &["res:k="]),
        (
            one(not_string("k", "[acme]")),
            &["k=x", ""],
            &["k=acme", "k=x ; k=acme", "res:k=acme k=x", "k=acme k=x"],
        ),
        (Set::of([not_string("k", "[acme]"), always()]), &["k=acme"], &[]),
    ]
}

fn numbers() -> Vec<Row> {
    vec![
        (
            one(numeric("n", "min_value: 400, max_value: 499")),
            &["n=400", "n=499", "res:n=450", "n=1 ; n=450"],
            &["n=399", "n=500", "n=450.0", "n='450", "scope:n=450"],
        ),
        (one(numeric("n", "max_value: 100")), &["n=100", "n=-5", "n=700.5", "n=x"], &["n=101", ""]),
        (one(numeric("n", "min_value: -10, max_value: 0")), &["n=1000"], &["n=-11"]),
        (one(numeric("n", "min_value: 0, max_value: 10")), &["n=-5"], &["n=11"]),
        (one(numeric("n", "min_value: 10, max_value: 5")), &[], &["n=7"]),
        (
            one(numeric("n", "min_value: 400, max_value: 499, invert_match: true")),
            &["n=450.0", ""],
            &["n=450"],
        ),
        (one(numeric("n", "min_value: 1.5")), &["n=1"], &["n=0"]),
    ]
}

fn truths_and_states() -> Vec<Row> {
    vec![
        (one(boolean("b", "true")), &["b=true", "res:b=true"], &["b='true", "b=1", ""]),
        (one(boolean("b", "false")), &["b=false", "b='true", "b=1"], &["", "b=true"]),
        (one(boolean("b", "false, invert_match: true")), &["b=true", ""], &["b=x"]),
        (one(status("ERROR")), &["ok ; error"], &["ok", "unset", ""]),
        (one(status("UNSET")), &["unset", ""], &["error"]),
    ]
}

fn latencies() -> Vec<Row> {
    vec![
        (
            one(latency(100, 0)),
            &["@0..101", "@0..60 ; @50..101", "@50..101 ; @0..60", "@zero..0", "@0..10 ; @zero..zero"],
            &["@0..100", "@0..100.999", "@0..60 ; @60..100.9", "@0..zero", "@500..0", "@zero..zero ; @0..10"],
        ),
        (one(latency(0, 0)), &["@0..1"], &["@0..0.999"]),
        (one(latency(-1, 0)), &["@0..0", "@0.5..0"], &["@1..0"]),
        (
            one(latency(100, 200)),
            &["@0..101", "@0..200.9", "@0..150 ; @0..500", "@0..60 / @60..150 / @300..400"],
            &["@0..100", "@0..201", "@0..500 ; @0..150"],
        ),
        (one(latency(200, 100)), &[], &["@0..150"]),
    ]
}

fn counts_and_headers() -> Vec<Row> {
    vec![
        (one(span_count(2, 0)), &["2*"], &["1*"]),
        (one(span_count(2, 3)), &["3*"], &["4*"]),
        (one(span_count(3, 0)), &["1* / 1* / 1*"], &["1* / 1*"]),
        (one("type: span_count".into()), &["1*"], &[]),
        (one(span_count(3_000_000_000, 0)), &["1*"], &[]),
        (
            one(trace_state("vendor", "[v1, v2]")),
            &[
                "state:a=b,vendor=v2",
                "state:vendor=v1,31more",
                "state:a=b~,~vendor=v1",
                "state:a=b,,vendor=v1",
                " ; state:vendor=v1",
            ],
            &[
                "state:vendor=v3",
                "state:vendor=v1,=x",
                "state:vendor=v1,UPPER=x",
                "state:vendor=v1,vendor=v2",
                "state:vendor=v1,32more",
            ],
        ),
        (
            one(leaf("trace_flags", "")),
            &["flags:0x1", "flags:0x301", "flags:0x0 ; flags:0x1"],
            &["flags:0x100", ""],
        ),
        (one(probabilistic(100.0, "")), &[""], &[]),
        (one(probabilistic(-1.0, "")), &[], &[""]),
    ]
}

fn conditions() -> Vec<Row> {
    const BAD: &str = r#"'ParseJSON(attributes["k"]) != nil'"#;
    let bad = |mode: &str| one(ottl(mode, &format!("[{BAD}, 'true']"), "[]"));
    // The first span fails the condition, the second meets it.
    let later = |mode: &str| one(ottl(mode, &format!("[{BAD}]"), "[]"));
    let broken = |mode: &str| ottl(mode, "['ParseJSON(\"no\") != nil']", "[]");
    vec![
        (one(ottl("", "[]", "['name == \"boom\"']")), &["event:a event:boom"], &["", "event:a"]),
        (one(ottl("", "['IsRootSpan()']", "[]")), &["root"], &["child"]),
        (bad("propagate"), &[], &["k=x"]),
        (bad("ignore"), &["k=x"], &[]),
        (bad("silent"), &["k=x"], &[]),
        (bad(""), &["k=x"], &[]),
        (later("propagate"), &[], &["k=x ; k='{}"]),
        (later("ignore"), &["k=x ; k='{}"], &[]),
        (later("silent"), &["k=x ; k='{}"], &[]),
        (later(""), &["k=x ; k='{}"], &[]),
        (one(not(broken("propagate"))), &[], &[""]),
        (one(not(broken("ignore"))), &[""], &[]),
        (one(not(broken(""))), &[""], &[]),
        (Set::of([drop([broken("propagate")]), always()]), &[""], &[]),
    ]
}

fn combined() -> Vec<Row> {
    let a = || string("a", "['1']");
    let b = || string("b", "['1']");
    vec![
        (one(and([a(), b()])), &["a='1 ; b='1"], &["a='1"]),
        (one(and([])), &[""], &[]),
        (one(not(a())), &[""], &["a='1"]),
        (one(not(not_string("a", "['1']"))), &["a='1"], &[""]),
        (Set::of([always(), drop([a()])]), &[""], &["a='1"]),
        (Set::of([always(), drop([a(), b()])]), &["a='1"], &["a='1 b='1"]),
        (Set::of([always(), drop([])]), &[], &[""]),
        (one(drop([a()])), &[], &[""]),
        (Set::of([always(), drop([not(a())])]), &["a='1"], &[""]),
        (Set::of([always(), drop([a()])]).with("sample_on_first_match: true"), &[], &["a='1"]),
        (Set { policies: "[]".into(), keys: String::new() }, &[], &[""]),
    ]
}
