//! Properties of edits: what they change is what the same change of the decoded request is, the rest stays the same.

pub(super) mod metrics;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::testing::{edit, encoded, request, shown, span, text, valued};
use super::*;
use crate::outcome::Signal;
use crate::semconv::Names;

fn pairs() -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![
        "[a-z]{0,200}".prop_map(Any::StringValue),
        any::<i64>().prop_map(Any::IntValue),
        any::<bool>().prop_map(Any::BoolValue),
    ];
    proptest::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| {
        map.into_iter()
            .map(|(key, value)| KeyValue { key, value: Some(valued(value)), ..KeyValue::default() })
            .collect()
    })
}

fn spans() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let span = (pairs(), "[a-z]{0,9}").prop_map(|(attributes, name)| Span {
        trace_id: vec![1; 16],
        name,
        attributes,
        ..Span::default()
    });
    let scope = vec(span, 0..4).prop_map(|spans| ScopeSpans {
        spans,
        schema_url: "u".into(),
        ..ScopeSpans::default()
    });
    let resource = proptest::option::of(pairs());
    let entry = (resource, vec(scope, 0..3)).prop_map(|(attributes, scope_spans)| ResourceSpans {
        resource: attributes.map(|attributes| Resource { attributes, ..Resource::default() }),
        scope_spans,
        schema_url: "s".into(),
    });
    vec(entry, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// What `upsert a`, `delete b`, `insert c` do with decoded attributes.
fn changed(attributes: &mut Vec<KeyValue>) {
    let new = || Some(valued(text("new")));
    match attributes.iter_mut().find(|pair| pair.key == "a") {
        Some(pair) => pair.value = new(),
        None => attributes.push(KeyValue { key: "a".into(), value: new(), ..KeyValue::default() }),
    }
    attributes.retain(|pair| pair.key != "b");
    if attributes.iter().all(|pair| pair.key != "c") {
        attributes.push(KeyValue { key: "c".into(), value: new(), ..KeyValue::default() });
    }
}

fn actions() -> Actions {
    let new = || Source { value: Some(encoded(text("new"))), ..Source::default() };
    let action = |key: &str, change| Action { key: key.into(), change };
    let list = vec![
        action("a", Change::Upsert(new())),
        action("b", Change::Delete(None)),
        action("c", Change::Insert(new())),
    ];
    Actions { list, ..Actions::default() }
}

/// An editor that drops items by a list of answers and leaves the rest alone.
struct Dropper(Vec<bool>);

impl Editor for Dropper {
    fn item(&mut self, _: &mut Message<'_>, _: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        Ok(if self.0.pop().unwrap_or(false) { Fate::Drop } else { Fate::Keep })
    }
}

/// An editor that looks at everything and changes nothing.
struct Idle;

impl Editor for Idle {
    fn looks_at_points(&self) -> bool {
        true
    }
}

fn run(signal: Signal, body: impl Into<Bytes>, editor: &mut dyn Editor) -> Result<Edited, Failure> {
    Walker::default().edit(&body.into(), &testing::around(signal), editor)
}

/// The request with the attributes of each list in order of their keys.
fn sorted(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    for entry in &mut request.resource_spans {
        if let Some(resource) = &mut entry.resource {
            resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        for span in entry.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            span.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        }
    }
    request
}

proptest! {
    #[test]
    fn edits_of_encoded_spans_are_edits_of_decoded_spans(request in spans()) {
        let edited = run(Signal::Traces, request.encode_to_vec(), &mut AttributesEditor::new(actions(), None, None));
        let edited = ExportTraceServiceRequest::decode(edited.unwrap().body).unwrap();
        let mut expected = request;
        for span in expected.resource_spans.iter_mut().flat_map(|entry| &mut entry.scope_spans).flat_map(|scope| &mut scope.spans) {
            changed(&mut span.attributes);
        }
        prop_assert_eq!(sorted(edited), sorted(expected));
    }

    #[test]
    fn edits_of_encoded_resources_are_edits_of_decoded_resources(request in spans()) {
        let edited = run(Signal::Traces, request.encode_to_vec(), &mut ResourceEditor::new(actions()));
        let edited = ExportTraceServiceRequest::decode(edited.unwrap().body).unwrap();
        let mut expected = request;
        for entry in &mut expected.resource_spans {
            changed(&mut entry.resource.get_or_insert_default().attributes);
        }
        prop_assert_eq!(sorted(edited), sorted(expected));
    }

    #[test]
    fn what_is_dropped_is_gone_and_counted_and_empties_what_is_around_it(request in spans(), drops in vec(any::<bool>(), 30)) {
        let edited = run(Signal::Traces, request.encode_to_vec(), &mut Dropper(drops.clone())).unwrap();
        let (mut expected, mut answers, mut dropped) = (request.clone(), drops, 0);
        for entry in &mut expected.resource_spans {
            let (mut lost, mut kept) = (false, false);
            entry.scope_spans.retain_mut(|scope| {
                let before = scope.spans.len();
                scope.spans.retain(|_| !answers.pop().unwrap());
                dropped += (before - scope.spans.len()) as u64;
                let emptied = scope.spans.is_empty() && before > 0;
                lost |= emptied;
                kept |= !emptied;
                !emptied
            });
            if lost && !kept {
                entry.schema_url = "gone".into();
            }
        }
        expected.resource_spans.retain(|entry| entry.schema_url != "gone");
        prop_assert_eq!(edited.dropped, dropped);
        let decoded = ExportTraceServiceRequest::decode(edited.body.clone()).unwrap();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn a_request_that_nothing_changes_is_the_same_buffer(request in spans()) {
        let body: Bytes = request.encode_to_vec().into();
        for editor in [&mut Idle as &mut dyn Editor, &mut Dropper(vec![]), &mut AttributesEditor::new(Actions::default(), None, None)] {
            let edited = run(Signal::Traces, body.clone(), editor).unwrap();
            prop_assert_eq!(edited.body.as_ptr(), body.as_ptr());
            prop_assert_eq!(edited.dropped, 0);
        }
    }

    #[test]
    fn no_bytes_panic(body: Vec<u8>, signal in 0usize..3) {
        let signal = Signal::ALL[signal];
        let _ = run(signal, body.clone(), &mut AttributesEditor::new(actions(), None, None));
        let _ = run(signal, body.clone(), &mut ResourceEditor::new(actions()));
        let _ = run(signal, body, &mut Dropper(vec![true, false]));
    }

    #[test]
    fn no_damaged_request_panics(request in spans(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut body = request.encode_to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = run(Signal::Traces, body.clone(), &mut AttributesEditor::new(actions(), None, None));
        let _ = run(Signal::Traces, body, &mut ResourceEditor::new(actions()));
    }
}

#[test]
fn unknown_fields_and_bytes_that_are_no_text_travel_through() {
    let mut span = vec![0x2a, 2, 0xff, 0xfe]; // name: not UTF-8
    span.extend([0xf8, 0x7f, 5]); // field 2047
    span.extend([0x4a, 9, 0x0a, 1, b'b', 0x12, 1, 0x50, 0xfa, 0x01, 0]); // attribute b with fields of the future
    let wrap = |inner: &[u8]| [&[0x12, inner.len() as u8][..], inner].concat();
    let scope = wrap(&span);
    let entry = wrap(&scope);
    let body = [&[0x0a, entry.len() as u8][..], &entry, &[0x50, 1]].concat();
    let insert = Actions { list: vec![actions().list[0].clone()], ..Actions::default() };
    let edited = run(Signal::Traces, body, &mut AttributesEditor::new(insert, None, None)).unwrap().body;
    assert!(edited.windows(span.len()).any(|part| part == span), "the span is there as it was");
    assert_eq!(edited[edited.len() - 2..], [0x50, 1]);
}

#[test]
fn parts_of_a_resource_become_one_when_it_is_changed() {
    let resource = |key: &str| {
        let attributes = testing::attributes(vec![(key, Any::IntValue(1))]);
        let entry = ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            ..ResourceSpans::default()
        };
        entry.encode_to_vec()
    };
    let entry = [resource("x"), resource("b")].concat();
    let body = [&[0x0a, entry.len() as u8][..], &entry].concat();
    let edited = run(Signal::Traces, body, &mut ResourceEditor::new(actions())).unwrap().body;
    let decoded = ExportTraceServiceRequest::decode(edited).unwrap();
    assert_eq!(shown(&decoded.resource_spans[0].resource.as_ref().unwrap().attributes), "a=new c=new x=1i");
}

#[test]
fn include_and_exclude_choose_the_items() {
    let strict =
        |texts: &[&str]| Some(Matching::Strict(texts.iter().map(|text| (*text).to_owned()).collect()));
    let patterns = |text: &str| Some(Matching::patterns(&[text.to_owned()]).unwrap());
    let one = |condition: Condition| Some(condition);
    let with = || Condition::default();
    let exactly = |value: Any| Match::Exactly(encoded(value));
    let cases: Vec<(Option<Condition>, Option<Condition>, [bool; 2])> = vec![
        (None, None, [true, true]),
        (one(Condition { span_names: strict(&["one"]), ..with() }), None, [true, false]),
        (one(Condition { span_names: patterns("^t"), ..with() }), None, [false, true]),
        (None, one(Condition { span_names: strict(&["one"]), ..with() }), [false, true]),
        (one(Condition { services: strict(&["shop"]), ..with() }), None, [true, true]),
        (one(Condition { services: strict(&["other"]), ..with() }), None, [false, false]),
        (
            one(Condition { services: strict(&["shop"]), ..with() }),
            one(Condition { span_names: strict(&["two"]), ..with() }),
            [true, false],
        ),
        (one(Condition { span_kinds: strict(&["SPAN_KIND_SERVER"]), ..with() }), None, [false, true]),
        (one(Condition { attributes: vec![("k".into(), Match::Any)], ..with() }), None, [true, false]),
        (
            one(Condition { attributes: vec![("k".into(), exactly(Any::IntValue(5)))], ..with() }),
            None,
            [true, false],
        ),
        (
            one(Condition { attributes: vec![("k".into(), exactly(text("5")))], ..with() }),
            None,
            [false, false],
        ),
        (
            one(Condition { attributes: vec![("k".into(), Match::Text(patterns("5").unwrap()))], ..with() }),
            None,
            [true, false],
        ),
        (
            one(Condition { resources: vec![("service.name".into(), Match::Any)], ..with() }),
            None,
            [true, true],
        ),
        (
            one(Condition {
                libraries: vec![Library { name: strict(&[""]).unwrap(), version: strict(&["1"]) }],
                ..with()
            }),
            None,
            [false, false],
        ),
    ];
    let mut spans = vec![span("one", vec![("k", Any::IntValue(5))]), span("two", vec![])];
    spans[1].kind = 2;
    let request = request(testing::attributes(vec![("service.name", text("shop"))]), spans);
    for (include, exclude, expected) in cases {
        let shown_case = format!("{include:?} {exclude:?}");
        let mut editor = AttributesEditor::new(actions(), include, exclude);
        let (_, spans) = edit(&request, &mut editor);
        let edited = [0, 1].map(|index: usize| spans[index].attributes.iter().any(|pair| pair.key == "c"));
        assert_eq!(edited, expected, "{shown_case}");
    }
}

#[test]
fn conditions_find_renamed_attributes_under_either_name() {
    let resource = testing::attributes(vec![("db.system", text("redis"))]);
    let spans = vec![
        span("old", vec![("http.url", text("/a"))]),
        span("new", vec![("url.full", text("/a"))]),
        span("both", vec![("url.full", text("/b")), ("http.url", text("/a"))]),
    ];
    let request = request(resource, spans);
    let exactly = |value: &str| Match::Exactly(encoded(text(value)));
    for (names, expected) in [(Names::Either, [true, true, false]), (Names::Written, [false; 3])] {
        let include = Condition {
            attributes: vec![("url.full".into(), exactly("/a"))],
            resources: vec![("db.system.name".into(), exactly("redis"))],
            names,
            ..Condition::default()
        };
        let (_, spans) = edit(&request, &mut AttributesEditor::new(actions(), Some(include), None));
        let edited = [0, 1, 2].map(|index: usize| spans[index].attributes.iter().any(|pair| pair.key == "c"));
        assert_eq!(edited, expected, "{names:?}");
    }
}

#[test]
fn log_records_are_chosen_by_body_and_severity() {
    let record = |body: &str, severity| LogRecord {
        body: Some(valued(text(body))),
        severity_number: severity,
        ..LogRecord::default()
    };
    let scope = ScopeLogs {
        scope: Some(InstrumentationScope::default()),
        log_records: vec![record("paid", 9), record("failed", 17), record("failed", 0)],
        ..ScopeLogs::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
    };
    let condition = Condition {
        log_bodies: Some(Matching::Strict(vec!["failed".into()])),
        log_severity_number: Some(SeverityBound { min: 17, match_undefined: false }),
        ..Condition::default()
    };
    let mut editor = AttributesEditor::new(actions(), Some(condition), None);
    let edited = run(Signal::Logs, request.encode_to_vec(), &mut editor).unwrap();
    let decoded = ExportLogsServiceRequest::decode(edited.body).unwrap();
    let records = &decoded.resource_logs[0].scope_logs[0].log_records;
    assert_eq!(records.iter().map(|one| one.attributes.len()).collect::<Vec<_>>(), [0, 2, 0]);
}
