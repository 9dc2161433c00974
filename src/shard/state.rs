//! What a shard's thread holds, and how outputs of the sampler become pieces, counts and records.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assemble::Assemble;
use super::clock::Clock;
use super::outbox::Outbox;
use super::piece::{Mark, Piece};
use super::record::Layout;
use super::reread::Described;
use super::verdict_log::VerdictLog;
use crate::flow::Consumer;
use crate::journal::{Journal, Position};
use crate::observe::{Counter, Decision, Ledger, SamplerMetrics, Weight};
use crate::outcome::Reason;
use crate::sample::judge::{Outcome, Vote};
use crate::sample::{Age, Config, Counts, Decided, Late, Output, Policy, Remembered, Rule, Sampler, Trigger};

/// One shard, as its thread sees it.
pub struct Shard {
    pub sampler: Sampler,
    pub journal: Journal,
    pub described: Described,
    pub verdicts: VerdictLog,
    pub outbox: Outbox,
    pub assemble: Assemble,
    pub layout: Layout,
    pub clock: Clock,
    pub next: Arc<dyn Consumer>,
    pub ledger: Ledger,
    pub counters: Counters,
    pub index: u32,
    pub shards: u32,
    pub shrinks: bool, // the journal may be larger than its limit has become
    pub closing: bool,
    pub released_at: Instant,
    pub complaints: Complaints,
    pub compat: bool,
    pub memory_max: Option<u64>, // of index and journal together, when the journal is memory
}

/// A disk that is full is complained about now and then, not at every turn.
#[derive(Default)]
pub struct Complaints(Option<Instant>);

impl Complaints {
    /// Whether the last complaint is long enough ago.
    pub fn may_complain(&mut self) -> bool {
        let now = Instant::now();
        let may = self.0.is_none_or(|last| now - last >= COMPLAINTS_EVERY);
        if may {
            self.0 = Some(now);
        }
        may
    }
}

/// Between two complaints.
const COMPLAINTS_EVERY: Duration = Duration::from_secs(5);

/// The shard's part in the processor's series.
pub struct Counters {
    pub metrics: SamplerMetrics,
    names: Vec<Arc<str>>,                                         // by number
    sub_names: Vec<Vec<Arc<str>>>,                                // of composites, by place
    verdicts: HashMap<(Option<u16>, Decision, Trigger), Counter>, // by number
    published: Counts,
    weight: Option<Weight>, // of what is in memory
    gauges: [i64; 7],       // what this shard has added to gauges that all shards share
}

impl Shard {
    /// Does what the sampler asks for. Verdicts are on disk before anything leaves for them.
    pub fn drain(&mut self) {
        let mut kept = Vec::new();
        while let Some(output) = self.sampler.poll_output() {
            match output {
                Output::Verdict(decided) => kept.extend(self.decided(*decided)),
                Output::Late(late) => kept.push(self.late(&late)),
                Output::Discard { spans, reason } => {
                    self.ledger.held_sub(spans);
                    self.ledger.dropped(reason, spans);
                }
            }
        }
        if let Err(error) = self.verdicts.commit(self.journal.end()) {
            // They stand all the same, and are written as soon as they can be; only a crash before would take them again.
            if self.complaints.may_complain() {
                tracing::error!(%error, "verdicts could not be written");
            }
        }
        kept.into_iter().for_each(|piece| self.outbox.push(piece));
        while let Some(age) = self.sampler.poll_age() {
            match age {
                Age::Removal(age) => self.counters.metrics.removal_age_s.observe(age.as_secs_f64()),
                Age::LateSpan(age) => self.counters.metrics.late_span_age_s.observe(age.as_secs_f64()),
            }
        }
    }

    /// The pieces of a verdict, none when it lets go of the trace.
    fn decided(&mut self, decided: Decided) -> Vec<Piece> {
        self.counters.decided(&decided);
        self.verdicts.push(&decided);
        let spans = decided.known.spans;
        if decided.is_kept() {
            return self.kept(decided);
        }
        if !decided.retained {
            self.ledger.held_sub(spans);
            let reason = match (decided.verdict.outcome, decided.trigger) {
                (Outcome::Dropped, _) => Reason::PolicyDropped,
                (_, Trigger::SizeLimit) => Reason::TraceTooLarge,
                _ => Reason::NotSampled,
            };
            self.ledger.dropped(reason, spans);
        }
        Vec::new()
    }

    fn kept(&self, decided: Decided) -> Vec<Piece> {
        let mark = self.counters.mark(&decided);
        let (trace_id, places, spans) = (decided.trace_id, decided.places, decided.known.spans);
        let mut piece = Piece { trace_id, places, ready: false, mark, spans, last: true };
        if self.compat && decided.trigger == Trigger::Ingest {
            // The Collector marks only the spans on which the verdict fell.
            let before = piece.places.len().saturating_sub(1);
            let last = piece.split_off(before, spans.saturating_sub(decided.portion_spans));
            piece.mark = Mark::default();
            return std::iter::once(piece).filter(|piece| !piece.places.is_empty()).chain(last).collect();
        }
        vec![piece]
    }

    fn late(&self, late: &Late) -> Piece {
        let mark = match (self.compat, late.cached) {
            (false, cached) => Mark { cached, ..self.counters.mark_of(late.verdict) },
            (true, true) => Mark { cached: true, threshold: None, ..self.counters.mark_of(late.verdict) },
            (true, false) => Mark::default(), // as the Collector does
        };
        let places = vec![late.place];
        Piece { trace_id: late.trace_id, places, ready: false, mark, spans: late.spans, last: true }
    }

    /// Lets go of what the journal need not hold any more.
    pub fn release(&mut self) {
        let oldest = [self.sampler.oldest_place(), self.outbox.oldest_place()].into_iter().flatten().min();
        let oldest = oldest.and_then(|place| Position::from_u64(place.0)).unwrap_or(Position::MAX);
        self.journal.release_before(oldest);
        let first = self.journal.oldest().unwrap_or(Position::MAX);
        self.verdicts.release(first.min(self.journal.end()));
        if let Some(max) = self.memory_max {
            // The index has its part of the memory; half of it all stays for spans, whatever happens.
            let index = self.sampler.size().bytes as u64;
            self.journal.set_limit(max.saturating_sub(index).max(max / 2));
        }
    }

    /// Publishes sizes and counts.
    pub fn publish(&mut self, now: Instant) {
        let size = self.sampler.size();
        let oldest = self.sampler.oldest_arrival().map(|at| self.clock.moment(now).since(at));
        self.counters.metrics.journal.oldest_s.set(oldest.unwrap_or_default().as_secs_f64());
        let gauges = [
            size.traces as i64,
            size.bytes as i64,
            (size.sampled + size.not_sampled) as i64,
            self.outbox.spans() as i64,
            self.journal.used_bytes() as i64,
            self.journal.limit_bytes() as i64,
            self.journal.segments() as i64,
        ];
        self.counters.publish(gauges, self.sampler.counts());
        let journal = if self.journal.is_durable() { 0 } else { self.journal.used_bytes() as usize };
        self.counters.weight = Some(self.counters.metrics.held.hold(size.bytes + journal));
    }
}

impl Counters {
    /// Of the policies of `config`.
    pub fn new(metrics: SamplerMetrics, config: &Config) -> Self {
        let (verdicts, published) = (HashMap::new(), Counts::default());
        let (names, sub_names) = (Vec::new(), sub_names(config));
        Self { metrics, names, sub_names, verdicts, published, weight: None, gauges: [0; 7] }
    }

    /// Other policies; what was counted stays.
    pub fn change(&mut self, metrics: SamplerMetrics, config: &Config) {
        self.metrics = metrics;
        self.sub_names = sub_names(config);
    }

    /// The names that policies have had, by number.
    pub fn rename(&mut self, names: &[Arc<str>]) {
        self.names = names.to_vec();
    }

    /// The names that policies have had, by number.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// What the spans of a kept trace carry.
    fn mark(&self, decided: &Decided) -> Mark {
        let composite = decided.verdict.composite.and_then(|(policy, sub)| {
            self.sub_names.get(usize::from(policy))?.get(usize::from(sub)).cloned()
        });
        Mark { composite, ..self.mark_of(decided.remembered()) }
    }

    fn mark_of(&self, verdict: Remembered) -> Mark {
        let policy = verdict.policy.and_then(|policy| self.names.get(usize::from(policy)).cloned());
        Mark { policy, threshold: verdict.threshold, ..Mark::default() }
    }

    fn decided(&mut self, decided: &Decided) {
        let verdict = &decided.verdict;
        if decided.trigger != Trigger::SizeLimit {
            self.metrics.verdict(decision(verdict.outcome));
        }
        for (policy, vote) in verdict.votes.iter().enumerate() {
            let vote = match vote {
                Vote::Sampled => Decision::Sampled,
                Vote::NotSampled => Decision::NotSampled,
                Vote::Dropped => Decision::Dropped,
                Vote::Failed => {
                    self.metrics.evaluation_errors.inc();
                    continue;
                }
                Vote::NotAsked => continue,
            };
            self.metrics.vote(policy, vote, decided.known.spans, decided.known.bytes);
        }
        if matches!(decided.trigger, Trigger::Deadline | Trigger::Root) {
            self.metrics.sampler.lag_s.observe(decided.at.since(decided.deadline).as_secs_f64());
        }
        let (metrics, names) = (&self.metrics, &self.names);
        let number = decided.remembered().policy;
        let key = (number, decision(verdict.outcome), decided.trigger);
        let counter = self.verdicts.entry(key).or_insert_with(|| {
            let name = number.and_then(|number| names.get(usize::from(number)));
            metrics.verdicts(name.map_or("", |name| name), decision(verdict.outcome), decided.trigger.name())
        });
        counter.inc();
    }

    fn publish(&mut self, gauges: [i64; 7], counts: Counts) {
        let metrics = &self.metrics;
        let series = [
            &metrics.traces,
            &metrics.sampler.index_bytes,
            &metrics.sampler.remembered,
            &metrics.sampler.outbox_spans,
            &metrics.journal.bytes,
            &metrics.journal.limit,
            &metrics.journal.segments,
        ];
        for ((gauge, now), before) in series.into_iter().zip(gauges).zip(&mut self.gauges) {
            gauge.add(now - *before);
            *before = now;
        }
        let before = std::mem::replace(&mut self.published, counts);
        metrics.new_traces.add(counts.new_traces - before.new_traces);
        metrics.dropped_too_early.add(counts.dropped_too_early - before.dropped_too_early);
        metrics.too_large.add(counts.too_large - before.too_large);
        metrics.cached(true, counts.cached_sampled_spans - before.cached_sampled_spans);
        metrics.cached(false, counts.cached_not_sampled_spans - before.cached_not_sampled_spans);
    }
}

fn sub_names(sampling: &Config) -> Vec<Vec<Arc<str>>> {
    let names = |policies: &[Policy]| policies.iter().map(|policy| Arc::from(policy.name.as_str())).collect();
    let subs = |policy: &Policy| match &policy.rule {
        Rule::Composite(composite) => names(&composite.policies),
        _ => Vec::new(),
    };
    sampling.policies.iter().map(subs).collect()
}

fn decision(outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Sampled => Decision::Sampled,
        Outcome::NotSampled => Decision::NotSampled,
        Outcome::Dropped => Decision::Dropped,
    }
}
