//! The table of OTLP's messages: metrics of all five kinds.

use super::super::schema::Kind::{Bool, Double, Enum, Id, Text};
use super::super::schema::Rule::{OneOf, Optional, Plain, Repeated};
use super::super::schema::{Int, Kind, Message};
use super::{KEY_VALUE, RESOURCE, SCOPE, field};

const TEMPORALITIES: &[&str] = &[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
];

pub(in crate::wire::json) static EXPORT_METRICS: Message = Message {
    name: "ExportMetricsServiceRequest",
    fields: &[field(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS), Repeated)],
};

pub(super) static RESOURCE_METRICS: Message = Message {
    name: "ResourceMetrics",
    fields: &[
        field(1, "resource", Kind::Message(&RESOURCE), Plain),
        field(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS), Repeated),
        field(3, "schemaUrl", Text, Plain),
    ],
};

pub(super) static SCOPE_METRICS: Message = Message {
    name: "ScopeMetrics",
    fields: &[
        field(1, "scope", Kind::Message(&SCOPE), Plain),
        field(2, "metrics", Kind::Message(&METRIC), Repeated),
        field(3, "schemaUrl", Text, Plain),
    ],
};

pub(super) static METRIC: Message = Message {
    name: "Metric",
    fields: &[
        field(1, "name", Text, Plain),
        field(2, "description", Text, Plain),
        field(3, "unit", Text, Plain),
        field(5, "gauge", Kind::Message(&GAUGE), OneOf),
        field(7, "sum", Kind::Message(&SUM), OneOf),
        field(9, "histogram", Kind::Message(&HISTOGRAM), OneOf),
        field(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM), OneOf),
        field(11, "summary", Kind::Message(&SUMMARY), OneOf),
        field(12, "metadata", Kind::Message(&KEY_VALUE), Repeated),
    ],
};

pub(super) static GAUGE: Message =
    Message { name: "Gauge", fields: &[field(1, "dataPoints", Kind::Message(&NUMBER_POINT), Repeated)] };

pub(super) static SUM: Message = Message {
    name: "Sum",
    fields: &[
        field(1, "dataPoints", Kind::Message(&NUMBER_POINT), Repeated),
        field(2, "aggregationTemporality", Enum(TEMPORALITIES), Plain),
        field(3, "isMonotonic", Bool, Plain),
    ],
};

pub(super) static HISTOGRAM: Message = Message {
    name: "Histogram",
    fields: &[
        field(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT), Repeated),
        field(2, "aggregationTemporality", Enum(TEMPORALITIES), Plain),
    ],
};

pub(super) static EXPONENTIAL_HISTOGRAM: Message = Message {
    name: "ExponentialHistogram",
    fields: &[
        field(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT), Repeated),
        field(2, "aggregationTemporality", Enum(TEMPORALITIES), Plain),
    ],
};

pub(super) static SUMMARY: Message =
    Message { name: "Summary", fields: &[field(1, "dataPoints", Kind::Message(&SUMMARY_POINT), Repeated)] };

pub(super) static NUMBER_POINT: Message = Message {
    name: "NumberDataPoint",
    fields: &[
        field(7, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(2, "startTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(3, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(4, "asDouble", Double, OneOf),
        field(6, "asInt", Kind::Int(Int::Sfixed64), OneOf),
        field(5, "exemplars", Kind::Message(&EXEMPLAR), Repeated),
        field(8, "flags", Kind::Int(Int::Uint32), Plain),
    ],
};

pub(super) static HISTOGRAM_POINT: Message = Message {
    name: "HistogramDataPoint",
    fields: &[
        field(9, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(2, "startTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(3, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(4, "count", Kind::Int(Int::Fixed64), Plain),
        field(5, "sum", Double, Optional),
        field(6, "bucketCounts", Kind::Int(Int::Fixed64), Repeated),
        field(7, "explicitBounds", Double, Repeated),
        field(8, "exemplars", Kind::Message(&EXEMPLAR), Repeated),
        field(10, "flags", Kind::Int(Int::Uint32), Plain),
        field(11, "min", Double, Optional),
        field(12, "max", Double, Optional),
    ],
};

pub(super) static EXPONENTIAL_POINT: Message = Message {
    name: "ExponentialHistogramDataPoint",
    fields: &[
        field(1, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(2, "startTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(3, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(4, "count", Kind::Int(Int::Fixed64), Plain),
        field(5, "sum", Double, Optional),
        field(6, "scale", Kind::Int(Int::Sint32), Plain),
        field(7, "zeroCount", Kind::Int(Int::Fixed64), Plain),
        field(8, "positive", Kind::Message(&BUCKETS), Plain),
        field(9, "negative", Kind::Message(&BUCKETS), Plain),
        field(10, "flags", Kind::Int(Int::Uint32), Plain),
        field(11, "exemplars", Kind::Message(&EXEMPLAR), Repeated),
        field(12, "min", Double, Optional),
        field(13, "max", Double, Optional),
        field(14, "zeroThreshold", Double, Plain),
    ],
};

pub(super) static BUCKETS: Message = Message {
    name: "Buckets",
    fields: &[
        field(1, "offset", Kind::Int(Int::Sint32), Plain),
        field(2, "bucketCounts", Kind::Int(Int::Uint64), Repeated),
    ],
};

pub(super) static SUMMARY_POINT: Message = Message {
    name: "SummaryDataPoint",
    fields: &[
        field(7, "attributes", Kind::Message(&KEY_VALUE), Repeated),
        field(2, "startTimeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(3, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(4, "count", Kind::Int(Int::Fixed64), Plain),
        field(5, "sum", Double, Plain),
        field(6, "quantileValues", Kind::Message(&VALUE_AT_QUANTILE), Repeated),
        field(8, "flags", Kind::Int(Int::Uint32), Plain),
    ],
};

pub(super) static VALUE_AT_QUANTILE: Message = Message {
    name: "ValueAtQuantile",
    fields: &[field(1, "quantile", Double, Plain), field(2, "value", Double, Plain)],
};

pub(super) static EXEMPLAR: Message = Message {
    name: "Exemplar",
    fields: &[
        field(7, "filteredAttributes", Kind::Message(&KEY_VALUE), Repeated),
        field(2, "timeUnixNano", Kind::Int(Int::Fixed64), Plain),
        field(3, "asDouble", Double, OneOf),
        field(6, "asInt", Kind::Int(Int::Sfixed64), OneOf),
        field(5, "traceId", Id(16), Plain),
        field(4, "spanId", Id(8), Plain),
    ],
};
