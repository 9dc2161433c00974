//! The sampler beside the collector: ringtail and the collector judge the same load by turns, in the same run, and one
//! table says what each cost.
//!
//! ```text
//! RINGTAIL_OTELCOL=…/otelcol cargo bench --bench sampler -- --quick        # errors + latency, one round each
//! cargo bench --bench sampler -- --rounds 3 --markdown
//! cargo bench --bench sampler -- --founding --rounds 3                     # edits, three policies, a log
//! cargo bench --bench sampler -- --live --policies                         # how the cost grows, ringtail alone
//! cargo bench --bench sampler -- --live --policies --with-collector
//! cargo bench --bench sampler -- --recovery --sizing
//! ```
//!
//! `RINGTAIL_BIN` names another ringtail than the one just built. The collector is skipped when `RINGTAIL_OTELCOL` is
//! not set. The load is an open loop at `--rate` spans a second; one trace in 32 has an error and is kept. Measuring
//! begins when verdicts have been due for a while (`--settle`), and a run ends when everything kept has arrived.
//!
//! Absolute figures mean nothing on a shared machine: read the ratios to the collector. CPU is user and system time of
//! the process per span acknowledged; `others` is how many processors anything else kept busy meanwhile, and a rate
//! below the one asked for says that the machine did not keep up. `held MB` is rate × wait × bytes of a span as sent;
//! memory is resident, less what was resident before the first span, as a multiple of it: the median of the measured
//! time, and the most of the whole run. `lag` is from deadline to verdict, by ringtail's own histogram; `late` is from
//! a trace's first span plus the wait until the sink has it, so with the batcher's second in it, and zero for what came
//! earlier, as an error does: it is kept at once. `--kinds held` is ringtail with `early_verdicts: off`, `--kinds lz4`
//! with a compressed journal in memory.
//!
//! `lost` are acknowledged spans of traces with an error that never came, `unwanted` spans of others that did, `sum` is
//! ringtail's conservation sum. Ends with a failure if any of these is not zero for ringtail; the budgets are judged
//! below the table and fail nothing, since another tenant of the machine can spoil them.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod budget;
#[path = "../common/mod.rs"]
mod common;
mod recovery;
mod run;
mod scenario;
mod scrape;
mod setup;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::common::{process, sink};
use crate::run::Outcome;
use crate::scenario::Scenario;
use crate::setup::Kind;
use crate::table::Row;

/// As in the binary: the ends of the line shall cost little.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs ringtail and the collector by turns under the same load.
#[derive(Parser)]
struct Arguments {
    /// Errors and latency, one round: what also runs when nothing is asked for.
    #[arg(long)]
    quick: bool,
    /// The founding pipeline: resource, transform, tail_sampling, batch, a log of what is kept.
    #[arg(long)]
    founding: bool,
    /// 20 k, 200 k and 2 M live traces.
    #[arg(long)]
    live: bool,
    /// 1, 10 and 50 policies.
    #[arg(long)]
    policies: bool,
    /// A hundredth of 10,000 traces a second of 50 KB, 30 s each.
    #[arg(long)]
    sizing: bool,
    /// A start on a full journal.
    #[arg(long)]
    recovery: bool,
    /// The collector takes part in more than the first.
    #[arg(long)]
    with_collector: bool,
    /// Who runs.
    #[arg(long, value_delimiter = ',', default_value = "otelcol,memory,files")]
    kinds: Vec<Kind>,
    /// Spans a second.
    #[arg(long, default_value_t = 60_000.0)]
    rate: f64,
    /// Seconds that a trace waits for its verdict.
    #[arg(long, default_value_t = 10.0)]
    wait: f64,
    /// Seconds between the first verdicts and measuring.
    #[arg(long, default_value_t = 4.0)]
    settle: f64,
    /// Seconds of measuring.
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
    /// How often they take turns; the table has the medians.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Live traces of `--live`, in thousands.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 200, 2_000])]
    live_thousands: Vec<u64>,
    /// Policies of `--policies`.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 50])]
    policy_counts: Vec<usize>,
    /// Bytes in the journal of `--recovery`, in MB.
    #[arg(long, default_value_t = 500)]
    recovery_mb: u64,
    /// Start of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
        println!("skipped: `cargo bench --bench sampler` runs it, a test of all targets does not");
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = Arguments::parse();
    if let Some(options) = &arguments.sink {
        sink::run(serde_json::from_str(options)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    process::end_children_on_signals();
    let (kinds, mut sound) = arguments.kinds();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut rows = Vec::new();
    for scenario in arguments.scenarios() {
        let mut outcomes: Vec<Vec<Option<Outcome>>> = kinds.iter().map(|_| Vec::new()).collect();
        for round in 1..=arguments.rounds {
            for ((kind, binary), outcomes) in kinds.iter().zip(&mut outcomes) {
                if *kind == Kind::Otelcol && !scenario.beside && !arguments.with_collector {
                    continue;
                }
                eprintln!("{}: {}, round {round} of {}", scenario.name, kind.name(), arguments.rounds);
                let outcome = run::run(&scenario, *kind, binary, folder.path());
                match &outcome {
                    Ok(outcome) => sound &= remark(&scenario.name, *kind, outcome),
                    Err(error) => {
                        eprintln!("{}: {error:#}", scenario.name);
                        sound &= *kind == Kind::Otelcol;
                    }
                }
                outcomes.push(outcome.ok());
            }
        }
        for ((kind, _), outcomes) in kinds.iter().zip(outcomes) {
            rows.extend(Row::new(scenario.name.clone(), *kind, outcomes));
        }
    }
    println!("{}", arguments.conditions());
    println!("{}", table::render(&rows, arguments.markdown));
    budget::judge(&rows).iter().for_each(|line| println!("{line}"));
    if arguments.recovery {
        let binary = Kind::Files.binary().map_err(anyhow::Error::msg)?;
        println!("{}", recovery::run(&binary, arguments.recovery_mb, arguments.seed, folder.path())?);
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what is wrong with an outcome; false if it is ringtail's promise that is broken.
fn remark(name: &str, kind: Kind, outcome: &Outcome) -> bool {
    let who = kind.name();
    if outcome.failed > 0 {
        let reason = outcome.reason.as_deref().unwrap_or_default();
        eprintln!("{name}: {who}: {} requests failed, the first by: {reason}", outcome.failed);
    }
    let (generator, sink) = outcome.load_share;
    if generator.max(sink) > 0.9 {
        eprintln!(
            "{name}: {who}: generator {generator:.2} and sink {sink:.2} of a processor may be the limit"
        );
    }
    let broken = outcome.lost > 0 || outcome.unwanted > 0 || outcome.foreign > 0 || outcome.imbalance != 0.0;
    if broken {
        eprintln!(
            "{name}: {who}: {} spans lost, {} unwanted, {} foreign, conservation sum {}",
            outcome.lost, outcome.unwanted, outcome.foreign, outcome.imbalance
        );
    }
    !broken || kind == Kind::Otelcol
}

impl Arguments {
    /// Who runs, and whether ringtail is among them if it was asked for.
    fn kinds(&self) -> (Vec<(Kind, PathBuf)>, bool) {
        let mut sound = true;
        let mut found = Vec::new();
        for kind in &self.kinds {
            match kind.binary() {
                Ok(binary) => found.push((*kind, binary)),
                Err(reason) => {
                    eprintln!("skipped: {}: {reason}", kind.name());
                    sound &= *kind == Kind::Otelcol;
                }
            }
        }
        (found, sound)
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let plain = Scenario::plain(self);
        let mut scenarios = Vec::new();
        if self.quick || !(self.founding || self.live || self.policies || self.sizing || self.recovery) {
            scenarios.push(plain.clone());
        }
        if self.founding {
            scenarios.push(plain.founding());
        }
        if self.live {
            scenarios.extend(self.live_thousands.iter().map(|thousands| plain.live(thousands * 1_000)));
        }
        if self.policies {
            scenarios.extend(self.policy_counts.iter().map(|count| plain.policies(*count)));
        }
        if self.sizing {
            scenarios.push(plain.sizing());
        }
        scenarios
    }

    /// What the figures hold for.
    fn conditions(&self) -> String {
        format!(
            "{} spans/s of {} bytes, 128 a request, 2 connections × 8 in flight, one trace in 32 kept, wait {} s, {} s \
             after {} s of verdicts, {} rounds, {} processors\n",
            self.rate,
            Scenario::plain(self).bytes_per_span(),
            self.wait,
            self.seconds,
            self.settle,
            self.rounds,
            std::thread::available_parallelism().map_or(0, usize::from),
        )
    }
}
