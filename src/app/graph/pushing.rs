//! Readers that push our own metrics: a task and an exporter of its own for each.
//!
//! That exporter counts in a registry that nobody reads: what we say of ourselves is no traffic.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval_at, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Ground;
use super::work::Work;
use crate::config::{PushReader, PushTarget, Settings};
use crate::export::{self, OtlpExporter};
use crate::flow::{Consumer, Quiet, Request, Stage};
use crate::observe::{Push, Pushes, Registry};
use crate::outcome::Signal;
use crate::wire::json;

/// A reader that pushes and what it was told.
#[derive(Clone)]
pub struct Node {
    config: PushReader,
    running: Arc<Running>,
}

struct Running {
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Readers that go on and those that are about to begin.
#[derive(Default)]
pub struct Readers {
    kept: Vec<Node>,
    new: Vec<(PushReader, Reader)>,
}

/// Makes those that are new.
pub fn prepare(
    settings: &Settings,
    old: &[Node],
    ground: &Ground,
    work: &mut Work,
) -> Result<Readers, String> {
    let mut readers = Readers::default();
    for config in &settings.pushing {
        match old.iter().find(|node| node.config == *config) {
            Some(node) => readers.kept.push(node.clone()),
            None => readers.new.push((config.clone(), Reader::new(config, ground, work)?)),
        }
    }
    Ok(readers)
}

impl Readers {
    /// Begins to push.
    pub fn start(self) -> Vec<Node> {
        let Self { mut kept, new } = self;
        kept.extend(new.into_iter().map(|(config, reader)| {
            let closing = CancellationToken::new();
            let task = tokio::spawn(reader.run(closing.clone()));
            Node { config, running: Arc::new(Running { closing, task: Mutex::new(Some(task)) }) }
        }));
        kept
    }
}

/// Those that are not configured any more push once more and end, in the background.
pub fn leave(old: &[Node], next: &[Node]) {
    let gone = old.iter().filter(|node| !next.iter().any(|other| other.config == node.config));
    gone.for_each(|node| node.running.closing.cancel());
}

/// All of them push once more and end.
pub async fn end(nodes: &[Node]) {
    nodes.iter().for_each(|node| node.running.closing.cancel());
    let tasks: Vec<_> = nodes.iter().filter_map(|node| node.running.task.lock().take()).collect();
    let _ = timeout(LAST_MAX + LET_GO, join_all(tasks)).await;
}

/// One reader.
struct Reader {
    key: String,
    interval: Duration,
    timeout: Duration,
    pushes: Pushes,
    target: Target,
    registry: Registry,
    troubles: Troubles,
}

enum Target {
    Otlp(OtlpExporter),
    Console,
}

impl Reader {
    fn new(config: &PushReader, ground: &Ground, work: &mut Work) -> Result<Self, String> {
        let PushReader { key, interval, timeout, temporality, to } = config.clone();
        let target = match to {
            PushTarget::Console => Target::Console,
            PushTarget::Otlp(config) => {
                let (unread, workers) = (Registry::new(), &ground.workers);
                let name = "telemetry/metrics";
                let parts = export::Parts {
                    name,
                    signal: Signal::Metrics,
                    config: *config,
                    workers,
                    registry: &unread,
                };
                let exporter = OtlpExporter::new(parts);
                let exporter =
                    exporter.map_err(|error| format!("{key}::periodic::exporter::otlp: {error}"))?;
                let stage: Arc<dyn Stage> = Arc::new(exporter.clone());
                work.started(&stage);
                Target::Otlp(exporter)
            }
        };
        let registry = ground.registry.clone();
        let pushes = Pushes::new(temporality, ground.started);
        Ok(Self { key, interval, timeout, pushes, target, registry, troubles: Troubles::default() })
    }

    async fn run(mut self, closing: CancellationToken) {
        let mut turns = interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = closing.cancelled() => break,
                _ = turns.tick() => {}
            }
            tokio::select! {
                () = closing.cancelled() => break,
                () = self.push(self.timeout) => {}
            }
        }
        let deadline = Instant::now() + LAST_MAX;
        if let Target::Otlp(exporter) = &self.target {
            exporter.hurry();
        }
        self.push(self.timeout.min(LAST_MAX)).await;
        if let Target::Otlp(exporter) = &self.target {
            let _ = timeout_at((deadline + LET_GO).into(), exporter.end(deadline)).await;
        }
    }

    /// One push. A failure is told and changes nothing else.
    async fn push(&mut self, within: Duration) {
        let registry = self.registry.clone();
        let Ok(families) = spawn_blocking(move || registry.collect()).await else {
            tracing::error!(reader = self.key, "the metrics cannot be gathered: a bug");
            return;
        };
        let push = self.pushes.write(&families, &self.registry.resource(), SystemTime::now());
        let sent = timeout(within, self.target.send(&push)).await;
        match sent.unwrap_or_else(|_| Err(format!("no answer within {within:?}"))) {
            Ok(()) => {
                self.pushes.arrived(push);
                self.troubles.over(&self.key);
            }
            Err(error) => self.troubles.tell(&self.key, &error),
        }
    }
}

impl Target {
    async fn send(&self, push: &Push) -> Result<(), String> {
        match self {
            Self::Otlp(exporter) => {
                let request = Request::new(Signal::Metrics, Bytes::from(push.body.clone()), push.points);
                let accepted = exporter.consume(request).await.map_err(|refusal| refusal.message)?;
                match accepted.rejected_items {
                    0 => Ok(()),
                    some => Err(format!("{some} data points were rejected: {}", accepted.message)),
                }
            }
            Self::Console => {
                let line = json::from_protobuf(Signal::Metrics, &push.body).map_err(|e| e.to_string())?;
                let written = spawn_blocking(move || writeln!(std::io::stdout(), "{line}")).await;
                written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
            }
        }
    }
}

/// What is told of pushes that fail: the first, and then one in a while.
#[derive(Default)]
struct Troubles {
    failed: u64, // since the last that arrived
    quiet: Quiet,
}

impl Troubles {
    fn tell(&mut self, reader: &str, error: &str) {
        self.failed += 1;
        if self.quiet.may_say().is_some() {
            tracing::warn!(reader, error, failed = self.failed, "our own metrics cannot be pushed");
        }
    }

    fn over(&mut self, reader: &str) {
        if self.failed > 0 {
            tracing::info!(reader, failed = self.failed, "our own metrics are pushed again");
            *self = Self::default();
        }
    }
}

/// For the last push: the end of the process waits for it.
const LAST_MAX: Duration = Duration::from_secs(3);
/// For tasks to end after that.
const LET_GO: Duration = Duration::from_secs(1);
