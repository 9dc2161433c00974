//! The transcoder and its table against the generated types.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;

use super::super::proto::{close, open};
use super::super::scalar::{self, Scalar};
use super::super::schema::{Field, Kind, Message, Rule, request};
use super::super::*;
use crate::outcome::Signal;

/// A small source of choices that is the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    /// Any float but the infinities and what is not a number.
    fn float(&mut self) -> f64 {
        let bits = (self.roll(1 << 31) as u64) << 33 | (self.roll(1 << 31) as u64) << 2 | self.roll(4) as u64;
        let value = f64::from_bits(bits);
        if value.is_finite() { value } else { 0.3 }
    }

    fn choice<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.roll(of.len())]) }
    }
}

/// Any request that the table can express, always the same for one seed.
pub fn any_request(signal: Signal, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    fill(&mut Dice(seed), request(signal), 0, &mut out);
    out
}

fn fill(dice: &mut Dice, message: &Message, depth: usize, out: &mut Vec<u8>) {
    let members: Vec<_> =
        (0..message.fields.len()).filter(|index| message.fields[*index].rule == Rule::OneOf).collect();
    let chosen = dice.choice(&members);
    for (index, field) in message.fields.iter().enumerate() {
        let times = match field.rule {
            Rule::Repeated if depth < 12 => dice.roll(3),
            Rule::Repeated => 0,
            Rule::OneOf => usize::from(chosen == Some(index)),
            _ => usize::from(dice.roll(4) > 0),
        };
        for _ in 0..times {
            fill_one(dice, field, depth, out);
        }
    }
}

fn fill_one(dice: &mut Dice, field: &'static Field, depth: usize, out: &mut Vec<u8>) {
    let text = ["", "a", "GET /", "q\"uo\\te", "\u{0}\u{1f}\n\t", "日本語 🦝", "</script>\u{2028}"];
    let integer = |dice: &mut Dice| match dice.roll(4) {
        0 => Scalar::Integer(0),
        1 => Scalar::Integer(1),
        2 => Scalar::Integer(i128::from(u32::MAX) / 2),
        _ => Scalar::Integer(i128::from(dice.roll(1 << 31) as u32)),
    };
    let float = [0.0, 1.0, -1.5, 1e300, 1e-9, 0.1, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE];
    let value = match field.kind {
        Kind::Message(inner) => {
            let start = open(out, field.number);
            fill(dice, inner, depth + 1, out);
            return close(out, start);
        }
        Kind::Text => Scalar::Text(dice.choice(&text[..]).unwrap()),
        Kind::Bytes => Scalar::Text(dice.choice(&["", "AA==", "-_8", "Zm9vYmE"][..]).unwrap()),
        Kind::Id(16) => Scalar::Text("00112233445566778899aABBccddeeFF"),
        Kind::Id(_) => Scalar::Text("0123456789abcdef"),
        Kind::Bool => Scalar::Bool(dice.roll(2) == 1),
        Kind::Enum(names) => Scalar::Text(dice.choice(names).unwrap()),
        Kind::Double if dice.roll(2) == 0 => Scalar::Float(dice.float()),
        Kind::Double => Scalar::Float(dice.choice(&float[..]).unwrap()),
        Kind::Int(_) => integer(dice),
    };
    scalar::put(out, field, value, false).unwrap();
}

/// `protobuf` through JSON and back.
fn round(signal: Signal, protobuf: &[u8]) -> Vec<u8> {
    let text = from_protobuf(signal, protobuf).unwrap();
    to_protobuf(signal, text.as_bytes(), Limits::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn matches_generated<M>(signal: Signal, seed: u64)
where
    M: prost::Message + Default + PartialEq + std::fmt::Debug + serde::Serialize,
{
    let bytes = any_request(signal, seed);
    let message = M::decode(&bytes[..]).unwrap();
    assert_eq!(M::decode(&round(signal, &bytes)[..]).unwrap(), message);
    assert_eq!(M::decode(&round(signal, &message.encode_to_vec())[..]).unwrap(), message);
    let text = from_protobuf(signal, &bytes).unwrap();
    if !text.contains("Infinity") {
        // The generated types have no JSON for the infinities.
        let theirs = serde_json::to_vec(&message).unwrap();
        let read = to_protobuf(signal, &theirs, Limits::default()).unwrap();
        assert_eq!(M::decode(&read[..]).unwrap(), message);
    }
}

/// Field by field, so that no number and no type of the table is wrong unnoticed: what the table writes, the
/// generated types read, know and write again.
fn table_is_known<M: prost::Message + Default>(signal: Signal) {
    let mut path = Vec::new();
    visit::<M>(request(signal), &mut path);
}

fn visit<M: prost::Message + Default>(message: &'static Message, path: &mut Vec<&'static Field>) {
    for field in message.fields {
        path.push(field);
        if let Kind::Message(inner) = field.kind
            && path.iter().filter(|seen| std::ptr::eq(**seen, field)).count() < 2
        {
            visit::<M>(inner, path);
        }
        let mut bytes = Vec::new();
        let opened: Vec<_> =
            path[..path.len() - 1].iter().map(|outer| open(&mut bytes, outer.number)).collect();
        put_one(&mut bytes, field);
        for start in opened.into_iter().rev() {
            close(&mut bytes, start);
        }
        let known = M::decode(&bytes[..]).unwrap().encode_to_vec();
        let names: Vec<_> = path.iter().map(|field| field.name).collect();
        assert_eq!(known, bytes, "{}", names.join("."));
        path.pop();
    }
}

fn put_one(out: &mut Vec<u8>, field: &'static Field) {
    let value = match field.kind {
        Kind::Message(_) => {
            open(out, field.number);
            return;
        }
        Kind::Bytes => Scalar::Text("AA"),
        Kind::Text => Scalar::Text("text"),
        Kind::Id(16) => Scalar::Text("00112233445566778899aabbccddeeff"),
        Kind::Id(_) => Scalar::Text("0123456789abcdef"),
        Kind::Bool => Scalar::Bool(true),
        _ => Scalar::Integer(2),
    };
    if field.rule == Rule::Repeated && field.kind.packs() {
        let start = open(out, field.number);
        scalar::put_packed(out, field.kind, value).unwrap();
        close(out, start);
    } else {
        scalar::put(out, field, value, false).unwrap();
    }
}

#[test]
fn every_number_and_type_of_the_table_is_otlps() {
    table_is_known::<ExportTraceServiceRequest>(Signal::Traces);
    table_is_known::<ExportMetricsServiceRequest>(Signal::Metrics);
    table_is_known::<ExportLogsServiceRequest>(Signal::Logs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn traces_match_the_generated_types(seed: u64) {
        matches_generated::<ExportTraceServiceRequest>(Signal::Traces, seed);
    }

    #[test]
    fn metrics_match_the_generated_types(seed: u64) {
        matches_generated::<ExportMetricsServiceRequest>(Signal::Metrics, seed);
    }

    #[test]
    fn logs_match_the_generated_types(seed: u64) {
        matches_generated::<ExportLogsServiceRequest>(Signal::Logs, seed);
    }
}
