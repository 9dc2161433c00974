//! One OTLP/HTTP request: method, path, content type, body; the answer in the request's own encoding.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{HttpServer, admit, body, cors};
use crate::flow::Answer;
use crate::origin::{Origin, Peer};
use crate::outcome::{Fault, Reason, Refusal, Signal};
use crate::receive::answer::{grpc_status, http_status};
use crate::wire::json;
use crate::wire::status::{encode_partial_success, partial_success_to_json};

/// The two encodings of OTLP/HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

/// Answers one request.
pub async fn answer(
    server: &HttpServer,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if let Some(preflight) = cors::preflight(server, &request) {
        return finish(server, preflight.map(|()| Full::default()));
    }
    let (head, incoming) = request.into_parts();
    let identity = match admit::admit(server, &head).await {
        Ok(identity) => identity,
        Err(refusal) => {
            let mut response = match encoding(&head.headers) {
                _ if refusal.fault == Fault::Exhausted => exhausted(&refusal),
                Some(encoding) => write_refusal(encoding, &refusal),
                None => plain(StatusCode::UNAUTHORIZED, "401 unauthorized"),
            };
            cors::mark(server, &head.headers, response.headers_mut());
            return finish(server, response);
        }
    };
    let mut response = match route(server, &head) {
        Err(refused) => *refused,
        Ok((signal, encoding)) => {
            let kept = server.config.include_metadata.then_some((&head.uri, &head.headers));
            let origin = Origin::of_http(peer, identity, kept);
            let answering = take(server, (signal, encoding), &head.headers, incoming, origin);
            let answer = match server.config.write_timeout {
                None => answering.await,
                Some(limit) => match tokio::time::timeout(limit, answering).await {
                    Ok(answer) => answer,
                    Err(_) => return finish(server, plain(StatusCode::SERVICE_UNAVAILABLE, "write_timeout")),
                },
            };
            write(signal, encoding, &answer)
        }
    };
    cors::mark(server, &head.headers, response.headers_mut());
    finish(server, response)
}

fn route(
    server: &HttpServer,
    head: &http::request::Parts,
) -> Result<(Signal, Encoding), Box<Response<Full<Bytes>>>> {
    let Some(signal) = server.signal(head.uri.path()) else {
        return Err(plain(StatusCode::NOT_FOUND, "404 page not found").into());
    };
    if head.method != Method::POST {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Err(refused.into());
    }
    let said = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
    let encoding = encoding(&head.headers);
    let encoding = encoding.ok_or_else(|| Box::new(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, said)))?;
    Ok((signal, encoding))
}

/// The encoding that a content type names.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let media = content_type.split(';').next().unwrap_or("").trim();
    match () {
        () if media.eq_ignore_ascii_case("application/x-protobuf") => Some(Encoding::Protobuf),
        () if media.eq_ignore_ascii_case("application/json") => Some(Encoding::Json),
        () => None,
    }
}

async fn take(
    server: &HttpServer,
    (signal, encoding): (Signal, Encoding),
    headers: &HeaderMap,
    incoming: Incoming,
    origin: Origin,
) -> Answer {
    let (body, permit) = body::read(server, headers, incoming).await?;
    let body = match encoding {
        Encoding::Protobuf => body,
        Encoding::Json => {
            Bytes::from(json::to_protobuf(signal, &body, json::Limits::default()).map_err(|error| {
                server.intake.unreadable(Reason::Malformed, format!("not OTLP/JSON: {error}"))
            })?)
        }
    };
    let answer = server.intake.take(signal, body, None, origin).await;
    drop(permit);
    answer
}

fn write(signal: Signal, encoding: Encoding, answer: &Answer) -> Response<Full<Bytes>> {
    match answer {
        Ok(accepted) => {
            let (rejected, message) = (accepted.rejected_items, &accepted.message);
            let body = match encoding {
                Encoding::Protobuf => encode_partial_success(rejected, message),
                Encoding::Json => partial_success_to_json(signal, rejected, message).into_bytes(),
            };
            typed(StatusCode::OK, encoding, body)
        }
        Err(refusal) => write_refusal(encoding, refusal),
    }
}

fn write_refusal(encoding: Encoding, refusal: &Refusal) -> Response<Full<Bytes>> {
    let (code, retry_after) = http_status(refusal);
    let status = grpc_status(refusal);
    let body = match encoding {
        Encoding::Protobuf => status.encode(),
        Encoding::Json => status.to_json().into_bytes(),
    };
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    later(typed(code, encoding, body), retry_after)
}

/// What the Collector's `memory_limiter` extension answers, whatever was asked, and when to come again.
fn exhausted(refusal: &Refusal) -> Response<Full<Bytes>> {
    let (_, retry_after) = http_status(refusal);
    later(plain(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"), retry_after)
}

fn later(mut response: Response<Full<Bytes>>, seconds: Option<u64>) -> Response<Full<Bytes>> {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn typed(code: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response<Full<Bytes>> {
    let media = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn plain(code: StatusCode, said: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(said.as_bytes())));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn finish(server: &HttpServer, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in &server.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}
