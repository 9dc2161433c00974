//! Exporters: what one holds, its queue, its connections, its series, outlives a change of its keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::Ground;
use super::balancer::Balancer;
use super::work::Work;
use crate::change::Change;
use crate::config::{ComponentId, Exporter, Settings};
use crate::export::{self, DebugExporter, FileExporter, NopExporter, OtlpExporter, PrometheusExporter};
use crate::flow::{Consumer, Stage};
use crate::outcome::Signal;

/// An exporter that runs.
#[derive(Clone)]
pub struct Node {
    config: Exporter,
    running: Running,
    /// What has to be ended, by signal.
    pub stages: BTreeMap<Signal, Arc<dyn Stage>>,
    /// Ends what follows members or answers scrapes.
    pub stop: CancellationToken,
}

#[derive(Clone)]
enum Running {
    Balancer(Balancer),
    Otlp(BTreeMap<Signal, OtlpExporter>),
    Debug(DebugExporter),
    Prometheus(PrometheusExporter),
    File(FileExporter),
    Nop(NopExporter),
}

/// Starts the exporters that are new, and prepares changes of those there are.
pub async fn prepare(
    settings: &Settings,
    old: &BTreeMap<ComponentId, Node>,
    ground: &Ground,
    work: &mut Work,
) -> Result<BTreeMap<ComponentId, Node>, String> {
    let mut nodes = BTreeMap::new();
    let leaving: Vec<&Node> =
        old.iter().filter(|(id, _)| !settings.exporters.contains_key(id)).map(|(_, node)| node).collect();
    for (id, config) in &settings.exporters {
        let pipelines = settings.pipelines.iter().filter(|pipeline| pipeline.exporters.contains(id));
        let signals: BTreeSet<Signal> = pipelines.map(|pipeline| pipeline.signal).collect();
        let stop = old.get(id).map_or_else(|| ground.stop.child_token(), |node| node.stop.clone());
        if !old.contains_key(id) {
            work.runs_until(&stop);
        }
        let mut making = Making { id, signals: &signals, stop: &stop, leaving: &leaving, ground, work };
        let node = match old.get(id) {
            Some(node) => making.change(node, config).await?,
            None => making.start(config).await?,
        };
        nodes.insert(id.clone(), node);
    }
    Ok(nodes)
}

impl Node {
    /// What takes requests of `signal`.
    pub fn consumer(&self, signal: Signal) -> Option<Arc<dyn Consumer>> {
        match &self.running {
            Running::Balancer(one) => Some(Arc::new(one.of(signal)?.clone())),
            Running::Otlp(signals) => Some(Arc::new(signals.get(&signal)?.clone())),
            Running::Debug(one) => Some(Arc::new(one.clone())),
            Running::Prometheus(one) => Some(Arc::new(one.clone())),
            Running::File(one) => Some(Arc::new(one.clone())),
            Running::Nop(one) => Some(Arc::new(one.clone())),
        }
    }

    /// Since when what it sends for a signal cannot reach its backend.
    pub fn unreachable_since(&self, signal: Signal) -> Option<SystemTime> {
        match &self.running {
            Running::Otlp(signals) => signals.get(&signal)?.unreachable_since(),
            _ => None,
        }
    }

    /// Its members, if it has any.
    pub fn balancer(&self) -> Option<&Balancer> {
        match &self.running {
            Running::Balancer(balancer) => Some(balancer),
            _ => None,
        }
    }

    /// It is no longer configured: gives up its address, if it has one.
    pub async fn close(&self) {
        if let Running::Prometheus(one) = &self.running {
            one.close().await;
        }
    }
}

/// One exporter in the making.
struct Making<'a> {
    id: &'a ComponentId,
    signals: &'a BTreeSet<Signal>,
    stop: &'a CancellationToken,
    leaving: &'a [&'a Node],
    ground: &'a Ground,
    work: &'a mut Work,
}

impl Making<'_> {
    async fn start(&mut self, config: &Exporter) -> Result<Node, String> {
        let (name, registry) = (self.id.to_string(), &self.ground.registry);
        let failed = |error: &dyn std::fmt::Display| format!("exporters::{name}: {error}");
        let running = match config {
            Exporter::LoadBalancing(_) => Running::Balancer(Balancer::default()),
            Exporter::Otlp(_) => Running::Otlp(BTreeMap::new()),
            Exporter::Debug(config) => {
                let one = DebugExporter::start(&name, config.clone(), registry, std::io::stdout());
                Running::Debug(one.map_err(|error| failed(&error))?)
            }
            Exporter::Prometheus(config) => {
                let leaving = self.leaving.iter().filter_map(|node| match &node.running {
                    Running::Prometheus(one) => Some(one),
                    _ => None,
                });
                let (config, leaving) = ((**config).clone(), leaving.collect::<Vec<_>>());
                let one = PrometheusExporter::start(&name, config, registry, self.stop, &leaving);
                Running::Prometheus(one.await.map_err(|error| failed(&error))?)
            }
            Exporter::File(config) => {
                let mut config = (**config).clone();
                // What an exporter of another name has written there is continued.
                config.append |= self
                    .leaving
                    .iter()
                    .any(|node| matches!(&node.config, Exporter::File(other) if other.path == config.path));
                let one = FileExporter::start(&name, config, registry);
                Running::File(one.map_err(|error| format!("exporters::{name}::path: {error}"))?)
            }
            Exporter::Nop => Running::Nop(NopExporter::new(&name, registry)),
        };
        let node = Node { config: config.clone(), running, stages: BTreeMap::new(), stop: self.stop.clone() };
        self.change(&node, config).await
    }

    /// The same exporter under another configuration, or for other signals.
    async fn change(&mut self, old: &Node, config: &Exporter) -> Result<Node, String> {
        let (changed, mut node) = (old.config != *config, old.clone());
        let id = self.id;
        node.stages.retain(|signal, _| self.signals.contains(signal));
        match (&mut node.running, config, &old.config) {
            (Running::Balancer(balancer), Exporter::LoadBalancing(new), Exporter::LoadBalancing(old)) => {
                balancer.keep(self.signals);
                if changed {
                    self.work.exporters.extend(balancer.prepare(id, old, new).await?);
                }
                balancer.add(id, self.signals, new, self.ground, self.stop).await?;
                self.balancer(balancer, &mut node.stages);
            }
            (Running::Otlp(signals), Exporter::Otlp(config), _) => {
                signals.retain(|signal, _| self.signals.contains(signal));
                self.otlp(signals, &mut node.stages, config, changed)?;
            }
            (Running::Debug(one), Exporter::Debug(config), _) if changed => {
                let (one, config) = (one.clone(), config.clone());
                self.work.exporters.push(Change::new(move || one.reconfigure(&config)));
            }
            (Running::Prometheus(one), Exporter::Prometheus(config), _) if changed => {
                let change = one.prepare((**config).clone()).await;
                self.work.exporters.push(change.map_err(|error| format!("exporters::{id}: {error}"))?);
            }
            (Running::File(one), Exporter::File(config), _) if changed => {
                let change = one.prepare((**config).clone());
                self.work.exporters.push(change.map_err(|error| format!("exporters::{id}::path: {error}"))?);
            }
            _ => {}
        }
        node.config = config.clone();
        Ok(node)
    }

    fn otlp(
        &mut self,
        signals: &mut BTreeMap<Signal, OtlpExporter>,
        stages: &mut BTreeMap<Signal, Arc<dyn Stage>>,
        config: &export::Otlp,
        changed: bool,
    ) -> Result<(), String> {
        let (name, id) = (self.id.to_string(), self.id);
        for &signal in self.signals {
            let failed = |error: export::OtlpError| format!("exporters::{id}: {error}");
            match signals.get(&signal) {
                Some(one) if changed => {
                    self.work.exporters.push(one.prepare(config.clone()).map_err(failed)?);
                }
                Some(_) => {}
                None => {
                    let (workers, registry) = (&self.ground.workers, &self.ground.registry);
                    let parts =
                        export::Parts { name: &name, signal, config: config.clone(), workers, registry };
                    let one = OtlpExporter::new(parts).map_err(failed)?;
                    let stage: Arc<dyn Stage> = Arc::new(one.clone());
                    self.work.started(&stage);
                    stages.insert(signal, stage);
                    signals.insert(signal, one);
                }
            }
        }
        Ok(())
    }

    /// What has to be ended of a balancer: as before where it is the same.
    fn balancer(&mut self, balancer: &Balancer, stages: &mut BTreeMap<Signal, Arc<dyn Stage>>) {
        for &signal in self.signals {
            if !stages.contains_key(&signal)
                && let Some(stage) = balancer.stage(self.id, signal)
            {
                self.work.started(&stage);
                stages.insert(signal, stage);
            }
        }
    }
}
