//! How an exporter speaks to a backend over gRPC or HTTP, whoever the backend is.

use std::time::Duration;

use super::auth::{Side, auth};
use super::middlewares;
use super::net::{buffer_sizes, compression, headers, or_default};
use super::tls::client_tls;
use super::{Count, KeyKind, Scalar, Section};
use crate::client::{ClientKeepalive, HttpEncoding, Protocol, Transport};
use crate::compress::Compression;

const GRPC_COMPRESSIONS: &[(&str, Option<Compression>)] = &[
    ("gzip", Some(Compression::Gzip)),
    ("snappy", Some(Compression::Snappy)),
    ("zstd", Some(Compression::Zstd)),
];
const HTTP_COMPRESSIONS: &[(&str, Option<Compression>)] = &[
    ("gzip", Some(Compression::Gzip)),
    ("snappy", Some(Compression::Snappy)),
    ("zstd", Some(Compression::Zstd)),
    ("zlib", Some(Compression::Deflate)),
    ("deflate", Some(Compression::Deflate)),
];

/// The keys of a gRPC client that say how, not where.
pub(super) fn grpc(section: &mut Section<'_>) -> Protocol {
    section.hint("insecure", "write tls: {insecure: true}");
    section.without_effect::<String>("user_agent", "ringtail names itself");
    let authority = section.find("authority", KeyKind::Refused);
    if authority.is_some_and(|entry| section.value(&entry.value, "authority") != Some(String::new())) {
        let help = "remove it; the backend's own address is used";
        section.refused("authority", "calls carry the address of the backend", help);
    }
    buffer_sizes(section);
    section.ignored::<bool>("wait_for_ready");
    middlewares::of_client(section, Side::GrpcClient);
    let tls = section.section("tls", client_tls);
    let auth = auth(section, Side::GrpcClient).0;
    if auth.is_some() && tls.insecure && tls.ca.is_none() {
        let message = "credentials are sent in plaintext, which the Collector refuses over gRPC";
        section.warn(&section.mark_of("auth"), "auth", message, Some("remove tls: {insecure: true}".into()));
    }
    Protocol {
        transport: Transport::Grpc,
        tls,
        auth,
        compression: compression(section, GRPC_COMPRESSIONS),
        headers: headers(section, "headers"),
        keepalive: section.when_filled("keepalive", keepalive),
        connections: section.get("connections", Count(1)).0.max(1),
    }
}

/// The keys of an HTTP client that say how, not where. `lenient`: unknown ones under `tls` are warnings.
pub(super) fn http(section: &mut Section<'_>, lenient: bool) -> Protocol {
    section.hint("insecure", "write tls: {insecure: true}");
    buffer_sizes(section);
    middlewares::of_client(section, Side::HttpClient);
    section.refused("proxy_url", "backends are reached directly", "remove it");
    Protocol {
        transport: Transport::Http,
        tls: section.section("tls", |tls| {
            if lenient {
                tls.lenient();
            }
            client_tls(tls)
        }),
        auth: auth(section, Side::HttpClient).0,
        compression: compression(section, HTTP_COMPRESSIONS),
        headers: headers(section, "headers"),
        keepalive: None,
        connections: section.get("connections", Count(1)).0.max(1),
    }
}

/// `encoding` of requests over HTTP.
pub(super) fn encoding(section: &mut Section<'_>, known: &[(&'static str, HttpEncoding)]) -> HttpEncoding {
    section.choice("encoding", "proto", known, "unsupported encoding").unwrap_or_default()
}

/// `balancer_name`: whether calls take turns among the addresses of a name.
pub(super) fn round_robin(section: &mut Section<'_>, kind: KeyKind, meaning: &str) -> bool {
    let Some(entry) = section.find("balancer_name", kind) else { return true };
    let name: String = section.value(&entry.value, "balancer_name").unwrap_or_default();
    section.show("balancer_name", name.print());
    if !matches!(name.as_str(), "" | "round_robin" | "pick_first") {
        let shown = if section.is_expanded("balancer_name") { "" } else { &name };
        let help = format!("valid values: round_robin, pick_first; {meaning}");
        section.error("balancer_name", format!("invalid balancer_name: {shown}"), Some(help));
    }
    name != "pick_first"
}

fn keepalive(section: &mut Section<'_>) -> ClientKeepalive {
    let ten = Duration::from_secs(10);
    ClientKeepalive {
        time: or_default(section, "time", ten),
        timeout: or_default(section, "timeout", ten),
        permit_without_stream: section.get("permit_without_stream", false),
    }
}
