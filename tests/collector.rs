//! ringtail beside a real collector: behind it, in front of it, and in its place.
//!
//! Runs where `RINGTAIL_OTELCOL` names a collector, which `tests/collector/install` builds.

#![allow(clippy::unwrap_used)]

mod peers;

#[path = "collector/answers.rs"]
mod answers;
#[path = "collector/limiter.rs"]
mod limiter;
#[path = "collector/mistakes.rs"]
mod mistakes;
#[path = "collector/relay.rs"]
mod relay;
#[path = "collector/ring.rs"]
mod ring;
#[path = "collector/series.rs"]
mod series;

use std::path::PathBuf;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

/// The collector's binary; without it the test says so and passes.
fn collector() -> Option<PathBuf> {
    peers::program("RINGTAIL_OTELCOL")
}

/// A configuration that both understand: OTLP in, `load_balancing` over these hosts out. `keys` are more keys of the
/// exporter, `telemetry` those of the service, and `admin` is what only ringtail has.
struct Balancer<'a> {
    hosts: &'a str,
    keys: &'a str,
    telemetry: &'a str,
    ours: bool,
}

impl Balancer<'_> {
    fn config(&self, grpc: u16, http: u16) -> String {
        let Self { hosts, keys, telemetry, ours } = self;
        let (extension, listed) = match ours {
            true => ("extensions: {admin: {enabled: false}}\n", "extensions: [admin], "),
            false => ("", ""),
        };
        format!(
            "{extension}receivers:
  otlp:
    protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}
exporters:
  load_balancing:
    protocol: {{otlp: {{tls: {{insecure: true}}, retry_on_failure: {{enabled: false}}, sending_queue: {{enabled: false}}}}}}
    resolver: {{static: {{hostnames: {hosts}}}}}
    {keys}
service: {{{listed}telemetry: {telemetry}, pipelines: {{traces: {{receivers: [otlp], exporters: [load_balancing]}}}}}}
"
        )
    }
}

/// Random ids, the same in every run.
struct Ids(fastrand::Rng);

impl Ids {
    fn new() -> Self {
        Self(fastrand::Rng::with_seed(20_260_101))
    }

    fn next(&mut self) -> Vec<u8> {
        self.0.u128(1..).to_be_bytes().to_vec()
    }
}

fn span(trace_id: &[u8], name: &str) -> Span {
    Span {
        trace_id: trace_id.to_vec(),
        span_id: trace_id[8..].iter().map(|byte| byte | 1).collect(),
        name: name.to_owned(),
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    }
}

/// Spans under one resource and scope.
fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    }
}
