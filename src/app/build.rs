//! The service put together from its settings: exporters, pipelines, receivers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::{ComponentId, Exporter, Settings};
use crate::discover::{self, Discovery, Event};
use crate::export::{DebugExporter, NopExporter};
use crate::flow::{Consumer, Outlets};
use crate::forward::{self, LoadBalancer};
use crate::observe::Registry;
use crate::outcome::Signal;
use crate::receive::Receiver;
use crate::workers::Workers;

/// Everything that runs, but for the listeners.
pub struct Service {
    /// One per `load_balancing` exporter.
    pub balancers: Vec<Balancer>,
    /// Bound receivers, ready to serve.
    pub receivers: Vec<Receiver>,
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

/// Builds exporters first, then pipelines, then receivers, which bind their sockets. Errors are one line for a person.
pub async fn build(
    settings: &Settings,
    workers: &Arc<Workers>,
    registry: &Registry,
    stop: &CancellationToken,
) -> Result<Service, String> {
    let mut balancers = Vec::new();
    let mut consumers: BTreeMap<(ComponentId, Signal), Arc<dyn Consumer>> = BTreeMap::new();
    for (id, exporter) in &settings.exporters {
        let pipelines = settings.pipelines.iter().filter(|pipeline| pipeline.exporters.contains(id));
        let mut signals: Vec<_> = pipelines.map(|pipeline| pipeline.signal).collect();
        signals.sort_unstable();
        signals.dedup();
        match exporter {
            Exporter::LoadBalancing(config) => {
                let balancer = balancer(id, config, &signals, workers, registry, stop).await?;
                for (signal, one) in &balancer.signals {
                    consumers.insert((id.clone(), *signal), Arc::new(one.clone()));
                }
                balancers.push(balancer);
            }
            Exporter::Debug(config) => {
                let shown =
                    DebugExporter::start(&id.to_string(), config.clone(), registry, std::io::stdout());
                let shown = shown.map_err(|error| format!("exporters::{id}: {error}"))?;
                for signal in signals {
                    consumers.insert((id.clone(), signal), Arc::new(shown.clone()));
                }
            }
            Exporter::Otlp(_) => return Err(format!("exporters::{id}: not built yet")),
            Exporter::Nop => {
                let nop = NopExporter::new(&id.to_string(), registry);
                for signal in signals {
                    consumers.insert((id.clone(), signal), Arc::new(nop.clone()));
                }
            }
        }
    }
    let receivers = receivers(settings, &consumers, workers, registry)?;
    Ok(Service { balancers, receivers })
}

async fn balancer(
    id: &ComponentId,
    config: &forward::Config,
    signals: &[Signal],
    workers: &Arc<Workers>,
    registry: &Registry,
    stop: &CancellationToken,
) -> Result<Balancer, String> {
    let name = id.to_string();
    let mut by_signal = BTreeMap::new();
    for &signal in signals {
        let parts = forward::Parts {
            name: &name,
            signal,
            config: config.clone(),
            workers: Arc::clone(workers),
            registry,
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

fn receivers(
    settings: &Settings,
    consumers: &BTreeMap<(ComponentId, Signal), Arc<dyn Consumer>>,
    workers: &Arc<Workers>,
    registry: &Registry,
) -> Result<Vec<Receiver>, String> {
    let mut receivers = Vec::new();
    for (id, config) in &settings.receivers {
        let mut outlets = Outlets::default();
        for pipeline in settings.pipelines.iter().filter(|pipeline| pipeline.receivers.contains(id)) {
            for exporter in &pipeline.exporters {
                let consumer = consumers.get(&(exporter.clone(), pipeline.signal));
                let consumer = consumer.ok_or_else(|| format!("exporters::{exporter}: not built"))?;
                outlets.add(pipeline.signal, Arc::clone(consumer));
            }
        }
        receivers.push(Receiver::bind(&id.to_string(), config.clone(), &outlets, workers, registry)?);
    }
    Ok(receivers)
}
