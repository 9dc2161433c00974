//! The service put together from its settings: exporters, pipelines, receivers.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::{ComponentId, Exporter, Pipeline, Processor, Settings};
use crate::discover::{self, Discovery, Event};
use crate::export::{self, DebugExporter, FileExporter, NopExporter, OtlpExporter, PrometheusExporter};
use crate::flow::{
    BatchParts, BatchProcessor, Consumer, EditParts, EditProcessor, MemoryGate, MemoryLimiter, Outlets, Stage,
};
use crate::forward::{self, LoadBalancer};
use crate::observe::{Registry, SamplerSeries};
use crate::outcome::Signal;
use crate::receive::Receiver;
use crate::shard::{self, TailSampling};
use crate::workers::Workers;

/// Everything that runs, but for the listeners.
pub struct Service {
    /// One per `load_balancing` exporter.
    pub balancers: Vec<Balancer>,
    /// One per `tail_sampling` processor and pipeline.
    pub samplers: Vec<Sampler>,
    /// What holds something and has to be ended.
    pub stages: Stages,
    /// Bound receivers, ready to serve.
    pub receivers: Vec<Receiver>,
}

/// What has to be ended: the processors of each pipeline in the order of the line, then all exporters.
#[derive(Default)]
pub struct Stages {
    /// Of each pipeline, the first to be ended first.
    pub lines: Vec<Vec<Arc<dyn Stage>>>,
    /// Exporters.
    pub exporters: Vec<Arc<dyn Stage>>,
}

/// A `load_balancing` exporter: its members, and a balancer per signal it is used for.
pub struct Balancer {
    /// Its name in the configuration.
    pub id: ComponentId,
    /// Where its members come from.
    pub discovery: Discovery,
    /// Its balancers.
    pub signals: BTreeMap<Signal, LoadBalancer>,
}

/// A `tail_sampling` processor in a pipeline.
pub struct Sampler {
    /// The pipeline.
    pub pipeline: ComponentId,
    /// Its name in the configuration.
    pub id: ComponentId,
    /// It.
    pub processor: TailSampling,
}

/// Where everything is built: what the parts share.
pub struct Ground<'a> {
    /// Where things run.
    pub workers: &'a Arc<Workers>,
    /// Where they count.
    pub registry: &'a Registry,
    /// Ends what follows members.
    pub stop: &'a CancellationToken,
}

type Consumers = BTreeMap<(ComponentId, Signal), Arc<dyn Consumer>>;

/// Builds exporters first, then pipelines, then receivers, which bind their sockets. Errors are one line for a person.
pub async fn build(settings: &Settings, ground: &Ground<'_>) -> Result<Service, String> {
    let mut exporters = Exporters::default();
    for (id, exporter) in &settings.exporters {
        exporters.add(settings, id, exporter, ground).await?;
    }
    let Exporters { balancers, consumers, stages } = exporters;
    let stages = Stages { lines: Vec::new(), exporters: stages };
    let mut lines = Lines { samplers: Vec::new(), stages, fronts: BTreeMap::new(), gates: BTreeMap::new() };
    for pipeline in &settings.pipelines {
        lines.add(settings, pipeline, &consumers, ground)?;
    }
    let receivers = receivers(settings, &lines.fronts, ground)?;
    warn_of_deserted(settings);
    let Lines { samplers, stages, .. } = lines;
    Ok(Service { balancers, samplers, stages, receivers })
}

/// The exporters of all pipelines.
#[derive(Default)]
struct Exporters {
    balancers: Vec<Balancer>,
    consumers: Consumers,
    stages: Vec<Arc<dyn Stage>>,
}

impl Exporters {
    async fn add(
        &mut self,
        settings: &Settings,
        id: &ComponentId,
        exporter: &Exporter,
        ground: &Ground<'_>,
    ) -> Result<(), String> {
        let pipelines = settings.pipelines.iter().filter(|pipeline| pipeline.exporters.contains(id));
        let signals: BTreeSet<Signal> = pipelines.map(|pipeline| pipeline.signal).collect();
        let name = id.to_string();
        match exporter {
            Exporter::LoadBalancing(config) => {
                let balancer = balancer(id, config, &signals, ground).await?;
                for (signal, one) in &balancer.signals {
                    self.put(id, *signal, Arc::new(one.clone()));
                }
                self.balancers.push(balancer);
            }
            Exporter::Otlp(config) => {
                for signal in signals {
                    let parts = export::Parts {
                        name: &name,
                        signal,
                        config: (**config).clone(),
                        workers: ground.workers,
                        registry: ground.registry,
                    };
                    let one =
                        OtlpExporter::new(parts).map_err(|error| format!("exporters::{id}: {error}"))?;
                    self.put(id, signal, Arc::new(one.clone()));
                    self.stages.push(Arc::new(one));
                }
            }
            Exporter::Debug(config) => {
                let shown = DebugExporter::start(&name, config.clone(), ground.registry, std::io::stdout());
                let shown = shown.map_err(|error| format!("exporters::{id}: {error}"))?;
                signals.iter().for_each(|signal| self.put(id, *signal, Arc::new(shown.clone())));
            }
            Exporter::Prometheus(config) => {
                let one = PrometheusExporter::start(&name, (**config).clone(), ground.registry, ground.stop);
                let one = one.await.map_err(|error| format!("exporters::{id}: {error}"))?;
                signals.iter().for_each(|signal| self.put(id, *signal, Arc::new(one.clone())));
            }
            Exporter::File(config) => {
                let one = FileExporter::start(&name, (**config).clone(), ground.registry);
                let one = one.map_err(|error| format!("exporters::{id}::path: {error}"))?;
                signals.iter().for_each(|signal| self.put(id, *signal, Arc::new(one.clone())));
            }
            Exporter::Nop => {
                let nop = NopExporter::new(&name, ground.registry);
                signals.iter().for_each(|signal| self.put(id, *signal, Arc::new(nop.clone())));
            }
        }
        Ok(())
    }

    fn put(&mut self, id: &ComponentId, signal: Signal, consumer: Arc<dyn Consumer>) {
        self.consumers.insert((id.clone(), signal), consumer);
    }
}

/// The pipelines: each a chain of processors in front of its exporters.
struct Lines {
    samplers: Vec<Sampler>,
    stages: Stages,
    fronts: BTreeMap<ComponentId, Arc<dyn Consumer>>,
    gates: BTreeMap<ComponentId, MemoryGate>,
}

impl Lines {
    fn add(
        &mut self,
        settings: &Settings,
        pipeline: &Pipeline,
        consumers: &Consumers,
        ground: &Ground<'_>,
    ) -> Result<(), String> {
        let mut ends = Outlets::default();
        for exporter in &pipeline.exporters {
            let consumer = consumers.get(&(exporter.clone(), pipeline.signal));
            let consumer = consumer.ok_or_else(|| format!("exporters::{exporter}: not built"))?;
            ends.add(pipeline.signal, Arc::clone(consumer));
        }
        self.stages.lines.push(Vec::new());
        let mut front: Arc<dyn Consumer> = Arc::new(ends);
        for id in pipeline.processors.iter().rev() {
            let config = settings.processors.get(id);
            let config = config.ok_or_else(|| format!("processors::{id}: not built"))?;
            front = self.processor(id, config, pipeline, front, ground)?;
        }
        self.fronts.insert(pipeline.id.clone(), front);
        Ok(())
    }

    /// The pipeline at hand gets one more stage in front.
    fn stage(&mut self, stage: Arc<dyn Stage>) {
        if let Some(line) = self.stages.lines.last_mut() {
            line.insert(0, stage);
        }
    }

    fn processor(
        &mut self,
        id: &ComponentId,
        config: &Processor,
        pipeline: &Pipeline,
        next: Arc<dyn Consumer>,
        ground: &Ground<'_>,
    ) -> Result<Arc<dyn Consumer>, String> {
        let name = id.to_string();
        match config {
            Processor::TailSampling(config) => {
                let parts = shard::Parts {
                    name: &name,
                    component: &id.name,
                    pipeline: &pipeline.id.to_string(),
                    sampling: config.sampling.clone(),
                    journal: config.journal.clone(),
                    series: SamplerSeries {
                        spans: config.count_spans_sampled,
                        bytes: config.count_bytes_sampled,
                    },
                    next,
                    workers: ground.workers,
                    registry: ground.registry,
                };
                let processor =
                    TailSampling::start(parts).map_err(|error| format!("processors::{id}::{error}"))?;
                self.stage(Arc::new(processor.clone()));
                let pipeline = pipeline.id.clone();
                self.samplers.push(Sampler { pipeline, id: id.clone(), processor: processor.clone() });
                Ok(Arc::new(processor))
            }
            Processor::Batch(config) => {
                let processor = BatchProcessor::new(BatchParts {
                    name: &name,
                    signal: pipeline.signal,
                    config: config.clone(),
                    next,
                    workers: ground.workers,
                    registry: ground.registry,
                });
                self.stage(Arc::new(processor.clone()));
                Ok(Arc::new(processor))
            }
            Processor::GroupByTrace => Ok(next),
            Processor::MemoryLimiter(limit) => {
                let gate = match self.gates.entry(id.clone()) {
                    Entry::Occupied(known) => known.get().clone(),
                    Entry::Vacant(place) => {
                        let gate = MemoryGate::start(&name, limit, ground.registry);
                        place.insert(gate.map_err(|error| format!("processors::{id}: {error}"))?).clone()
                    }
                };
                Ok(Arc::new(MemoryLimiter::new(gate, pipeline.signal, next, ground.registry)))
            }
            Processor::Edit(config) => {
                let (signal, registry) = (pipeline.signal, ground.registry);
                let config = (**config).clone();
                Ok(Arc::new(EditProcessor::new(EditParts { name: &name, signal, config, next, registry })))
            }
        }
    }
}

async fn balancer(
    id: &ComponentId,
    config: &forward::Config,
    signals: &BTreeSet<Signal>,
    ground: &Ground<'_>,
) -> Result<Balancer, String> {
    let (name, stop) = (id.to_string(), ground.stop);
    let mut by_signal = BTreeMap::new();
    for &signal in signals {
        let parts = forward::Parts {
            name: &name,
            signal,
            config: config.clone(),
            workers: Arc::clone(ground.workers),
            registry: ground.registry,
        };
        let one = LoadBalancer::new(parts).map_err(|error| format!("exporters::{id}::protocol: {error}"))?;
        by_signal.insert(signal, one);
    }
    let counting: Vec<_> = by_signal.values().cloned().collect();
    let on_event = Box::new(move |event: Event| {
        // The counters of an exporter's signals are the same series, so one of them counts.
        if let Some(one) = counting.first() {
            one.note(event);
        }
    });
    let context = discover::Context { on_event, ..discover::Context::new(stop.clone()) };
    let started = discover::start(config.resolver.clone(), context).await;
    let discovery = started.map_err(|error| format!("exporters::{id}::resolver: {error}"))?;
    let first = discovery.members().borrow().clone();
    by_signal.values().for_each(|one| one.apply(Arc::clone(&first)));
    follow(&discovery, by_signal.values().cloned().collect(), stop.clone());
    Ok(Balancer { id: id.clone(), discovery, signals: by_signal })
}

/// Puts every later membership in force. Shares are computed on a thread that may block.
fn follow(discovery: &Discovery, balancers: Vec<LoadBalancer>, stop: CancellationToken) {
    let mut members = discovery.members();
    members.mark_unchanged();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = members.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            let membership = members.borrow_and_update().clone();
            let balancers = balancers.clone();
            let applied = tokio::task::spawn_blocking(move || {
                balancers.iter().for_each(|one| one.apply(Arc::clone(&membership)));
            });
            if let Err(error) = applied.await {
                tracing::error!(%error, "a membership could not be applied");
            }
        }
    });
}

/// Says which folders of journals hold spans that nobody will judge or send.
fn warn_of_deserted(settings: &Settings) {
    let mut used: BTreeMap<&Path, Vec<PathBuf>> = BTreeMap::new();
    for pipeline in &settings.pipelines {
        for id in &pipeline.processors {
            let Some(Processor::TailSampling(config)) = settings.processors.get(id) else { continue };
            let Some(directory) = &config.journal.directory else { continue };
            let folder = shard::folder_of(&pipeline.id.to_string(), &id.to_string());
            used.entry(directory).or_default().push(folder);
        }
    }
    for (directory, used) in used {
        for folder in shard::deserted(directory, &used) {
            let folder = folder.display();
            tracing::warn!(%folder, "a journal of a processor that is not configured: what it holds waits for one of that name");
        }
    }
}

fn receivers(
    settings: &Settings,
    fronts: &BTreeMap<ComponentId, Arc<dyn Consumer>>,
    ground: &Ground<'_>,
) -> Result<Vec<Receiver>, String> {
    let mut receivers = Vec::new();
    for (id, config) in &settings.receivers {
        let mut outlets = Outlets::default();
        for pipeline in settings.pipelines.iter().filter(|pipeline| pipeline.receivers.contains(id)) {
            let front =
                fronts.get(&pipeline.id).ok_or_else(|| format!("pipelines::{}: not built", pipeline.id))?;
            outlets.add(pipeline.signal, Arc::clone(front));
        }
        let name = id.to_string();
        receivers.push(Receiver::bind(&name, config.clone(), &outlets, ground.workers, ground.registry)?);
    }
    Ok(receivers)
}
