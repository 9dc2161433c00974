//! What says that there is too little memory: one for each `memory_limiter`, which all who ask it share.

use std::collections::BTreeMap;

use crate::config::{ComponentId, Settings};
use crate::flow::{MemoryGate, MemoryLimit};
use crate::observe::Registry;
use crate::receive::Gates;

/// A gate and what it was told.
#[derive(Clone)]
pub struct Gate {
    config: MemoryLimit,
    /// It.
    pub gate: MemoryGate,
}

impl Gate {
    /// The one that there was under the same limit, or a new one.
    pub fn under(
        limit: &MemoryLimit,
        old: Option<&Self>,
        name: &str,
        registry: &Registry,
    ) -> Result<Self, String> {
        match old.filter(|old| old.config == *limit) {
            Some(old) => Ok(old.clone()),
            None => Ok(Self { config: limit.clone(), gate: MemoryGate::start(name, limit, registry)? }),
        }
    }
}

/// Those of extensions, by id.
pub type Limiters = BTreeMap<ComponentId, Gate>;

/// The gates of `memory_limiter` extensions.
pub fn limiters(settings: &Settings, old: &Limiters, registry: &Registry) -> Result<Limiters, String> {
    let made = settings.memory_limiters.iter().map(|(id, limit)| {
        // A processor may have the same id.
        let gate = Gate::under(limit, old.get(id), &format!("extension:{id}"), registry);
        Ok((id.clone(), gate.map_err(|error| format!("extensions::{id}: {error}"))?))
    });
    made.collect()
}

/// The same for receivers.
pub fn named(limiters: &Limiters) -> Gates {
    limiters.iter().map(|(id, gate)| (id.to_string(), gate.gate.clone())).collect()
}
