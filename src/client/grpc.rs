//! OTLP/gRPC calls to one backend, on h2 directly: a unary call needs neither a stub nor a codec.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::time::{Instant, timeout_at};

use super::call::{Called, from_http, from_status};
use super::config::ClientKeepalive;
use super::connect::Target;
use super::keepalive;
use crate::compress::Compression;
use crate::outcome::Signal;
use crate::stream::cork;
use crate::wire::status::{Code, Status, decode_details, decode_message, decode_partial_success};

/// Long-lived connections to one backend; calls take them in turn.
pub struct GrpcChannel {
    target: Target,
    connections: Vec<tokio::sync::Mutex<Option<Live>>>,
    next: AtomicUsize,
    template: Request<()>,
    keepalive: Option<ClientKeepalive>,
}

/// A connection that worked when it was last used.
#[derive(Clone)]
struct Live {
    send: SendRequest<Bytes>,
    gone: Arc<AtomicBool>,
    answered: Arc<AtomicBool>, // the peer has been found to speak our protocol
}

/// Why a call did not get an answer.
enum Failure {
    /// Nothing was processed: it may be sent again at once on another connection.
    NotSent(String),
    /// It may have been processed.
    Broken(String),
    /// The time ran out.
    Late,
}

impl GrpcChannel {
    /// No connection is made before the first call.
    pub fn new(target: Target, signal: Signal, settings: &ChannelSettings) -> Result<Self, String> {
        Ok(Self {
            template: template(&target, signal, settings)?,
            target,
            connections: (0..settings.connections.max(1)).map(|_| tokio::sync::Mutex::default()).collect(),
            next: AtomicUsize::new(0),
            keepalive: settings.keepalive,
        })
    }

    /// Sends one message, already framed, and waits for its outcome at most `timeout`.
    pub async fn call(&self, framed: Bytes, timeout: Duration) -> Called {
        let deadline = Instant::now() + timeout;
        let backend = &self.target.address;
        let mut request = self.template.clone();
        match self.target.credentials().await {
            Ok(header) => request.headers_mut().extend(header),
            Err(error) => return Called::passing(format!("{backend}: {error}"), None),
        }
        let called = match self.attempt(request.clone(), framed.clone(), deadline).await {
            // The backend was closing that connection just then; the message is still ours.
            Err(Failure::NotSent(_)) => self.attempt(request, framed, deadline).await,
            other => other,
        };
        match called {
            Ok(called) => called,
            Err(Failure::NotSent(error) | Failure::Broken(error)) => {
                Called::unreachable(format!("{backend}: {error}"))
            }
            Err(Failure::Late) => Called::passing(format!("{backend}: no answer within {timeout:?}"), None),
        }
    }

    /// Whether the backend takes connections now.
    pub async fn answers(&self) -> bool {
        self.target.answers().await
    }

    /// One call on one connection. After a failure the connection is not used again: it may be closing, or its peer
    /// may have vanished without a word.
    async fn attempt(
        &self,
        request: Request<()>,
        framed: Bytes,
        deadline: Instant,
    ) -> Result<Called, Failure> {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let live = timeout_at(deadline, self.live(index)).await.map_err(|_| Failure::Late)??;
        let (gone, answered) = (Arc::clone(&live.gone), Arc::clone(&live.answered));
        let called = timeout_at(deadline, self.exchange(live, request, framed, deadline)).await;
        let called = called.unwrap_or(Err(Failure::Late));
        match called {
            Ok(_) => answered.store(true, Ordering::Relaxed),
            Err(_) => gone.store(true, Ordering::Relaxed),
        }
        // A peer that speaks TLS closes a connection that begins in plaintext without a word that can be read.
        let perhaps_tls = self.target.tls.is_none() && !answered.load(Ordering::Relaxed);
        called.map_err(|failure| match failure {
            Failure::Broken(error) if perhaps_tls => Failure::Broken(format!(
                "{error}; it never spoke HTTP/2: if it speaks TLS, remove `tls.insecure: true`"
            )),
            other => other,
        })
    }

    async fn exchange(
        &self,
        live: Live,
        mut request: Request<()>,
        framed: Bytes,
        deadline: Instant,
    ) -> Result<Called, Failure> {
        let mut send = live.send.ready().await.map_err(|e| Failure::NotSent(e.to_string()))?;
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        if let Ok(value) = format!("{}m", left.clamp(1, 99_999_999)).parse() {
            request.headers_mut().insert("grpc-timeout", value);
        }
        let (response, mut body) = send.send_request(request, false).map_err(failure)?;
        body.send_data(framed, true).map_err(failure)?;
        let response = response.await.map_err(failure)?;
        self.read(response).await
    }

    /// The connection at `index`, made anew when it is gone.
    async fn live(&self, index: usize) -> Result<Live, Failure> {
        let mut slot = self.connections[index].lock().await;
        if let Some(live) = slot.as_ref().filter(|live| !live.gone.load(Ordering::Relaxed)) {
            return Ok(live.clone());
        }
        *slot = None;
        let live = self.open().await.map_err(Failure::Broken)?;
        *slot = Some(live.clone());
        Ok(live)
    }

    async fn open(&self) -> Result<Live, String> {
        let stream = self.target.connect().await.map_err(|e| format!("cannot connect: {e}"))?;
        let (corked, uncork) = cork(stream);
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(RESPONSE_WINDOW_BYTES)
            .initial_connection_window_size(RESPONSE_WINDOW_BYTES * 4)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .max_send_buffer_size(SEND_BUFFER_BYTES);
        let handshake = builder.handshake::<_, Bytes>(corked);
        let mut handshake = pin!(handshake);
        let shaken = poll_fn(|cx| {
            let polled = handshake.as_mut().poll(cx);
            uncork.poll_out(cx);
            polled
        });
        let (send, mut connection) = shaken.await.map_err(|e| format!("HTTP/2 handshake: {e}"))?;
        let gone = Arc::new(AtomicBool::new(false));
        let (flag, pings) = (Arc::clone(&gone), self.keepalive.zip(connection.ping_pong()));
        tokio::spawn(async move {
            let drive = poll_fn(|cx| {
                let polled = Pin::new(&mut connection).poll(cx);
                uncork.poll_out(cx);
                polled.map(drop)
            });
            match pings {
                Some((keepalive, pings)) => tokio::select! {
                    () = drive => {}
                    () = keepalive::client(pings, keepalive) => {}
                },
                None => drive.await,
            }
            flag.store(true, Ordering::Relaxed);
        });
        Ok(Live { send, gone, answered: Arc::default() })
    }

    async fn read(&self, response: http::Response<h2::RecvStream>) -> Result<Called, Failure> {
        let backend = &self.target.address;
        let (head, mut body) = response.into_parts();
        let mut message = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(failure)?;
            let _ = body.flow_control().release_capacity(data.len());
            if message.len() + data.len() > ANSWER_BYTES_MAX {
                return Ok(Called::passing(
                    format!("{backend}: an answer over {ANSWER_BYTES_MAX} bytes"),
                    None,
                ));
            }
            message.extend_from_slice(&data);
        }
        let trailers = body.trailers().await.map_err(failure)?;
        let Some(status) = status_of(trailers.as_ref()).or_else(|| status_of(Some(&head.headers))) else {
            let said = String::from_utf8_lossy(&message[..message.len().min(200)]);
            return Ok(match head.status.as_u16() {
                200 => Called::passing(format!("{backend}: an answer without grpc-status"), None),
                other => from_http(backend, other, &said, None),
            });
        };
        if status.code != Code::Ok {
            return Ok(from_status(backend, &status));
        }
        let partial = message.get(5..).and_then(decode_partial_success);
        let (rejected, said) = partial.unwrap_or_default();
        Ok(Called::taken(rejected, said))
    }
}

/// What all channels of an exporter share.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Connections per backend.
    pub connections: usize,
    /// Pings.
    pub keepalive: Option<ClientKeepalive>,
    /// Announced in `grpc-encoding`.
    pub compression: Option<Compression>,
    /// Sent with every call.
    pub headers: Vec<(String, String)>,
}

fn template(target: &Target, signal: Signal, settings: &ChannelSettings) -> Result<Request<()>, String> {
    let mut request =
        Request::post(format!("{}://{}{}", target.scheme(), target.address, signal.grpc_path()))
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("ringtail/", env!("CARGO_PKG_VERSION")));
    if let Some(compression) = settings.compression {
        request = request.header("grpc-encoding", compression.grpc_encoding());
    }
    for (name, value) in &settings.headers {
        request = request.header(name.to_ascii_lowercase(), value);
    }
    request.body(()).map_err(|e| format!("{}: {e}", target.address))
}

fn status_of(headers: Option<&HeaderMap>) -> Option<Status> {
    let headers = headers?;
    let code = Code::from_header(headers.get("grpc-status")?.as_bytes());
    let message = headers.get("grpc-message").map(|m| decode_message(m.as_bytes())).unwrap_or_default();
    let details = headers.get("grpc-status-details-bin").and_then(|d| decode_details(d.as_bytes()));
    let retry_delay = details.and_then(|d| Status::decode(&d)).and_then(|s| s.retry_delay);
    Some(Status { code, message, retry_delay })
}

/// Streams that the peer never looked at (REFUSED_STREAM, or numbered above its GOAWAY) may be sent again at once.
fn failure(error: h2::Error) -> Failure {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let closing = error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
    if refused || closing { Failure::NotSent(error.to_string()) } else { Failure::Broken(error.to_string()) }
}

/// Answers are a few bytes.
const RESPONSE_WINDOW_BYTES: u32 = 64 << 10;
/// Largest answer read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Largest header list accepted from a backend: bounds CONTINUATION floods too. Messages of refusals travel in it, and
/// a refusal that cannot be read would be taken for a broken connection.
const HEADER_LIST_BYTES_MAX: u32 = 64 << 10;
/// What h2 may buffer of one stream; calls are at most `gather.max_bytes`, one part more at worst.
const SEND_BUFFER_BYTES: usize = 8 << 20;
