//! Keys that several network components share: headers, compression, what is accepted without effect.

use std::time::Duration;

use super::{KeyKind, Scalar, Section};
use crate::compress::Compression;
use crate::config::print::Printed;
use crate::config::tree::Value;

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
