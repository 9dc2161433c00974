//! What has to be ended, in the order of the line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::timeout_at;

use crate::flow::Stage;

/// The stages of a pipeline, the first to be ended first.
pub type Line = Vec<Arc<dyn Stage>>;

/// Stages that hold something: those of pipelines by how far from the receivers they stand, and exporters.
#[derive(Clone, Default)]
pub struct Stages {
    /// Pipelines that no connector leads to, then those behind them.
    pub levels: Vec<Vec<Line>>,
    /// Exporters.
    pub exporters: Vec<Arc<dyn Stage>>,
}

impl Stages {
    /// Those that are not among `others`.
    pub fn without(&self, others: &Self) -> Self {
        let others: Vec<_> = others.all().cloned().collect();
        let kept = |stages: &Vec<Arc<dyn Stage>>| -> Vec<Arc<dyn Stage>> {
            let is_left = |stage: &&Arc<dyn Stage>| !others.iter().any(|other| Arc::ptr_eq(other, stage));
            stages.iter().filter(is_left).cloned().collect()
        };
        let levels = self.levels.iter().map(|lines| lines.iter().map(kept).collect()).collect();
        Self { levels, exporters: kept(&self.exporters) }
    }

    /// Those of pipelines.
    pub fn processors(&self) -> impl Iterator<Item = &Arc<dyn Stage>> {
        self.levels.iter().flatten().flatten()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Stage>> {
        self.processors().chain(&self.exporters)
    }

    /// Ends the pipelines, each from its front to its end, those behind others after them. Returns the items given up.
    pub async fn end_processors(&self, deadline: Instant) -> u64 {
        let mut left = 0;
        for lines in &self.levels {
            let ended = lines.iter().map(|line| async move {
                let mut left = 0;
                for stage in line {
                    left += end(stage, deadline).await;
                }
                left
            });
            left += join_all(ended).await.into_iter().sum::<u64>();
        }
        left
    }

    /// Ends the exporters, all at once. Returns the items given up.
    pub async fn end_exporters(&self, deadline: Instant) -> u64 {
        join_all(self.exporters.iter().map(|exporter| end(exporter, deadline))).await.into_iter().sum()
    }
}

/// Ends a stage. One that is being ended already, with a later deadline, is not waited for longer than this one.
async fn end(stage: &Arc<dyn Stage>, deadline: Instant) -> u64 {
    match timeout_at((deadline + LET_GO).into(), stage.end(deadline)).await {
        Ok(left) => left,
        Err(_) => {
            tracing::warn!(component = stage.name(), "it did not end in time");
            0
        }
    }
}

/// A stage keeps to its deadline, give or take.
const LET_GO: Duration = Duration::from_secs(2);
