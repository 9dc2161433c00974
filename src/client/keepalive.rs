//! Pings on connections to backends, so that a peer that vanished without a word is noticed.

use std::time::Duration;

use h2::{Ping, PingPong};

use super::config::ClientKeepalive;

/// Returns when a ping was not answered in time. gRPC's rule that a ping follows *silence* is kept by sending no more
/// than one per `time`, at least [`TIME_MIN`] apart as gRPC clients do.
pub async fn client(mut pings: PingPong, keepalive: ClientKeepalive) {
    loop {
        tokio::time::sleep(keepalive.time.max(TIME_MIN)).await;
        match tokio::time::timeout(keepalive.timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// grpc-go's lower bound; servers answer faster pings with GOAWAY "too_many_pings".
const TIME_MIN: Duration = Duration::from_secs(10);
