//! A small HTTP/1.1 listener for the pages ringtail writes about itself.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HOST, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::health_grpc::{self, GrpcHealth};
use super::page::{Answers, Asked, Page};
use crate::socket;

/// Connections at once; more wait in the system's backlog.
const CONNECTIONS_MAX: usize = 64;
/// Largest request body; the pages need none.
const BODY_MAX: usize = 1 << 20;
/// Time for a client to send its header or body, and to be idle between requests.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest life of a connection, so that a client that does not read its answer gives the place back.
const CONNECTION_MAX: Duration = Duration::from_secs(300);
/// Time for answers under way when shutting down.
const GRACE: Duration = Duration::from_secs(2);
/// Of a connection that came just then, until its request.
const FIRST_REQUEST_TIME: Duration = Duration::from_millis(500);
/// gRPC calls at once on a connection.
const STREAMS_MAX: u32 = 16;
/// Headers of a gRPC call.
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Wait after a failed accept: when descriptors ran out, trying again at once only burns a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{key}: cannot listen on `{endpoint}`: {source}{}", advice(source))]
pub struct BindError {
    /// The key in the configuration.
    pub key: String,
    /// Its value.
    pub endpoint: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another process, or another key of this configuration, listens there",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege",
        _ => "",
    }
}

/// A connection, plain or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes another connection of an accepted one, by a TLS handshake. It ends in time by itself.
pub type Handshake = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// An endpoint of the configuration, looked up.
pub struct Address {
    key: String,
    endpoint: String,
    found: Vec<SocketAddr>,
}

impl Address {
    /// Looks `endpoint` up, which `key` of the configuration asked for.
    pub async fn look_up(key: &str, endpoint: &str) -> Result<Self, BindError> {
        let mut address = Self { key: key.to_owned(), endpoint: endpoint.to_owned(), found: Vec::new() };
        let found = tokio::net::lookup_host(endpoint).await.map_err(|source| address.failed(source))?;
        address.found = found.collect();
        Ok(address)
    }

    fn failed(&self, source: io::Error) -> BindError {
        BindError { key: self.key.clone(), endpoint: self.endpoint.clone(), source }
    }
}

/// Whether a request with these headers may be answered; otherwise why not.
pub type Gate = Arc<dyn Fn(HeaderMap) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How connections are answered.
pub struct Manner {
    behind: Behind,
    handshake: Option<Handshake>,
    gate: Option<Gate>,
    headers: HeaderMap,
}

/// What stands behind a listener.
#[derive(Clone)]
enum Behind {
    /// Pages, over HTTP/1.1.
    Pages(Arc<dyn Answers>),
    /// Health checks, over gRPC.
    Health(Arc<GrpcHealth>),
}

impl Manner {
    /// With these pages, in plain text.
    pub fn new(answers: Arc<dyn Answers>) -> Self {
        Self::before(Behind::Pages(answers))
    }

    /// With health checks over gRPC, in plain text.
    pub fn grpc(health: GrpcHealth) -> Self {
        Self::before(Behind::Health(Arc::new(health)))
    }

    fn before(behind: Behind) -> Self {
        Self { behind, handshake: None, gate: None, headers: HeaderMap::new() }
    }

    /// Every connection begins with this.
    pub fn secured(self, handshake: Handshake) -> Self {
        Self { handshake: Some(handshake), ..self }
    }

    /// Every request has to get past this; those that do not are answered 401.
    pub fn guarded(self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Every answer carries these too.
    pub fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }
}

/// A bound listener that does not answer yet.
pub struct Server {
    listener: Arc<TcpListener>,
    local: SocketAddr,
    manner: Arc<ArcSwap<Manner>>,
    handed_over: Arc<AtomicBool>, // another listener has its socket as well
}

impl Server {
    /// Listens on `endpoint`, which `key` of the configuration asked for, also where one of `leaving` still does: those
    /// are about to be closed.
    pub async fn bind(
        key: &str,
        endpoint: &str,
        manner: Manner,
        leaving: &[&Listening],
    ) -> Result<Self, BindError> {
        let address = Address::look_up(key, endpoint).await?;
        Self::listen(&address, manner, leaving)
    }

    /// As [`Self::bind`], where the endpoint has been looked up.
    pub fn listen(at: &Address, manner: Manner, leaving: &[&Listening]) -> Result<Self, BindError> {
        let sockets: Vec<_> = leaving.iter().map(|one| one.listener.as_fd()).collect();
        let listener = socket::listen(&at.found, &sockets).and_then(TcpListener::from_std);
        let listener = Arc::new(listener.map_err(|source| at.failed(source))?);
        let local = listener.local_addr().map_err(|source| at.failed(source))?;
        let same = leaving.iter().filter(|other| other.local == local);
        same.for_each(|other| other.handed_over.store(true, Ordering::Release));
        let manner = Arc::new(ArcSwap::from_pointee(manner));
        Ok(Self { listener, local, manner, handed_over: Arc::default() })
    }

    /// The address, with the port the system chose if the configuration said 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Answers from now on, until it is closed or `stop`.
    pub fn start(self, stop: &CancellationToken) -> Listening {
        let (listener, local, manner) = (Arc::clone(&self.listener), self.local, Arc::clone(&self.manner));
        let (closing, free) = (stop.child_token(), CancellationToken::new());
        let handed_over = Arc::clone(&self.handed_over);
        tokio::spawn(self.run(closing.clone(), free.clone().drop_guard()));
        Listening { listener, local, manner, handed_over, free, closing: closing.drop_guard() }
    }

    /// Answers until `shutdown`, then lets answers under way finish for a moment.
    pub async fn serve(self, shutdown: CancellationToken) {
        self.run(shutdown, CancellationToken::new().drop_guard()).await;
    }

    /// Lets go of `free` with its listener.
    async fn run(self, shutdown: CancellationToken, free: DropGuard) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = next(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok(accepted) => self.take(accepted, &tasks, &shutdown),
                Err(error) => {
                    tracing::warn!(address = %self.local, %error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Who waits to be accepted still is, unless the socket has another owner who will.
        while !self.handed_over.load(Ordering::Acquire)
            && let Ok(place) = places.clone().try_acquire_owned()
            && let Some(accepted) = socket::accept_now(self.listener.as_fd())
        {
            if let Ok(stream) = TcpStream::from_std(accepted.into()) {
                self.take((stream, place), &tasks, &shutdown);
            }
        }
        drop((self.listener, free));
        tasks.close();
        // What is left is cut off with the tasks' own grace; waiting here longer than that helps nobody.
        let _ = tokio::time::timeout(GRACE + CLIENT_TIMEOUT, tasks.wait()).await;
    }

    fn take(
        &self,
        (stream, place): (TcpStream, OwnedSemaphorePermit),
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        let (manner, shutdown) = (Arc::clone(&self.manner), shutdown.clone());
        tasks.spawn(async move {
            let handshake = manner.load().handshake.clone();
            let opened = match handshake {
                None => Ok(Box::new(stream) as Box<dyn Stream>),
                Some(handshake) => handshake(stream).await,
            };
            match opened {
                Ok(stream) => connection(stream, manner, shutdown, place).await,
                Err(error) => tracing::debug!(%error, "a connection failed before its request"),
            }
        });
    }
}

/// A listener that answers, until this is dropped.
pub struct Listening {
    listener: Arc<TcpListener>,
    local: SocketAddr,
    manner: Arc<ArcSwap<Manner>>,
    handed_over: Arc<AtomicBool>,
    free: CancellationToken, // cancelled when it listens no more
    closing: DropGuard,
}

impl Listening {
    /// The address, with the port the system chose if the configuration said 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Answers the next requests so, also on connections that are open; a handshake begins new ones only.
    pub fn change(&self, manner: Manner) {
        self.manner.store(Arc::new(manner));
    }

    /// Listens no more; answers under way finish. Ready when the address is free.
    pub async fn close(self) {
        let Self { listener, closing, free, .. } = self;
        drop((listener, closing));
        free.cancelled().await;
    }
}

/// A connection for which there is a place. The place comes first: what is accepted is answered.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(
    stream: Box<dyn Stream>,
    manner: Arc<ArcSwap<Manner>>,
    shutdown: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let behind = manner.load().behind.clone();
    let end = match behind {
        Behind::Pages(_) => paging(stream, manner, shutdown).await,
        Behind::Health(health) => checking(stream, manner, health, shutdown).await,
    };
    if let Ok(Err(error)) = end {
        tracing::debug!(%error, "a connection to a page of ours ended early");
    }
}

/// How a connection ended, if it did in time.
type End = Result<hyper::Result<()>, tokio::time::error::Elapsed>;

async fn paging(stream: Box<dyn Stream>, manner: Arc<ArcSwap<Manner>>, shutdown: CancellationToken) -> End {
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let service = service_fn(move |request| {
        begins.store(true, Ordering::Relaxed);
        let manner = manner.load_full();
        async move {
            let mut response = respond(request, &manner).await;
            response.headers_mut().extend(manner.headers.clone());
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // Without the timer the header timeout is silently off.
    builder.timer(TokioTimer::new()).header_read_timeout(CLIENT_TIMEOUT).max_buf_size(64 * 1024);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        end = tokio::time::timeout(CONNECTION_MAX, serving.as_mut()) => end,
        () = told_to_go(&shutdown, &begun) => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, serving).await
        }
    }
}

/// As pages, but a watch may last: connections live as long as their clients answer pings.
async fn checking(
    stream: Box<dyn Stream>,
    manner: Arc<ArcSwap<Manner>>,
    health: Arc<GrpcHealth>,
    shutdown: CancellationToken,
) -> End {
    let stop = shutdown.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (manner, health, stop) = (manner.load_full(), Arc::clone(&health), stop.clone());
        async move {
            let refused = match &manner.gate {
                Some(gate) => gate(request.headers().clone()).await.err(),
                None => None,
            };
            Ok::<_, std::convert::Infallible>(match refused {
                Some(why) => health_grpc::unauthenticated(&why),
                None => health.call(request, stop).await,
            })
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(CLIENT_TIMEOUT)
        .keep_alive_timeout(CLIENT_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        end = serving.as_mut() => Ok(end),
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, serving).await
        }
    }
}

/// Ready when a connection is to end; one without a request as yet has had time for its first.
async fn told_to_go(shutdown: &CancellationToken, begun: &AtomicBool) {
    shutdown.cancelled().await;
    if !begun.load(Ordering::Relaxed) {
        tokio::time::sleep(FIRST_REQUEST_TIME).await;
    }
}

async fn respond(request: Request<Incoming>, manner: &Manner) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if let Some(gate) = &manner.gate
        && let Err(why) = gate(head.headers.clone()).await
    {
        return written(Page::text(401, format!("{why}\n")));
    }
    let read = tokio::time::timeout(CLIENT_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await;
    let page = match read {
        Err(_) => Page::error(408, "the body of the request did not arrive in time"),
        Ok(Err(_)) => {
            Page::error(413, "the body of the request is too large or cannot be read; none is needed")
        }
        Ok(Ok(_)) => {
            let method = if head.method == Method::HEAD { Method::GET } else { head.method };
            let (host, origin) = (header(&head.headers, &HOST), header(&head.headers, &ORIGIN));
            let (accept, accept_encoding) =
                (header(&head.headers, &ACCEPT), header(&head.headers, &ACCEPT_ENCODING));
            let path = head.uri.path().to_owned();
            let query = head.uri.query().map(str::to_owned);
            let asked = Asked { method, path, query, host, origin, accept, accept_encoding };
            match &manner.behind {
                Behind::Pages(answers) => answers.answer(&asked).await,
                Behind::Health(_) => Page::text(505, "this speaks gRPC\n"),
            }
        }
    };
    written(page)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    // A value that is not text is kept as something that matches nothing, not dropped as if it were absent.
    headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned())
}

/// The pages need their own script and nothing from elsewhere; what shows them may not be framed or guessed at.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn written(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(page.body));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Some(encoding) = page.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Some(methods) = page.allow {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    response
}

#[cfg(test)]
#[path = "serve_tests.rs"]
pub(super) mod tests;
