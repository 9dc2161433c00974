//! Partial success: the answer that takes most of a request and says how much it will never take.

use serde_json::{Value, json};

use crate::outcome::Signal;
use crate::wire::json::proto::{Fields, Malformed, Raw, close, open, put_bytes_field, put_varint_field};

/// An `Export…ServiceResponse`. Empty for full success: nothing rejected and nothing to say.
pub fn encode_partial_success(rejected: u64, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if rejected == 0 && message.is_empty() {
        return out;
    }
    let partial = open(&mut out, 1);
    if rejected > 0 {
        put_varint_field(&mut out, 1, rejected.min(i64::MAX as u64));
    }
    if !message.is_empty() {
        put_bytes_field(&mut out, 2, message.as_bytes());
    }
    close(&mut out, partial);
    out
}

/// What an `Export…ServiceResponse` rejects, `(0, "")` for full success; none where it is not one.
pub fn decode_partial_success(bytes: &[u8]) -> Option<(u64, String)> {
    read(bytes).ok()
}

fn read(bytes: &[u8]) -> Result<(u64, String), Malformed> {
    let (mut rejected, mut message) = (0, String::new());
    let mut fields = Fields::of(bytes);
    while let Some((number, raw)) = fields.read()? {
        if number != 1 {
            continue;
        }
        let Raw::Bytes(partial) = raw else { return Err(Malformed) };
        let mut inner = Fields::of(partial);
        while let Some(field) = inner.read()? {
            match field {
                // Signed on the wire; fewer than none is none.
                (1, Raw::Varint(value)) => rejected = u64::try_from(value as i64).unwrap_or(0),
                (2, Raw::Bytes(text)) => message = String::from_utf8_lossy(text).into_owned(),
                (1 | 2, _) => return Err(Malformed),
                _ => {}
            }
        }
    }
    Ok((rejected, message))
}

/// The JSON form of an `Export…ServiceResponse`.
pub fn partial_success_to_json(signal: Signal, rejected: u64, message: &str) -> String {
    if rejected == 0 && message.is_empty() {
        return "{}".into();
    }
    let mut partial = json!({});
    if rejected > 0 {
        partial[rejected_key(signal)] = rejected.to_string().into();
    }
    if !message.is_empty() {
        partial["errorMessage"] = message.into();
    }
    json!({"partialSuccess": partial}).to_string()
}

/// Reads the JSON form: `(0, "")` for full success; none where it is not one.
pub fn partial_success_from_json(signal: Signal, text: &[u8]) -> Option<(u64, String)> {
    let answer: Value = serde_json::from_slice(text).ok()?;
    let partial = match answer.as_object()?.get("partialSuccess") {
        None | Some(Value::Null) => return Some((0, String::new())),
        Some(partial) => partial.as_object()?,
    };
    let rejected = match partial.get(rejected_key(signal)) {
        None | Some(Value::Null) => 0,
        Some(Value::String(number)) => number.parse::<i64>().ok()?,
        Some(number) => number.as_i64()?,
    };
    let message = match partial.get("errorMessage") {
        None | Some(Value::Null) => "",
        Some(message) => message.as_str()?,
    };
    Some((u64::try_from(rejected).unwrap_or(0), message.into()))
}

fn rejected_key(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    }
}
