//! OTLP/gRPC: unary calls on h2 directly, one task per connection and one per call.

mod call;
mod connection;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::Grpc;
use super::intake::Intake;
use super::listen::Listener;
use crate::compress::Compression;
use crate::tls;
use crate::workers::Workers;

/// A gRPC listener and what its connections share.
pub struct GrpcServer {
    pub(super) config: Grpc,
    pub(super) intake: Intake,
    pub(super) tls: Option<Arc<tls::Acceptor>>,
}

impl GrpcServer {
    /// Accepts connections until `closing`; each lives on one worker. Connections then finish what they have begun.
    pub async fn serve(
        self: Arc<Self>,
        listener: Listener,
        workers: Arc<Workers>,
        connections: TaskTracker,
        closing: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = closing.cancelled() => return,
            };
            let place = workers.place();
            let (server, closing) = (Arc::clone(&self), closing.clone());
            let serve = connections.track_future(async move {
                let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, accepted.open(server.tls.as_ref()));
                let shaken = tokio::select! {
                    shaken = handshake => shaken,
                    () = closing.cancelled() => return,
                };
                match shaken {
                    Ok(Ok(stream)) => connection::serve(&server, stream, closing).await,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "a gRPC connection failed before its first call")
                    }
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
                drop(server);
            });
            let index = place.index;
            workers.handle(index).spawn(async move {
                serve.await;
                drop(place);
            });
        }
    }
}

/// The `grpc-accept-encoding` we announce.
pub(super) const ACCEPTED_ENCODINGS: &str = "identity,gzip,zstd,snappy,deflate";

/// The compression that a `grpc-encoding` names; `Err` for one we do not have.
pub(super) fn encoding(name: &[u8]) -> Result<Option<Compression>, String> {
    let text = std::str::from_utf8(name).unwrap_or("?").trim();
    if text.is_empty() || text == "identity" {
        return Ok(None);
    }
    Compression::from_grpc_encoding(text)
        .map(Some)
        .ok_or_else(|| format!("grpc-encoding {text:?} is not supported; send {ACCEPTED_ENCODINGS}"))
}

const HANDSHAKE_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(10);
