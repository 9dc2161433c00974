//! A line an item, with its attributes.

use super::any::{push_pairs, push_value};
use super::count::KINDS;
use super::text::{push, push_clean, push_clock, push_short};
use super::view::{View, unsigned};
use crate::outcome::Signal;
use crate::wire::json::proto::Raw;
use crate::wire::json::{push_double, push_hex};

/// Longest body of a record shown in the line for people.
const BODY_CHARS_MAX: usize = 500;

/// Appends a line per resource, scope and item.
pub(super) fn lines(signal: Signal, request: View<'_>, out: &mut String) {
    let (resources, scopes, items, resource_title, scope_title) = match signal {
        Signal::Traces => ("resourceSpans", "scopeSpans", "spans", "ResourceTraces", "ScopeTraces"),
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics", "ResourceMetrics", "ScopeMetrics"),
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords", "ResourceLog", "ScopeLog"),
    };
    for (index, group) in request.all(resources).enumerate() {
        push(out, format_args!("{resource_title} #{index}"));
        if let Some(resource) = group.one("resource") {
            push_pairs(out, resource, "attributes", " ", " ");
        }
        out.push('\n');
        for (index, group) in group.all(scopes).enumerate() {
            push(out, format_args!("{scope_title} #{index}"));
            push_scope(out, group.one("scope"));
            out.push('\n');
            for item in group.all(items) {
                match signal {
                    Signal::Traces => push_span(out, item),
                    Signal::Metrics => push_metric(out, item),
                    Signal::Logs => push_record(out, item),
                }
            }
        }
    }
}

fn push_scope(out: &mut String, scope: Option<View<'_>>) {
    let Some(scope) = scope else { return };
    let (name, version) = (scope.text("name"), scope.text("version"));
    if !name.is_empty() {
        out.push(' ');
        push_clean(out, &name);
    }
    if !version.is_empty() {
        out.push('@');
        push_clean(out, &version);
    }
    push_pairs(out, scope, "attributes", " ", " ");
}

fn push_span(out: &mut String, span: View<'_>) {
    push_clean(out, &span.text("name"));
    out.push(' ');
    push_hex(out, span.bytes("traceId"));
    out.push(' ');
    push_hex(out, span.bytes("spanId"));
    push_pairs(out, span, "attributes", " ", " ");
    out.push('\n');
}

fn push_record(out: &mut String, record: View<'_>) {
    push_value(out, record.one("body"));
    push_pairs(out, record, "attributes", " ", " ");
    out.push('\n');
}

fn push_metric(out: &mut String, metric: View<'_>) {
    for data in KINDS.iter().filter_map(|kind| metric.one(kind)) {
        for point in data.all("dataPoints") {
            push_clean(out, &metric.text("name"));
            out.push('{');
            push_pairs(out, point, "attributes", "", ",");
            out.push('}');
            push_point(out, point);
            out.push('\n');
        }
    }
}

/// Appends the values of a data point, whichever of the five kinds it is.
fn push_point(out: &mut String, point: View<'_>) {
    let bounds = numbers(point, "explicitBounds");
    let mut buckets = numbers(point, "bucketCounts");
    // In the order of OTLP's definition, wherever the bytes have them.
    for (field, raw) in
        point.message.fields.iter().filter_map(|field| Some((field, point.each(field.name).last()?)))
    {
        match (field.name, raw) {
            ("asInt", Raw::Fixed64(value)) => push(out, format_args!(" {}", value as i64)),
            ("asDouble", raw) => push_named(out, "", raw),
            ("count" | "zeroCount", raw) => push(out, format_args!(" {}={}", field.name, unsigned(raw))),
            ("sum", raw) => push_named(out, "sum=", raw),
            ("min", raw) => push_named(out, "min=", raw),
            ("max", raw) => push_named(out, "max=", raw),
            _ => {}
        }
    }
    for bound in bounds {
        if let Some(count) = buckets.next() {
            push_named(out, "le", Raw::Fixed64(bound));
            push(out, format_args!("={count}"));
        }
    }
    for count in buckets {
        push(out, format_args!(" {count}"));
    }
    for quantile in point.all("quantileValues") {
        push_named(out, "q", Raw::Fixed64(quantile.double("quantile").unwrap_or(0.0).to_bits()));
        out.push('=');
        push_double(out, quantile.double("value").unwrap_or(0.0));
    }
}

fn push_named(out: &mut String, name: &str, raw: Raw<'_>) {
    out.push(' ');
    out.push_str(name);
    push_double(out, f64::from_bits(unsigned(raw)));
}

/// The numbers of a repeated field of 64 bits each, packed or not.
fn numbers<'a>(of: View<'a>, name: &'static str) -> impl Iterator<Item = u64> {
    of.each(name).flat_map(|raw| {
        let (packed, alone) = match raw {
            Raw::Bytes(packed) => (packed, None),
            other => (&[][..], Some(unsigned(other))),
        };
        packed.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).chain(alone)
    })
}

/// Appends a line per log record, for people: time, severity, service, body, trace.
pub(super) fn log_lines(request: View<'_>, out: &mut String) {
    for group in request.all("resourceLogs") {
        let service = group.one("resource").and_then(super::traces::service);
        for record in group.all("scopeLogs").flat_map(|scope| scope.all("logRecords")) {
            let time = match record.number("timeUnixNano") {
                0 => record.number("observedTimeUnixNano"),
                time => time,
            };
            push_clock(out, time);
            for part in [&record.text("severityText"), service.as_deref().unwrap_or("")] {
                if !part.is_empty() {
                    out.push(' ');
                    push_clean(out, part);
                }
            }
            out.push(' ');
            let mut body = String::new();
            push_value(&mut body, record.one("body"));
            push_short(out, &body, BODY_CHARS_MAX);
            let trace = record.bytes("traceId");
            if !trace.is_empty() {
                out.push_str(" trace ");
                push_hex(out, trace);
            }
            out.push('\n');
        }
    }
}
