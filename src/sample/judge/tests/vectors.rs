//! Policies on one trace: verdicts seen from a running Collector, and where ours differ on purpose.

use super::*;
use crate::sample::testing::*;

/// A trace, and whether it is kept: `S` or `-`, in `compat` and ours alike, or first in `compat`, then ours.
type Row = (&'static str, &'static str);

fn check(policies: Vec<Policy>, rows: &[Row]) {
    for (trace, expected) in rows {
        for (compat, expected) in [(true, &expected[..1]), (false, &expected[expected.len() - 1..])] {
            let config = config(compat, policies.clone());
            let verdict = judge(&config, &[(7, trace)]).remove(0);
            let kept = if verdict.outcome == Outcome::Sampled { "S" } else { "-" };
            assert_eq!(kept, expected, "{policies:?} on {trace:?}, compat {compat}");
        }
    }
}

#[test]
fn string_attribute() {
    check(
        vec![text("k", &["acme"])],
        &[
            ("k=acme", "S"),
            ("k=acme2", "-"),
            ("k=ACME", "-"),
            ("res.k=acme", "S"),
            ("scope.k=acme", "-"),
            ("event:k=acme", "-"),
            ("res.k=other k=acme", "S"),
            ("k=[acme]", "-"),
            ("k=x k=acme", "-"), // the first of equal keys counts
        ],
    );
    check(vec![text("k", &["", "acme"])], &[("k=", "-"), ("res.k=", "-")]);
    check(vec![text("k", &["7"])], &[("k=#7", "-"), ("k=7", "S")]);
    check(vec![inverted(text("k", &[]))], &[("k=acme", "S")]);
    check(vec![regex("k", &["[cm]"])], &[("k=acme", "S"), ("k=abc", "S")]);
    check(vec![regex("k", &["^cm$"])], &[("k=acme", "-")]);
    check(vec![regex("k", &["z", "cm"])], &[("k=acme", "S"), ("k=abc", "-")]);
    let any = regex("k", &[".*"]);
    let rows = [("k=", "-"), ("res.k=", "S"), ("res.k=#7", "S-"), ("k=#7", "-"), ("", "-")];
    check(vec![any.clone()], &rows);
    check(vec![inverted(any)], &[("k=", "S"), ("res.k=", "-")]);
    let not_acme = inverted(text("k", &["acme"]));
    check(
        vec![not_acme.clone()],
        &[("k=acme", "-"), ("k=x", "S"), ("", "S"), ("k=x;k=acme", "-"), ("res.k=acme k=x", "-")],
    );
    check(vec![not_acme, always()], &[("k=acme", "S")]);
}

#[test]
fn numeric_attribute() {
    check(
        vec![numeric("n", 400, 499)],
        &[
            ("n=#399", "-"),
            ("n=#400", "S"),
            ("n=#499", "S"),
            ("n=#500", "-"),
            ("n=%450.0", "-S"),
            ("n=450", "-"),
            ("res.n=#450", "S"),
            ("scope.n=#450", "-"),
            ("n=#1;n=#450", "S"),
        ],
    );
    check(
        vec![numeric("n", None, 100)],
        &[("n=#100", "S"), ("n=#101", "-"), ("n=#-5", "S"), ("n=%700.5", "S-"), ("n=x", "S-"), ("", "-")],
    );
    check(vec![numeric("n", -10, 0)], &[("n=#1000", "S-"), ("n=#-11", "-"), ("n=#0", "S")]);
    check(vec![numeric("n", 0, 10)], &[("n=#-5", "S-"), ("n=#11", "-"), ("n=%10.0", "S"), ("n=%10.5", "S-")]);
    check(vec![numeric("n", 10, 5)], &[("n=#7", "-")]);
    let outside = inverted(numeric("n", 400, 499));
    check(vec![outside], &[("n=#450", "-"), ("n=%450.0", "S-"), ("", "S")]);
    let fraction = Some(crate::sample::Number::Double(1.5));
    let cut = policy(Rule::Numeric { key: "n".into(), min: fraction, max: None, invert: false });
    check(vec![cut], &[("n=#1", "S-"), ("n=#2", "S"), ("n=%1.5", "-S")]);
}

#[test]
fn boolean_attribute() {
    check(
        vec![boolean("b", true)],
        &[("b=!true", "S"), ("b=true", "-"), ("b=#1", "-"), ("res.b=!true", "S"), ("", "-")],
    );
    let no = boolean("b", false);
    check(
        vec![no.clone()],
        &[("b=!true", "-"), ("b=!false", "S"), ("b=true", "S-"), ("b=#1", "S-"), ("", "-")],
    );
    check(vec![inverted(no)], &[("b=!true", "S"), ("b=x", "-S"), ("", "S")]);
}

#[test]
fn status_code_and_flags() {
    let error = status(false, false, true);
    check(vec![error], &[("status:1;status:2", "S"), ("status:1", "-"), ("status:0", "-"), ("", "-")]);
    check(vec![status(true, false, false)], &[("", "S"), ("status:2", "-")]);
    let flags = policy(Rule::TraceFlags);
    check(
        vec![flags],
        &[("flags:1", "S"), ("flags:100", "-"), ("flags:301", "S"), ("", "-"), ("flags:0;flags:1", "S")],
    );
}

#[test]
fn latency_policy() {
    check(
        vec![latency(100, 0)],
        &[
            ("@0~100", "-"),
            ("@0~100.999", "-"),
            ("@0~101", "S"),
            ("@0~60;@50~101", "S"),
            ("@50~101;@0~60", "S"),
            ("@0~60;@60~100.9", "-"),
            ("@z~0", "S-"),
            ("@0~z", "-"),
            ("@500~0", "-"),
            ("@z~z;@0~10", "-"),
            ("@0~10;@z~z", "S-"),
        ],
    );
    check(vec![latency(0, 0)], &[("@0~0.999", "-"), ("@0~1", "S")]);
    check(vec![latency(-1, 0)], &[("@0~0", "S"), ("@0.5~0", "S"), ("@1~0", "-")]);
    check(
        vec![latency(100, 200)],
        &[
            ("@0~100", "-"),
            ("@0~101", "S"),
            ("@0~200.9", "S"),
            ("@0~201", "-"),
            ("@0~150;@0~500", "S-"),
            ("@0~500;@0~150", "-"),
            ("@0~60/@60~150/@300~400", "S-"),
        ],
    );
    check(vec![latency(200, 100)], &[("@0~150", "-")]);
}

#[test]
fn span_counts() {
    check(vec![span_count(2, 0)], &[("", "-"), (";", "S")]);
    check(vec![span_count(2, 3)], &[(";;", "S"), (";;;", "-")]);
    check(vec![span_count(3, 0)], &[("//", "S")]);
    check(vec![span_count(0, 0)], &[("", "S")]);
    check(vec![span_count(0, -1)], &[("", "-")]);
    check(vec![span_count(3_000_000_000_i64 as i32, 0)], &[("", "S")]);
}

#[test]
fn trace_state() {
    let values = vec!["v1".into(), "v2".into()];
    let state = policy(Rule::TraceState { key: "vendor".into(), values });
    check(
        vec![state.clone()],
        &[
            ("ts:a=b,vendor=v2", "S"),
            ("ts:vendor=v3", "-"),
            ("ts:vendor=v1,=x", "-"),
            ("ts:vendor=v1,UPPER=x", "-"),
            ("ts:vendor=v1,vendor=v2", "-"),
            ("ts:a=b , vendor=v1", "S"),
            ("ts:a=b,,vendor=v1", "S"),
            (";ts:vendor=v1", "S"),
        ],
    );
    for (others, kept) in [(31, Outcome::Sampled), (32, Outcome::NotSampled)] {
        let others: String = (0..others).map(|n| format!(",k{n}=v")).collect();
        let verdict = judge(&config(true, vec![state.clone()]), &[(1, &format!("ts:vendor=v1{others}"))]);
        assert_eq!(verdict[0].outcome, kept);
    }
    for (len, kept) in [(249, Outcome::Sampled), (250, Outcome::NotSampled)] {
        let value = "x".repeat(len);
        let long = policy(Rule::TraceState { key: "vendor".into(), values: vec![value.clone()] });
        let verdict = judge(&config(false, vec![long]), &[(1, &format!("ts:vendor={value}"))]);
        assert_eq!(verdict[0].outcome, kept);
    }
}

#[test]
fn combinators() {
    let (a, b) = (text("a", &["1"]), text("b", &["1"]));
    check(vec![and(vec![a.clone(), b.clone()])], &[("a=1;b=1", "S"), ("a=1", "-")]);
    check(vec![and(vec![])], &[("", "S")]);
    check(vec![not(a.clone())], &[("a=1", "-"), ("", "S")]);
    check(vec![not(inverted(a.clone()))], &[("a=1", "S")]);
    check(vec![always(), drop_if(vec![a.clone()])], &[("a=1", "-"), ("", "S")]);
    check(vec![always(), drop_if(vec![a.clone(), b])], &[("a=1", "S"), ("a=1 b=1", "-")]);
    check(vec![always(), drop_if(vec![])], &[("", "-")]);
    check(vec![drop_if(vec![a.clone()])], &[("", "-")]);
    check(vec![always(), drop_if(vec![not(a.clone())])], &[("", "-"), ("a=1", "S")]);
    check(vec![], &[("", "-")]);
    for compat in [true, false] {
        let policies = vec![always(), drop_if(vec![a.clone()])];
        let config = Config { sample_on_first_match: true, ..config(compat, policies) };
        assert_eq!(judge(&config, &[(1, "a=1")])[0].outcome, Outcome::Dropped);
    }
}
