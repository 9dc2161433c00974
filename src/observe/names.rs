//! What the Collector says of its metrics beside their names, and how labels are called outside Prometheus.

/// What a metric is, for those who read it over OTLP.
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
pub(super) const OWN_SCOPE: &str = "ringtail";

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
