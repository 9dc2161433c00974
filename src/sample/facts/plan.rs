//! What has to be looked at, compiled from the policies, and how portions add up.

use std::hash::{BuildHasher, RandomState};

use smallvec::SmallVec;

use super::Facts;
use super::compat_latency::{self, Bounds};
use super::conditions::Conditions;
use super::keys::{FactList, Keys};
use super::predicate::Predicate;
use super::size::Schemas;
use crate::ottl::Dialect;
use crate::pattern;
use crate::sample::{Config, ErrorMode, Rule};

/// What has to be looked at, compiled from the policies. What no policy asks for costs nothing.
#[derive(Debug)]
pub struct Plan {
    asks: Asks,
    pub(super) compat: bool,
    /// Attributes.
    pub(super) keys: Keys,
    /// By status code 0 to 2.
    pub(super) status: [FactList; 3],
    /// Facts of the sampled flag.
    pub(super) flags: FactList,
    /// Key, values and fact of `trace_state` policies.
    pub(super) states: Vec<(String, Vec<String>, u16)>,
    /// `ottl_condition` policies.
    pub(super) conditions: Vec<Conditions>,
    /// `compat`: latency policies.
    pub(super) latencies: Vec<Bounds>,
    /// The facts of `latencies`, a bit each: they are not joined but found anew when portions add up.
    in_order: SmallVec<[u64; 1]>,
    /// `compat` with a limit in bytes: sizes are the Collector's to the byte. Otherwise they are those that came, with
    /// what it adds to a span.
    pub(super) schemas: Option<Schemas>,
    /// Randomness and thresholds in trace states are wanted.
    pub(super) wants_ot: bool,
    /// Dynamic samplers have fields.
    pub(super) wants_values: bool,
    /// Keys of the hash of trace ids, which senders choose: they only decide who shares a bucket.
    pub(super) hash_keys: [u64; 2],
}

/// All that tells one plan from another.
#[derive(Debug, PartialEq)]
struct Asks {
    compat: bool,
    semconv: bool,
    predicates: Vec<Predicate>,
    fields: Vec<String>,
    exact_sizes: bool,
    ot: bool,
}

impl Plan {
    /// Whether another plan gathers the same facts, by the same numbers.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.asks == other.asks
    }

    /// What the policies of `config` need.
    pub fn new(config: &Config) -> Self {
        let predicates = Predicate::all(config);
        let fields = fields_of(config);
        let (exact_sizes, ot) = (wants_exact_sizes(config), wants_ot(config));
        let random = RandomState::new();
        let mut plan = Self {
            asks: Asks {
                compat: config.compat,
                semconv: config.semconv,
                predicates: Vec::new(),
                fields: Vec::new(),
                exact_sizes,
                ot,
            },
            compat: config.compat,
            keys: Keys::new(&predicates, &fields, config),
            status: Default::default(),
            flags: FactList::new(),
            states: Vec::new(),
            conditions: Vec::new(),
            latencies: Vec::new(),
            in_order: SmallVec::new(),
            schemas: if exact_sizes { Schemas::find() } else { None },
            wants_ot: ot,
            wants_values: !fields.is_empty(),
            hash_keys: [random.hash_one(0u8), random.hash_one(1u8) | 1],
        };
        let dialect = Dialect { semconv: config.semconv };
        for (fact, predicate) in (0u16..).zip(&predicates) {
            plan.want(fact, predicate);
            if let Predicate::Conditions { span, spanevent, error_mode } = predicate {
                let failure =
                    predicate.failure().and_then(|failure| predicates.iter().position(|one| *one == failure));
                let failed = failure.map(|failed| failed as u16);
                plan.conditions.push(
                    Conditions::new([span, spanevent], fact, failed, dialect)
                        .told(*error_mode == ErrorMode::Ignore),
                );
            }
        }
        (plan.asks.predicates, plan.asks.fields) = (predicates, fields);
        plan
    }

    fn want(&mut self, fact: u16, predicate: &Predicate) {
        match predicate {
            Predicate::Status(codes) => {
                for (wanted, list) in [codes.unset, codes.ok, codes.error].into_iter().zip(&mut self.status) {
                    if wanted {
                        list.push(fact);
                    }
                }
            }
            Predicate::Flags => self.flags.push(fact),
            Predicate::TraceState { key, values } => {
                self.states.push((key.clone(), values.clone(), fact));
            }
            Predicate::Latency { threshold_ms, upper_threshold_ms } => {
                self.latencies.push((*threshold_ms, *upper_threshold_ms, fact));
                let word = usize::from(fact) / 64;
                if self.in_order.len() <= word {
                    self.in_order.resize(word + 1, 0);
                }
                self.in_order[word] |= 1 << (fact % 64);
            }
            Predicate::Text { .. }
            | Predicate::Number { .. }
            | Predicate::Boolean { .. }
            | Predicate::Conditions { .. }
            | Predicate::Failure { .. } => {}
        }
    }

    /// Adds a later portion to what is known of its trace, which begins as [`Facts::default`].
    pub fn absorb(&self, trace: &mut Facts, portion: &Facts) {
        trace.start_min = trace.start_min.min(portion.start_min);
        trace.end_max = trace.end_max.max(portion.end_max);
        trace.bytes = trace.bytes.saturating_add(portion.bytes);
        trace.spans = trace.spans.saturating_add(portion.spans);
        trace.resources = trace.resources.saturating_add(portion.resources);
        trace.envelope_bytes = trace.envelope_bytes.saturating_add(portion.envelope_bytes);
        trace.has_root |= portion.has_root;
        trace.has_error |= portion.has_error;
        let ordered = self.conditions.iter().any(|conditions| conditions.failed.is_some());
        let mut masked = ordered.then(|| portion.clone());
        for conditions in &self.conditions {
            masked.iter_mut().for_each(|portion| conditions.mask(trace, portion));
        }
        for (word, bits) in masked.as_ref().unwrap_or(portion).words().enumerate() {
            let in_order = self.in_order.get(word).copied().unwrap_or(0);
            trace.join_word(word, bits & !in_order);
        }
        if let Some(more) = &portion.more {
            self.absorb_more(trace, more);
        }
    }

    /// Adds a later part of the same portion to an earlier one.
    pub fn join(&self, portion: &mut Facts, later: &Facts) {
        let times = |facts: &Facts| facts.more.as_ref().map_or_else(Vec::new, |more| more.times.clone());
        let times = [times(portion), times(later)].concat();
        self.absorb(portion, later);
        if !times.is_empty() {
            portion.more_mut().times = times;
        }
    }

    /// Whether facts of a portion depend on the order of its spans.
    pub fn depends_on_order(&self) -> bool {
        !self.latencies.is_empty() || self.conditions.iter().any(|conditions| conditions.failed.is_some())
    }

    fn absorb_more(&self, trace: &mut Facts, portion: &super::More) {
        if !self.latencies.is_empty() {
            let mut window = trace.more_mut().window;
            for span in &portion.times {
                compat_latency::step(&mut window, *span, &self.latencies, |fact| trace.set(fact));
            }
            let more = trace.more_mut();
            more.window = window;
            more.times = Vec::new();
        }
        if portion.has_ot {
            let more = trace.more_mut();
            more.has_ot = true;
            more.randomness = self.earlier_or_least(more.randomness, portion.randomness);
        }
        if !portion.values.is_empty() {
            let more = trace.more_mut();
            portion.values.iter().for_each(|(field, fingerprint)| more.note(*field, *fingerprint));
        }
    }

    /// Which of two explicit randomnesses holds.
    pub(super) fn earlier_or_least(&self, earlier: Option<u64>, later: Option<u64>) -> Option<u64> {
        match (earlier, later) {
            (Some(earlier), Some(later)) if !self.compat => Some(earlier.min(later)),
            _ => earlier.or(later),
        }
    }
}

/// The fields of all dynamic samplers; a field's place is its number.
pub(in crate::sample) fn fields_of(config: &Config) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for policy in &config.policies {
        policy.each(&mut |rule| {
            if let Rule::Dynamic(dynamic) = rule {
                for field in &dynamic.fields {
                    if !fields.contains(field) {
                        fields.push(field.clone());
                    }
                }
            }
        });
    }
    fields
}

fn wants_exact_sizes(config: &Config) -> bool {
    let mut wanted = config.maximum_trace_size_bytes.is_some();
    for policy in &config.policies {
        policy.each(&mut |rule| wanted |= matches!(rule, Rule::BytesLimiting { .. }));
    }
    wanted && config.compat
}

/// Whether anything depends on a trace's randomness.
fn wants_ot(config: &Config) -> bool {
    let mut wanted = false;
    for policy in &config.policies {
        policy.each(&mut |rule| {
            wanted |= match rule {
                Rule::Probabilistic { .. } => config.tracestate,
                Rule::RateLimiting { .. } | Rule::BytesLimiting { .. } => config.tracestate || !config.compat,
                Rule::Composite(_) => !config.compat,
                Rule::Dynamic(_) => true,
                _ => false,
            };
        });
    }
    wanted
}

/// Whether the patterns of a policy can be compiled; the error is the Collector's text.
pub(in crate::sample) fn check_patterns(patterns: &[String]) -> Result<(), String> {
    pattern::compile_any(patterns).map(|_| ())
}
