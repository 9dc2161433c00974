//! Look-ups of owners: warm (the slot is known) and cold (the slot elects its owner), at 3, 30 and 300 members.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringtail::route::{Member, Membership, Ring, Routes};
use ringtail::trace_id::TraceId;

const KEYS: u64 = 4096;

type Weight = fn(usize) -> u32;

fn membership(count: usize, weight: Weight) -> Membership {
    let members =
        (0..count).map(|i| Member { weight: weight(i), ..Member::new(format!("backend-{i:03}:4317")) });
    Membership::new(None, 1, members.collect())
}

fn ids() -> Vec<TraceId> {
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    (0..KEYS)
        .filter_map(|_| {
            let id = (u128::from(next()) << 64) | u128::from(next());
            TraceId::from_slice(&id.to_be_bytes())
        })
        .collect()
}

fn look_up(routes: &Routes, ids: &[TraceId]) {
    for id in ids {
        black_box(routes.owner_of_trace(black_box(id)));
    }
}

fn lookups(c: &mut Criterion) {
    let ids = ids();
    let mut group = c.benchmark_group("route");
    group.throughput(Throughput::Elements(KEYS)).sample_size(20);
    for count in [3, 30, 300] {
        let weightings: [(&str, Weight); 2] = [("equal", |_| 1), ("weighted", |i| 1 + i as u32 % 10)];
        for (name, weight) in weightings {
            let routes = Routes::new(membership(count, weight), Ring::Rendezvous);
            look_up(&routes, &ids);
            group.bench_function(format!("warm/{name}/{count}"), |b| b.iter(|| look_up(&routes, &ids)));
            group.bench_function(format!("cold/{name}/{count}"), |b| {
                b.iter_batched_ref(
                    || Routes::new(membership(count, weight), Ring::Rendezvous),
                    |routes| look_up(routes, &ids),
                    BatchSize::PerIteration,
                );
            });
        }
        let collector = Routes::new(membership(count, |_| 1), Ring::CollectorV3);
        group.bench_function(format!("collector-v3/{count}"), |b| b.iter(|| look_up(&collector, &ids)));
    }
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
