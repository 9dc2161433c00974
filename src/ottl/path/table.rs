//! The table of paths: by context and name, which field they are and in which form.

use super::super::context::Context;
use super::super::points::Packed;
use super::super::value::Shape;

/// How a path is read and written.
#[derive(Debug)]
pub(super) enum Access {
    /// The attributes of the message, or one of them.
    Attributes,
    /// A field of the message.
    Field(u32, Form),
    /// A field of a message inside: `status.code`.
    Inner(u32, u32, Form),
    /// A field of a data point: by kind of point, number, histogram, exponential histogram, summary. 0 = has none.
    Point([u32; 4], Form),
    /// The value of a number point, which is one of two fields.
    PointValue(u32, Form),
    /// The value of an exemplar, likewise.
    ExemplarValue(u32, Form),
    /// A field of a metric's data, and which data have it.
    Data(u32, Form, &'static [u32]),
    /// What the metric's data is.
    MetricType,
    /// A value of any type: a log's body.
    Any(u32),
    /// The same as a string.
    AnyText(u32),
    /// A message or repeated messages, not looked into; in data points the field by kind of point.
    Opaque(u32, Shape),
    PointOpaque([u32; 4], Shape),
    /// The data points of a metric.
    DataPoints,
    /// Numbers of a data point, by kind of point; of a message inside of it, unless that is 0.
    PointList([u32; 4], u32, Packed),
    /// A field of a message inside of a data point.
    PointInner([u32; 4], u32, Form),
    Cache,
    SchemaUrl,
    EventIndex,
    /// Not of the item: of the request that it came in.
    Request(About),
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The headers that the receiver keeps, each a list.
    Headers,
    /// The other end of the connection.
    Peer,
    /// What the authenticator found out.
    Identity,
    /// The metadata of a gRPC call, each a list.
    Call,
}

/// The form of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    TraceId,
    TraceIdText,
    SpanId,
    SpanIdText,
    /// `int32`, `uint32`, enums.
    Varint,
    Fixed32,
    Sint32,
    /// `fixed64` and `sfixed64` as a number.
    Fixed64,
    /// `fixed64` as a time.
    Time,
    Double,
    Bool,
    /// A span's kind as `Server`.
    Kind,
    /// A span's kind as `SPAN_KIND_SERVER`.
    KindDeprecated,
    /// A string of members under keys.
    TraceState,
}

impl Access {
    pub(super) fn has_keys(&self) -> bool {
        match self {
            Self::Attributes | Self::Cache | Self::Any(_) | Self::Field(_, TraceState) => true,
            Self::Request(about) => *about != About::Peer,
            _ => false,
        }
    }
}

use Access::*;
use Form::*;

type Table = &'static [(&'static str, Access)];

/// The paths of a context.
pub(super) fn of(context: Context) -> Table {
    match context {
        Context::Resource => RESOURCE,
        Context::Scope => SCOPE,
        Context::Span => SPAN,
        Context::SpanEvent => SPAN_EVENT,
        Context::Metric => METRIC,
        Context::DataPoint => DATA_POINT,
        Context::Exemplar => EXEMPLAR,
        Context::Log => LOG,
    }
}

/// The path of a name.
pub(super) fn access(context: Context, name: &str) -> Option<&'static Access> {
    of(context).iter().chain(REQUEST).find(|(known, _)| *known == name).map(|(_, access)| access)
}

/// The paths that every context has.
pub(super) const REQUEST: Table = &[
    ("otelcol.client.addr", Request(About::Peer)),
    ("otelcol.client.auth.attributes", Request(About::Identity)),
    ("otelcol.client.metadata", Request(About::Headers)),
    ("otelcol.grpc.metadata", Request(About::Call)),
];

const RESOURCE: Table = &[
    ("attributes", Attributes),
    ("dropped_attributes_count", Field(2, Varint)),
    ("schema_url", SchemaUrl),
    ("cache", Cache),
];

const SCOPE: Table = &[
    ("name", Field(1, Text)),
    ("version", Field(2, Text)),
    ("attributes", Attributes),
    ("dropped_attributes_count", Field(4, Varint)),
    ("schema_url", SchemaUrl),
    ("cache", Cache),
];

const SPAN: Table = &[
    ("attributes", Attributes),
    ("name", Field(5, Text)),
    ("kind", Field(6, Varint)),
    ("kind.string", Field(6, Kind)),
    ("kind.deprecated_string", Field(6, KindDeprecated)),
    ("status.code", Inner(15, 3, Varint)),
    ("status.message", Inner(15, 2, Text)),
    ("status", Opaque(15, Shape::Status)),
    ("trace_id", Field(1, TraceId)),
    ("trace_id.string", Field(1, TraceIdText)),
    ("span_id", Field(2, SpanId)),
    ("span_id.string", Field(2, SpanIdText)),
    ("parent_span_id", Field(4, SpanId)),
    ("parent_span_id.string", Field(4, SpanIdText)),
    ("trace_state", Field(3, TraceState)),
    ("start_time_unix_nano", Field(7, Fixed64)),
    ("end_time_unix_nano", Field(8, Fixed64)),
    ("start_time", Field(7, Time)),
    ("end_time", Field(8, Time)),
    ("dropped_attributes_count", Field(10, Varint)),
    ("events", Opaque(11, Shape::Events)),
    ("dropped_events_count", Field(12, Varint)),
    ("links", Opaque(13, Shape::Links)),
    ("dropped_links_count", Field(14, Varint)),
    ("flags", Field(16, Fixed32)),
    ("cache", Cache),
];

const SPAN_EVENT: Table = &[
    ("name", Field(2, Text)),
    ("attributes", Attributes),
    ("time_unix_nano", Field(1, Fixed64)),
    ("time", Field(1, Time)),
    ("dropped_attributes_count", Field(4, Varint)),
    ("event_index", EventIndex),
    ("cache", Cache),
];

const METRIC: Table = &[
    ("name", Field(1, Text)),
    ("description", Field(2, Text)),
    ("unit", Field(3, Text)),
    ("type", MetricType),
    ("aggregation_temporality", Data(2, Varint, &[7, 9, 10])),
    ("is_monotonic", Data(3, Bool, &[7])),
    ("data_points", DataPoints),
    ("metadata", Attributes),
    ("cache", Cache),
];

const DATA_POINT: Table = &[
    ("attributes", Attributes),
    ("start_time_unix_nano", Field(2, Fixed64)),
    ("time_unix_nano", Field(3, Fixed64)),
    ("start_time", Field(2, Time)),
    ("time", Field(3, Time)),
    ("value_double", PointValue(4, Double)),
    ("value_int", PointValue(6, Fixed64)),
    ("flags", Point([8, 10, 10, 8], Varint)),
    ("count", Point([0, 4, 4, 4], Fixed64)),
    ("sum", Point([0, 5, 5, 5], Double)),
    ("min", Point([0, 11, 12, 0], Double)),
    ("max", Point([0, 12, 13, 0], Double)),
    ("scale", Point([0, 0, 6, 0], Sint32)),
    ("zero_count", Point([0, 0, 7, 0], Fixed64)),
    ("zero_threshold", Point([0, 0, 14, 0], Double)),
    ("exemplars", PointOpaque([5, 8, 11, 0], Shape::Exemplars)),
    ("bucket_counts", PointList([0, 6, 0, 0], 0, Packed::Fixed64)),
    ("explicit_bounds", PointList([0, 7, 0, 0], 0, Packed::Doubles)),
    ("positive", PointOpaque([0, 0, 8, 0], Shape::Buckets)),
    ("positive.offset", PointInner([0, 0, 8, 0], 1, Sint32)),
    ("positive.bucket_counts", PointList([0, 0, 8, 0], 2, Packed::Varints)),
    ("negative", PointOpaque([0, 0, 9, 0], Shape::Buckets)),
    ("negative.offset", PointInner([0, 0, 9, 0], 1, Sint32)),
    ("negative.bucket_counts", PointList([0, 0, 9, 0], 2, Packed::Varints)),
    ("quantile_values", PointOpaque([0, 0, 0, 6], Shape::Quantiles)),
    ("cache", Cache),
];

const EXEMPLAR: Table = &[
    ("filtered_attributes", Attributes),
    ("time_unix_nano", Field(2, Fixed64)),
    ("time", Field(2, Time)),
    ("double_value", ExemplarValue(3, Double)),
    ("int_value", ExemplarValue(6, Fixed64)),
    ("trace_id", Field(5, TraceId)),
    ("trace_id.string", Field(5, TraceIdText)),
    ("span_id", Field(4, SpanId)),
    ("span_id.string", Field(4, SpanIdText)),
    ("cache", Cache),
];

const LOG: Table = &[
    ("attributes", Attributes),
    ("body", Any(5)),
    ("body.string", AnyText(5)),
    ("severity_number", Field(2, Varint)),
    ("severity_text", Field(3, Text)),
    ("time_unix_nano", Field(1, Fixed64)),
    ("observed_time_unix_nano", Field(11, Fixed64)),
    ("time", Field(1, Time)),
    ("observed_time", Field(11, Time)),
    ("trace_id", Field(9, TraceId)),
    ("trace_id.string", Field(9, TraceIdText)),
    ("span_id", Field(10, SpanId)),
    ("span_id.string", Field(10, SpanIdText)),
    ("flags", Field(8, Fixed32)),
    ("dropped_attributes_count", Field(7, Varint)),
    ("event_name", Field(12, Text)),
    ("cache", Cache),
];

/// Names of span kinds, by number.
pub(super) const KINDS: [(&str, &str); 6] = [
    ("Unspecified", "SPAN_KIND_UNSPECIFIED"),
    ("Internal", "SPAN_KIND_INTERNAL"),
    ("Server", "SPAN_KIND_SERVER"),
    ("Client", "SPAN_KIND_CLIENT"),
    ("Producer", "SPAN_KIND_PRODUCER"),
    ("Consumer", "SPAN_KIND_CONSUMER"),
];
