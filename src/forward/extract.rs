//! Attribute values out of encoded messages, as the text that the collectors hash. Off the hot path: only the routing
//! keys `service` and `attributes` read values.

use std::ops::Range;

use super::value;
use crate::outcome::Signal;
use crate::split::Fragments;
use crate::wire::{Fields, Payload, otlp};

/// The messages of field `number` among an entry's own fields, as ranges of the body.
pub fn nested(fields: &Fragments, body: &[u8], number: u32) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for range in &fields.ranges {
        let within = Fields::within(body, range.start as usize..range.end as usize);
        for field in within.map_while(Result::ok) {
            if let (true, Payload::Bytes(message)) = (field.number == number, field.payload) {
                found.push(message);
            }
        }
    }
    found
}

/// The value of attribute `name` in `message`, whose attributes are field `field`.
pub fn attribute(message: &[u8], field: u32, name: &[u8]) -> Option<Vec<u8>> {
    for entry in Fields::new(message).map_while(Result::ok) {
        let Payload::Bytes(range) = entry.payload else { continue };
        if entry.number != field {
            continue;
        }
        let (mut key, mut value) = (&[][..], None);
        let pair = &message[range];
        for part in Fields::new(pair).map_while(Result::ok) {
            match (part.number, part.payload) {
                (otlp::ATTRIBUTE_KEY, Payload::Bytes(range)) => key = &pair[range],
                (otlp::ATTRIBUTE_VALUE, Payload::Bytes(range)) => value = Some(&pair[range]),
                _ => {}
            }
        }
        if key == name {
            return Some(value.map(value::text).unwrap_or_default());
        }
    }
    None
}

/// The value of routing attribute `name` on an item: a pseudo attribute or one of its own.
pub fn of_item(signal: Signal, item: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    match (signal, name) {
        (Signal::Traces, b"span.name") => bytes_field(item, otlp::SPAN_NAME),
        (Signal::Traces, b"span.kind") => {
            Some(kind_name(varint_field(item, otlp::SPAN_KIND)).as_bytes().to_vec())
        }
        (Signal::Traces, _) => attribute(item, otlp::SPAN_ATTRIBUTES, name),
        (Signal::Logs, b"log.severity") => bytes_field(item, LOG_SEVERITY_TEXT),
        (Signal::Logs, b"log.body") => bytes_field(item, LOG_BODY).map(|body| value::text(&body)),
        (Signal::Logs, _) => attribute(item, otlp::LOG_ATTRIBUTES, name),
        (Signal::Metrics, b"metric.name") => bytes_field(item, METRIC_NAME),
        (Signal::Metrics, _) => first_point_attribute(item, name),
    }
}

fn first_point_attribute(metric: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    for data in Fields::new(metric).map_while(Result::ok) {
        let Some(place) = otlp::METRIC_DATA.iter().position(|n| *n == data.number) else { continue };
        let Payload::Bytes(range) = data.payload else { continue };
        let point = bytes_field(&metric[range], otlp::DATA_POINTS)?;
        return attribute(&point, POINT_ATTRIBUTES[place], name);
    }
    None
}

fn bytes_field(message: &[u8], number: u32) -> Option<Vec<u8>> {
    Fields::new(message).map_while(Result::ok).find_map(|field| match field.payload {
        Payload::Bytes(range) if field.number == number => Some(message[range].to_vec()),
        _ => None,
    })
}

fn varint_field(message: &[u8], number: u32) -> u64 {
    let value = Fields::new(message).map_while(Result::ok).find_map(|field| match field.payload {
        Payload::Varint(value) if field.number == number => Some(value),
        _ => None,
    });
    value.unwrap_or(0)
}

fn kind_name(kind: u64) -> &'static str {
    match kind {
        1 => "Internal",
        2 => "Server",
        3 => "Client",
        4 => "Producer",
        5 => "Consumer",
        _ => "Unspecified",
    }
}

const LOG_SEVERITY_TEXT: u32 = 3;
const LOG_BODY: u32 = 5;
const METRIC_NAME: u32 = 1;
/// Where each kind of data point has its attributes, in the order of [`otlp::METRIC_DATA`].
const POINT_ATTRIBUTES: [u32; 5] = [7, 7, 9, 1, 7];
