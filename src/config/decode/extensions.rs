//! `health_check` and `admin`.

use super::net::check_address;
use super::{KeyKind, Section};
use crate::observe::{Admin, HealthCheck};

pub(super) fn health_check(section: &mut Section<'_>) -> HealthCheck {
    let default = HealthCheck::default();
    let endpoint = section.get("endpoint", default.endpoint);
    check_address(section, "endpoint", &endpoint);
    let path = section.get("path", default.path);
    if !path.starts_with('/') {
        section.error("path", "path must start with /", None);
    }
    let why = "readiness says whether the pipelines run";
    if let Some(entry) = section.find("check_collector_pipeline", KeyKind::Ignored) {
        section.warn(
            &entry.mark,
            "check_collector_pipeline",
            format!("'check_collector_pipeline' has no effect here: {why}"),
            None,
        );
    }
    let help = "remove it, or put a proxy with TLS in front";
    section.refused("tls", "the health check is plain HTTP", help);
    section.refused("auth", "no authenticator extensions exist here", "remove it");
    let v2 = section.find("use_v2", KeyKind::Refused);
    if v2.is_some_and(|entry| section.value(&entry.value, "use_v2") == Some(true)) {
        section.refused(
            "use_v2",
            "only the first form of health_check exists here",
            "write endpoint and path",
        );
    }
    for key in ["http", "grpc", "component_health"] {
        section.refused(key, "only the first form of health_check exists here", "write endpoint and path");
    }
    let (body_healthy, body_unhealthy) = section
        .when_filled("response_body", |body| (body.opt("healthy"), body.opt("unhealthy")))
        .unwrap_or_default();
    HealthCheck { endpoint, path, body_healthy, body_unhealthy }
}

/// `None` when `enabled: false`.
pub(super) fn admin(section: &mut Section<'_>) -> Option<Admin> {
    let enabled = section.get("enabled", true);
    let endpoint = section.get("endpoint", Admin::default().endpoint);
    if enabled {
        check_address(section, "endpoint", &endpoint);
    }
    enabled.then_some(Admin { endpoint })
}
