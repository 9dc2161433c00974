//! The OTLP field numbers that the line looks at (opentelemetry-proto 1.x). The three signals share one shape:
//! request → resource entries → scope entries → items.

use crate::outcome::Signal;

/// `resource_spans`, `resource_metrics`, `resource_logs` of an export request.
pub const REQUEST_RESOURCES: u32 = 1;
/// `resource` of a resource entry.
pub const ENTRY_RESOURCE: u32 = 1;
/// `scope_spans`, `scope_metrics`, `scope_logs` of a resource entry.
pub const ENTRY_SCOPES: u32 = 2;
/// `schema_url` of `ResourceSpans`, of `ScopeSpans` and of their like.
pub const ENTRY_SCHEMA_URL: u32 = 3;
/// `instrumentation_library_spans` and its siblings: the scopes of senders from before 2022, same layout.
pub const ENTRY_SCOPES_DEPRECATED: u32 = 1000;
/// `spans`, `metrics`, `log_records` of a scope entry.
pub const SCOPE_ITEMS: u32 = 2;
/// `scope` of a scope entry.
pub const SCOPE_SCOPE: u32 = 1;
/// `attributes` of a resource.
pub const RESOURCE_ATTRIBUTES: u32 = 1;
/// `name` of an instrumentation scope.
pub const SCOPE_NAME: u32 = 1;
/// `version` of an instrumentation scope.
pub const SCOPE_VERSION: u32 = 2;
/// `attributes` of an instrumentation scope.
pub const SCOPE_ATTRIBUTES: u32 = 3;
/// `key` of an attribute.
pub const ATTRIBUTE_KEY: u32 = 1;
/// `value` of an attribute.
pub const ATTRIBUTE_VALUE: u32 = 2;

/// `trace_id` of a span.
pub const SPAN_TRACE_ID: u32 = 1;
/// `span_id` of a span.
pub const SPAN_SPAN_ID: u32 = 2;
/// `trace_state` of a span.
pub const SPAN_TRACE_STATE: u32 = 3;
/// `parent_span_id` of a span.
pub const SPAN_PARENT_SPAN_ID: u32 = 4;
/// `name` of a span.
pub const SPAN_NAME: u32 = 5;
/// `kind` of a span.
pub const SPAN_KIND: u32 = 6;
/// `start_time_unix_nano` of a span.
pub const SPAN_START: u32 = 7;
/// `end_time_unix_nano` of a span.
pub const SPAN_END: u32 = 8;
/// `attributes` of a span.
pub const SPAN_ATTRIBUTES: u32 = 9;
/// `status` of a span.
pub const SPAN_STATUS: u32 = 15;
/// `flags` of a span.
pub const SPAN_FLAGS: u32 = 16;
/// `code` of a status.
pub const STATUS_CODE: u32 = 3;
/// `string_value` of an attribute's value.
pub const VALUE_STRING: u32 = 1;
/// `bool_value` of an attribute's value.
pub const VALUE_BOOL: u32 = 2;
/// `int_value` of an attribute's value.
pub const VALUE_INT: u32 = 3;
/// `double_value` of an attribute's value.
pub const VALUE_DOUBLE: u32 = 4;
/// `array_value`, `kvlist_value` and `bytes_value` of an attribute's value.
pub const VALUE_OTHERS: [u32; 3] = [5, 6, 7];
/// `values` of a list, and of a map its pairs.
pub const VALUES: u32 = 1;
/// `trace_id` of a log record.
pub const LOG_TRACE_ID: u32 = 9;
/// `severity_number` of a log record.
pub const LOG_SEVERITY_NUMBER: u32 = 2;
/// `severity_text` of a log record.
pub const LOG_SEVERITY_TEXT: u32 = 3;
/// `body` of a log record.
pub const LOG_BODY: u32 = 5;
/// `attributes` of a log record.
pub const LOG_ATTRIBUTES: u32 = 6;

/// `events` of a span.
pub const SPAN_EVENTS: u32 = 11;
/// `attributes` of an event of a span.
pub const EVENT_ATTRIBUTES: u32 = 3;
/// `name` of a metric.
pub const METRIC_NAME: u32 = 1;

/// The data of a metric: gauge, sum, histogram, exponential histogram, summary; each has its points in field 1.
pub const METRIC_DATA: [u32; 5] = [5, 7, 9, 10, 11];
/// `data_points` of each kind of metric data.
pub const DATA_POINTS: u32 = 1;

/// `attributes` of the data points in this field of a metric: histograms have another number than the rest.
pub fn point_attributes(data: u32) -> u32 {
    match data {
        9 => 9,
        10 => 1,
        _ => 7,
    }
}

/// The field of an item that holds its trace id, for signals that have one.
pub fn trace_id_field(signal: Signal) -> Option<u32> {
    match signal {
        Signal::Traces => Some(SPAN_TRACE_ID),
        Signal::Logs => Some(LOG_TRACE_ID),
        Signal::Metrics => None,
    }
}
