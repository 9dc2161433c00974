//! `ring: collector` and a real collector's `load_balancing` over the same backends choose the same ones.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use crate::peers::attribute;
use crate::peers::backends::Backends;
use crate::peers::process::Process;
use crate::{Balancer, Ids, collector, request, span};

const IDS: usize = 10_000;

/// Which backend took a trace.
type Owners = BTreeMap<Vec<u8>, usize>;

#[test]
fn ten_thousand_ids_have_the_same_owner_of_three() {
    let mut ids = Ids::new();
    let spans: Vec<_> = (0..IDS).map(|_| span(&ids.next(), "s")).collect();
    let requests: Vec<_> = spans.chunks(1000).map(|spans| request(spans.to_vec())).collect();
    same_owners(3, "", &requests, IDS);
}

#[test]
fn ten_thousand_ids_have_the_same_owner_of_five() {
    let mut ids = Ids::new();
    // Here the spans of a request have many resources and scopes.
    let mut resources = Vec::new();
    for index in 0..IDS / 5 {
        let mut list = request((0..5).map(|_| span(&ids.next(), "s")).collect()).resource_spans;
        list[0].resource = resource(vec![attribute("service.name", &format!("service {}", index % 7))]);
        resources.append(&mut list);
    }
    let requests: Vec<_> = resources
        .chunks(200)
        .map(|resources| ExportTraceServiceRequest { resource_spans: resources.to_vec() })
        .collect();
    same_owners(5, "routing_key: traceID", &requests, IDS);
}

#[test]
fn services_have_the_same_owner() {
    let mut ids = Ids::new();
    let mut resources = vec![ResourceSpans {
        scope_spans: request(vec![span(&ids.next(), "no resource")]).resource_spans[0].scope_spans.clone(),
        ..ResourceSpans::default()
    }];
    for value in values("service") {
        let mut one = request(vec![span(&ids.next(), "s")]).resource_spans.remove(0);
        let name = KeyValue { key: "service.name".into(), value, ..KeyValue::default() };
        one.resource = resource(vec![attribute("other", "x"), name]);
        resources.push(one);
    }
    let mut bare = request(vec![span(&ids.next(), "no name")]).resource_spans.remove(0);
    bare.resource = resource(vec![attribute("service.namespace", "x")]);
    resources.push(bare);
    let count = resources.len();
    same_owners(5, "routing_key: service", &[ExportTraceServiceRequest { resource_spans: resources }], count);
}

#[test]
fn attributes_have_the_same_owner() {
    let mut ids = Ids::new();
    let mut resources = Vec::new();
    for (index, value) in values("tenant").into_iter().enumerate() {
        let tenant = KeyValue { key: "tenant".into(), value, ..KeyValue::default() };
        let mut first = span(&ids.next(), ["", "GET /", "日本"][index % 3]);
        first.kind = (index % 6) as i32;
        let mut second = first.clone();
        // The first span of a trace decides for the whole group.
        (second.name, second.kind) = ("second".into(), 5);
        second.attributes = vec![attribute("route", "second")];
        second.span_id[0] ^= 0xff;
        let mut one = ResourceSpans::default();
        let mut scope = ScopeSpans::default();
        // Each of the three places has it in its turn, and every fourth time two have it.
        match index % 4 {
            0 => one.resource = resource(vec![tenant]),
            1 => scope.scope = Some(InstrumentationScope { attributes: vec![tenant], ..Default::default() }),
            2 => first.attributes = vec![tenant],
            _ => {
                one.resource = resource(vec![tenant]);
                first.attributes = vec![attribute("tenant", "span's own"), attribute("route", "/x")];
            }
        }
        scope.spans = vec![first, second];
        one.scope_spans = vec![scope];
        resources.push(one);
    }
    let count = resources.len();
    let keys = "{routing_key: attributes, routing_attributes: [tenant, span.kind, route, span.name, absent]}";
    let keys =
        keys.trim_matches(['{', '}']).replace("], ", "]\n    ").replace("s, routing_a", "s\n    routing_a");
    same_owners(5, &keys, &[ExportTraceServiceRequest { resource_spans: resources }], count);
}

fn same_owners(backends: usize, keys: &str, requests: &[ExportTraceServiceRequest], count: usize) {
    let Some(collector) = collector() else { return };
    let backends = Backends::start(backends);
    let hosts = backends.hosts();
    let telemetry = "{metrics: {level: none}}";
    let theirs = Balancer { hosts: &hosts, keys, telemetry, ours: false };
    let theirs = Process::start(&collector, 2, |ports, _| theirs.config(ports[0], ports[1]));
    backends.send(theirs.ports[0], requests);
    let theirs = owners(&backends);

    let keys = format!("{keys}\n    ring: collector");
    let ours = Balancer { hosts: &hosts, keys: &keys, telemetry, ours: true };
    let ours = Process::ringtail(2, |ports, _| ours.config(ports[0], ports[1]));
    backends.send(ours.ports[0], requests);
    let ours = owners(&backends);

    assert_eq!((theirs.len(), ours.len()), (count, count));
    let different: Vec<_> = theirs.iter().filter(|(id, owner)| ours[*id] != **owner).collect();
    if !different.is_empty() {
        let all = requests.iter().flat_map(|request| &request.resource_spans);
        let shown: Vec<_> = all
            .filter(|one| {
                let id = &one.scope_spans[0].spans[0].trace_id;
                different.iter().any(|(other, _)| *other == id)
            })
            .take(20)
            .collect();
        let shown: Vec<_> = shown
            .iter()
            .map(|one| {
                format!(
                    "{:?} {:?}",
                    one.resource.as_ref().map(|r| &r.attributes),
                    one.scope_spans[0].spans[0].attributes
                )
            })
            .collect();
        panic!("{} of {count} have another owner:\n{}", different.len(), shown.join("\n"));
    }
    let mut used: Vec<_> = theirs.into_values().collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), backends.ports.len(), "not every backend was chosen");
}

fn owners(backends: &Backends) -> Owners {
    let mut owners = Owners::new();
    for (backend, request) in backends.traces() {
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            let before = owners.insert(span.trace_id, backend);
            assert!(before.is_none_or(|before| before == backend), "a trace was split");
        }
    }
    owners
}

fn resource(attributes: Vec<KeyValue>) -> Option<Resource> {
    Some(Resource { attributes, ..Resource::default() })
}

/// Several hundred attribute values of every type.
fn values(prefix: &str) -> Vec<Option<AnyValue>> {
    let text = |text: &str| Value::StringValue(text.to_owned());
    let any = |value: Value| Some(AnyValue { value: Some(value) });
    let list = |values: &[Value]| {
        Value::ArrayValue(ArrayValue {
            values: values.iter().map(|value| any(value.clone()).unwrap()).collect(),
        })
    };
    let mut values: Vec<_> = (0..400).map(|index| any(text(&format!("{prefix}-{index}")))).collect();
    for word in ["", " ", "|", "a|b", "日本語", "\"quoted\"", "<&>", "\u{1}", "0"] {
        values.push(any(text(word)));
    }
    for number in [0, 1, -1, 42, i64::MAX, i64::MIN] {
        values.push(any(Value::IntValue(number)));
    }
    for number in
        [0.0, -0.0, 1.0, 0.1, -2.5, 1e20, 1e21, 1.5e300, 1e-6, 1e-7, 2.5e-9, 100_000.0, 123_456_789.125]
    {
        values.push(any(Value::DoubleValue(number)));
    }
    values.extend([any(Value::BoolValue(true)), any(Value::BoolValue(false))]);
    values.extend([any(Value::BytesValue(vec![0, 255, 7])), any(Value::BytesValue(Vec::new()))]);
    values.extend([None, Some(AnyValue { value: None })]);
    values.push(any(list(&[])));
    // Several of each, since a wrong text may fall on the right backend.
    for index in 0..8 {
        let mark = Value::IntValue(index);
        let words = ["a<b>&", "\u{1}\u{8}\u{c}\r\n\t", "\u{2028}\u{2029}", "\u{7f}\"\\/", "日本語 🦝"];
        values.extend(words.map(|word| any(list(&[mark.clone(), text(word)]))));
        let numbers = [1.0, 1e21, 1e20, 2.5e-9, 1e-10, 0.1].map(Value::DoubleValue);
        values.extend(numbers.map(|number| any(list(&[mark.clone(), number]))));
        values.push(any(list(&[mark.clone(), Value::DoubleValue(f64::NAN)])));
        values.push(any(list(&[mark.clone(), list(&[text("inner")]), Value::BytesValue(vec![1])])));
        values.push(any(list(&[mark.clone(), Value::BoolValue(true)])));
        values.push(any(Value::BytesValue(vec![index as u8, 0, 255])));
        values.push(any(Value::DoubleValue(1e21 + 1e21 * index as f64)));
        values.push(any(Value::DoubleValue(1e-9 + 1e-9 * index as f64)));
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        values.push(any(Value::DoubleValue(number)));
    }
    let entry = |key: &str, value| KeyValue { key: key.to_owned(), value: any(value), ..KeyValue::default() };
    let map =
        vec![entry("z", text("\u{2028}é\n")), entry("a", Value::DoubleValue(1e21)), entry("m", list(&[]))];
    values.push(any(Value::KvlistValue(KeyValueList { values: map })));
    values.push(any(Value::KvlistValue(KeyValueList { values: Vec::new() })));
    values
}
