//! The two programs, each with a pipeline for every policy set.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::peers::process::{Process, metric_of, metrics_page};
use crate::peers::{self, process};
use crate::rules::Set;
use crate::sink::{SET, Sink};

const GATES: &str = "processor.tailsamplingprocessor.";
const PATIENCE: Duration = Duration::from_secs(120);
/// Between looks; a page of metrics of hundreds of policies costs time.
const PAUSE: Duration = Duration::from_millis(150);
/// Stands in a set for a wait that is a second shorter than the others.
pub const SHORTER_WAIT: &str = "SHORTER_WAIT";

/// One of the two programs.
pub struct Program {
    pub name: &'static str,
    path: PathBuf,
    ours: bool,
}

/// What the collector has behind feature gates, and ringtail under keys of its own.
#[derive(Clone, Copy)]
pub struct Extras {
    /// `decision_wait` of sets that name none.
    pub wait_seconds: u64,
    /// `recordpolicy`.
    pub record_policy: bool,
    /// `usetracestate`.
    pub trace_state: bool,
}

impl Default for Extras {
    fn default() -> Self {
        Self { wait_seconds: 2, record_policy: false, trace_state: false }
    }
}

impl Program {
    /// The collector; without it the test says so and passes.
    pub fn collector() -> Option<Self> {
        let path = peers::program("RINGTAIL_OTELCOL")?;
        Some(Self { name: "collector", path, ours: false })
    }

    pub fn ringtail() -> Self {
        Self { name: "ringtail", path: process::ringtail().to_owned(), ours: true }
    }

    /// Does this with every program there is, with all of them at once.
    pub fn each(test: impl Fn(&Self) + Sync) {
        let programs = [Self::collector(), Some(Self::ringtail())];
        std::thread::scope(|scope| {
            programs.iter().flatten().for_each(|program| {
                scope.spawn(|| test(program));
            });
        });
    }

    /// Starts it with these sets. Port 0 takes the traces of all of them; where `apart`, each has a port of its own, from
    /// 0. The last port is that of the metrics.
    pub fn start(&self, sets: &[Set], extras: Extras, apart: bool, sink: &Sink) -> Running {
        let ports = if apart { sets.len() } else { 1 } + 1;
        let mut gates = Vec::new();
        if extras.record_policy {
            gates.push(format!("{GATES}recordpolicy"));
        }
        if extras.trace_state {
            gates.push(format!("{GATES}usetracestate"));
        }
        let arguments = match self.ours || gates.is_empty() {
            true => Vec::new(),
            false => vec![format!("--feature-gates={}", gates.join(","))],
        };
        let process = Process::start_with(&self.path, &arguments, ports, |ports, _: &Path| {
            self.config(sets, extras, apart, ports, sink.port)
        });
        Running { process }
    }

    fn config(&self, sets: &[Set], extras: Extras, apart: bool, ports: &[u16], sink: u16) -> String {
        let (mut receivers, mut processors, mut exporters, mut pipelines) = Default::default();
        let add = |to: &mut String, line: String| *to += &format!("  {line}\n");
        let own = match self.ours {
            true => format!(
                "compat: collector, record_policy: {}, tracestate: {}, ",
                extras.record_policy, extras.trace_state
            ),
            false => String::new(),
        };
        let (metrics, inputs) = ports.split_last().unwrap();
        add(&mut processors, "batch: {timeout: 50ms}".to_owned());
        for (index, port) in inputs.iter().enumerate() {
            let port = format!("otlp/{index}: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}");
            add(&mut receivers, port);
        }
        for (index, set) in sets.iter().enumerate() {
            let wait = match set.keys.contains("decision_wait:") {
                true => String::new(),
                false => format!("decision_wait: {}s, ", extras.wait_seconds),
            };
            let set = set.yaml().replace(SHORTER_WAIT, &format!("{}s", extras.wait_seconds - 1));
            let input = if apart { index } else { 0 };
            add(&mut processors, format!("tail_sampling/{index}: {{{own}{wait}{set}}}"));

            add(
                &mut exporters,
                format!(
                    "otlp_grpc/{index}: {{endpoint: '127.0.0.1:{sink}', tls: {{insecure: true}}, compression: none, timeout: 60s, \
                     headers: {{{SET}: '{index}'}}}}"
                ),
            );
            add(
                &mut pipelines,
                format!(
                    "  traces/{index}: {{receivers: [otlp/{input}], processors: [tail_sampling/{index}, \
                     batch], exporters: [otlp_grpc/{index}]}}"
                ),
            );
        }
        let (admin, listed) = match self.ours {
            true => ("extensions: {admin: {enabled: false}}\n", "extensions: [admin]\n  "),
            false => ("", ""),
        };
        let pull = format!("pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}");
        format!(
            "{admin}receivers:\n{receivers}processors:\n{processors}exporters:\n{exporters}service:\n  {listed}\
             telemetry: {{metrics: {{readers: [{{{pull}}}]}}, logs: {{level: warn}}}}\n  pipelines:\n{pipelines}"
        )
    }
}

/// A program under test.
pub struct Running {
    pub process: Process,
}

impl Running {
    /// Where the traces of a set go in.
    pub fn port(&self, set: usize) -> u16 {
        self.process.ports[set]
    }

    /// Counters of its samplers, each over all sets.
    fn counters<const N: usize>(&self, names: [&str; N]) -> [f64; N] {
        let page = metrics_page(*self.process.ports.last().unwrap());
        names.map(|name| metric_of(&page, &format!("otelcol_processor_tail_sampling_{name}"), &[]))
    }

    /// How many traces came, counted once a set.
    pub fn traces(&self) -> f64 {
        self.counters(["new_trace_id_received"])[0]
    }

    /// Waits until every set has judged every trace that came to it.
    pub fn judge_all(&self) {
        let names = ["new_trace_id_received", "global_count_traces_sampled", "traces_dropped_too_large"];
        let judged = |_: &Self| {
            let [came, judged, too_large] = self.counters(names);
            came > 0.0 && came == judged + too_large
        };
        self.until_or("a verdict on every trace", judged, || {
            format!("{names:?}: {:?}", self.counters(names))
        });
    }

    /// Waits for a condition.
    pub fn until(&self, what: &str, holds: impl FnMut(&Self) -> bool) {
        self.until_or(what, holds, String::new);
    }

    fn until_or(&self, what: &str, mut holds: impl FnMut(&Self) -> bool, instead: impl Fn() -> String) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what} {}", instead());
            std::thread::sleep(PAUSE);
        }
    }
}
