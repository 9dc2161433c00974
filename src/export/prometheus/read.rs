//! OTLP metrics from their encoded bytes, field by field: one metric at a time, one point at a time.

use std::borrow::Cow;

use super::any;
use super::point::{Buckets, Exemplar, Exponential, Histogram, Point, Summary, Value};
use crate::wire::json::each_packed;
use crate::wire::json::proto::{Fields, Malformed, Raw, unzigzag};
use crate::wire::json::schema::{Int, Kind};
use crate::wire::otlp;

/// Key and value of an attribute, as text.
pub(super) type Pairs = Vec<(String, String)>;

/// What a metric says of all its points.
#[derive(Clone, Debug)]
pub(super) struct Metric<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) description: Cow<'a, str>,
    pub(super) unit: Cow<'a, str>,
    pub(super) shape: Shape,
    pub(super) temporality: Temporality,
    pub(super) monotonic: bool,
    points: Vec<&'a [u8]>,
}

/// The kinds of metric data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// What the points of a metric count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporality {
    Unspecified,
    /// Since the last point.
    Delta,
    /// Since the start.
    Cumulative,
}

/// The resource of some metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    /// Which of the request's.
    pub(super) place: usize,
    pub(super) attributes: Pairs,
}

/// The scope of some metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) schema_url: String,
    pub(super) attributes: Pairs,
}

/// Calls `take` with each metric of a request that can be read. What cannot be read ends the message it stands in.
pub(super) fn metrics(request: &[u8], mut take: impl FnMut(&Resource, &Scope, &Metric<'_>)) {
    for (place, entry) in messages(request, [otlp::REQUEST_RESOURCES]).enumerate() {
        let mut resource = Resource { place, ..Resource::default() };
        for message in messages(entry, [otlp::ENTRY_RESOURCE]) {
            resource.attributes.extend(attributes(message, otlp::RESOURCE_ATTRIBUTES));
        }
        // The older field counts only where today's is missing, as on arrival.
        let today = messages(entry, [otlp::ENTRY_SCOPES]).next().is_some();
        let scopes = if today { otlp::ENTRY_SCOPES } else { otlp::ENTRY_SCOPES_DEPRECATED };
        for scoped in messages(entry, [scopes]) {
            let scope = scope(scoped);
            for message in messages(scoped, [otlp::SCOPE_ITEMS]) {
                if let Some(metric) = metric(message) {
                    take(&resource, &scope, &metric);
                }
            }
        }
    }
}

impl Metric<'_> {
    /// How many points it has, readable or not.
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Its points.
    pub(super) fn points(&self) -> impl Iterator<Item = Result<Point, Malformed>> {
        self.points.iter().map(|bytes| match self.shape {
            Shape::Gauge | Shape::Sum => number(bytes),
            Shape::Histogram => histogram(bytes),
            Shape::Exponential => exponential(bytes),
            Shape::Summary => summary(bytes),
        })
    }
}

fn scope(scoped: &[u8]) -> Scope {
    let mut scope = Scope::default();
    let _ = each(scoped, |number, raw| {
        match (number, raw) {
            (3, Raw::Bytes(url)) => scope.schema_url = text(url).into_owned(),
            (otlp::SCOPE_SCOPE, Raw::Bytes(message)) => {
                let _ = each(message, |number, raw| {
                    match (number, raw) {
                        (1, Raw::Bytes(name)) => scope.name = text(name).into_owned(),
                        (2, Raw::Bytes(version)) => scope.version = text(version).into_owned(),
                        _ => {}
                    }
                    Ok(())
                });
                scope.attributes.extend(attributes(message, otlp::SCOPE_ATTRIBUTES));
            }
            _ => {}
        }
        Ok(())
    });
    scope
}

/// The last kind of data that stands in a metric counts.
fn metric(message: &[u8]) -> Option<Metric<'_>> {
    let mut found = Metric {
        name: Cow::Borrowed(""),
        description: Cow::Borrowed(""),
        unit: Cow::Borrowed(""),
        shape: Shape::Gauge,
        temporality: Temporality::Unspecified,
        monotonic: false,
        points: Vec::new(),
    };
    let mut data: Option<(u32, Vec<&[u8]>)> = None;
    let _ = each(message, |number, raw| {
        let Raw::Bytes(bytes) = raw else { return Ok(()) };
        match number {
            1 => found.name = text(bytes),
            2 => found.description = text(bytes),
            3 => found.unit = text(bytes),
            _ if otlp::METRIC_DATA.contains(&number) => match &mut data {
                Some((known, parts)) if *known == number => parts.push(bytes),
                _ => data = Some((number, vec![bytes])),
            },
            _ => {}
        }
        Ok(())
    });
    let (number, parts) = data?;
    found.shape = match number {
        5 => Shape::Gauge,
        7 => Shape::Sum,
        9 => Shape::Histogram,
        10 => Shape::Exponential,
        _ => Shape::Summary,
    };
    for part in parts {
        let _ = each(part, |number, raw| {
            match (number, raw) {
                (otlp::DATA_POINTS, Raw::Bytes(point)) => found.points.push(point),
                (2, Raw::Varint(1)) => found.temporality = Temporality::Delta,
                (2, Raw::Varint(2)) => found.temporality = Temporality::Cumulative,
                (2, Raw::Varint(_)) => found.temporality = Temporality::Unspecified,
                (3, Raw::Varint(flag)) => found.monotonic = flag != 0,
                _ => {}
            }
            Ok(())
        });
    }
    Some(found)
}

/// `NO_RECORDED_VALUE` of a point's flags.
const NO_VALUE: u64 = 1;

fn number(bytes: &[u8]) -> Result<Point, Malformed> {
    let mut point = Point::default();
    let mut value = 0.0;
    each(bytes, |number, raw| {
        match (number, raw) {
            (2, Raw::Fixed64(time)) => point.start = time,
            (3, Raw::Fixed64(time)) => point.time = time,
            (4, Raw::Fixed64(bits)) => value = f64::from_bits(bits),
            (6, Raw::Fixed64(bits)) => value = bits as i64 as f64,
            (5, Raw::Bytes(message)) => point.exemplars.push(exemplar(message)?),
            (7, Raw::Bytes(pair)) => point.attributes.push(attribute(pair)?),
            (8, Raw::Varint(flags)) => point.no_value = flags & NO_VALUE != 0,
            _ => {}
        }
        Ok(())
    })?;
    point.value = Value::Number(value);
    Ok(point)
}

fn histogram(bytes: &[u8]) -> Result<Point, Malformed> {
    let mut point = Point::default();
    let (mut count, mut sum, mut counts, mut bounds) = (0, 0.0, Vec::new(), Vec::new());
    each(bytes, |number, raw| {
        match (number, raw) {
            (2, Raw::Fixed64(time)) => point.start = time,
            (3, Raw::Fixed64(time)) => point.time = time,
            (4, Raw::Fixed64(n)) => count = n,
            (5, Raw::Fixed64(bits)) => sum = f64::from_bits(bits),
            (6, raw) => packed(Kind::Int(Int::Fixed64), raw, |n| counts.push(n))?,
            (7, raw) => packed(Kind::Double, raw, |bits| bounds.push(f64::from_bits(bits)))?,
            (8, Raw::Bytes(message)) => point.exemplars.push(exemplar(message)?),
            (9, Raw::Bytes(pair)) => point.attributes.push(attribute(pair)?),
            (10, Raw::Varint(flags)) => point.no_value = flags & NO_VALUE != 0,
            _ => {}
        }
        Ok(())
    })?;
    point.value = Value::Histogram(Histogram::new(count, sum, &bounds, &counts));
    Ok(point)
}

fn exponential(bytes: &[u8]) -> Result<Point, Malformed> {
    let mut point = Point::default();
    let mut value = Exponential::default();
    each(bytes, |number, raw| {
        match (number, raw) {
            (1, Raw::Bytes(pair)) => point.attributes.push(attribute(pair)?),
            (2, Raw::Fixed64(time)) => point.start = time,
            (3, Raw::Fixed64(time)) => point.time = time,
            (4, Raw::Fixed64(n)) => value.count = n,
            (5, Raw::Fixed64(bits)) => value.sum = f64::from_bits(bits),
            (6, Raw::Varint(scale)) => value.scale = unzigzag(u64::from(scale as u32)) as i32,
            (7, Raw::Fixed64(n)) => value.zero_count = n,
            (8, Raw::Bytes(message)) => value.positive = buckets(message)?,
            (9, Raw::Bytes(message)) => value.negative = buckets(message)?,
            (10, Raw::Varint(flags)) => point.no_value = flags & NO_VALUE != 0,
            (14, Raw::Fixed64(bits)) => value.zero_threshold = f64::from_bits(bits),
            _ => {}
        }
        Ok(())
    })?;
    value.fit();
    point.value = Value::Exponential(Box::new(value));
    Ok(point)
}

fn buckets(message: &[u8]) -> Result<Buckets, Malformed> {
    let mut buckets = Buckets::default();
    each(message, |number, raw| {
        match (number, raw) {
            (1, Raw::Varint(offset)) => buckets.offset = unzigzag(u64::from(offset as u32)),
            (2, raw) => packed(Kind::Int(Int::Uint64), raw, |n| buckets.counts.push(n))?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(buckets)
}

fn summary(bytes: &[u8]) -> Result<Point, Malformed> {
    let mut point = Point::default();
    let mut value = Summary::default();
    each(bytes, |number, raw| {
        match (number, raw) {
            (2, Raw::Fixed64(time)) => point.start = time,
            (3, Raw::Fixed64(time)) => point.time = time,
            (4, Raw::Fixed64(n)) => value.count = n,
            (5, Raw::Fixed64(bits)) => value.sum = f64::from_bits(bits),
            (6, Raw::Bytes(message)) => {
                let mut pair = (0.0, 0.0);
                each(message, |number, raw| {
                    match (number, raw) {
                        (1, Raw::Fixed64(bits)) => pair.0 = f64::from_bits(bits),
                        (2, Raw::Fixed64(bits)) => pair.1 = f64::from_bits(bits),
                        _ => {}
                    }
                    Ok(())
                })?;
                value.quantiles.push(pair);
            }
            (7, Raw::Bytes(pair)) => point.attributes.push(attribute(pair)?),
            (8, Raw::Varint(flags)) => point.no_value = flags & NO_VALUE != 0,
            _ => {}
        }
        Ok(())
    })?;
    value.tidy();
    point.value = Value::Summary(value);
    Ok(point)
}

fn exemplar(message: &[u8]) -> Result<Exemplar, Malformed> {
    let mut found = Exemplar::default();
    each(message, |number, raw| {
        match (number, raw) {
            (2, Raw::Fixed64(time)) => found.time = time,
            (3, Raw::Fixed64(bits)) => found.value = f64::from_bits(bits),
            (6, Raw::Fixed64(bits)) => found.value = bits as i64 as f64,
            (4, Raw::Bytes(id)) => found.span_id = id.try_into().unwrap_or_default(),
            (5, Raw::Bytes(id)) => found.trace_id = id.try_into().unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// The attributes in field `number`; one that cannot be read ends them.
fn attributes(message: &[u8], number: u32) -> Pairs {
    messages(message, [number]).map_while(|pair| attribute(pair).ok()).collect()
}

fn attribute(pair: &[u8]) -> Result<(String, String), Malformed> {
    let (mut key, mut value) = (String::new(), String::new());
    each(pair, |number, raw| {
        match (number, raw) {
            (otlp::ATTRIBUTE_KEY, Raw::Bytes(bytes)) => key = text(bytes).into_owned(),
            (otlp::ATTRIBUTE_VALUE, Raw::Bytes(bytes)) => value = any::text(bytes)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

/// The messages in these fields, in order. What cannot be read ends them.
fn messages<const N: usize>(bytes: &[u8], numbers: [u32; N]) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields::of(bytes);
    std::iter::from_fn(move || {
        loop {
            match fields.read().ok().flatten()? {
                (number, Raw::Bytes(bytes)) if numbers.contains(&number) => return Some(bytes),
                _ => {}
            }
        }
    })
}

/// Calls `take` with each field.
pub(super) fn each<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(u32, Raw<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut fields = Fields::of(bytes);
    while let Some((number, raw)) = fields.read()? {
        take(number, raw)?;
    }
    Ok(())
}

/// Calls `take` with the bits of each number of a repeated field, packed or not.
fn packed(kind: Kind, raw: Raw<'_>, mut take: impl FnMut(u64)) -> Result<(), Malformed> {
    match raw {
        Raw::Bytes(bytes) => each_packed(kind, bytes, |raw| {
            if let Raw::Varint(bits) | Raw::Fixed64(bits) = raw {
                take(bits);
            }
            Ok(())
        })
        .map_err(|_| Malformed),
        Raw::Varint(bits) | Raw::Fixed64(bits) => {
            take(bits);
            Ok(())
        }
        Raw::Fixed32(_) => Err(Malformed),
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
