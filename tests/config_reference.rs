//! `config/reference.yaml` is complete: every key of the decoder occurs in it, and nothing else does.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use ringtail::config::{Exporter, KeyKind, Loaded, load};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/reference.yaml");

fn reference() -> Loaded {
    load(&[REFERENCE.to_owned()], &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Keys that are written behind `#`.
fn commented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(REFERENCE).unwrap();
    let word = regex::Regex::new(r"([a-z0-9_]+):").unwrap();
    text.lines()
        .filter_map(|line| line.split_once('#'))
        .flat_map(|(_, comment)| {
            word.captures_iter(comment).map(|found| found[1].to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_key_of_the_decoder_is_in_the_reference() {
    let loaded = reference();
    let commented = commented();
    let missing: Vec<String> = loaded
        .keys
        .iter()
        .filter(|(path, key)| {
            let name = path.rsplit('.').next().unwrap();
            !key.given && (key.kind == KeyKind::Live || !commented.contains(name))
        })
        .map(|(path, key)| format!("{path} ({:?})", key.kind))
        .collect();
    assert!(missing.is_empty(), "not in config/reference.yaml:\n{}", missing.join("\n"));
    assert!(loaded.keys.len() > 120, "the decoder registers its keys: {}", loaded.keys.len());
}

#[test]
fn nothing_else_is_in_the_reference() {
    let loaded = reference();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n\n"));
    let unusual: Vec<_> =
        loaded.keys.iter().filter(|(_, key)| key.given && key.kind != KeyKind::Live).collect();
    assert!(unusual.is_empty(), "keys without effect stand behind #: {unusual:?}");
}

#[test]
fn the_values_in_the_reference_are_the_defaults() {
    let mut full = reference().settings;
    full.telemetry.views.clear(); // nobody has these two by default
    full.telemetry.metrics[0].constant_labels = None;
    let minimal = "yaml:{receivers: {otlp: {protocols: {grpc: , http: }}}, processors: {batch: , \
        tail_sampling: {policies: [{name: all, type: always_sample}], journal: {max_memory: 4GiB}, \
        decision_cache: {sampled_cache_size: 1000000, non_sampled_cache_size: 1000000}}}, \
        exporters: {debug: , prometheus: {endpoint: \"localhost:8889\"}, file: {path: /var/log/ringtail/out.json}, otlp_grpc: {endpoint: \"localhost:14317\"}, load_balancing: {resolver: {static: {hostnames: [\"localhost:5317\", \"localhost:5318\"]}}}}, \
        service: {pipelines: {traces: {receivers: [otlp], processors: [tail_sampling, batch], \
        exporters: [load_balancing, otlp_grpc]}, \
        metrics: {receivers: [otlp], exporters: [prometheus]}, \
        logs: {receivers: [otlp], exporters: [debug, file]}}}}";
    let minimal =
        load(&[minimal.to_owned()], &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}")).settings;
    for (id, receiver) in &minimal.receivers {
        assert_eq!(&full.receivers[id], receiver);
    }
    for (id, exporter) in &minimal.exporters {
        assert_eq!(&full.exporters[id], exporter);
    }
    for (id, processor) in &minimal.processors {
        assert_eq!(&full.processors[id], processor);
    }
    assert_eq!(full.admin, minimal.admin);
    assert_eq!(full.telemetry, minimal.telemetry);
    assert!(minimal.exporters.values().any(|exporter| matches!(exporter, Exporter::LoadBalancing(_))));
}

#[test]
fn every_example_loads_without_a_warning() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&[path.display().to_string()], &[], &|_| None)
            .unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
        if !path.ends_with("founding.yaml") {
            // which keeps the names that it was written with; tests/founding.rs
            assert_eq!(loaded.warnings, [], "{}", path.display());
        }
        count += 1;
    }
    assert!(count >= 5, "static, dns, file, sampler and policies");
}
