//! Answers that are not plain success: gRPC codes, `google.rpc.Status` with its retry delay, partial success.

mod header;
mod partial;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

pub use header::{decode_details, decode_message, encode_details, encode_message};
pub use partial::{
    decode_partial_success, encode_partial_success, partial_success_from_json, partial_success_to_json,
};

use super::json::proto::{Fields, Malformed, Raw, close, open, put_bytes_field, put_varint_field};

/// The type of the detail that carries the delay.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The codes of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are gRPC's own
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// Every code, each at the place of its number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The number in `grpc-status`.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The code of a number; `Unknown` for numbers that gRPC does not have.
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index)).copied().unwrap_or(Self::Unknown)
    }

    /// The code of a `grpc-status` header; `Unknown` where it is not a number.
    pub fn from_header(text: &[u8]) -> Self {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
        number.map_or(Self::Unknown, Self::from_number)
    }

    /// The name in upper case, as documentation and logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// A `google.rpc.Status`: what an error says on the wire, in gRPC details and in HTTP bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// For the person who reads the sender's log.
    pub message: String,
    /// How long the sender should wait (`google.rpc.RetryInfo`).
    pub retry_delay: Option<Duration>,
}

impl Status {
    /// A status without a delay.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_delay: None }
    }

    /// The protobuf form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.message.len() + 80);
        if self.code != Code::Ok {
            put_varint_field(&mut out, 1, u64::from(self.code.number()));
        }
        if !self.message.is_empty() {
            put_bytes_field(&mut out, 2, self.message.as_bytes());
        }
        if let Some(delay) = self.retry_delay {
            let detail = open(&mut out, 3);
            put_bytes_field(&mut out, 1, RETRY_INFO.as_bytes());
            let info = open(&mut out, 2);
            put_retry_info(delay, &mut out);
            close(&mut out, info);
            close(&mut out, detail);
        }
        out
    }

    /// The `google.rpc.RetryInfo` alone, when there is a delay: the value of the `google.rpc.retryinfo-bin` trailer,
    /// which is where the Python SDK looks for it.
    pub fn encode_retry_info(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        put_retry_info(self.retry_delay?, &mut out);
        Some(out)
    }

    /// Reads the protobuf form: `grpc-status-details-bin`, the body of an HTTP error. None where it is not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok()
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut status = Self::new(Code::Ok, "");
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.read()? {
            match field {
                (1, Raw::Varint(number)) => status.code = Code::from_number(number),
                (2, Raw::Bytes(text)) => status.message = String::from_utf8_lossy(text).into_owned(),
                (3, Raw::Bytes(detail)) => {
                    if let Some(delay) = read_detail(detail)? {
                        status.retry_delay = Some(delay);
                    }
                }
                (1..=3, _) => return Err(Malformed),
                _ => {}
            }
        }
        Ok(status)
    }

    /// The JSON form, as the body of an HTTP error to a sender of JSON.
    pub fn to_json(&self) -> String {
        let mut status = json!({"code": self.code.number(), "message": self.message});
        if let Some(delay) = self.retry_delay {
            status["details"] = json!([{"@type": RETRY_INFO, "retryDelay": seconds(delay)}]);
        }
        status.to_string()
    }

    /// Reads the JSON form. None where it is not one.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let object = value.as_object()?;
        let code = object.get("code").map_or(Some(0), Value::as_u64)?;
        let message = object.get("message").map_or(Some(""), Value::as_str)?;
        let details = object.get("details").and_then(Value::as_array);
        let retry_delay = details
            .into_iter()
            .flatten()
            .filter(|detail| detail["@type"] == RETRY_INFO)
            .find_map(|detail| parse_seconds(detail["retryDelay"].as_str()?));
        Some(Self { code: Code::from_number(code), message: message.into(), retry_delay })
    }
}

/// The delay in one `google.protobuf.Any`, where it holds one.
fn put_retry_info(delay: Duration, out: &mut Vec<u8>) {
    let duration = open(out, 1);
    if delay.as_secs() > 0 {
        put_varint_field(out, 1, delay.as_secs().min(i64::MAX as u64));
    }
    if delay.subsec_nanos() > 0 {
        put_varint_field(out, 2, u64::from(delay.subsec_nanos()));
    }
    close(out, duration);
}

fn read_detail(detail: &[u8]) -> Result<Option<Duration>, Malformed> {
    let mut fields = Fields::of(detail);
    let (mut kind, mut value) = (Cow::Borrowed(""), &[][..]);
    while let Some(field) = fields.read()? {
        match field {
            (1, Raw::Bytes(url)) => kind = String::from_utf8_lossy(url),
            (2, Raw::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    // Only what follows the last slash names the type; the rest is where to find it.
    if kind.rsplit('/').next() != RETRY_INFO.rsplit('/').next() {
        return Ok(None);
    }
    let mut fields = Fields::of(value);
    while let Some(field) = fields.read()? {
        if let (1, Raw::Bytes(duration)) = field {
            return read_duration(duration);
        }
    }
    Ok(None)
}

/// A `google.protobuf.Duration`; none where it is negative.
fn read_duration(duration: &[u8]) -> Result<Option<Duration>, Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Fields::of(duration);
    while let Some(field) = fields.read()? {
        match field {
            (1, Raw::Varint(value)) => seconds = value as i64,
            (2, Raw::Varint(value)) => nanos = value as i64,
            _ => {}
        }
    }
    let whole = u64::try_from(seconds).ok();
    let part = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    Ok(whole.zip(part).map(|(seconds, nanos)| Duration::new(seconds, nanos)))
}

/// `1s`, `1.500s`: as JSON has durations.
fn seconds(delay: Duration) -> String {
    match delay.subsec_nanos() {
        0 => format!("{}s", delay.as_secs()),
        nanos if nanos % 1_000_000 == 0 => format!("{}.{:03}s", delay.as_secs(), nanos / 1_000_000),
        nanos => format!("{}.{nanos:09}s", delay.as_secs()),
    }
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.strip_suffix('s')?.split_once('.').unwrap_or((text.strip_suffix('s')?, ""));
    if part.len() > 9 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{part:0<9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

#[cfg(test)]
#[path = "status/tests.rs"]
mod tests;
