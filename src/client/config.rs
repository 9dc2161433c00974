//! How a backend is spoken to.

use std::time::Duration;

use crate::auth;
use crate::compress::Compression;
use crate::outcome::Signal;
use crate::tls;

/// `protocol.otlp` or our `protocol.otlp_http`.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// gRPC, or HTTP/1.1 with protobuf bodies.
    pub transport: Transport,
    /// TLS to the backends.
    pub tls: tls::ClientConfig,
    /// Compression of calls; the Collector's default is gzip.
    pub compression: Option<Compression>,
    /// Headers (metadata) on every call.
    pub headers: Vec<(String, String)>,
    /// `auth`: who we say we are.
    pub auth: Option<auth::Authenticator>,
    /// Pings on idle connections (gRPC).
    pub keepalive: Option<ClientKeepalive>,
    /// Connections per backend and worker, 1.
    pub connections: usize,
}

impl Protocol {
    /// Whether certificates come from files, which may have changed under the same names.
    pub fn reads_files(&self) -> bool {
        let tls = &self.tls;
        [&tls.ca, &tls.cert, &tls.key].into_iter().any(|pem| matches!(pem, Some(tls::Pem::File(_))))
    }
}

/// How a backend is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf bodies.
    Http,
}

/// How requests look over HTTP. Over gRPC both are fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpForm {
    /// Where they are posted, such as `/v1/traces`.
    pub path: String,
    /// Their encoding.
    pub encoding: HttpEncoding,
}

/// `encoding` of an OTLP/HTTP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HttpEncoding {
    /// `proto`.
    #[default]
    Protobuf,
    /// `json`.
    Json,
}

impl HttpForm {
    /// Protobuf to the signal's usual path.
    pub fn usual(signal: Signal) -> Self {
        Self { path: signal.http_path().to_owned(), encoding: HttpEncoding::Protobuf }
    }
}

/// `keepalive` of a gRPC client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeepalive {
    /// Ping after this much silence, 10 s.
    pub time: Duration,
    /// Close when the ping is not answered within, 10 s.
    pub timeout: Duration,
    /// Ping also while no call is in flight.
    pub permit_without_stream: bool,
}
