//! A run from start to exit: logs, workers, service, signals, an orderly end.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::build::{Ground, Service, Stages, build};
use super::cli::Run;
use super::extensions;
use super::pages::AppPages;
use crate::config::Settings;
use crate::observe::{self, Registry};
use crate::receive::Serving;
use crate::workers::Workers;

/// Runs the service until a signal ends it. Errors are one line for a person.
pub fn run(run: Run) -> Result<ExitCode, String> {
    let _logs = observe::init_logs(&run.loaded.settings.telemetry).map_err(|error| error.to_string())?;
    // Buffers that fill and empty in a rhythm would keep whole huge pages resident for their last few kilobytes.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on; memory is somewhat larger for it");
    }
    let count = available_parallelism().map_or(1, NonZero::get);
    let workers = Workers::start(count).map_err(|error| format!("cannot start workers: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let workers = Arc::new(workers);
    let code = runtime.block_on(serve(run, &workers));
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn serve(run: Run, workers: &Arc<Workers>) -> Result<ExitCode, String> {
    let settings = run.loaded.settings.clone();
    let (registry, stop) = (Registry::new(), CancellationToken::new());
    observe::expose_process(&registry, Instant::now());
    registry.target_info(&settings.telemetry.resource);
    let ground = Ground { workers, registry: &registry, stop: &stop };
    extensions::create_storages(&settings)?;
    let Service { balancers, samplers, stages, receivers } = build(&settings, &ground).await?;
    let pages = Arc::new(AppPages::new(run, balancers, samplers));
    listen(&settings, &registry, &pages, &stop).await?;
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let serving: Vec<_> = receivers.into_iter().map(|receiver| receiver.serve()).collect();
    pages.set_ready(true);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), workers = workers.count(), "ready");
    signals.wait(&pages).await;
    pages.set_ready(false);
    let left = end(&serving, &pages, &stages, &mut signals).await;
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

/// Binds and starts what is not part of the line: metrics, health, admin.
async fn listen(
    settings: &Settings,
    registry: &Registry,
    pages: &Arc<AppPages>,
    stop: &CancellationToken,
) -> Result<(), String> {
    let failed = |error: observe::BindError| error.to_string();
    let mut servers = Vec::new();
    for reader in &settings.telemetry.metrics {
        servers.push(observe::metrics_server(reader, registry).await.map_err(failed)?);
    }
    servers.extend(extensions::health_checks(settings, pages).await?);
    if let Some(admin) = &settings.admin {
        servers.push(observe::admin_server(admin, Arc::clone(pages) as _).await.map_err(failed)?);
    }
    for server in servers {
        tokio::spawn(server.serve(stop.clone()));
    }
    Ok(())
}

/// Stops accepting, lets requests in progress finish, flushes what was promised, all inside [`END_TIME_MAX`]. A
/// second signal ends at once. Returns the items that were left.
async fn end(serving: &[Serving], pages: &AppPages, stages: &Stages, signals: &mut Signals) -> u64 {
    let deadline = Instant::now() + END_TIME_MAX;
    tracing::info!("stopping: no more requests are taken, what is held is being forwarded");
    serving.iter().for_each(Serving::close);
    let balancers: Vec<_> = pages.balancers().iter().flat_map(|b| b.signals.values().cloned()).collect();
    let finished = async {
        balancers.iter().for_each(|one| one.hurry());
        stages.lines.iter().flatten().chain(&stages.exporters).for_each(|one| one.hurry());
        for one in serving {
            let _ = tokio::time::timeout_at((deadline - FLUSH_TIME).into(), one.closed()).await;
        }
        let mut left = 0;
        left += end_stages(stages, deadline).await;
        for one in &balancers {
            left += one.shutdown(deadline).await;
        }
        // Refusals of the last moment still reach their senders.
        for one in serving {
            let _ = tokio::time::timeout(ANSWER_TIME, one.closed()).await;
        }
        left
    };
    tokio::select! {
        left = finished => left,
        () = signals.end() => balancers.iter().map(|one| one.ledger().snapshot().held.max(0) as u64).sum(),
    }
}

/// Ends every pipeline from its front to its end, all at once, then the exporters behind them.
async fn end_stages(stages: &Stages, deadline: Instant) -> u64 {
    let lines = stages.lines.iter().map(|line| async move {
        let mut left = 0;
        for stage in line {
            left += stage.end(deadline).await;
        }
        left
    });
    let before: u64 = join_all(lines).await.into_iter().sum();
    let exporters = stages.exporters.iter().map(|exporter| exporter.end(deadline));
    before + join_all(exporters).await.into_iter().sum::<u64>()
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

    /// Reads the members again at each SIGHUP until the end is asked for.
    async fn wait(&mut self, pages: &AppPages) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    let page = observe::Pages::reload(pages).await;
                    tracing::info!(result = %String::from_utf8_lossy(&page.body), "SIGHUP: read again");
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
