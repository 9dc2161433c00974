//! A line a trace, for people.

use std::borrow::Cow;
use std::collections::HashMap;

use super::any::push_value;
use super::text::{push, push_clock, push_duration, push_short};
use super::view::{View, inner, unsigned};
use crate::wire::json::proto::Raw;
use crate::wire::json::push_hex;

/// Longest name of a span or a service in a line.
const NAME_CHARS_MAX: usize = 80;
/// Services named in a line.
const SERVICES_MAX: usize = 5;
/// The status code of an error.
const ERROR: u64 = 2;
/// Attributes that hold a protocol's status, and what to call them.
const STATUS_CODES: [(&str, &str); 4] = [
    ("http.response.status_code", "HTTP"),
    ("http.status_code", "HTTP"),
    ("rpc.response.status_code", "RPC"),
    ("rpc.grpc.status_code", "gRPC"),
];

/// What a line says of one trace.
#[derive(Default)]
struct Trace<'a> {
    id: &'a [u8],
    start: u64,
    end: u64,
    spans: usize,
    error: bool,
    /// Name and status of the span without a parent, or of the first one.
    name: Cow<'a, str>,
    status: Option<(&'static str, View<'a>)>,
    has_root: bool,
    services: Vec<Cow<'a, str>>,
    /// The policy that kept it, where a sampler before says so (`record_policy`).
    policy: Option<Cow<'a, str>>,
}

/// What a line needs of one span.
#[derive(Default)]
struct Span<'a> {
    trace: &'a [u8],
    name: &'a [u8],
    has_parent: bool,
    start: u64,
    end: u64,
    error: bool,
    status: Option<(&'static str, View<'a>)>,
}

/// Appends a line per trace, in the order of their first spans.
pub(super) fn lines(request: View<'_>, out: &mut String) {
    let mut traces: Vec<Trace<'_>> = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for group in request.all("resourceSpans") {
        let service = group.one("resource").and_then(service);
        let spans = group.all("scopeSpans").flat_map(|scope| {
            let policy = scope.one("scope").and_then(|scope| attribute(scope, "tailsampling.policy"));
            scope.all("spans").map(move |span| (read(span), policy.clone()))
        });
        for (span, policy) in spans {
            let place = *places.entry(span.trace).or_insert_with(|| {
                traces.push(Trace { id: span.trace, start: u64::MAX, ..Trace::default() });
                traces.len() - 1
            });
            add(&mut traces[place], span, service.as_ref());
            if traces[place].policy.is_none() {
                traces[place].policy = policy;
            }
        }
    }
    for trace in &traces {
        push_line(out, trace);
    }
}

/// The name of the service that a resource describes.
pub(super) fn service(resource: View<'_>) -> Option<Cow<'_, str>> {
    attribute(resource, "service.name")
}

/// The text of an attribute.
fn attribute<'a>(of: View<'a>, key: &str) -> Option<Cow<'a, str>> {
    let pair = of.all("attributes").find(|pair| pair.bytes("key") == key.as_bytes())?;
    Some(pair.one("value")?.text("stringValue"))
}

/// Reads a span in one pass.
fn read(span: View<'_>) -> Span<'_> {
    let mut read = Span::default();
    for (field, raw) in span.fields() {
        match (field.name, raw) {
            ("traceId", Raw::Bytes(id)) => read.trace = id,
            ("name", Raw::Bytes(name)) => read.name = name,
            ("parentSpanId", Raw::Bytes(id)) => read.has_parent = id.iter().any(|byte| *byte != 0),
            ("startTimeUnixNano", raw) => read.start = unsigned(raw),
            ("endTimeUnixNano", raw) => read.end = unsigned(raw),
            ("status", raw) => {
                read.error = inner(field, raw).is_some_and(|status| status.number("code") == ERROR)
            }
            ("attributes", raw) => {
                if let Some(status) = inner(field, raw).and_then(status_code) {
                    read.status = Some(status);
                }
            }
            _ => {}
        }
    }
    read
}

fn status_code(pair: View<'_>) -> Option<(&'static str, View<'_>)> {
    let key = pair.bytes("key");
    // Most attributes are told apart by their first letters.
    if !key.starts_with(b"http.") && !key.starts_with(b"rpc.") {
        return None;
    }
    let (_, label) = STATUS_CODES.iter().find(|(name, _)| name.as_bytes() == key)?;
    Some((label, pair.one("value")?))
}

fn add<'a>(trace: &mut Trace<'a>, span: Span<'a>, service: Option<&Cow<'a, str>>) {
    trace.start = trace.start.min(span.start);
    trace.end = trace.end.max(span.end);
    trace.error |= span.error;
    if trace.spans == 0 || (!span.has_parent && !trace.has_root) {
        trace.name = String::from_utf8_lossy(span.name);
        trace.status = span.status;
        trace.has_root = !span.has_parent;
    }
    trace.spans += 1;
    // One over what is named tells that there are more; comparing with all would be quadratic.
    if let Some(service) = service
        && trace.services.len() <= SERVICES_MAX
        && !trace.services.contains(service)
    {
        trace.services.push(service.clone());
    }
}

/// Appends `22:13:20.000 0011… GET /pay [shop, bank] 4 spans 100.0ms HTTP 500 ERROR`.
fn push_line(out: &mut String, trace: &Trace<'_>) {
    push_clock(out, trace.start);
    out.push(' ');
    if trace.id.is_empty() {
        out.push_str("(no trace id)");
    } else {
        push_hex(out, trace.id);
    }
    out.push(' ');
    push_short(out, if trace.name.is_empty() { "(no name)" } else { &trace.name }, NAME_CHARS_MAX);
    out.push_str(" [");
    for (index, service) in trace.services.iter().take(SERVICES_MAX).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_short(out, service, NAME_CHARS_MAX);
    }
    if trace.services.len() > SERVICES_MAX {
        out.push_str(" and more");
    }
    push(out, format_args!("] {} span{} ", trace.spans, if trace.spans == 1 { "" } else { "s" }));
    push_duration(out, trace.start, trace.end);
    if let Some((label, value)) = trace.status {
        push(out, format_args!(" {label} "));
        let mut code = String::new();
        push_value(&mut code, Some(value));
        push_short(out, &code, NAME_CHARS_MAX);
    }
    if trace.error {
        out.push_str(" ERROR");
    }
    if let Some(policy) = &trace.policy {
        out.push_str(" kept by ");
        push_short(out, policy, NAME_CHARS_MAX);
    }
    out.push('\n');
}
