//! The `otlp` receiver.

use std::time::Duration;

use super::auth::{Side, auth};
use super::middlewares;
use super::net::{buffer_sizes, check_address, headers, or_default, unless_zero};
use super::tls::server_tls;
use super::{KeyKind, Scalar, Section};
use crate::compress::Compression;
use crate::receive::{Config, Cors, Endpoint, Grpc, Http, Keepalive};

/// Requests in progress, when not set.
const IN_FLIGHT: u64 = 256;
/// Connections of both protocols together.
const CONNECTIONS: u64 = 10_000;
/// So many MiB are a number of bytes that fits.
const MIB_MAX: i64 = 8_796_093_022_207;

pub(super) fn receiver(section: &mut Section<'_>) -> Config {
    let (grpc, http) = section.section("protocols", |protocols| {
        (protocols.optional("grpc", grpc), protocols.optional("http", http))
    });
    if grpc.is_none() && http.is_none() {
        let help = "write protocols: {grpc: {}, http: {}}";
        section.error(
            "",
            "must specify at least one protocol when using the OTLP receiver",
            Some(help.into()),
        );
    }
    let in_flight = section.get("max_in_flight_mib", IN_FLIGHT);
    if in_flight == 0 || in_flight > 1 << 40 {
        section.error("max_in_flight_mib", "'max_in_flight_mib' must be positive", None);
    }
    let bytes = in_flight.clamp(1, 1 << 40) << 20;
    let max_connections = section.get("max_connections", CONNECTIONS);
    if max_connections == 0 {
        section.error("max_connections", "'max_connections' must be positive", None);
    }
    let max_connections = usize::try_from(max_connections).unwrap_or(usize::MAX);
    Config { grpc, http, max_in_flight_bytes: usize::try_from(bytes).unwrap_or(usize::MAX), max_connections }
}

fn grpc(grpc: &mut Section<'_>) -> Grpc {
    let default = Grpc::default();
    let mib = grpc.get("max_recv_msg_size_mib", 0i64);
    if !(0..=MIB_MAX).contains(&mib) {
        let message = format!("invalid max_recv_msg_size_mib value, must be between 1 and {MIB_MAX}: {mib}");
        grpc.error("max_recv_msg_size_mib", message, None);
    }
    let max_recv_msg_bytes = match usize::try_from(mib) {
        Ok(mib) if mib > 0 => mib.saturating_mul(1 << 20),
        _ => {
            grpc.show("max_recv_msg_size_mib", 4i64.print());
            default.max_recv_msg_bytes
        }
    };
    let max_concurrent_streams = match grpc.get("max_concurrent_streams", default.max_concurrent_streams) {
        0 => {
            grpc.show("max_concurrent_streams", default.max_concurrent_streams.print());
            default.max_concurrent_streams
        }
        streams => streams,
    };
    buffer_sizes(grpc);
    grpc.find("dialer", KeyKind::Ignored);
    grpc.section("dialer", |dialer| dialer.ignored::<Duration>("timeout"));
    Grpc {
        endpoint: endpoint(grpc, "localhost:4317"),
        tls: grpc.when_filled("tls", server_tls).flatten(),
        auth: auth(grpc, Side::Server).0,
        max_recv_msg_bytes,
        max_concurrent_streams,
        keepalive: grpc.section("keepalive", keepalive),
        include_metadata: grpc.get("include_metadata", false),
        limiters: middlewares::of_receiver(grpc, Side::Server),
    }
}

fn keepalive(section: &mut Section<'_>) -> Keepalive {
    let default = Keepalive::default();
    let mut keepalive = default;
    section.section("server_parameters", |server| {
        keepalive.max_connection_idle = unless_zero(server, "max_connection_idle");
        keepalive.max_connection_age = unless_zero(server, "max_connection_age");
        keepalive.max_connection_age_grace = unless_zero(server, "max_connection_age_grace");
        keepalive.time = or_default(server, "time", default.time);
        keepalive.timeout = or_default(server, "timeout", default.timeout);
    });
    section.section("enforcement_policy", |policy| {
        keepalive.min_time = or_default(policy, "min_time", default.min_time);
        keepalive.permit_without_stream = policy.get("permit_without_stream", false);
    });
    keepalive
}

/// `endpoint` and `transport`.
fn endpoint(section: &mut Section<'_>, default: &str) -> Endpoint {
    let address = section.get("endpoint", default.to_owned());
    let unix = section
        .choice(
            "transport",
            "tcp",
            &[("tcp", false), ("tcp4", false), ("tcp6", false), ("unix", true)],
            "unsupported transport type",
        )
        .unwrap_or(false);
    if unix {
        if address.is_empty() {
            section.error("endpoint", "a unix socket needs a path", None);
        }
        return Endpoint::Unix(address);
    }
    check_address(section, "endpoint", &address);
    Endpoint::Tcp(address)
}

fn http(http: &mut Section<'_>) -> Http {
    http.lenient();
    let default = Http::default();
    let max_body = http.get("max_request_body_size", 0i64);
    if max_body < 0 {
        http.error("max_request_body_size", "'max_request_body_size' must not be negative", None);
    }
    let (auth, auth_params) = auth(http, Side::HttpServer);
    let (keep_alives_enabled, idle_timeout) = keep_alives(http, default.idle_timeout);
    Http {
        endpoint: endpoint(http, "localhost:4318"),
        tls: http.when_filled("tls", server_tls).flatten(),
        auth,
        auth_params,
        cors: http.when_filled("cors", cors).flatten(),
        max_request_body_bytes: match usize::try_from(max_body) {
            Ok(bytes) if bytes > 0 => bytes,
            _ => {
                http.show("max_request_body_size", (default.max_request_body_bytes as u64).print());
                default.max_request_body_bytes
            }
        },
        include_metadata: http.get("include_metadata", false),
        limiters: middlewares::of_receiver(http, Side::HttpServer),
        response_headers: headers(http, "response_headers"),
        compression_algorithms: algorithms(http),
        traces_url_path: url_path(http, "traces_url_path", &default.traces_url_path),
        metrics_url_path: url_path(http, "metrics_url_path", &default.metrics_url_path),
        logs_url_path: url_path(http, "logs_url_path", &default.logs_url_path),
        read_timeout: unless_zero(http, "read_timeout"),
        read_header_timeout: or_default(http, "read_header_timeout", default.read_header_timeout),
        write_timeout: unless_zero(http, "write_timeout"),
        idle_timeout,
        keep_alives_enabled,
    }
}

/// `keepalive.{enabled, idle_timeout}`, or the older `keep_alives_enabled` and `idle_timeout`.
fn keep_alives(http: &mut Section<'_>, default: Duration) -> (bool, Duration) {
    let old = http.has("keep_alives_enabled") || http.has("idle_timeout");
    let new = http.has("keepalive");
    if old && new {
        let help = "keep keepalive: {enabled, idle_timeout}";
        let message = "keepalive cannot be used together with keep_alives_enabled or idle_timeout";
        http.error("keepalive", message, Some(help.into()));
    }
    let (mut enabled, mut idle) = http.section("keepalive", |keepalive| {
        (keepalive.get("enabled", true), or_default(keepalive, "idle_timeout", default))
    });
    if let Some(entry) = http.deprecated("keep_alives_enabled", "write keepalive: {enabled: …}") {
        enabled = http.value(&entry.value, "keep_alives_enabled").unwrap_or(true);
    }
    if let Some(entry) = http.deprecated("idle_timeout", "write keepalive: {idle_timeout: …}") {
        let given = http.value(&entry.value, "idle_timeout").unwrap_or(default);
        idle = if given.is_zero() { default } else { given };
    }
    (enabled, idle)
}

fn cors(cors: &mut Section<'_>) -> Option<Cors> {
    let settings = Cors {
        allowed_origins: cors.get("allowed_origins", Vec::new()),
        allowed_headers: cors.get("allowed_headers", Vec::new()),
        exposed_headers: cors.get("exposed_headers", Vec::new()),
        max_age: cors.get("max_age", 0u64),
    };
    if settings.allowed_origins.is_empty() {
        let help = "write allowed_origins: [https://example.org]".to_owned();
        let message = "cors without allowed_origins allows nobody; it is off";
        cors.warn(&cors.mark.clone(), "allowed_origins", message, Some(help));
        return None;
    }
    Some(settings)
}

fn algorithms(http: &mut Section<'_>) -> Vec<Compression> {
    let names = http.get("compression_algorithms", Vec::new());
    let mut found = Vec::new();
    for name in &names {
        let one = match name.as_str() {
            "" | "none" => continue,
            "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            "zlib" | "deflate" => Compression::Deflate,
            "snappy" | "x-snappy-framed" => Compression::Snappy,
            "lz4" => {
                let help = "remove it; senders get 400 for lz4";
                http.error(
                    "compression_algorithms",
                    "lz4 is not available in this version",
                    Some(help.into()),
                );
                continue;
            }
            _ => {
                let shown = if http.is_expanded("compression_algorithms") { "" } else { name };
                http.error(
                    "compression_algorithms",
                    format!("unsupported compression type {shown:?}"),
                    Some("valid values: gzip, zstd, zlib, deflate, snappy, x-snappy-framed".into()),
                );
                continue;
            }
        };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

fn url_path(http: &mut Section<'_>, key: &'static str, default: &str) -> String {
    let path = http.get(key, default.to_owned());
    if path.is_empty() {
        http.show(key, default.to_owned().print());
        return default.to_owned();
    }
    let escapes = path.split('%').skip(1);
    let broken =
        escapes.into_iter().any(|rest| !rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2));
    if broken || path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '?' || c == '#') {
        http.error(key, format!("'{key}' is not a URL path"), Some("write a path such as /v1/traces".into()));
    }
    if path.starts_with('/') { path } else { format!("/{path}") }
}
