//! Statements and what they make of items.

mod converters;
mod editors;
mod metrics;
mod oracle;
mod paths;
mod refused;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Proto;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message;

use super::*;

/// 2024-02-29 13:14:15.123456789.
const START: u64 = 1_709_212_455_123_456_789;

fn any(value: Proto) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text(text: &str) -> Proto {
    Proto::StringValue(text.to_owned())
}

fn attribute(key: &str, value: Proto) -> KeyValue {
    KeyValue { key: key.to_owned(), value: any(value), ..Default::default() }
}

fn list(values: impl IntoIterator<Item = Proto>) -> Proto {
    Proto::ArrayValue(ArrayValue { values: values.into_iter().flat_map(any).collect() })
}

fn map(values: impl IntoIterator<Item = (&'static str, Proto)>) -> Proto {
    Proto::KvlistValue(KeyValueList {
        values: values.into_iter().map(|(key, value)| attribute(key, value)).collect(),
    })
}

fn sample_span() -> Span {
    Span {
        trace_id: (1..17).collect(),
        span_id: (1..9).collect(),
        trace_state: "a=1, b=2".into(),
        name: "GET /users".into(),
        kind: 2,
        start_time_unix_nano: START,
        end_time_unix_nano: START + 1_500_000_000,
        attributes: vec![
            attribute("text", text("hello world")),
            attribute("http.url", text("https://h/p?password=secret")),
            attribute("int", Proto::IntValue(42)),
            attribute("float", Proto::DoubleValue(1.5)),
            attribute("yes", Proto::BoolValue(true)),
            attribute("bytes", Proto::BytesValue(vec![1, 0xff])),
            attribute("list", list([text("a"), Proto::IntValue(2)])),
            attribute("map", map([("x", Proto::IntValue(1)), ("y", map([("z", text("deep"))]))])),
            attribute("empty", text("")),
        ],
        status: Some(Status { code: 2, message: "boom".into() }),
        ..Default::default()
    }
}

fn sample_resource() -> Resource {
    Resource { attributes: vec![attribute("service.name", text("shop"))], ..Default::default() }
}

fn sample_scope() -> InstrumentationScope {
    InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() }
}

fn env() -> Env<'static> {
    Env { now_unix_nanos: START, origin: None, random: &|| 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef }
}

/// Runs statements on the sample span; gives the span, or the first error.
fn run_on(span: &Span, statements: &[&str]) -> Result<Span, String> {
    let (resource, scope) = (sample_resource().encode_to_vec(), sample_scope().encode_to_vec());
    let bytes = span.encode_to_vec();
    let mut target = Target::new();
    target.set(Context::Resource, &resource);
    target.set(Context::Scope, &scope);
    target.set(Context::Span, &bytes);
    for text in statements {
        let statement = statement(text, Some(Context::Span)).map_err(|error| error.to_string())?;
        statement.run(&mut target, &env()).map_err(|error| error.to_string())?;
    }
    Ok(Span::decode(target.bytes(Context::Span)).unwrap())
}

fn run(statements: &[&str]) -> Result<Span, String> {
    run_on(&sample_span(), statements)
}

/// An attribute of a span as JSON; `nil` when there is none.
fn json_of(span: &Span, key: &str) -> String {
    let Some(found) = span.attributes.iter().find(|attribute| attribute.key == key) else {
        return "nil".into();
    };
    let bytes = found.value.as_ref().map(Message::encode_to_vec).unwrap_or_default();
    let mut out = Vec::new();
    render::json(&value::read_any(&bytes).unwrap(), render::Style::Plain, &mut out, value::DEPTH_MAX)
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// What an expression gives on the sample span, as JSON, or its error after `error: `.
fn value_of(expression: &str) -> String {
    match run(&[&format!("set(attributes[\"out\"], {expression})")]) {
        Ok(span) => json_of(&span, "out"),
        Err(error) => format!("error: {error}"),
    }
}

fn holds(text: &str) -> Result<bool, String> {
    let span = sample_span().encode_to_vec();
    let (resource, scope) = (sample_resource().encode_to_vec(), sample_scope().encode_to_vec());
    let mut target = Target::new();
    target.set(Context::Resource, &resource);
    target.set(Context::Scope, &scope);
    target.set(Context::Span, &span);
    let condition = condition(text, Context::Span).map_err(|error| error.to_string())?;
    condition.matches(&mut target, &env()).map_err(|error| error.to_string())
}

#[test]
fn conditions_hold_as_in_the_collector() {
    let cases = [
        (r#"attributes["text"] == "hello world""#, true),
        (r#"attributes["text"] != "hello""#, true),
        (r#"attributes["none"] == nil"#, true),
        (r#"attributes["none"] != nil"#, false),
        (r#"nil == nil"#, true),
        (r#"attributes["none"] < 1"#, false),
        (r#"attributes["none"] != 1"#, true),
        (r#"attributes["int"] == 42"#, true),
        (r#"attributes["int"] >= 42.0"#, true),
        (r#"attributes["int"] == "42""#, false),
        (r#"attributes["int"] != "42""#, true),
        (r#"attributes["int"] < "50""#, false),
        (r#"attributes["float"] < 2"#, true),
        (r#"attributes["yes"]== true"#, true),
        (r#"attributes["yes"] > false"#, true),
        (r#"attributes["bytes"] == 0x01ff"#, true),
        (r#"attributes["bytes"] > 0x01"#, true),
        (r#"attributes["list"] == ["a", 2]"#, true),
        (r#"attributes["list"] == ["a", 3]"#, false),
        (r#"attributes["map"] == {"y": {"z": "deep"}, "x": 1}"#, true),
        (r#"attributes["map"] != {"x": 1}"#, true),
        (r#"attributes["map"] < {"x": 1}"#, false),
        (r#"attributes["map"]["y"]["z"] == "deep""#, true),
        (r#"attributes["list"][1] == 2"#, true),
        (r#"name == "GET /users" and kind == SPAN_KIND_SERVER"#, true),
        (r#"status.code == STATUS_CODE_ERROR and status.message == "boom""#, true),
        (r#"false and false or true"#, true),
        (r#"true or false and false"#, true),
        (r#"not true or true"#, true),
        (r#"not (true or true)"#, false),
        (r#"not not true"#, true),
        (r#"(end_time - start_time) > Duration("1s")"#, true),
        (r#"(end_time_unix_nano - start_time_unix_nano) / 1000000 == 1500"#, true),
        (r#"(((name)) == ("GET /users"))"#, true),
        (r#"1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 7 / 2 == 3 and 7.0 / 2.0 == 3.5"#, true),
        (r#"1 - 2 - 3 == -4 and 1-1 == 0"#, true),
        (r#"span.name == "GET /users" and resource.attributes["service.name"] == "shop""#, true),
        (r#"scope.name == "lib" and instrumentation_scope.version == "1.2""#, true),
        (r#"IsMatch(name, "^GET .*$") and not IsMatch(attributes["none"], ".*")"#, true),
        (r#"IsRootSpan()"#, true),
        (r#"trace_id == TraceID(0x0102030405060708090a0b0c0d0e0f10)"#, true),
        (r#"trace_id.string == "0102030405060708090a0b0c0d0e0f10""#, true),
        (r#"span_id == SpanID("0102030405060708")"#, true),
        (r#"parent_span_id.string == "0000000000000000""#, true),
        (r#"parent_span_id == SpanID(0x0000000000000000)"#, true),
        (r#"kind.string == "Server" and kind.deprecated_string == "SPAN_KIND_SERVER""#, true),
        (r#"trace_state == "a=1, b=2" and trace_state["b"] == "2""#, true),
        (r#"attributes[Concat(["te", "xt"], "")] == "hello world""#, true),
        (r#"ParseJSON("{\"a\":[1,{\"b\":\"c\"}]}")["a"][1]["b"] == "c""#, true),
        (r#"Now() == start_time"#, true),
        (r#"HasPrefix(name, "GET") or HasPrefix(attributes["none"], "x")"#, true),
    ];
    for (text, expected) in cases {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    let cases = [
        (r#"HasPrefix(attributes["none"], "x")"#, "expected string but got nil"),
        (r#"attributes["text"]["x"] == 1"#, "type string does not support string indexing"),
        (r#"attributes["list"][7] == 1"#, "index 7 out of bounds"),
        (r#"1 + 1.0 == 2"#, "cannot add int64 and float64"),
        (r#"1 / 0 == 2"#, "attempted to divide by 0"),
        (r#"ParseJSON("no") != nil"#, "could not parse JSON: expected ident at line 1 column 2"),
        (
            r#"Concat(["a"], "")"#,
            "value returned from a converter in constant expression must be bool but got string",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(holds(text), Err(expected.to_owned()), "{text}");
    }
}
