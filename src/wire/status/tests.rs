//! The forms of answers.

#![allow(clippy::unwrap_used)]

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::outcome::Signal;

fn busy() -> Status {
    Status { retry_delay: Some(Duration::from_millis(1500)), ..Status::new(Code::Unavailable, "busy") }
}

#[test]
fn codes_stand_at_their_numbers() {
    for (index, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(code.number()), index);
        assert_eq!(Code::from_header(index.to_string().as_bytes()), code);
    }
    assert_eq!(Code::from_number(17), Code::Unknown);
    assert_eq!(Code::from_header(b"-1"), Code::Unknown);
    assert_eq!(Code::Unavailable.name(), "UNAVAILABLE");
}

#[test]
fn status_is_encoded_as_google_has_it() {
    let detail =
        b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01";
    let expected = [&b"\x08\x0e\x12\x04busy\x1a\x36"[..], detail].concat();
    assert_eq!(busy().encode(), expected);
}

#[test]
fn status_survives_both_forms() {
    for status in [busy(), Status::new(Code::Ok, ""), Status::new(Code::DataLoss, "ö".repeat(500))] {
        assert_eq!(Status::decode(&status.encode()), Some(status.clone()));
        assert_eq!(Status::from_json(status.to_json().as_bytes()), Some(status));
    }
}

#[test]
fn status_json_is_that_of_protobuf() {
    assert_eq!(
        serde_json::from_str::<Value>(&busy().to_json()).unwrap(),
        json!({"code": 14, "message": "busy", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}
        ]})
    );
    assert_eq!(seconds(Duration::from_secs(2)), "2s");
    assert_eq!(seconds(Duration::new(0, 1)), "0.000000001s");
    assert_eq!(parse_seconds("3.25s"), Some(Duration::from_millis(3250)));
    for bad in ["3", "-1s", "1.+5s", "1.0000000001s", "s"] {
        assert_eq!(parse_seconds(bad), None, "{bad}");
    }
}

#[test]
fn negative_delays_are_no_delays() {
    assert_eq!(read_duration(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(None));
    assert_eq!(read_duration(b""), Ok(Some(Duration::ZERO)));
}

#[test]
fn messages_are_escaped_in_headers() {
    for (plain, header) in [("plain text", "plain text"), ("50%\n", "50%25%0A"), ("é", "%C3%A9")] {
        assert_eq!(encode_message(plain), header);
        assert_eq!(decode_message(header.as_bytes()), plain);
    }
    assert_eq!(decode_message(b"100%, %zz %4"), "100%, %zz %4");
}

#[test]
fn details_are_read_padded_or_not() {
    assert_eq!(encode_details(b"a"), "YQ");
    assert_eq!(decode_details(b"YQ").unwrap(), b"a");
    assert_eq!(decode_details(b"YQ==").unwrap(), b"a");
    assert_eq!(decode_details(b"Y"), None);
}

#[test]
fn partial_success_is_that_of_the_generated_types() {
    for (rejected, message) in [(3, "too old"), (0, "a warning"), (7, "")] {
        let generated = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message.into(),
            }),
        };
        let ours = encode_partial_success(rejected as u64, message);
        assert_eq!(ours, generated.encode_to_vec());
        assert_eq!(decode_partial_success(&ours), Some((rejected as u64, message.into())));
    }
    assert!(encode_partial_success(0, "").is_empty());
    assert_eq!(decode_partial_success(b""), Some((0, String::new())));
    assert_eq!(decode_partial_success(b"\x0a\x05"), None);
}

#[test]
fn partial_success_has_a_json_form_per_signal() {
    let keys = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"];
    for (signal, key) in Signal::ALL.into_iter().zip(keys) {
        let text = partial_success_to_json(signal, 3, "no");
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"partialSuccess": {key: "3", "errorMessage": "no"}})
        );
        assert_eq!(partial_success_from_json(signal, text.as_bytes()), Some((3, "no".into())));
    }
    assert_eq!(partial_success_to_json(Signal::Logs, 0, ""), "{}");
    assert_eq!(partial_success_from_json(Signal::Logs, b"{}"), Some((0, String::new())));
    assert_eq!(partial_success_from_json(Signal::Logs, b"[]"), None);
    assert_eq!(
        partial_success_from_json(Signal::Logs, br#"{"partialSuccess":{"rejectedLogRecords":2}}"#),
        Some((2, String::new()))
    );
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Status::decode(&bytes);
        let _ = Status::from_json(&bytes);
        let _ = decode_partial_success(&bytes);
        let _ = decode_details(&bytes);
        let _ = decode_message(&bytes);
    }

    #[test]
    fn any_message_survives(message in ".*", number in 0..17_u64, delay in proptest::option::of(any::<Duration>())) {
        prop_assert_eq!(&decode_message(encode_message(&message).as_bytes()), &message);
        let delay = delay.filter(|delay| i64::try_from(delay.as_secs()).is_ok());
        let status = Status { code: Code::from_number(number), message, retry_delay: delay };
        prop_assert_eq!(Status::decode(&status.encode()), Some(status.clone()));
        prop_assert_eq!(Status::from_json(status.to_json().as_bytes()), Some(status));
    }
}
