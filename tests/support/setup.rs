//! Configurations, written from the few parts in which tests differ.

use tempfile::TempDir;

use super::backend::Backend;
use super::process::{Ports, Ringtail};

/// Waits so short that a test never notices them.
const RETRY: &str = "{initial_interval: 50ms, randomization_factor: 0, multiplier: 1, max_interval: 50ms, max_elapsed_time: 60s}";

/// A configuration in the making. Parts are YAML in flow style.
pub struct Setup {
    pub receiver: String,
    pub grpc: String,
    pub http: String,
    pub balancer: Balancer,
    pub more_receivers: String,
    pub more_exporters: String,
    pub pipelines: String,
    pub extensions: String,
    pub service_extensions: String,
    pub dir: TempDir,
}

/// The `load_balancing` exporter of a setup.
pub struct Balancer {
    pub protocol: String,
    pub resolver: String,
    pub retry: String,
    pub more: String,
}

impl Setup {
    /// Balances traces over these backends.
    pub fn over(backends: &[&Backend]) -> Self {
        let hosts: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
        Self::resolving(&format!("{{static: {{hostnames: [{}]}}}}", hosts.join(", ")))
    }

    /// Balances traces over what this resolver finds.
    pub fn resolving(resolver: &str) -> Self {
        Self {
            receiver: String::new(),
            grpc: String::new(),
            http: String::new(),
            balancer: Balancer {
                protocol: "{otlp: {tls: {insecure: true}, compression: none}}".into(),
                resolver: resolver.into(),
                retry: RETRY.into(),
                more: String::new(),
            },
            more_receivers: String::new(),
            more_exporters: String::new(),
            pipelines: "{traces: {receivers: [otlp], exporters: [load_balancing]}}".into(),
            extensions: String::new(),
            service_extensions: String::new(),
            dir: TempDir::new().unwrap(),
        }
    }

    /// Further keys of the exporter, such as `hold: {max_age: 1s}`.
    pub fn with(mut self, keys: &str) -> Self {
        self.balancer.more.push_str(", ");
        self.balancer.more.push_str(keys);
        self
    }

    pub fn protocol(mut self, protocol: &str) -> Self {
        self.balancer.protocol = protocol.into();
        self
    }

    pub fn retry(mut self, retry: &str) -> Self {
        self.balancer.retry = retry.into();
        self
    }

    pub fn grpc(mut self, keys: &str) -> Self {
        self.grpc = format!(", {keys}");
        self
    }

    pub fn http(mut self, keys: &str) -> Self {
        self.http = format!(", {keys}");
        self
    }

    /// A key of the receiver itself, such as `max_in_flight_mib: 1`.
    pub fn receiver(mut self, key: &str) -> Self {
        self.receiver = format!("    {key}");
        self
    }

    pub fn pipelines(mut self, pipelines: &str) -> Self {
        self.pipelines = pipelines.into();
        self
    }

    pub async fn start(self) -> Ringtail {
        let ports = Ports::free();
        let config = self.text(&ports);
        Ringtail::start(&config, ports, self.dir).await
    }

    /// Starts it on these ports, although it may not get ready.
    pub fn spawn(self, ports: Ports) -> Ringtail {
        let config = self.text(&ports);
        Ringtail::spawn(&config, ports, self.dir)
    }

    fn text(&self, ports: &Ports) -> String {
        let Balancer { protocol, resolver, retry, more } = &self.balancer;
        let metrics = ports.metrics.port();
        format!(
            "receivers:
  otlp:
{receiver}
    protocols:
      grpc: {{endpoint: '{grpc}'{grpc_keys}}}
      http: {{endpoint: '{http}'{http_keys}}}
{receivers}
exporters:
  load_balancing: {{protocol: {protocol}, resolver: {resolver}, retry_on_failure: {retry}{more}}}
{exporters}
extensions:
  admin: {{endpoint: '{admin}'}}
{extensions}
service:
  extensions: [admin{service_extensions}]
  telemetry:
    logs: {{level: debug}}
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines: {pipelines}
",
            receiver = self.receiver,
            grpc = ports.grpc,
            grpc_keys = self.grpc,
            http = ports.http,
            http_keys = self.http,
            admin = ports.admin,
            receivers = self.more_receivers,
            exporters = self.more_exporters,
            extensions = self.extensions,
            service_extensions = self.service_extensions,
            pipelines = self.pipelines,
        )
    }
}
