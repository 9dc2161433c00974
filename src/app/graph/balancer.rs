//! A `load_balancing` exporter: its members, and a balancer per signal it is used for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Ground;
use crate::change::Change;
use crate::config::ComponentId;
use crate::discover::Discovery;
use crate::flow::{Answer, Consumer, Request, Stage};
use crate::forward::{self, Following, LoadBalancer};
use crate::outcome::{Refusal, Signal};

/// The balancers of one exporter. Signals that came at the same time follow their members together.
#[derive(Clone, Default)]
pub struct Balancer(Vec<Group>);

#[derive(Clone)]
struct Group {
    following: Following,
    signals: BTreeMap<Signal, LoadBalancer>,
}

impl Balancer {
    /// By signal.
    pub fn signals(&self) -> impl Iterator<Item = (Signal, &LoadBalancer)> {
        self.0.iter().flat_map(|group| group.signals.iter().map(|(signal, one)| (*signal, one)))
    }

    /// The one of a signal.
    pub fn of(&self, signal: Signal) -> Option<&LoadBalancer> {
        self.signals().find(|(known, _)| *known == signal).map(|(_, one)| one)
    }

    /// Where its members come from; the same place for each.
    pub fn discoveries(&self) -> Vec<Arc<Discovery>> {
        self.0.iter().map(|group| group.following.discovery()).collect()
    }

    /// Without the signals that it is no longer used for.
    pub fn keep(&mut self, signals: &BTreeSet<Signal>) {
        for group in &mut self.0 {
            group.signals.retain(|signal, _| signals.contains(signal));
        }
        self.0.retain(|group| !group.signals.is_empty());
    }

    /// Changes of what runs.
    pub async fn prepare(
        &self,
        id: &ComponentId,
        old: &forward::Config,
        new: &forward::Config,
    ) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        for (_, one) in self.signals() {
            let change = one.prepare(new.clone());
            changes.push(change.map_err(|error| format!("exporters::{id}::protocol: {error}"))?);
        }
        for group in self.0.iter().filter(|_| old.resolver != new.resolver) {
            let change = group.following.prepare(new.resolver.clone()).await;
            changes.push(change.map_err(|error| format!("exporters::{id}::resolver: {error}"))?);
        }
        Ok(changes)
    }

    /// Adds the signals that it is not used for yet.
    pub async fn add(
        &mut self,
        id: &ComponentId,
        signals: &BTreeSet<Signal>,
        config: &forward::Config,
        ground: &Ground,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let name = id.to_string();
        let mut new = BTreeMap::new();
        for &signal in signals.iter().filter(|signal| self.of(**signal).is_none()) {
            let parts = forward::Parts {
                name: &name,
                signal,
                config: config.clone(),
                workers: Arc::clone(&ground.workers),
                registry: &ground.registry,
            };
            let one = LoadBalancer::new(parts);
            new.insert(signal, one.map_err(|error| format!("exporters::{id}::protocol: {error}"))?);
        }
        if !new.is_empty() {
            let following = Following::start(config.resolver.clone(), new.values().cloned().collect(), stop);
            let following = following.await.map_err(|error| format!("exporters::{id}::resolver: {error}"))?;
            self.0.push(Group { following, signals: new });
        }
        Ok(())
    }

    /// The one of a signal, as something to be ended.
    pub fn stage(&self, id: &ComponentId, signal: Signal) -> Option<Arc<dyn Stage>> {
        let balancer = self.of(signal)?.clone();
        Some(Arc::new(Ending { name: id.to_string(), balancer }))
    }
}

struct Ending {
    name: String,
    balancer: LoadBalancer,
}

impl Consumer for Ending {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        self.balancer.consume(request)
    }

    fn is_destination(&self) -> bool {
        self.balancer.is_destination()
    }

    fn give_up(&self, signal: Signal, items: u64, refusal: &Refusal) {
        self.balancer.give_up(signal, items, refusal);
    }
}

impl Stage for Ending {
    fn name(&self) -> &str {
        &self.name
    }

    fn end(&self, deadline: Instant) -> BoxFuture<'static, u64> {
        let balancer = self.balancer.clone();
        Box::pin(async move { balancer.shutdown(deadline).await })
    }

    fn hurry(&self) {
        self.balancer.hurry();
    }
}
