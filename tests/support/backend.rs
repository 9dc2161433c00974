//! Backends that record what they take and answer as they are told: OTLP/gRPC on tonic, OTLP/HTTP on hyper.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use super::load::{Seen, seen};
use super::status::with_retry_info;
use super::{Content, Logs, LogsAnswer, Metrics, MetricsAnswer, Traces, TracesAnswer, wait};

/// How one call is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// OK, and recorded.
    Take,
    /// OK and recorded, with a partial success.
    Partial(i64, &'static str),
    /// A gRPC status, with RetryInfo where a delay is given.
    Refuse(Code, Option<Duration>),
    /// A gRPC status with this message.
    Say(Code, String),
    /// An HTTP status, with Retry-After where given (OTLP/HTTP backends).
    Http(u16, Option<u64>),
}

type Rule = Box<dyn FnMut(&Content) -> Reply + Send>;

/// What the connections of a backend share, and what outlives its restarts.
struct Shared {
    rule: Mutex<Rule>,
    open: watch::Sender<bool>,
    delay: Mutex<Duration>,
    goodbyes: watch::Sender<usize>,
    taken: Mutex<Vec<Content>>,
    headers: Mutex<http::HeaderMap>, // of the last call
    calls: AtomicUsize,
    connections: AtomicUsize,
    tls: Option<tokio_rustls::TlsAcceptor>,
    protocol: Protocol,
}

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Grpc,
    Http,
}

/// A backend on a port of its own.
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<AbortHandle>>,
}

impl Backend {
    pub async fn grpc() -> Self {
        Self::start(Protocol::Grpc, None).await
    }

    pub async fn http() -> Self {
        Self::start(Protocol::Http, None).await
    }

    /// gRPC under TLS.
    pub async fn tls(config: rustls::ServerConfig) -> Self {
        Self::start(Protocol::Grpc, Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(protocol: Protocol, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let address = super::process::free_address();
        let shared = Arc::new(Shared {
            rule: Mutex::new(Box::new(|_| Reply::Take)),
            open: watch::Sender::new(true),
            delay: Mutex::new(Duration::ZERO),
            goodbyes: watch::Sender::new(0),
            taken: Mutex::default(),
            headers: Mutex::default(),
            calls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            tls,
            protocol,
        });
        let backend = Self { address, shared, running: Mutex::default() };
        backend.restart().await;
        backend
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes the port and every connection, whatever is in progress.
    pub fn stop(&self) {
        if let Some(running) = self.running.lock().take() {
            running.abort();
        }
    }

    /// Listens again on the same port.
    pub async fn restart(&self) {
        self.stop();
        let bind = || async { TcpListener::bind(self.address).await.ok() };
        let listener = wait::until_some("the backend's port is free", bind).await;
        let task = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
        *self.running.lock() = Some(task.abort_handle());
    }

    /// Decides how calls are answered from now on.
    pub fn answer(&self, rule: impl FnMut(&Content) -> Reply + Send + 'static) {
        *self.shared.rule.lock() = Box::new(rule);
    }

    /// Answers the next `n` calls with `reply`, and takes what comes after.
    pub fn answer_next(&self, n: usize, reply: Reply) {
        let mut left = n;
        self.answer(move |_| match left {
            0 => Reply::Take,
            _ => {
                left -= 1;
                reply.clone()
            }
        });
    }

    /// Whether it has not been stopped.
    pub fn is_running(&self) -> bool {
        self.running.lock().is_some()
    }

    /// Asks every client to reconnect, as a server does that is about to restart: GOAWAY, then an orderly end.
    pub fn say_goodbye(&self) {
        self.shared.goodbyes.send_modify(|count| *count += 1);
    }

    /// Every call takes so long from now on.
    pub fn take_long(&self, delay: Duration) {
        *self.shared.delay.lock() = delay;
    }

    /// Calls wait from now on.
    pub fn close_gate(&self) {
        self.shared.open.send_replace(false);
    }

    /// Calls that wait are answered.
    pub fn open_gate(&self) {
        self.shared.open.send_replace(true);
    }

    /// Calls that came, answered or not.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// A header of the last call.
    pub fn last_header(&self, name: &str) -> Option<String> {
        self.shared.headers.lock().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    /// What was taken.
    pub fn taken(&self) -> Vec<Content> {
        self.shared.taken.lock().clone()
    }

    /// Forgets what was taken.
    pub fn forget(&self) {
        self.shared.taken.lock().clear();
    }

    /// The spans that were taken.
    pub fn spans(&self) -> Vec<Seen> {
        let taken = self.shared.taken.lock();
        let traces = taken.iter().filter_map(|content| match content {
            Content::Traces(traces) => Some(traces),
            _ => None,
        });
        traces.flat_map(seen).collect()
    }

    /// Whether a span of this name was taken.
    pub fn has(&self, name: &str) -> bool {
        self.spans().iter().any(|one| one.span.name == name)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Connections end with this task: they live in its set.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(connection(stream, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    match &shared.tls {
        None => serve(stream, Arc::clone(&shared)).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, Arc::clone(&shared)).await;
            }
        }
    }
}

async fn serve<S>(stream: S, shared: Arc<Shared>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let builder = Builder::new(TokioExecutor::new());
    let io = TokioIo::new(stream);
    let mut goodbyes = shared.goodbyes.subscribe();
    match shared.protocol {
        Protocol::Grpc => {
            let service = Grpc(shared);
            let (gzip, zstd) = (CompressionEncoding::Gzip, CompressionEncoding::Zstd);
            let traces =
                TraceServiceServer::new(service.clone()).accept_compressed(gzip).accept_compressed(zstd);
            let logs = LogsServiceServer::new(service.clone()).accept_compressed(gzip);
            let metrics = MetricsServiceServer::new(service).accept_compressed(gzip);
            let routes = Routes::new(traces).add_service(logs).add_service(metrics).prepare();
            let connection = builder.serve_connection(io, TowerToHyperService::new(routes));
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = goodbyes.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
        Protocol::Http => {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(http(&shared, request).await) }
            });
            let connection = builder.serve_connection(io, service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = goodbyes.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
    }
}

impl Shared {
    async fn decide(&self, content: Content) -> Reply {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
        let delay = *self.delay.lock();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let reply = (self.rule.lock())(&content);
        if matches!(reply, Reply::Take | Reply::Partial(..)) {
            self.taken.lock().push(content);
        }
        reply
    }
}

#[derive(Clone)]
struct Grpc(Arc<Shared>);

impl Grpc {
    async fn decide<T>(
        &self,
        request: Request<T>,
        content: impl FnOnce(T) -> Content,
    ) -> Result<(i64, String), Status> {
        let (metadata, _, message) = request.into_parts();
        *self.0.headers.lock() = metadata.into_headers();
        match self.0.decide(content(message)).await {
            Reply::Take => Ok((0, String::new())),
            Reply::Partial(rejected, message) => Ok((rejected, message.to_owned())),
            Reply::Refuse(code, None) => Err(Status::new(code, "as told")),
            Reply::Refuse(code, Some(delay)) => {
                let details = with_retry_info(code as i32, "as told", delay);
                Err(Status::with_details(code, "as told", details.into()))
            }
            Reply::Say(code, message) => Err(Status::new(code, message)),
            Reply::Http(..) => Err(Status::internal("the test told a gRPC backend to answer in HTTP")),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(&self, request: Request<Traces>) -> Result<Response<TracesAnswer>, Status> {
        let (rejected_spans, error_message) = self.decide(request, Content::Traces).await?;
        let partial = ExportTracePartialSuccess { rejected_spans, error_message };
        let said = partial != ExportTracePartialSuccess::default();
        Ok(Response::new(TracesAnswer { partial_success: said.then_some(partial) }))
    }
}

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(&self, request: Request<Logs>) -> Result<Response<LogsAnswer>, Status> {
        self.decide(request, Content::Logs).await?;
        Ok(Response::new(LogsAnswer::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(&self, request: Request<Metrics>) -> Result<Response<MetricsAnswer>, Status> {
        self.decide(request, Content::Metrics).await?;
        Ok(Response::new(MetricsAnswer::default()))
    }
}

async fn http(shared: &Shared, request: http::Request<hyper::body::Incoming>) -> http::Response<Full<Bytes>> {
    let respond = |status: u16, body: Vec<u8>| {
        let response =
            http::Response::builder().status(status).header("content-type", "application/x-protobuf");
        response.body(Full::new(Bytes::from(body))).unwrap()
    };
    let (head, body) = request.into_parts();
    shared.headers.lock().clone_from(&head.headers);
    let Ok(body) = body.collect().await else { return respond(400, Vec::new()) };
    let Ok(body) = plain(&head.headers, &body.to_bytes()) else { return respond(400, Vec::new()) };
    let json = head.headers.get("content-type").is_some_and(|kind| kind == "application/json");
    let content = match head.uri.path() {
        "/v1/traces" | "/api/v1/traces" if json => serde_json::from_slice(&body).ok().map(Content::Traces),
        "/v1/traces" | "/api/v1/traces" => Traces::decode(&body[..]).ok().map(Content::Traces),
        "/v1/logs" => Logs::decode(&body[..]).ok().map(Content::Logs),
        "/v1/metrics" => Metrics::decode(&body[..]).ok().map(Content::Metrics),
        _ => return respond(404, Vec::new()),
    };
    let Some(content) = content else { return respond(400, Vec::new()) };
    match shared.decide(content).await {
        Reply::Take => respond(200, Vec::new()),
        Reply::Partial(rejected_spans, message) => {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: message.into() };
            respond(200, TracesAnswer { partial_success: Some(partial) }.encode_to_vec())
        }
        Reply::Http(status, retry_after) => {
            let mut response = respond(status, Vec::new());
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            response
        }
        Reply::Refuse(..) | Reply::Say(..) => respond(500, Vec::new()),
    }
}

fn plain(headers: &http::HeaderMap, body: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut out = Vec::new();
    match headers.get("content-encoding").map(|value| value.as_bytes()) {
        None => out.extend_from_slice(body),
        Some(b"gzip") => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut out)?;
        }
        Some(b"zstd") => out = zstd::decode_all(body)?,
        Some(_) => return Err(std::io::Error::other("an encoding no test uses")),
    }
    Ok(out)
}
