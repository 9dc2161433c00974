//! Routing keys: from an encoded item to the index of its owner.

use std::collections::HashMap;
use std::ops::Range;

use super::config::WithoutTraceId;
use super::extract;
use crate::outcome::Signal;
use crate::route::{Ring, Routes, key};
use crate::semconv::Names;
use crate::split::{Choice, Chooser, Fragments};
use crate::trace_id::TraceId;
use crate::wire::{Fields, Payload, otlp};

/// `routing_key: traceID` for traces: the hot path.
pub struct ByTraceId<'a> {
    routes: &'a Routes,
    without: WithoutTraceId,
    last: Option<(TraceId, Choice)>, // neighbours are often of one trace
}

impl<'a> ByTraceId<'a> {
    /// Owners by `routes`.
    pub fn new(routes: &'a Routes, without: WithoutTraceId) -> Self {
        Self { routes, without, last: None }
    }
}

impl Chooser for ByTraceId<'_> {
    #[inline]
    fn item(&mut self, span: &[u8]) -> Choice {
        let id = match span {
            // Encoders write fields in order, so the id comes first: tag, length, sixteen bytes.
            [0x0a, 16, rest @ ..] if rest.len() >= 16 => TraceId::from_slice(&rest[..16]),
            _ => trace_id(Signal::Traces, span),
        };
        let Some(id) = id else { return without_id(self.routes, self.without) };
        match self.last {
            Some((last, choice)) if last == id => choice,
            _ => {
                let choice = owned(self.routes.owner_of_trace(&id));
                self.last = Some((id, choice));
                choice
            }
        }
    }
}

/// `routing_key: traceID` for logs. The collectors hash the hexadecimal text, so under their ring a trace's logs and
/// spans part; under ours they meet. A record without a trace id goes where its service goes.
pub struct LogsByTraceId<'a> {
    routes: &'a Routes,
    service: Choice,
    scratch: Vec<u8>,
}

impl<'a> LogsByTraceId<'a> {
    /// Owners by `routes`.
    pub fn new(routes: &'a Routes) -> Self {
        Self { routes, service: Choice::Reject, scratch: Vec::new() }
    }
}

impl Chooser for LogsByTraceId<'_> {
    const READS_HEADS: bool = true;

    fn resource(&mut self, fields: &Fragments, body: &[u8]) {
        self.service = by_service(self.routes, Signal::Logs, fields, body, &mut self.scratch);
    }

    fn item(&mut self, record: &[u8]) -> Choice {
        let Some(id) = trace_id(Signal::Logs, record) else { return self.service };
        match self.routes.ring() {
            Ring::Rendezvous => owned(self.routes.owner_of_trace(&id)),
            Ring::CollectorV3 | Ring::CollectorV1 => {
                owned(self.routes.owner_of_key(id.to_string().as_bytes()))
            }
        }
    }
}

/// `routing_key: service`, and `resource` with `whole`: everything of one resource entry goes together.
pub struct ByResource<'a> {
    routes: &'a Routes,
    signal: Signal,
    whole: bool,
    choice: Choice,
    scratch: Vec<u8>,
}

impl<'a> ByResource<'a> {
    /// Owners by the service name.
    pub fn service(routes: &'a Routes, signal: Signal) -> Self {
        Self { routes, signal, whole: false, choice: Choice::Reject, scratch: Vec::new() }
    }

    /// Owners by the whole resource.
    pub fn resource(routes: &'a Routes, signal: Signal) -> Self {
        Self { whole: true, ..Self::service(routes, signal) }
    }
}

impl Chooser for ByResource<'_> {
    const READS_HEADS: bool = true;

    fn resource(&mut self, fields: &Fragments, body: &[u8]) {
        self.choice = if self.whole {
            self.scratch.clear();
            fields.parts(body).for_each(|part| self.scratch.extend_from_slice(part));
            owned(self.routes.owner_of_key(&self.scratch))
        } else {
            by_service(self.routes, self.signal, fields, body, &mut self.scratch)
        };
    }

    fn item(&mut self, _item: &[u8]) -> Choice {
        self.choice
    }
}

/// `routing_key: attributes`: each name is looked for on the resource, then on the scope, then on the item; for
/// traces the first span of a trace within its scope decides for the others, as in the collectors.
pub struct ByAttributes<'a> {
    routes: &'a Routes,
    signal: Signal,
    keys: &'a [String],
    names: Names,
    resource: Vec<Option<Vec<u8>>>,
    scope: Vec<Option<Vec<u8>>>,
    decided: HashMap<Option<TraceId>, Choice>,
    scratch: Vec<u8>,
}

impl<'a> ByAttributes<'a> {
    /// Owners by the values of `keys`, in order. The owner does not depend on the name that an attribute stands under.
    pub fn new(routes: &'a Routes, signal: Signal, keys: &'a [String], names: Names) -> Self {
        let (resource, scope) = (Vec::new(), Vec::new());
        Self { routes, signal, keys, names, resource, scope, decided: HashMap::new(), scratch: Vec::new() }
    }

    fn values(
        &self,
        body: &[u8],
        messages: impl Iterator<Item = Range<usize>>,
        field: u32,
    ) -> Vec<Option<Vec<u8>>> {
        let mut values = vec![None; self.keys.len()];
        for message in messages {
            let message = &body[message];
            for (value, key) in values.iter_mut().zip(self.keys) {
                let found = self.names.first(key.as_bytes(), |key| extract::attribute(message, field, key));
                *value = found.or(value.take());
            }
        }
        values
    }

    fn decide(&mut self, item: &[u8]) -> Choice {
        self.scratch.clear();
        for (index, wanted) in self.keys.iter().enumerate() {
            let outer = self.resource.get(index).and_then(Option::as_ref);
            let outer = outer.or(self.scope.get(index).and_then(Option::as_ref));
            let own = if outer.is_none() { self.of_item(item, wanted) } else { None };
            let value = outer.map(Vec::as_slice).or(own.as_deref());
            key::push_attribute(wanted, value, &mut self.scratch);
        }
        owned(self.routes.owner_of_key(&self.scratch))
    }

    fn of_item(&self, item: &[u8], key: &str) -> Option<Vec<u8>> {
        self.names.first(key.as_bytes(), |key| extract::of_item(self.signal, item, key))
    }
}

impl Chooser for ByAttributes<'_> {
    const READS_HEADS: bool = true;

    fn resource(&mut self, fields: &Fragments, body: &[u8]) {
        let messages = extract::nested(fields, body, otlp::ENTRY_RESOURCE);
        self.resource = self.values(body, messages.into_iter(), otlp::RESOURCE_ATTRIBUTES);
    }

    fn scope(&mut self, fields: &Fragments, body: &[u8]) {
        let messages = extract::nested(fields, body, otlp::SCOPE_SCOPE);
        self.scope = self.values(body, messages.into_iter(), otlp::SCOPE_ATTRIBUTES);
        self.decided.clear();
    }

    fn item(&mut self, item: &[u8]) -> Choice {
        if self.signal != Signal::Traces {
            return self.decide(item);
        }
        let id = trace_id(Signal::Traces, item);
        if let Some(choice) = self.decided.get(&id) {
            return *choice;
        }
        let choice = self.decide(item);
        self.decided.insert(id, choice);
        choice
    }
}

fn by_service(
    routes: &Routes,
    signal: Signal,
    fields: &Fragments,
    body: &[u8],
    scratch: &mut Vec<u8>,
) -> Choice {
    let mut name = None;
    for resource in extract::nested(fields, body, otlp::ENTRY_RESOURCE) {
        let found = extract::attribute(&body[resource], otlp::RESOURCE_ATTRIBUTES, b"service.name");
        name = found.or(name);
    }
    key::service_key(signal == Signal::Traces, name.as_deref(), scratch);
    owned(routes.owner_of_key(scratch))
}

fn owned(owner: Option<u16>) -> Choice {
    owner.map_or(Choice::Reject, Choice::Owner)
}

#[cold]
fn without_id(routes: &Routes, without: WithoutTraceId) -> Choice {
    match without {
        WithoutTraceId::Refuse => Choice::Reject,
        WithoutTraceId::FallbackOwner => owned(routes.owner_of_zero()),
    }
}

/// The trace id of an item whose fields are in any order; of several the last counts, as for any protobuf field.
#[cold]
fn trace_id(signal: Signal, item: &[u8]) -> Option<TraceId> {
    let wanted = otlp::trace_id_field(signal)?;
    let mut id = None;
    for field in Fields::new(item) {
        let field = field.ok()?;
        if let Payload::Bytes(range) = &field.payload
            && field.number == wanted
        {
            id = TraceId::from_slice(&item[range.clone()]);
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message;

    use super::*;
    use crate::route::{Member, Membership};

    #[test]
    fn a_renamed_attribute_leads_to_the_same_owner_under_either_name() {
        let members = (0..50).map(|id| Member::new(id.to_string())).collect();
        let routes = Routes::new(Membership::new(None, 0, members), Ring::Rendezvous);
        let keys = ["http.url".to_owned(), "db.system.name".to_owned()];
        let owner = |names, pairs: [(&str, &str); 2]| {
            let attributes = pairs.map(|(key, value)| KeyValue {
                key: key.into(),
                value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) }),
                ..KeyValue::default()
            });
            let span = Span { attributes: attributes.into(), ..Span::default() }.encode_to_vec();
            ByAttributes::new(&routes, Signal::Traces, &keys, names).item(&span)
        };
        let written = [("http.url", "/a"), ("db.system.name", "redis")];
        let other = [("url.full", "/a"), ("db.system", "redis")];
        let meant = owner(Names::Written, written);
        assert_eq!(owner(Names::Either, written), meant);
        assert_eq!(owner(Names::Either, other), meant);
        assert_ne!(owner(Names::Written, other), meant);
    }
}
