//! Traces in a line of text, as tables of verdicts say them.
//!
//! `/` stands between requests, `;` between spans of one, blanks between what a span has: `key=value`, where `res:`,
//! `scope:` and `event:` say that the attribute sits there; `ok`, `error`, `unset`; `@1..2.5` for times in milliseconds
//! from a common instant, `zero` for none; `state:` with `~` for a blank; `flags:0x1`; `root`, `child`; `3*` for three such
//! spans. A value is text, an integer, a double (`4.0`), a boolean, `[text]`, or text that looks otherwise (`'4`).

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::corpus::{MS, NOW, TraceId, request};

/// The requests of a trace.
pub fn requests(trace_id: TraceId, text: &str) -> Vec<ExportTraceServiceRequest> {
    let mut number = 0;
    text.split('/')
        .map(|text| {
            let mut resource = Resource::default();
            let mut scope = InstrumentationScope::default();
            let mut spans = Vec::new();
            for text in text.split(';') {
                let (span, times) = span(text, &mut resource, &mut scope);
                for _ in 0..times {
                    number += 1;
                    let span_id = u64::to_be_bytes(number).to_vec();
                    spans.push(Span { trace_id: trace_id.to_vec(), span_id, ..span.clone() });
                }
            }
            let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
            request(vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }])
        })
        .collect()
}

fn span(text: &str, resource: &mut Resource, scope: &mut InstrumentationScope) -> (Span, usize) {
    let (start, end) = (NOW, NOW + MS);
    let mut span = Span { start_time_unix_nano: start, end_time_unix_nano: end, ..Span::default() };
    let mut times = 1;
    for word in text.split_whitespace() {
        let (kind, rest) = word.split_once(':').unwrap_or(("", word));
        match (kind, rest) {
            ("res", rest) => resource.attributes.push(attribute(rest)),
            ("scope", rest) => scope.attributes.push(attribute(rest)),
            ("event", rest) if rest.contains('=') => {
                span.events.push(Event { attributes: vec![attribute(rest)], ..Event::default() });
            }
            ("event", name) => span.events.push(Event { name: name.to_owned(), ..Event::default() }),
            ("state", rest) => span.trace_state = state(rest),
            ("flags", rest) => span.flags = u32::from_str_radix(&rest[2..], 16).unwrap(),
            (_, "ok" | "error" | "unset") => span.status = Some(status(rest)),
            (_, "root") => span.parent_span_id.clear(),
            (_, "child") => span.parent_span_id = vec![9; 8],
            (_, rest) if rest.starts_with('@') => {
                let (start, end) = rest[1..].split_once("..").unwrap();
                (span.start_time_unix_nano, span.end_time_unix_nano) = (time(start), time(end));
            }
            (_, rest) if rest.ends_with('*') => times = rest[..rest.len() - 1].parse().unwrap(),
            _ => span.attributes.push(attribute(word)),
        }
    }
    (span, times)
}

fn status(text: &str) -> Status {
    let code = ["unset", "ok", "error"].iter().position(|code| *code == text).unwrap();
    Status { code: code as i32, ..Status::default() }
}

fn time(text: &str) -> u64 {
    match text {
        "zero" => 0,
        _ => NOW + (text.parse::<f64>().unwrap() * MS as f64).round() as u64,
    }
}

/// `7more` is seven members more.
fn state(text: &str) -> String {
    let members = text.split(',').map(|member| match member.strip_suffix("more") {
        Some(count) => {
            let more: Vec<_> = (0..count.parse::<u32>().unwrap()).map(|n| format!("m{n}=x")).collect();
            more.join(",")
        }
        None => member.replace('~', " "),
    });
    members.collect::<Vec<_>>().join(",")
}

fn attribute(text: &str) -> KeyValue {
    let (key, text) = text.split_once('=').unwrap();
    let value = value(text);
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn value(text: &str) -> Value {
    if let Some(text) = text.strip_prefix('\'') {
        return Value::StringValue(text.to_owned());
    }
    if let Some(text) = text.strip_prefix('[') {
        let element = Value::StringValue(text.trim_end_matches(']').to_owned());
        return Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(element) }] });
    }
    let (whole, double, truth) = (text.parse(), text.parse(), text.parse());
    match (whole, double, truth) {
        (Ok(whole), ..) => Value::IntValue(whole),
        (_, Ok(double), _) => Value::DoubleValue(double),
        (.., Ok(truth)) => Value::BoolValue(truth),
        _ => Value::StringValue(text.to_owned()),
    }
}
