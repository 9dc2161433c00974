//! One membership made ready for look-ups.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::collector::CollectorRing;
use super::rendezvous::{Rendezvous, SLOTS};
use super::{Member, Membership, Ring};
use crate::trace_id::TraceId;

/// Bids that [`Routes::shares`] and [`Routes::moved_share`] may cost; a bid is about a nanosecond.
const BIDS_MAX: u64 = 1 << 26;
/// Keys tried when two tables have no slots in common.
const SAMPLES: u64 = 1 << 16;

/// Who owns what under one membership: immutable, shared by every worker, the same on every proxy that has the same
/// membership.
///
/// Indices are into [`Routes::members`]. The rendezvous table takes 2 MiB and needs no build step: a slot's owner is
/// elected when first asked for. A collector's ring is built at once.
pub struct Routes {
    membership: Arc<Membership>,
    ring: Ring,
    table: Table,
    fingerprint: u64,
}

enum Table {
    Rendezvous(Rendezvous),
    Collector(CollectorRing),
}

impl Routes {
    /// Members must be sorted by id and unique, as [`Membership::new`] leaves them. No members, or all of weight zero,
    /// is allowed: nobody owns anything. Members after the 65,535th own nothing.
    pub fn new(membership: impl Into<Arc<Membership>>, ring: Ring) -> Self {
        let membership = membership.into();
        let members = &membership.members;
        debug_assert!(
            members.windows(2).all(|pair| pair[0].id < pair[1].id),
            "members are sorted and unique"
        );
        let table = match ring {
            Ring::Rendezvous => Table::Rendezvous(Rendezvous::new(members, membership.seed)),
            Ring::CollectorV3 => Table::Collector(CollectorRing::v3(members)),
            Ring::CollectorV1 => Table::Collector(CollectorRing::v1(members)),
        };
        let fingerprint = fingerprint(&membership, ring);
        Self { membership, ring, table, fingerprint }
    }

    /// The owner of a trace.
    #[inline]
    pub fn owner_of_trace(&self, id: &TraceId) -> Option<u16> {
        match &self.table {
            Table::Rendezvous(table) => table.owner(&id.routing_bits().to_le_bytes()),
            Table::Collector(ring) => ring.owner(id.as_bytes()),
        }
    }

    /// The owner of spans without a valid trace id, when they are to have one: that of the all-zero key.
    pub fn owner_of_zero(&self) -> Option<u16> {
        match &self.table {
            Table::Rendezvous(table) => table.owner(&0u64.to_le_bytes()),
            Table::Collector(ring) => ring.owner(&[0; 16]),
        }
    }

    /// The owner of another routing key, see [`super::service_key`] and [`super::push_attribute`].
    #[inline]
    pub fn owner_of_key(&self, key: &[u8]) -> Option<u16> {
        match &self.table {
            Table::Rendezvous(table) => table.owner(key),
            Table::Collector(ring) => ring.owner(key),
        }
    }

    /// Sorted by id; owners are indices into this.
    pub fn members(&self) -> &[Member] {
        &self.membership.members
    }

    /// What the table was made from.
    pub fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    /// Which function maps keys to members.
    pub fn ring(&self) -> Ring {
        self.ring
    }

    /// A hash of the algorithm, the seed and every id with its weight: two proxies with the same one agree on every
    /// owner.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The share of the key space each member owns, in the order of [`Routes::members`]; all zero when nobody owns
    /// anything. Exact for the collectors' rings and for up to 64 members. Above that a sample of about
    /// `2^26 / members` slots, so its own noise is near `members / 8192` of a fair share (4 % for 300 members). Up to
    /// a fifth of a second of work: keep it off the data path.
    pub fn shares(&self) -> Vec<f64> {
        let mut counts = vec![0u32; self.members().len()];
        let mut count = |owner: Option<u16>| {
            if let Some(owner) = owner {
                counts[usize::from(owner)] += 1;
            }
        };
        match &self.table {
            Table::Rendezvous(table) => {
                slots(table.nodes()).for_each(|slot| count(table.owner_of_slot(slot)));
            }
            Table::Collector(ring) => (0..ring.size()).for_each(|position| count(ring.owner_at(position))),
        }
        let total = counts.iter().sum::<u32>().max(1);
        counts.iter().map(|&count| f64::from(count) / f64::from(total)).collect()
    }

    /// The share of the key space whose owner, by id, is another one in `new` than in `old`; what had no owner and
    /// gets one, or loses it, counts too. Exact or sampled as [`Routes::shares`]; also off the data path.
    pub fn moved_share(old: &Self, new: &Self) -> f64 {
        let renamed = positions_in(old.members(), new.members());
        let moved = |before: Option<u16>, after: Option<u16>| match (before, after) {
            (Some(before), after) => renamed[usize::from(before)] != after || after.is_none(),
            (None, after) => after.is_some(),
        };
        match (&old.table, &new.table) {
            (Table::Rendezvous(before), Table::Rendezvous(after)) if before.seed() == after.seed() => {
                share(slots(before.nodes() + after.nodes()), |slot| {
                    moved(before.owner_of_slot(slot), after.owner_of_slot(slot))
                })
            }
            (Table::Collector(before), Table::Collector(after)) if old.ring == new.ring => {
                share(0..before.size(), |position| moved(before.owner_at(position), after.owner_at(position)))
            }
            _ => share(0..SAMPLES, |number| {
                // Any well-spread ids will do, as long as every run takes the same ones.
                let half = xxh3_64(&number.to_le_bytes());
                let id = (u128::from(!half) << 64) | u128::from(half);
                TraceId::from_slice(&id.to_be_bytes())
                    .is_some_and(|id| moved(old.owner_of_trace(&id), new.owner_of_trace(&id)))
            }),
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("ring", &self.ring)
            .field("members", &self.members().len())
            .field("fingerprint", &format_args!("{:016x}", self.fingerprint))
            .finish_non_exhaustive()
    }
}

/// As many slots, evenly spaced, as can be elected with [`BIDS_MAX`] bids.
fn slots(bidders: usize) -> impl Iterator<Item = u32> {
    let bids = u64::from(SLOTS) * bidders as u64;
    let stride = bids.div_ceil(BIDS_MAX).max(1);
    (0..SLOTS).step_by(stride as usize)
}

fn share<T>(keys: impl Iterator<Item = T>, moved: impl Fn(T) -> bool) -> f64 {
    let (mut total, mut count) = (0u32, 0u32);
    for key in keys {
        total += 1;
        count += u32::from(moved(key));
    }
    f64::from(count) / f64::from(total.max(1))
}

/// Where each member of `old` stands in `new`. Both are sorted by id.
fn positions_in(old: &[Member], new: &[Member]) -> Vec<Option<u16>> {
    old.iter()
        .map(|member| {
            let found = new.binary_search_by(|other| other.id.cmp(&member.id)).ok()?;
            u16::try_from(found).ok()
        })
        .collect()
}

fn fingerprint(membership: &Membership, ring: Ring) -> u64 {
    let algorithm: &[u8] = match ring {
        Ring::Rendezvous => b"rendezvous-1/2^20",
        Ring::CollectorV3 => b"collector-v3",
        Ring::CollectorV1 => b"collector-v1",
    };
    let mut hash = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(algorithm);
    part(&membership.seed.to_le_bytes());
    for member in &membership.members {
        part(member.id.as_bytes());
        part(&member.weight.to_le_bytes());
    }
    hash.digest()
}
