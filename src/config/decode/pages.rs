//! HTTP servers that only show pages: the keys of the Collector's HTTP server.

use std::time::Duration;

use super::auth::{Side, auth};
use super::middlewares;
use super::net::headers;
use super::tls::server_tls;
use super::{KeyKind, Section};
use crate::config::settings::Front;

/// What stands in front of the pages. What `own` explains has no effect.
pub(super) fn front(section: &mut Section<'_>, own: &str) -> Front {
    let (auth, auth_params) = auth(section, Side::HttpServer);
    if !auth_params.is_empty() {
        let message = "'request_params' has no effect here: only headers are looked at";
        section.warn(&section.mark_of("auth"), "auth", message, None);
    }
    middlewares::of_pages(section, Side::HttpServer);
    let tcp = [("tcp", true), ("tcp4", true), ("tcp6", true), ("unix", false)];
    if section.choice("transport", "tcp", &tcp, "unsupported transport type") == Some(false) {
        let help = "write endpoint: host:port".to_owned();
        section.error("transport", "unix sockets are not available for pages in this version", Some(help));
    }
    section.without_effect::<i64>("max_request_body_size", own);
    section.without_effect::<bool>("include_metadata", own);
    section.without_effect::<Vec<String>>("compression_algorithms", own);
    for key in ["read_timeout", "read_header_timeout", "write_timeout", "idle_timeout"] {
        section.without_effect::<Duration>(key, own);
    }
    section.without_effect::<bool>("keep_alives_enabled", own);
    for key in ["keepalive", "cors"] {
        if let Some(entry) = section.find(key, KeyKind::Ignored)
            && !entry.value.is_null()
        {
            section.warn(&entry.mark, key, format!("'{key}' has no effect here: {own}"), None);
        }
    }
    Front {
        tls: section.when_filled("tls", server_tls).flatten(),
        auth,
        response_headers: headers(section, "response_headers"),
    }
}
