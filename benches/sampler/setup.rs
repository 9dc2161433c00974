//! Who runs, and the configuration that ringtail and the collector share, but for what each knows alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::common::peer::{self, Peer, free_address};
use crate::common::process;

/// Who judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The OpenTelemetry Collector.
    Otelcol,
    /// ringtail, traces in memory.
    Memory,
    /// ringtail, traces in files.
    Files,
    /// ringtail, traces in memory, compressed.
    Lz4,
    /// ringtail, traces in memory, no verdict before its deadline.
    Held,
}

/// What is configured.
pub struct Setup<'a> {
    /// Who is.
    pub kind: Kind,
    /// How long a trace waits.
    pub wait: Duration,
    /// How many policies there are.
    pub policies: usize,
    /// The founding pipeline instead.
    pub founding: bool,
    /// The port of the sink.
    pub sink: u16,
    /// Where files may be.
    pub folder: &'a Path,
}

/// A started peer and, if it is ringtail, where it is asked.
pub struct Started {
    /// Its process.
    pub peer: Peer,
    /// Its metrics.
    pub metrics: Option<SocketAddr>,
    /// Its admin API.
    pub admin: Option<SocketAddr>,
}

impl Kind {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Otelcol => "otelcol",
            Self::Memory => "ringtail",
            Self::Files => "ringtail files",
            Self::Lz4 => "ringtail lz4",
            Self::Held => "ringtail held",
        }
    }

    /// Its binary, or why it is skipped.
    pub fn binary(self) -> Result<PathBuf, String> {
        match self {
            Self::Otelcol => peer::binary("RINGTAIL_OTELCOL", None),
            _ => peer::binary("RINGTAIL_BIN", Some(env!("CARGO_BIN_EXE_ringtail"))),
        }
    }
}

impl Setup<'_> {
    /// Where the journal is, if it is in files.
    pub fn directory(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// Starts it and waits until it takes connections.
    pub fn start(&self, binary: &Path) -> anyhow::Result<Started> {
        let [otlp, metrics, admin] = [free_address()?, free_address()?, free_address()?];
        let config = self.config(otlp, metrics, admin);
        let peer = Peer::start("sampler", otlp, self.folder, &config, |path| {
            let mut command = process::command(binary, None);
            if self.kind != Kind::Otelcol {
                command.arg("run");
            }
            command.arg("--config").arg(path);
            command
        })?;
        let own = self.kind != Kind::Otelcol;
        Ok(Started { peer, metrics: own.then_some(metrics), admin: own.then_some(admin) })
    }

    fn config(&self, otlp: SocketAddr, metrics: SocketAddr, admin: SocketAddr) -> String {
        let journal = match self.kind {
            Kind::Otelcol | Kind::Memory => String::new(),
            Kind::Files => format!("\n    journal: {{directory: \"{}\"}}", self.directory().display()),
            Kind::Lz4 => "\n    journal: {compression: lz4}".to_owned(),
            Kind::Held => "\n    early_verdicts: \"off\"".to_owned(),
        };
        let (head, service) = match self.kind {
            Kind::Otelcol => (String::new(), "metrics: {level: none}".to_owned()),
            _ => (
                format!("extensions: {{admin: {{endpoint: \"{admin}\"}}}}\n"),
                format!(
                    "metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}}}}}}}}}]}}",
                    metrics.port()
                ),
            ),
        };
        let listed = if head.is_empty() { "" } else { "  extensions: [admin]\n" };
        let (edits, edit, policies, log) = match self.founding {
            true => (EDITS, "resource, transform, ", founding_policies(), (DEBUG, ", debug")),
            false => ("", "", policies(self.policies), ("", "")),
        };
        format!(
            "{head}receivers:
  otlp: {{protocols: {{grpc: {{endpoint: \"{otlp}\", max_recv_msg_size_mib: 64}}}}}}
processors:
{edits}  tail_sampling:
    decision_wait: {wait}ms
    num_traces: 5000000{journal}
    policies:
{policies}  batch: {{timeout: 1s, send_batch_size: 1024}}
exporters:
  otlp: {{endpoint: \"127.0.0.1:{sink}\", tls: {{insecure: true}}, compression: none}}
{debug}service:
{listed}  telemetry: {{{service}, logs: {{level: warn}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [{edit}tail_sampling, batch], exporters: [otlp{logged}]}}
",
            debug = log.0,
            logged = log.1,
            wait = self.wait.as_millis(),
            sink = self.sink,
        )
    }
}

const EDITS: &str = "  resource: {attributes: [{key: environment, value: production, action: insert}]}
  transform:
    trace_statements:
      - context: span
        statements:
          - replace_pattern(attributes[\"http.url\"], \"password=.*\", \"password=REDACTED\")
";
const DEBUG: &str = "  debug: {verbosity: detailed}\n";

/// What the founding pipeline keeps beyond traces with errors, in spans a second.
pub const FOUNDING_RATE: u64 = 100;

fn founding_policies() -> String {
    format!(
        "      - {{name: errors-policy, type: status_code, status_code: {{status_codes: [ERROR]}}}}
      - {{name: latency-policy, type: latency, latency: {{threshold_ms: 1000}}}}
      - {{name: rate-limiting, type: rate_limiting, rate_limiting: {{spans_per_second: {FOUNDING_RATE}}}}}
"
    )
}

/// The first keeps errors, the second slow traces, of which there are none; the others keep nothing either, each in
/// another way: by a threshold, by a string, by a number, by a count, by an attribute that no span has.
fn policies(count: usize) -> String {
    let policy = |index: usize| {
        let (kind, settings) = match index % 5 {
            _ if index == 0 => ("status_code", "{status_codes: [ERROR]}".to_owned()),
            1 => ("latency", format!("{{threshold_ms: {}}}", 999 + index)),
            2 => ("string_attribute", format!("{{key: http.route, values: [\"/nowhere/{index}\"]}}")),
            3 => (
                "numeric_attribute",
                format!("{{key: http.response.status_code, min_value: {}, max_value: 1000}}", 600 + index),
            ),
            4 => ("span_count", format!("{{min_spans: {}}}", 1000 + index)),
            _ => ("boolean_attribute", format!("{{key: debug.{index}, value: true}}")),
        };
        format!("      - {{name: p{index}, type: {kind}, {kind}: {settings}}}\n")
    };
    (0..count).map(policy).collect()
}
