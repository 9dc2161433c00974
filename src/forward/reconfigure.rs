//! Another configuration for a balancer that runs.
//!
//! Nothing ends: limits, retries and keys hold for what comes next; members spoken to in another way get new lanes, to
//! which what waits moves as it does when members change, while calls in flight end where they began.

use std::sync::Arc;

use super::balancer::LoadBalancer;
use super::config::Config;
use super::sending_queue::SendingQueue;
use super::shared::{Shared, Speech, SpeechError};
use crate::change::Change;

impl LoadBalancer {
    /// Checks another configuration: certificates and headers. Of its `resolver` only the kind is looked at, for metrics;
    /// see [`super::Following`] for the members.
    ///
    /// Made, the change keeps what waits and what is in flight. A request keeps the promise that its sender was given,
    /// and its deadline. Another `ring` moves traces as a change of members does.
    pub fn prepare(&self, config: Config) -> Result<Change, SpeechError> {
        let shared = Arc::clone(&self.0);
        let current = shared.config.load_full();
        let same = current.protocol == config.protocol && current.timeout == config.timeout;
        let speech = if same && !config.protocol.reads_files() {
            None
        } else {
            Some(Arc::new(Speech::new(&config, shared.signal)?))
        };
        Ok(Change::new(move || shared.change(config, speech)))
    }

    /// Prepares and makes a change at once.
    pub fn reconfigure(&self, config: Config) -> Result<(), SpeechError> {
        self.prepare(config).map(Change::make)
    }
}

impl Shared {
    fn change(self: &Arc<Self>, config: Config, speech: Option<Arc<Speech>>) {
        let config = Arc::new(config);
        let old = self.config.swap(Arc::clone(&config));
        if old.resolver.kind() != config.resolver.kind() {
            self.lb.store(Arc::new(self.lb.load().with_resolver(config.resolver.kind())));
        }
        self.held.set_max_bytes(config.hold.max_bytes);
        for budget in self.budgets.lock().values() {
            budget.set_max_bytes(config.hold.max_bytes_per_backend);
        }
        self.change_queue(&config);
        if old.gather != config.gather || old.retry != config.retry {
            for on_worker in &self.per_worker {
                let on_worker = on_worker.lock();
                on_worker.lanes.iter().for_each(|lane| lane.reconfigure(config.gather, config.retry.clone()));
            }
        }
        if let Some(speech) = speech {
            self.speech.store(speech);
            self.sync_all();
        }
        if old.ring != config.ring {
            let _turn = self.applying.lock();
            let membership = Arc::clone(self.routes.load().membership());
            self.apply(membership);
        }
    }

    fn change_queue(&self, config: &Config) {
        let queue = self.queue.load_full();
        match (queue, config.sending_queue) {
            (None, None) => {}
            (Some(queue), Some(config)) => queue.reconfigure(config),
            (None, Some(config)) => {
                let queue = SendingQueue::new(config, self.metrics.queue(self.signal));
                self.queue.store(Some(queue));
            }
            (Some(queue), None) => {
                self.queue.store(None);
                queue.retire();
            }
        }
    }
}
