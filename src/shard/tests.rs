//! Arrivals through a journal and out again, on random requests.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

use super::assemble::{Assemble, Limits};
use super::piece::{Mark, Piece};
use super::record::{ARRIVAL, Layout, heads, portions, runs};
use super::recover::Recovered;
use crate::journal::{self, Journal, Record};
use crate::sample::facts::{Plan, Portion};
use crate::sample::{Config, Early, Moment, Output, Place, Policy, Rule, Sampler};

fn pair(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

prop_compose! {
    fn span()(trace in 1u8..5, id: u64, name in "[a-z]{0,6}", parent: bool, ms in 0u64..8) -> Span {
        Span {
            trace_id: vec![trace; 16],
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: if parent { vec![1; 8] } else { Vec::new() },
            name,
            start_time_unix_nano: 1_000_000_000,
            end_time_unix_nano: 1_000_000_000 + ms * 1_000_000,
            ..Span::default()
        }
    }
}

prop_compose! {
    fn scope()(name in 0u8..3, spans in prop::collection::vec(span(), 0..5)) -> ScopeSpans {
        let name = format!("scope-{name}");
        ScopeSpans { scope: Some(InstrumentationScope { name, ..Default::default() }), spans, schema_url: "s".into() }
    }
}

prop_compose! {
    fn resource()(name in 0u8..3, scope_spans in prop::collection::vec(scope(), 0..4)) -> ResourceSpans {
        let attributes = vec![pair("service.name", &format!("s{name}"))];
        let resource = Some(Resource { attributes, ..Default::default() });
        ResourceSpans { resource, scope_spans, schema_url: String::new() }
    }
}

fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let resources = prop::collection::vec(resource(), 0..4);
    resources.prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// Every span under its resource and scope, counted, by trace.
type Census = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, usize>>;

fn census<'a>(requests: impl IntoIterator<Item = &'a ExportTraceServiceRequest>) -> Census {
    let mut census = Census::new();
    for entry in requests.into_iter().flat_map(|request| &request.resource_spans) {
        for scope in &entry.scope_spans {
            for span in &scope.spans {
                let mut key = entry.resource.clone().unwrap_or_default().encode_to_vec();
                key.extend(scope.scope.clone().unwrap_or_default().encode_to_vec());
                key.extend(scope.schema_url.as_bytes());
                key.extend(span.encode_to_vec());
                *census.entry(span.trace_id.clone()).or_default().entry(key).or_insert(0) += 1;
            }
        }
    }
    census
}

fn memory() -> Journal {
    Journal::open(&journal::Config::default(), Path::new("x"), 1, &mut |_| {}).unwrap().0
}

/// Appends a request; gives its portions with their places.
fn append(journal: &mut Journal, plan: &Plan, request: &ExportTraceServiceRequest) -> Vec<(Portion, Place)> {
    let arrival = plan.read(request.encode_to_vec().into()).unwrap();
    let mut layout = Layout::default();
    layout.arrange(&arrival.source, &arrival.portions.iter().collect::<Vec<_>>(), Moment(7));
    let at = journal.append(ARRIVAL, &layout.parts(&arrival.source.body)).unwrap();
    journal.commit().unwrap();
    let places: Vec<Place> = layout.offsets().iter().map(|offset| Place(at.plus(*offset).as_u64())).collect();
    arrival.portions.into_iter().zip(places).collect()
}

/// A piece a trace.
fn pieces(portions: &[(Portion, Place)]) -> VecDeque<Piece> {
    let mut by_trace: BTreeMap<[u8; 16], Piece> = BTreeMap::new();
    for (portion, place) in portions {
        let piece = by_trace.entry(portion.trace_id).or_insert_with(|| Piece {
            trace_id: portion.trace_id,
            places: Vec::new(),
            ready: false,
            mark: Mark::default(),
            spans: 0,
            last: true,
        });
        piece.places.push(*place);
        piece.spans += u64::from(portion.facts.spans);
    }
    by_trace.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Scenario: requests are journaled, then every trace is kept, with room for few spans a request.
    // Guarantees: every span leaves once, under its own resource and scope; what is counted is what leaves.
    #[test]
    fn what_came_leaves(requests in prop::collection::vec(request(), 1..5), spans_max in 1u64..20) {
        let (plan, mut journal) = (Plan::new(&Config::default()), memory());
        let mut placed = Vec::new();
        for request in &requests {
            placed.extend(append(&mut journal, &plan, request));
        }
        let (mut queue, mut out, mut counted) = (pieces(&placed), Vec::new(), 0);
        let (assemble, limits) = (Assemble::new(false, false), Limits { spans: spans_max, bytes: 1 << 20 });
        while !queue.is_empty() {
            let made = assemble.next(&mut journal, &mut queue, limits);
            prop_assert_eq!((made.lost, made.duplicates), (0, 0));
            prop_assert_eq!(made.pieces.iter().map(|piece| piece.spans).sum::<u64>(), made.spans);
            counted += made.spans;
            out.push(ExportTraceServiceRequest::decode(&made.body[..]).unwrap());
        }
        let (came, left) = (census(&requests), census(&out));
        prop_assert_eq!(&came, &left);
        prop_assert_eq!(counted as usize, came.values().flat_map(|spans| spans.values()).sum::<usize>());
    }

    // Scenario: a sender sends everything again, since its answer was lost.
    // Guarantees: every span leaves once.
    #[test]
    fn copies_leave_once(mut request in request()) {
        let mut id = 0u64;
        for span in request.resource_spans.iter_mut().flat_map(|r| &mut r.scope_spans).flat_map(|s| &mut s.spans) {
            id += 1;
            span.span_id = id.to_be_bytes().to_vec();
        }
        let (plan, mut journal) = (Plan::new(&Config::default()), memory());
        let mut placed = append(&mut journal, &plan, &request);
        placed.extend(append(&mut journal, &plan, &request));
        let mut queue = pieces(&placed);
        let made = Assemble::new(false, true).next(&mut journal, &mut queue, Limits { spans: 1 << 20, bytes: 1 << 20 });
        prop_assert_eq!((made.spans, made.duplicates), (id, id));
        let out = ExportTraceServiceRequest::decode(&made.body[..]).unwrap();
        prop_assert_eq!(census(&[request]), census(&[out]));
    }

    // Scenario: the process dies and its journal is read back, perhaps by policies of another mode.
    // Guarantees: the sampler knows of every trace what it would know had it not died and been of that mode; every
    // portion has its place.
    #[test]
    fn recovered_facts_are_the_facts(
        requests in prop::collection::vec(request(), 1..5),
        before: bool,
        after: bool,
    ) {
        let latency = Rule::Latency { threshold_ms: 0, upper_threshold_ms: 5 };
        let policies = vec![Policy { name: String::new(), rule: latency }];
        let config = |compat| Config { compat, early: Early::Off, policies: policies.clone(), ..Config::default() };
        let (written, mut journal) = (Plan::new(&config(before)), memory());
        let plan = Arc::new(Plan::new(&config(after)));
        let mut sampler = Sampler::new(config(after), Arc::clone(&plan), 1, Moment(0));
        let mut twin = Sampler::new(config(after), Arc::clone(&plan), 1, Moment(0));
        let mut recovered = Recovered::new(Arc::clone(&plan), &mut twin, &[]);
        let mut traces: HashMap<[u8; 16], usize> = HashMap::new();
        for request in &requests {
            let placed = append(&mut journal, &written, request);
            let Some((_, first)) = placed.first() else { continue };
            let payload = whole_record(&mut journal, *first, &placed);
            for portion in plan.read(request.encode_to_vec().into()).unwrap().portions {
                sampler.accept(&portion, *first, Moment(7), &mut ());
            }
            for (portion, _) in &placed {
                *traces.entry(portion.trace_id).or_default() += 1;
            }
            let back = super::record::PortionHead::read(&payload.1).unwrap().back;
            let at = journal::Position::from_u64(first.0 - u64::from(back)).unwrap();
            recovered.record(&Record { kind: ARRIVAL, at, payload: &payload.0 });
        }
        prop_assert_eq!(recovered.unreadable, 0);
        prop_assert!(recovered.pieces(&[]).0.is_empty());
        for trace in traces.keys() {
            prop_assert_eq!(sampler.open(trace), twin.open(trace));
        }
        let judged = [&mut sampler, &mut twin].map(|sampler| {
            while sampler.judge_rest(Moment(8), &mut ()) {}
            let decided = std::iter::from_fn(|| sampler.poll_output()).filter_map(|output| match output {
                Output::Verdict(decided) => Some(decided),
                _ => None,
            });
            decided.map(|decided| (decided.trace_id, decided)).collect::<BTreeMap<_, _>>()
        });
        for (trace, portions) in traces {
            let [one, two] = judged.each_ref().map(|judged| &judged[&trace]);
            prop_assert_eq!(one.verdict.outcome, two.verdict.outcome);
            prop_assert!(!two.is_kept() || two.places.len() == portions);
        }
    }

    #[test]
    fn arbitrary_records_never_panic(bytes: Vec<u8>, kind in 0u8..5) {
        let config = Config::default();
        let plan = Arc::new(Plan::new(&config));
        let mut sampler = Sampler::new(config, Arc::clone(&plan), 1, Moment(0));
        let mut recovered = Recovered::new(plan, &mut sampler, &[]);
        let at = journal::Position::from_u64(1 << 32 | 100).unwrap();
        recovered.record(&Record { kind, at, payload: &bytes });
        let _ = recovered.pieces(&[]);
    }
}

/// An arrival whole, and the head of its first portion.
fn whole_record(journal: &mut Journal, first: Place, placed: &[(Portion, Place)]) -> (Vec<u8>, Vec<u8>) {
    let position = |place: u64| journal::Position::from_u64(place).unwrap();
    let head = journal.read(position(first.0), super::record::PORTION_HEAD).unwrap().to_vec();
    let start = first.0 - u64::from(super::record::PortionHead::read(&head).unwrap().back);
    let last = placed.last().unwrap().1.0;
    let last_head = journal.read(position(last), super::record::PORTION_HEAD).unwrap();
    let end = last + super::record::PortionHead::read(last_head).unwrap().len() as u64;
    let record = journal.read(position(start), (end - start) as usize).unwrap().to_vec();
    let known = heads(&record).unwrap();
    assert_eq!(portions(&record, &known).count(), placed.len());
    for ((at, head), (portion, _)) in portions(&record, &known).zip(placed) {
        assert_eq!(head.trace_id, portion.trace_id);
        assert_eq!(
            runs(head, &record[at..]).map(|(_, bytes)| bytes.len()).sum::<usize>(),
            head.bytes as usize
        );
    }
    (record, head)
}
