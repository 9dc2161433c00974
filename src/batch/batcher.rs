//! What has gathered, and when it leaves: a state machine without clock, runtime or socket.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::config::Config;
use super::divide::{Room, divide};
use super::part::Part;
use crate::outcome::Signal;
use crate::split::Splitter;

/// When batches leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A batch of so many items leaves at once.
    pub send_items: u64,
    /// A batch of so many bytes leaves at once.
    pub send_bytes: u64,
    /// No batch has more items; larger requests are divided.
    pub max_items: u64,
    /// No batch has more bytes, but for a single item that has.
    pub max_bytes: u64,
    /// An incomplete batch leaves when its oldest part has waited so long.
    pub timeout: Duration,
    /// Distinct keys known at most; more are refused.
    pub keys: usize,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        let unless_zero = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        Self {
            send_items: if config.timeout.is_zero() { 0 } else { config.send_batch_size },
            send_bytes: u64::MAX,
            max_items: unless_zero(config.send_batch_max_size),
            max_bytes: unless_zero(config.max_bytes),
            timeout: config.timeout,
            keys: usize::try_from(unless_zero(config.metadata_cardinality_limit)).unwrap_or(usize::MAX),
        }
    }
}

/// Why a batch leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is full.
    Size,
    /// It has waited long enough.
    Timeout,
    /// The end is near.
    End,
}

/// What leaves together.
#[derive(Debug)]
pub struct Batch<K, T> {
    /// What its requests have in common.
    pub key: K,
    /// The requests, or pieces of them, in order of arrival.
    pub parts: Vec<Part<T>>,
    /// Items in all parts.
    pub items: u64,
    /// Why now.
    pub why: Why,
}

/// A request of a key that is one too many comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyKeys<T>(pub Part<T>);

/// Gathers requests of one signal, by key.
#[derive(Debug)]
pub struct Batcher<K, T> {
    signal: Signal,
    limits: Limits,
    groups: BTreeMap<K, Group<T>>,
    next: Option<Instant>, // not later than the first deadline of a group
    outputs: VecDeque<Batch<K, T>>,
    splitter: Splitter,
}

#[derive(Debug)]
struct Group<T> {
    parts: Vec<Part<T>>,
    items: u64,
    bytes: u64,
    deadline: Option<Instant>, // of the oldest part
}

impl<K: Ord + Clone, T: Clone> Batcher<K, T> {
    /// Nothing yet.
    pub fn new(signal: Signal, limits: Limits) -> Self {
        Self {
            signal,
            limits,
            groups: BTreeMap::new(),
            next: None,
            outputs: VecDeque::new(),
            splitter: Splitter::default(),
        }
    }

    /// Whether a request of this key would be taken.
    pub fn takes(&self, key: &K) -> bool {
        self.groups.contains_key(key) || self.groups.len() < self.limits.keys
    }

    /// Takes a request.
    pub fn accept(&mut self, key: K, part: Part<T>, now: Instant) -> Result<(), TooManyKeys<T>> {
        if !self.takes(&key) {
            return Err(TooManyKeys(part));
        }
        let limits = self.limits;
        let used = self.groups.get(&key).map_or((0, 0), |group| (group.items, group.bytes));
        // Where batches are measured in bytes they are filled up; otherwise bytes only guard a limit.
        let fills = limits.send_bytes != u64::MAX;
        let room = Room {
            items: limits.max_items.saturating_sub(used.0),
            bytes: limits.max_bytes.saturating_sub(if fills { used.1 } else { 0 }),
        };
        if part.items <= room.items && part.body.len() as u64 <= room.bytes {
            self.add(&key, part, now);
            return Ok(());
        }
        let max = Room { items: limits.max_items, bytes: limits.max_bytes };
        let Part { body, items, owner } = part;
        let pieces = divide(&mut self.splitter, self.signal, &body, items, room, max);
        for (body, items) in pieces {
            self.add(&key, Part { body, items, owner: owner.clone() }, now);
        }
        Ok(())
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_none_or(|at| at > now) {
            return;
        }
        self.leave(Why::Timeout, |group| group.deadline.is_some_and(|at| at <= now));
    }

    /// Everything leaves: the end is near.
    pub fn flush(&mut self) {
        self.leave(Why::End, |_| true);
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The next batch.
    pub fn poll_output(&mut self) -> Option<Batch<K, T>> {
        self.outputs.pop_front()
    }

    /// Distinct keys known.
    pub fn keys(&self) -> usize {
        self.groups.len()
    }

    /// Adds a part that fits into a batch of its own, after what it does not fit in with has left.
    fn add(&mut self, key: &K, part: Part<T>, now: Instant) {
        let limits = self.limits;
        let group = self.groups.entry(key.clone()).or_default();
        let bytes = part.body.len() as u64;
        let over = group.items + part.items > limits.max_items || group.bytes + bytes > limits.max_bytes;
        if over && !group.parts.is_empty() {
            let batch = group.take(key.clone(), Why::Size);
            self.outputs.push_back(batch);
        }
        group.items += part.items;
        group.bytes += bytes;
        group.parts.push(part);
        let deadline = *group.deadline.get_or_insert_with(|| now + limits.timeout);
        if group.items >= limits.send_items.min(limits.max_items) || group.bytes >= limits.send_bytes {
            let batch = group.take(key.clone(), Why::Size);
            self.outputs.push_back(batch);
            self.forget_empty();
        } else {
            self.next = Some(self.next.map_or(deadline, |at| at.min(deadline)));
        }
    }

    fn leave(&mut self, why: Why, due: impl Fn(&Group<T>) -> bool) {
        self.next = None;
        for (key, group) in &mut self.groups {
            if group.parts.is_empty() {
                continue;
            }
            if due(group) {
                self.outputs.push_back(group.take(key.clone(), why));
            } else {
                self.next = [self.next, group.deadline].into_iter().flatten().min();
            }
        }
        self.forget_empty();
    }

    /// Keys without a limit are known only while something waits under them.
    fn forget_empty(&mut self) {
        if self.limits.keys == usize::MAX {
            self.groups.retain(|_, group| !group.parts.is_empty());
        }
    }
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { parts: Vec::new(), items: 0, bytes: 0, deadline: None }
    }
}

impl<T> Group<T> {
    fn take<K>(&mut self, key: K, why: Why) -> Batch<K, T> {
        let Self { parts, items, .. } = std::mem::take(self);
        Batch { key, parts, items, why }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
    };
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::batch::joined;

    /// One request of `spans` spans whose names are numbers from `first`, under `scopes` scopes.
    fn request(first: u64, spans: u64, scopes: u64, owner: usize) -> Part<usize> {
        let named = |n: u64| Span { name: n.to_string(), ..Span::default() };
        let scope = |scope: u64| {
            let mine = (first..first + spans).filter(|n| n % scopes == scope).map(named).collect();
            ScopeSpans { spans: mine, schema_url: format!("scope {scope}"), ..ScopeSpans::default() }
        };
        let resource = ResourceSpans {
            scope_spans: (0..scopes).map(scope).filter(|scope| !scope.spans.is_empty()).collect(),
            schema_url: "a resource".into(),
            ..ResourceSpans::default()
        };
        let body = Traces { resource_spans: vec![resource] }.encode_to_vec();
        Part { body: Bytes::from(body), items: spans, owner }
    }

    fn names(body: &[u8]) -> Vec<u64> {
        let traces = Traces::decode(body).unwrap();
        let scopes = traces.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(|span| span.name.parse().unwrap()).collect()
    }

    fn limits() -> Limits {
        Limits {
            send_items: 8,
            send_bytes: u64::MAX,
            max_items: 10,
            max_bytes: u64::MAX,
            timeout: Duration::from_millis(200),
            keys: 3,
        }
    }

    fn batcher(limits: Limits) -> Batcher<u8, usize> {
        Batcher::new(Signal::Traces, limits)
    }

    fn outputs(batcher: &mut Batcher<u8, usize>) -> Vec<Batch<u8, usize>> {
        std::iter::from_fn(|| batcher.poll_output()).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Accept { key: u8, spans: u64, scopes: u64 },
        Wait(u64), // milliseconds
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let accept =
            (0..4u8, 1..40u64, 1..4u64).prop_map(|(key, spans, scopes)| Step::Accept { key, spans, scopes });
        proptest::collection::vec(prop_oneof![3 => accept, 1 => (1..150u64).prop_map(Step::Wait)], 1..40)
    }

    fn any_limits() -> impl Strategy<Value = Limits> {
        let none = Just(u64::MAX);
        let items = prop_oneof![1..20u64, none];
        let bytes = prop_oneof![60..400u64, none];
        let send = prop_oneof![(0..20u64, none), (Just(u64::MAX), 60..400u64)];
        (send, items, bytes, 0..300u64).prop_map(|((send, send_bytes), max, bytes, timeout)| Limits {
            send_items: send,
            send_bytes,
            max_items: max,
            max_bytes: bytes,
            timeout: Duration::from_millis(timeout),
            ..limits()
        })
    }

    proptest! {
        /// What goes in comes out: once, of its own request, under its key; no batch is larger than allowed; nothing
        /// waits longer than the timeout; nothing full waits at all.
        #[test]
        fn nothing_is_lost_doubled_oversized_or_late(limits in any_limits(), steps in steps()) {
            let mut batcher = batcher(limits);
            let start = Instant::now();
            let mut now = start;
            let (mut next_name, mut owners) = (0, Vec::new());
            let mut came: BTreeMap<u64, (Instant, u8, usize)> = BTreeMap::new();
            let check = |batcher: &mut Batcher<u8, usize>, now: Instant, came: &mut BTreeMap<u64, (Instant, u8, usize)>| {
                for batch in outputs(batcher) {
                    let items: u64 = batch.parts.iter().map(|part| part.items).sum();
                    let joined = joined(&batch.parts);
                    prop_assert_eq!(items, batch.items);
                    prop_assert_eq!(names(&joined).len() as u64, items);
                    prop_assert!(items <= limits.max_items);
                    prop_assert!(joined.len() as u64 <= limits.max_bytes || items == 1);
                    for part in &batch.parts {
                        for name in names(&part.body) {
                            let (at, key, owner) = came.remove(&name).expect("out once");
                            prop_assert_eq!((key, owner), (batch.key, part.owner));
                            prop_assert!(now - at <= limits.timeout);
                        }
                    }
                }
                Ok(())
            };
            for step in steps {
                match step {
                    Step::Accept { key, spans, scopes } => {
                        let owner = owners.len();
                        let part = request(next_name, spans, scopes, owner);
                        let known = batcher.takes(&key);
                        prop_assert_eq!(batcher.accept(key, part, now).is_ok(), known);
                        if known {
                            came.extend((next_name..next_name + spans).map(|name| (name, (now, key, owner))));
                        }
                        next_name += spans;
                        owners.push(key);
                        check(&mut batcher, now, &mut came)?;
                        let mut waiting: BTreeMap<u8, u64> = BTreeMap::new();
                        came.values().for_each(|(_, key, _)| *waiting.entry(*key).or_default() += 1);
                        prop_assert!(waiting.values().all(|items| *items < limits.send_items.max(1)));
                    }
                    Step::Wait(ms) => {
                        let until = now + Duration::from_millis(ms);
                        while let Some(at) = batcher.poll_timeout().filter(|at| *at <= until) {
                            now = now.max(at);
                            batcher.handle_timeout(now);
                            check(&mut batcher, now, &mut came)?;
                        }
                        now = until;
                    }
                }
            }
            batcher.flush();
            check(&mut batcher, now, &mut came)?;
            prop_assert!(came.is_empty(), "left behind: {:?}", came);
            prop_assert!(batcher.poll_timeout().is_none());
        }
    }

    #[test]
    fn a_large_request_fills_the_batch_that_waits_and_is_divided() {
        let mut batcher = batcher(limits());
        let now = Instant::now();
        batcher.accept(0, request(0, 5, 1, 0), now).unwrap();
        batcher.accept(0, request(5, 22, 2, 1), now).unwrap();
        let sizes: Vec<_> = outputs(&mut batcher).iter().map(|batch| (batch.items, batch.why)).collect();
        assert_eq!(sizes, [(10, Why::Size), (10, Why::Size)]);
        assert_eq!(batcher.poll_timeout(), Some(now + Duration::from_millis(200)), "seven wait");
    }

    #[test]
    fn whole_requests_are_not_copied() {
        let mut batcher = batcher(Limits { send_items: 0, ..limits() });
        let part = request(0, 4, 2, 0);
        batcher.accept(0, part.clone(), Instant::now()).unwrap();
        let batch = batcher.poll_output().unwrap();
        assert_eq!(joined(&batch.parts).as_ptr(), part.body.as_ptr());
    }

    #[test]
    fn a_batch_leaves_before_it_would_get_too_many_bytes() {
        let one = request(0, 4, 1, 0).body.len() as u64;
        let mut batcher =
            batcher(Limits { send_items: 1000, max_items: 1000, max_bytes: one * 2, ..limits() });
        for n in 0..5 {
            batcher.accept(0, request(0, 4, 1, n), Instant::now()).unwrap();
        }
        assert_eq!(outputs(&mut batcher).iter().map(|batch| batch.parts.len()).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_new_timer_runs_after_a_full_batch() {
        let mut batcher = batcher(limits());
        let start = Instant::now();
        batcher.accept(0, request(0, 2, 1, 0), start).unwrap();
        let later = start + Duration::from_millis(150);
        batcher.accept(0, request(2, 10, 1, 1), later).unwrap();
        assert_eq!(outputs(&mut batcher).len(), 1);
        batcher.handle_timeout(start + Duration::from_millis(200));
        assert!(batcher.poll_output().is_none(), "the two that are left came later");
        batcher.handle_timeout(later + Duration::from_millis(200));
        assert_eq!(batcher.poll_output().map(|batch| (batch.items, batch.why)), Some((2, Why::Timeout)));
    }

    #[test]
    fn one_key_too_many_goes_back_and_known_keys_stay_known() {
        let mut batcher = batcher(limits());
        let now = Instant::now();
        for key in 0..3 {
            batcher.accept(key, request(0, 1, 1, 0), now).unwrap();
        }
        let refused = batcher.accept(9, request(0, 1, 1, 7), now).unwrap_err();
        assert_eq!(refused.0.owner, 7);
        batcher.flush();
        assert!(!batcher.takes(&9) && batcher.takes(&0));
        assert_eq!(batcher.keys(), 3);
    }

    #[test]
    fn without_a_limit_keys_are_forgotten_with_their_batch() {
        let mut batcher = batcher(Limits { keys: usize::MAX, ..limits() });
        for key in 0..200 {
            batcher.accept(key, request(0, 9, 1, 0), Instant::now()).unwrap();
        }
        assert_eq!(batcher.keys(), 0);
    }

    #[test]
    fn requests_that_cannot_be_divided_leave_whole() {
        let mut batcher = batcher(limits());
        let body = Bytes::from_static(&[0x0a, 0xff]);
        batcher.accept(0, Part { body: body.clone(), items: 50, owner: 0 }, Instant::now()).unwrap();
        assert_eq!(batcher.poll_output().unwrap().parts[0].body, body);
    }

    #[test]
    fn more_pieces_than_a_split_can_name_are_divided_again() {
        let mut batcher = batcher(Limits { send_items: 1, max_items: 1, ..limits() });
        batcher.accept(0, request(0, 70_000, 1, 0), Instant::now()).unwrap();
        let mut left = 0;
        while let Some(batch) = batcher.poll_output() {
            assert_eq!((batch.items, names(&batch.parts[0].body)), (1, vec![left]));
            left += 1;
        }
        assert_eq!(left, 70_000);
    }

    #[test]
    fn metrics_are_counted_in_points_and_divided_between_metrics() {
        let metric = |points: usize| Metric {
            data: Some(metric::Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default(); points] })),
            ..Metric::default()
        };
        let scope = ScopeMetrics {
            metrics: vec![metric(6), metric(6), metric(15), metric(3)],
            ..ScopeMetrics::default()
        };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let body = Bytes::from(Metrics { resource_metrics: vec![resource] }.encode_to_vec());
        let mut batcher = Batcher::new(Signal::Metrics, limits());
        batcher.accept(0, Part { body, items: 30, owner: 0 }, Instant::now()).unwrap();
        batcher.flush();
        let sizes: Vec<_> = std::iter::from_fn(|| batcher.poll_output()).map(|batch| batch.items).collect();
        assert_eq!(sizes, [6, 6, 15, 3], "a metric with more points than allowed leaves alone");
    }
}
