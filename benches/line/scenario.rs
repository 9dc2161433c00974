//! One run: a sink, a peer before it, a load on that, and what came of it.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::generator::{Load, Running};
use crate::common::payload::Payload;
use crate::common::peer::Peer;
use crate::common::process;
use crate::common::shape::Shape;
use crate::common::sink::{Ask, Options, Stats};
use crate::common::sink_process::SinkProcess;
use crate::peer::{self, Kind};

/// What all peers meet alike.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The requests.
    pub shape: Shape,
    /// The backends.
    pub sink: Options,
    /// The senders; the target is filled in by the run.
    pub load: Load,
    /// Time before anything is measured.
    pub warmup: Duration,
    /// Time measured.
    pub measured: Duration,
    /// Processors of the peer.
    pub peer_processors: Option<String>,
    /// Processors of the sink; the generator's are those of the bench.
    pub load_processors: Option<String>,
}

/// What one run showed. Rates are of the measured time, counts of the whole run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The peer's CPU, in microseconds per span delivered to a backend.
    pub cpu: f64,
    /// The generator's, likewise.
    pub generator_cpu: f64,
    /// The sink's, likewise.
    pub sink_cpu: f64,
    /// Share of one processor that the generator, then the sink took.
    pub load_share: (f64, f64),
    /// Processors that were busy with anything else.
    pub others: f64,
    /// Spans delivered in a second.
    pub rate: f64,
    /// Calls to backends per call taken.
    pub fan: f64,
    /// Peak resident memory of the peer.
    pub rss_mb: f64,
    /// Latencies in microseconds: p50, p99, p99.9.
    pub latency: [f64; 3],
    /// Traces that came to more than one backend.
    pub split: u64,
    /// Acknowledged spans that came to none.
    pub lost: u64,
    /// Spans that came twice.
    pub duplicates: u64,
    /// Spans that nobody sent.
    pub foreign: u64,
    /// Requests whose spans were not all acknowledged.
    pub failed: u64,
    /// Connections of the generator that had to be opened again.
    pub reconnects: u64,
    /// Connections that backends took.
    pub connections: u64,
    /// Why the first request failed.
    pub reason: Option<String>,
}

/// Everything that is counted, at one moment.
struct Moment {
    at: Instant,
    cpu: [Duration; 4],
    sink: Stats,
    answered: u64,
}

/// Runs a peer through a scenario.
pub fn run(scenario: &Scenario, kind: Kind, binary: Option<&Path>, folder: &Path) -> anyhow::Result<Outcome> {
    let mut options = scenario.sink.clone();
    if kind == Kind::Null {
        options = Options { ports: 1, slow: 0, dead: 0, ..options };
    }
    let mut sink = SinkProcess::start(&options, scenario.load_processors.as_deref())?;
    let pin = scenario.peer_processors.as_deref();
    let peer = binary.map(|binary| peer::start(kind, binary, &sink.ports, folder, pin)).transpose()?;
    let payload = Payload::new(scenario.shape);
    let direct = std::net::SocketAddr::from(([127, 0, 0, 1], sink.ports[0]));
    let load = Load { target: peer.as_ref().map_or(direct, |peer| peer.address), ..scenario.load.clone() };

    let mut running = Running::start(&load, payload);
    sleep(scenario.warmup);
    running.record(true);
    let before = Moment::now(&mut sink, peer.as_ref(), &running)?;
    sleep(scenario.measured);
    let after = Moment::now(&mut sink, peer.as_ref(), &running)?;
    running.record(false);
    let requests = running.drain();

    let except = running.stats.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let failed = except.len() as u64;
    let end: Stats = sink.ask(&Ask::Stats)?;
    let mut outcome = measured(&before, &after);
    outcome.lost = sink.ask(&Ask::Missing { requests, except })?;
    outcome.split = end.split;
    outcome.duplicates = end.duplicates;
    outcome.foreign = end.foreign;
    outcome.connections = end.connections;
    outcome.failed = failed;
    outcome.reconnects = running.stats.reconnects.load(Relaxed);
    outcome.reason = running.stats.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
    outcome.latency = [0.5, 0.99, 0.999].map(|share| running.stats.latency.quantile(share));
    if let Some(mut peer) = peer {
        anyhow::ensure!(peer.process.runs(), "{} ended under load:\n{}", kind.name(), peer.last_words());
        outcome.rss_mb = peer.process.peak_rss_mb()?;
        anyhow::ensure!(
            after.sink.spans > before.sink.spans,
            "{} delivered nothing: {}\n{}",
            kind.name(),
            outcome.reason.unwrap_or_default(),
            peer.last_words()
        );
    }
    Ok(outcome)
}

fn measured(before: &Moment, after: &Moment) -> Outcome {
    let seconds = (after.at - before.at).as_secs_f64();
    let spans = (after.sink.spans - before.sink.spans) as f64;
    let [peer, generator, sink, machine] = [0, 1, 2, 3].map(|i| (after.cpu[i] - before.cpu[i]).as_secs_f64());
    Outcome {
        cpu: peer * 1e6 / spans,
        generator_cpu: generator * 1e6 / spans,
        sink_cpu: sink * 1e6 / spans,
        load_share: (generator / seconds, sink / seconds),
        others: (machine - peer - generator - sink).max(0.0) / seconds,
        rate: spans / seconds,
        fan: (after.sink.requests - before.sink.requests) as f64
            / (after.answered - before.answered).max(1) as f64,
        ..Outcome::default()
    }
}

impl Moment {
    fn now(sink: &mut SinkProcess, peer: Option<&Peer>, running: &Running) -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            cpu: [
                peer.map_or(Ok(Duration::ZERO), |peer| peer.process.cpu())?,
                process::cpu("self")?,
                sink.process.cpu()?,
                process::machine_cpu()?,
            ],
            sink: sink.ask(&Ask::Stats)?,
            answered: running.stats.ok.load(Relaxed),
        })
    }
}
