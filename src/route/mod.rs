//! Who owns a trace: a pure function of the trace id and the membership.
//!
//! Owns: one immutable table per membership.
//! Takes: members, a seed, routing keys.
//! Gives: the index of the owner; shares, moved share and fingerprint of a membership.
//! Bounds: 65,000 members; lookups in constant time.
//! Loses: nothing.

mod collector;
pub mod key;
mod log2;
mod members;
mod rendezvous;
mod routes;

pub use key::{push_attribute, service_key};
pub use members::{Member, Membership};
pub use routes::Routes;

/// `ring`: which function maps keys to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ring {
    /// Weighted rendezvous hashing over stable ids.
    #[default]
    Rendezvous,
    /// The collectors' ring of contrib 0.157 to 0.160 (`collector`, `collector-v3`).
    CollectorV3,
    /// The collectors' ring until mid 2025 (`collector-v1`).
    CollectorV1,
}
