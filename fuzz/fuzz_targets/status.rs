//! What peers answer with: gRPC status details, messages and partial successes, in protobuf, JSON and headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtail::wire::status::{
    Code, Status, decode_details, decode_message, decode_partial_success, encode_details, encode_message,
    encode_partial_success, partial_success_from_json, partial_success_to_json,
};
use ringtail_fuzz::{head, signal};

fuzz_target!(|data: &[u8]| {
    let (first, input) = head(data);
    let signal = signal(first);
    if let Some(status) = Status::decode(input) {
        assert_eq!(Status::decode(&status.encode()).as_ref(), Some(&status));
        assert_eq!(Status::from_json(status.to_json().as_bytes()).as_ref(), Some(&status));
    }
    let _ = Status::from_json(input);
    if let Some((rejected, message)) = decode_partial_success(input) {
        let encoded = encode_partial_success(rejected, &message);
        assert_eq!(decode_partial_success(&encoded), Some((rejected, message.clone())));
        let json = partial_success_to_json(signal, rejected, &message);
        assert_eq!(partial_success_from_json(signal, json.as_bytes()), Some((rejected, message)));
    }
    let _ = partial_success_from_json(signal, input);
    let _ = Code::from_header(input);
    let _ = decode_details(input);
    assert_eq!(decode_details(encode_details(input).as_bytes()).as_deref(), Some(input));
    let message = decode_message(input);
    assert_eq!(decode_message(encode_message(&message).as_bytes()), message);
});
