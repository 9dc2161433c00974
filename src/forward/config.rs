//! What the `load_balancing` exporter can be told.

use std::time::Duration;

use crate::client::Protocol;
use crate::route::Ring;
use crate::semconv::Names;
use crate::{discover, retry};

/// The `load_balancing` exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What decides the owner.
    pub routing_key: RoutingKey,
    /// Which function maps it to a member.
    pub ring: Ring,
    /// Where members come from.
    pub resolver: discover::Config,
    /// How backends are spoken to.
    pub protocol: Protocol,
    /// Longest single call to a backend, 5 s over gRPC, 30 s over HTTP.
    pub timeout: Duration,
    /// Waits between attempts to the same owner.
    pub retry: retry::Config,
    /// When set, the sender is answered once the queue has its request.
    pub sending_queue: Option<Queue>,
    /// How much may wait for backends that do not answer, and how long.
    pub hold: Hold,
    /// What gathers into one call.
    pub gather: Gather,
    /// What happens to spans without a valid trace id.
    pub without_trace_id: WithoutTraceId,
}

/// `routing_key`. `None` in the file means the signal's own default: trace id for traces, service for the others.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum RoutingKey {
    /// The key was left out.
    #[default]
    Default,
    /// `traceID`.
    TraceId,
    /// `service`.
    Service,
    /// `resource`: metrics and logs.
    Resource,
    /// `attributes`, with `routing_attributes` in order and what `semconv` says of their names.
    Attributes(Vec<String>, Names),
}

/// `sending_queue`: its presence moves the promise from the backend to this queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Capacity, in units of `sizer`; 1000 requests.
    pub queue_size: usize,
    /// What the capacity counts.
    pub sizer: Sizer,
    /// Wait for room instead of refusing.
    pub block_on_overflow: bool,
    /// Answer only after the backends have, as without a queue.
    pub wait_for_result: bool,
}

/// `sizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizer {
    /// Whole requests.
    Requests,
    /// Spans, data points, log records.
    Items,
    /// Encoded bytes.
    Bytes,
}

/// `hold`: bounds of what waits for owners, per exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Bytes waiting or in flight to one backend, 32 MiB.
    pub max_bytes_per_backend: usize,
    /// Bytes waiting or in flight to all backends, 256 MiB.
    pub max_bytes: usize,
    /// Longest wait without a `sending_queue` before the sender gets UNAVAILABLE, 8 s.
    pub max_age: Duration,
}

/// `gather`: when what waits for a backend leaves as one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Items that make a call full, 8192.
    pub max_items: usize,
    /// Bytes that make a call full, 1 MiB; keep under the backend's message limit.
    pub max_bytes: usize,
    /// A slice that waited this long leaves although a call is in flight, 20 ms.
    pub max_age: Duration,
    /// Calls in flight to one backend at most, per worker, 8.
    pub max_calls: usize,
}

/// `without_trace_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WithoutTraceId {
    /// Rejected by partial success, counted.
    #[default]
    Refuse,
    /// Sent to the owner of the all-zero key, counted.
    FallbackOwner,
}

impl Default for Hold {
    fn default() -> Self {
        Self { max_bytes_per_backend: 32 << 20, max_bytes: 256 << 20, max_age: Duration::from_secs(8) }
    }
}

impl Default for Gather {
    fn default() -> Self {
        Self { max_items: 8192, max_bytes: 1 << 20, max_age: Duration::from_millis(20), max_calls: 8 }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { queue_size: 1000, sizer: Sizer::Requests, block_on_overflow: false, wait_for_result: false }
    }
}
