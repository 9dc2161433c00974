//! What is said of a difference: the set, the trace, both verdicts.

use std::fmt::Write;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::corpus::{Corpus, NOW, TraceId, trace_id, traces};
use crate::rules::Set;
use crate::sink::{Kept, Verdicts};

/// Traces shown of a set: those with another verdict first, then the shortest.
const TRACES_SHOWN: usize = 3;
const SETS_SHOWN: usize = 300;

/// What differs, in words; empty where nothing does.
pub fn differences(sets: &[Set], corpus: &Corpus, theirs: &[Verdicts], ours: &[Verdicts]) -> String {
    let requests: Vec<_> = corpus.first.iter().chain(&corpus.late).cloned().collect();
    let traces = traces(&requests);
    let mut text = String::new();
    let mut differing_sets = 0;
    for ((set, theirs), ours) in sets.iter().zip(theirs).zip(ours) {
        let mut differing: Vec<_> = traces
            .iter()
            .filter(|(id, _)| theirs.get(*id) != ours.get(*id))
            .map(|(id, spans)| (ids(theirs.get(id)) == ids(ours.get(id)), spans, id))
            .collect();
        if differing.is_empty() {
            continue;
        }
        differing.sort();
        differing_sets += 1;
        if differing_sets > SETS_SHOWN {
            continue;
        }
        let verdicts = differing.iter().filter(|(same, ..)| !same).count();
        let carried = differing.len() - verdicts;
        let _ = writeln!(
            text,
            "\n=== of {} traces, {verdicts} verdicts differ, and what {carried} more carry, under {}",
            traces.len(),
            set.yaml()
        );
        for (.., id) in differing.into_iter().take(TRACES_SHOWN) {
            let _ = writeln!(text, "{}", trace(&requests, corpus.first.len(), id));
            let _ = writeln!(text, "  collector: {}", kept(theirs.get(id)));
            let _ = writeln!(text, "  ringtail:  {}", kept(ours.get(id)));
        }
    }
    if differing_sets > 0 {
        let _ = writeln!(text, "\n{differing_sets} of {} sets differ", sets.len());
    }
    text
}

/// The verdict itself: which spans came out.
fn ids(spans: Option<&Vec<Kept>>) -> Vec<&[u8]> {
    spans.into_iter().flatten().map(|kept| kept.span_id.as_slice()).collect()
}

fn kept(spans: Option<&Vec<Kept>>) -> String {
    let Some(spans) = spans else { return "nothing".to_owned() };
    let spans: Vec<_> = spans
        .iter()
        .map(|kept| {
            let Kept { span_id, policy, trace_state, content } = kept;
            format!("{} [{policy}] {trace_state:?} {:04x}", hex(span_id), content & 0xffff)
        })
        .collect();
    format!("{} spans: {}", spans.len(), spans.join(", "))
}

/// The spans of a trace as they were sent.
pub fn trace(requests: &[ExportTraceServiceRequest], late: usize, id: &TraceId) -> String {
    let mut text = format!("trace {}", hex(id));
    for (number, request) in requests.iter().enumerate() {
        for of_resource in &request.resource_spans {
            for of_scope in &of_resource.scope_spans {
                for span in of_scope.spans.iter().filter(|span| trace_id(span) == *id) {
                    let when = if number < late { "" } else { " (late)" };
                    let _ = write!(text, "\n  request {number}{when}: {}", line(of_resource, of_scope, span));
                }
            }
        }
    }
    text
}

fn line(of_resource: &ResourceSpans, of_scope: &ScopeSpans, span: &Span) -> String {
    let mut text = format!("span {}", hex(&span.span_id));
    if let Some(resource) = &of_resource.resource {
        let _ = write!(text, " resource {{{}}}", attributes(&resource.attributes));
    }
    if let Some(scope) = &of_scope.scope {
        let _ = write!(text, " scope {{{}}}", attributes(&scope.attributes));
    }
    let _ = write!(text, " attributes {{{}}}", attributes(&span.attributes));
    for event in &span.events {
        let _ = write!(text, " event {:?} {{{}}}", event.name, attributes(&event.attributes));
    }
    let times = [span.start_time_unix_nano, span.end_time_unix_nano].map(|time| {
        match i128::from(time) - i128::from(NOW) {
            near @ -1_000_000_000_000..=1_000_000_000_000 => format!("{}ms", near as f64 / 1e6),
            _ => format!("={time}"),
        }
    });
    let _ = write!(text, " times {}..{}", times[0], times[1]);
    let status = span.status.as_ref().map(|status| status.code);
    let _ = write!(text, " status {status:?} state {:?} flags {:#x}", span.trace_state, span.flags);
    let _ = write!(text, " parent {:?}", hex(&span.parent_span_id));
    text
}

fn attributes(attributes: &[KeyValue]) -> String {
    let one = |of: &KeyValue| format!("{:?}: {}", of.key, value(of.value.as_ref()));
    attributes.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn value(of: Option<&AnyValue>) -> String {
    match of.map(|any| &any.value) {
        None => "absent".to_owned(),
        Some(None) => "empty".to_owned(),
        Some(Some(Value::StringValue(text))) => format!("{text:?}"),
        Some(Some(Value::IntValue(number))) => number.to_string(),
        Some(Some(Value::DoubleValue(number))) => format!("{number:?}"),
        Some(Some(Value::BoolValue(truth))) => truth.to_string(),
        Some(Some(other)) => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
