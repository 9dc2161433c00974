//! Pipelines: each a chain of processors in front of its exporters.
//!
//! What holds nothing is built anew with every change, from the back of the line to its front. What holds something, a
//! sampler or a batch, stays, and the joint behind it leads to the new chain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::exporters;
use super::gates::Gate;
use super::order;
use super::stages::{Line, Stages};
use super::work::{Rejudging, Work, series};
use super::{Graph, Ground};
use crate::config::{self, ComponentId, Pipeline, Processor, Settings};
use crate::flow::{
    BatchParts, BatchProcessor, Consumer, EditParts, EditProcessor, Link, MemoryGate, MemoryLimit,
    MemoryLimiter, Outlets, Stage,
};
use crate::shard::{self, TailSampling};

/// The first stage of each pipeline.
pub type Fronts = BTreeMap<ComponentId, Arc<dyn Consumer>>;

/// A pipeline and a processor in it.
pub type Place = (ComponentId, ComponentId);

/// A processor that holds something.
#[derive(Clone)]
pub struct Node {
    config: Processor,
    link: Link, // behind it
    stage: Arc<dyn Stage>,
    /// It, if it is a `tail_sampling`.
    pub sampler: Option<TailSampling>,
}

impl Node {
    /// How long a sampler holds a trace, at most.
    pub fn holds_for(&self) -> Duration {
        match &self.config {
            Processor::TailSampling(config) => config.sampling.decision_wait,
            _ => Duration::ZERO,
        }
    }
}

/// Whether samplers that run can be what `settings` say; the error names the keys that need a restart.
pub fn check(settings: &Settings, old: &BTreeMap<Place, Node>) -> Result<(), String> {
    for pipeline in &settings.pipelines {
        for id in &pipeline.processors {
            let node = old.get(&(pipeline.id.clone(), id.clone()));
            let sampler = node.and_then(|node| node.sampler.as_ref());
            if let (Some(sampler), Some(Processor::TailSampling(config))) =
                (sampler, settings.processors.get(id))
            {
                let fixed = sampler.fixed(&config.sampling, &config.journal);
                fixed.map_err(|error| format!("processors::{id}::{error}"))?;
            }
        }
    }
    Ok(())
}

/// Lines in the making.
pub struct Lines<'a> {
    old: &'a Graph,
    settings: &'a Settings,
    exporters: &'a BTreeMap<ComponentId, exporters::Node>,
    ground: &'a Ground,
    work: &'a mut Work,
    /// What holds something.
    pub nodes: BTreeMap<Place, Node>,
    /// By name.
    pub gates: BTreeMap<ComponentId, Gate>,
    /// The way in.
    pub fronts: Fronts,
}

impl<'a> Lines<'a> {
    /// None yet.
    pub fn new(
        old: &'a Graph,
        settings: &'a Settings,
        exporters: &'a BTreeMap<ComponentId, exporters::Node>,
        ground: &'a Ground,
        work: &'a mut Work,
    ) -> Self {
        let (nodes, gates, fronts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { old, settings, exporters, ground, work, nodes, gates, fronts }
    }

    /// Builds all pipelines, those behind connectors first. Returns what has to be ended, in its order.
    pub async fn build(&mut self) -> Result<Stages, String> {
        let mut stages = Stages::default();
        for level in order::levels(self.settings).into_iter().rev() {
            let mut lines = Vec::new();
            for pipeline in level {
                lines.push(self.line(pipeline).await?);
            }
            stages.levels.insert(0, lines);
        }
        stages.exporters = self.exporters.values().flat_map(|node| node.stages.values().cloned()).collect();
        Ok(stages)
    }

    async fn line(&mut self, pipeline: &Pipeline) -> Result<Line, String> {
        let mut front: Arc<dyn Consumer> = Arc::new(self.ends(pipeline)?);
        let mut line = Vec::new();
        for id in pipeline.processors.iter().rev() {
            let config = self.settings.processors.get(id);
            let config = config.ok_or_else(|| format!("processors::{id}: not built"))?;
            let place = (pipeline.id.clone(), id.clone());
            if matches!(config, Processor::TailSampling(_) | Processor::Batch(_)) {
                let node = self.holding(&place, config, pipeline, front).await?;
                front = Arc::clone(&node.stage) as _;
                line.insert(0, Arc::clone(&node.stage));
                self.nodes.insert(place, node);
            } else {
                front = self.passing(id, config, pipeline, front)?;
            }
        }
        self.fronts.insert(pipeline.id.clone(), front);
        Ok(line)
    }

    /// What stands at the end of a pipeline: exporters, and the pipelines behind its connectors.
    fn ends(&self, pipeline: &Pipeline) -> Result<Outlets, String> {
        let mut ends = Outlets::default();
        for id in &pipeline.exporters {
            if self.settings.connectors.contains(id) {
                for next in order::behind(self.settings, pipeline, id) {
                    let front = self.fronts.get(&next.id);
                    let front = front.ok_or_else(|| format!("pipelines::{}: not built", next.id))?;
                    ends.add(pipeline.signal, Arc::clone(front));
                }
                continue;
            }
            let consumer = self.exporters.get(id).and_then(|node| node.consumer(pipeline.signal));
            ends.add(pipeline.signal, consumer.ok_or_else(|| format!("exporters::{id}: not built"))?);
        }
        Ok(ends)
    }

    /// A processor that holds something: the one there is, if it can go on.
    async fn holding(
        &mut self,
        place: &Place,
        config: &Processor,
        pipeline: &Pipeline,
        next: Arc<dyn Consumer>,
    ) -> Result<Node, String> {
        if let Some(node) = self.old.processors.get(place)
            && self.goes_on(place, node, config)
        {
            self.work.links.push((node.link.clone(), next));
            return Ok(Node { config: config.clone(), ..node.clone() });
        }
        let link = Link::new(next);
        let (stage, sampler) = start(self.ground, place, config, pipeline, &link).await?;
        self.work.started(&stage);
        Ok(Node { config: config.clone(), link, stage, sampler })
    }

    /// Whether a running processor can be what `config` says; prepares that. A batch is soon over, and another begins.
    fn goes_on(&mut self, place: &Place, node: &Node, config: &Processor) -> bool {
        if node.config == *config {
            return true;
        }
        let (Some(sampler), Processor::TailSampling(old), Processor::TailSampling(new)) =
            (&node.sampler, &node.config, config)
        else {
            return false;
        };
        let key = format!("processors::{}", place.1);
        let (old, new) = (old.as_ref().clone(), new.as_ref().clone());
        self.work.samplers.push(Rejudging { key, sampler: sampler.clone(), old, new });
        true
    }

    /// A processor that holds nothing.
    fn passing(
        &mut self,
        id: &ComponentId,
        config: &Processor,
        pipeline: &Pipeline,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Consumer>, String> {
        let (name, signal, registry) = (id.to_string(), pipeline.signal, &self.ground.registry);
        match config {
            Processor::Edit(config) => {
                let config = (**config).clone();
                Ok(Arc::new(EditProcessor::new(EditParts { name: &name, signal, config, next, registry })))
            }
            Processor::MemoryLimiter(limit) => {
                let gate = self.gate(id, limit)?;
                Ok(Arc::new(MemoryLimiter::new(gate, signal, next, registry)))
            }
            _ => Ok(next),
        }
    }

    fn gate(&mut self, id: &ComponentId, limit: &MemoryLimit) -> Result<MemoryGate, String> {
        let old = self.gates.get(id).or_else(|| self.old.gates.get(id));
        let gate = Gate::under(limit, old, &id.to_string(), &self.ground.registry);
        let gate = gate.map_err(|error| format!("processors::{id}: {error}"))?;
        self.gates.insert(id.clone(), gate.clone());
        Ok(gate.gate)
    }
}

/// A processor that holds something, in front of a joint.
async fn start(
    ground: &Ground,
    place: &Place,
    config: &Processor,
    pipeline: &Pipeline,
    link: &Link,
) -> Result<(Arc<dyn Stage>, Option<TailSampling>), String> {
    let id = &place.1;
    match config {
        Processor::TailSampling(config) => {
            let (place, config) = (place.clone(), config.as_ref().clone());
            let (link, ground) = (link.clone(), ground.clone());
            // A journal that is large is read for long, and others wait on this thread.
            let start = move || start_sampler(&place, config, link, &ground);
            let started = tokio::task::spawn_blocking(start).await.map_err(|error| error.to_string());
            let sampler = started.flatten().map_err(|error| format!("processors::{id}::{error}"))?;
            Ok((Arc::new(sampler.clone()), Some(sampler)))
        }
        Processor::Batch(config) => {
            let (name, signal, next) = (id.to_string(), pipeline.signal, Arc::new(link.clone()));
            let (workers, registry) = (&ground.workers, &ground.registry);
            let config = config.clone();
            let parts = BatchParts { name: &name, signal, config, next, workers, registry };
            Ok((Arc::new(BatchProcessor::new(parts)), None))
        }
        _ => Err(format!("processors::{id}: it holds nothing")),
    }
}

fn start_sampler(
    (pipeline, id): &Place,
    config: config::TailSampling,
    link: Link,
    ground: &Ground,
) -> Result<TailSampling, String> {
    TailSampling::start(shard::Parts {
        name: &id.to_string(),
        component: &id.name,
        pipeline: &pipeline.to_string(),
        series: series(&config),
        sampling: config.sampling,
        journal: config.journal,
        next: Arc::new(link),
        workers: &ground.workers,
        registry: &ground.registry,
    })
}
