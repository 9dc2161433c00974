//! Other policies and limits for a processor that runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, oneshot};

use super::assemble::Assemble;
use super::open::memory_max;
use super::processor::TailSampling;
use super::reread::{Described, Rereading};
use super::run::Ask;
use super::state::Shard;
use crate::journal::{self, Compression, Sync};
use crate::observe::{Registry, SamplerMetrics, SamplerSeries};
use crate::sample::facts::Plan;
use crate::sample::{Config, Moment};

/// What a shard is told.
pub struct Change {
    /// What to judge by.
    pub sampling: Config,
    /// What the journal is told.
    pub journal: journal::Config,
    /// What is looked at of a span: the plan there was, if it gathers the same.
    pub plan: Arc<Plan>,
    /// The series of these policies.
    pub metrics: SamplerMetrics,
}

/// What stays as it was at the start.
pub struct Fixed {
    shards: u32,
    journal: journal::Config,
    component: String,
    registry: Registry,
    one_at_a_time: Mutex<()>,
}

impl Fixed {
    /// Of a processor that starts.
    pub fn new(sampling: &Config, journal: &journal::Config, component: &str, registry: &Registry) -> Self {
        Self {
            shards: sampling.num_shards.max(1),
            journal: journal.clone(),
            component: component.to_owned(),
            registry: registry.clone(),
            one_at_a_time: Mutex::new(()),
        }
    }

    /// The keys that say something else now.
    fn broken(&self, sampling: &Config, journal: &journal::Config) -> Vec<&'static str> {
        let compressed = |config: &journal::Config| config.compression == Compression::Lz4;
        // A disk that is forced needs a thread of its own, which a shard has from the start or never.
        let forced = |config: &journal::Config| config.sync != Sync::Never;
        let keys = [
            ("num_shards", sampling.num_shards.max(1) != self.shards),
            ("journal.directory", journal.directory != self.journal.directory),
            ("journal.compression", compressed(journal) != compressed(&self.journal)),
            ("journal.sync", forced(journal) != forced(&self.journal)),
        ];
        keys.into_iter().filter(|(_, broken)| *broken).map(|(key, _)| key).collect()
    }
}

impl TailSampling {
    /// Whether [`Self::reconfigure`] can put this in force; the error names the keys that need a restart.
    pub fn fixed(&self, sampling: &Config, journal: &journal::Config) -> Result<(), String> {
        match &self.0.fixed.broken(sampling, journal)[..] {
            [] => Ok(()),
            keys => {
                Err(format!("{}: cannot change while it runs; a restart puts it in force", keys.join(", ")))
            }
        }
    }

    /// Puts other policies and limits in force. Open traces, their bytes, remembered verdicts, explanations, what is on
    /// its way out and counters stay. After an error nothing has changed. To be awaited to its end: dropped before, it
    /// may have reached some shards only.
    pub async fn reconfigure(
        &self,
        sampling: Config,
        journal: journal::Config,
        series: SamplerSeries,
    ) -> Result<(), String> {
        let inner = &self.0;
        let _turn = inner.fixed.one_at_a_time.lock().await;
        self.fixed(&sampling, &journal)?;
        let plan = Plan::new(&sampling);
        let known = inner.plan.load_full();
        let plan = if plan.asks_the_same(&known) { known } else { Arc::new(plan) };
        let policies: Vec<String> = sampling.policies.iter().map(|policy| policy.name.clone()).collect();
        let Fixed { component, registry, .. } = &inner.fixed;
        let metrics = SamplerMetrics::new(registry, &inner.name, component, &policies, series);
        // From here on requests are read by the new plan; a shard reads those again that meet another one there.
        inner.plan.store(Arc::clone(&plan));
        inner.drop_pending.store(sampling.drop_pending_on_shutdown, Ordering::Relaxed);
        let mut told = Vec::with_capacity(inner.shards.len());
        for shard in &inner.shards {
            let (tell, answer) = oneshot::channel();
            let change = Change {
                sampling: sampling.clone(),
                journal: journal.clone(),
                plan: Arc::clone(&plan),
                metrics: metrics.clone(),
            };
            if shard.asks.send(Ask::Change(Box::new(change), tell)).await.is_ok() {
                told.push(answer);
            }
        }
        for answer in told {
            let _ = answer.await; // a shard that has ended judges nothing more
        }
        Ok(())
    }
}

impl Shard {
    /// Puts other policies and limits in force.
    pub fn change(&mut self, change: Change, now: Instant) {
        let Change { sampling, journal, plan, metrics } = change;
        self.drain(); // what was decided before is counted as it was decided
        self.journal.reconfigure(&journal, self.shards);
        self.shrinks = true;
        self.memory_max = memory_max(&self.journal);
        self.assemble = Assemble::new(sampling.record_policy, !sampling.compat);
        self.compat = sampling.compat;
        self.counters.change(metrics, &sampling);
        self.sampler.reconfigure(sampling, plan, self.clock.moment(now));
        self.counters.rename(self.sampler.names());
        self.verdicts.change(self.sampler.names(), self.sampler.remembers(), &journal, self.shards);
    }

    /// Whether [`Self::catch_up`] has something to do.
    pub fn is_behind(&self) -> bool {
        self.shrinks || self.sampler.is_behind()
    }

    /// Does what a change left to do, for a short while.
    pub fn catch_up(&mut self, now: Moment) {
        if self.shrinks {
            self.shrinks = self.shrink_journal(now);
        }
        let begun = Instant::now();
        let mut rereading = Rereading { journal: &mut self.journal, described: &mut self.described };
        while self.sampler.is_behind() && begun.elapsed() < CATCH_UP_FOR {
            self.sampler.catch_up(now, &mut rereading);
        }
        if !self.sampler.is_behind() {
            self.described = Described::default();
        }
    }

    /// A journal over its limit lets go of its oldest segment. False when there is no more to do: it fits, or what holds
    /// it up are kept traces that have not left, which more verdicts would not help.
    fn shrink_journal(&mut self, now: Moment) -> bool {
        if self.journal.used_bytes() <= self.journal.limit_bytes() || !self.sampler.makes_room() {
            return false;
        }
        let before = self.journal.oldest();
        self.empty_oldest_segment(now);
        self.journal.oldest() != before
    }
}

/// How long others wait at most while traces are read again.
const CATCH_UP_FOR: Duration = Duration::from_millis(1);
