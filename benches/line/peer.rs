//! The systems under test: how each is configured and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::common::peer::{Peer, binary, free_address};
use crate::common::process;

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
        binary(variable, default).map(Some)
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

/// Starts a peer before these backends and waits until it takes connections.
pub fn start(
    kind: Kind,
    binary: &Path,
    backends: &[u16],
    folder: &Path,
    processors: Option<&str>,
) -> anyhow::Result<Peer> {
    let address = free_address()?;
    let config = kind.config(address.port(), backends);
    Peer::start(kind.name(), address, folder, &config, |path| kind.command(binary, path, processors))
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
