//! Ownership as others see it: golden vectors, the collectors' vectors, and what a change of members may move.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use ringtail::route::{Member, Membership, Ring, Routes, push_attribute, service_key};
use ringtail::trace_id::TraceId;

fn members(weighted: &[(&str, u32)]) -> Vec<Member> {
    weighted.iter().map(|&(id, weight)| Member { weight, ..Member::new(id) }).collect()
}

fn routes(ids: &[&str], ring: Ring) -> Routes {
    Routes::new(Membership::new(None, 0, ids.iter().map(|id| Member::new(*id)).collect()), ring)
}

fn id(hex: &str) -> TraceId {
    TraceId::from_hex(hex).unwrap()
}

fn owner<'a>(routes: &'a Routes, id: &TraceId) -> Option<&'a str> {
    routes.owner_of_trace(id).map(|index| routes.members()[usize::from(index)].id.as_str())
}

/// Well-spread ids, the same in every run.
fn sample(count: u64) -> impl Iterator<Item = TraceId> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).filter_map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let low = state ^ (state >> 31);
        TraceId::from_slice(&((u128::from(!state) << 64) | u128::from(low)).to_be_bytes())
    })
}

const IDS: [&str; 12] = [
    "00000000000000000000000000000001",
    "0102030405060708090a0b0c0d0e0f10",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "ffffffffffffffffffffffffffffffff",
    "80000000000000000000000000000000",
    "deadbeefdeadbeefdeadbeefdeadbeef",
    "0af7651916cd43dd8448eb211c80319c",
    "5b8efff798038103d269b633813fc60c",
    "11111111111111111111111111111111",
    "bdd640fb06671ad11c80317fa3b1799d",
    "23b8c1e9392456de3eb13b9046685257",
    "972a846916419f828b9d2434e465e150",
];

const B: [&str; 5] = ["10.0.0.1:4317", "10.0.0.2:4317", "10.0.0.3:4317", "10.0.0.4:4317", "10.0.0.5:4317"];
const P: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const H: [&str; 4] = ["backend-0.svc:4317", "backend-1.svc:4317", "backend-2.svc:4317", "backend-3.svc:4317"];

/// One digit an id: the owner's index in the list.
fn owners(routes: &Routes) -> String {
    IDS.iter().map(|hex| routes.owner_of_trace(&id(hex)).unwrap().to_string()).collect()
}

/// Owners frozen when the algorithm was: a change here moves live traces and needs a new algorithm name in the
/// fingerprint.
#[test]
fn rendezvous_owners_are_frozen() {
    let weighted = [("a", 1), ("b", 10), ("c", 0), ("d", 65_535), ("e", 9000)];
    let set = |seed, weighted: &[(&str, u32)]| {
        Routes::new(Membership::new(None, seed, members(weighted)), Ring::Rendezvous)
    };
    let many: Vec<(String, u32)> = (0..9).map(|i| (format!("sampler-{i}"), 1)).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|(id, weight)| (id.as_str(), *weight)).collect();
    let frozen = [
        (owners(&routes(&["a", "b", "c"], Ring::Rendezvous)), "201202210021"),
        (owners(&routes(&B[..3], Ring::Rendezvous)), "000210022212"),
        (owners(&routes(&B, Ring::Rendezvous)), "000210032433"),
        (owners(&set(0, &weighted)), "333333333434"),
        (owners(&set(0, &many)), "211403874508"),
        (owners(&set(42, &many)), "612207004155"),
        (owners(&set(42, &[("sampler-0", 3), ("sampler-1", 2), ("sampler-2", 1)])), "012200000100"),
    ];
    for (number, (found, expected)) in frozen.iter().enumerate() {
        assert_eq!(found, expected, "set {number}");
    }
    let three = routes(&["a", "b", "c"], Ring::Rendezvous);
    assert_eq!(three.owner_of_zero(), Some(2));
    assert_eq!(three.owner_of_key(b"service.name=checkout|"), Some(1));
    assert_eq!(three.fingerprint(), 0x5611_132c_db57_30cd);
}

#[test]
fn collector_v3_owners_are_the_collectors() {
    let ring = |ids: &[&str]| owners(&routes(ids, Ring::CollectorV3));
    assert_eq!(ring(&["a", "b", "c"]), "001100202100");
    assert_eq!(ring(&B[..2]), "111111001101");
    assert_eq!(ring(&B[..3]), "112111001102");
    assert_eq!(ring(&B), "112111001132");
    assert_eq!(ring(&P), "112102011102");
    assert_eq!(ring(&H), "122322223201");
}

#[test]
fn collector_v1_owners_are_the_collectors() {
    assert_eq!(owners(&routes(&B[..3], Ring::CollectorV1)), "222021001212");
    assert_eq!(owners(&routes(&B, Ring::CollectorV1)), "433424004212");
}

#[test]
fn collectors_hash_the_string_as_written() {
    let (bare, with_port) = (routes(&P, Ring::CollectorV3), routes(&B[..3], Ring::CollectorV3));
    assert_ne!(owners(&bare), owners(&with_port));
    assert!(Routes::moved_share(&bare, &with_port) > 0.99, "no id is in both");
}

#[test]
fn collector_shares_are_as_measured() {
    let ids: Vec<String> = (1..=10).map(|i| format!("10.0.0.{i}:4317")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (count, max, min) in [(3, 1.23, 0.87), (5, 1.23, 0.84), (10, 1.15, 0.83)] {
        let shares = routes(&ids[..count], Ring::CollectorV3).shares();
        let mean = 1.0 / count as f64;
        let highest = shares.iter().copied().fold(0.0, f64::max) / mean;
        let lowest = shares.iter().copied().fold(1.0, f64::min) / mean;
        assert!((highest - max).abs() < 0.01, "{count}: {highest}");
        assert!((lowest - min).abs() < 0.01, "{count}: {lowest}");
    }
}

#[test]
fn nobody_owns_anything_without_members_or_weights() {
    for ring in [Ring::Rendezvous, Ring::CollectorV3, Ring::CollectorV1] {
        for list in [&[][..], &[("a", 0), ("b", 0)]] {
            let routes = Routes::new(Membership::new(None, 0, members(list)), ring);
            assert_eq!(routes.owner_of_trace(&id(IDS[2])), None);
            assert_eq!(routes.owner_of_zero(), None);
            assert_eq!(routes.owner_of_key(b"x"), None);
            assert!(routes.shares().iter().all(|&share| share == 0.0));
            assert_eq!(Routes::moved_share(&routes, &routes), 0.0);
        }
    }
}

#[test]
fn every_owner_appears_and_disappears_as_a_move() {
    let (none, one) = (routes(&[], Ring::Rendezvous), routes(&["a"], Ring::Rendezvous));
    assert_eq!(Routes::moved_share(&none, &one), 1.0);
    assert_eq!(Routes::moved_share(&one, &none), 1.0);
    assert_eq!(Routes::moved_share(&one, &one), 0.0);
}

#[test]
fn shares_follow_weights() {
    for (count, tolerance) in [(3, 0.01), (10, 0.02), (100, 0.10), (300, 0.40), (1000, 1.0)] {
        for weigh in [|_| 1, |i: u32| 1 + i % 3] {
            let list: Vec<Member> = (0..count)
                .map(|i| Member { weight: weigh(i), ..Member::new(format!("sampler-{i:04}")) })
                .collect();
            let total: u32 = list.iter().map(|m| m.weight).sum();
            let routes = Routes::new(Membership::new(None, 3, list), Ring::Rendezvous);
            let shares = routes.shares();
            for (member, share) in routes.members().iter().zip(&shares) {
                let fair = f64::from(member.weight) / f64::from(total);
                assert!((share / fair - 1.0).abs() < tolerance, "{count}: {} {share} {fair}", member.id);
            }
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn adding_one_of_eleven_moves_an_eleventh() {
    let ids: Vec<String> = (0..11).map(|i| format!("sampler-{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (ten, eleven) = (routes(&ids[..10], Ring::Rendezvous), routes(&ids, Ring::Rendezvous));
    let moved = Routes::moved_share(&ten, &eleven);
    assert!((moved - 1.0 / 11.0).abs() < 0.002, "{moved}");
    assert_eq!(moved, Routes::moved_share(&eleven, &ten));
    let reseeded = Routes::new(Membership::new(None, 9, ten.members().to_vec()), Ring::Rendezvous);
    let moved = Routes::moved_share(&ten, &reseeded);
    assert!((moved - 0.9).abs() < 0.01, "another seed is another table: {moved}");
}

#[test]
fn addresses_labels_and_epochs_change_no_owner() {
    let before = routes(&["a", "b", "c"], Ring::Rendezvous);
    let moved_house: Vec<Member> = before
        .members()
        .iter()
        .map(|m| Member {
            address: format!("{}.elsewhere:1", m.id),
            labels: [("zone".to_owned(), "1".to_owned())].into(),
            ..m.clone()
        })
        .collect();
    let after = Routes::new(Membership::new(Some(7), 0, moved_house), Ring::Rendezvous);
    assert_eq!(Routes::moved_share(&before, &after), 0.0);
    assert_eq!(before.fingerprint(), after.fingerprint());
}

#[test]
fn fingerprint_depends_on_every_ingredient() {
    let make = |seed, list: &[(&str, u32)], ring| {
        Routes::new(Membership::new(None, seed, members(list)), ring).fingerprint()
    };
    let all = [
        make(0, &[("a", 1), ("b", 1)], Ring::Rendezvous),
        make(0, &[("a", 1), ("b", 1)], Ring::CollectorV3),
        make(0, &[("a", 1), ("b", 1)], Ring::CollectorV1),
        make(1, &[("a", 1), ("b", 1)], Ring::Rendezvous),
        make(0, &[("a", 1), ("b", 2)], Ring::Rendezvous),
        make(0, &[("a", 2), ("b", 1)], Ring::Rendezvous),
        make(0, &[("a", 1)], Ring::Rendezvous),
        make(0, &[("a", 1), ("c", 1)], Ring::Rendezvous),
        make(0, &[], Ring::Rendezvous),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(
        make(0, &[("b", 1), ("a", 1)], Ring::Rendezvous),
        make(0, &[("a", 1), ("b", 1)], Ring::Rendezvous)
    );
}

#[test]
fn both_views_of_a_trace_meet_at_one_owner() {
    let routes = routes(&B, Ring::Rendezvous);
    for long in sample(200) {
        let short = TraceId::from_hex(&format!("{:032x}", long.routing_bits())).unwrap();
        assert_eq!(routes.owner_of_trace(&long), routes.owner_of_trace(&short));
    }
}

#[test]
fn routing_keys_share_the_ring_of_traces() {
    let mut key = Vec::new();
    service_key(true, Some(b"checkout"), &mut key);
    let mut same = Vec::new();
    push_attribute("service.name", Some(b"checkout"), &mut same);
    for ring in [Ring::Rendezvous, Ring::CollectorV3, Ring::CollectorV1] {
        let routes = routes(&B, ring);
        assert_eq!(routes.owner_of_key(&key), routes.owner_of_key(&same));
        assert!(routes.owner_of_key(&key).is_some());
        if ring != Ring::Rendezvous {
            let trace = id(IDS[2]);
            assert_eq!(routes.owner_of_key(trace.as_bytes()), routes.owner_of_trace(&trace));
        }
    }
}

fn lists() -> impl Strategy<Value = Vec<(String, u32)>> {
    prop::collection::btree_map("[a-z]{1,6}", 0u32..=20, 1..12).prop_map(|map| map.into_iter().collect())
}

fn table(list: &[(String, u32)]) -> Routes {
    let list: Vec<(&str, u32)> = list.iter().map(|(id, weight)| (id.as_str(), *weight)).collect();
    Routes::new(Membership::new(None, 5, members(&list)), Ring::Rendezvous)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_of_the_list_changes_nothing(list in lists(), turn: prop::sample::Index, seed: u64) {
        let mut turned = list.clone();
        turned.rotate_left(turn.index(list.len()));
        for ring in [Ring::Rendezvous, Ring::CollectorV3, Ring::CollectorV1] {
            let make = |list: &[(String, u32)]| {
                let list: Vec<(&str, u32)> = list.iter().map(|(id, weight)| (id.as_str(), *weight)).collect();
                Routes::new(Membership::new(None, seed, members(&list)), ring)
            };
            let (a, b) = (make(&list), make(&turned));
            prop_assert_eq!(a.fingerprint(), b.fingerprint());
            for id in sample(50) {
                prop_assert_eq!(owner(&a, &id), owner(&b, &id));
            }
        }
    }

    #[test]
    fn leaving_moves_only_what_the_leaver_owned(list in lists(), leaver: prop::sample::Index) {
        let before = table(&list);
        let mut rest = list.clone();
        let (gone, _) = rest.remove(leaver.index(list.len()));
        let after = table(&rest);
        for id in sample(300) {
            if owner(&before, &id) != Some(&gone) {
                prop_assert_eq!(owner(&before, &id), owner(&after, &id));
            }
        }
    }

    #[test]
    fn a_new_weight_moves_only_to_or_from_its_member(list in lists(), at: prop::sample::Index, weight in 0u32..=40) {
        let before = table(&list);
        let mut other = list.clone();
        let (name, old) = other[at.index(list.len())].clone();
        other[at.index(list.len())].1 = weight;
        let after = table(&other);
        for id in sample(300) {
            let (was, is) = (owner(&before, &id), owner(&after, &id));
            if was != is {
                let (gains, loses) = (is == Some(&name), was == Some(&name));
                prop_assert!(if weight > old { gains } else { loses }, "{was:?} {is:?} {name} {old} {weight}");
            }
        }
    }

    #[test]
    fn common_factors_of_weights_change_nothing(list in lists(), factor in 1u32..=3000) {
        let heavier: Vec<_> = list.iter().map(|(id, weight)| (id.clone(), weight * factor)).collect();
        let (a, b) = (table(&list), table(&heavier));
        for id in sample(100) {
            prop_assert_eq!(owner(&a, &id), owner(&b, &id));
        }
    }
}
