//! A run from start to exit: logs, workers, service, signals, an orderly end.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::cli::Run;
use super::graph::{Graph, Ground, Stages};
use super::live::{Live, Trigger};
use super::watch::watch;
use crate::config::{Processor, Settings};
use crate::observe::{self, LogHandle, Registry};
use crate::shard;
use crate::workers::Workers;

/// Runs the service until a signal ends it. Errors are one line for a person.
pub fn run(run: Run) -> Result<ExitCode, String> {
    let logs = observe::init_logs(&run.loaded.settings.telemetry).map_err(|error| error.to_string())?;
    // Buffers that fill and empty in a rhythm would keep whole huge pages resident for their last few kilobytes.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on; memory is somewhat larger for it");
    }
    let count = available_parallelism().map_or(1, NonZero::get);
    let workers = Workers::start(count).map_err(|error| format!("cannot start workers: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let workers = Arc::new(workers);
    let code = runtime.block_on(serve(run, &workers, logs));
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn serve(run: Run, workers: &Arc<Workers>, logs: LogHandle) -> Result<ExitCode, String> {
    let (registry, stop) = (Registry::new(), CancellationToken::new());
    observe::expose_process(&registry, Instant::now());
    let ground = Ground {
        workers: Arc::clone(workers),
        registry,
        instance: instance().into(),
        started: SystemTime::now(),
        stop: stop.clone(),
    };
    warn_of_deserted(&run.loaded.settings);
    let live = Live::start(run, ground, logs).await?;
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    live.set_ready(true);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), workers = workers.count(), "ready");
    let watching = tokio::spawn(watch(Arc::clone(&live)));
    signals.wait(&live).await;
    watching.abort();
    live.set_ready(false);
    let left = end(&live, &mut signals).await;
    let view = live.view();
    tokio::select! {
        () = view.graph.end_pushing() => {}
        () = signals.end() => {}
    }
    stop.cancel();
    if left > 0 {
        tracing::warn!(
            items = left,
            "stopped before everything was forwarded; senders without an answer will retry"
        );
    } else {
        tracing::info!("stopped; nothing was left");
    }
    Ok(ExitCode::SUCCESS)
}

/// A random id (UUID version 4) that no other process has.
fn instance() -> String {
    let id = fastrand::u128(..) & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Says which folders of journals hold spans that nobody will judge or send.
fn warn_of_deserted(settings: &Settings) {
    let mut used: BTreeMap<&Path, Vec<PathBuf>> = BTreeMap::new();
    for pipeline in &settings.pipelines {
        for id in &pipeline.processors {
            let Some(Processor::TailSampling(config)) = settings.processors.get(id) else { continue };
            let Some(directory) = &config.journal.directory else { continue };
            let folder = shard::folder_of(&pipeline.id.to_string(), &id.to_string());
            used.entry(directory).or_default().push(folder);
        }
    }
    for (directory, used) in used {
        for folder in shard::deserted(directory, &used) {
            let folder = folder.display();
            tracing::warn!(%folder, "a journal of a processor that is not configured: what it holds waits for one of that name");
        }
    }
}

/// Stops accepting, lets requests in progress finish, flushes what was promised, all inside [`END_TIME_MAX`]. A
/// second signal ends at once. Returns the items that were left.
async fn end(live: &Live, signals: &mut Signals) -> u64 {
    let deadline = Instant::now() + END_TIME_MAX;
    tracing::info!("stopping: no more requests are taken, what is held is being forwarded");
    let retired = live.freeze().await;
    let graph = &live.view().graph;
    let serving = graph.servings();
    serving.iter().for_each(|one| one.close());
    let finished = async {
        let stages = retired.iter().map(|one| &one.stages).chain([graph.stages()]);
        stages.clone().flat_map(Stages::all).for_each(|stage| stage.hurry());
        for one in serving.iter().chain(retired.iter().flat_map(|one| &one.receivers)) {
            let _ = tokio::time::timeout_at((deadline - FLUSH_TIME).into(), one.closed()).await;
        }
        let mut left = 0;
        // What a reload has taken out of the line may hand on to what is still in it.
        let early = deadline - FLUSH_TIME / 2;
        left +=
            join_all(retired.iter().map(|one| one.stages.end_processors(early))).await.iter().sum::<u64>();
        left += graph.stages().end_processors(deadline).await;
        left += join_all(stages.map(|stages| stages.end_exporters(deadline))).await.iter().sum::<u64>();
        // Refusals of the last moment still reach their senders.
        for one in &serving {
            let _ = tokio::time::timeout(ANSWER_TIME, one.closed()).await;
        }
        left
    };
    tokio::select! {
        left = finished => left,
        () = signals.end() => held(graph),
    }
}

/// What balancers hold for senders that wait.
fn held(graph: &Graph) -> u64 {
    let balancers = graph.balancers().flat_map(|(_, balancer)| balancer.signals());
    balancers.map(|(_, one)| one.ledger().snapshot().held.max(0) as u64).sum()
}

/// What the operator can ask of a running process.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGTERM or SIGINT.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Reads configuration and members again at each SIGHUP until the end is asked for.
    async fn wait(&mut self, live: &Live) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    let good = live.read_again(Trigger::Signal).await.status == 200;
                    tracing::info!(good, "SIGHUP: read again");
                }
            }
        }
    }
}

/// From the first signal to the exit; Kubernetes kills after 30 s.
const END_TIME_MAX: Duration = Duration::from_secs(20);
/// Of it, kept for flushing after the receivers have closed.
const FLUSH_TIME: Duration = Duration::from_secs(5);
/// For the last answers to leave.
const ANSWER_TIME: Duration = Duration::from_millis(500);
