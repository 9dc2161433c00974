//! What becomes of a request: the words every stage uses to say yes, partly, or no, and whose fault a no is.

use std::borrow::Cow;
use std::time::Duration;

/// The three kinds of telemetry that travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics; counted in data points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All signals, in the order pages list them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The name in `service.pipelines` and in the `data_type` label: `traces`, `metrics`, `logs`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// What one item is called in metric names: `spans`, `metric_points`, `log_records`.
    pub fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metric_points",
            Self::Logs => "log_records",
        }
    }

    /// The gRPC path of the signal's export call.
    pub fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    /// The default HTTP path of the signal: `/v1/traces`, `/v1/metrics`, `/v1/logs`.
    pub fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }
}

/// A request was taken: every item is where the configuration promises, but for the rejected ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Items that will never be accepted and must not be sent again (OTLP partial success).
    pub rejected_items: u64,
    /// The named reason of the rejection.
    pub reason: Option<Reason>,
    /// Why, for a person; may be a warning when nothing was rejected.
    pub message: Cow<'static, str>,
}

/// A request was not taken. `fault` says who can mend it, `message` what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who is at fault, which decides the status on the wire.
    pub fault: Fault,
    /// The named reason, as in the `reason` label of the counters.
    pub reason: Reason,
    /// For the person who reads the sender's log.
    pub message: Cow<'static, str>,
    /// How long the sender should wait; only for faults that pass.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether sending the same again later can succeed.
    pub fn passes(&self) -> bool {
        match self.fault {
            Fault::Load | Fault::Exhausted | Fault::Peer | Fault::Deadline | Fault::Closing => true,
            Fault::Sender
            | Fault::Unauthenticated
            | Fault::TooLarge
            | Fault::Unhandled
            | Fault::PeerRefused(_)
            | Fault::Ours => false,
        }
    }
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The sender's bytes or headers; sending them again will not help.
    Sender,
    /// The sender did not say who it is, or not rightly.
    Unauthenticated,
    /// The sender sent more than a limit of one message allows; smaller requests help.
    TooLarge,
    /// Nothing here handles that path or signal.
    Unhandled,
    /// We hold as much as we may; later is better.
    Load,
    /// The same, said before anything of the request was read.
    Exhausted,
    /// A backend cannot be reached or asked us to come back; later is better.
    Peer,
    /// A backend refused for good, with this gRPC code (an HTTP backend's status is translated).
    PeerRefused(u8),
    /// The sender stopped waiting before every owner had answered.
    Deadline,
    /// We are going away; another replica, or this one after its restart, will answer.
    Closing,
    /// A bug of ours.
    Ours,
}

/// Named reasons for which an item is refused or dropped: the `reason` label of the conservation sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Bytes that are not OTLP.
    Malformed,
    /// Over the message or body limit, compressed or not.
    TooLarge,
    /// An encoding or content type we do not read.
    Unsupported,
    /// The authenticator of the receiver does not let the sender in.
    Unauthenticated,
    /// Spans without a valid trace id, refused by partial success.
    InvalidTraceId,
    /// Too many requests or bytes in progress in this process.
    Busy,
    /// The hand-off to one backend holds all it may.
    LaneFull,
    /// Held as long as allowed for a backend that does not answer.
    HoldExpired,
    /// The sending queue holds all it may.
    QueueFull,
    /// Retried as long as `max_elapsed_time` allows.
    RetryExhausted,
    /// A backend refused for good.
    BackendRefused,
    /// A backend took the rest and rejected these (its partial success).
    BackendRejected,
    /// The membership is empty: there is no owner.
    NoMembers,
    /// A sender sent again what this owner had taken on an earlier attempt; it is not sent twice.
    AlreadyDelivered,
    /// The sender went away before it was answered.
    Cancelled,
    /// No pipeline takes the signal.
    NoPipeline,
    /// No policy kept the trace.
    NotSampled,
    /// A `drop` policy matched the trace.
    PolicyDropped,
    /// Late spans of a trace that was not kept.
    LateNotSampled,
    /// The trace is over `maximum_trace_size_bytes`.
    TraceTooLarge,
    /// `num_traces` was reached and, as in the Collector, the oldest trace had to go (`compat` only).
    Evicted,
    /// `drop_pending_traces_on_shutdown`.
    PendingDropped,
    /// The same span of the same trace, byte for byte, came twice.
    Duplicate,
    /// `num_traces` is reached.
    TracesFull,
    /// The journal is as large as it may get.
    JournalFull,
    /// The disk under a journal is full or fails.
    DiskFull,
    /// What the journal gave back is not what was put in.
    Corrupt,
    /// More distinct sets of `metadata_keys` values than `metadata_cardinality_limit`.
    MetadataCardinality,
    /// A metric of this name is known as another type.
    TypeConflict,
    /// A metric whose temporality the backend has no form for.
    UnsupportedTemporality,
    /// A metric of whose name the backend's rules leave nothing.
    InvalidName,
    /// A point older than what is known of its series.
    OutOfOrder,
    /// As many series are kept as may be.
    SeriesFull,
    /// Telemetry without the resource attribute that says where it goes.
    NoDestination,
    /// A processor was told to leave such items out.
    Filtered,
    /// A statement failed, and its processor was told to give up the request then.
    StatementFailed,
    /// `probabilistic_sampler` did not choose it.
    SampledOut,
    /// `memory_limiter`: the process uses as much memory as it may.
    MemoryLimit,
    /// Shutting down.
    Shutdown,
    /// A bug of ours.
    Internal,
}

impl Reason {
    /// The label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidTraceId => "invalid_trace_id",
            Self::Busy => "busy",
            Self::LaneFull => "lane_full",
            Self::HoldExpired => "hold_expired",
            Self::QueueFull => "queue_full",
            Self::RetryExhausted => "retry_exhausted",
            Self::BackendRefused => "backend_refused",
            Self::BackendRejected => "backend_rejected",
            Self::NoMembers => "no_members",
            Self::AlreadyDelivered => "already_delivered",
            Self::Cancelled => "cancelled",
            Self::NoPipeline => "no_pipeline",
            Self::NotSampled => "not_sampled",
            Self::PolicyDropped => "policy_dropped",
            Self::LateNotSampled => "late_not_sampled",
            Self::TraceTooLarge => "trace_too_large",
            Self::Evicted => "evicted",
            Self::PendingDropped => "pending_dropped",
            Self::Duplicate => "duplicate",
            Self::TracesFull => "traces_full",
            Self::JournalFull => "journal_full",
            Self::DiskFull => "disk_full",
            Self::Corrupt => "corrupt",
            Self::MetadataCardinality => "metadata_cardinality",
            Self::TypeConflict => "type_conflict",
            Self::UnsupportedTemporality => "unsupported_temporality",
            Self::InvalidName => "invalid_name",
            Self::OutOfOrder => "out_of_order",
            Self::SeriesFull => "series_full",
            Self::NoDestination => "no_destination",
            Self::Filtered => "filtered",
            Self::StatementFailed => "statement_failed",
            Self::SampledOut => "sampled_out",
            Self::MemoryLimit => "memory_limit",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal",
        }
    }

    /// All reasons, for pages and tests.
    pub const ALL: [Self; 40] = [
        Self::Malformed,
        Self::TooLarge,
        Self::Unsupported,
        Self::Unauthenticated,
        Self::InvalidTraceId,
        Self::Busy,
        Self::LaneFull,
        Self::HoldExpired,
        Self::QueueFull,
        Self::RetryExhausted,
        Self::BackendRefused,
        Self::BackendRejected,
        Self::NoMembers,
        Self::AlreadyDelivered,
        Self::Cancelled,
        Self::NoPipeline,
        Self::NotSampled,
        Self::PolicyDropped,
        Self::LateNotSampled,
        Self::TraceTooLarge,
        Self::Evicted,
        Self::PendingDropped,
        Self::Duplicate,
        Self::TracesFull,
        Self::JournalFull,
        Self::DiskFull,
        Self::Corrupt,
        Self::MetadataCardinality,
        Self::TypeConflict,
        Self::UnsupportedTemporality,
        Self::InvalidName,
        Self::OutOfOrder,
        Self::SeriesFull,
        Self::NoDestination,
        Self::Filtered,
        Self::StatementFailed,
        Self::SampledOut,
        Self::MemoryLimit,
        Self::Shutdown,
        Self::Internal,
    ];
}
