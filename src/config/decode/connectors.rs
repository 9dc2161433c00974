//! Connectors in pipelines: each joins pipelines of one signal, and no way leads back to where it began.

use std::collections::BTreeMap;

use super::Context;
use super::service::{Reference, Wanted};
use crate::config::settings::ComponentId;
use crate::outcome::Signal;

/// Checks how the connectors `ids` are used. Those of other types have been refused before.
pub(super) fn check(context: &Context, ids: &[&ComponentId], pipelines: &[Wanted]) {
    let ids: Vec<_> = ids.iter().copied().filter(|id| id.kind == "forward").collect();
    one_sided(context, &ids, pipelines);
    let mut graph = Graph { pipelines, receiving: BTreeMap::new(), state: vec![State::New; pipelines.len()] };
    for (index, pipeline) in pipelines.iter().enumerate() {
        for reference in pipeline.receivers.iter().filter(|reference| ids.contains(&&reference.id)) {
            graph.receiving.entry((pipeline.signal, &reference.id)).or_default().push(index);
        }
    }
    for index in 0..pipelines.len() {
        graph.follow(context, index, &mut Vec::new());
    }
}

/// What goes in must come out, and the other way round.
fn one_sided(context: &Context, ids: &[&ComponentId], pipelines: &[Wanted]) {
    for id in ids {
        for signal in Signal::ALL {
            let using = |list: fn(&Wanted) -> &Vec<Reference>| {
                let of_signal = pipelines.iter().filter(move |pipeline| pipeline.signal == signal);
                of_signal
                    .filter_map(|pipeline| {
                        let reference = list(pipeline).iter().find(|reference| reference.id == **id)?;
                        Some((pipeline, reference))
                    })
                    .collect::<Vec<_>>()
            };
            let (exporter, receiver) = (using(|one| &one.exporters), using(|one| &one.receivers));
            let (used, as_what, missing) = match (&exporter[..], &receiver[..]) {
                ([_, ..], []) => (exporter, "exporter", "receiver"),
                ([], [_, ..]) => (receiver, "receiver", "exporter"),
                _ => continue,
            };
            let names: Vec<_> = used.iter().map(|(pipeline, _)| pipeline.id.to_string()).collect();
            let (pipeline, reference) = used[0];
            let message = format!(
                "connector {} used as {as_what} in [{}] pipeline but not used in any supported {missing} pipeline",
                reference.shown(),
                names.join(" ")
            );
            let help = format!("name it as {missing} of another pipeline of {}", signal.name());
            let path = format!("{}::{as_what}s", pipeline.path);
            context.push(reference.mark.error(&path, message, Some(help)));
        }
    }
}

/// Pipelines, and which of them each connector leads to.
struct Graph<'a> {
    pipelines: &'a [Wanted],
    receiving: BTreeMap<(Signal, &'a ComponentId), Vec<usize>>,
    state: Vec<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnTheWay,
    Done,
}

impl<'a> Graph<'a> {
    /// Follows every way on from a pipeline; `way` is how it was reached: pipelines and the connector out of each.
    fn follow(&mut self, context: &Context, index: usize, way: &mut Vec<(usize, &'a Reference)>) {
        match self.state[index] {
            State::Done => return,
            State::OnTheWay => return self.report(context, index, way),
            State::New => self.state[index] = State::OnTheWay,
        }
        let pipeline = &self.pipelines[index];
        for reference in &pipeline.exporters {
            let Some(next) = self.receiving.get(&(pipeline.signal, &reference.id)) else { continue };
            for next in next.clone() {
                way.push((index, reference));
                self.follow(context, next, way);
                way.pop();
            }
        }
        self.state[index] = State::Done;
    }

    /// Names the circle in the Collector's words, from the connector that closes it.
    fn report(&self, context: &Context, index: usize, way: &[(usize, &Reference)]) {
        let from = way.iter().position(|(known, _)| *known == index).unwrap_or(0);
        let Some((last, closing)) = way.last() else { return };
        let signal = self.pipelines[index].signal.name();
        let connector =
            |reference: &Reference| format!("connector {} ({signal} to {signal})", reference.shown());
        let mut nodes = vec![connector(closing)];
        for (at, reference) in &way[from..] {
            let pipeline = &self.pipelines[*at];
            let named = |processor: &Reference| {
                format!("processor {} in pipeline \"{}\"", processor.shown(), pipeline.id)
            };
            nodes.extend(pipeline.processors.iter().map(named));
            nodes.push(connector(reference));
        }
        let message = format!("cycle detected: {}", nodes.join(" -> "));
        let path = format!("{}::exporters", self.pipelines[*last].path);
        let help = "what enters would never leave; take the connector out of one of these pipelines";
        context.push(closing.mark.error(&path, message, Some(help.to_owned())));
    }
}
