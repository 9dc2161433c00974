//! Slices to their owners: one lane per backend, merged across requests, acknowledged back.
//!
//! Owns: connections to backends; what waits for them.
//! Takes: encoded requests.
//! Gives: calls to owners, fewer than came in; one outcome per request.
//! Bounds: bytes and age held per backend and in all; calls in flight.
//! Loses: nothing acknowledged without a `sending_queue`; with one, what was promised and then could not be sent:
//! `retry_exhausted`, `backend_refused`, `no_members`, `shutdown`. What a backend rejects is `backend_rejected`. All counted.

mod balancer;
mod choose;
mod config;
mod extract;
mod following;
mod lanes;
mod part;
mod queue;
mod reconfigure;
mod resend;
mod sending_queue;
mod shared;
mod submit;
mod ticket;
mod turn;
mod value;

pub use balancer::{LoadBalancer, Parts};
pub use config::{Config, Gather, Hold, Queue, RoutingKey, Sizer, WithoutTraceId};
pub use following::Following;
pub use shared::SpeechError;

#[cfg(test)]
mod queue_tests;
