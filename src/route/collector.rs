//! The collectors' own rings, for fleets that run ringtail beside their `load_balancing` exporters.
//!
//! Ring and key positions are CRC-32 values modulo the size of the ring; a key belongs to the first point at or after
//! it. Weights have no influence, except that a member of weight zero gets no points. A list that named one endpoint
//! twice differs from the collectors' ring here: there the twin's points probe on to free positions and keep
//! probing for others, here the twin is gone.

use super::members::Member;

/// A position that no member took.
const FREE: u16 = u16::MAX;

/// Owner by position: the points spread out, so that a lookup is one load.
pub(super) struct CollectorRing {
    owners: Box<[u16]>,
}

impl CollectorRing {
    /// The ring of contrib 0.157 to 0.160: 200 points a member on 131,071 positions, placed in the order of position,
    /// hash and endpoint; a taken position passes the point on to the next, ten tries in all.
    pub(super) fn v3(members: &[Member]) -> Self {
        const SIZE: u32 = (1 << 17) - 1;
        let mut points = Vec::with_capacity(members.len() * 200);
        for (index, member) in owning(members) {
            let prefix = crc_of(member.id.as_bytes());
            for i in 0..200u32 {
                points.push((extended(&prefix, &i.to_le_bytes()), index));
            }
        }
        points.sort_unstable_by_key(|&(hash, index)| (hash % SIZE, hash, index));
        let mut owners = vec![FREE; SIZE as usize];
        for (hash, index) in points {
            let free = (0..10)
                .map(|step| ((hash % SIZE + step) % SIZE) as usize)
                .find(|&position| owners[position] == FREE);
            if let Some(position) = free {
                owners[position] = index;
            }
        }
        Self { owners: spread(owners) }
    }

    /// The ring until mid 2025: 100 points a member on 36,000 positions, member by member; a taken position drops
    /// the point.
    pub(super) fn v1(members: &[Member]) -> Self {
        const SIZE: u32 = 36_000;
        let mut owners = vec![FREE; SIZE as usize];
        for (index, member) in owning(members) {
            let prefix = crc_of(member.id.as_bytes());
            for i in 0..100u8 {
                let place = &mut owners[(extended(&prefix, &[i]) % SIZE) as usize];
                if *place == FREE {
                    *place = index;
                }
            }
        }
        Self { owners: spread(owners) }
    }

    /// The owner of a key.
    #[inline]
    pub(super) fn owner(&self, key: &[u8]) -> Option<u16> {
        self.owner_at(crc32fast::hash(key))
    }

    /// The owner of a position, modulo the size of the ring.
    #[inline]
    pub(super) fn owner_at(&self, position: u32) -> Option<u16> {
        let owner = self.owners[position as usize % self.owners.len()];
        (owner != FREE).then_some(owner)
    }

    /// How many positions there are.
    pub(super) fn size(&self) -> u32 {
        self.owners.len() as u32
    }
}

fn owning(members: &[Member]) -> impl Iterator<Item = (u16, &Member)> {
    (0..FREE).zip(members).filter(|(_, member)| member.weight > 0)
}

fn crc_of(bytes: &[u8]) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes);
    hasher
}

fn extended(prefix: &crc32fast::Hasher, bytes: &[u8]) -> u32 {
    let mut hasher = prefix.clone();
    hasher.update(bytes);
    hasher.finalize()
}

/// Gives every free position to the next taken one, around the ring.
fn spread(mut owners: Vec<u16>) -> Box<[u16]> {
    let mut next = owners.iter().copied().find(|&owner| owner != FREE).unwrap_or(FREE);
    for owner in owners.iter_mut().rev() {
        if *owner == FREE {
            *owner = next;
        } else {
            next = *owner;
        }
    }
    owners.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ids: &[&str]) -> Vec<Member> {
        ids.iter().map(|id| Member::new(*id)).collect()
    }

    /// Where the owner changes: the points, but of a run of points of one owner only the last.
    fn borders(ring: &CollectorRing) -> Vec<(u32, u16)> {
        let size = ring.size();
        (0..size)
            .filter(|&p| ring.owner_at(p) != ring.owner_at((p + 1) % size))
            .map(|p| (p, ring.owner_at(p).unwrap()))
            .collect()
    }

    #[test]
    fn first_points_of_a_b_c_stand_where_the_collector_puts_them() {
        let ring = CollectorRing::v3(&members(&["a", "b", "c"]));
        // Points 103 a, 576 b, 593 c, 635 a; the last of the ring is 130853 b.
        for (position, owner) in
            [(0, 0), (103, 0), (104, 1), (576, 1), (577, 2), (593, 2), (594, 0), (635, 0)]
        {
            assert_eq!(ring.owner_at(position), Some(owner), "{position}");
        }
        assert_eq!(ring.owner_at(130_853), Some(1));
        assert_eq!(ring.owner_at(130_854), Some(0), "after the last point the ring wraps to the first");
    }

    #[test]
    fn first_points_of_addresses_and_names_stand_where_the_collector_puts_them() {
        let addresses = CollectorRing::v3(&members(&["10.0.0.1:4317", "10.0.0.2:4317", "10.0.0.3:4317"]));
        assert_eq!(borders(&addresses)[..2], [(258, 0), (905, 1)]);
        assert_eq!(addresses.owner_at(914), Some(2));
        assert_eq!(addresses.owner_at(131_050), Some(1));
        let bare = CollectorRing::v3(&members(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
        assert_eq!(borders(&bare)[..4], [(226, 2), (337, 0), (668, 2), (813, 1)]);
        assert_eq!(bare.owner_at(131_043), Some(0));
        let names = members(&[
            "backend-0.svc:4317",
            "backend-1.svc:4317",
            "backend-2.svc:4317",
            "backend-3.svc:4317",
        ]);
        let names = CollectorRing::v3(&names);
        assert_eq!(borders(&names)[..3], [(500, 2), (702, 0), (846, 2)]);
        assert_eq!(names.owner_at(130_735), Some(3));
    }

    #[test]
    fn keys_stand_where_the_collector_puts_them() {
        let list = members(&["a", "b", "c", "d", "e"]);
        let (v3, v1) = (CollectorRing::v3(&list), CollectorRing::v1(&list));
        for (id, in_v3, in_v1) in [
            (0x00000000000000000000000000000001_u128, 51617, 12931),
            (0x0102030405060708090a0b0c0d0e0f10_u128, 34199, 20689),
            (0x4bf92f3577b34da6a3ce929d0e0e4736_u128, 99306, 4869),
            (0xffffffffffffffffffffffffffffffff_u128, 124403, 14266),
            (0x80000000000000000000000000000000_u128, 65220, 20193),
            (0xdeadbeefdeadbeefdeadbeefdeadbeef_u128, 107647, 877),
            (0x0af7651916cd43dd8448eb211c80319c_u128, 58042, 25813),
            (0x5b8efff798038103d269b633813fc60c_u128, 109249, 11896),
            (0x11111111111111111111111111111111_u128, 93116, 29368),
            (0xbdd640fb06671ad11c80317fa3b1799d_u128, 104568, 22987),
            (0x23b8c1e9392456de3eb13b9046685257_u128, 82874, 22410),
            (0x972a846916419f828b9d2434e465e150_u128, 53859, 5240),
        ] {
            let hash = crc32fast::hash(&id.to_be_bytes());
            assert_eq!((hash % v3.size(), hash % v1.size()), (in_v3, in_v1), "{id:032x}");
            assert_eq!(v3.owner(&id.to_be_bytes()), v3.owner_at(in_v3));
            assert_eq!(v1.owner(&id.to_be_bytes()), v1.owner_at(in_v1));
        }
    }

    #[test]
    fn members_of_weight_zero_have_no_points() {
        let mut drained = members(&["a", "b", "c"]);
        drained[1].weight = 0;
        let without = members(&["a", "c"]);
        for (with, without) in [
            (CollectorRing::v3(&drained), CollectorRing::v3(&without)),
            (CollectorRing::v1(&drained), CollectorRing::v1(&without)),
        ] {
            for position in 0..with.size() {
                assert_eq!(with.owner_at(position) == Some(0), without.owner_at(position) == Some(0));
            }
        }
        assert_eq!(CollectorRing::v3(&[]).owner(b"x"), None);
        assert_eq!(CollectorRing::v1(&[]).owner(b"x"), None);
    }
}
