//! OTLP/HTTP: HTTP/1.1 and HTTP/2 on one port, protobuf and JSON bodies, on hyper.

mod admit;
mod body;
mod call;
mod cors;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use regex::Regex;
use tokio_util::sync::CancellationToken;

use super::config::Http;
use super::in_progress::InProgress;
use super::intake::Intake;
use super::peer::Address;
use crate::auth::Guard;
use crate::flow::MemoryGate;
use crate::outcome::Signal;
use crate::stream::Stream;

/// How requests are answered.
pub struct HttpServer {
    config: Http,
    intake: Arc<Intake>,
    guard: Option<Guard>,
    limits: Vec<MemoryGate>,
    origins: Vec<Regex>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl HttpServer {
    /// Checks what the file can get wrong: origins and response headers.
    pub fn new(
        config: Http,
        intake: Arc<Intake>,
        guard: Option<Guard>,
        limits: Vec<MemoryGate>,
    ) -> Result<Self, String> {
        let origins = config.cors.iter().flat_map(|cors| &cors.allowed_origins);
        let origins = origins.map(|origin| cors::pattern(origin)).collect::<Result<_, _>>()?;
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|e| format!("response_headers: {name}: {e}"))?;
            let value = HeaderValue::from_str(value).map_err(|e| format!("response_headers: {name}: {e}"))?;
            Ok::<_, String>((name, value))
        };
        let headers = config.response_headers.iter().map(header).collect::<Result<_, _>>()?;
        Ok(Self { config, intake, guard, limits, origins, headers })
    }

    /// Which signal a path is for.
    fn signal(&self, path: &str) -> Option<Signal> {
        let paths = [
            (&self.config.traces_url_path, Signal::Traces),
            (&self.config.metrics_url_path, Signal::Metrics),
            (&self.config.logs_url_path, Signal::Logs),
        ];
        paths.into_iter().find(|(known, signal)| *known == path && self.intake.takes(*signal)).map(|(_, s)| s)
    }
}

/// Serves one connection to its end, as `server` says when it begins, and each request as it says then.
pub async fn serve(
    server: Arc<ArcSwap<HttpServer>>,
    stream: Box<dyn Stream>,
    from: Address,
    closing: CancellationToken,
) {
    let peer = from.http();
    let Http { read_header_timeout, keep_alives_enabled, idle_timeout, .. } = server.load().config;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(read_header_timeout)
        .keep_alive(keep_alives_enabled)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS_MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(Some(idle_timeout))
        .keep_alive_timeout(PING_TIME_MAX);
    let requests = InProgress::default();
    let service = service_fn(|request| {
        let (server, running, peer) = (server.load_full(), requests.begin(), Arc::clone(&peer));
        async move {
            let answer = call::answer(&server, peer, request).await;
            drop(running);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = requests.told_to_go(&closing) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = requests.over() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "an HTTP connection ended");
    }
}

/// Header lines of one request.
const HEADERS_MAX: usize = 100;
/// All header lines together.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Requests in progress on one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;
/// Streams we reset because of the client's errors (CVE-2025-8671).
const LOCAL_ERROR_RESETS_MAX: usize = 256;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// An HTTP/2 ping not answered within closes the connection.
const PING_TIME_MAX: Duration = Duration::from_secs(20);
