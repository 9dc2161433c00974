//! The exposition as Prometheus' protobuf: the only form that has native histograms.

use super::labels::Labels;
use super::point::{Buckets, Exemplar, Exponential, Value};
use super::store::{Family, Series, Type};
use super::text::{Style, pairs, shown};
use crate::wire::json::proto::{
    close, open, put_bytes_field, put_fixed64_field, put_varint, put_varint_field, zigzag,
};
use crate::wire::json::push_hex;

/// The scales that native histograms have.
const SCALE_MIN: i32 = -4;
const SCALE_MAX: i32 = 8;
/// What is taken for zero where a histogram does not say so.
const ZERO_THRESHOLD: f64 = 1e-128;

/// Appends a family behind its length.
pub(super) fn family(out: &mut Vec<u8>, style: Style, name: &str, family: &Family) {
    delimited(out, |message| {
        head(message, &shown(style, name), &family.help, family.kind);
        for (labels, series) in &family.series {
            let metric = open(message, 4);
            put_labels(message, style, labels);
            put_value(message, family.kind, series);
            if style.timestamps {
                put_varint_field(message, 6, series.time / 1_000_000);
            }
            close(message, metric);
        }
    });
}

/// Appends `target_info` behind its length.
pub(super) fn targets<'a>(
    out: &mut Vec<u8>,
    style: Style,
    name: &str,
    all: impl Iterator<Item = &'a Labels>,
) {
    let mut all = all.peekable();
    if all.peek().is_none() {
        return;
    }
    delimited(out, |message| {
        head(message, &shown(style, name), "Target metadata", Type::Gauge);
        for labels in all {
            let metric = open(message, 4);
            put_labels(message, style, labels);
            let gauge = open(message, 2);
            put_double(message, 1, 1.0);
            close(message, gauge);
            close(message, metric);
        }
    });
}

fn delimited(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    write(&mut message);
    put_varint(out, message.len() as u64);
    out.append(&mut message);
}

fn head(message: &mut Vec<u8>, name: &str, help: &str, kind: Type) {
    put_bytes_field(message, 1, name.as_bytes());
    put_bytes_field(message, 2, help.as_bytes());
    let number = match kind {
        Type::Counter => 0,
        Type::Gauge => 1,
        Type::Summary => 2,
        Type::Histogram => 4,
    };
    put_varint_field(message, 3, number);
}

fn put_labels(message: &mut Vec<u8>, style: Style, labels: &Labels) {
    for (name, value) in pairs(style, labels) {
        put_label(message, &name, &value);
    }
}

fn put_label(message: &mut Vec<u8>, name: &str, value: &str) {
    let label = open(message, 1);
    put_bytes_field(message, 1, name.as_bytes());
    put_bytes_field(message, 2, value.as_bytes());
    close(message, label);
}

fn put_double(message: &mut Vec<u8>, number: u32, value: f64) {
    put_fixed64_field(message, number, value.to_bits());
}

fn put_value(message: &mut Vec<u8>, kind: Type, series: &Series) {
    match &series.value {
        Value::Number(value) => {
            let number = open(message, if kind == Type::Counter { 3 } else { 2 });
            put_double(message, 1, *value);
            if let Some(exemplar) = series.exemplars.last().filter(|_| kind == Type::Counter) {
                put_exemplar(message, 2, exemplar);
            }
            close(message, number);
        }
        Value::Summary(summary) => {
            let start = open(message, 4);
            put_varint_field(message, 1, summary.count);
            put_double(message, 2, summary.sum);
            for (quantile, value) in &summary.quantiles {
                let pair = open(message, 3);
                put_double(message, 1, *quantile);
                put_double(message, 2, *value);
                close(message, pair);
            }
            close(message, start);
        }
        Value::Histogram(histogram) => {
            let start = open(message, 7);
            put_classic(message, histogram.count, histogram.sum, &histogram.cumulative(), series);
            close(message, start);
        }
        Value::Exponential(value) => {
            let start = open(message, 7);
            // Both forms: a server that does not keep native histograms takes the classic buckets.
            put_classic(message, value.count, value.sum, &value.classic(), series);
            put_native(message, value);
            close(message, start);
        }
    }
}

fn put_classic(message: &mut Vec<u8>, count: u64, sum: f64, buckets: &[(f64, u64)], series: &Series) {
    put_varint_field(message, 1, count);
    put_double(message, 2, sum);
    let mut below = f64::NEG_INFINITY;
    for (bound, seen) in buckets.iter().copied().chain([(f64::INFINITY, count)]) {
        let bucket = open(message, 3);
        put_varint_field(message, 1, seen);
        put_double(message, 2, bound);
        if let Some(exemplar) = series.exemplar_between(below, bound) {
            put_exemplar(message, 3, exemplar);
        }
        close(message, bucket);
        below = bound;
    }
}

/// The native form, where the scale has one.
fn put_native(message: &mut Vec<u8>, value: &Exponential) {
    if value.scale < SCALE_MIN {
        return;
    }
    let mut value = value.clone();
    value.lower(SCALE_MAX);
    put_varint_field(message, 5, zigzag(i64::from(value.scale)));
    let threshold = if value.zero_threshold > 0.0 { value.zero_threshold } else { ZERO_THRESHOLD };
    put_double(message, 6, threshold);
    put_varint_field(message, 7, value.zero_count);
    put_side(message, 9, &value.negative);
    put_side(message, 12, &value.positive);
}

/// One span of buckets, and the difference of each count to the one before. Prometheus numbers a bucket by its upper
/// bound, OTLP by its lower one.
fn put_side(message: &mut Vec<u8>, number: u32, side: &Buckets) {
    if side.counts.is_empty() {
        return;
    }
    let span = open(message, number);
    put_varint_field(message, 1, zigzag(side.offset + 1));
    put_varint_field(message, 2, side.counts.len() as u64);
    close(message, span);
    let mut before = 0_i64;
    for count in &side.counts {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        put_varint_field(message, number + 1, zigzag(count - before));
        before = count;
    }
}

fn put_exemplar(message: &mut Vec<u8>, number: u32, exemplar: &Exemplar) {
    let start = open(message, number);
    for (name, id) in exemplar.ids() {
        let mut text = String::new();
        push_hex(&mut text, id);
        put_label(message, name, &text);
    }
    put_double(message, 2, exemplar.value);
    if exemplar.time > 0 {
        let time = open(message, 3);
        put_varint_field(message, 1, exemplar.time / 1_000_000_000);
        put_varint_field(message, 2, exemplar.time % 1_000_000_000);
        close(message, time);
    }
    close(message, start);
}
