//! Seeded traces that are odd in every way a policy looks at, and requests in which their spans come mixed.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::pools::{DOUBLES, EDGES, FLAGS, KEYS, NUMBERS, STATES, TEXTS, URLS};

pub type TraceId = [u8; 16];

const SEED: u64 = 4;
const TRACES: usize = 500;
/// Spans of the longest.
const LONG: usize = 250;
/// Traces whose spans may stand in one request. They come and go together, so that a slow run splits none of them.
const AT_ONCE: usize = 24;
/// The common instant that times are near.
pub const NOW: u64 = 1_700_000_000_000_000_000;
/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;

/// What is sent, in this order: first everything, and after every verdict what is late.
pub struct Corpus {
    pub first: Vec<ExportTraceServiceRequest>,
    pub late: Vec<ExportTraceServiceRequest>,
}

impl Corpus {
    /// The same in every run.
    pub fn new() -> Self {
        let mut odd = Odd { rng: fastrand::Rng::with_seed(SEED), spans: 0 };
        let mut traces: Vec<_> = odd.ids().into_iter().map(|id| odd.theme(id)).collect();
        traces[TRACES / 2].spans = LONG;
        let first: Vec<_> = traces.chunks(AT_ONCE).flat_map(|group| odd.mixed(group)).collect();
        // Some come twice, as from a sender that did not hear the answer.
        let first = first
            .into_iter()
            .enumerate()
            .flat_map(|(n, one)| vec![one; 1 + usize::from(n % 40 == 7)])
            .collect();
        let mut strangers: Vec<_> = traces.iter().step_by(17).map(|theme| odd.stranger(theme.id)).collect();
        traces.retain(|theme| paired(&theme.id) || odd.rng.u8(..3) == 0);
        for theme in traces.iter_mut().chain(&mut strangers) {
            theme.spans = odd.rng.usize(1..3);
        }
        let late = traces.chunks(AT_ONCE).chain(strangers.chunks(AT_ONCE));
        let late = late.flat_map(|group| odd.mixed(group)).collect();
        Self { first, late }
    }
}

/// Trace ids in requests, each with the number of its spans.
pub fn traces(requests: &[ExportTraceServiceRequest]) -> BTreeMap<TraceId, usize> {
    let mut traces = BTreeMap::new();
    let resources = requests.iter().flat_map(|request| &request.resource_spans);
    for span in resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans) {
        *traces.entry(trace_id(span)).or_default() += 1;
    }
    traces
}

/// The id of a span's trace; no id is one of zeros.
pub fn trace_id(span: &Span) -> TraceId {
    span.trace_id.clone().try_into().unwrap_or_default()
}

/// One request of one trace.
pub fn request(resource_spans: Vec<ResourceSpans>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest { resource_spans }
}

/// What the spans of a trace are like.
struct Theme {
    id: TraceId,
    spans: usize,
    trace_state: &'static str,
    times: u8,
    errors: bool,
    attributes: u8, // of ten
    sampled: bool,
}

struct Odd {
    rng: fastrand::Rng,
    spans: u64,
}

/// Ids that come in pairs with equal low halves begin so.
const PAIRED: u8 = 0xa0;

fn paired(id: &TraceId) -> bool {
    id[0] & 0xf0 == PAIRED
}

impl Odd {
    /// Ids of zeros and ones, sequential ones, pairs with equal halves, edges of thresholds, and random ones.
    fn ids(&mut self) -> Vec<TraceId> {
        let mut ids = vec![[0; 16], [0xff; 16]];
        ids.extend((1..=20_u128).map(u128::to_be_bytes));
        // Never in one request: in which order a collector takes the traces of one is left to chance.
        let pairs: [_; AT_ONCE] = std::array::from_fn(|_| [self.rng.u64(..), self.rng.u64(..)]);
        for second in [0, 1] {
            ids.extend(pairs.map(|[high, low]| id(u64::from(PAIRED) << 56 | high >> 8 ^ second, low)));
        }
        for _ in 0..10 {
            let high = self.rng.u64(..) >> 1;
            ids.extend([id(high, self.rng.u64(..)), id(high, self.rng.u64(..))]);
        }
        for low in [0, 0x7f_ffff_ffff_ffff, 0x80_0000_0000_0000, 0xbf_ffff_ffff_ffff, 0xff_ffff_ffff_ffff] {
            ids.extend([id(1 << 40, low), id(1 << 41, 0xaa << 56 | low)]);
        }
        while ids.len() < TRACES {
            ids.push(id(self.rng.u64(..) >> 1, self.rng.u64(..)));
        }
        ids
    }

    fn theme(&mut self, id: TraceId) -> Theme {
        let spans = match self.rng.u8(..20) {
            0..7 => 1,
            7..14 => self.rng.usize(2..4),
            14..18 => self.rng.usize(4..9),
            _ => self.rng.usize(9..41),
        };
        let spans = if id == [0; 16] { 9 } else { spans };
        let trace_state = if self.rng.u8(..3) == 0 { *self.one(STATES) } else { "" };
        let (times, errors) = (self.rng.u8(..4), self.rng.u8(..4) == 0);
        Theme {
            id,
            spans,
            trace_state,
            times,
            errors,
            attributes: self.rng.u8(..8),
            sampled: self.rng.bool(),
        }
    }

    /// A trace that nobody has seen, with the low half of one that came.
    fn stranger(&mut self, known: TraceId) -> Theme {
        let mut id = known;
        id[..8].copy_from_slice(&(self.rng.u64(..) | 1 << 63).to_be_bytes());
        self.theme(id)
    }

    /// Requests with all spans of these traces.
    fn mixed(&mut self, traces: &[Theme]) -> Vec<ExportTraceServiceRequest> {
        let mut left: Vec<(&Theme, usize)> = traces.iter().map(|theme| (theme, theme.spans)).collect();
        let mut requests = Vec::new();
        while !left.is_empty() {
            let resources = self.rng.usize(1..4);
            requests.push(request((0..resources).map(|_| self.resource(&mut left)).collect()));
        }
        requests
    }

    fn resource(&mut self, left: &mut Vec<(&Theme, usize)>) -> ResourceSpans {
        let attributes = if self.rng.u8(..3) == 0 { self.attributes(4) } else { Vec::new() };
        let resource = Resource { attributes, ..Resource::default() };
        let scopes = self.rng.usize(0..4);
        ResourceSpans {
            resource: (self.rng.u8(..4) != 0).then_some(resource),
            scope_spans: (0..scopes).map(|_| self.scope(left)).collect(),
            schema_url: if self.rng.u8(..5) == 0 { "https://schema/resource".into() } else { String::new() },
        }
    }

    fn scope(&mut self, left: &mut Vec<(&Theme, usize)>) -> ScopeSpans {
        let attributes = if self.rng.u8(..6) == 0 { self.attributes(5) } else { Vec::new() };
        let scope = InstrumentationScope { name: "library".into(), attributes, ..Default::default() };
        let (mut spans, mut index) = (Vec::new(), 0);
        for _ in 0..self.rng.usize(0..7) {
            if left.is_empty() {
                break;
            }
            if spans.is_empty() || index >= left.len() || self.rng.bool() {
                index = self.rng.usize(..left.len());
            }
            spans.push(self.span(left[index].0));
            left[index].1 -= 1;
            if left[index].1 == 0 {
                left.swap_remove(index);
            }
        }
        ScopeSpans {
            scope: (self.rng.u8(..4) != 0).then_some(scope),
            spans,
            schema_url: if self.rng.u8(..5) == 0 { "https://schema/scope".into() } else { String::new() },
        }
    }

    fn span(&mut self, theme: &Theme) -> Span {
        self.spans += 1;
        let (start_time_unix_nano, end_time_unix_nano) = self.times(theme.times);
        let parent_span_id = match self.rng.u8(..10) {
            0..3 => Vec::new(),
            3 => vec![0; 8],
            _ => self.rng.u64(1..).to_be_bytes().to_vec(),
        };
        let code = match self.rng.u8(..12) {
            0..3 => 1,
            3 | 4 if theme.errors => 2,
            5 if theme.errors => 7,
            _ => 0,
        };
        let message = if self.rng.u8(..8) == 0 { "why".into() } else { String::new() };
        let trace_state = if self.rng.u8(..4) == 0 { "" } else { theme.trace_state };
        Span {
            trace_id: if theme.id == [0; 16] && self.rng.bool() { Vec::new() } else { theme.id.to_vec() },
            span_id: if self.spans.is_multiple_of(97) {
                Vec::new()
            } else {
                self.spans.to_be_bytes().to_vec()
            },
            parent_span_id,
            name: format!("operation {}", self.spans % 7),
            kind: self.rng.i32(0..7),
            start_time_unix_nano,
            end_time_unix_nano,
            attributes: self.attributes(theme.attributes),
            events: (0..self.rng.usize(0..8).saturating_sub(5)).map(|_| self.event()).collect(),
            links: (0..self.rng.usize(0..8).saturating_sub(6)).map(|_| self.link()).collect(),
            status: (self.rng.u8(..3) != 0).then_some(Status { code, message }),
            trace_state: if self.rng.u8(..30) == 0 { (*self.one(STATES)).into() } else { trace_state.into() },
            flags: if theme.sampled { *self.one(FLAGS) } else { 0x100 * self.rng.u32(..4) },
            ..Span::default()
        }
    }

    fn times(&mut self, style: u8) -> (u64, u64) {
        let edge = |rng: &mut fastrand::Rng| NOW + EDGES[rng.usize(..EDGES.len())];
        match style {
            0 => (NOW, NOW + self.rng.u64(..2 * MS)),
            1 => (NOW, edge(&mut self.rng)),
            2 => {
                let (one, other) = (edge(&mut self.rng), edge(&mut self.rng));
                (one.min(other), one.max(other))
            }
            _ => match self.rng.u8(..8) {
                0 => (0, edge(&mut self.rng)),
                1 => (edge(&mut self.rng), 0),
                2 => (0, 0),
                3 => (u64::MAX - self.rng.u64(..3), edge(&mut self.rng)),
                4 => (edge(&mut self.rng), *self.one(&[u64::MAX, 1 << 63, i64::MAX as u64, 1])),
                _ => (edge(&mut self.rng), edge(&mut self.rng)),
            },
        }
    }

    fn attributes(&mut self, tenths: u8) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        while self.rng.u8(..10) < tenths && attributes.len() < 6 {
            let key = *self.one(KEYS);
            let value = self.fitting(key);
            attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
        }
        attributes
    }

    /// A value of the type that policies expect under this key, mostly.
    fn fitting(&mut self, key: &str) -> Option<AnyValue> {
        let value = match (key, self.rng.u8(..10)) {
            ("k" | "a", 0..4) => Value::StringValue((*self.one(&TEXTS[..4])).into()),
            ("n", 0..6) => Value::IntValue(*self.one(NUMBERS)),
            ("b", 0..6) => Value::BoolValue(self.rng.bool()),
            ("http.url", 0..8) => Value::StringValue((*self.one(URLS)).into()),
            ("k" | "a" | "K", 0..7) => Value::StringValue((*self.one(TEXTS)).into()),
            _ => return self.any(0),
        };
        Some(AnyValue { value: Some(value) })
    }

    fn any(&mut self, depth: u8) -> Option<AnyValue> {
        let value = match self.rng.u8(..9) {
            0 => return None,
            1 => return Some(AnyValue::default()),
            2 => Value::StringValue((*self.one(TEXTS)).into()),
            3 => Value::BoolValue(self.rng.bool()),
            4 => Value::IntValue(*self.one(NUMBERS)),
            5 => Value::DoubleValue(*self.one(DOUBLES)),
            6 if depth < 3 => {
                let values =
                    (0..self.rng.usize(..3)).map(|_| self.any(depth + 1).unwrap_or_default()).collect();
                Value::ArrayValue(ArrayValue { values })
            }
            7 if depth < 3 => {
                let pair = |odd: &mut Self| KeyValue {
                    key: (*odd.one(KEYS)).into(),
                    value: odd.any(depth + 1),
                    ..KeyValue::default()
                };
                let values = (0..self.rng.usize(..3)).map(|_| pair(self)).collect();
                Value::KvlistValue(KeyValueList { values })
            }
            _ => Value::BytesValue(self.one(TEXTS).as_bytes().to_vec()),
        };
        Some(AnyValue { value: Some(value) })
    }

    fn event(&mut self) -> Event {
        let name = (*self.one(&["a", "boom", ""])).into();
        Event { time_unix_nano: NOW, name, attributes: self.attributes(5), ..Event::default() }
    }

    fn link(&mut self) -> Link {
        let trace_id = self.rng.u128(..).to_be_bytes().to_vec();
        Link { trace_id, span_id: vec![1; 8], attributes: self.attributes(5), ..Link::default() }
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.usize(..of.len())]
    }
}

fn id(high: u64, low: u64) -> TraceId {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}
