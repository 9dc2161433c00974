//! Keys that several network components share: TLS, headers, compression, what is accepted without effect.

use std::time::Duration;

use super::{KeyKind, Scalar, Section};
use crate::compress::Compression;
use crate::config::print::Printed;
use crate::config::tree::{Node, Typed, Value};
use crate::tls::{ClientConfig, Pem, ServerConfig, Version};

/// What both sides of TLS have.
struct Common {
    ca: Option<Pem>,
    cert: Option<Pem>,
    key: Option<Pem>,
    include_system_ca_certs_pool: bool,
    min_version: Version,
    max_version: Option<Version>,
    reload_interval: Option<Duration>,
}

const VERSIONS: &[(&str, Option<Version>)] =
    &[("", None), ("1.2", Some(Version::V12)), ("1.3", Some(Version::V13)), ("1.0", None), ("1.1", None)];

fn common(tls: &mut Section<'_>) -> Common {
    let ca =
        pem(tls, "ca_file", "ca_pem", "provide either a CA file or the PEM-encoded string, but not both");
    let both = "provide either a file or the PEM-encoded string, but not both";
    let cert = pem(tls, "cert_file", "cert_pem", both);
    let key = pem(tls, "key_file", "key_pem", both);
    let min_version = version(tls, "min_version").unwrap_or(Version::V12);
    let max_version = version(tls, "max_version");
    if max_version.is_some_and(|max| max < min_version) {
        tls.error(
            "max_version",
            "invalid TLS configuration: min_version cannot be greater than max_version",
            None,
        );
    }
    if cert.is_some() != key.is_some() {
        let message = "TLS configuration must include both certificate and key (cert_file or cert_pem, and key_file or key_pem)";
        tls.error("", message, None);
    }
    let here = "the TLS library's own choice of safe suites and curves is used";
    tls.without_effect::<Vec<String>>("cipher_suites", here);
    tls.without_effect::<Vec<String>>("curve_preferences", here);
    if tls.has("include_insecure_cipher_suites") && tls.get("include_insecure_cipher_suites", false) {
        let help = "remove it; peers that need such suites must be updated";
        tls.refused("include_insecure_cipher_suites", "there are no insecure cipher suites", help);
    } else {
        tls.ignored::<bool>("include_insecure_cipher_suites");
    }
    if tls.is_switched_off("tpm") {
        tls.find("tpm", KeyKind::Refused);
    } else {
        tls.refused("tpm", "keys inside a TPM are not supported", "use key_file or key_pem");
    }
    Common {
        ca,
        cert,
        key,
        include_system_ca_certs_pool: tls.get("include_system_ca_certs_pool", false),
        min_version,
        max_version,
        reload_interval: tls.opt("reload_interval").filter(|interval: &Duration| !interval.is_zero()),
    }
}

fn pem(tls: &mut Section<'_>, file: &'static str, text: &'static str, both: &str) -> Option<Pem> {
    let path: Option<String> = tls.opt(file).filter(|path: &String| !path.is_empty());
    let inline = tls.secret(text).filter(|text| !text.is_empty());
    if path.is_some() && inline.is_some() {
        tls.error(text, both, Some(format!("remove {file} or {text}")));
    }
    inline.map(Pem::Text).or_else(|| path.map(|path| Pem::File(path.into())))
}

fn version(tls: &mut Section<'_>, key: &'static str) -> Option<Version> {
    let word: String = tls.opt(key)?;
    match VERSIONS.iter().find(|(known, _)| *known == word) {
        Some((_, Some(version))) => Some(*version),
        Some(("", None)) => None,
        Some(_) => {
            let help = "write \"1.2\" or \"1.3\", and update peers that speak nothing newer";
            tls.error(key, format!("TLS {word} is not available: it is not safe"), Some(help.into()));
            None
        }
        None => {
            let shown = if tls.is_expanded(key) { "of the value given" } else { &word };
            let message = format!("invalid TLS {key}: unsupported TLS version: {shown:?}");
            tls.error(key, message, Some("write \"1.2\" or \"1.3\", in quotes".into()));
            None
        }
    }
}

/// `tls` of a receiver. `None` when it cannot be used; the reason is reported.
pub(super) fn server_tls(tls: &mut Section<'_>) -> Option<ServerConfig> {
    tls.shared_as("server tls");
    let common = common(tls);
    let client_ca = tls.opt::<String>("client_ca_file").filter(|path| !path.is_empty());
    tls.without_effect::<bool>(
        "client_ca_file_reload",
        "restart, or change the configuration, to read it again",
    );
    if common.cert.is_none() && common.key.is_none() {
        let message = "TLS configuration must include both certificate and key for server connections";
        tls.error("", message, Some("set cert_file and key_file".into()));
    }
    if common.ca.is_some() && client_ca.is_none() {
        let help = "to require client certificates, write client_ca_file".to_owned();
        tls.warn(
            &tls.mark.clone(),
            "ca_file",
            "a CA without client_ca_file verifies nobody here",
            Some(help),
        );
    }
    Some(ServerConfig {
        cert: common.cert?,
        key: common.key?,
        client_ca: client_ca.map(|path| Pem::File(path.into())),
        min_version: common.min_version,
        max_version: common.max_version,
        reload_interval: common.reload_interval,
    })
}

/// `tls` of an exporter.
pub(super) fn client_tls(tls: &mut Section<'_>) -> ClientConfig {
    tls.shared_as("client tls");
    let common = common(tls);
    ClientConfig {
        insecure: tls.get("insecure", false),
        insecure_skip_verify: tls.get("insecure_skip_verify", false),
        server_name_override: tls.opt("server_name_override").filter(|name: &String| !name.is_empty()),
        ca: common.ca,
        include_system_ca_certs_pool: common.include_system_ca_certs_pool,
        cert: common.cert,
        key: common.key,
        min_version: common.min_version,
        max_version: common.max_version,
        reload_interval: common.reload_interval,
    }
}

/// Headers: a map, or a list of `{name, value}`. Values are secrets.
pub(super) fn headers(section: &mut Section<'_>, key: &'static str) -> Vec<(String, String)> {
    let Some(entry) = section.find(key, KeyKind::Live) else {
        section.show(key, Printed::Map(Vec::new()));
        return Vec::new();
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    match &entry.value.value {
        Value::Map(entries) => {
            for header in entries {
                if let Some(value) = section.value(&header.value, &header.key) {
                    headers.push((header.key.clone(), value));
                }
            }
        }
        Value::List(_) => {
            headers = section.list(key, |item| {
                (item.get("name", String::new()), item.secret("value").unwrap_or_default())
            });
        }
        Value::Scalar { .. } if entry.value.is_null() => {}
        Value::Scalar { .. } => {
            let message = format!(
                "'{key}' expected type 'map', got unconvertible type '{}'",
                entry.value.typed().name()
            );
            section.error(key, message, Some("write name: value pairs".into()));
        }
    }
    for (name, value) in &headers {
        let valid = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !valid {
            section.error(key, format!("'{key}' holds an invalid header name: {name:?}"), None);
        }
        if value.bytes().any(|b| b == b'\n' || b == b'\r' || b == 0) {
            section.error(key, format!("the value of header {name:?} has a line break in it"), None);
        }
    }
    let printed = headers.iter().map(|(name, value)| (name.clone(), Printed::Secret(value.clone())));
    section.show(key, Printed::Map(printed.collect()));
    headers
}

/// `compression` of a client, with `allowed` names.
pub(super) fn compression(
    section: &mut Section<'_>,
    allowed: &[(&'static str, Option<Compression>)],
) -> Option<Compression> {
    let word = section.get("compression", "gzip".to_owned());
    if word.is_empty() || word == "none" {
        return None;
    }
    if let Some((_, compression)) = allowed.iter().find(|(name, _)| *name == word) {
        return *compression;
    }
    let names: Vec<_> = allowed.iter().map(|(name, _)| *name).collect();
    let shown = if section.is_expanded("compression") { "" } else { &word };
    let message = match word.as_str() {
        "lz4" | "x-snappy-framed" => format!("compression {word:?} is not available in this version"),
        _ => format!("unsupported compression type {shown:?}"),
    };
    section.error("compression", message, Some(format!("valid values: {}, none", names.join(", "))));
    None
}

/// What does here what the `memory_limiter` extension does there.
pub(super) const LIMITER_HELP: &str = "put a memory_limiter processor first in every pipeline; it refuses requests before anything in them is decoded";

/// `auth` and `middlewares`: both hand requests to an extension.
pub(super) fn extensions_of(section: &mut Section<'_>, server: bool) {
    let help = match server {
        true => "remove it only if others may send here; mTLS (tls.client_ca_file) is available",
        false => "set the header with headers, or use mTLS (tls.cert_file, tls.key_file)",
    };
    section.refused("auth", "no authenticator extensions exist here", help);
    if let Some(entry) = section.find("middlewares", KeyKind::Ignored) {
        match entry.value.typed() {
            Typed::List([]) => {}
            Typed::Null => {}
            Typed::List(items) => {
                let limits = |item: &Node| {
                    let id = item.entries().iter().find(|entry| entry.key == "id");
                    matches!(id.map(|id| id.value.typed()), Some(Typed::Text(id)) if id.starts_with("memory_limiter"))
                };
                let message = "'middlewares' has no effect here: no middleware extensions exist".to_owned();
                let help = if server && items.iter().any(limits) { LIMITER_HELP } else { "remove it" };
                section.warn(&entry.mark, "middlewares", message, Some(help.into()));
            }
            other => {
                let message =
                    format!("'middlewares' expected type 'list', got unconvertible type '{}'", other.name());
                section.error("middlewares", message, None);
            }
        }
    }
}

/// Buffer sizes: checked, and without effect.
pub(super) fn buffer_sizes(section: &mut Section<'_>) {
    for key in ["read_buffer_size", "write_buffer_size"] {
        if let Some(entry) = section.find(key, KeyKind::Ignored)
            && let Some(size) = section.value::<i64>(&entry.value, key)
        {
            if size < 0 {
                section.error(key, format!("invalid {key} value: {size}"), None);
            }
            section.show(key, size.print());
        }
    }
}

/// A duration where zero means "never" or "no limit".
pub(super) fn unless_zero(section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
    let value = section.get(key, Duration::ZERO);
    (!value.is_zero()).then_some(value)
}

/// A duration where zero means the default.
pub(super) fn or_default(section: &mut Section<'_>, key: &'static str, default: Duration) -> Duration {
    let value = section.get(key, default);
    if value.is_zero() {
        section.show(key, default.print());
        return default;
    }
    value
}

/// `host:port`, `:port` or `[v6]:port`.
pub(super) fn check_address(section: &Section<'_>, key: &str, address: &str) {
    let shown = if section.is_expanded(key) { "the value given" } else { address };
    let problem = match address.rsplit_once(':') {
        _ if address.is_empty() => format!("requires a non-empty {key:?}"),
        None => format!("address {shown}: missing port in address"),
        Some((host, _)) if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) => {
            format!("address {shown}: too many colons in address")
        }
        Some((_, port)) if port.parse::<u16>().is_err() => {
            format!("address {shown}: the port is not a number up to 65535")
        }
        Some(_) => return,
    };
    section.error(key, problem, Some("write host:port, such as localhost:4317 or [::1]:4317".into()));
}
