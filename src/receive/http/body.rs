//! Reading a request body within its limits: bytes on the wire, bytes inflated, time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::HttpServer;
use crate::compress::{self, Compression, InflateError};
use crate::lane::Permit;
use crate::outcome::{Reason, Refusal};

/// The plain body and the room it takes.
pub async fn read(
    server: &HttpServer,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Bytes, Permit), Refusal> {
    let kind = content_encoding(server, headers)?;
    let limit = server.config.read_timeout.unwrap_or(BODY_TIME_MAX);
    let reading = tokio::time::timeout(limit, collect(server, body));
    let (wire, permit) = reading.await.unwrap_or_else(|_| {
        let message = format!("the body took longer than {limit:?} to arrive");
        Err(server.intake.unreadable(Reason::Malformed, message))
    })?;
    let Some(kind) = kind else { return Ok((wire, permit)) };
    let plain = compress::inflate(kind, &wire, server.config.max_request_body_bytes);
    let plain = plain.map_err(|error| {
        let reason = match error {
            InflateError::TooLarge { .. } => Reason::TooLarge,
            InflateError::Corrupt(_) => Reason::Malformed,
        };
        server.intake.unreadable(reason, error.to_string())
    })?;
    drop((wire, permit));
    let permit = server.intake.admit(plain.len())?;
    Ok((plain, permit))
}

fn content_encoding(server: &HttpServer, headers: &HeaderMap) -> Result<Option<Compression>, Refusal> {
    let Some(value) = headers.get(http::header::CONTENT_ENCODING) else { return Ok(None) };
    let text = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    if text.is_empty() || text == "identity" {
        return Ok(None);
    }
    let allowed = &server.config.compression_algorithms;
    let kind =
        Compression::from_content_encoding(&text).filter(|k| allowed.is_empty() || allowed.contains(k));
    kind.map(Some).ok_or_else(|| {
        let message =
            format!("unsupported Content-Encoding: {text}; send gzip, zstd, deflate, snappy or none");
        server.intake.unreadable(Reason::Malformed, message)
    })
}

async fn collect(server: &HttpServer, mut body: Incoming) -> Result<(Bytes, Permit), Refusal> {
    let limit = server.config.max_request_body_bytes;
    let too_large = || {
        server
            .intake
            .unreadable(Reason::TooLarge, format!("the body is over {limit} bytes (max_request_body_size)"))
    };
    let hint = body.size_hint();
    let announced = hint.exact().unwrap_or(hint.lower());
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut permit = server.intake.admit(announced as usize)?;
    let mut whole: Option<Bytes> = None;
    let mut gathered = BytesMut::new();
    let mut admitted = announced as usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            server.intake.unreadable(Reason::Malformed, format!("the body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = gathered.len() + whole.as_ref().map_or(0, Bytes::len) + data.len();
        if so_far > limit {
            return Err(too_large());
        }
        if so_far > admitted {
            // Chunked bodies announce nothing; room is taken as it doubles.
            admitted = (so_far * 2).min(limit);
            drop(permit);
            permit = server.intake.admit(admitted)?;
        }
        match whole.take() {
            None if gathered.is_empty() => whole = Some(data),
            first => {
                if let Some(first) = first {
                    gathered.reserve(admitted.max(so_far));
                    gathered.extend_from_slice(&first);
                }
                gathered.extend_from_slice(&data);
            }
        }
    }
    Ok((whole.unwrap_or_else(|| gathered.freeze()), permit))
}

/// Without a `read_timeout`: a sender that dawdles must not hold room for ever.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);
