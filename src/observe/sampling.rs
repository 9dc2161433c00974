//! What a tail sampler says of itself: the Collector's series by their names, and ours.

use super::held_bytes::HeldBytes;
use super::instruments::{Counter, FloatGauge, Gauge, Histogram};
use super::metrics::Registry;

const PREFIX: &str = "otelcol_processor_tail_sampling_";

/// The series of one `tail_sampling` processor.
#[derive(Clone)]
pub struct SamplerMetrics {
    registry: Registry,
    processor: String,
    policies: Vec<PolicyMetrics>,
    global: [Counter; 3],
    early_releases: [Counter; 2],
    /// `new_trace_id_received`.
    pub new_traces: Counter,
    /// `sampling_trace_dropped_too_early`.
    pub dropped_too_early: Counter,
    /// `traces_dropped_too_large`.
    pub too_large: Counter,
    /// `sampling_policy_evaluation_error`.
    pub evaluation_errors: Counter,
    /// `count_spans_with_unparseable_tracestate`.
    pub unparseable: Counter,
    /// `sampling_decision_timer_latency`, milliseconds a batch of verdicts.
    pub timer_latency_ms: Histogram,
    /// `sampling_trace_removal_age`, seconds.
    pub removal_age_s: Histogram,
    /// `sampling_late_span_age`, seconds.
    pub late_span_age_s: Histogram,
    /// `sampling_traces_on_memory`; all shards add to it.
    pub traces: Gauge,
    /// What all shards hold in memory.
    pub held: HeldBytes,
    /// Ours, of the sampler.
    pub sampler: SamplerOwn,
    /// Ours, of its journal.
    pub journal: JournalMetrics,
}

/// Series of a sampler that the Collector has not.
#[derive(Clone)]
pub struct SamplerOwn {
    /// `ringtail_sampler_verdict_lag_seconds`: from a deadline to its verdict.
    pub lag_s: Histogram,
    /// `ringtail_sampler_index_bytes`: memory of indexes and remembered verdicts.
    pub index_bytes: Gauge,
    /// `ringtail_sampler_remembered_verdicts`.
    pub remembered: Gauge,
    /// `ringtail_sampler_outbox_spans`: kept spans that have not left yet.
    pub outbox_spans: Gauge,
}

/// Series of a journal; all shards add to the gauges.
#[derive(Clone)]
pub struct JournalMetrics {
    /// `ringtail_journal_bytes`.
    pub bytes: Gauge,
    /// `ringtail_journal_limit_bytes`.
    pub limit: Gauge,
    /// `ringtail_journal_segments`.
    pub segments: Gauge,
    /// `ringtail_journal_oldest_seconds`: age of the oldest open trace.
    pub oldest_s: FloatGauge,
    /// `ringtail_journal_recovered_spans`: spans found again at the start.
    pub recovered_spans: Counter,
    /// `ringtail_journal_corrupt_records`.
    pub corrupt_records: Counter,
    /// `ringtail_journal_torn_bytes`: never completed when the process died; nobody was promised them.
    pub torn_bytes: Counter,
    /// `ringtail_journal_recovery_seconds`: how long the start took.
    pub recovery_s: FloatGauge,
}

/// Makes the Collector's series without labels.
struct Collector<'a>(&'a Registry);

impl Collector<'_> {
    fn counter(&self, name: &str, help: &str) -> Counter {
        self.0.counter(&format!("{PREFIX}{name}"), help, &[])
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.0.gauge(&format!("{PREFIX}{name}"), help, &[])
    }

    fn histogram(&self, name: &str, help: &str, bounds: &'static [f64]) -> Histogram {
        self.0.histogram(&format!("{PREFIX}{name}"), help, &[], bounds)
    }
}

/// Makes ours, by processor.
struct Own<'a> {
    registry: &'a Registry,
    labels: [(&'a str, &'a str); 1],
}

impl Own<'_> {
    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.registry.gauge(name, help, &self.labels)
    }

    fn sampler(&self) -> SamplerOwn {
        SamplerOwn {
            lag_s: self.registry.histogram(
                "ringtail_sampler_verdict_lag_seconds",
                "Time from the deadline of a trace to its verdict",
                &self.labels,
                LAG_S,
            ),
            index_bytes: self
                .gauge("ringtail_sampler_index_bytes", "Memory of the index and of remembered verdicts"),
            remembered: self.gauge(
                "ringtail_sampler_remembered_verdicts",
                "Number of verdicts remembered for late spans",
            ),
            outbox_spans: self
                .gauge("ringtail_sampler_outbox_spans", "Number of kept spans that have not left yet"),
        }
    }

    fn journal(&self) -> JournalMetrics {
        let float = |name, help| self.registry.float_gauge(name, help, &self.labels);
        let counter = |name, help| self.registry.counter(name, help, &self.labels);
        JournalMetrics {
            bytes: self.gauge("ringtail_journal_bytes", "Size of the journal"),
            limit: self.gauge("ringtail_journal_limit_bytes", "Size that the journal may reach"),
            segments: self.gauge("ringtail_journal_segments", "Number of segments of the journal"),
            oldest_s: float("ringtail_journal_oldest_seconds", "Age of the oldest open trace, in seconds"),
            recovered_spans: counter(
                "ringtail_journal_recovered_spans",
                "Number of spans found again at the start",
            ),
            corrupt_records: counter(
                "ringtail_journal_corrupt_records",
                "Number of records that could not be read back",
            ),
            torn_bytes: counter(
                "ringtail_journal_torn_bytes",
                "Number of bytes that were never completed when the process died",
            ),
            recovery_s: float(
                "ringtail_journal_recovery_seconds",
                "How long reading the journal took at the start",
            ),
        }
    }
}

/// The series of one policy.
#[derive(Clone)]
struct PolicyMetrics {
    traces: [Counter; 3],
    spans: Option<[Counter; 3]>,
    bytes: Option<[Counter; 3]>,
    time_us: Counter,
    count: Counter,
}

/// Which optional series there are: the Collector's gates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamplerSeries {
    /// `count_spans_sampled`.
    pub spans: bool,
    /// `count_bytes_sampled`.
    pub bytes: bool,
}

/// What a vote or a verdict was, by its place in the arrays above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Keep.
    Sampled = 0,
    /// Do not.
    NotSampled = 1,
    /// Veto.
    Dropped = 2,
}

impl Decision {
    const ALL: [Self; 3] = [Self::Sampled, Self::NotSampled, Self::Dropped];

    fn labels(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Sampled => [("decision", "sampled"), ("sampled", "true")],
            Self::NotSampled => [("decision", "not_sampled"), ("sampled", "false")],
            Self::Dropped => [("decision", "dropped"), ("sampled", "false")],
        }
    }
}

impl SamplerMetrics {
    /// For `processor` by its name in the configuration, `component` what stands after its slash, and its policies.
    pub fn new(
        registry: &Registry,
        processor: &str,
        component: &str,
        policies: &[String],
        series: SamplerSeries,
    ) -> Self {
        let policy = |name: &String| {
            let label = if component.is_empty() { name.clone() } else { format!("{component}.{name}") };
            PolicyMetrics::new(registry, &label, series)
        };
        let collector = Collector(registry);
        let own = Own { registry, labels: [("processor", processor)] };
        Self {
            registry: registry.clone(),
            processor: processor.to_owned(),
            policies: policies.iter().map(policy).collect(),
            global: Decision::ALL.map(|decision| {
                let help = "Number of traces by their final verdict";
                let name = format!("{PREFIX}global_count_traces_sampled");
                registry.sparse_counter(&name, help, &decision.labels())
            }),
            early_releases: ["true", "false"].map(|sampled| {
                let help = "Number of spans that followed a remembered verdict";
                let name = format!("{PREFIX}early_releases_from_cache_decision");
                registry.sparse_counter(&name, help, &[("sampled", sampled)])
            }),
            new_traces: collector.counter("new_trace_id_received", "Number of traces that were new"),
            dropped_too_early: collector
                .counter("sampling_trace_dropped_too_early", "Number of traces pushed out undecided"),
            too_large: collector
                .counter("traces_dropped_too_large", "Number of traces over maximum_trace_size_bytes"),
            evaluation_errors: collector
                .counter("sampling_policy_evaluation_error", "Number of policies that could not say"),
            unparseable: collector.counter(
                "count_spans_with_unparseable_tracestate",
                "Number of kept spans whose tracestate could not be read",
            ),
            timer_latency_ms: collector.histogram(
                "sampling_decision_timer_latency",
                "Time that a batch of verdicts took, in milliseconds",
                LATENCY_MS,
            ),
            removal_age_s: collector.histogram(
                "sampling_trace_removal_age",
                "Age of traces when they left, in seconds",
                AGE_S,
            ),
            late_span_age_s: collector.histogram(
                "sampling_late_span_age",
                "Age of traces when late spans came, in seconds",
                AGE_S,
            ),
            traces: collector.gauge("sampling_traces_on_memory", "Number of traces in the index"),
            held: HeldBytes::new(registry, "processor", processor),
            sampler: own.sampler(),
            journal: own.journal(),
        }
    }

    /// A policy voted on a trace.
    pub fn vote(&self, policy: usize, decision: Decision, spans: u64, bytes: u64) {
        let Some(policy) = self.policies.get(policy) else { return };
        let which = decision as usize;
        policy.traces[which].inc();
        policy.count.inc();
        if let Some(counters) = &policy.spans {
            counters[which].add(spans);
        }
        if let Some(counters) = &policy.bytes {
            counters[which].add(bytes);
        }
    }

    /// A batch of verdicts took so long. It is shared out among the policies, which are not timed one by one.
    pub fn took(&self, micros: u64) {
        self.timer_latency_ms.observe(micros as f64 / 1e3);
        let share = micros / self.policies.len().max(1) as u64;
        self.policies.iter().for_each(|policy| policy.time_us.add(share));
    }

    /// A verdict was taken.
    pub fn verdict(&self, decision: Decision) {
        self.global[decision as usize].inc();
    }

    /// `n` spans followed a remembered verdict.
    pub fn cached(&self, sampled: bool, n: u64) {
        if n > 0 {
            self.early_releases[usize::from(!sampled)].add(n);
        }
    }

    /// `ringtail_sampler_verdicts` for what decided (`policy`, empty when none did), how, and when; keep it.
    pub fn verdicts(&self, policy: &str, decision: Decision, trigger: &str) -> Counter {
        let labels = [
            ("processor", self.processor.as_str()),
            ("policy", policy),
            decision.labels()[0],
            ("trigger", trigger),
        ];
        let help = "Number of verdicts by the policy that decided and by what triggered them";
        self.registry.sparse_counter("ringtail_sampler_verdicts", help, &labels)
    }
}

impl PolicyMetrics {
    fn new(registry: &Registry, label: &str, series: SamplerSeries) -> Self {
        let votes = |name: &str, help: &str| {
            Decision::ALL.map(|decision| {
                let [a, b] = decision.labels();
                registry.sparse_counter(&format!("{PREFIX}{name}"), help, &[a, ("policy", label), b])
            })
        };
        let plain = |name: &str, help: &str| {
            registry.sparse_counter(&format!("{PREFIX}{name}"), help, &[("policy", label)])
        };
        Self {
            traces: votes("count_traces_sampled", "Number of traces by a policy's vote"),
            spans: series.spans.then(|| votes("count_spans_sampled", "Number of spans by a policy's vote")),
            bytes: series.bytes.then(|| votes("count_bytes_sampled", "Number of bytes by a policy's vote")),
            time_us: plain("sampling_policy_execution_time_sum", "Time that a policy took, in microseconds"),
            count: plain("sampling_policy_execution_count", "Number of times a policy was asked"),
        }
    }
}

/// The Collector's bounds of `sampling_decision_timer_latency`, in milliseconds.
const LATENCY_MS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 750.0, 1000.0, 2000.0,
    3000.0, 4000.0, 5000.0, 10000.0, 20000.0, 30000.0, 50000.0,
];
/// Bounds of ages, in seconds.
const AGE_S: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1800.0, 3600.0];
/// Bounds of the verdict lag, in seconds.
const LAG_S: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
