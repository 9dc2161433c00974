//! Our own metrics as an OTLP request, for readers that push them.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use super::config::Resource;
use super::families::{Family, Kind, Labels, Number, Point};
use super::instruments::HistogramSnapshot;
use super::metrics::{SCRAPE_ERRORS, TARGET_INFO};
use super::names::{Typed, attribute, scope_version};
use crate::wire::json::proto::{close, open, put_bytes_field, put_fixed64_field, put_varint_field};

/// What counts since when: `temporality_preference`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// Since the process began.
    #[default]
    Cumulative,
    /// Since the last push that arrived.
    Delta,
    /// The same, but for what is asked for when it is read.
    LowMemory,
}

/// The semantic conventions that the names of the resource follow, as in the Collector.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.40.0";
/// `AGGREGATION_TEMPORALITY_DELTA` and `_CUMULATIVE`.
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// Writes requests, one after the other, and knows what the last one that arrived said.
pub struct Pushes {
    temporality: Temporality,
    started: u64, // unix time, ns
    since: u64,   // of deltas
    arrived: HashMap<Key, Number>,
}

/// A request with all series of a moment.
pub struct Push {
    /// The encoded request.
    pub body: Vec<u8>,
    /// Data points in it.
    pub points: u64,
    at: u64,
    said: HashMap<Key, Number>,
}

type Key = (String, Labels);

impl Pushes {
    /// Counts begin at `started`.
    pub fn new(temporality: Temporality, started: SystemTime) -> Self {
        let started = nanos(started);
        Self { temporality, started, since: started, arrived: HashMap::new() }
    }

    /// What is to be pushed at `now`.
    pub fn write(&self, families: &[Family], resource: &Resource, now: SystemTime) -> Push {
        let mut push = Push { body: Vec::new(), points: 0, at: nanos(now), said: HashMap::new() };
        let mut scopes: BTreeMap<&str, Vec<&Family>> = BTreeMap::new();
        for family in families {
            if !matches!(family.name.as_str(), TARGET_INFO | SCRAPE_ERRORS) {
                scopes.entry(family.about.scope).or_default().push(family);
            }
        }
        let mut body = Vec::new();
        let whole = open(&mut body, 1);
        let attributes = open(&mut body, 1);
        for (name, value) in resource {
            put_attribute(&mut body, 1, name, &Typed::Text(value));
        }
        close(&mut body, attributes);
        for (scope, families) in scopes {
            let one = open(&mut body, 2);
            let named = open(&mut body, 1);
            put_bytes_field(&mut body, 1, scope.as_bytes());
            put_bytes_field(&mut body, 2, scope_version(scope).as_bytes());
            close(&mut body, named);
            for family in families {
                self.put_metric(&mut body, family, &mut push);
            }
            close(&mut body, one);
        }
        put_bytes_field(&mut body, 3, SCHEMA_URL.as_bytes());
        close(&mut body, whole);
        push.body = body;
        push
    }

    /// The request has arrived: the next delta begins where it ended. What did not arrive is in the next one.
    pub fn arrived(&mut self, push: Push) {
        if self.temporality != Temporality::Cumulative {
            (self.since, self.arrived) = (push.at, push.said);
        }
    }

    fn put_metric(&self, out: &mut Vec<u8>, family: &Family, push: &mut Push) {
        let described = family.about;
        let metric = open(out, 2);
        put_bytes_field(out, 1, family.name.as_bytes());
        put_bytes_field(out, 2, family.help.as_bytes());
        put_bytes_field(out, 3, described.unit.as_bytes());
        let (field, sum) = match family.kind {
            Kind::Counter => (7, true),
            Kind::Gauge if described.adds_up => (7, true),
            Kind::Gauge => (5, false),
            Kind::Histogram => (9, false),
        };
        let data = open(out, field);
        let changes = family.kind != Kind::Gauge
            && match self.temporality {
                Temporality::Cumulative => false,
                Temporality::Delta => true,
                Temporality::LowMemory => !described.observed,
            };
        for point in &family.points {
            let value =
                if changes { self.since_last(&family.name, point, push) } else { point.value.clone() };
            let since = if changes { self.since } else { self.started };
            put_point(out, &point.labels, &value, [since, push.at], described.unit);
            push.points += 1;
        }
        if sum || family.kind == Kind::Histogram {
            put_varint_field(out, 2, if changes { DELTA } else { CUMULATIVE });
        }
        if sum {
            put_varint_field(out, 3, u64::from(family.kind == Kind::Counter));
        }
        close(out, data);
        close(out, metric);
    }

    /// What has come to a series since the last push that arrived.
    fn since_last(&self, name: &str, point: &Point, push: &mut Push) -> Number {
        let key = (name.to_owned(), point.labels.clone());
        let change = match (&point.value, self.arrived.get(&key)) {
            (Number::Int(now), Some(Number::Int(before))) if now >= before => Number::Int(now - before),
            (Number::Float(now), Some(Number::Float(before))) if now >= before => Number::Float(now - before),
            (Number::Histogram(now), Some(Number::Histogram(before))) if now.count >= before.count => {
                Number::Histogram(less(now, before))
            }
            (now, _) => now.clone(), // it is new, or began anew
        };
        push.said.insert(key, point.value.clone());
        change
    }
}

fn put_point(out: &mut Vec<u8>, labels: &Labels, value: &Number, [since, at]: [u64; 2], unit: &str) {
    let data = open(out, 1);
    let attributes = if matches!(value, Number::Histogram(_)) { 9 } else { 7 };
    for (label, value) in labels {
        let (name, typed) = attribute(label, value);
        put_attribute(out, attributes, name, &typed);
    }
    put_fixed64_field(out, 2, since);
    put_fixed64_field(out, 3, at);
    match value {
        Number::Int(value) => put_fixed64_field(out, 6, *value as u64),
        // What is computed comes as a fraction, but bytes are whole.
        Number::Float(value) if unit == "By" => put_fixed64_field(out, 6, *value as i64 as u64),
        Number::Float(value) => put_fixed64_field(out, 4, value.to_bits()),
        Number::Histogram(seen) => put_histogram(out, seen),
    }
    close(out, data);
}

fn put_histogram(out: &mut Vec<u8>, seen: &HistogramSnapshot) {
    put_fixed64_field(out, 4, seen.count);
    put_fixed64_field(out, 5, seen.sum.to_bits());
    let mut below = 0;
    let counts = seen.cumulative.iter().map(|(_, count)| *count).chain([seen.count]).map(|count| {
        let own = count.saturating_sub(below);
        below = count;
        own.to_le_bytes()
    });
    put_bytes_field(out, 6, &counts.flatten().collect::<Vec<u8>>());
    let bounds = seen.cumulative.iter().flat_map(|(bound, _)| bound.to_le_bytes());
    put_bytes_field(out, 7, &bounds.collect::<Vec<u8>>());
}

fn put_attribute(out: &mut Vec<u8>, number: u32, name: &str, value: &Typed<'_>) {
    let attribute = open(out, number);
    put_bytes_field(out, 1, name.as_bytes());
    let any = open(out, 2);
    match value {
        Typed::Text(text) => put_bytes_field(out, 1, text.as_bytes()),
        Typed::Bool(truth) => put_varint_field(out, 2, u64::from(*truth)),
        Typed::Int(number) => put_varint_field(out, 3, *number as u64),
    }
    close(out, any);
    close(out, attribute);
}

fn less(now: &HistogramSnapshot, before: &HistogramSnapshot) -> HistogramSnapshot {
    let buckets = now.cumulative.iter().zip(&before.cumulative);
    HistogramSnapshot {
        cumulative: buckets
            .map(|((bound, now), (_, before))| (*bound, now.saturating_sub(*before)))
            .collect(),
        count: now.count - before.count,
        sum: now.sum - before.sum,
    }
}

fn nanos(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{Metric, number_data_point::Value};
    use prost::Message;

    use super::super::metrics::Registry;
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn decoded(push: &Push) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest::decode(push.body.as_slice()).unwrap()
    }

    fn metric(push: &Push, name: &str) -> (String, Metric) {
        let request = decoded(push);
        let scopes = request.resource_metrics.into_iter().flat_map(|one| one.scope_metrics);
        for scope in scopes {
            if let Some(found) = scope.metrics.into_iter().find(|metric| metric.name == name) {
                return (scope.scope.unwrap_or_default().name, found);
            }
        }
        panic!("no {name}");
    }

    #[test]
    fn a_request_says_what_the_collectors_own_says() {
        let registry = Registry::new();
        registry.set_resource(vec![("service.name".into(), "x".into())]);
        registry.counter("otelcol_exporter_sent_spans", "Sent", &[("server_port", "4317")]).add(7);
        registry.gauge("otelcol_exporter_in_flight_requests", "Flying", &[]).set(-1);
        registry.gauge("otelcol_exporter_queue_size", "Waiting", &[]).set(3);
        registry.computed_counter("otelcol_process_uptime", "Up", &[], || Some(1.5));
        let push = Pushes::new(Temporality::Cumulative, at(10));
        let push = push.write(&registry.collect(), &registry.resource(), at(12));
        let request = decoded(&push);
        let resource = request.resource_metrics[0].resource.clone().unwrap();
        assert_eq!((resource.attributes.len(), resource.attributes[0].key.as_str()), (1, "service.name"));
        let (scope, sent) = metric(&push, "otelcol_exporter_sent_spans");
        assert_eq!(scope, "go.opentelemetry.io/collector/exporter/exporterhelper");
        assert_eq!((sent.unit.as_str(), sent.description.as_str()), ("{span}", "Sent"));
        let Some(Data::Sum(sum)) = sent.data else { panic!("a sum") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        let point = &sum.data_points[0];
        assert_eq!(point.value, Some(Value::AsInt(7)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (10_000_000_000, 12_000_000_000));
        assert_eq!(point.attributes[0].key, "server.port");
        let Some(Data::Sum(flying)) = metric(&push, "otelcol_exporter_in_flight_requests").1.data else {
            panic!("a sum")
        };
        assert!(!flying.is_monotonic && flying.data_points[0].value == Some(Value::AsInt(-1)));
        assert!(matches!(metric(&push, "otelcol_exporter_queue_size").1.data, Some(Data::Gauge(_))));
        let Some(Data::Sum(up)) = metric(&push, "otelcol_process_uptime").1.data else { panic!("a sum") };
        assert_eq!(up.data_points[0].value, Some(Value::AsDouble(1.5)));
        let names: Vec<String> = request.resource_metrics[0]
            .scope_metrics
            .iter()
            .flat_map(|scope| scope.metrics.iter().map(|metric| metric.name.clone()))
            .collect();
        assert!(!names.iter().any(|name| name == TARGET_INFO || name == SCRAPE_ERRORS), "{names:?}");
        assert_eq!(push.points, names.len() as u64);
    }

    #[test]
    fn buckets_of_a_histogram_do_not_add_up() {
        let registry = Registry::new();
        let histogram = registry.histogram("h", "H", &[], &[1.0, 5.0]);
        [0.5, 2.0, 3.0, 9.0].iter().for_each(|value| histogram.observe(*value));
        let push = Pushes::new(Temporality::Cumulative, at(0));
        let push = push.write(&registry.collect(), &Vec::new(), at(1));
        let Some(Data::Histogram(seen)) = metric(&push, "h").1.data else { panic!("a histogram") };
        let point = &seen.data_points[0];
        assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[1, 2, 1][..], &[1.0, 5.0][..]));
        assert_eq!((point.count, point.sum), (4, Some(14.5)));
    }

    #[test]
    fn what_is_asked_for_when_it_is_read_stays_cumulative_under_lowmemory() {
        let registry = Registry::new();
        registry.counter("c", "C", &[]).inc();
        registry.computed_counter("otelcol_process_uptime", "Up", &[], || Some(1.5));
        for (temporality, expected) in [(Temporality::LowMemory, [1, 2]), (Temporality::Delta, [1, 1])] {
            let push = Pushes::new(temporality, at(0)).write(&registry.collect(), &Vec::new(), at(1));
            let found = ["c", "otelcol_process_uptime"].map(|name| match metric(&push, name).1.data {
                Some(Data::Sum(sum)) => sum.aggregation_temporality,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_delta_that_did_not_arrive_is_in_the_next_one() {
        let registry = Registry::new();
        let counter = registry.counter("c", "C", &[]);
        let histogram = registry.histogram("h", "H", &[], &[1.0]);
        let mut pushes = Pushes::new(Temporality::Delta, at(10));
        let write = |pushes: &Pushes, second| pushes.write(&registry.collect(), &Vec::new(), at(second));
        let seen = |push: &Push| {
            let Some(Data::Sum(sum)) = metric(push, "c").1.data else { panic!("a sum") };
            let Some(Data::Histogram(histogram)) = metric(push, "h").1.data else { panic!("a histogram") };
            assert_eq!((sum.aggregation_temporality, histogram.aggregation_temporality), (1, 1));
            let Some(Value::AsInt(count)) = sum.data_points[0].value else { panic!("whole") };
            let since = sum.data_points[0].start_time_unix_nano / 1_000_000_000;
            (count, histogram.data_points[0].count, since)
        };
        counter.add(2);
        histogram.observe(0.5);
        let first = write(&pushes, 11);
        assert_eq!(seen(&first), (2, 1, 10));
        pushes.arrived(first);
        counter.add(3);
        assert_eq!(seen(&write(&pushes, 12)), (3, 0, 11));
        counter.add(1);
        histogram.observe(3.0);
        assert_eq!(seen(&write(&pushes, 13)), (4, 1, 11));
    }
}
