//! A request of any signal as plain values, and random ones.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use ringtail::outcome::Signal;

pub const KEYS: [&str; 6] = ["a", "ab", "b", "b1", "http.url", "password"];
pub const NAMES: [&str; 5] = ["", "a", "ping", "GET /x1", "é9"];
pub const TEXTS: [&str; 8] = ["", "a", "abc", "é1é", "x9", "/u?password=1&b=2", "12", "secret"];

/// Keys in the order of the request; a value may be empty.
pub type Attributes = Vec<(String, Option<Any>)>;

#[derive(Clone, Debug, PartialEq)]
pub struct Request(pub Vec<Entry>);

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: u64,
    /// There is a resource in it, and in that the mark of its number.
    pub marked: bool,
    pub attributes: Attributes,
    pub scopes: Vec<Scope>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    pub id: u64,
    pub marked: bool,
    pub name: String,
    pub attributes: Attributes,
    pub items: Vec<Item>,
}

/// A span, a log record (whose severity text is the name) or a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: u64,
    pub name: String,
    pub attributes: Attributes,
    /// Events of a span, points of a metric.
    pub children: Vec<Child>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub id: u64,
    pub name: String,
    pub attributes: Attributes,
}

impl Request {
    /// Whether each entry has its resource, and each part its scope.
    pub fn is_complete(&self) -> bool {
        self.0.iter().all(|entry| entry.marked && entry.scopes.iter().all(|scope| scope.marked))
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.iter().flat_map(|entry| &entry.scopes).flat_map(|scope| &scope.items)
    }

    /// What counts as an item: spans, records, points.
    pub fn count(&self, signal: Signal) -> u64 {
        match signal {
            Signal::Metrics => self.items().map(|item| item.children.len() as u64).sum(),
            _ => self.items().count() as u64,
        }
    }

    /// With all attributes in order of their keys.
    pub fn sorted(mut self) -> Self {
        let sort = |attributes: &mut Attributes| attributes.sort_by(|a, b| a.0.cmp(&b.0));
        for entry in &mut self.0 {
            sort(&mut entry.attributes);
            for scope in &mut entry.scopes {
                sort(&mut scope.attributes);
                for item in &mut scope.items {
                    sort(&mut item.attributes);
                    item.children.iter_mut().for_each(|child| sort(&mut child.attributes));
                }
            }
        }
        self
    }

    /// Gives every part a number of its own.
    fn numbered(mut self) -> Self {
        let mut last = 0;
        let mut next = || {
            last += 1;
            last
        };
        for entry in &mut self.0 {
            entry.id = next();
            for scope in &mut entry.scopes {
                scope.id = next();
                for item in &mut scope.items {
                    item.id = next();
                    item.children.iter_mut().for_each(|child| child.id = next());
                }
            }
        }
        self
    }
}

pub fn pair((key, value): &(String, Option<Any>)) -> KeyValue {
    KeyValue { key: key.clone(), value: Some(AnyValue { value: value.clone() }), ..KeyValue::default() }
}

fn value() -> impl Strategy<Value = Option<Any>> {
    let single = || {
        prop_oneof![
            4 => select(&TEXTS[..]).prop_map(|text| Some(Any::StringValue(text.into()))),
            1 => select(&[-1, 0, 5, 12, i64::MAX][..]).prop_map(|value| Some(Any::IntValue(value))),
            1 => select(&[0.5, 5.0, -2.5][..]).prop_map(|value| Some(Any::DoubleValue(value))),
            1 => any::<bool>().prop_map(|value| Some(Any::BoolValue(value))),
            1 => vec(any::<u8>(), 0..3).prop_map(|value| Some(Any::BytesValue(value))),
            1 => Just(None),
        ]
    };
    let list = vec(single(), 0..3).prop_map(|values| {
        let values = values.into_iter().map(|value| AnyValue { value }).collect();
        Some(Any::ArrayValue(ArrayValue { values }))
    });
    let map = btree_map(key(), single(), 0..3).prop_map(|map| {
        let values = map.into_iter().map(|entry| pair(&entry)).collect();
        Some(Any::KvlistValue(KeyValueList { values }))
    });
    prop_oneof![8 => single(), 1 => list, 1 => map]
}

fn key() -> impl Strategy<Value = String> {
    select(&KEYS[..]).prop_map(str::to_owned)
}

fn attributes() -> impl Strategy<Value = Attributes> {
    btree_map(key(), value(), 0..5).prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle()
}

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn item(signal: Signal) -> impl Strategy<Value = Item> {
    let children = if signal == Signal::Logs { 0..1 } else { 0..4 };
    let named = signal == Signal::Traces;
    let child = (name(), attributes()).prop_map(move |(name, attributes)| Child {
        id: 0,
        name: if named { name } else { String::new() },
        attributes,
    });
    (name(), attributes(), vec(child, children)).prop_map(move |(name, attributes, children)| Item {
        id: 0,
        name,
        attributes: if signal == Signal::Metrics { Vec::new() } else { attributes },
        children: if signal == Signal::Logs { Vec::new() } else { children },
    })
}

/// A request whose entries may lack resources and scopes, and may be empty.
pub fn request(signal: Signal) -> impl Strategy<Value = Request> {
    let marked = || proptest::bool::weighted(0.9);
    let scope = (marked(), name(), attributes(), vec(item(signal), 0..4)).prop_map(
        |(marked, name, attributes, items)| Scope {
            id: 0,
            marked,
            name: if marked { name } else { String::new() },
            attributes: if marked { attributes } else { Vec::new() },
            items,
        },
    );
    let entry = (marked(), attributes(), vec(scope, 0..3)).prop_map(|(marked, attributes, scopes)| Entry {
        id: 0,
        marked,
        attributes: if marked { attributes } else { Vec::new() },
        scopes,
    });
    vec(entry, 0..3).prop_map(|entries| Request(entries).numbered())
}
