//! `health_check` (and `healthcheckv2`, which has the same keys): its first form, and its second.

use std::time::Duration;

use super::net::check_address;
use super::pages::front;
use super::{KeyKind, Section};
use crate::config::settings::{Front, HealthCheck, HealthForm, HealthListener};
use crate::config::tree::Typed;
use crate::observe::{self, ComponentHealth, HealthPaths};

/// What has no effect on health checks, and why.
const OWN: &str = "health checks have no body, and times of their own";

/// Either form.
pub(super) fn health_check(section: &mut Section<'_>) -> (Option<HealthCheck>, Vec<HealthListener>) {
    let first = first(section);
    let second = section.get("use_v2", false) || section.context().gates.component_status;
    let components = section.when_filled("component_health", component_health).unwrap_or_default();
    let path = section.path.replace("::", ".");
    let mut listeners = Vec::new();
    listeners.extend(section.when_written("http", |http| self::http(http, &path)));
    listeners.extend(section.when_written("grpc", |grpc| self::grpc(grpc, &path)));
    if !second {
        for key in ["http", "grpc", "component_health"] {
            if section.has(key) {
                let message = format!("'{key}' has no effect without use_v2: true");
                section.warn(&section.mark_of(key), key, message, Some("write use_v2: true".into()));
            }
        }
        return (Some(first), Vec::new());
    }
    if listeners.is_empty() {
        let help = "write http: {endpoint: localhost:13133} or grpc: {endpoint: localhost:13132}".to_owned();
        section.error("", "must specify at least one protocol", Some(help));
    }
    listeners.iter_mut().for_each(|one| one.components = components.clone());
    (None, listeners)
}

fn first(section: &mut Section<'_>) -> HealthCheck {
    let default = observe::HealthCheck::default();
    let endpoint = section.get("endpoint", default.endpoint);
    check_address(section, "endpoint", &endpoint);
    let path = section.get("path", default.path);
    if !path.starts_with('/') {
        section.error("path", "path must start with /", None);
    }
    if let Some(entry) = section.find("check_collector_pipeline", KeyKind::Ignored) {
        let message =
            "'check_collector_pipeline' has no effect here: readiness says whether the pipelines run";
        section.warn(&entry.mark, "check_collector_pipeline", message, None);
    }
    let (body_healthy, body_unhealthy) = section
        .when_filled("response_body", |body| (body.opt("healthy"), body.opt("unhealthy")))
        .unwrap_or_default();
    let front = front(section, OWN);
    HealthCheck { check: observe::HealthCheck { endpoint, path, body_healthy, body_unhealthy }, front }
}

fn component_health(section: &mut Section<'_>) -> ComponentHealth {
    section.ignored::<bool>("include_permanent_errors"); // see config/reference.yaml: no component comes to such a state
    let included = section.get("include_recoverable_errors", false);
    let after = section.get("recovery_duration", Duration::from_secs(60));
    ComponentHealth { recoverable_after: included.then_some(after) }
}

fn http(section: &mut Section<'_>, path: &str) -> HealthListener {
    let endpoint = endpoint(section, "localhost:13133");
    let status = section.section("status", |status| page(status, true, "/status"));
    let config = section.section("config", |config| page(config, false, "/config"));
    let front = front(section, OWN);
    let form = HealthForm::Http(HealthPaths { status, config });
    HealthListener {
        key: format!("{path}.http.endpoint"),
        endpoint,
        form,
        components: ComponentHealth::default(),
        front,
    }
}

/// A page that is shown unless it is off.
fn page(section: &mut Section<'_>, on: bool, path: &str) -> Option<String> {
    let enabled = section.get("enabled", on);
    let path = section.get("path", path.to_owned());
    section.ignored::<bool>("include_attributes"); // components have none here
    if enabled && !path.starts_with('/') {
        section.error("path", "path must start with /", None);
    }
    enabled.then_some(path)
}

fn grpc(section: &mut Section<'_>, path: &str) -> HealthListener {
    let endpoint = endpoint(section, "localhost:13132");
    let tcp = [("tcp", true), ("tcp4", true), ("tcp6", true), ("unix", false)];
    if section.choice("transport", "tcp", &tcp, "unsupported transport type") == Some(false) {
        let help = "write endpoint: host:port".to_owned();
        section.error("transport", "unix sockets are not available for health checks", Some(help));
    }
    for key in ["max_recv_msg_size_mib", "max_concurrent_streams", "read_buffer_size", "write_buffer_size"] {
        section.without_effect::<i64>(key, "health checks are small and few");
    }
    section.without_effect::<bool>("include_metadata", OWN);
    for key in ["keepalive", "dialer"] {
        if let Some(entry) = section.find(key, KeyKind::Ignored)
            && !matches!(entry.value.typed(), Typed::Null)
        {
            section.warn(&entry.mark, key, format!("'{key}' has no effect here: {OWN}"), None);
        }
    }
    super::middlewares::of_pages(section, super::auth::Side::Server);
    let front = Front {
        tls: section.when_filled("tls", super::tls::server_tls).flatten(),
        auth: super::auth::auth(section, super::auth::Side::Server).0,
        response_headers: Vec::new(),
    };
    HealthListener {
        key: format!("{path}.grpc.endpoint"),
        endpoint,
        form: HealthForm::Grpc,
        components: ComponentHealth::default(),
        front,
    }
}

fn endpoint(section: &mut Section<'_>, default: &str) -> String {
    let endpoint = section.get("endpoint", default.to_owned());
    check_address(section, "endpoint", &endpoint);
    endpoint
}
