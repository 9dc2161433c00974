//! How everything is, for health checks of the second form: the parts as the configuration in force names them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::live::{Live, View};
use crate::config::{ComponentId, Pipeline};
use crate::observe::{Condition, Status};

/// How the process is since `since`, with its extensions and pipelines.
pub fn condition(view: &View, live: &Live) -> Condition {
    let (status, since) = live.status();
    let of = |parts| Condition::of(status, since).with_parts(parts);
    let settings = &view.loaded.settings;
    let admin = settings.admin.iter().map(|_| "extension:admin".to_owned());
    let named = settings.extensions.iter().map(|id| format!("extension:{id}"));
    let extensions: BTreeMap<_, _> = named.chain(admin).map(|name| (name, of(BTreeMap::new()))).collect();
    let mut parts: BTreeMap<String, Condition> = BTreeMap::new();
    parts.insert("extensions".into(), of(extensions));
    for pipeline in &settings.pipelines {
        parts.insert(format!("pipeline:{}", pipeline.id), of(components(view, pipeline, (status, since))));
    }
    of(parts)
}

fn components(
    view: &View,
    pipeline: &Pipeline,
    (status, since): (Status, SystemTime),
) -> BTreeMap<String, Condition> {
    let connectors = &view.loaded.settings.connectors;
    let name = |kind: &str, id: &ComponentId| {
        format!("{}:{id}", if connectors.contains(id) { "connector" } else { kind })
    };
    let fine = || Condition::of(status, since);
    let mut found = BTreeMap::new();
    found.extend(pipeline.receivers.iter().map(|id| (name("receiver", id), fine())));
    found.extend(pipeline.processors.iter().map(|id| (name("processor", id), fine())));
    found.extend(pipeline.exporters.iter().map(|id| {
        let down = view.graph.unreachable_since(id, pipeline.signal).filter(|_| status == Status::Ok);
        let condition = down.map(|since| Condition {
            error: Some("the backend cannot be reached".into()),
            ..Condition::of(Status::RecoverableError, since)
        });
        (name("exporter", id), condition.unwrap_or_else(fine))
    }));
    found
}
