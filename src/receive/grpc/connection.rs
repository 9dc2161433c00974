//! One HTTP/2 connection: accepts streams, bounds them, ages out, says good-bye before it closes.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{GrpcServer, call};
use crate::origin::Peer;
use crate::receive::config::{Grpc, Keepalive};
use crate::receive::in_progress::{InProgress, told_to_go};
use crate::stream::{Corked, Stream, Uncork, cork};

/// Serves one connection to its end.
pub async fn serve(
    server: &Arc<ArcSwap<GrpcServer>>,
    stream: Box<dyn Stream>,
    peer: Arc<Peer>,
    closing: CancellationToken,
) {
    let (corked, uncork) = cork(stream);
    let config = server.load().config.clone();
    let shaken = tokio::select! {
        shaken = shake_hands(&config, corked, &uncork) => shaken,
        () = told_to_go(&closing) => return,
    };
    let Some(mut connection) = shaken else { return };
    let calls = InProgress::default();
    let keepalive = config.keepalive;
    let mut clock = Clock::new(&keepalive);
    let mut pings = pin!(ping(connection.ping_pong(), keepalive.time, keepalive.timeout));
    let mut leaving = false;
    loop {
        let next = poll_fn(|cx| {
            let polled = connection.poll_accept(cx);
            uncork.poll_out(cx);
            polled
        });
        tokio::select! {
            biased;
            accepted = next => match accepted {
                Some(Ok((request, respond))) => {
                    clock.busy();
                    let running = calls.begin();
                    let (server, peer) = (server.load_full(), Arc::clone(&peer));
                    tokio::spawn(async move {
                        call::answer(&server, peer, request, respond).await;
                        drop(running);
                    });
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "a gRPC connection ended");
                    return;
                }
                None => return,
            },
            () = &mut pings => {
                tracing::debug!("a gRPC client did not answer a ping; closing");
                return;
            }
            why = clock.due(calls.count()), if !leaving => {
                tracing::trace!(why, "asking a gRPC client to reconnect");
                leaving = true;
                clock.leave();
                connection.graceful_shutdown();
            }
            () = calls.told_to_go(&closing), if !leaving => {
                leaving = true;
                connection.graceful_shutdown();
            }
            () = clock.grace_over(), if leaving => return,
            () = calls.over(), if leaving => return,
        }
    }
}

type Http2 = Connection<Corked, Bytes>;

async fn shake_hands(config: &Grpc, corked: Corked, uncork: &Uncork) -> Option<Http2> {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_concurrent_reset_streams(RESET_STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_ACCEPT_RESETS_MAX)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS_MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    let mut handshake = pin!(builder.handshake::<_, Bytes>(corked));
    let shaken = poll_fn(|cx| {
        let polled = handshake.as_mut().poll(cx);
        uncork.poll_out(cx);
        polled
    });
    match tokio::time::timeout(PREFACE_TIME_MAX, shaken).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a client on the gRPC port does not speak HTTP/2");
            None
        }
        Err(_) => None,
    }
}

/// Idle time, age and grace of one connection.
struct Clock {
    keepalive: Keepalive,
    opened: Instant,
    last_call: Instant,
    left: Option<Instant>,
}

impl Clock {
    fn new(keepalive: &Keepalive) -> Self {
        let now = Instant::now();
        // Ages are spread by a tenth, as gRPC does, so that a fleet does not reconnect at one moment.
        let mut keepalive = *keepalive;
        keepalive.max_connection_age =
            keepalive.max_connection_age.map(|age| age.mul_f64(0.9 + 0.2 * fastrand::f64()));
        Self { keepalive, opened: now, last_call: now, left: None }
    }

    fn busy(&mut self) {
        if self.keepalive.max_connection_idle.is_some() {
            self.last_call = Instant::now();
        }
    }

    fn leave(&mut self) {
        self.left = Some(Instant::now());
    }

    /// Ready when the connection should end, with the reason.
    async fn due(&self, calls: usize) -> &'static str {
        let aged = async {
            match self.keepalive.max_connection_age {
                Some(age) => sleep_until(self.opened + age).await,
                None => pending().await,
            }
        };
        let idle = async {
            match self.keepalive.max_connection_idle {
                Some(idle) if calls == 0 => sleep_until(self.last_call + idle).await,
                // Looked at again when a call comes, or at the latest after another idle time.
                Some(idle) => {
                    sleep(idle).await;
                    pending().await
                }
                None => pending().await,
            }
        };
        tokio::select! {
            () = aged => "max_connection_age",
            () = idle => "max_connection_idle",
        }
    }

    async fn grace_over(&self) {
        match (self.left, self.keepalive.max_connection_age_grace) {
            (Some(left), Some(grace)) => sleep_until(left + grace).await,
            _ => pending().await,
        }
    }
}

/// Returns when a ping was not answered.
async fn ping(pings: Option<h2::PingPong>, every: Duration, timeout: Duration) {
    let Some(mut pings) = pings else { return pending().await };
    loop {
        sleep(every.max(Duration::from_secs(1))).await;
        match tokio::time::timeout(timeout, pings.ping(h2::Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// One message of the default limit fits without a WINDOW_UPDATE in between.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// What one connection may have sent that nobody has read yet.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// Clients that use large frames save system calls on both sides.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Header lists; bounds CONTINUATION floods to five frames as well.
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Streams we reset and remember.
const RESET_STREAMS_MAX: usize = 64;
/// Streams reset by the client before we saw them (CVE-2023-44487); more end the connection.
const PENDING_ACCEPT_RESETS_MAX: usize = 20;
/// Streams we reset because of the client's errors (CVE-2025-8671); more end the connection.
const LOCAL_ERROR_RESETS_MAX: usize = 256;
/// Answers are a few bytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Until the client's preface and settings.
const PREFACE_TIME_MAX: Duration = Duration::from_secs(5);
