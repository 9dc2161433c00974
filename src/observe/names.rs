//! What the Collector says of its metrics beside their names, and how names and labels differ between Prometheus and
//! OTLP.

use super::families::Kind;

/// What a metric is, beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// Who measures it.
    pub scope: &'static str,
    /// UCUM; empty where there is none.
    pub unit: &'static str,
    /// The Collector asks for it when it is read, and does not count it: `lowmemory` makes a difference.
    pub observed: bool,
    /// What goes up and down is a sum all the same: parts of it may be added.
    pub adds_up: bool,
}

/// Who measures what is ours.
const OWN_SCOPE: &str = "ringtail";

/// Beginnings of names, with who measures them there. The longer comes first.
const SCOPES: &[(&str, &str)] = &[
    ("otelcol_receiver_", "go.opentelemetry.io/collector/receiver/receiverhelper"),
    ("otelcol_exporter_", "go.opentelemetry.io/collector/exporter/exporterhelper"),
    ("otelcol_process_", "go.opentelemetry.io/collector/service"),
    ("otelcol_processor_batch_", "go.opentelemetry.io/collector/processor/batchprocessor"),
    ("otelcol_processor_memory_limiter_", "go.opentelemetry.io/collector/processor/memorylimiterprocessor"),
    (
        "otelcol_processor_tail_sampling_",
        "github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor",
    ),
    (
        "otelcol_processor_filter_",
        "github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor",
    ),
    (
        "otelcol_processor_probabilistic_sampler_",
        "github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor",
    ),
    ("otelcol_processor_", "go.opentelemetry.io/collector/processor/processorhelper"),
    (
        "otelcol_loadbalancer_",
        "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/loadbalancingexporter",
    ),
];

/// Ends of names, with their unit. The longer comes first.
const UNITS: &[(&str, &str)] = &[
    ("exporter_queue_size", "{batch}"),
    ("exporter_queue_capacity", "{batch}"),
    ("in_flight_requests", "{request}"),
    ("batch_send_size", "{unit}"),
    ("_trigger_send", "{time}"),
    ("metadata_cardinality", "{combination}"),
    ("process_uptime", "s"),
    ("memory_rss", "By"),
    ("backend_latency", "ms"),
    ("backend_outcome", "{outcomes}"),
    ("num_backends", "{backends}"),
    ("num_backend_updates", "{updates}"),
    ("num_resolutions", "{resolutions}"),
    ("traces_sampled", "{traces}"),
    ("new_trace_id_received", "{traces}"),
    ("sampling_traces_on_memory", "{traces}"),
    ("sampling_trace_dropped_too_early", "{traces}"),
    ("early_releases_from_cache_decision", "{spans}"),
    ("count_spans_sampled", "{spans}"),
    ("count_bytes_sampled", "By"),
    ("decision_timer_latency", "ms"),
    ("late_span_age", "s"),
    ("trace_removal_age", "s"),
    ("policy_evaluation_error", "{errors}"),
    ("policy_execution_count", "{executions}"),
    ("policy_execution_time_sum", "us"),
    ("_spans", "{span}"),
    ("_metric_points", "{datapoint}"),
    ("_log_records", "{record}"),
    ("_items", "{item}"),
    ("_seconds", "s"),
    ("_bytes", "By"),
    ("_share", "1"),
];

/// What stands beside the name of a metric.
pub(super) fn described(name: &str) -> Described {
    let scope =
        SCOPES.iter().find(|(start, _)| name.starts_with(start)).map_or(OWN_SCOPE, |(_, scope)| scope);
    let unit = UNITS.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| unit);
    let adds_up = matches!(
        name,
        "otelcol_exporter_in_flight_requests" | "otelcol_processor_batch_metadata_cardinality"
    );
    Described { scope, unit, observed: name.starts_with("otelcol_process_"), adds_up }
}

/// The version of who measures: the Collector has none for its own.
pub(super) fn scope_version(scope: &str) -> &'static str {
    if scope == OWN_SCOPE { env!("CARGO_PKG_VERSION") } else { "" }
}

/// The name with its unit and its kind at the end, each once.
pub(super) fn with_suffixes(name: &str, kind: Kind, unit: &str) -> String {
    let written = match unit {
        "s" => "_seconds",
        "ms" => "_milliseconds",
        "us" => "_microseconds",
        "By" => "_bytes",
        _ => "", // what is counted is no unit: {span}
    };
    let (bare, kind) = match kind {
        Kind::Counter => (name.strip_suffix("_total").unwrap_or(name), "_total"),
        Kind::Gauge if unit == "1" => (name.strip_suffix("_ratio").unwrap_or(name), "_ratio"),
        Kind::Gauge | Kind::Histogram => (name, ""),
    };
    let written = if bare.ends_with(written) { "" } else { written };
    format!("{bare}{written}{kind}")
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Typed<'a> {
    /// Text.
    Text(&'a str),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
}

/// A label as the attribute that it was before Prometheus' rules for names.
pub(super) fn attribute<'a>(label: &'a str, value: &'a str) -> (&'a str, Typed<'a>) {
    let name = match label {
        "otel_signal" => "otel.signal",
        "server_address" => "server.address",
        "server_port" => "server.port",
        "url_path" => "url.path",
        "error_type" => "error.type",
        "error_permanent" => "error.permanent",
        other => other,
    };
    let typed = match (label, value, value.parse()) {
        ("success" | "error_permanent", "true" | "false", _) => Typed::Bool(value == "true"),
        ("server_port", _, Ok(port)) => Typed::Int(port),
        _ => Typed::Text(value),
    };
    (name, typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_and_kind_come_once_at_the_end() {
        for (name, kind, expected) in [
            ("otelcol_process_uptime", Kind::Counter, "otelcol_process_uptime_seconds_total"),
            ("otelcol_process_cpu_seconds", Kind::Counter, "otelcol_process_cpu_seconds_total"),
            ("otelcol_process_memory_rss", Kind::Gauge, "otelcol_process_memory_rss_bytes"),
            ("otelcol_exporter_queue_size", Kind::Gauge, "otelcol_exporter_queue_size"),
            ("otelcol_exporter_sent_spans", Kind::Counter, "otelcol_exporter_sent_spans_total"),
            (
                "otelcol_loadbalancer_backend_latency",
                Kind::Histogram,
                "otelcol_loadbalancer_backend_latency_milliseconds",
            ),
            ("ringtail_moved_share", Kind::Gauge, "ringtail_moved_share_ratio"),
            ("calls_total", Kind::Counter, "calls_total"),
        ] {
            assert_eq!(with_suffixes(name, kind, described(name).unit), expected);
        }
    }
}
