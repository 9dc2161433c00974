//! What the exporters that end a line here can be told.

use std::time::Duration;

use crate::client::{HttpEncoding, Protocol};
use crate::journal;
use crate::retry;

/// `otlp_grpc` (alias `otlp`) and `otlp_http` (alias `otlphttp`).
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// gRPC: `host:port`. HTTP: what stands between `://` and the path.
    pub address: String,
    /// HTTP: the path of each signal's requests, [`crate::outcome::Signal::ALL`] in order; `None` where neither
    /// `endpoint` nor the signal's own key is written. Over gRPC not looked at.
    pub paths: [Option<HttpTarget>; 3],
    /// How it is spoken to.
    pub protocol: Protocol,
    /// HTTP: `encoding`.
    pub encoding: HttpEncoding,
    /// Longest single call, 5 s over gRPC, 30 s over HTTP.
    pub timeout: Duration,
    /// `retry_on_failure`.
    pub retry: retry::Config,
    /// `sending_queue`.
    pub queue: SendingQueue,
    /// `balancer_name: round_robin` (the default): calls take turns among the addresses of a name; else the first one.
    pub round_robin: bool,
}

/// Where the requests of a signal go over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// `host:port`.
    pub address: String,
    /// TLS: the URL says `https`.
    pub tls: bool,
    /// The path, such as `/v1/traces`.
    pub path: String,
}

/// `sending_queue` of an OTLP exporter: what waits for the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendingQueue {
    /// `enabled: false` means calls wait nowhere: at most `num_consumers` are in flight, more are refused.
    pub enabled: bool,
    /// `num_consumers`, 10: calls in flight, retries included.
    pub consumers: usize,
    /// `queue_size`, 1000, in units of `sizer`.
    pub size: usize,
    /// `sizer`.
    pub sizer: Sizer,
    /// `block_on_overflow`: wait for room instead of refusing.
    pub block_on_overflow: bool,
    /// The sender is answered once the backend has its request. Unless `sending_queue` is written in the file this is
    /// so (ours: nothing acknowledged is lost with the process); written, the sender is answered once it is queued,
    /// as in the Collector, unless `wait_for_result` says otherwise.
    pub wait_for_result: bool,
    /// `journal` (ours): the queue is kept on disk and survives the process.
    pub journal: Option<journal::Config>,
    /// `size` bounds what is on disk too (`storage`), not only the journal's own limit.
    pub bounded_on_disk: bool,
    /// `batch`: requests in the queue are merged into larger ones.
    pub batch: Option<QueueBatch>,
}

/// What a queue's capacity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizer {
    /// Whole requests.
    Requests,
    /// Spans, data points, log records.
    Items,
    /// Encoded bytes.
    Bytes,
}

/// `sending_queue.batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueBatch {
    /// `flush_timeout`, 200 ms.
    pub flush_timeout: Duration,
    /// `min_size`, 8192.
    pub min_size: u64,
    /// `max_size`, 0 = no limit.
    pub max_size: u64,
    /// `sizer`: items or bytes.
    pub sizer: Sizer,
    /// `partition.metadata_keys`: one batch per distinct set of values of these request headers; lower case.
    pub metadata_keys: Vec<String>,
}

impl Default for SendingQueue {
    fn default() -> Self {
        Self {
            enabled: true,
            consumers: 10,
            size: 1000,
            sizer: Sizer::Requests,
            block_on_overflow: false,
            wait_for_result: true,
            journal: None,
            bounded_on_disk: false,
            batch: None,
        }
    }
}

/// The `debug` exporter (alias `logging`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debug {
    /// How much of each request is shown.
    pub verbosity: Verbosity,
    /// Messages shown in each second before sampling starts, 2.
    pub sampling_initial: u64,
    /// Then one in this many, 1.
    pub sampling_thereafter: u64,
}

/// `verbosity`. `trace` is ours: a readable line a trace on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// A line a request: counts.
    Basic,
    /// A line an item.
    Normal,
    /// Every field.
    Detailed,
    /// A line a trace, for people; what the embedded default uses.
    Trace,
}

impl Default for Debug {
    fn default() -> Self {
        Self { verbosity: Verbosity::Basic, sampling_initial: 2, sampling_thereafter: 1 }
    }
}
