//! Configurations in the making, and putting one in the place of another.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::backend::Backend;
use crate::support::process::{Ports, Ringtail};
use crate::support::wait;

/// A configuration in the making. Parts are YAML, a line each where they are lists.
#[derive(Clone)]
pub struct Config {
    pub ports: Ports,
    /// Keys of `otlp`, each before a comma.
    pub receiver: String,
    /// Beside `otlp`.
    pub receivers: Vec<String>,
    pub processors: Vec<String>,
    pub exporters: Vec<String>,
    pub connectors: String,
    pub pipelines: Vec<String>,
    pub extensions: Vec<String>,
    /// Keys of the metrics endpoint, after commas.
    pub metrics: &'static str,
    pub level: &'static str,
}

impl Config {
    /// Without a pipeline yet.
    pub fn new() -> Self {
        Self {
            ports: Ports::free(),
            receiver: String::new(),
            receivers: Vec::new(),
            processors: Vec::new(),
            exporters: Vec::new(),
            connectors: "{}".into(),
            pipelines: Vec::new(),
            extensions: Vec::new(),
            metrics: "",
            level: "debug",
        }
    }

    pub fn receiver(mut self, line: &str) -> Self {
        self.receivers.push(line.into());
        self
    }

    pub fn processor(mut self, line: &str) -> Self {
        self.processors.push(line.into());
        self
    }

    /// A line of its own.
    pub fn exporter(mut self, line: &str) -> Self {
        self.exporters.push(line.into());
        self
    }

    /// `otlp/NAME` to a backend, without a queue: what it answers is the sender's answer. `keys` come after commas.
    pub fn to(self, name: &str, backend: &Backend, keys: &str) -> Self {
        let address = backend.address();
        self.exporter(&format!(
            "otlp/{name}: {{endpoint: '{address}', tls: {{insecure: true}}, compression: none, \
             retry_on_failure: {{initial_interval: 50ms, max_interval: 100ms, max_elapsed_time: 0s}}{keys}}}"
        ))
    }

    pub fn connectors(mut self, map: &str) -> Self {
        self.connectors = map.into();
        self
    }

    pub fn pipeline(mut self, line: &str) -> Self {
        self.pipelines.push(line.into());
        self
    }

    /// The file.
    pub fn text(&self) -> String {
        let Ports { grpc, http, admin, metrics } = self.ports;
        let metrics = metrics.port();
        let lines = |lines: &[String]| lines.iter().map(|line| format!("\n  {line}")).collect::<String>();
        let names = |lines: &[String]| {
            lines.iter().map(|line| format!(", {}", line.split(':').next().unwrap())).collect::<String>()
        };
        format!(
            "receivers:
  otlp: {{{receiver}protocols: {{grpc: {{endpoint: '{grpc}'}}, http: {{endpoint: '{http}'}}}}}}{receivers}
processors:{processors}
exporters:{exporters}
connectors: {connectors}
extensions:
  admin: {{endpoint: '{admin}'}}{extensions}
service:
  extensions: [admin{extension_names}]
  telemetry:
    logs: {{level: {level}}}
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}{metrics_keys}}}}}}}}}]}}
  pipelines:{pipelines}
",
            receiver = self.receiver,
            receivers = lines(&self.receivers),
            processors = lines(&self.processors),
            exporters = lines(&self.exporters),
            connectors = self.connectors,
            extensions = lines(&self.extensions),
            extension_names = names(&self.extensions),
            metrics_keys = self.metrics,
            level = self.level,
            pipelines = self.pipelines.iter().map(|line| format!("\n    {line}")).collect::<String>(),
        )
    }

    pub async fn start(&self) -> Ringtail {
        Ringtail::start(&self.text(), self.ports, TempDir::new().unwrap()).await
    }
}

pub fn path(ringtail: &Ringtail) -> PathBuf {
    ringtail.dir.path().join("ringtail.yaml")
}

/// Renames another file over the configuration.
pub fn put(ringtail: &Ringtail, text: &str) {
    let beside = ringtail.dir.path().join("next.tmp");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path(ringtail)).unwrap();
}

/// Renames another file over the configuration, and waits until it is in force.
pub async fn apply(ringtail: &Ringtail, config: &Config) {
    let before = generation(ringtail).await;
    put(ringtail, &config.text());
    applied(ringtail, before + 1).await;
}

pub async fn generation(ringtail: &Ringtail) -> u64 {
    ringtail.page("/config").await["generation"].as_u64().unwrap()
}

/// Waits until so many configurations have been in force.
pub async fn applied(ringtail: &Ringtail, generation: u64) {
    wait::until_some("the new configuration is in force", || async {
        let page = ringtail.page("/config").await;
        assert_ne!(page["last_reload"]["result"], "refused", "{}", page["last_reload"]);
        (page["generation"] == generation).then_some(())
    })
    .await;
}

/// Waits until a configuration is refused; gives what `/config` says of it.
pub async fn refused(ringtail: &Ringtail) -> Value {
    wait::until_some("the new configuration is refused", || async {
        let page = ringtail.page("/config").await;
        (page["last_reload"]["result"] == "refused").then(|| page["last_reload"].clone())
    })
    .await
}
