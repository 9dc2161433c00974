//! Facts against the decoded truth.

use std::collections::BTreeMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

mod across;
mod names;

use super::*;
use crate::sample::testing::{
    attribute, boolean, config, inverted, latency, numeric, policy, probabilistic, rate, regex, span, status,
    text,
};
use crate::sample::{Config, Dynamic, ErrorMode, Method, Policy, Rule};
use crate::split::{Slice, gather};
use crate::wire::write_varint;

/// Policies that ask for everything there is.
fn curious() -> Vec<Policy> {
    let dynamic = |field: &str| {
        let method = Method::Window { sample_rate: 10, clear_frequency: std::time::Duration::from_secs(30) };
        let fields = vec![field.into(), "root.a".into()];
        policy(Rule::Dynamic(Dynamic { fields, use_trace_length: false, max_keys: 10, method }))
    };
    vec![
        text("a", &["1", "2"]),
        text("a", &["2"]),
        regex("a", &["^3"]),
        inverted(numeric("n", 0, 10)),
        boolean("b", false),
        status(false, true, true),
        latency(40, 90),
        policy(Rule::TraceFlags),
        policy(Rule::TraceState { key: "v".into(), values: vec!["1".into()] }),
        probabilistic(50.0),
        rate(1, None),
        dynamic("a"),
        dynamic("n"),
        conditions(ErrorMode::Silent, r#"attributes["a"] == "2" or (attributes["n"] > 3 and IsRootSpan())"#),
        conditions(
            ErrorMode::Ignore,
            r#"resource.attributes["a"] == "1" or ParseJSON(attributes["a"]) == 3.0"#,
        ),
    ]
}

fn conditions(error_mode: ErrorMode, text: &str) -> Policy {
    policy(Rule::OttlCondition {
        error_mode,
        span: vec![text.into()],
        spanevent: vec![r#"name == "boom" and span.name == """#.into()],
    })
}

/// More than a word of questions.
fn very_curious() -> Vec<Policy> {
    (0..100).map(|n| text(&format!("key{}", n % 17), &[&format!("{n}")])).chain(curious()).collect()
}

fn plan(compat: bool, policies: Vec<Policy>) -> Plan {
    Plan::new(&Config {
        tracestate: true,
        maximum_trace_size_bytes: Some(1 << 20),
        ..config(compat, policies)
    })
}

fn any_span() -> impl Strategy<Value = Span> {
    let token = prop::sample::select(vec![
        "a=1",
        "a=2",
        "a=31",
        "n=#5",
        "n=%3.5",
        "n=x",
        "b=!false",
        "status:2",
        "status:1",
        "@0~50",
        "@40~90",
        "@z~5",
        "child",
        "flags:1",
        "key3=3",
        "key3=20",
        "key16=84",
        "unwanted=1",
    ]);
    let state =
        prop::sample::select(vec!["", "ts:v=1", "ts:ot=rv:00000000000001", "ts:ot=th:8", "ts:ot=rv:z"]);
    (prop::collection::vec(token, 0..5), state, 0u8..5).prop_map(|(tokens, state, trace)| {
        let trace_id = if trace == 0 { Vec::new() } else { vec![trace; 16] };
        Span { trace_id, span_id: vec![trace + 1; 8], ..span(&format!("{} {state}", tokens.join(" "))).span }
    })
}

fn any_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = prop::collection::vec(any_span(), 0..6).prop_map(|spans| ScopeSpans {
        spans,
        schema_url: "s".into(),
        ..ScopeSpans::default()
    });
    let described = prop::sample::select(vec![None, Some("a=1"), Some("n=#7"), Some("key3=3")]);
    let entry = (described, prop::collection::vec(scope, 0..4)).prop_map(|(described, scope_spans)| {
        let attributes = described.map(attribute).into_iter().collect();
        let resource = described.map(|_| Resource { attributes, ..Resource::default() });
        ResourceSpans { resource, scope_spans, schema_url: "r".into() }
    });
    prop::collection::vec(entry, 0..4).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn id_of(span: &Span) -> [u8; 16] {
    span.trace_id.as_slice().try_into().unwrap_or_default()
}

/// One request a trace, in the order the traces are first met; in `compat` one a trace and ResourceSpans, as the
/// Collector regroups them.
fn portions(request: &ExportTraceServiceRequest, compat: bool) -> Vec<([u8; 16], ExportTraceServiceRequest)> {
    if !compat {
        return regrouped(request);
    }
    let alone = |entry: &ResourceSpans| ExportTraceServiceRequest { resource_spans: vec![entry.clone()] };
    request.resource_spans.iter().flat_map(|entry| regrouped(&alone(entry))).collect()
}

fn regrouped(request: &ExportTraceServiceRequest) -> Vec<([u8; 16], ExportTraceServiceRequest)> {
    let mut order = Vec::new();
    for span in request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans) {
        if !order.contains(&id_of(span)) {
            order.push(id_of(span));
        }
    }
    let share = |id| {
        let mut share = request.clone();
        for entry in &mut share.resource_spans {
            for scope in &mut entry.scope_spans {
                scope.spans.retain(|span| id_of(span) == id);
            }
            entry.scope_spans.retain(|scope| !scope.spans.is_empty());
        }
        share.resource_spans.retain(|entry| !entry.scope_spans.is_empty());
        share
    };
    order.into_iter().map(|id| (id, share(id))).collect()
}

/// Encoded sizes as the Collector's, which writes resource, scope, ids and status also when they are empty.
fn collector_bytes(entry: &ResourceSpans) -> u64 {
    let nested = |len: usize| {
        let mut bytes = Vec::new();
        write_varint(&mut bytes, len as u64);
        1 + bytes.len() + len
    };
    let scopes = entry.scope_spans.iter().map(|scope| {
        let spans = scope.spans.iter().map(|span| {
            let empty = usize::from(span.trace_id.is_empty())
                + usize::from(span.span_id.is_empty())
                + usize::from(span.parent_span_id.is_empty())
                + usize::from(span.status.is_none());
            nested(span.encoded_len() + 2 * empty)
        });
        nested(nested(scope.scope.clone().unwrap_or_default().encoded_len()) + spans.sum::<usize>())
    });
    (nested(entry.resource.clone().unwrap_or_default().encoded_len()) + scopes.sum::<usize>()) as u64
}

/// Facts without what depends on which portion they are of.
fn lasting(mut facts: Facts) -> Facts {
    if let Some(more) = &mut facts.more {
        more.times.clear();
        while more.words.last() == Some(&0) {
            more.words.pop();
        }
    }
    facts.more = facts.more.filter(|more| **more != More::default());
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Scenario: a request of several traces, under policies that ask for much.
    // Guarantees: portions are what a naive regrouping gives, in bytes, order, sizes; their facts are those of the trace
    // read alone.
    #[test]
    fn portions_are_the_naive_regrouping(request in any_request(), compat: bool) {
        let plan = plan(compat, very_curious());
        let arrival = plan.read(Bytes::from(request.encode_to_vec())).unwrap();
        let expected = portions(&request, compat);
        prop_assert_eq!(arrival.portions.len(), expected.len());
        let all: u32 = arrival.portions.iter().map(|portion| portion.facts.spans).sum();
        prop_assert_eq!(u64::from(all), arrival.spans);
        for (portion, (id, share)) in arrival.portions.iter().zip(&expected) {
            prop_assert_eq!(portion.trace_id, *id);
            let facts = &portion.facts;
            prop_assert_eq!(facts.bytes, share.resource_spans.iter().map(collector_bytes).sum::<u64>());
            prop_assert_eq!(facts.resources as usize, share.resource_spans.len());
            let slice = Slice {
                source: Arc::clone(&arrival.source),
                runs: portion.runs.clone(),
                items: facts.spans,
                bytes: 0,
                whole: false,
            };
            let census = |request: &ExportTraceServiceRequest| {
                let mut census = BTreeMap::<Vec<u8>, usize>::new();
                for entry in &request.resource_spans {
                    for span in entry.scope_spans.iter().flat_map(|scope| &scope.spans) {
                        let mut key = entry.resource.clone().unwrap_or_default().encode_to_vec();
                        key.extend(span.encode_to_vec());
                        *census.entry(key).or_default() += 1;
                    }
                }
                census
            };
            let written = ExportTraceServiceRequest::decode(&gather(&[slice])[..]).unwrap();
            prop_assert_eq!(census(&written), census(share));
            let alone = plan.read(Bytes::from(share.encode_to_vec())).unwrap();
            prop_assert_eq!(lasting(facts.clone()), lasting(alone.portions[0].facts.clone()));
        }
    }

    // Scenario: the spans of a trace come in one request, or each in its own.
    // Guarantees: the facts of the whole are the same (sizes aside: more requests have more envelopes).
    #[test]
    fn facts_add_up(spans in prop::collection::vec(any_span(), 1..8), compat: bool) {
        let plan = plan(compat, very_curious());
        let request = |spans: &[Span]| {
            let spans = spans.iter().map(|span| Span { trace_id: vec![9; 16], ..span.clone() }).collect();
            let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
            let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
            Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec())
        };
        let sum = |parts: Vec<Bytes>| {
            let mut facts = Facts::default();
            for part in parts {
                plan.absorb(&mut facts, &plan.read(part).unwrap().portions[0].facts);
            }
            lasting(Facts { bytes: 0, resources: 0, envelope_bytes: 0, ..facts })
        };
        let whole = sum(vec![request(&spans)]);
        prop_assert_eq!(&whole, &sum(spans.chunks(1).map(request).collect()));
        prop_assert_eq!(&whole, &sum(spans.chunks(3).map(request).collect()));
        if !compat {
            let backwards: Vec<Span> = spans.iter().rev().cloned().collect();
            prop_assert_eq!(&whole, &sum(backwards.chunks(2).map(request).collect()));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, request in any_request(), cut: prop::sample::Index, with: u8) {
        let plan = plan(true, very_curious());
        let _ = plan.read(Bytes::from(bytes));
        let mut body = request.encode_to_vec();
        if !body.is_empty() {
            let at = cut.index(body.len());
            body[at] = with;
            let _ = plan.read(Bytes::from(body.clone()));
            let _ = plan.read(Bytes::from(body[..at].to_vec()));
        }
    }
}

fn one(span: &Span) -> Vec<u8> {
    span.encode_to_vec()
}

/// A message around a field, tag and length written out.
fn nested(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(&mut out, u64::from(number << 3 | 2));
    write_varint(&mut out, body.len() as u64);
    out.extend_from_slice(body);
    out
}

fn read(plan: &Plan, entry: &[u8]) -> Result<Arrival, crate::wire::Malformed> {
    plan.read(Bytes::from(nested(1, entry)))
}

#[test]
fn fields_come_in_any_order_and_parts_are_merged() {
    let plan = plan(false, vec![text("a", &["1"]), status(false, false, true)]);
    let span = Span { trace_id: vec![1; 16], ..Span::default() };
    let scope = nested(2, &nested(2, &one(&span)));
    let resource = |token| nested(1, &nested(1, &attribute(token).encode_to_vec()));
    // The resource behind its scopes, in two parts.
    let entry = [scope, resource("x=1"), resource("a=1")].concat();
    assert!(read(&plan, &entry).unwrap().portions[0].facts.has(0));

    // Ids, status and the value of an attribute given twice: the last counts, messages are merged.
    let key = nested(1, b"a");
    let value = |text: &str| nested(2, &nested(1, text.as_bytes()));
    let code = [0x7a, 2, 0x18, 2]; // status { code: ERROR }
    let message = [0x7a, 3, 0x12, 1, b'm']; // status { message: "m" }
    let item = [
        nested(9, &[value("2"), key, value("1")].concat()),
        nested(1, &[7; 16]),
        code.to_vec(),
        nested(1, &[8; 16]),
        message.to_vec(),
    ];
    let arrival = read(&plan, &nested(2, &nested(2, &item.concat()))).unwrap();
    assert_eq!(arrival.portions[0].trace_id, [8; 16]);
    let facts = &arrival.portions[0].facts;
    assert!(facts.has(0) && facts.has(1) && facts.has_error && facts.has_root);
}

#[test]
fn ids_of_odd_lengths_are_malformed_but_none_is_zero() {
    let plan = plan(false, Vec::new());
    let with = |trace_id: Vec<u8>| {
        let span = Span { trace_id, ..Span::default() };
        read(&plan, &nested(2, &nested(2, &one(&span)))).map(|arrival| arrival.portions[0].trace_id)
    };
    assert_eq!(with(vec![]), Ok([0; 16]));
    assert_eq!(with(vec![0; 16]), Ok([0; 16]));
    assert_eq!(with(vec![3; 16]), Ok([3; 16]));
    assert!(with(vec![3; 15]).is_err() && with(vec![0; 8]).is_err() && with(vec![3; 17]).is_err());
}

#[test]
fn deprecated_scopes_count_when_there_are_no_others() {
    let plan = plan(false, Vec::new());
    let scope = |id: u8| nested(2, &one(&Span { trace_id: vec![id; 16], ..Span::default() }));
    let old = nested(1000, &scope(1));
    assert_eq!(read(&plan, &old).unwrap().spans, 1);
    let both = read(&plan, &[old, nested(2, &scope(2))].concat()).unwrap();
    assert_eq!((both.spans, both.portions[0].trace_id), (1, [2; 16]));
}

#[test]
fn a_parent_of_zeros_is_none() {
    let plan = plan(false, Vec::new());
    for (parent, root) in [(vec![], true), (vec![0; 8], true), (vec![0, 0, 0, 0, 0, 0, 0, 1], false)] {
        let span = Span { trace_id: vec![1; 16], parent_span_id: parent, ..Span::default() };
        let arrival = read(&plan, &nested(2, &nested(2, &one(&span)))).unwrap();
        assert_eq!(arrival.portions[0].facts.has_root, root);
    }
}

#[test]
fn policies_that_ask_the_same_share_a_fact() {
    let policies = vec![text("a", &["2", "1"]), inverted(text("a", &["1", "2", "2", ""])), text("a", &["1"])];
    assert_eq!(Predicate::all(&config(false, policies)).len(), 2);
}

#[test]
fn nothing_is_kept_beside_the_facts_unless_it_is_asked_for() {
    assert!(size_of::<Facts>() <= 64);
    let plan = Plan::new(&config(false, vec![status(false, false, true), latency(1, 0), text("a", &["1"])]));
    let span = Span { trace_id: vec![1; 16], trace_state: "ot=th:8".into(), ..span("a=1 @1~2").span };
    let arrival = read(&plan, &nested(2, &nested(2, &one(&span)))).unwrap();
    assert!(arrival.portions[0].facts.more.is_none());
}

#[test]
fn values_of_dynamic_fields_are_bounded_whatever_their_order() {
    let plan = plan(false, curious());
    let span = |n: usize| Span { trace_id: vec![1; 16], ..span(&format!("a=v{n} child")).span };
    let sum = |order: &mut dyn Iterator<Item = usize>| {
        let mut facts = Facts::default();
        for n in order {
            let arrival = read(&plan, &nested(2, &nested(2, &one(&span(n))))).unwrap();
            plan.absorb(&mut facts, &arrival.portions[0].facts);
        }
        facts.more.unwrap().values
    };
    let values = sum(&mut (0..300));
    assert_eq!(values.len(), VALUES_MAX);
    assert_eq!(values, sum(&mut (0..300).rev()));
}
