//! Who the members are, at one moment.

use std::collections::BTreeMap;

/// One backend or peer that can own traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Stable identity; ownership is computed from it, never from the address. For static lists and DNS it is the
    /// resolver's raw string, which is also what the collectors' rings hash. In a members file it defaults to the
    /// address.
    pub id: String,
    /// `host:port` to connect to.
    pub address: String,
    /// Relative share of the traces, `0..=65535`; zero owns nothing.
    pub weight: u32,
    /// Free labels of the members file; not part of ownership.
    pub labels: BTreeMap<String, String>,
}

impl Member {
    /// A member of weight one whose address is its id.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self { address: id.clone(), id, weight: 1, labels: BTreeMap::new() }
    }
}

/// A whole list of members, as one source gave it: validated, sorted by id, ids unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The number of this list in the members file, when it has one.
    pub epoch: Option<u64>,
    /// The fleet seed that keys the hash; zero when none is given.
    pub seed: u64,
    /// Sorted by id.
    pub members: Vec<Member>,
}

impl Membership {
    /// Sorts the members by id; of several with one id the first stays.
    pub fn new(epoch: Option<u64>, seed: u64, mut members: Vec<Member>) -> Self {
        members.sort_by(|a, b| a.id.cmp(&b.id));
        members.dedup_by(|later, first| later.id == first.id);
        Self { epoch, seed, members }
    }
}
