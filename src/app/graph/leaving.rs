//! What a reload has taken out of the line, and how it goes: nothing it has promised is lost by that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::stages::Stages;
use crate::flow::Former;
use crate::receive::Serving;

/// What one reload has taken out.
#[derive(Default)]
pub struct Leaving {
    /// Receivers that have closed.
    pub receivers: Vec<Arc<Serving>>,
    /// Who stood behind the joints.
    pub formers: Vec<Former>,
    /// Samplers hold their traces for so long.
    pub judged_after: Duration,
    /// Stages without a place in the line.
    pub stages: Stages,
    /// Stops what follows members.
    pub stop: Vec<CancellationToken>,
}

impl Leaving {
    /// Whether there is nothing to end.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty() && self.stages.all().next().is_none() && self.stop.is_empty()
    }

    /// Waits until nothing new can come, then ends the stages from front to back. Samplers judge what they hold when its
    /// time comes; exporters hand on their queues. What has not been done after [`END_MAX`] is given up and counted.
    async fn leave(&self) {
        let begin = Instant::now();
        self.stages.processors().for_each(|stage| stage.hurry());
        self.left(begin + LEAVE_MAX).await;
        sleep_until((begin + self.judged_after).into()).await;
        let deadline = Instant::now() + END_MAX;
        let mut left = self.stages.end_processors(deadline).await;
        // There is no hurry: retries keep their pace until the end.
        let emptied = join_all(self.stages.exporters.iter().map(|exporter| exporter.emptied()));
        let _ = timeout_at(deadline.into(), emptied).await;
        left += self.stages.end_exporters(deadline).await;
        self.stop.iter().for_each(CancellationToken::cancel);
        if left > 0 {
            tracing::warn!(items = left, "components that a reload removed could not hand on everything");
        }
    }

    /// Ready when what was handed to it before has been answered, or at `deadline`: then what is still on its way is
    /// refused, and its senders try again.
    async fn left(&self, deadline: Instant) {
        let closed = self.receivers.iter().map(|one| async {
            let _ = timeout_at(deadline.into(), one.closed()).await;
        });
        join_all(closed).await;
        join_all(self.formers.iter().map(|former| former.left(deadline))).await;
    }
}

/// What is leaving, each in its own time.
#[derive(Default)]
pub struct Retired(Vec<Task>);

struct Task {
    leaving: Arc<Leaving>,
    task: JoinHandle<()>,
}

impl Retired {
    /// Whether there is a place for more.
    pub fn has_room(&mut self) -> bool {
        self.0.retain(|one| !one.task.is_finished());
        self.0.len() < LEAVING_MAX
    }

    /// Sees it out, in the background.
    pub fn add(&mut self, leaving: Leaving) {
        if leaving.is_empty() {
            return;
        }
        let leaving = Arc::new(leaving);
        let leaves = Arc::clone(&leaving);
        self.0.push(Task { leaving, task: tokio::spawn(async move { leaves.leave().await }) });
    }

    /// The process ends: what has not left yet is for the caller to end.
    pub fn recall(&mut self) -> Vec<Arc<Leaving>> {
        let unfinished = self.0.drain(..).filter(|one| !one.task.is_finished());
        unfinished
            .map(|one| {
                one.task.abort();
                one.leaving
            })
            .collect()
    }
}

/// Reloads whose leavings have not left yet.
pub const LEAVING_MAX: usize = 100;
/// How long requests under way may take to leave a stage before it ends. Senders wait about as long for an answer.
const LEAVE_MAX: Duration = Duration::from_secs(30);
/// How long a stage may take to hand on what it holds. Retries give up after five minutes, unless configured otherwise.
const END_MAX: Duration = Duration::from_secs(600);
