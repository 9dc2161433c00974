//! The `load_balancing` exporter.

use std::time::Duration;

use super::calls::{self, round_robin};
use super::net::or_default;
use super::resilience::{queue, retry, retry_at_top};
use super::resolver::resolver;
use super::{Count, KeyKind, Section, Size};
use crate::client::{HttpEncoding, Protocol};
use crate::forward::{Config, Gather, Hold, Queue, RoutingKey, WithoutTraceId};
use crate::outcome::Signal;
use crate::retry::Config as Retry;
use crate::route::Ring;
use crate::semconv::Names;

const RINGS: &[(&str, Ring)] = &[
    ("rendezvous", Ring::Rendezvous),
    ("collector", Ring::CollectorV3),
    ("collector-v3", Ring::CollectorV3),
    ("collector-v1", Ring::CollectorV1),
];
const WITHOUT_TRACE_ID: &[(&str, WithoutTraceId)] =
    &[("refuse", WithoutTraceId::Refuse), ("fallback_owner", WithoutTraceId::FallbackOwner)];
/// What one of the protocols says.
struct Spoken {
    protocol: Protocol,
    timeout: Duration,
    resilience: Resilience,
}

/// What may stand at the top level and in the protocol.
struct Resilience {
    timeout: Option<Duration>,
    retry: Option<Retry>,
    queue: Option<Option<Queue>>, // outer: written; inner: not switched off
}

/// Reads the exporter as used by pipelines of these signals. `None` when it cannot be used; the reason is reported.
pub(super) fn load_balancing(section: &mut Section<'_>, signals: &[Signal]) -> Option<Config> {
    section.hint("tls", "write it under protocol: {otlp: {tls: …}}");
    section.hint("endpoint", "endpoints come from resolver; write resolver: {static: {hostnames: […]}}");
    let routing_key = routing_key(section, signals);
    let ring = section.choice("ring", "rendezvous", RINGS, "unknown ring").unwrap_or_default();
    let spoken = section.section("protocol", protocol);
    let own = resilience(section, retry_at_top);
    let resilience = overriding(section, own, spoken.resilience);
    let hold = section.section("hold", hold);
    let gather = section.section("gather", gather);
    if gather.max_bytes > hold.max_bytes_per_backend {
        let help = "lower gather.max_bytes or raise hold.max_bytes_per_backend";
        section.error(
            "gather",
            "gather.max_bytes is larger than hold.max_bytes_per_backend",
            Some(help.into()),
        );
    }
    let without_trace_id = section
        .choice("without_trace_id", "refuse", WITHOUT_TRACE_ID, "unknown without_trace_id")
        .unwrap_or_default();
    let resolver = section.section("resolver", resolver)?;
    Some(Config {
        routing_key,
        ring,
        resolver,
        protocol: spoken.protocol,
        timeout: resilience.timeout.unwrap_or(spoken.timeout),
        retry: resilience.retry.unwrap_or_default(),
        sending_queue: resilience.queue.flatten(),
        hold,
        gather,
        without_trace_id,
    })
}

fn routing_key(section: &mut Section<'_>, signals: &[Signal]) -> RoutingKey {
    let word = section.get("routing_key", String::new());
    let attributes = section.get("routing_attributes", Vec::new());
    let names = Names::of(section.get("semconv", false));
    if word == "attributes" && attributes.is_empty() {
        let message = "routing_attributes must be specified when routing_key is \"attributes\"";
        section.error("routing_attributes", message, None);
    }
    if word != "attributes" && !attributes.is_empty() {
        let word = if section.is_expanded("routing_key") { "(not shown)" } else { &word };
        let message = format!(
            "routing_attributes can only be used when routing_key is \"attributes\"; got {word:?}. Remove \
             routing_attributes or set routing_key to \"attributes\""
        );
        section.error("routing_attributes", message, None);
    }
    for signal in signals {
        if let Some((message, help)) = wrong_key(&word, *signal, section.is_expanded("routing_key")) {
            section.error("routing_key", message, Some(help));
        }
    }
    match word.as_str() {
        "traceID" => RoutingKey::TraceId,
        "service" => RoutingKey::Service,
        "resource" => RoutingKey::Resource,
        "attributes" => RoutingKey::Attributes(attributes, names),
        _ => RoutingKey::Default,
    }
}

/// Why this word is no routing key of this signal.
fn wrong_key(word: &str, signal: Signal, hidden: bool) -> Option<(String, String)> {
    let valid: &[&str] = match signal {
        Signal::Traces => &["traceID", "service", "attributes"],
        Signal::Logs => &["traceID", "service", "resource", "attributes"],
        Signal::Metrics => &["service", "resource", "attributes"],
    };
    if word.is_empty() || valid.contains(&word) {
        return None;
    }
    let shown = if hidden { "" } else { word };
    if signal == Signal::Metrics && matches!(word, "metric" | "streamID") {
        return Some((
            format!("routing_key {shown:?} exists in the Collector, but not in this version of ringtail"),
            format!("valid for metrics here: {}", valid.join(", ")),
        ));
    }
    Some((
        format!("unsupported routing_key: {shown}"),
        format!("a pipeline of {} uses this exporter; valid for it: {}", signal.name(), valid.join(", ")),
    ))
}

fn protocol(section: &mut Section<'_>) -> Spoken {
    section.hint("otlp_grpc", "write otlp");
    for (key, other) in [("otlphttp", "otlp_http"), ("otlp_http", "otlp"), ("otlphttp", "otlp")] {
        if section.has(key) && section.has(other) {
            let message = format!("only one protocol should be specified: {other} or {key}");
            section.error(key, message, Some("remove one".into()));
        }
    }
    section.find("otlphttp", KeyKind::Deprecated);
    let http = section.when_written("otlp_http", otlp_http);
    let alias = section.when_written("otlphttp", otlp_http);
    match http.or(alias) {
        Some(spoken) => {
            section.find("otlp", KeyKind::Live);
            spoken
        }
        None => section.section("otlp", otlp),
    }
}

fn otlp(section: &mut Section<'_>) -> Spoken {
    section.ignored::<String>("endpoint");
    round_robin(section, KeyKind::Ignored, "both mean the one address of the backend");
    let resilience = resilience(section, retry);
    Spoken { protocol: calls::grpc(section), timeout: Duration::from_secs(5), resilience }
}

fn otlp_http(section: &mut Section<'_>) -> Spoken {
    section.ignored::<String>("endpoint");
    let resilience = resilience(section, retry);
    calls::encoding(section, &[("proto", HttpEncoding::Protobuf)]);
    Spoken { protocol: calls::http(section, false), timeout: Duration::from_secs(30), resilience }
}

fn resilience(section: &mut Section<'_>, retry: fn(&mut Section<'_>) -> Retry) -> Resilience {
    Resilience {
        timeout: section.opt("timeout").filter(|timeout: &Duration| !timeout.is_zero()),
        retry: section.when_written("retry_on_failure", retry),
        queue: section.when_written("sending_queue", queue),
    }
}

/// The top level wins over the protocol, with a warning where both say something.
fn overriding(section: &mut Section<'_>, own: Resilience, protocol: Resilience) -> Resilience {
    let both = [
        ("timeout", own.timeout.is_some() && protocol.timeout.is_some()),
        ("retry_on_failure", own.retry.is_some() && protocol.retry.is_some()),
        ("sending_queue", own.queue.is_some() && protocol.queue.is_some_and(|queue| queue.is_some())),
    ];
    for (key, _) in both.iter().filter(|(_, both)| *both) {
        let help = format!("remove {key} here or under protocol");
        let message = format!("'{key}' stands here and under protocol; this one is used");
        section.warn(&section.mark_of(key), key, message, Some(help));
    }
    Resilience {
        timeout: own.timeout.or(protocol.timeout),
        retry: own.retry.or(protocol.retry),
        queue: own.queue.or(protocol.queue),
    }
}

fn hold(section: &mut Section<'_>) -> Hold {
    let default = Hold::default();
    let hold = Hold {
        max_bytes_per_backend: section.get("max_bytes_per_backend", Size(default.max_bytes_per_backend)).0,
        max_bytes: section.get("max_bytes", Size(default.max_bytes)).0,
        max_age: or_default(section, "max_age", default.max_age),
    };
    if hold.max_bytes < hold.max_bytes_per_backend {
        let help = "raise max_bytes or lower max_bytes_per_backend";
        section.error("max_bytes", "max_bytes is smaller than max_bytes_per_backend", Some(help.into()));
    }
    hold
}

fn gather(section: &mut Section<'_>) -> Gather {
    let default = Gather::default();
    Gather {
        max_items: section.get("max_items", Count(default.max_items)).0,
        max_bytes: section.get("max_bytes", Size(default.max_bytes)).0,
        max_age: section.get("max_age", default.max_age),
        max_calls: section.get("max_calls", Count(default.max_calls)).0,
    }
}
