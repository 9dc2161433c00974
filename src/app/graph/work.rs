//! A change of the whole line in the making: what has been begun for it, and what is to be done to make it.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::change::Change;
use crate::config;
use crate::flow::{Consumer, Former, Front, Link, Outlets, Stage};
use crate::observe::SamplerSeries;
use crate::shard::TailSampling;

/// What is to be done, once nothing can fail any more, from the back of the line to its front.
#[derive(Default)]
pub struct Work {
    /// Samplers that get other policies.
    pub samplers: Vec<Rejudging>,
    /// Of exporters.
    pub exporters: Vec<Change>,
    /// Joints, and what comes behind them.
    pub links: Vec<(Link, Arc<dyn Consumer>)>,
    /// Receivers, and what comes behind them.
    pub fronts: Vec<(Front, Outlets)>,
    /// Of receivers.
    pub receivers: Vec<Change>,
    /// What runs already, for this change only.
    begun: Vec<Begun>,
}

enum Begun {
    Stage(Arc<dyn Stage>),
    Follower(CancellationToken),
}

/// A sampler that gets another configuration.
pub struct Rejudging {
    /// Its key.
    pub key: String,
    /// It.
    pub sampler: TailSampling,
    /// What it judges by.
    pub old: config::TailSampling,
    /// What it shall judge by.
    pub new: config::TailSampling,
}

impl Work {
    /// A stage was started for this change.
    pub fn started(&mut self, stage: &Arc<dyn Stage>) {
        self.begun.push(Begun::Stage(Arc::clone(stage)));
    }

    /// Something runs until `stop`.
    pub fn runs_until(&mut self, stop: &CancellationToken) {
        self.begun.push(Begun::Follower(stop.clone()));
    }

    /// The change is not made: ends what was begun for it, which holds nothing.
    pub async fn give_up(self) {
        for begun in self.begun {
            match begun {
                Begun::Stage(stage) => {
                    stage.end(Instant::now()).await;
                }
                Begun::Follower(stop) => stop.cancel(),
            }
        }
    }

    /// Gives samplers their policies: all of them, or none.
    pub async fn rejudge(&mut self) -> Result<(), String> {
        for index in 0..self.samplers.len() {
            let Rejudging { key, sampler, new, .. } = &self.samplers[index];
            if let Err(error) = reconfigure(sampler, new).await {
                let error = format!("{key}::{error}");
                for done in &self.samplers[..index] {
                    if let Err(error) = reconfigure(&done.sampler, &done.old).await {
                        tracing::error!(
                            processor = done.key,
                            error,
                            "its former policies cannot be put back"
                        );
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the rest of the change. Returns who stood behind the joints.
    pub fn make(self) -> Vec<Former> {
        self.exporters.into_iter().for_each(Change::make);
        let mut formers: Vec<Former> = self.links.into_iter().map(|(link, next)| link.set(next)).collect();
        formers.extend(self.fronts.into_iter().map(|(front, outlets)| front.set(outlets)));
        self.receivers.into_iter().for_each(Change::make);
        formers
    }
}

async fn reconfigure(sampler: &TailSampling, config: &config::TailSampling) -> Result<(), String> {
    sampler.reconfigure(config.sampling.clone(), config.journal.clone(), series(config)).await
}

/// The optional series of a sampler.
pub fn series(config: &config::TailSampling) -> SamplerSeries {
    SamplerSeries { spans: config.count_spans_sampled, bytes: config.count_bytes_sampled }
}
