//! What the `otlp` receiver can be told.

use std::time::Duration;

use crate::auth::Authenticator;
use crate::compress::Compression;
use crate::tls;

/// The `otlp` receiver: at least one of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `protocols.grpc`.
    pub grpc: Option<Grpc>,
    /// `protocols.http`.
    pub http: Option<Http>,
    /// Bytes of requests in progress, of both protocols together, before senders are asked to come back; 256 MiB.
    pub max_in_flight_bytes: usize,
    /// Connections of both protocols together; more are closed as they come, 10,000.
    pub max_connections: usize,
}

impl Config {
    /// Whether a `memory_limiter` extension stands before either.
    pub fn has_limiters(&self) -> bool {
        let grpc = self.grpc.as_ref().map_or(&[][..], |grpc| &grpc.limiters);
        let http = self.http.as_ref().map_or(&[][..], |http| &http.limiters);
        !grpc.is_empty() || !http.is_empty()
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `host:port`; the host may be a name.
    Tcp(String),
    /// A path (`transport: unix`).
    Unix(String),
}

/// `protocols.grpc`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grpc {
    /// `localhost:4317`.
    pub endpoint: Endpoint,
    /// Plaintext when absent.
    pub tls: Option<tls::ServerConfig>,
    /// `auth`: who may send; anyone when absent.
    pub auth: Option<Authenticator>,
    /// Largest message, compressed and inflated, 4 MiB.
    pub max_recv_msg_bytes: usize,
    /// Calls in progress on one connection, 200 (the Collector's 0 means no limit; ours is never unlimited).
    pub max_concurrent_streams: u32,
    /// Pings and ages.
    pub keepalive: Keepalive,
    /// Request metadata is kept for whoever needs it downstream.
    pub include_metadata: bool,
    /// `middlewares`: `memory_limiter` extensions that are asked before a message is read.
    pub limiters: Vec<String>,
}

/// `keepalive` of a gRPC server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Close a connection without calls after; `None` never.
    pub max_connection_idle: Option<Duration>,
    /// Ask a client to reconnect after; `None` never.
    pub max_connection_age: Option<Duration>,
    /// Then close, whatever is in progress, after; `None` never.
    pub max_connection_age_grace: Option<Duration>,
    /// Ping after this much silence, 2 h.
    pub time: Duration,
    /// Close when the ping is not answered within, 20 s.
    pub timeout: Duration,
    /// A client may ping this often, 5 min.
    pub min_time: Duration,
    /// A client may ping without calls.
    pub permit_without_stream: bool,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            max_connection_idle: None,
            max_connection_age: None,
            max_connection_age_grace: None,
            time: Duration::from_secs(7200),
            timeout: Duration::from_secs(20),
            min_time: Duration::from_secs(300),
            permit_without_stream: false,
        }
    }
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp("localhost:4317".into()),
            tls: None,
            auth: None,
            max_recv_msg_bytes: 4 << 20,
            max_concurrent_streams: 200,
            keepalive: Keepalive::default(),
            include_metadata: false,
            limiters: Vec::new(),
        }
    }
}

/// `protocols.http`.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `localhost:4318`.
    pub endpoint: Endpoint,
    /// Plaintext when absent.
    pub tls: Option<tls::ServerConfig>,
    /// `auth`: who may send; anyone when absent.
    pub auth: Option<Authenticator>,
    /// `auth.request_params`: parts of the query that count as headers for it.
    pub auth_params: Vec<String>,
    /// Browsers allowed to send.
    pub cors: Option<Cors>,
    /// Largest body, compressed and inflated, 20 MiB.
    pub max_request_body_bytes: usize,
    /// Request headers are kept for whoever needs them downstream.
    pub include_metadata: bool,
    /// `middlewares`: `memory_limiter` extensions that are asked before a body is read.
    pub limiters: Vec<String>,
    /// Added to every response.
    pub response_headers: Vec<(String, String)>,
    /// Content encodings accepted beside none; empty means all that we have.
    pub compression_algorithms: Vec<Compression>,
    /// Path of traces, `/v1/traces`.
    pub traces_url_path: String,
    /// Path of metrics, `/v1/metrics`.
    pub metrics_url_path: String,
    /// Path of logs, `/v1/logs`.
    pub logs_url_path: String,
    /// Whole request; `None` no limit.
    pub read_timeout: Option<Duration>,
    /// Request headers, 10 s when absent in the file (ours is never unlimited).
    pub read_header_timeout: Duration,
    /// Response; `None` no limit.
    pub write_timeout: Option<Duration>,
    /// Between requests of one connection, 5 min when absent in the file.
    pub idle_timeout: Duration,
    /// Several requests per connection.
    pub keep_alives_enabled: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp("localhost:4318".into()),
            tls: None,
            auth: None,
            auth_params: Vec::new(),
            cors: None,
            max_request_body_bytes: 20 << 20,
            include_metadata: false,
            limiters: Vec::new(),
            response_headers: Vec::new(),
            compression_algorithms: Vec::new(),
            traces_url_path: "/v1/traces".into(),
            metrics_url_path: "/v1/metrics".into(),
            logs_url_path: "/v1/logs".into(),
            read_timeout: None,
            read_header_timeout: Duration::from_secs(10),
            write_timeout: None,
            idle_timeout: Duration::from_secs(300),
            keep_alives_enabled: true,
        }
    }
}

/// `cors`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cors {
    /// Origins, with `*` as a wildcard inside; none means no CORS.
    pub allowed_origins: Vec<String>,
    /// Beside the simple ones; `*` means any.
    pub allowed_headers: Vec<String>,
    /// Shown to scripts.
    pub exposed_headers: Vec<String>,
    /// Seconds a preflight may be remembered.
    pub max_age: u64,
}
