//! A whole configuration, typed: what the app builds from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::outcome::Signal;
use crate::{auth, batch, edit, export, flow, forward, journal, observe, receive, sample, tls};

/// `type[/name]`, as the user wrote it (an alias stays an alias in labels).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    /// The type as written.
    pub kind: String,
    /// What stands after the slash; may be empty.
    pub name: String,
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}/{}", self.kind, self.name)
        }
    }
}

/// A validated configuration. Only components that a pipeline or `service.extensions` names are in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Receivers by id.
    pub receivers: BTreeMap<ComponentId, receive::Config>,
    /// Processors by id.
    pub processors: BTreeMap<ComponentId, Processor>,
    /// Exporters by id.
    pub exporters: BTreeMap<ComponentId, Exporter>,
    /// `forward` connectors, which have no keys.
    pub connectors: BTreeSet<ComponentId>,
    /// `health_check` extensions by id.
    pub health_checks: BTreeMap<ComponentId, HealthCheck>,
    /// What `health_check` extensions of the second form listen on.
    pub health_listeners: Vec<HealthListener>,
    /// `memory_limiter` extensions by id.
    pub memory_limiters: BTreeMap<ComponentId, flow::MemoryLimit>,
    /// `service.extensions`, but for `admin`.
    pub extensions: BTreeSet<ComponentId>,
    /// `file_storage` extensions by id.
    pub file_storages: BTreeMap<ComponentId, FileStorage>,
    /// The admin API; `None` when switched off (`admin: {enabled: false}`).
    pub admin: Option<observe::Admin>,
    /// `service.pipelines`, sorted by id.
    pub pipelines: Vec<Pipeline>,
    /// `service.telemetry`.
    pub telemetry: observe::Telemetry,
    /// `service.telemetry.metrics.readers` that push.
    pub pushing: Vec<PushReader>,
}

/// A `periodic` reader of our own metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct PushReader {
    /// Where it stands: `service::telemetry::metrics::readers[0]`.
    pub key: String,
    /// `interval`, 60 s.
    pub interval: Duration,
    /// `timeout` of a push with all its retries, 30 s.
    pub timeout: Duration,
    /// `temporality_preference`.
    pub temporality: observe::Temporality,
    /// `exporter`.
    pub to: PushTarget,
}

/// Where a `periodic` reader sends.
#[derive(Clone, Debug, PartialEq)]
pub enum PushTarget {
    /// `otlp`.
    Otlp(Box<export::Otlp>),
    /// `console`: a line of OTLP JSON on standard output.
    Console,
}

/// `health_check` with what its listener has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What it answers, and where.
    pub check: observe::HealthCheck,
    /// What stands in front of it.
    pub front: Front,
}

/// `http` or `grpc` of a `health_check` of the second form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthListener {
    /// Where the endpoint is written.
    pub key: String,
    /// `endpoint`: `localhost:13133`, over gRPC `localhost:13132`.
    pub endpoint: String,
    /// What it speaks.
    pub form: HealthForm,
    /// `component_health`.
    pub components: observe::ComponentHealth,
    /// What stands in front of it.
    pub front: Front,
}

/// What a health check of the second form speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthForm {
    /// `http`.
    Http(observe::HealthPaths),
    /// `grpc`: `grpc.health.v1`.
    Grpc,
}

/// What stands in front of an HTTP server of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// `tls`; plaintext when absent.
    pub tls: Option<tls::ServerConfig>,
    /// `auth`; anyone may look when absent.
    pub auth: Option<auth::Authenticator>,
    /// `response_headers`.
    pub response_headers: Vec<(String, String)>,
}

/// `file_storage`: a directory in which each queue has a folder of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStorage {
    /// `directory`.
    pub directory: PathBuf,
    /// `create_directory`, with `directory_permissions`.
    pub create: Option<u32>,
    /// `max_size`, of each queue in it.
    pub max_size: Option<u64>,
    /// `fsync`: the disk is forced before each acknowledgement.
    pub sync: bool,
}

/// One exporter, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Exporter {
    /// `load_balancing`, `loadbalancing`.
    LoadBalancing(Box<forward::Config>),
    /// `otlp_grpc`, `otlp`, `otlp_http`, `otlphttp`.
    Otlp(Box<export::Otlp>),
    /// `debug`, `logging`.
    Debug(export::Debug),
    /// `prometheus`.
    Prometheus(Box<export::Prometheus>),
    /// `file`.
    File(Box<export::File>),
    /// `nop`.
    Nop,
}

/// One processor, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Processor {
    /// `tail_sampling`.
    TailSampling(Box<TailSampling>),
    /// `batch`.
    Batch(batch::Config),
    /// `resource`, `attributes`, `transform`, `filter`, `redaction`, `probabilistic_sampler`.
    Edit(Box<edit::Config>),
    /// `memory_limiter`.
    MemoryLimiter(flow::MemoryLimit),
    /// `groupbytrace`, which does nothing here: `tail_sampling` brings the spans of a trace together itself.
    GroupByTrace,
}

/// `tail_sampling` with its `journal`.
#[derive(Clone, Debug, PartialEq)]
pub struct TailSampling {
    /// What it judges by.
    pub sampling: sample::Config,
    /// Where open traces are kept.
    pub journal: journal::Config,
    /// `count_spans_sampled` is among the metrics: the Collector's gate `metricstatcountspanssampled` is on.
    pub count_spans_sampled: bool,
    /// `count_bytes_sampled` likewise, by the gate `metricstatcountbytessampled`.
    pub count_bytes_sampled: bool,
}

/// One pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// `traces`, `traces/name`.
    pub id: ComponentId,
    /// The signal its type names.
    pub signal: Signal,
    /// Receivers, in order.
    pub receivers: Vec<ComponentId>,
    /// Processors, in order.
    pub processors: Vec<ComponentId>,
    /// Exporters, in order.
    pub exporters: Vec<ComponentId>,
}
