//! One run: a sink, a sampler before it, a load on that, and what came of it.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::common::generator::{Load, Running};
use crate::common::payload::Payload;
use crate::common::process;
use crate::common::sink::{Ask, Options, Stats, Timetable};
use crate::common::sink_process::SinkProcess;
use crate::common::text::median;
use crate::scenario::Scenario;
use crate::scrape::Series;
use crate::setup::{FOUNDING_RATE, Kind, Setup, Started};

const LAG: &str = "ringtail_sampler_verdict_lag_seconds";
/// Between two looks at memory.
const LOOK: Duration = Duration::from_millis(100);
/// What the last kept traces have to arrive, beyond their wait.
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);

/// What one run showed. Rates are of the measured time, counts of the whole run, memory is in MB.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// CPU of the process, in microseconds per span acknowledged.
    pub cpu: f64,
    /// Spans acknowledged in a second.
    pub rate: f64,
    /// Spans in a request to the sink.
    pub batch: f64,
    /// Traces that wait, by ringtail's own count.
    pub live: f64,
    /// Bytes of the spans that wait, as they were sent.
    pub held_mb: f64,
    /// Resident before the first span.
    pub idle_mb: f64,
    /// Resident while measuring, the median.
    pub steady_mb: f64,
    /// The most that was resident in the whole run.
    pub peak_mb: f64,
    /// Index and remembered verdicts, by ringtail's own count.
    pub index_mb: f64,
    /// From deadline to verdict by ringtail's own count, in milliseconds: p50, p99.
    pub lag_ms: Option<[f64; 2]>,
    /// From deadline to sink, in milliseconds: p50, p99.
    pub late_ms: [f64; 2],
    /// Acknowledged spans of traces with an error that never came.
    pub lost: u64,
    /// Spans of other traces that did.
    pub unwanted: u64,
    /// Spans that came twice.
    pub duplicates: u64,
    /// Spans that nobody sent.
    pub foreign: u64,
    /// Requests whose spans were not all acknowledged.
    pub failed: u64,
    /// What ringtail's conservation sum is off.
    pub imbalance: f64,
    /// Share of one processor that the generator, then the sink took.
    pub load_share: (f64, f64),
    /// Processors that were busy with anything else.
    pub others: f64,
    /// Why the first request failed.
    pub reason: Option<String>,
}

/// Everything that is counted, at one moment.
struct Moment {
    at: Instant,
    cpu: [Duration; 4],
    sink: Stats,
    answered: u64,
    series: Option<Series>,
}

/// Runs one of them through a scenario.
pub fn run(scenario: &Scenario, kind: Kind, binary: &Path, folder: &Path) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir_in(folder)?;
    let mut sink = SinkProcess::start(&sink_options(scenario), None)?;
    let setup = Setup {
        kind,
        wait: scenario.wait,
        policies: scenario.policies,
        founding: scenario.founding,
        sink: sink.ports[0],
        folder: folder.path(),
    };
    let begun = Instant::now();
    let mut started = setup.start(binary)?;
    let idle_mb = started.peer.process.rss_mb()?;
    let mut running = Running::start(&load(scenario, &started), Payload::new(scenario.shape));
    follow(scenario, &mut sink, &running)?;
    sleep(scenario.wait + scenario.settle);

    let before = Moment::now(&mut sink, &started, &running)?;
    let mut looks = Vec::new();
    while before.at.elapsed() < scenario.measured {
        sleep(LOOK);
        looks.push(started.peer.process.rss_mb()?);
    }
    let after = Moment::now(&mut sink, &started, &running)?;
    let late: [f64; 2] = sink.ask(&Ask::UnderWay)?;
    let requests = running.drain();

    let mut outcome = measured(scenario, &before, &after);
    outcome.idle_mb = idle_mb;
    outcome.steady_mb = median(looks);
    outcome.late_ms = late.map(|micros| micros / 1e3);
    let except = running.stats.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    outcome.failed = except.len() as u64;
    outcome.reason = running.stats.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
    outcome.lost = missing(scenario, &mut sink, &Ask::Missing { requests, except })?;
    anyhow::ensure!(
        started.peer.process.runs(),
        "{} ended under load:\n{}",
        kind.name(),
        started.peer.last_words()
    );
    outcome.peak_mb = started.peer.process.peak_rss_mb()?;
    let end: Stats = sink.ask(&Ask::Stats)?;
    // A limit lets through what it says a second, and at first what it saves up for two.
    let limit = if scenario.founding { FOUNDING_RATE * (begun.elapsed().as_secs() + 3) } else { 0 };
    outcome.unwanted = end.unwanted.saturating_sub(limit);
    (outcome.duplicates, outcome.foreign) = (end.duplicates, end.foreign);
    if let Some(address) = started.metrics {
        outcome.imbalance = Series::scrape(address)?.off("ringtail_conservation_imbalance");
    }
    Ok(outcome)
}

/// A sink for the kept traces of a scenario.
pub fn sink_options(scenario: &Scenario) -> Options {
    Options {
        ports: 1,
        shape: scenario.shape,
        threads: 1,
        slow: 0,
        delay_ms: 0,
        dead: 0,
        fail_percent: 0,
        forget_percent: 0,
    }
}

fn load(scenario: &Scenario, started: &Started) -> Load {
    Load {
        target: started.peer.address,
        connections: 2,
        in_flight: 8,
        rate: Some(scenario.rate / scenario.shape.spans as f64),
        threads: 1,
    }
}

/// Tells the sink when what was sent.
fn follow(scenario: &Scenario, sink: &mut SinkProcess, running: &Running) -> anyhow::Result<()> {
    let start = running.stats.started.duration_since(SystemTime::UNIX_EPOCH)?;
    sink.ask(&Ask::Follow(Timetable {
        start_nanos: u64::try_from(start.as_nanos())?,
        rate: scenario.rate / scenario.shape.spans as f64,
        wait_nanos: u64::try_from(scenario.wait.as_nanos())?,
    }))
}

/// Waits for the last kept traces; says how many spans never came.
fn missing(scenario: &Scenario, sink: &mut SinkProcess, question: &Ask) -> anyhow::Result<u64> {
    let deadline = Instant::now() + scenario.wait + ARRIVE_WITHIN;
    loop {
        let missing = sink.ask(question)?;
        if missing == 0 || Instant::now() >= deadline {
            return Ok(missing);
        }
        sleep(Duration::from_secs(1));
    }
}

fn measured(scenario: &Scenario, before: &Moment, after: &Moment) -> Outcome {
    let seconds = (after.at - before.at).as_secs_f64();
    let spans = (after.answered - before.answered).max(1) as f64 * scenario.shape.spans as f64;
    let [process, generator, sink, machine] =
        [0, 1, 2, 3].map(|i| (after.cpu[i] - before.cpu[i]).as_secs_f64());
    let gauge = |name: &str| after.series.as_ref().map_or(0.0, |series| series.sum(name));
    let lag = before.series.as_ref().zip(after.series.as_ref());
    Outcome {
        cpu: process * 1e6 / spans,
        rate: spans / seconds,
        batch: (after.sink.spans - before.sink.spans) as f64
            / (after.sink.requests - before.sink.requests).max(1) as f64,
        live: gauge("otelcol_processor_tail_sampling_sampling_traces_on_memory"),
        held_mb: spans / seconds * scenario.wait.as_secs_f64() * scenario.bytes_per_span() as f64 / 1e6,
        index_mb: gauge("ringtail_sampler_index_bytes") / 1e6,
        lag_ms: lag.map(|(before, after)| [0.5, 0.99].map(|share| after.quantile(before, LAG, share) * 1e3)),
        load_share: (generator / seconds, sink / seconds),
        others: (machine - process - generator - sink).max(0.0) / seconds,
        ..Outcome::default()
    }
}

impl Moment {
    fn now(sink: &mut SinkProcess, started: &Started, running: &Running) -> anyhow::Result<Self> {
        let series = started.metrics.map(Series::scrape).transpose()?;
        Ok(Self {
            at: Instant::now(),
            cpu: [
                started.peer.process.cpu()?,
                process::cpu("self")?,
                sink.process.cpu()?,
                process::machine_cpu()?,
            ],
            sink: sink.ask(&Ask::Stats)?,
            answered: running.stats.ok.load(Relaxed),
            series,
        })
    }
}
