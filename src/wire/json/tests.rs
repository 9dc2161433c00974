//! The transcoder against what senders really write, and against damage.

#![allow(clippy::unwrap_used)]

mod generated;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Value, json};

use self::generated::any_request;
use super::proto::{close, open};
use super::*;
use crate::outcome::Signal;

fn spans(span: Value) -> Value {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
}

fn read(document: &Value) -> Result<ExportTraceServiceRequest, JsonError> {
    read_text(&document.to_string())
}

fn read_text(document: &str) -> Result<ExportTraceServiceRequest, JsonError> {
    let bytes = to_protobuf(Signal::Traces, document.as_bytes(), Limits::default())?;
    Ok(ExportTraceServiceRequest::decode(&bytes[..]).unwrap())
}

fn only_span(document: &Value) -> opentelemetry_proto::tonic::trace::v1::Span {
    read(document).unwrap().resource_spans[0].scope_spans[0].spans[0].clone()
}

#[test]
fn keys_may_be_camel_or_snake() {
    let camel = json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"startTimeUnixNano": "5", "droppedAttributesCount": 2, "parentSpanId": "0102030405060708"}]}]}]});
    let snake = json!({"resource_spans": [{"scope_spans": [{"spans": [
        {"parent_span_id": "0102030405060708", "dropped_attributes_count": "2", "start_time_unix_nano": 5}]}]}]});
    assert_eq!(read(&camel).unwrap(), read(&snake).unwrap());
    assert_eq!(only_span(&camel).start_time_unix_nano, 5);
    let neither = json!({"resource_Spans": 1, "ResourceSpans": 2, "resourcespans": 3, "resource__spans": 4});
    assert!(read(&neither).unwrap().resource_spans.is_empty());
}

#[test]
fn enums_may_be_numbers_or_names() {
    for kind in [json!(3), json!("3"), json!("SPAN_KIND_CLIENT"), json!(3.0)] {
        assert_eq!(only_span(&spans(json!({"kind": kind}))).kind, 3);
    }
    assert_eq!(only_span(&spans(json!({"kind": -1}))).kind, -1);
    assert!(read(&spans(json!({"kind": "CLIENT"}))).is_err());
}

#[test]
fn integers_may_be_numbers_or_strings() {
    for (value, expected) in [
        (json!("18446744073709551615"), u64::MAX),
        (json!(18_446_744_073_709_551_615_u64), u64::MAX),
        (json!(1e3), 1000),
        (json!("1e3"), 1000),
        (json!("007"), 7),
    ] {
        assert_eq!(only_span(&spans(json!({"endTimeUnixNano": value}))).end_time_unix_nano, expected);
    }
    for bad in [
        json!(-1),
        json!(1.5),
        json!("x"),
        json!(""),
        json!("18446744073709551616"),
        json!(1e300),
        json!(true),
    ] {
        assert!(read(&spans(json!({"endTimeUnixNano": bad}))).is_err(), "{bad}");
    }
    assert!(read(&spans(json!({"flags": 4_294_967_296_u64}))).is_err());
    assert_eq!(only_span(&spans(json!({"flags": "4294967295"}))).flags, u32::MAX);
}

#[test]
fn floats_may_be_numbers_strings_or_names() {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    let double = |value: Value| {
        let span = only_span(&spans(json!({"attributes": [{"key": "k", "value": {"doubleValue": value}}]})));
        match span.attributes[0].value.clone().unwrap().value {
            Some(Any::DoubleValue(value)) => value,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(double(json!(1)), 1.0);
    assert_eq!(double(json!("-2.5e3")), -2500.0);
    assert!(double(json!("NaN")).is_nan());
    assert_eq!(double(json!("Infinity")), f64::INFINITY);
    assert_eq!(double(json!("inf")), f64::INFINITY);
    assert_eq!(double(json!("-Infinity")), f64::NEG_INFINITY);
    for bad in ["", "1,5", "1e999", "one", "0x10", " 1", "-NaN", "+nan"] {
        let document = spans(json!({"attributes": [{"value": {"doubleValue": bad}}]}));
        assert!(read(&document).is_err(), "{bad}");
    }
}

#[test]
fn ids_are_hex_of_either_case_and_of_their_length() {
    let span = only_span(&spans(json!({"traceId": "00AAbbCC445566778899aabbccddeeff", "spanId": ""})));
    assert_eq!(span.trace_id[..4], [0, 0xaa, 0xbb, 0xcc]);
    assert!(span.span_id.is_empty());
    for bad in ["00", "zz112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff00"] {
        let error = read(&spans(json!({"traceId": bad}))).unwrap_err();
        assert_eq!(error.path, "resourceSpans[0].scopeSpans[0].spans[0].traceId");
        assert!(error.message.contains("an id of 32 hex digits"), "{error}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_null_is_none() {
    let odd = json!({"name": "a", "traceId": null, "status": null, "attributes": null, "kind": null,
        "xyz": {"deep": [1, {"er": "x"}]}, "links": []});
    assert_eq!(read(&spans(odd)).unwrap(), read(&spans(json!({"name": "a"}))).unwrap());
}

#[test]
fn empty_values_are_told_from_none() {
    let document = spans(json!({"attributes": [{"key": "a", "value": {"stringValue": ""}},
        {"key": "b", "value": {}}, {"key": "c", "value": {"arrayValue": {"values": [null, {"intValue": 0}]}}}]}));
    let message = read(&document).unwrap();
    let text = from_protobuf(Signal::Traces, &message.encode_to_vec()).unwrap();
    let expected = document.to_string().replace("null", "{}").replace(":0", ":\"0\"");
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        serde_json::from_str::<Value>(&expected).unwrap()
    );
}

#[test]
fn the_last_of_equal_keys_counts() {
    let text = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a","kind":3,"spanId":"0102030405060708",
        "links":[{}],"name":"","kind":0,"span_id":"","links":[{}]}]}]}]}"#;
    let span = read_text(text).unwrap().resource_spans[0].scope_spans[0].spans[0].clone();
    assert_eq!((&span.name[..], span.kind, span.span_id.len(), span.links.len()), ("", 0, 0, 2));
}

#[test]
fn text_cut_inside_a_character_is_replaced() {
    let bytes: &[u8] =
        b"{\"resourceSpans\":[{\"schemaUrl\":\"a\\ud83d\",\"\xff\":\"\\ud800\",\"resource\":{\"entityRefs\":[
        {\"type\":\"\xffb\",\"idKeys\":[null,\"x\\ud83e\\udd9d\"]}]}}]}";
    let read = to_protobuf(Signal::Traces, bytes, Limits::default()).unwrap();
    let message = ExportTraceServiceRequest::decode(&read[..]).unwrap();
    let group = &message.resource_spans[0];
    assert_eq!(group.schema_url.trim_end_matches('\u{fffd}'), "a");
    let entity = &group.resource.as_ref().unwrap().entity_refs[0];
    assert_eq!((&entity.r#type[..], &entity.id_keys[..]), ("\u{fffd}b", &[String::new(), "x🦝".into()][..]));
}

#[test]
fn what_is_no_document_is_an_error() {
    for bad in
        ["", " ", "null", "[]", "1", "{", "{}x", "{} {}", "{\"resourceSpans\":{}}", "{\"resourceSpans\":[1]}"]
    {
        assert!(read_text(bad).is_err(), "{bad}");
    }
    assert_eq!(read_text(" {} \n").unwrap(), ExportTraceServiceRequest::default());
}

#[test]
fn errors_say_where() {
    let text = "{\"resourceSpans\": [{}, {\n  \"schemaUrl\": 7}]}";
    let error = read_text(text).unwrap_err();
    assert_eq!((error.line, &error.path[..]), (2, "resourceSpans[1].schemaUrl"));
    assert_eq!(text.as_bytes()[error.offset], b'7', "{error:?}");
    assert!(error.message.contains("expected a string"), "{error}");
    let long = format!("{{\"resourceSpans\": \"{}\"}}", "x".repeat(10_000));
    assert!(read_text(&long).unwrap_err().to_string().len() < 400);
}

/// A request with an attribute that holds a list in a list in a list.
fn nested(levels: usize) -> Vec<u8> {
    let wrap = |inner: Vec<u8>, number: &u32| {
        let mut outer = Vec::new();
        proto::put_bytes_field(&mut outer, *number, &inner);
        outer
    };
    let value = (0..levels).fold(Vec::new(), |value, _| [1, 5].iter().fold(value, wrap));
    [2, 1, 1, 1].iter().fold(value, wrap)
}

#[test]
fn nesting_is_bounded_both_ways() {
    let deep = |levels: usize| {
        let value = (0..levels)
            .fold("{}".to_owned(), |inner, _| format!("{{\"arrayValue\":{{\"values\":[{inner}]}}}}"));
        format!("{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"value\":{value}}}]}}}}]}}")
    };
    let bytes = read_text(&deep(31)).unwrap().encode_to_vec();
    assert_eq!(from_protobuf(Signal::Traces, &bytes).unwrap(), deep(31));
    assert!(read_text(&deep(32)).unwrap_err().message.contains("100 levels"));
    assert_eq!(from_protobuf(Signal::Traces, &nested(2000)), Err(ProtobufError::TooDeep));
    assert!(read_text(&format!("{{\"x\":{}", "[".repeat(100_000))).is_err());
}

#[test]
fn output_is_bounded() {
    let text = format!("{{\"resourceSpans\":[{}]}}", vec!["{}"; 1000].join(","));
    let limits = Limits { output_bytes: 100, ..Limits::default() };
    let error = to_protobuf(Signal::Traces, text.as_bytes(), limits).unwrap_err();
    assert!(error.message.contains("more than 100 bytes"), "{error}");
}

#[test]
fn invalid_text_is_replaced() {
    let bytes = b"\x0a\x05\x1a\x03a\xffb";
    assert_eq!(
        from_protobuf(Signal::Logs, bytes).unwrap(),
        "{\"resourceLogs\":[{\"schemaUrl\":\"a\u{fffd}b\"}]}"
    );
}

#[test]
fn unpacked_and_split_fields_are_read() {
    // Two resources make one, and bucket counts need not be packed.
    let split = b"\x0a\x08\x0a\x02\x10\x01\x0a\x02\x10\x02";
    assert_eq!(
        from_protobuf(Signal::Traces, split).unwrap(),
        r#"{"resourceSpans":[{"resource":{"droppedAttributesCount":2}}]}"#
    );
    let mut buckets = Vec::new();
    let opened: Vec<_> = [1, 2, 2, 10, 1, 8].map(|number| open(&mut buckets, number)).into();
    proto::put_varint_field(&mut buckets, 2, 300);
    proto::put_varint_field(&mut buckets, 2, 0);
    for start in opened.into_iter().rev() {
        close(&mut buckets, start);
    }
    let text = from_protobuf(Signal::Metrics, &buckets).unwrap();
    assert!(text.contains(r#""bucketCounts":["300","0"]"#), "{text}");
}

#[test]
fn the_last_of_several_exclusive_fields_counts() {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    let mut bytes = Vec::new();
    let opened: Vec<_> = [1, 1, 1, 2].map(|number| open(&mut bytes, number)).into();
    proto::put_varint_field(&mut bytes, 3, 7);
    proto::put_bytes_field(&mut bytes, 1, b"last");
    for start in opened.into_iter().rev() {
        close(&mut bytes, start);
    }
    assert!(
        from_protobuf(Signal::Traces, &bytes).unwrap().ends_with(r#""value":{"stringValue":"last"}}]}}]}"#)
    );
    let both =
        r#"{"resourceSpans":[{"resource":{"attributes":[{"value":{"stringValue":"a","intValue":"0"}}]}}]}"#;
    let resource = read_text(both).unwrap().resource_spans[0].resource.clone().unwrap();
    let value = resource.attributes[0].value.clone().unwrap();
    assert_eq!(value.value, Some(Any::IntValue(0)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        for signal in Signal::ALL {
            let _ = from_protobuf(signal, &bytes);
            let _ = to_protobuf(signal, &bytes, Limits::default());
            let _ = to_protobuf(signal, text.as_bytes(), Limits::default());
        }
    }

    #[test]
    fn damage_never_panics(
        seed: u64,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        for signal in Signal::ALL {
            let mut protobuf = any_request(signal, seed);
            let mut text = from_protobuf(signal, &protobuf).unwrap().into_bytes();
            for (at, value) in &flips {
                let place = at.index(text.len());
                text[place] = *value;
                if !protobuf.is_empty() {
                    let at = at.index(protobuf.len());
                    protobuf[at] = *value;
                }
            }
            if let Ok(bytes) = to_protobuf(signal, &text, Limits::default()) {
                prop_assert!(from_protobuf(signal, &bytes).is_ok());
            }
            if let Ok(text) = from_protobuf(signal, &protobuf) {
                prop_assert!(to_protobuf(signal, text.as_bytes(), Limits::default()).is_ok());
            }
        }
    }
}
