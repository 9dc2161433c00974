//! Configurations of a sampler between OTLP and a backend, written from the few parts in which tests differ.

use std::path::PathBuf;

use tempfile::TempDir;

use super::backend::Backend;
use super::process::{Ports, Ringtail};

/// Keeps traces with an error.
pub const ERRORS: &str = "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}";
/// Keeps everything.
pub const ALL: &str = "{name: all, type: always_sample}";
/// Waits so short that a test never notices them, and for ever.
const RETRY: &str = "{initial_interval: 50ms, randomization_factor: 0, multiplier: 1, max_interval: 100ms, max_elapsed_time: 0s}";

/// A configuration in the making. Parts are YAML in flow style.
pub struct Sampling {
    /// A key of the receiver itself.
    pub receiver: String,
    /// Keys of `tail_sampling`.
    pub keys: String,
    /// Keys of `batch`, which comes after it where there are any.
    pub batch: Option<String>,
    /// `otlp` or `otlp_http`.
    pub exporter: &'static str,
    /// Keys of the exporter.
    pub exporter_keys: String,
    pub retry: String,
    pub more_processors: String,
    pub more_exporters: String,
    pub pipelines: Option<String>,
    pub dir: TempDir,
}

impl Sampling {
    /// Samples by `keys`, exports over gRPC to `backend`. Kept spans travel as they came, without `ot=th`.
    pub fn to(backend: &Backend, keys: &str) -> Self {
        Self {
            receiver: String::new(),
            keys: format!("tracestate: false, {keys}"),
            batch: None,
            exporter: "otlp",
            exporter_keys: otlp(&backend.address()),
            retry: RETRY.into(),
            more_processors: String::new(),
            more_exporters: String::new(),
            pipelines: None,
            dir: TempDir::new().unwrap(),
        }
    }

    /// Samples by `keys`, exports over HTTP to `backend`.
    pub fn to_http(backend: &Backend, keys: &str) -> Self {
        let exporter_keys = otlp(&format!("http://{}", backend.address()));
        Self { exporter: "otlp_http", exporter_keys, ..Self::to(backend, keys) }
    }

    /// Further keys of `tail_sampling`.
    pub fn with(mut self, keys: &str) -> Self {
        self.keys = format!("{}, {keys}", self.keys);
        self
    }

    /// A journal in a directory that lives as long as the test; `keys` are further keys of it, each after a comma.
    pub fn on_disk(self, keys: &str) -> Self {
        let directory = self.directory();
        self.with(&format!("journal: {{directory: '{}'{keys}}}", directory.display()))
    }

    /// Where [`Self::on_disk`] puts the journal.
    pub fn directory(&self) -> PathBuf {
        journal_in(&self.dir)
    }

    pub fn batch(mut self, keys: &str) -> Self {
        self.batch = Some(keys.into());
        self
    }

    /// Further keys of the exporter.
    pub fn exporter(mut self, keys: &str) -> Self {
        self.exporter_keys = format!("{}, {keys}", self.exporter_keys);
        self
    }

    pub fn retry(mut self, retry: &str) -> Self {
        self.retry = retry.into();
        self
    }

    pub fn processors(mut self, lines: &str) -> Self {
        self.more_processors = lines.into();
        self
    }

    pub fn exporters(mut self, lines: &str) -> Self {
        self.more_exporters = lines.into();
        self
    }

    pub fn pipelines(mut self, pipelines: &str) -> Self {
        self.pipelines = Some(pipelines.into());
        self
    }

    pub async fn start(self) -> Ringtail {
        let ports = Ports::free();
        let config = self.text(&ports);
        Ringtail::start(&config, ports, self.dir).await
    }

    /// Starts it although it may not get ready.
    pub fn spawn(self) -> Ringtail {
        let ports = Ports::free();
        let config = self.text(&ports);
        Ringtail::spawn(&config, ports, self.dir)
    }

    /// The file, for these ports.
    pub fn text(&self, ports: &Ports) -> String {
        let Ports { grpc, http, admin, metrics } = ports;
        let metrics = metrics.port();
        let Self { receiver, keys, exporter, exporter_keys, retry, .. } = self;
        let (batch, own) = match &self.batch {
            Some(keys) => (format!("  batch: {{{keys}}}"), "tail_sampling, batch"),
            None => (String::new(), "tail_sampling"),
        };
        let pipelines = self.pipelines.clone().unwrap_or_else(|| {
            format!("{{traces: {{receivers: [otlp], processors: [{own}], exporters: [{exporter}]}}}}")
        });
        let (processors, exporters) = (&self.more_processors, &self.more_exporters);
        format!(
            "receivers:
  otlp:
{receiver}
    protocols:
      grpc: {{endpoint: '{grpc}'}}
      http: {{endpoint: '{http}'}}
processors:
  tail_sampling: {{{keys}}}
{batch}
{processors}
exporters:
  {exporter}: {{{exporter_keys}, retry_on_failure: {retry}}}
{exporters}
extensions:
  admin: {{endpoint: '{admin}'}}
service:
  extensions: [admin]
  telemetry:
    logs: {{level: debug}}
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines: {pipelines}
"
        )
    }
}

/// Keys of an `otlp` exporter.
pub fn otlp(endpoint: &str) -> String {
    format!("endpoint: '{endpoint}', tls: {{insecure: true}}, compression: none")
}

/// The journal of a process whose files are in `dir`.
pub fn journal_in(dir: &TempDir) -> PathBuf {
    dir.path().join("journal")
}
