//! Everything that runs, and how it becomes what another configuration says.
//!
//! A change has two halves. The first does all that can fail, beside what runs: it binds, opens, connects, checks. The
//! second cannot fail: it leads the joints of the line to what is new, from the back to the front, so that whatever
//! passes finds a whole line at any moment. What is not in the line any more ends behind, see [`leaving`].
//!
//! Owns: every component that runs, by id, signal and pipeline; the joints between them; what is leaving.
//! Takes: the graph that runs, and another configuration.
//! Gives: the graph of that configuration, or the reason why it cannot be, with nothing changed.
//! Bounds: one change at a time; a hundred that are still leaving, each for ten minutes and its samplers' wait.
//! Loses: what is leaving and cannot be handed on by then, by the reason of the component that held it: `shutdown`.

mod balancer;
mod exporters;
mod gates;
mod leaving;
mod lines;
mod order;
mod pushing;
mod receivers;
mod servers;
mod stages;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

pub use balancer::Balancer;
pub use leaving::{LEAVING_MAX, Leaving, Retired};
pub use stages::Stages;

use crate::app::extensions;
use crate::config::{ComponentId, Settings};
use crate::flow::Former;
use crate::observe::{Pages, Registry};
use crate::outcome::Signal;
use crate::receive::Serving;
use crate::shard::TailSampling;
use crate::workers::Workers;
use gates::{Gate, Limiters};
use lines::{Lines, Place};
use receivers::Receivers;
use servers::Servers;
use work::Work;

/// What the parts share.
#[derive(Clone)]
pub struct Ground {
    /// Where things run.
    pub workers: Arc<Workers>,
    /// Where they count.
    pub registry: Registry,
    /// Tells this process from others of its kind.
    pub instance: Arc<str>,
    /// When it began.
    pub started: SystemTime,
    /// Ends what follows members and what answers pages.
    pub stop: CancellationToken,
}

/// What runs. A clone is the same.
#[derive(Clone, Default)]
pub struct Graph {
    exporters: BTreeMap<ComponentId, exporters::Node>,
    processors: BTreeMap<Place, lines::Node>,
    gates: BTreeMap<ComponentId, Gate>,
    limiters: Limiters,
    receivers: BTreeMap<ComponentId, receivers::Node>,
    servers: Vec<servers::Node>,
    pushing: Vec<pushing::Node>,
    stages: Stages,
}

/// A change that is ready to be made.
pub struct Plan {
    graph: Graph, // but for receivers and servers
    receivers: Receivers,
    servers: Servers,
    pushing: pushing::Readers,
    work: Work,
}

impl Graph {
    /// Does everything that can fail on the way to what `settings` say. Nothing that runs has changed, then; an error,
    /// one line for a person, names the key.
    pub async fn prepare(
        &self,
        settings: &Settings,
        ground: &Ground,
        pages: &Arc<dyn Pages>,
    ) -> Result<Plan, String> {
        let mut work = Work::default();
        match self.prepare_with(settings, ground, pages, &mut work).await {
            Ok((graph, receivers, servers, pushing)) => Ok(Plan { graph, receivers, servers, pushing, work }),
            Err(error) => {
                work.give_up().await;
                Err(error)
            }
        }
    }

    async fn prepare_with(
        &self,
        settings: &Settings,
        ground: &Ground,
        pages: &Arc<dyn Pages>,
        work: &mut Work,
    ) -> Result<(Self, Receivers, Servers, pushing::Readers), String> {
        // First what leaves no trace when it is given up.
        lines::check(settings, &self.processors)?;
        let limiters = gates::limiters(settings, &self.limiters, &ground.registry)?;
        let gates = gates::named(&limiters);
        let receivers = receivers::prepare(settings, &self.receivers, &gates, ground, work)?;
        let servers = servers::prepare(settings, &self.servers, ground, pages).await?;
        extensions::create_storages(settings)?;
        let pushing = pushing::prepare(settings, &self.pushing, ground, work)?;
        let exporters = exporters::prepare(settings, &self.exporters, ground, work).await?;
        let mut lines = Lines::new(self, settings, &exporters, ground, work);
        let stages = lines.build().await?;
        let Lines { nodes: processors, gates, fronts, .. } = lines;
        receivers.lead(settings, &fronts, work)?;
        let graph = Self { exporters, processors, gates, limiters, stages, ..Self::default() };
        Ok((graph, receivers, servers, pushing))
    }

    /// Makes a planned change. Fails only where a sampler cannot take its new policies, and then nothing has changed.
    pub async fn make(&self, plan: Plan, ground: &Ground) -> Result<(Self, Leaving), String> {
        let Plan { mut graph, receivers, servers, pushing, mut work } = plan;
        if let Err(error) = work.rejudge().await {
            work.give_up().await;
            return Err(error);
        }
        let formers = work.make();
        let Receivers { kept, new } = receivers;
        graph.receivers = kept;
        graph.receivers.extend(new.into_iter().map(|(id, bound)| (id, bound.serve())));
        graph.servers = servers.start(ground);
        graph.pushing = pushing.start();
        pushing::leave(&self.pushing, &graph.pushing);
        let leaving = self.leaving(&graph, formers).await;
        Ok((graph, leaving))
    }

    /// What is not in `next` any more. Receivers close, and what listens gives up its address.
    async fn leaving(&self, next: &Self, formers: Vec<Former>) -> Leaving {
        let removed = self.receivers.iter().filter(|(id, _)| !next.receivers.contains_key(id));
        let receivers: Vec<_> = removed.map(|(_, node)| Arc::clone(&node.serving)).collect();
        receivers.iter().for_each(|one| one.close());
        let mut stop = Vec::new();
        for (id, node) in &self.exporters {
            if !next.exporters.contains_key(id) {
                node.close().await;
                stop.push(node.stop.clone());
            }
        }
        let removed = self.processors.iter().filter(|(place, _)| !next.processors.contains_key(place));
        let judged_after = removed.map(|(_, node)| node.holds_for()).max().unwrap_or_default();
        let stages = self.stages.without(&next.stages);
        Leaving { receivers, formers, judged_after, stages, stop }
    }

    /// Since when an exporter cannot reach its backend with what it sends for a signal.
    pub fn unreachable_since(&self, id: &ComponentId, signal: Signal) -> Option<SystemTime> {
        self.exporters.get(id)?.unreachable_since(signal)
    }

    /// The exporters that have members.
    pub fn balancers(&self) -> impl Iterator<Item = (&ComponentId, &Balancer)> {
        self.exporters.iter().filter_map(|(id, node)| Some((id, node.balancer()?)))
    }

    /// The samplers, each with its pipeline and its name.
    pub fn samplers(&self) -> impl Iterator<Item = (&Place, &TailSampling)> {
        self.processors.iter().filter_map(|(place, node)| Some((place, node.sampler.as_ref()?)))
    }

    /// The receivers.
    pub fn servings(&self) -> Vec<Arc<Serving>> {
        self.receivers.values().map(|node| Arc::clone(&node.serving)).collect()
    }

    /// The last push of our own metrics.
    pub async fn end_pushing(&self) {
        pushing::end(&self.pushing).await;
    }

    /// What has to be ended.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }
}
