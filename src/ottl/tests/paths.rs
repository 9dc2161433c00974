//! Paths of all contexts, read and written.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::span::Event;

use super::*;

#[test]
fn fields_of_spans_are_written_in_place() {
    let span = run(&[
        r#"set(name, "new")"#,
        "set(kind, SPAN_KIND_CLIENT)",
        "set(status.code, STATUS_CODE_OK)",
        r#"set(status.message, "")"#,
        r#"set(trace_state["b"], "3")"#,
        "set(trace_id, TraceID(0x0202020202020202020202020202020f))",
        r#"set(span_id.string, "0101010101010102")"#,
        "set(parent_span_id, SpanID(0x0a0a0a0a0a0a0a0a))",
        "set(start_time_unix_nano, 7)",
        r#"set(end_time, start_time + Duration("1us"))"#,
        "set(dropped_attributes_count, 3)",
        r#"set(cache["x"], "cached")"#,
        r#"set(attributes["c"], cache["x"])"#,
    ])
    .unwrap();
    assert_eq!(span.name, "new");
    assert_eq!(span.kind, 3);
    assert_eq!(span.status, Some(Status { code: 1, message: String::new() }));
    assert_eq!(span.trace_state, "b=3,a=1");
    assert_eq!((span.trace_id[0], span.trace_id[15]), (2, 15));
    assert_eq!(span.span_id, [1, 1, 1, 1, 1, 1, 1, 2]);
    assert_eq!(span.parent_span_id, [10; 8]);
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (7, 1007));
    assert_eq!(span.dropped_attributes_count, 3);
    assert_eq!(json_of(&span, "c"), r#""cached""#);
}

#[test]
fn headers_of_the_request_are_read() {
    let headers = [("x-tenant", "blue"), ("x-tenant", "red"), ("a", "b")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let with_headers = Env { metadata: &headers, ..env() };
    let bytes = sample_span().encode_to_vec();
    let cases = [
        (r#"otelcol.client.metadata["X-Tenant"]"#, r#"["blue","red"]"#),
        (r#"otelcol.client.metadata["x-tenant"][1]"#, r#""red""#),
        (r#"otelcol.client.metadata["none"]"#, "nil"),
        ("otelcol.client.metadata", r#"{"a":["b"],"x-tenant":["blue","red"]}"#),
    ];
    for (path, expected) in cases {
        let mut target = Target::new();
        target.set(Context::Span, &bytes);
        let set = statement(&format!("set(attributes[\"out\"], {path})"), Some(Context::Span)).unwrap();
        assert!(set.reads_metadata());
        set.run(&mut target, &with_headers).unwrap();
        let span = Span::decode(target.bytes(Context::Span)).unwrap();
        assert_eq!(json_of(&span, "out"), expected, "{path}");
    }
}

#[test]
fn what_stands_around_an_item_is_written_too() {
    let (resource, scope) = (sample_resource().encode_to_vec(), sample_scope().encode_to_vec());
    let span = sample_span().encode_to_vec();
    let event = Event { name: "exception".into(), ..Default::default() }.encode_to_vec();
    let mut target = Target::new();
    target.set(Context::Resource, &resource);
    target.set(Context::Scope, &scope);
    target.set(Context::Span, &span);
    target.set(Context::SpanEvent, &event);
    target.set_event_index(3);
    target.set_schema_url(Context::Resource, b"https://schema");
    for text in [
        r#"set(spanevent.attributes["n"], spanevent.event_index) where spanevent.name == "exception""#,
        r#"set(span.name, "outer") where event_index == 3"#,
        r#"set(resource.attributes["seen"], true) where resource.schema_url == "https://schema""#,
        r#"set(resource.schema_url, "new")"#,
        r#"set(scope.version, "2")"#,
    ] {
        assert!(
            statement(text, Some(Context::SpanEvent)).unwrap().run(&mut target, &env()).unwrap(),
            "{text}"
        );
    }
    let event = Event::decode(target.changed(Context::SpanEvent).unwrap()).unwrap();
    assert_eq!(event.attributes, [attribute("n", Proto::IntValue(3))]);
    assert_eq!(Span::decode(target.changed(Context::Span).unwrap()).unwrap().name, "outer");
    let resource = Resource::decode(target.changed(Context::Resource).unwrap()).unwrap();
    assert_eq!(resource.attributes[1], attribute("seen", Proto::BoolValue(true)));
    assert_eq!(InstrumentationScope::decode(target.changed(Context::Scope).unwrap()).unwrap().version, "2");
    assert_eq!(target.into_memory().take_changed_schema_url(Context::Resource), Some(b"new".to_vec()));
}

fn on_metric(metric: &Metric, point: &impl Message, statements: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let (metric, point) = (metric.encode_to_vec(), point.encode_to_vec());
    let mut target = Target::new();
    target.set(Context::Metric, &metric);
    target.set(Context::DataPoint, &point);
    for text in statements {
        statement(text, Some(Context::DataPoint)).unwrap().run(&mut target, &env()).unwrap();
    }
    (target.bytes(Context::Metric).to_vec(), target.bytes(Context::DataPoint).to_vec())
}

#[test]
fn points_are_read_by_what_their_metric_is() {
    let data =
        metric::Data::Sum(Sum { aggregation_temporality: 2, is_monotonic: true, ..Default::default() });
    let metric = Metric { name: "requests".into(), unit: "1".into(), data: Some(data), ..Default::default() };
    let point = NumberDataPoint {
        attributes: vec![attribute("a", text("b"))],
        value: Some(number_data_point::Value::AsInt(5)),
        ..Default::default()
    };
    let (metric, point) = on_metric(
        &metric,
        &point,
        &[
            r#"set(attributes["ok"], true) where metric.name == "requests" and attributes["a"] == "b" and value_int == 5"#,
            "set(value_double, 2.5) where metric.type == METRIC_DATA_TYPE_SUM and metric.is_monotonic == true",
            r#"set(metric.unit, "s") where metric.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE"#,
            "set(metric.is_monotonic, false)",
            r#"set(datapoint.attributes["count"], count) where count == nil"#,
        ],
    );
    let point = NumberDataPoint::decode(&point[..]).unwrap();
    assert_eq!(point.value, Some(number_data_point::Value::AsDouble(2.5)));
    assert_eq!(point.attributes.len(), 2);
    let metric = Metric::decode(&metric[..]).unwrap();
    assert_eq!(metric.unit, "s");
    let Some(metric::Data::Sum(sum)) = metric.data else { panic!() };
    assert_eq!((sum.is_monotonic, sum.aggregation_temporality), (false, 2));
}

#[test]
fn points_of_histograms_have_their_attributes_elsewhere() {
    let metric = |data| Metric { data: Some(data), ..Default::default() };
    let statements = [r#"set(attributes["n"], count)"#, r#"set(attributes["s"], sum)"#];
    let point = HistogramDataPoint { count: 3, sum: Some(1.5), ..Default::default() };
    let (_, bytes) = on_metric(&metric(metric::Data::Histogram(Default::default())), &point, &statements);
    let expected = [attribute("n", Proto::IntValue(3)), attribute("s", Proto::DoubleValue(1.5))];
    assert_eq!(HistogramDataPoint::decode(&bytes[..]).unwrap().attributes, expected);
    let point = ExponentialHistogramDataPoint { count: 3, sum: Some(1.5), scale: -2, ..Default::default() };
    let statements = [statements[0], statements[1], "set(scale, scale - 1)"];
    let (_, bytes) =
        on_metric(&metric(metric::Data::ExponentialHistogram(Default::default())), &point, &statements);
    let point = ExponentialHistogramDataPoint::decode(&bytes[..]).unwrap();
    assert_eq!((point.attributes, point.scale), (expected.to_vec(), -3));
}

#[test]
fn log_bodies_are_values_of_any_type() {
    let on = |body: Proto, statements: &[&str]| {
        let log = LogRecord { body: any(body), severity_number: 9, ..Default::default() }.encode_to_vec();
        let mut target = Target::new();
        target.set(Context::Log, &log);
        for text in statements {
            statement(text, Some(Context::Log)).unwrap().run(&mut target, &env()).unwrap();
        }
        LogRecord::decode(target.bytes(Context::Log)).unwrap()
    };
    let log = on(text("{\"a\":1}"), &["set(body, ParseJSON(body)) where IsString(body)"]);
    assert_eq!(log.body, any(map([("a", Proto::DoubleValue(1.0))])));
    let log = on(map([("k", text("v"))]), &[r#"set(body["n"], 1) where body["k"] == "v""#]);
    assert_eq!(log.body, any(map([("k", text("v")), ("n", Proto::IntValue(1))])));
    let log = on(
        map([("k", text("v"))]),
        &[r#"delete_key(body, "k")"#, "set(severity_number, SEVERITY_NUMBER_ERROR)"],
    );
    assert_eq!((log.body, log.severity_number), (any(map([])), 17));
    let log = on(Proto::IntValue(7), &[r#"set(attributes["b"], body.string)"#]);
    assert_eq!(log.attributes, [attribute("b", text("7"))]);
}

#[test]
fn renamed_attributes_are_found_under_either_name() {
    let mut span = sample_span();
    span.attributes = vec![attribute("http.response.status_code", Proto::IntValue(500))];
    let bytes = span.encode_to_vec();
    let mut target = Target::new();
    target.set(Context::Span, &bytes);
    let dialect = Dialect { semconv: true };
    let old = r#"attributes["http.status_code"] == 500"#;
    assert!(dialect.condition(old, Context::Span).unwrap().matches(&mut target, &env()).unwrap());
    assert!(!condition(old, Context::Span).unwrap().matches(&mut target, &env()).unwrap());
    let set = dialect.statement(r#"set(attributes["http.status_code"], 1)"#, Some(Context::Span)).unwrap();
    set.run(&mut target, &env()).unwrap();
    let span = Span::decode(target.bytes(Context::Span)).unwrap();
    assert_eq!(span.attributes, [attribute("http.response.status_code", Proto::IntValue(1))]);
}
