//! What can be told about ringtail's own telemetry, admin API and health.

use std::collections::BTreeMap;

use super::log_outputs::LogOutput;

/// `service.telemetry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// `logs.level`: debug, info, warn, error.
    pub log_level: String,
    /// `logs.encoding`.
    pub log_encoding: Encoding,
    /// `logs.output_paths`.
    pub log_outputs: Vec<LogOutput>,
    /// `host:port` of each Prometheus endpoint; empty when `metrics.level` is none. `localhost:8888`.
    pub metrics: Vec<PrometheusReader>,
    /// `resource`: what the file says of it; `None` removes an attribute that is there by default.
    pub resource: Vec<(String, Option<String>)>,
}

/// Attributes of this process, by name.
pub type Resource = Vec<(String, String)>;

impl Telemetry {
    /// The whole resource: a name, a version and an instance, unless the file has its own or removes them.
    pub fn whole_resource(&self, instance: &str) -> Resource {
        let own = [
            ("service.instance.id", instance),
            ("service.name", "ringtail"),
            ("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let mut whole: BTreeMap<String, Option<String>> =
            own.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
        whole.extend(self.resource.iter().cloned());
        whole.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// One pull reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusReader {
    /// Host to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: u16,
    /// `without_type_suffix: false` adds `_total` to counters.
    pub type_suffix: bool,
}

/// `logs.encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// For people.
    Console,
    /// For machines.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_level: "info".into(),
            log_encoding: Encoding::Console,
            log_outputs: vec![LogOutput::Stderr],
            metrics: vec![PrometheusReader { host: "localhost".into(), port: 8888, type_suffix: false }],
            resource: Vec::new(),
        }
    }
}

/// `extensions.health_check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `localhost:13133`.
    pub endpoint: String,
    /// `/`.
    pub path: String,
    /// Body when healthy, if configured.
    pub body_healthy: Option<String>,
    /// Body when not, if configured.
    pub body_unhealthy: Option<String>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            endpoint: "localhost:13133".into(),
            path: "/".into(),
            body_healthy: None,
            body_unhealthy: None,
        }
    }
}

/// `extensions.admin`: on by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `localhost:4319`.
    pub endpoint: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { endpoint: "localhost:4319".into() }
    }
}
