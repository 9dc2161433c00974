//! One look at a span, and one at a resource: the fields that the plan asks for.

use std::ops::Range;

use smallvec::SmallVec;

use super::compat_latency;
use super::conditions::Asked;
use super::keys::{Place, fingerprint};
use super::size::collector_len;
use super::value::{Parts, Value, key_and_value, read_value};
use super::{Facts, Plan};
use crate::trace_state;
use crate::wire::{Field, Fields, Malformed, Payload, otlp};

/// Scratch memory of the looks of one request.
pub(super) struct Look<'p, 'b> {
    plan: &'p Plan,
    found: Facts,                 // yes-or-no facts of the span looked at
    stamps: Vec<u32>,             // by key: the last message that had it; the first of equal keys counts
    stamp: u32,                   // of the message looked at
    values: SmallVec<[Noted; 4]>, // of the span looked at
    resource_values: SmallVec<[Noted; 4]>,
    others: SmallVec<[(u16, Value<'b>); 2]>, // values of keys that stood under their other name
    state: State,
    /// For `ottl_condition` policies.
    pub(super) asked: Asked<'b>,
}

/// A value of a field of a dynamic sampler: field, whether it is the root span's only, fingerprint.
type Noted = (u16, bool, u64);

/// The trace state read last; spans of a trace have the same.
#[derive(Default)]
struct State {
    text: Vec<u8>,
    facts: SmallVec<[u16; 4]>,
    has_ot: bool,
    randomness: Option<u64>,
}

/// What is known of a span beside the facts in scratch.
pub(super) struct Seen {
    pub(super) trace_id: [u8; 16],
    /// Encoded as the Collector would.
    pub(super) bytes: u64,
    start: u64,
    end: u64,
    root: bool,
    error: bool,
    has_state: bool,
}

/// Fields that the Collector writes even when they are empty, a bit each.
const ALWAYS_WRITTEN: u32 = 1 << otlp::SPAN_TRACE_ID
    | 1 << otlp::SPAN_SPAN_ID
    | 1 << otlp::SPAN_PARENT_SPAN_ID
    | 1 << otlp::SPAN_STATUS;

impl<'p, 'b> Look<'p, 'b> {
    pub(super) fn new(plan: &'p Plan, now_unix_nanos: u64) -> Self {
        Self {
            plan,
            found: Facts::default(),
            stamps: vec![0; plan.keys.len()],
            stamp: 0,
            values: SmallVec::new(),
            resource_values: SmallVec::new(),
            others: SmallVec::new(),
            state: State::default(),
            asked: Asked::new(now_unix_nanos),
        }
    }

    /// Looks at a resource; gives its yes-or-no facts and remembers the values of fields.
    pub(super) fn resource(&mut self, body: &'b [u8], parts: Parts) -> Result<Facts, Malformed> {
        self.clear();
        if !self.stamps.is_empty() {
            for field in parts.into_iter().flat_map(|part| Fields::within(body, part)) {
                let field = field?;
                if field.number == otlp::RESOURCE_ATTRIBUTES {
                    self.attribute(body, field.bytes()?, Place::Resource)?;
                }
            }
            self.judge_others(Place::Resource);
        }
        self.resource_values = std::mem::take(&mut self.values);
        Ok(std::mem::take(&mut self.found))
    }

    /// Looks at a span; what it finds is added to a portion by [`Look::add`].
    #[inline]
    pub(super) fn span(&mut self, body: &'b [u8], item: Range<usize>) -> Result<Seen, Malformed> {
        self.clear();
        let mut seen = Seen {
            trace_id: [0; 16],
            bytes: 0,
            start: 0,
            end: 0,
            root: true,
            error: false,
            has_state: false,
        };
        let (mut flags, mut status, mut state, mut written) = (0, 0, 0..0, 0u32);
        let mut fields = Fields::within(body, item.clone());
        while let Some(field) = fields.next() {
            let field = field?;
            written |= 1u32.checked_shl(field.number).unwrap_or(0);
            match field.number {
                otlp::SPAN_TRACE_ID => seen.trace_id = trace_id(body, &field)?,
                otlp::SPAN_TRACE_STATE => state = field.bytes()?,
                otlp::SPAN_PARENT_SPAN_ID => {
                    seen.root = body[field.bytes()?].iter().all(|byte| *byte == 0);
                }
                otlp::SPAN_START => seen.start = fixed64(&field)?,
                otlp::SPAN_END => seen.end = fixed64(&field)?,
                otlp::SPAN_ATTRIBUTES if !self.stamps.is_empty() => {
                    self.attribute(body, field.bytes()?, Place::Span)?;
                }
                otlp::SPAN_ATTRIBUTES => fields.skip_repeats(otlp::SPAN_ATTRIBUTES),
                otlp::SPAN_STATUS => read_status(body, field.bytes()?, &mut status)?,
                otlp::SPAN_FLAGS => flags = fixed32(&field)?,
                _ => {}
            }
        }
        self.judge_others(Place::Span);
        if !self.plan.conditions.is_empty() {
            self.asked.span(&self.plan.conditions, body, item.clone(), &mut self.found)?;
        }
        seen.bytes = match self.plan.schemas {
            Some(schemas) => collector_len(schemas.span, body, Parts::from_elem(item, 1), 0)?,
            None => item.len() as u64 + 2 * u64::from((ALWAYS_WRITTEN & !written).count_ones()),
        };
        seen.error = status == STATUS_ERROR;
        self.judge_span(flags, status);
        if !state.is_empty() && (self.plan.wants_ot || !self.plan.states.is_empty()) {
            seen.has_state = true;
            self.judge_state(&body[state]);
        }
        Ok(seen)
    }

    fn clear(&mut self) {
        self.stamp += 1;
        self.values.clear();
        self.found.bits = 0;
        if let Some(more) = &mut self.found.more {
            more.words.clear();
        }
    }

    fn judge_span(&mut self, flags: u32, status: i32) {
        if let Some(facts) = usize::try_from(status).ok().and_then(|code| self.plan.status.get(code)) {
            facts.iter().for_each(|fact| self.found.set(*fact));
        }
        if flags & 1 == 1 {
            self.plan.flags.iter().for_each(|fact| self.found.set(*fact));
        }
    }

    #[inline]
    fn attribute(&mut self, body: &'b [u8], range: Range<usize>, place: Place) -> Result<(), Malformed> {
        let (key, value) = key_and_value(body, range)?;
        let Some(index) = self.plan.keys.find(key) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.stamps[index], self.stamp) == self.stamp {
            return Ok(());
        }
        let value = read_value(body, value)?;
        if let Some(other) = self.plan.keys.at(index).other {
            self.others.push((other, value));
        }
        self.judge(index, place, value);
        Ok(())
    }

    #[inline]
    fn judge(&mut self, index: usize, place: Place, value: Value<'_>) {
        self.plan.keys.judge(index, place, value, &mut self.found);
        for (field, root_only) in &self.plan.keys.at(index).fields {
            self.values.push((*field, *root_only, fingerprint(value)));
        }
    }

    /// What stood under another name counts for a key that did not come itself.
    #[inline]
    fn judge_others(&mut self, place: Place) {
        while let Some((index, value)) = self.others.pop() {
            let index = usize::from(index);
            if self.stamps[index] != self.stamp {
                self.judge(index, place, value);
            }
        }
    }

    fn judge_state(&mut self, text: &[u8]) {
        if self.state.text != text {
            self.read_state(text);
        }
        self.state.facts.iter().for_each(|fact| self.found.set(*fact));
    }

    fn read_state(&mut self, text: &[u8]) {
        let state = &mut self.state;
        state.text.clear();
        state.text.extend_from_slice(text);
        state.facts.clear();
        (state.has_ot, state.randomness) = (false, None);
        if self.plan.wants_ot
            && let Ok(Some(ot)) = trace_state::read(text)
        {
            state.has_ot = ot.randomness.is_some() || ot.threshold.is_some();
            state.randomness = ot.randomness;
        }
        if self.plan.states.is_empty() {
            return;
        }
        let members = trace_state::strict(text).unwrap_or_default();
        for (wanted, values, fact) in &self.plan.states {
            let member = members.iter().find(|(key, _)| *key == wanted.as_bytes());
            if member.is_some_and(|(_, value)| values.iter().any(|known| known.as_bytes() == *value)) {
                state.facts.push(*fact);
            }
        }
    }

    /// Adds the span looked at last to the facts of its portion.
    #[inline]
    pub(super) fn add(&mut self, seen: &Seen, facts: &mut Facts) {
        let plan = self.plan;
        for conditions in &plan.conditions {
            conditions.mask(facts, &mut self.found);
        }
        facts.join_bits(&self.found);
        facts.has_root |= seen.root;
        facts.has_error |= seen.error;
        if seen.start != 0 {
            facts.start_min = facts.start_min.min(seen.start);
        }
        facts.end_max = facts.end_max.max(seen.end);
        if !plan.latencies.is_empty() {
            let more = facts.more_mut();
            more.times.push((seen.start, seen.end));
            let mut window = more.window;
            compat_latency::step(&mut window, (seen.start, seen.end), &plan.latencies, |fact| {
                facts.set(fact)
            });
            facts.more_mut().window = window;
        }
        if seen.has_state && self.state.has_ot {
            let more = facts.more_mut();
            more.has_ot = true;
            more.randomness = plan.earlier_or_least(more.randomness, self.state.randomness);
        }
        if plan.wants_values {
            self.add_values(seen.root, facts);
        }
    }

    fn add_values(&mut self, root: bool, facts: &mut Facts) {
        let own = &self.values;
        let inherited =
            self.resource_values.iter().filter(|(field, ..)| own.iter().all(|(known, ..)| known != field));
        for (field, root_only, fingerprint) in own.iter().chain(inherited) {
            if root || !root_only {
                facts.more_mut().note(*field, *fingerprint);
            }
        }
    }
}

const STATUS_ERROR: i32 = 2;

fn trace_id(body: &[u8], field: &Field) -> Result<[u8; 16], Malformed> {
    let bytes = &body[field.bytes()?];
    if bytes.is_empty() {
        return Ok([0; 16]);
    }
    let wrong = Malformed { at: field.whole.start, what: "a trace id has neither 16 bytes nor none" };
    bytes.try_into().map_err(|_| wrong)
}

fn read_status(body: &[u8], range: Range<usize>, code: &mut i32) -> Result<(), Malformed> {
    for field in Fields::within(body, range) {
        let field = field?;
        if field.number == otlp::STATUS_CODE {
            let Payload::Varint(value) = field.payload else {
                return Err(wrong_type(&field));
            };
            *code = value as i32;
        }
    }
    Ok(())
}

fn fixed64(field: &Field) -> Result<u64, Malformed> {
    match field.payload {
        Payload::Fixed64(value) => Ok(value),
        _ => Err(wrong_type(field)),
    }
}

fn fixed32(field: &Field) -> Result<u32, Malformed> {
    match field.payload {
        Payload::Fixed32(value) => Ok(value),
        _ => Err(wrong_type(field)),
    }
}

fn wrong_type(field: &Field) -> Malformed {
    Malformed { at: field.whole.start, what: "a field has the wrong wire type" }
}
