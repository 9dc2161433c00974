//! `grpc.health.v1.Health` on HTTP/2: `Check` and `Watch`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio_util::sync::CancellationToken;

use super::admin::Pages;
use super::condition::ComponentHealth;
use crate::wire::json::proto::{Fields, Raw};

/// Largest request: the name of a pipeline.
const REQUEST_BYTES_MAX: usize = 4 << 10;
/// Time for it to arrive.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// Between two looks of a watch.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// gRPC codes.
const CANCELLED: u8 = 1;
const INVALID_ARGUMENT: u8 = 3;
const NOT_FOUND: u8 = 5;
const UNIMPLEMENTED: u8 = 12;

/// `ServingStatus`: SERVING, NOT_SERVING, SERVICE_UNKNOWN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Serving {
    Up = 1,
    Down = 2,
    Unknown = 3,
}

/// Answers health checks over gRPC.
pub struct GrpcHealth {
    components: ComponentHealth,
    pages: Arc<dyn Pages>,
}

/// What a call ends with when it is not answered.
type Failure = (u8, &'static str);

impl GrpcHealth {
    /// Of the process behind `pages`.
    pub fn new(components: &ComponentHealth, pages: Arc<dyn Pages>) -> Self {
        Self { components: components.clone(), pages }
    }

    /// One call, until `shutdown`.
    pub(super) async fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        shutdown: CancellationToken,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        let (head, body) = request.into_parts();
        let service = tokio::time::timeout(REQUEST_TIME_MAX, service(body)).await;
        let service = service.unwrap_or(Err((INVALID_ARGUMENT, "the request did not arrive in time")));
        match (head.uri.path(), service) {
            (_, Err(failure)) => response(stream::iter([trailers(Err(failure))])),
            ("/grpc.health.v1.Health/Check", Ok(service)) => match self.serving(&service) {
                Some(serving) => response(stream::iter([message(serving), trailers(Ok(()))])),
                None => response(stream::iter([trailers(Err((NOT_FOUND, "Service not found.")))])),
            },
            ("/grpc.health.v1.Health/Watch", Ok(service)) => response(self.watch(service, shutdown)),
            _ => response(stream::iter([trailers(Err((UNIMPLEMENTED, "unknown method")))])),
        }
    }

    fn serving(&self, service: &str) -> Option<Serving> {
        let whole = self.pages.condition();
        let condition = whole.scope(service)?;
        let serves = self.components.serves(condition, SystemTime::now());
        Some(if serves { Serving::Up } else { Serving::Down })
    }

    /// A message now and one for each change.
    fn watch(
        self: Arc<Self>,
        service: String,
        shutdown: CancellationToken,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
        stream::unfold(Some(None), move |last: Option<Option<Serving>>| {
            let (health, service, shutdown) = (Arc::clone(&self), service.clone(), shutdown.clone());
            async move {
                let last = last?;
                loop {
                    let now = health.serving(&service).unwrap_or(Serving::Unknown);
                    if last != Some(now) {
                        return Some((message(now), Some(Some(now))));
                    }
                    tokio::select! {
                        () = shutdown.cancelled() => {
                            return Some((trailers(Err((CANCELLED, "Server shutting down."))), None));
                        }
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                }
            }
        })
    }
}

/// The `service` that a request names.
async fn service(body: Incoming) -> Result<String, Failure> {
    let unreadable = (INVALID_ARGUMENT, "the request cannot be read");
    let read = Limited::new(body, REQUEST_BYTES_MAX).collect().await.map_err(|_| unreadable)?.to_bytes();
    let (head, message) = read.split_first_chunk::<5>().ok_or(unreadable)?;
    if head[0] != 0 {
        return Err((UNIMPLEMENTED, "compressed health checks are not read"));
    }
    let (mut fields, mut service) = (Fields::of(message), String::new());
    while let Some((number, value)) = fields.read().map_err(|_| unreadable)? {
        if let (1, Raw::Bytes(name)) = (number, value) {
            service = String::from_utf8_lossy(name).into_owned();
        }
    }
    Ok(service)
}

fn message(serving: Serving) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 0x08, serving as u8])))
}

fn trailers(end: Result<(), Failure>) -> Result<Frame<Bytes>, Infallible> {
    let (code, message) = end.err().unwrap_or((0, ""));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    if !message.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(message));
    }
    Ok(Frame::trailers(trailers))
}

fn response(
    frames: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync + 'static,
) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(BoxBody::new(StreamBody::new(frames)));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A call that is not let in.
pub(super) fn unauthenticated(why: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("16"));
    if let Ok(why) = HeaderValue::from_str(why) {
        trailers.insert("grpc-message", why);
    }
    response(stream::iter([Ok(Frame::trailers(trailers))]))
}
