//! OTLP/gRPC: unary calls on h2 directly, one task per connection and one per call.

mod call;
mod connection;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::config::Grpc;
use super::intake::Intake;
use super::peer::Address;
use crate::auth::Guard;
use crate::compress::Compression;
use crate::flow::MemoryGate;
use crate::stream::Stream;

/// How calls are taken.
pub struct GrpcServer {
    pub(super) config: Grpc,
    pub(super) intake: Arc<Intake>,
    pub(super) guard: Option<Guard>,
    pub(super) limits: Vec<MemoryGate>,
}

/// Serves one connection to its end, as `server` says when it begins, and each call as it says then.
pub async fn serve(
    server: Arc<ArcSwap<GrpcServer>>,
    stream: Box<dyn Stream>,
    from: Address,
    closing: CancellationToken,
) {
    connection::serve(&server, stream, from.grpc(), closing).await;
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
