//! The walk over a request: whose each span is, where it lies, how much a trace's share weighs.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::conditions::schema_url;
use super::size::{Schemas, collector_len};
use super::span::{Look, Seen};
use super::value::Parts;
use super::{Arrival, Facts, Plan, Portion};
use crate::ottl::Context;
use crate::outcome::Signal;
use crate::split::{Fragments, Run, ScopeHead, Source};
use crate::wire::json::schema::Message;
use crate::wire::{Fields, Malformed, otlp, varint_len};

impl Plan {
    /// Divides an encoded export request by trace and gathers the facts of each portion.
    ///
    /// `Now()` in a condition is 1970; see [`Plan::read_at`].
    pub fn read(&self, body: Bytes) -> Result<Arrival, Malformed> {
        self.read_at(body, 0)
    }

    /// As [`Plan::read`], at this time, in nanoseconds since 1970.
    pub fn read_at(&self, body: Bytes, now_unix_nanos: u64) -> Result<Arrival, Malformed> {
        if u32::try_from(body.len()).is_err() {
            return Err(Malformed { at: 0, what: "a request of 4 GiB or more" });
        }
        let shared = body.clone(); // the walk borrows one, the arrival keeps the other
        let mut walk = Walk::new(self, body.len(), now_unix_nanos);
        for field in Fields::new(&shared) {
            let field = field?;
            if field.number == otlp::REQUEST_RESOURCES {
                walk.resource(&shared, field.bytes()?)?;
            }
        }
        Ok(walk.finish(body))
    }
}

/// What a walk has gathered so far.
struct Walk<'p, 'b> {
    plan: &'p Plan,
    look: Look<'p, 'b>,
    slots: HashTable<u32>, // indices into `open`, by trace id
    open: Vec<Open>,
    last: usize, // neighbours are often of one trace
    resources: Vec<Fragments>,
    scopes: Vec<ScopeHead>,
    resource_bytes: u64,   // of the field of the current resource
    scope_bytes: Vec<u64>, // of the field of each scope
    resource_facts: Facts,
    spans: u64,
}

/// A portion while the walk goes on.
struct Open {
    portion: Portion,
    resource: u32,       // where its last span stood
    scope: u32,          // likewise
    resource_bytes: u64, // of the regrouped ResourceSpans so far
    scope_bytes: u64,    // of the spans of the regrouped ScopeSpans so far
}

const NOWHERE: u32 = u32::MAX;
/// What a request has of one trace, roughly: growing from nothing costs more than a little too much room.
const BYTES_A_TRACE: usize = 1024;
/// Room taken at once, at most.
const TRACES_EXPECTED_MAX: usize = 512;

impl<'p, 'b> Walk<'p, 'b> {
    fn new(plan: &'p Plan, bytes: usize, now_unix_nanos: u64) -> Self {
        let traces = (bytes / BYTES_A_TRACE).min(TRACES_EXPECTED_MAX);
        Self {
            plan,
            look: Look::new(plan, now_unix_nanos),
            slots: HashTable::with_capacity(traces),
            open: Vec::with_capacity(traces),
            last: 0,
            resources: Vec::new(),
            scopes: Vec::new(),
            resource_bytes: 0,
            scope_bytes: Vec::new(),
            resource_facts: Facts::default(),
            spans: 0,
        }
    }

    fn resource(&mut self, body: &'b [u8], entry: Range<usize>) -> Result<(), Malformed> {
        let mut fields = Fragments::default();
        let mut described = Parts::new();
        let mut scopes = SmallVec::<[Range<usize>; 8]>::new();
        let mut deprecated = SmallVec::<[Range<usize>; 1]>::new();
        let whole = entry.clone();
        for field in Fields::within(body, entry) {
            let field = field?;
            match field.number {
                otlp::ENTRY_SCOPES => scopes.push(field.bytes()?),
                otlp::ENTRY_SCOPES_DEPRECATED => deprecated.push(field.bytes()?),
                otlp::ENTRY_RESOURCE => {
                    described.push(field.bytes()?);
                    fields.push(field.whole);
                }
                _ => fields.push(field.whole),
            }
        }
        fields.seal(body);
        self.resources.push(fields);
        self.resource_bytes = self.described_bytes(body, &described, |schemas| schemas.resource)?;
        if !self.plan.conditions.is_empty() {
            let url = schema_url(body, whole)?;
            self.look.asked.enter(Context::Resource, body, &described, url);
        }
        self.resource_facts = self.look.resource(body, described)?;
        if self.plan.compat {
            // The Collector judges and passes on each ResourceSpans by itself.
            self.slots.clear();
            self.last = self.open.len();
        }
        if scopes.is_empty() {
            scopes.extend(deprecated); // as the Collector does: only when there are no scopes of today's kind
        }
        for scope in scopes {
            self.scope(body, scope)?;
        }
        Ok(())
    }

    fn scope(&mut self, body: &'b [u8], entry: Range<usize>) -> Result<(), Malformed> {
        self.enter_scope(body, entry.clone())?;
        let mut fields = Fragments::default();
        let mut described = Parts::new();
        for field in Fields::within(body, entry) {
            let field = field?;
            match field.number {
                otlp::SCOPE_ITEMS => {
                    let seen = self.look.span(body, field.bytes()?)?;
                    self.take(seen, field.whole);
                    continue;
                }
                otlp::SCOPE_SCOPE => described.push(field.bytes()?),
                _ => {}
            }
            fields.push(field.whole);
        }
        fields.seal(body);
        self.scopes.push(ScopeHead { resource: self.resources.len() as u32 - 1, fields });
        let scope_bytes = self.described_bytes(body, &described, |schemas| schemas.scope)?;
        self.scope_bytes.push(scope_bytes);
        Ok(())
    }

    /// Shows the conditions the scope, which may be described behind its spans.
    fn enter_scope(&mut self, body: &'b [u8], entry: Range<usize>) -> Result<(), Malformed> {
        if self.plan.conditions.is_empty() {
            return Ok(());
        }
        let mut described = Parts::new();
        for field in Fields::within(body, entry.clone()) {
            let field = field?;
            if field.number == otlp::SCOPE_SCOPE {
                described.push(field.bytes()?);
            }
        }
        self.look.asked.enter(Context::Scope, body, &described, schema_url(body, entry)?);
        Ok(())
    }

    /// The size of the field that describes a resource or scope, which came in these parts.
    fn described_bytes(
        &self,
        body: &[u8],
        parts: &Parts,
        schema: fn(&Schemas) -> &'static Message,
    ) -> Result<u64, Malformed> {
        let len = match &self.plan.schemas {
            Some(schemas) => collector_len(schema(schemas), body, parts.clone(), 0)?,
            None => parts.iter().map(|part| part.len() as u64).sum(),
        };
        Ok(nested_len(len))
    }

    /// Adds a span to the portion of its trace.
    #[inline]
    fn take(&mut self, seen: Seen, whole: Range<usize>) {
        self.spans += 1;
        let index = self.slot(seen.trace_id);
        self.last = index;
        let (scope, resource) = (self.scopes.len() as u32, self.resources.len() as u32 - 1);
        let open = &mut self.open[index];
        if open.scope != scope {
            open.leave_scope(&self.scope_bytes);
            open.scope = scope;
        }
        if open.resource != resource {
            open.leave_resource();
            open.resource = resource;
            open.resource_bytes = self.resource_bytes;
            open.portion.facts.join_bits(&self.resource_facts);
        }
        open.scope_bytes += nested_len(seen.bytes);
        let (start, end) = (whole.start as u32, whole.end as u32);
        match open.portion.runs.last_mut() {
            Some(last) if last.end == start && last.scope == scope => last.end = end,
            _ => open.portion.runs.push(Run { scope, start, end }),
        }
        let facts = &mut open.portion.facts;
        facts.spans += 1;
        self.look.add(&seen, facts);
    }

    /// The portion of a trace.
    #[inline]
    fn slot(&mut self, trace_id: [u8; 16]) -> usize {
        if self.open.get(self.last).is_some_and(|open| open.portion.trace_id == trace_id) {
            return self.last;
        }
        let keys = self.plan.hash_keys;
        let hash = |id: &[u8; 16]| hash(keys, id);
        let open = &mut self.open;
        let entry = self.slots.entry(
            hash(&trace_id),
            |index| open[*index as usize].portion.trace_id == trace_id,
            |index| hash(&open[*index as usize].portion.trace_id),
        );
        let next = open.len() as u32;
        let index = *entry.or_insert(next).get();
        if index == next {
            let portion = Portion { trace_id, facts: Facts::default(), runs: SmallVec::new() };
            let (resource, scope) = (NOWHERE, NOWHERE);
            open.push(Open { portion, resource, scope, resource_bytes: 0, scope_bytes: 0 });
        }
        index as usize
    }

    fn finish(self, body: Bytes) -> Arrival {
        let Self { look, resources, scopes, scope_bytes, open, spans, .. } = self;
        let portions = open.into_iter().map(|open| open.close(&scope_bytes)).collect();
        let source = Arc::new(Source { signal: Signal::Traces, body, resources, scopes });
        Arrival { source, portions, spans, failures: look.asked.failures }
    }
}

impl Open {
    fn leave_scope(&mut self, scope_bytes: &[u64]) {
        if self.scope != NOWHERE {
            self.resource_bytes += nested_len(scope_bytes[self.scope as usize] + self.scope_bytes);
            self.scope_bytes = 0;
        }
    }

    fn leave_resource(&mut self) {
        if self.resource != NOWHERE {
            let facts = &mut self.portion.facts;
            facts.bytes += self.resource_bytes;
            facts.envelope_bytes += (nested_len(self.resource_bytes) - self.resource_bytes) as u32;
            facts.resources += 1;
        }
    }

    fn close(mut self, scope_bytes: &[u64]) -> Portion {
        self.leave_scope(scope_bytes);
        self.leave_resource();
        self.portion
    }
}

/// Tag, length and message; the tags here are one byte long.
fn nested_len(len: u64) -> u64 {
    1 + varint_len(len) as u64 + len
}

/// Two keyed halves multiplied: quick, and senders cannot choose ids that fall into one bucket.
#[inline]
fn hash(keys: [u64; 2], id: &[u8; 16]) -> u64 {
    let id = u128::from_le_bytes(*id);
    let (low, high) = (id as u64 ^ keys[0], (id >> 64) as u64 ^ keys[1]);
    let product = u128::from(low) * u128::from(high);
    product as u64 ^ (product >> 64) as u64 ^ id as u64
}
