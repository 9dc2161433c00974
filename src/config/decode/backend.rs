//! `otlp_grpc` and `otlp_http`: exporters to one backend.

use std::time::Duration;

use super::calls::{self, round_robin};
use super::net::{check_address, or_default};
use super::resilience::{retry, sending_queue};
use super::{KeyKind, Section};
use crate::client::HttpEncoding;
use crate::export::{HttpTarget, Otlp};
use crate::outcome::Signal;

/// Keys that say where each signal goes over HTTP, [`Signal::ALL`] in order.
const ENDPOINTS: [&str; 3] = ["traces_endpoint", "metrics_endpoint", "logs_endpoint"];

/// `otlp_grpc`.
pub(super) fn otlp_grpc(section: &mut Section<'_>) -> Otlp {
    let written = section.get("endpoint", String::new());
    let (scheme, address) = grpc_address(&written);
    if matches!(scheme, Some("unix" | "unix-abstract")) {
        let help = "write host:port".to_owned();
        section.error("endpoint", "unix sockets are not available in this version", Some(help));
    } else {
        check_address(section, "endpoint", address);
    }
    let mut protocol = calls::grpc(section);
    match scheme {
        Some("https") => protocol.tls.insecure = false,
        Some("http") if !protocol.tls.insecure => {
            let message = "http:// does not switch TLS off, as in the Collector";
            let help = "write tls: {insecure: true} for plaintext, and leave http:// out".to_owned();
            section.warn(&section.mark_of("endpoint"), "endpoint", message, Some(help));
        }
        _ => {}
    }
    Otlp {
        address: if address.starts_with(':') { format!("localhost{address}") } else { address.to_owned() },
        paths: [None, None, None],
        encoding: HttpEncoding::Protobuf,
        protocol,
        timeout: or_default(section, "timeout", Duration::from_secs(5)),
        retry: section.section("retry_on_failure", retry),
        queue: section.when_written("sending_queue", sending_queue).unwrap_or_default(),
        round_robin: round_robin(section, KeyKind::Live, "the second stays with the first address"),
    }
}

/// The scheme, if there is one, and what follows it.
pub(super) fn grpc_address(text: &str) -> (Option<&str>, &str) {
    for prefix in ["http://", "https://", "dns:///", "dns://", "dns:", "passthrough:///", "passthrough:"] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return (prefix.split(':').next(), rest);
        }
    }
    match text.split_once(':') {
        Some((scheme @ ("unix" | "unix-abstract"), rest)) => (Some(scheme), rest),
        _ => (None, text),
    }
}

/// `otlp_http`, as used by pipelines of these signals.
pub(super) fn otlp_http(section: &mut Section<'_>, signals: &[Signal]) -> Otlp {
    section.lenient();
    let base = url(section, "endpoint", "");
    let paths = Signal::ALL.map(|signal| {
        let own = url(section, ENDPOINTS[signal as usize], "/");
        own.or_else(|| {
            let base = base.clone()?;
            let slash = if base.path.ends_with('/') { "" } else { "/" };
            Some(HttpTarget { path: format!("{}{slash}v1/{}", base.path, signal.name()), ..base })
        })
    });
    section.without_effect::<String>("profiles_endpoint", "profiles are not available in this version");
    if !is_written(section, "endpoint") && ENDPOINTS.iter().all(|key| !is_written(section, key)) {
        let help = "write endpoint: http://HOST:4318".to_owned();
        section.error("endpoint", "at least one endpoint must be specified", Some(help));
    } else {
        for signal in signals.iter().filter(|signal| paths[**signal as usize].is_none()) {
            let key = ENDPOINTS[*signal as usize];
            if !is_written(section, "endpoint") && !is_written(section, key) {
                let message = format!("either endpoint or {key} must be specified");
                let help = format!("a pipeline of {} uses this exporter", signal.name());
                section.error(key, message, Some(help));
            }
        }
    }
    connection_keys(section);
    let first = paths.iter().flatten().next();
    Otlp {
        address: base.as_ref().or(first).map_or(String::new(), |target| target.address.clone()),
        paths,
        encoding: calls::encoding(
            section,
            &[("proto", HttpEncoding::Protobuf), ("json", HttpEncoding::Json)],
        ),
        protocol: calls::http(section, true),
        timeout: or_default(section, "timeout", Duration::from_secs(30)),
        retry: section.section("retry_on_failure", retry),
        queue: section.when_written("sending_queue", sending_queue).unwrap_or_default(),
        round_robin: true,
    }
}

/// Whether there is an endpoint under this key, right or wrong.
fn is_written(section: &mut Section<'_>, key: &'static str) -> bool {
    section.has(key) && section.opt::<String>(key).is_none_or(|text| !text.is_empty())
}

/// The Collector's keys about its own pool of connections, and what else means nothing here.
fn connection_keys(section: &mut Section<'_>) {
    section.ignored::<i64>("max_conns_per_host");
    for key in ["http2_read_idle_timeout", "http2_ping_timeout"] {
        section.ignored::<Duration>(key);
    }
    section.ignored::<bool>("force_attempt_http2");
    idle_connections(section);
    if let Some(entry) = section.find("compression_params", KeyKind::Ignored)
        && !entry.value.is_null()
    {
        let message = "'compression_params' has no effect here: one level is used, the fast one";
        section.warn(&entry.mark, "compression_params", message, None);
    }
    if section.is_switched_off("cookies") {
        section.find("cookies", KeyKind::Refused);
    } else {
        section.refused("cookies", "calls carry no cookies", "remove it, or use headers");
    }
}

/// `keepalive`, or the older keys that it stands for. Their types are checked; connections are kept as they are here.
fn idle_connections(section: &mut Section<'_>) {
    let older = ["idle_conn_timeout", "max_idle_conns", "max_idle_conns_per_host", "disable_keep_alives"];
    let written: Vec<&str> = older.into_iter().filter(|key| section.has(key)).collect();
    if section.find("keepalive", KeyKind::Ignored).is_some() {
        if !written.is_empty() {
            let message = format!("'keepalive' cannot be used together with {}", written.join(", "));
            section.error("keepalive", message, Some("keep keepalive".into()));
        }
        section.section("keepalive", |keepalive| {
            keepalive.ignored::<bool>("enabled");
            keepalive.ignored::<Duration>("idle_conn_timeout");
            keepalive.ignored::<i64>("max_idle_conns");
            keepalive.ignored::<i64>("max_idle_conns_per_host");
        });
    }
    let help = "write it under keepalive, or remove it: it has no effect here";
    for key in older {
        let Some(entry) = section.deprecated(key, help) else { continue };
        match key {
            "idle_conn_timeout" => drop(section.value::<Duration>(&entry.value, key)),
            "disable_keep_alives" => drop(section.value::<bool>(&entry.value, key)),
            _ => drop(section.value::<i64>(&entry.value, key)),
        }
    }
}

/// An `http://` or `https://` URL, with this path when it has none. `None` when it is not written or wrong.
pub(super) fn url(section: &mut Section<'_>, key: &'static str, no_path: &str) -> Option<HttpTarget> {
    let text = section.opt::<String>(key).filter(|text| !text.is_empty())?;
    let shown = if section.is_expanded(key) { "the value given" } else { &text };
    let lower = text.get(..8).unwrap_or(&text).to_ascii_lowercase();
    let (tls, rest) = match () {
        () if lower.starts_with("https://") => (true, &text[8..]),
        () if lower.starts_with("http://") => (false, &text[7..]),
        () => {
            let message = format!("'{key}' is not a URL with http:// or https://: {shown}");
            section.error(key, message, Some("write http://HOST:4318".into()));
            return None;
        }
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '#' || !c.is_ascii();
    if authority.contains('@') || path.contains(odd) || authority.contains(odd) {
        let message = match authority.contains('@') {
            true => format!("'{key}' has a user in it"),
            false => format!("'{key}' is not a URL: {shown}"),
        };
        let help = "write scheme, host, port and path only; a user goes into headers: {authorization: …}";
        section.error(key, message, Some(help.into()));
        return None;
    }
    let bare = !authority.rsplit(']').next().unwrap_or_default().contains(':');
    let port = if tls { ":443" } else { ":80" };
    let address = if bare { format!("{authority}{port}") } else { authority.to_owned() };
    if authority.is_empty() || authority.starts_with(':') {
        section.error(key, format!("'{key}' has no host: {shown}"), Some("write http://HOST:4318".into()));
        return None;
    }
    check_address(section, key, &address);
    let path = match path {
        "" => no_path.to_owned(),
        path if path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    };
    Some(HttpTarget { address, tls, path })
}
