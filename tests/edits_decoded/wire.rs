//! Requests to bytes and back, with a field in every message that OTLP does not have: it holds the number of the part.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use prost::Message;
use ringtail::outcome::Signal;
use ringtail::wire::{Fields, Payload, write_varint};

use crate::model::{Attributes, Child, Entry, Item, Request, Scope, pair};

/// A field number of the future.
const MARK: u32 = 2047;
const EVENTS: u32 = 11;
/// The fields of a metric that hold its data, by kind.
const DATA: [u32; 5] = [5, 7, 9, 10, 11];

pub fn encode(request: &Request, signal: Signal) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in &request.0 {
        let mut inner = Vec::new();
        if entry.marked {
            let resource = Resource { attributes: pairs(&entry.attributes), ..Resource::default() };
            put(1, &marked(resource.encode_to_vec(), entry.id), &mut inner);
        }
        for scope in &entry.scopes {
            put(2, &scope_entry(scope, signal), &mut inner);
        }
        put(1, &marked(inner, entry.id), &mut out);
    }
    out
}

fn scope_entry(scope: &Scope, signal: Signal) -> Vec<u8> {
    let mut inner = Vec::new();
    if scope.marked {
        let attributes = pairs(&scope.attributes);
        let described = InstrumentationScope { name: scope.name.clone(), attributes, ..Default::default() };
        put(1, &marked(described.encode_to_vec(), scope.id), &mut inner);
    }
    for one in &scope.items {
        put(2, &item(one, signal), &mut inner);
    }
    marked(inner, scope.id)
}

fn item(item: &Item, signal: Signal) -> Vec<u8> {
    let (name, attributes) = (item.name.clone(), pairs(&item.attributes));
    let mut bytes = match signal {
        Signal::Traces => Span { trace_id: vec![7; 16], name, attributes, ..Span::default() }.encode_to_vec(),
        Signal::Logs => LogRecord { severity_text: name, attributes, ..LogRecord::default() }.encode_to_vec(),
        Signal::Metrics => Metric { name, ..Metric::default() }.encode_to_vec(),
    };
    let children = item.children.iter().map(|one| marked(child(one, item.id, signal), one.id));
    if signal == Signal::Traces {
        children.for_each(|event| put(EVENTS, &event, &mut bytes));
    } else if signal == Signal::Metrics {
        let mut data = Vec::new();
        children.for_each(|point| put(1, &point, &mut data));
        put(DATA[kind(item.id)], &marked(data, item.id), &mut bytes);
    }
    marked(bytes, item.id)
}

fn kind(id: u64) -> usize {
    (id % 5) as usize
}

fn child(child: &Child, item: u64, signal: Signal) -> Vec<u8> {
    let attributes = pairs(&child.attributes);
    if signal == Signal::Traces {
        return Event { name: child.name.clone(), attributes, ..Event::default() }.encode_to_vec();
    }
    match kind(item) {
        0 | 1 => NumberDataPoint { attributes, ..Default::default() }.encode_to_vec(),
        2 => HistogramDataPoint { attributes, count: 3, ..Default::default() }.encode_to_vec(),
        3 => ExponentialHistogramDataPoint { attributes, count: 3, ..Default::default() }.encode_to_vec(),
        _ => SummaryDataPoint { attributes, count: 3, ..Default::default() }.encode_to_vec(),
    }
}

fn pairs(attributes: &Attributes) -> Vec<KeyValue> {
    attributes.iter().map(pair).collect()
}

fn marked(mut bytes: Vec<u8>, id: u64) -> Vec<u8> {
    write_varint(&mut bytes, u64::from(MARK << 3));
    write_varint(&mut bytes, id);
    bytes
}

fn put(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(out, u64::from(number << 3 | 2));
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The number in a message.
fn mark(bytes: &[u8]) -> Option<u64> {
    let mut marks = Fields::new(bytes).map(Result::unwrap).filter(|field| field.number == MARK);
    let mark = marks.next()?;
    assert!(marks.next().is_none(), "the mark is there twice");
    match mark.payload {
        Payload::Varint(id) => Some(id),
        other => panic!("{other:?}"),
    }
}

/// The messages under a field.
fn parts(bytes: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    let fields = Fields::new(bytes).map(Result::unwrap).filter(move |field| field.number == number);
    fields.map(|field| &bytes[field.bytes().unwrap()])
}

/// The only message under a field; there may be none.
fn only(bytes: &[u8], number: u32) -> &[u8] {
    let mut parts = parts(bytes, number);
    let first = parts.next().unwrap_or_default();
    assert!(parts.next().is_none(), "field {number} is there twice");
    first
}

pub fn decode(body: &[u8], signal: Signal) -> Request {
    Request(parts(body, 1).map(|entry| entry_of(entry, signal)).collect())
}

fn entry_of(entry: &[u8], signal: Signal) -> Entry {
    let (id, resource) = (mark(entry).unwrap(), only(entry, 1));
    assert!(mark(resource).is_none_or(|known| known == id));
    Entry {
        id,
        marked: mark(resource).is_some(),
        attributes: attributes(Resource::decode(resource).unwrap().attributes),
        scopes: parts(entry, 2).map(|scope| scope_of(scope, signal)).collect(),
    }
}

fn scope_of(entry: &[u8], signal: Signal) -> Scope {
    let (id, described) = (mark(entry).unwrap(), only(entry, 1));
    assert!(mark(described).is_none_or(|known| known == id));
    let scope = InstrumentationScope::decode(described).unwrap();
    Scope {
        id,
        marked: mark(described).is_some(),
        name: scope.name,
        attributes: attributes(scope.attributes),
        items: parts(entry, 2).map(|item| item_of(item, signal)).collect(),
    }
}

fn item_of(bytes: &[u8], signal: Signal) -> Item {
    let id = mark(bytes).unwrap();
    let (name, attributes, children) = match signal {
        Signal::Traces => {
            let span = Span::decode(bytes).unwrap();
            assert_eq!(span.trace_id, [7; 16]);
            let event = |bytes: &[u8]| {
                let event = Event::decode(bytes).unwrap();
                (mark(bytes).unwrap(), event.name, event.attributes)
            };
            (span.name, span.attributes, parts(bytes, EVENTS).map(event).collect::<Vec<_>>())
        }
        Signal::Logs => {
            let record = LogRecord::decode(bytes).unwrap();
            (record.severity_text, record.attributes, Vec::new())
        }
        Signal::Metrics => {
            let data = only(bytes, DATA[kind(id)]);
            assert_eq!(mark(data), Some(id));
            let point = |bytes: &[u8]| (mark(bytes).unwrap(), String::new(), point_attributes(bytes, id));
            (Metric::decode(bytes).unwrap().name, Vec::new(), parts(data, 1).map(point).collect())
        }
    };
    let child = |(id, name, pairs): (u64, String, _)| Child { id, name, attributes: self::attributes(pairs) };
    Item {
        id,
        name,
        attributes: self::attributes(attributes),
        children: children.into_iter().map(child).collect(),
    }
}

fn point_attributes(bytes: &[u8], item: u64) -> Vec<KeyValue> {
    match kind(item) {
        0 | 1 => NumberDataPoint::decode(bytes).unwrap().attributes,
        2 => HistogramDataPoint::decode(bytes).unwrap().attributes,
        3 => ExponentialHistogramDataPoint::decode(bytes).unwrap().attributes,
        _ => SummaryDataPoint::decode(bytes).unwrap().attributes,
    }
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key, pair.value.and_then(|value| value.value))).collect()
}

/// The bytes of every item, by its number.
pub fn items(body: &[u8]) -> HashMap<u64, Vec<u8>> {
    let scopes = parts(body, 1).flat_map(|entry| parts(entry, 2));
    scopes.flat_map(|scope| parts(scope, 2)).map(|item| (mark(item).unwrap(), item.to_vec())).collect()
}
