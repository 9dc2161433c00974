//! What process tests share: the binary under test, backends that can be told how to answer, senders, the ledger.

#![allow(dead_code)] // each test target uses its part

pub mod backend;
pub mod certs;
pub mod http;
pub mod ledger;
pub mod load;
pub mod process;
pub mod prometheus;
pub mod raw_grpc;
pub mod relay;
pub mod sampling;
pub mod setup;
pub mod status;
pub mod wait;

use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::trace::v1 as trace;

pub type Traces = trace::ExportTraceServiceRequest;
pub type TracesAnswer = trace::ExportTraceServiceResponse;
pub type Logs = logs::ExportLogsServiceRequest;
pub type LogsAnswer = logs::ExportLogsServiceResponse;
pub type Metrics = metrics::ExportMetricsServiceRequest;
pub type MetricsAnswer = metrics::ExportMetricsServiceResponse;

/// One request, decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Traces(Traces),
    Logs(Logs),
    Metrics(Metrics),
}
