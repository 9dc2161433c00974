//! The order of pipelines: connectors lead from one to the next.

use std::collections::BTreeMap;

use crate::config::{ComponentId, Pipeline, Settings};

/// The pipelines by how far from the receivers they stand: those that no connector leads to first, then those behind
/// them. The configuration has no circles.
pub fn levels(settings: &Settings) -> Vec<Vec<&Pipeline>> {
    let mut distances = BTreeMap::new();
    let mut levels: Vec<Vec<&Pipeline>> = Vec::new();
    for pipeline in &settings.pipelines {
        let distance = distance(settings, pipeline, &mut distances);
        levels.resize_with(levels.len().max(distance + 1), Vec::new);
        levels[distance].push(pipeline);
    }
    levels
}

/// Connectors on the longest way from a receiver.
fn distance<'a>(
    settings: &'a Settings,
    pipeline: &'a Pipeline,
    known: &mut BTreeMap<&'a ComponentId, usize>,
) -> usize {
    if let Some(distance) = known.get(&pipeline.id) {
        return *distance;
    }
    let before = settings.pipelines.iter().filter(|one| leads_to(settings, one, pipeline));
    let distance = before.map(|one| distance(settings, one, known) + 1).max().unwrap_or(0);
    known.insert(&pipeline.id, distance);
    distance
}

fn leads_to(settings: &Settings, from: &Pipeline, to: &Pipeline) -> bool {
    let joined = |id: &&ComponentId| settings.connectors.contains(id) && to.receivers.contains(id);
    from.signal == to.signal && from.exporters.iter().any(|id| joined(&id))
}

/// The pipelines behind a connector, as an exporter of `pipeline`.
pub fn behind<'a>(
    settings: &'a Settings,
    pipeline: &'a Pipeline,
    connector: &'a ComponentId,
) -> impl Iterator<Item = &'a Pipeline> {
    let receives = move |one: &&Pipeline| one.signal == pipeline.signal && one.receivers.contains(connector);
    settings.pipelines.iter().filter(receives)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn settings(pipelines: &str) -> Settings {
        let text = format!(
            "yaml:{{receivers: {{otlp: {{protocols: {{grpc: }}}}}}, exporters: {{nop: }}, connectors: {{forward: , forward/b: }}, \
             service: {{pipelines: {{{pipelines}}}}}}}"
        );
        load(&[text], &[], &|_| None).unwrap().settings
    }

    #[test]
    fn the_longest_way_decides() {
        let settings = settings(
            "traces/a: {receivers: [forward, forward/b], exporters: [nop]}, \
             traces/b: {receivers: [forward], exporters: [forward/b]}, \
             traces/c: {receivers: [otlp], exporters: [forward, nop]}, \
             metrics: {receivers: [otlp], exporters: [nop]}",
        );
        let names = |level: &Vec<&Pipeline>| -> Vec<String> {
            level.iter().map(|pipeline| pipeline.id.to_string()).collect()
        };
        let levels: Vec<_> = levels(&settings).iter().map(names).collect();
        assert_eq!(levels, [vec!["metrics", "traces/c"], vec!["traces/b"], vec!["traces/a"]]);
    }
}
