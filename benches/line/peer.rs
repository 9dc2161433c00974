//! The systems under test: how each is configured and started.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::process::{self, Process};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// Who carries the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Nobody: the generator sends straight to the sink.
    Null,
    /// Envoy, relaying requests whole and unread, round robin.
    Envoy,
    /// ringtail, balancing by trace.
    Ringtail,
    /// The OpenTelemetry Collector, balancing by trace.
    Otelcol,
}

/// A started peer.
pub struct Peer {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl Kind {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Envoy => "envoy",
            Self::Ringtail => "ringtail",
            Self::Otelcol => "otelcol",
        }
    }

    /// Its binary, or why it is skipped.
    pub fn binary(self) -> Result<Option<PathBuf>, String> {
        let (variable, default) = match self {
            Self::Null => return Ok(None),
            Self::Envoy => ("RINGTAIL_ENVOY", None),
            Self::Otelcol => ("RINGTAIL_OTELCOL", None),
            Self::Ringtail => ("RINGTAIL_BIN", Some(env!("CARGO_BIN_EXE_ringtail"))),
        };
        let path = std::env::var_os(variable).map(PathBuf::from).or(default.map(PathBuf::from));
        let path = path.ok_or_else(|| format!("{variable} does not name a binary"))?;
        match path.is_file() {
            true => Ok(Some(path)),
            false => Err(format!("{variable}: there is no file {}", path.display())),
        }
    }

    fn config(self, port: u16, backends: &[u16]) -> String {
        match self {
            Self::Envoy => envoy(port, backends),
            _ => balancer(self, port, backends),
        }
    }

    fn command(self, binary: &Path, config: &Path, processors: Option<&str>) -> Command {
        let mut command = process::command(binary, processors);
        match self {
            Self::Envoy => {
                command.arg("-c").arg(config);
                command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"])
            }
            Self::Ringtail => command.args(["run", "--config"]).arg(config),
            _ => command.arg("--config").arg(config),
        };
        command
    }
}

impl Peer {
    /// Starts a peer before these backends and waits until it takes connections.
    pub fn start(
        kind: Kind,
        binary: &Path,
        backends: &[u16],
        folder: &Path,
        processors: Option<&str>,
    ) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join(format!("{}.yaml", kind.name()));
        fs::write(&config, kind.config(address.port(), backends))?;
        let log = folder.join(format!("{}.log", kind.name()));
        let mut command = kind.command(binary, &config, processors);
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut peer = Self { process: Process::start(command)?, address, log };
        peer.wait_until_ready().with_context(|| format!("{} did not start", kind.name()))?;
        Ok(peer)
    }

    /// The end of what it wrote.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if !self.process.runs() {
                bail!("it ended:\n{}", self.last_words());
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} takes no connections after {READY_WITHIN:?}:\n{}", self.address, self.last_words())
    }
}

/// The configuration that ringtail and the collector share, but for what each knows alone.
fn balancer(kind: Kind, port: u16, backends: &[u16]) -> String {
    let hosts: Vec<_> = backends.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let hosts = hosts.join(", ");
    let (queue, head, listed) = match kind {
        Kind::Ringtail => ("", "extensions: {admin: {enabled: false}}\n", "  extensions: [admin]\n"),
        _ => (", sending_queue: {enabled: false}", "", ""),
    };
    format!(
        "{head}receivers:
  otlp: {{protocols: {{grpc: {{endpoint: \"127.0.0.1:{port}\", max_recv_msg_size_mib: 64}}}}}}
exporters:
  load_balancing:
    routing_key: traceID
    protocol: {{otlp: {{timeout: 5s, tls: {{insecure: true}}, compression: none{queue}}}}}
    resolver: {{static: {{hostnames: [{hosts}]}}}}
service:
{listed}  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [load_balancing]}}}}
"
    )
}

fn envoy(port: u16, backends: &[u16]) -> String {
    let endpoints: Vec<_> = backends
        .iter()
        .map(|port| {
            format!(
                "        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}"
            )
        })
        .collect();
    let endpoints = endpoints.join("\n");
    let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let router = "envoy.extensions.filters.http.router.v3.Router";
    format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/{manager}
          codec_type: HTTP2
          stat_prefix: line
          route_config:
            virtual_hosts:
            - {{name: all, domains: [\"*\"], routes: [{{match: {{prefix: /}}, route: {{cluster: backends}}}}]}}
          http_filters:
          - {{name: envoy.filters.http.router, typed_config: {{\"@type\": type.googleapis.com/{router}}}}}
  clusters:
  - name: backends
    type: STATIC
    typed_extension_protocol_options:
      {options}:
        \"@type\": type.googleapis.com/{options}
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: backends
      endpoints:
      - lb_endpoints:
{endpoints}
"
    )
}
