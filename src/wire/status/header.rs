//! Statuses in headers: base64 for `grpc-status-details-bin`, percent encoding for `grpc-message`.

use std::fmt::Write;

use crate::wire::json::base64;

/// The value of a binary header: base64 without padding.
pub fn encode_details(bytes: &[u8]) -> String {
    let mut out = String::new();
    base64::encode(bytes, false, &mut out);
    out
}

/// The bytes of a binary header, padded or not; none where it is not base64.
pub fn decode_details(value: &[u8]) -> Option<Vec<u8>> {
    base64::decode(value.trim_ascii())
}

/// The value of `grpc-message`: printable ASCII as it is, everything else and `%` as `%XX`.
pub fn encode_message(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => write!(out, "%{byte:02X}").expect("a string takes every write"),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// The message in `grpc-message`. What is not an escape stands for itself, as gRPC demands.
pub fn decode_message(value: &[u8]) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &after[2..];
            }
            None => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
