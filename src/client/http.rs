//! OTLP/HTTP calls to one backend: protobuf bodies over pooled HTTP/1.1 connections.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::call::{Called, from_http, retry_after};
use super::config::{HttpEncoding, HttpForm};
use super::connect::Target;
use super::grpc::ChannelSettings;
use crate::outcome::Signal;
use crate::wire::status::{Status, decode_partial_success, partial_success_from_json};

/// Connections to one backend; one call at a time on each.
pub struct HttpChannel {
    target: Target,
    signal: Signal,
    path: http::Uri,
    headers: HeaderMap,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>, // at most CONNECTIONS_KEPT
}

impl HttpChannel {
    /// No connection is made before the first call.
    pub fn new(
        target: Target,
        signal: Signal,
        form: &HttpForm,
        settings: &ChannelSettings,
    ) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| -> Result<(), String> {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("header {name}: {e}"))?;
            let value = HeaderValue::from_str(value).map_err(|e| format!("header {name}: {e}"))?;
            headers.insert(name, value);
            Ok(())
        };
        add("host", &target.address)?;
        let content_type = match form.encoding {
            HttpEncoding::Protobuf => "application/x-protobuf",
            HttpEncoding::Json => JSON,
        };
        add("content-type", content_type)?;
        add("user-agent", concat!("ringtail/", env!("CARGO_PKG_VERSION")))?;
        if let Some(compression) = settings.compression {
            add("content-encoding", compression.content_encoding())?;
        }
        for (name, value) in &settings.headers {
            add(name, value)?;
        }
        let path =
            form.path.parse().map_err(|e| format!("{}: the path {}: {e}", target.address, form.path))?;
        Ok(Self { target, signal, path, headers, idle: Mutex::default() })
    }

    /// Sends one body, already compressed, and waits for its outcome at most `timeout`.
    pub async fn call(&self, body: Bytes, timeout: Duration) -> Called {
        let backend = &self.target.address;
        let mut headers = self.headers.clone();
        match self.target.credentials().await {
            Ok(Some((name, value))) => drop(headers.insert(name, value)),
            Ok(None) => {}
            Err(error) => return Called::passing(format!("{backend}: {error}"), None),
        }
        let attempt = async {
            // An idle connection may have been closed by the backend meanwhile: then a fresh one is tried.
            while let Some(connection) = self.take_idle() {
                if let Ok(called) = self.attempt(connection, headers.clone(), body.clone()).await {
                    return called;
                }
            }
            let fresh = match self.open().await {
                Ok(fresh) => fresh,
                Err(error) => return Called::unreachable(format!("{backend}: {error}")),
            };
            let called = self.attempt(fresh, headers, body).await;
            called.unwrap_or_else(|error| Called::unreachable(format!("{backend}: {error}")))
        };
        let late = |_| Called::passing(format!("{backend}: no answer within {timeout:?}"), None);
        tokio::time::timeout(timeout, attempt).await.unwrap_or_else(late)
    }

    /// Whether the backend takes connections now.
    pub async fn answers(&self) -> bool {
        self.target.answers().await
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock();
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = self.target.connect().await.map_err(|e| format!("cannot connect: {e}"))?;
        let (send, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            let _ = connection.await; // the call that uses it sees the error
        });
        Ok(send)
    }

    async fn attempt(
        &self,
        mut connection: SendRequest<Full<Bytes>>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Called, hyper::Error> {
        connection.ready().await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = headers;
        let (head, body) = connection.send_request(request).await?.into_parts();
        let backend = &self.target.address;
        let Ok(body) = Limited::new(body, ANSWER_BYTES_MAX).collect().await else {
            return Ok(Called::passing(format!("{backend}: the answer broke off or is too large"), None));
        };
        let body = body.to_bytes();
        self.give_back(connection);
        let json =
            head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(JSON.as_bytes()));
        Ok(match head.status.as_u16() {
            200..=299 => {
                let partial = if json {
                    partial_success_from_json(self.signal, &body)
                } else {
                    decode_partial_success(&body)
                };
                let (rejected, said) = partial.unwrap_or_default();
                Called::taken(rejected, said)
            }
            status => {
                let told = if json { Status::from_json(&body) } else { Status::decode(&body) };
                let said = told.map(|s| s.message);
                let said = said
                    .unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned());
                from_http(backend, status, &said, retry_after(head.headers.get("retry-after")))
            }
        })
    }

    fn give_back(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock();
        if idle.len() < CONNECTIONS_KEPT && !connection.is_closed() {
            idle.push(connection);
        }
    }
}

/// The other encoding of OTLP/HTTP.
const JSON: &str = "application/json";
/// Largest answer read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Idle connections kept; as many as there may be calls in flight.
const CONNECTIONS_KEPT: usize = 16;
