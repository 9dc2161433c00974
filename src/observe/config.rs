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
    /// `logs.initial_fields`: on every line.
    pub log_fields: Vec<(String, serde_json::Value)>,
    /// `host:port` of each Prometheus endpoint; empty when `metrics.level` is none. `localhost:8888`.
    pub metrics: Vec<PrometheusReader>,
    /// `resource`: what the file says of it; `None` removes an attribute that is there by default.
    pub resource: Vec<(String, Option<String>)>,
    /// `metrics.views`.
    pub views: Vec<View>,
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
    /// `without_units: false` or `without_type_suffix: false`: either adds both to names, as in the Collector.
    pub suffixes: bool,
    /// `without_scope_info: false`: who measures is in labels of every series.
    pub scope_info: bool,
    /// `with_resource_constant_labels`: attributes of the resource that are labels of every series.
    pub constant_labels: Option<Names>,
}

/// `included` and `excluded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Only these; all when empty.
    pub included: Vec<String>,
    /// But not these.
    pub excluded: Vec<String>,
}

impl Names {
    /// Whether `name` is among them.
    pub fn has(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|one| one == name);
        !named(&self.excluded) && (self.included.is_empty() || named(&self.included))
    }
}

/// One of `metrics.views`: how what it selects is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// `selector.instrument_name`, with `*` and `?` as wildcards; empty selects every name.
    pub instrument: String,
    /// `selector.instrument_type`.
    pub kind: Option<ViewKind>,
    /// `selector.unit`; empty selects every unit.
    pub unit: String,
    /// `selector.meter_name`; empty selects every one.
    pub meter: String,
    /// `stream.name`; empty keeps the name.
    pub name: String,
    /// `stream.description`; empty keeps it.
    pub description: String,
    /// `stream.attribute_keys`: attributes that are kept. Points that differ in others only are added up.
    pub attributes: Names,
    /// `stream.aggregation.drop`.
    pub drop: bool,
}

/// `selector.instrument_type`, as far as a difference is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// `counter`, `observable_counter`.
    Counter,
    /// `up_down_counter`, `observable_up_down_counter`.
    UpDown,
    /// `gauge`, `observable_gauge`.
    Gauge,
    /// `histogram`.
    Histogram,
}

impl Default for PrometheusReader {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 8888,
            suffixes: false,
            scope_info: false,
            constant_labels: None,
        }
    }
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
            log_fields: Vec::new(),
            metrics: vec![PrometheusReader::default()],
            resource: Vec::new(),
            views: Vec::new(),
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
