//! What a new configuration changes, in words for the log and for `/config`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::config::Settings;

/// The components and pipelines that were added, removed or changed, by their keys.
pub fn changes(old: &Settings, new: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    section("receivers", &old.receivers, &new.receivers, &mut found);
    section("processors", &old.processors, &new.processors, &mut found);
    section("exporters", &old.exporters, &new.exporters, &mut found);
    section("connectors", &named(&old.connectors), &named(&new.connectors), &mut found);
    let pipelines = |settings: &Settings| -> BTreeMap<_, _> {
        settings.pipelines.iter().map(|pipeline| (pipeline.id.clone(), pipeline.clone())).collect()
    };
    section("service::pipelines", &pipelines(old), &pipelines(new), &mut found);
    let rest = Settings {
        receivers: new.receivers.clone(),
        processors: new.processors.clone(),
        exporters: new.exporters.clone(),
        connectors: new.connectors.clone(),
        pipelines: new.pipelines.clone(),
        telemetry: new.telemetry.clone(),
        pushing: new.pushing.clone(),
        ..old.clone()
    };
    if (&old.telemetry, &old.pushing) != (&new.telemetry, &new.pushing) {
        found.push("service::telemetry changed".into());
    }
    if rest != *new {
        found.push("extensions changed".into());
    }
    found
}

fn named<K: Ord + Clone>(ids: &BTreeSet<K>) -> BTreeMap<K, ()> {
    ids.iter().map(|id| (id.clone(), ())).collect()
}

fn section<K: Ord + Display, V: PartialEq>(
    name: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    found: &mut Vec<String>,
) {
    for (id, value) in new {
        match old.get(id) {
            None => found.push(format!("{name}::{id} added")),
            Some(before) if before != value => found.push(format!("{name}::{id} changed")),
            Some(_) => {}
        }
    }
    found.extend(old.keys().filter(|id| !new.contains_key(id)).map(|id| format!("{name}::{id} removed")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn settings(rest: &str) -> Settings {
        let text = format!("yaml:{{receivers: {{otlp: {{protocols: {{grpc: }}}}}}, {rest}}}");
        load(&[text], &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}")).settings
    }

    #[test]
    fn each_change_is_named_once() {
        let old = settings(
            "processors: {batch: }, exporters: {nop: , debug: }, \
             service: {pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [nop, debug]}}}",
        );
        let new = settings(
            "processors: {batch: {timeout: 1s}}, exporters: {nop: , nop/b: }, extensions: {health_check: }, \
             service: {extensions: [health_check], telemetry: {logs: {level: warn}}, pipelines: {\
             traces: {receivers: [otlp], processors: [batch], exporters: [nop, nop/b]}, logs: {receivers: [otlp], exporters: [nop]}}}",
        );
        assert_eq!(changes(&old, &old), [""; 0]);
        assert_eq!(
            changes(&old, &new),
            [
                "processors::batch changed",
                "exporters::nop/b added",
                "exporters::debug removed",
                "service::pipelines::logs added",
                "service::pipelines::traces changed",
                "service::telemetry changed",
                "extensions changed",
            ]
        );
    }
}
