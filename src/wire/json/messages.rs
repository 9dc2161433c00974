//! The table of OTLP's messages: traces, logs and what all signals share. Metrics have their own file.

mod metrics;

pub(super) use metrics::EXPORT_METRICS;

use super::schema::Kind::{Bool, Bytes, Double, Enum, Id, Text};
use super::schema::Rule::{OneOf, Plain, Repeated};
use super::schema::{Field, Int, Kind, Message, Rule};

const SPAN_KINDS: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

const STATUS_CODES: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

const SEVERITIES: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

pub(super) static EXPORT_TRACES: Message = Message {
    name: "ExportTraceServiceRequest",
    fields: &[field(1, "resourceSpans", Kind::Message(&RESOURCE_TRACES), Repeated)],
};

pub(super) static RESOURCE_TRACES: Message = Message {
    name: "ResourceSpans",
    fields: &[
        field(1, "resource", Kind::Message(&RESOURCE), Plain),
        field(2, "scopeSpans", Kind::Message(&SCOPE_TRACES), Repeated),
        field(3, "schemaUrl", Text, Plain),
    ],
};

pub(super) static SCOPE_TRACES: Message = Message {
    name: "ScopeSpans",
    fields: &[
        field(1, "scope", Kind::Message(&SCOPE), Plain),
        field(2, "spans", Kind::Message(&SPAN), Repeated),
        field(3, "schemaUrl", Text, Plain),
    ],
};

pub(super) static SPAN: Message = Message {
    name: "Span",
    fields: &[
        field(1, "traceId", Id(16), Plain),
        field(2, "spanId", Id(8), Plain),
        field(3, "traceState", Text, Plain),
        field(4, "parentSpanId", Id(8), Plain),
        field(16, "flags", Kind::Int(Int::Fixed32), Plain),
        field(5, "name", Text, Plain),
        field(6, "kind", Enum(SPAN_KINDS), Plain),
        field(7, "startTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(8, "endTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(9, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(10, "droppedAttributesCount", Kind::Int(Int::Uint32), Plain),
        field(11, "events", Kind::Message(&EVENT), Repeated),
        field(12, "droppedEventsCount", Kind::Int(Int::Uint32), Plain),
        field(13, "links", Kind::Message(&LINK), Repeated),
        field(14, "droppedLinksCount", Kind::Int(Int::Uint32), Plain),
        field(15, "status", Kind::Message(&STATUS), Plain),
    ],
};

pub(super) static EVENT: Message = Message {
    name: "Event",
    fields: &[
        field(1, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(2, "name", Text, Plain),
        field(3, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(4, "droppedAttributesCount", Kind::Int(Int::Uint32), Plain),
    ],
};

pub(super) static LINK: Message = Message {
    name: "Link",
    fields: &[
        field(1, "traceId", Id(16), Plain),
        field(2, "spanId", Id(8), Plain),
        field(3, "traceState", Text, Plain),
        field(4, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(5, "droppedAttributesCount", Kind::Int(Int::Uint32), Plain),
        field(6, "flags", Kind::Int(Int::Fixed32), Plain),
    ],
};

pub(super) static STATUS: Message = Message {
    name: "Status",
    fields: &[field(2, "message", Text, Plain), field(3, "code", Enum(STATUS_CODES), Plain)],
};

pub(super) static EXPORT_LOGS: Message = Message {
    name: "ExportLogsServiceRequest",
    fields: &[field(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS), Repeated)],
};

pub(super) static RESOURCE_LOGS: Message = Message {
    name: "ResourceLogs",
    fields: &[
        field(1, "resource", Kind::Message(&RESOURCE), Plain),
        field(2, "scopeLogs", Kind::Message(&SCOPE_LOGS), Repeated),
        field(3, "schemaUrl", Text, Plain),
    ],
};

pub(super) static SCOPE_LOGS: Message = Message {
    name: "ScopeLogs",
    fields: &[
        field(1, "scope", Kind::Message(&SCOPE), Plain),
        field(2, "logRecords", Kind::Message(&LOG_RECORD), Repeated),
        field(3, "schemaUrl", Text, Plain),
    ],
};

pub(super) static LOG_RECORD: Message = Message {
    name: "LogRecord",
    fields: &[
        field(1, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(11, "observedTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(2, "severityNumber", Enum(SEVERITIES), Plain),
        field(3, "severityText", Text, Plain),
        field(5, "body", Kind::Message(&ANY_VALUE), Plain),
        field(6, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(7, "droppedAttributesCount", Kind::Int(Int::Uint32), Plain),
        field(8, "flags", Kind::Int(Int::Fixed32), Plain),
        field(9, "traceId", Id(16), Plain),
        field(10, "spanId", Id(8), Plain),
        field(12, "eventName", Text, Plain),
    ],
};

pub(super) static RESOURCE: Message = Message {
    name: "Resource",
    fields: &[
        field(1, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(2, "droppedAttributesCount", Kind::Int(Int::Uint32), Plain),
        field(3, "entityRefs", Kind::Message(&ENTITY_REF), Repeated),
    ],
};

pub(super) static ENTITY_REF: Message = Message {
    name: "EntityRef",
    fields: &[
        field(1, "schemaUrl", Text, Plain),
        field(2, "type", Text, Plain),
        field(3, "idKeys", Text, Repeated),
        field(4, "descriptionKeys", Text, Repeated),
    ],
};

pub(super) static SCOPE: Message = Message {
    name: "InstrumentationScope",
    fields: &[
        field(1, "name", Text, Plain),
        field(2, "version", Text, Plain),
        field(3, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(4, "droppedAttributesCount", Kind::Int(Int::Uint32), Plain),
    ],
};

pub(super) static KEY_VALUE: Message = Message {
    name: "KeyValue",
    fields: &[field(1, "key", Text, Plain), field(2, "value", Kind::Message(&ANY_VALUE), Plain)],
};

pub(super) static ANY_VALUE: Message = Message {
    name: "AnyValue",
    fields: &[
        field(1, "stringValue", Text, OneOf),
        field(2, "boolValue", Bool, OneOf),
        field(3, "intValue", Kind::Int(Int::Int64), OneOf),
        field(4, "doubleValue", Double, OneOf),
        field(5, "arrayValue", Kind::Message(&ARRAY_VALUE), OneOf),
        field(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST), OneOf),
        field(7, "bytesValue", Bytes, OneOf),
    ],
};

pub(super) static ARRAY_VALUE: Message =
    Message { name: "ArrayValue", fields: &[field(1, "values", Kind::Message(&ANY_VALUE), Repeated)] };

pub(super) static KEY_VALUE_LIST: Message =
    Message { name: "KeyValueList", fields: &[field(1, "values", Kind::Message(&KEY_VALUE), Repeated)] };

/// One line of the table.
pub(super) const fn field(number: u32, name: &'static str, kind: Kind, rule: Rule) -> Field {
    Field { number, name, kind, rule }
}
