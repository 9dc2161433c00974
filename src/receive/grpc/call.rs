//! One unary call: path, message, answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};

use super::{ACCEPTED_ENCODINGS, GrpcServer, encoding};
use crate::compress::{self, InflateError};
use crate::flow::Answer;
use crate::lane::Permit;
use crate::origin::{Origin, Peer};
use crate::outcome::{Fault, Reason, Refusal, Signal};
use crate::receive::answer::grpc_status;
use crate::receive::intake::Intake;
use crate::wire::status::{Code, Status, encode_details, encode_message, encode_partial_success};

/// Answers one call. A client that resets its stream cancels it.
pub async fn answer(
    server: &GrpcServer,
    peer: Arc<Peer>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let answered = {
        let handled = handle(server, peer, request);
        tokio::select! {
            answered = handled => Some(answered),
            _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => None,
        }
    };
    match answered {
        Some(Ok(answer)) => send(&mut respond, &answer),
        Some(Err(NotGrpc(status))) => {
            let mut response = Response::new(());
            *response.status_mut() = status;
            let _ = respond.send_response(response, true);
        }
        None => {}
    }
}

/// A request that is not gRPC at all, with the HTTP status it gets.
struct NotGrpc(http::StatusCode);

async fn handle(
    server: &GrpcServer,
    peer: Arc<Peer>,
    request: Request<RecvStream>,
) -> Result<Answer, NotGrpc> {
    let (head, body) = request.into_parts();
    if head.method != http::Method::POST {
        return Err(NotGrpc(http::StatusCode::METHOD_NOT_ALLOWED));
    }
    let content_type = head.headers.get("content-type").map_or(&b""[..], HeaderValue::as_bytes);
    if !content_type.starts_with(b"application/grpc") {
        return Err(NotGrpc(http::StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let intake = &server.intake;
    let Some(signal) = Signal::ALL.into_iter().find(|s| s.grpc_path() == head.uri.path() && intake.takes(*s))
    else {
        return Ok(Err(unhandled(head.uri.path())));
    };
    let identity = match &server.guard {
        Some(guard) => match guard.check(&head.headers).await {
            Ok(identity) => identity,
            Err(why) => return Ok(Err(intake.stranger(why))),
        },
        None => None,
    };
    if let Err(refusal) = intake.room(&server.limits) {
        return Ok(Err(refusal));
    }
    let deadline = head.headers.get("grpc-timeout").and_then(timeout).map(|left| Instant::now() + left);
    let (body, permit) = match read(server, &head.headers, body).await {
        Ok(read) => read,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let origin = Origin::of_call(peer, identity, (head.uri, head.headers), server.config.include_metadata);
    let answer = intake.take(signal, body, deadline, origin).await;
    drop(permit);
    Ok(answer)
}

/// The message of a call, inflated, with the room that it takes.
async fn read(
    server: &GrpcServer,
    headers: &HeaderMap,
    body: RecvStream,
) -> Result<(Bytes, Permit), Refusal> {
    let intake = &server.intake;
    let max_bytes = server.config.max_recv_msg_bytes;
    let reading = tokio::time::timeout(MESSAGE_TIME_MAX, read_message(intake, body, max_bytes));
    let (compressed, message, mut permit) = reading.await.unwrap_or_else(|_| {
        let message = format!("the message took longer than {MESSAGE_TIME_MAX:?} to arrive");
        Err(intake.unreadable(Reason::Malformed, message))
    })?;
    let body = if compressed {
        let named = headers.get("grpc-encoding").map_or(&b""[..], HeaderValue::as_bytes);
        let kind = encoding(named).map_err(|m| intake.unreadable(Reason::Unsupported, m))?;
        let kind = kind.ok_or_else(|| {
            intake.unreadable(Reason::Malformed, "a compressed message without grpc-encoding".into())
        })?;
        let plain =
            compress::inflate(kind, &message, max_bytes).map_err(|error| unreadable(intake, &error))?;
        drop(permit);
        permit = intake.admit(plain.len())?;
        plain
    } else {
        message
    };
    Ok((body, permit))
}

fn unreadable(intake: &Intake, error: &InflateError) -> Refusal {
    let reason = match error {
        InflateError::TooLarge { .. } => Reason::TooLarge,
        InflateError::Corrupt(_) => Reason::Malformed,
    };
    intake.unreadable(reason, error.to_string())
}

/// Reads the one message of a unary call: whether it is compressed, and its bytes, which stay in the frame they came
/// in when that was one.
async fn read_message(
    intake: &Intake,
    mut body: RecvStream,
    max_bytes: usize,
) -> Result<(bool, Bytes, Permit), Refusal> {
    let malformed = |what: &str| intake.unreadable(Reason::Malformed, what.to_owned());
    let mut first = BytesMut::new();
    let mut begun: Option<Begun> = None;
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| malformed(&format!("the stream broke off: {error}")))?;
        let _ = body.flow_control().release_capacity(data.len());
        if let Some(begun) = &mut begun {
            begun.append(&data).map_err(malformed)?;
            continue;
        }
        let data = if first.is_empty() {
            data
        } else {
            first.extend_from_slice(&data);
            first.split().freeze()
        };
        if data.len() < PREFIX_BYTES {
            first.extend_from_slice(&data);
            continue;
        }
        let length = u32::from_be_bytes([data[1], data[2], data[3], data[4]]) as usize;
        if length > max_bytes {
            let limit = "the receiver's limit (max_recv_msg_size_mib)";
            let message = format!("received message larger than max: {length} bytes, {limit} is {max_bytes}");
            return Err(intake.unreadable(Reason::TooLarge, message));
        }
        let permit = intake.admit(length)?;
        begun = Some(Begun::new(data, length, permit).map_err(malformed)?);
    }
    begun.ok_or_else(|| malformed("a call without a message"))?.finish().map_err(malformed)
}

/// A message whose prefix has been read.
struct Begun {
    compressed: bool,
    length: usize,
    whole: Option<Bytes>, // the message, when it came in one frame
    gathered: BytesMut,   // otherwise
    permit: Permit,
}

impl Begun {
    fn new(data: Bytes, length: usize, permit: Permit) -> Result<Self, &'static str> {
        let compressed = match data[0] {
            0 => false,
            1 => true,
            _ => return Err("the message's compression flag is neither 0 nor 1"),
        };
        let mut begun = Self { compressed, length, whole: None, gathered: BytesMut::new(), permit };
        let message = data.slice(PREFIX_BYTES..);
        if message.len() == length {
            begun.whole = Some(message);
        } else {
            begun.gathered.reserve(length);
            begun.append(&message)?;
        }
        Ok(begun)
    }

    fn append(&mut self, data: &[u8]) -> Result<(), &'static str> {
        let room = if self.whole.is_some() { 0 } else { self.length - self.gathered.len() };
        if data.len() > room {
            return Err("more than one message, or more bytes than announced, in a unary call");
        }
        self.gathered.extend_from_slice(data);
        Ok(())
    }

    fn finish(self) -> Result<(bool, Bytes, Permit), &'static str> {
        let message = match self.whole {
            Some(whole) => whole,
            None if self.gathered.len() == self.length => self.gathered.freeze(),
            None => return Err("the message is shorter than announced"),
        };
        Ok((self.compressed, message, self.permit))
    }
}

fn send(respond: &mut SendResponse<Bytes>, answer: &Answer) {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    match answer {
        Ok(accepted) => {
            let message = encode_partial_success(accepted.rejected_items, &accepted.message);
            let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
            framed.extend_from_slice(&[0]);
            framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
            framed.extend_from_slice(&message);
            let Ok(mut stream) = respond.send_response(response, false) else { return };
            if stream.send_data(framed.freeze(), false).is_ok() {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                let _ = stream.send_trailers(trailers); // fails only when the client has gone
            }
        }
        Err(refusal) => {
            if refusal.reason == Reason::Unsupported {
                headers.insert("grpc-accept-encoding", HeaderValue::from_static(ACCEPTED_ENCODINGS));
            }
            write_status(&status_of(refusal), headers);
            let _ = respond.send_response(response, true);
        }
    }
}

/// An unknown compression is UNIMPLEMENTED in gRPC, other unreadable bytes INVALID_ARGUMENT.
fn status_of(refusal: &Refusal) -> Status {
    let mut status = grpc_status(refusal);
    if refusal.reason == Reason::Unsupported {
        status.code = Code::Unimplemented;
    }
    status
}

fn write_status(status: &Status, headers: &mut HeaderMap) {
    headers.insert("grpc-status", HeaderValue::from(u16::from(status.code.number())));
    if let Ok(message) = HeaderValue::from_str(&encode_message(&status.message)) {
        headers.insert("grpc-message", message);
    }
    let Some(retry_info) = status.encode_retry_info() else { return };
    if let Ok(details) = HeaderValue::from_str(&encode_details(&status.encode())) {
        headers.insert("grpc-status-details-bin", details);
    }
    if let Ok(info) = HeaderValue::from_str(&encode_details(&retry_info)) {
        headers.insert("google.rpc.retryinfo-bin", info);
    }
}

fn unhandled(path: &str) -> Refusal {
    Refusal {
        fault: Fault::Unhandled,
        reason: Reason::NoPipeline,
        message: format!("no pipeline takes {path}").into(),
        retry_after: None,
    }
}

/// `grpc-timeout`: at most eight digits and a unit.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// From the headers to the last byte of the message: a sender that dawdles must not hold room for ever.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(60);
/// Compression flag and length of a gRPC message.
const PREFIX_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_units_and_at_most_eight_digits() {
        let read = |text: &'static str| timeout(&HeaderValue::from_static(text));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("100m"), Some(Duration::from_millis(100)));
        assert_eq!(read("123456789S"), None);
        assert_eq!(read("S"), None);
        assert_eq!(read("5x"), None);
        assert_eq!(read(""), None);
    }
}
