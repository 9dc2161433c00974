//! The line beside its peers: ringtail, Envoy and the collector carry the same load by turns, in the same run, and
//! one table says what each cost.
//!
//! ```text
//! RINGTAIL_ENVOY=…/envoy RINGTAIL_OTELCOL=…/otelcol cargo bench --bench line -- --quick
//! cargo bench --bench line -- --spans 128 --backends 4 --rounds 3 --markdown
//! cargo bench --bench line -- --flat                  # ringtail alone, 3, 30 and 300 backends
//! cargo bench --bench line -- --quick --rate 2000     # open loop: latency from the intended time of sending
//! ```
//!
//! `RINGTAIL_BIN` names another ringtail than the one just built. A peer whose variable is not set is skipped, and
//! said to be. Absolute figures mean nothing on a shared machine: read the ratios to Envoy. CPU is user and system
//! time of the peer's process per span that a backend received; `gen` and `sink` are the same of the two ends, which
//! are the limit if `null` (generator straight to sink) is not well ahead of every peer; `others` is how many
//! processors anything else kept busy meanwhile. In a closed loop, latency is mostly the queue of requests in
//! flight; `--rate` measures it fairly.
//!
//! `split` counts traces that came to two backends (Envoy does not promise otherwise), `lost` acknowledged spans that
//! came to none; `--forget-percent 1` has the backends lie, to show that it is seen. Ends with a failure if
//! ringtail splits or loses any, or cannot be run; the budgets are judged below the table and fail nothing, since
//! another tenant of the machine can spoil them.
//!
//! Backends that are slow, dead or failing: `--slow 1 --delay-ms 500`, `--dead 1`, `--fail-percent 5`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod budget;
#[path = "../common/mod.rs"]
mod common;
mod peer;
mod scenario;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::common::generator::Load;
use crate::common::shape::Shape;
use crate::common::{payload, process, sink};
use crate::peer::Kind;
use crate::scenario::{Outcome, Scenario};
use crate::table::Row;

/// As in the binary: the ends of the line shall cost little.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs ringtail and its peers by turns under the same load.
#[derive(Parser)]
struct Arguments {
    /// Spans a request.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 128, 1024])]
    spans: Vec<usize>,
    /// Backends.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 64])]
    backends: Vec<u16>,
    /// Only 128 and 16 spans before 4 backends.
    #[arg(long)]
    quick: bool,
    /// ringtail alone before 3, 30 and 300 backends, 128 requests in flight.
    #[arg(long, conflicts_with = "quick")]
    flat: bool,
    /// Who runs.
    #[arg(long, value_delimiter = ',', default_value = "null,envoy,ringtail,otelcol")]
    peers: Vec<Kind>,
    /// Connections of the generator.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Requests in flight on each.
    #[arg(long)]
    in_flight: Option<usize>,
    /// Requests a second, instead of as many as get answered.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds before measuring.
    #[arg(long, default_value_t = 4.0)]
    warmup: f64,
    /// Seconds of measuring.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often the peers take turns; the table has the medians.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Spans of a trace.
    #[arg(long, default_value_t = 10)]
    per_trace: usize,
    /// Consecutive requests that a trace is spread over.
    #[arg(long, default_value_t = 5)]
    spread: usize,
    /// Start of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Backends that answer late.
    #[arg(long, default_value_t = 0)]
    slow: u16,
    /// How late, in milliseconds.
    #[arg(long, default_value_t = 500)]
    delay_ms: u64,
    /// Backends that nobody listens for.
    #[arg(long, default_value_t = 0)]
    dead: u16,
    /// Share of requests that backends answer UNAVAILABLE.
    #[arg(long, default_value_t = 0)]
    fail_percent: u64,
    /// Share of requests that backends answer OK and forget.
    #[arg(long, default_value_t = 0)]
    forget_percent: u64,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1)]
    generator_threads: usize,
    /// Threads of the sink.
    #[arg(long, default_value_t = 1)]
    sink_threads: usize,
    /// Processors of the peer, as `taskset` takes them.
    #[arg(long)]
    pin_peer: Option<String>,
    /// Processors of generator and sink.
    #[arg(long)]
    pin_load: Option<String>,
    /// Print the table as Markdown.
    #[arg(long)]
    markdown: bool,
    /// Be the sink, with these options.
    #[arg(long, hide = true)]
    sink: Option<String>,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    if std::env::args_os().len() == 1 {
        println!("skipped: `cargo bench --bench line` runs it, a test of all targets does not");
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = Arguments::parse();
    if let Some(options) = &arguments.sink {
        sink::run(serde_json::from_str(options)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(list) = &arguments.pin_load {
        process::place_self(list)?;
    }
    process::end_children_on_signals();
    let (peers, mut sound) = arguments.peers();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut rows = Vec::new();
    for scenario in arguments.scenarios() {
        let mut outcomes: Vec<Vec<Option<Outcome>>> = peers.iter().map(|_| Vec::new()).collect();
        let name = format!("{}×{}", scenario.shape.spans, scenario.sink.ports);
        for round in 1..=arguments.rounds {
            for ((kind, binary), outcomes) in peers.iter().zip(&mut outcomes) {
                eprintln!("{name}: {}, round {round} of {}", kind.name(), arguments.rounds);
                let outcome = scenario::run(&scenario, *kind, binary.as_deref(), folder.path());
                if let Err(error) = &outcome {
                    eprintln!("{name}: {error:#}");
                    sound &= *kind != Kind::Ringtail;
                }
                outcomes.push(outcome.ok());
            }
        }
        for ((kind, _), outcomes) in peers.iter().zip(outcomes) {
            let row = Row::new(name.clone(), *kind, outcomes);
            sound &= row.as_ref().is_none_or(|row| remark(&name, *kind, &row.outcome));
            rows.extend(row);
        }
    }
    println!("{}", arguments.conditions());
    println!("{}", table::render(&rows, arguments.markdown));
    let budgets = match arguments.flat {
        true => budget::judge_flat(&rows).into_iter().collect(),
        false => budget::judge(&rows),
    };
    budgets.iter().for_each(|line| println!("{line}"));
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what is wrong with an outcome; false if it is ringtail's promise that is broken.
fn remark(name: &str, kind: Kind, outcome: &Outcome) -> bool {
    let who = kind.name();
    if outcome.failed > 0 {
        let reason = outcome.reason.as_deref().unwrap_or_default();
        eprintln!("{name}: {who}: {} requests failed, the first by: {reason}", outcome.failed);
    }
    if outcome.reconnects > 0 {
        eprintln!("{name}: {who}: {} connections were opened again", outcome.reconnects);
    }
    let (generator, sink) = outcome.load_share;
    if kind != Kind::Null && generator.max(sink) > 0.9 {
        eprintln!(
            "{name}: {who}: generator {generator:.2} and sink {sink:.2} of a processor may be the limit"
        );
    }
    let broken = kind == Kind::Ringtail && (outcome.split > 0 || outcome.lost > 0 || outcome.foreign > 0);
    if broken {
        eprintln!("{name}: ringtail split {} traces and lost {} spans", outcome.split, outcome.lost);
    }
    !broken
}

impl Arguments {
    /// Who runs, and whether ringtail is among them if it was asked for.
    fn peers(&self) -> (Vec<(Kind, Option<PathBuf>)>, bool) {
        let mut sound = true;
        let mut found = Vec::new();
        for kind in self.peers.iter().filter(|kind| !self.flat || **kind == Kind::Ringtail) {
            match kind.binary() {
                Ok(binary) => found.push((*kind, binary)),
                Err(reason) => {
                    eprintln!("skipped: {}: {reason}", kind.name());
                    sound &= *kind != Kind::Ringtail;
                }
            }
        }
        (found, sound)
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let (spans, backends) = match (self.quick, self.flat) {
            (true, _) => (vec![128, 16], vec![4]),
            (_, true) => (vec![128], vec![3, 30, 300]),
            _ => (self.spans.clone(), self.backends.clone()),
        };
        let pairs = spans.iter().flat_map(|spans| backends.iter().map(|ports| (*spans, *ports)));
        pairs.map(|(spans, ports)| self.scenario(spans, ports)).collect()
    }

    fn scenario(&self, spans: usize, ports: u16) -> Scenario {
        let usual = if self.flat { (128 / self.connections).max(1) } else { 8 };
        let shape = Shape {
            spans,
            per_trace: self.per_trace,
            spread: self.spread,
            seed: self.seed,
            errors_one_in: 1,
            padding: 0,
            urls: false,
        };
        Scenario {
            shape,
            sink: sink::Options {
                ports,
                shape,
                threads: self.sink_threads,
                slow: self.slow.min(ports),
                delay_ms: if self.slow > 0 { self.delay_ms } else { 0 },
                dead: self.dead.min(ports - self.slow.min(ports)),
                fail_percent: self.fail_percent,
                forget_percent: self.forget_percent,
            },
            load: Load {
                target: ([127, 0, 0, 1], 0).into(),
                connections: self.connections,
                in_flight: self.in_flight.unwrap_or(usual),
                rate: self.rate,
                threads: self.generator_threads,
            },
            warmup: Duration::from_secs_f64(self.warmup),
            measured: Duration::from_secs_f64(self.seconds),
            peer_processors: self.pin_peer.clone(),
            load_processors: self.pin_load.clone(),
        }
    }

    /// What the figures hold for.
    fn conditions(&self) -> String {
        let scenario = self.scenario(128, 4);
        let loop_kind = self.rate.map_or("closed loop".to_owned(), |rate| format!("{rate} requests/s"));
        format!(
            "{} connections × {} in flight, {loop_kind}, {} bytes a span, {} spans a trace over {} requests, {} s \
             after {} s, {} rounds, {} processors\n",
            self.connections,
            scenario.load.in_flight,
            payload::Payload::new(scenario.shape).bytes_per_span(),
            self.per_trace,
            self.spread,
            self.seconds,
            self.warmup,
            self.rounds,
            std::thread::available_parallelism().map_or(0, usize::from),
        )
    }
}
