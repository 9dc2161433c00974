//! Receivers: each listens for as long as it is configured, whatever changes behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Ground;
use super::lines::Fronts;
use super::work::Work;
use crate::config::{ComponentId, Settings};
use crate::flow::{Front, Outlets};
use crate::receive::{self, Beside, Gates, Receiver, Serving};

/// A receiver that serves.
#[derive(Clone)]
pub struct Node {
    config: receive::Config,
    front: Front,
    /// It.
    pub serving: Arc<Serving>,
}

/// A receiver that is about to serve.
pub struct Bound {
    config: receive::Config,
    front: Front,
    receiver: Receiver,
}

impl Bound {
    /// Begins to accept.
    pub fn serve(self) -> Node {
        let Self { config, front, receiver } = self;
        Node { config, front, serving: Arc::new(receiver.serve()) }
    }
}

/// By id, those that are kept and those that are new.
#[derive(Default)]
pub struct Receivers {
    /// Kept.
    pub kept: BTreeMap<ComponentId, Node>,
    /// New.
    pub new: BTreeMap<ComponentId, Bound>,
}

/// Binds new receivers, and prepares changes of those there are.
pub fn prepare(
    settings: &Settings,
    old: &BTreeMap<ComponentId, Node>,
    gates: &Gates,
    ground: &Ground,
    work: &mut Work,
) -> Result<Receivers, String> {
    let mut receivers = Receivers::default();
    let removed = old.iter().filter(|(id, _)| !settings.receivers.contains_key(id));
    let leaving: Vec<&Serving> = removed.map(|(_, node)| &*node.serving).collect();
    for (id, config) in &settings.receivers {
        if let Some(node) = old.get(id) {
            // A limiter may have changed under its name.
            if node.config != *config || config.has_limiters() {
                work.receivers.push(node.serving.prepare(config.clone(), gates)?);
            }
            receivers.kept.insert(id.clone(), Node { config: config.clone(), ..node.clone() });
            continue;
        }
        let (name, front, config) = (id.to_string(), Front::new(Outlets::default()), config.clone());
        let (workers, registry) = (&ground.workers, &ground.registry);
        let beside = Beside { gates, leaving: &leaving };
        let receiver = Receiver::bind_beside(&name, config.clone(), &front, workers, registry, beside)?;
        receivers.new.insert(id.clone(), Bound { config, front, receiver });
    }
    Ok(receivers)
}

impl Receivers {
    /// Says which pipelines stand behind them.
    pub fn lead(&self, settings: &Settings, fronts: &Fronts, work: &mut Work) -> Result<(), String> {
        let kept = self.kept.iter().map(|(id, node)| (id, &node.front));
        for (id, way) in kept.chain(self.new.iter().map(|(id, bound)| (id, &bound.front))) {
            let mut outlets = Outlets::default();
            for pipeline in settings.pipelines.iter().filter(|pipeline| pipeline.receivers.contains(id)) {
                let front = fronts.get(&pipeline.id);
                let front = front.ok_or_else(|| format!("pipelines::{}: not built", pipeline.id))?;
                outlets.add(pipeline.signal, Arc::clone(front));
            }
            work.fronts.push((way.clone(), outlets));
        }
        Ok(())
    }
}
