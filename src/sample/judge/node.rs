//! Policies compiled for asking: facts by number, state by place.

use super::bucket::{Bucket, Cost};
use super::composite::Composite;
use super::dynamic::Sampler;
use super::probability::Probability;
use crate::sample::facts::{Predicate, fields_of};
use crate::sample::{Config, Policy, Rule};

/// A compiled policy.
#[derive(Debug)]
pub(super) enum Node {
    Always,
    Fact {
        fact: u16,
        invert: bool,
    },
    /// The first of the two facts to become true counts.
    Conditions {
        matched: u16,
        failed: u16,
    },
    Latency {
        threshold_ms: i64,
        upper_threshold_ms: i64,
    },
    SpanCount {
        min: i32,
        max: i32,
    },
    Probabilistic(Probability),
    Limiter(usize),
    And(Vec<Node>),
    Not(Box<Node>),
    Drop(Vec<Node>),
    Composite {
        parts: Vec<Node>,
        state: usize,
    },
    Dynamic {
        fields: Vec<u16>,
        use_trace_length: bool,
        state: usize,
    },
}

impl Node {
    /// Whether its answer depends on other traces.
    pub(super) fn has_state(&self) -> bool {
        match self {
            Self::Limiter(_) | Self::Composite { .. } | Self::Dynamic { .. } => true,
            Self::And(parts) | Self::Drop(parts) => parts.iter().any(Self::has_state),
            Self::Not(part) => part.has_state(),
            _ => false,
        }
    }

    pub(super) fn is_drop(&self) -> bool {
        matches!(self, Self::Drop(_))
    }
}

/// What policies remember from trace to trace.
#[derive(Debug, Default)]
pub(super) struct States {
    pub(super) buckets: Vec<Bucket>,
    pub(super) composites: Vec<Composite>,
    pub(super) samplers: Vec<Sampler>,
}

/// Compiles policies, numbering facts as the plan does.
pub(super) struct Compiler<'c> {
    config: &'c Config,
    predicates: Vec<Predicate>,
    fields: Vec<String>,
    pub(super) states: States,
}

impl<'c> Compiler<'c> {
    pub(super) fn new(config: &'c Config) -> Self {
        let (predicates, fields) = (Predicate::all(config), fields_of(config));
        Self { config, predicates, fields, states: States::default() }
    }

    pub(super) fn compile(&mut self, policy: &Policy) -> Node {
        if let Some(predicate) = Predicate::of(&policy.rule, self.config.compat) {
            let fact = self.predicates.iter().position(|known| *known == predicate).unwrap_or_default();
            if let Some(failure) = predicate.failure() {
                let failed = self.predicates.iter().position(|known| *known == failure).unwrap_or_default();
                return Node::Conditions { matched: fact as u16, failed: failed as u16 };
            }
            let invert = matches!(
                policy.rule,
                Rule::Numeric { invert: true, .. }
                    | Rule::StringAttribute { invert: true, .. }
                    | Rule::Boolean { invert: true, .. }
            );
            return Node::Fact { fact: fact as u16, invert };
        }
        match &policy.rule {
            Rule::Latency { threshold_ms, upper_threshold_ms } => {
                Node::Latency { threshold_ms: *threshold_ms, upper_threshold_ms: *upper_threshold_ms }
            }
            Rule::Probabilistic { hash_salt, percentage } => {
                Node::Probabilistic(Probability::new(hash_salt, *percentage))
            }
            Rule::RateLimiting { spans_per_second, burst } => {
                self.limiter(Cost::Spans, *spans_per_second, *burst)
            }
            Rule::BytesLimiting { bytes_per_second, burst } => {
                self.limiter(Cost::Bytes, *bytes_per_second, *burst)
            }
            Rule::SpanCount { min, max } => Node::SpanCount { min: *min, max: *max },
            Rule::And(parts) => Node::And(self.all(parts)),
            Rule::Drop(parts) => Node::Drop(self.all(parts)),
            Rule::Not(part) => Node::Not(Box::new(self.compile(part))),
            Rule::Composite(composite) => {
                let parts = self.all(&composite.policies);
                let state = self.states.composites.len();
                self.states.composites.push(Composite::new(composite, self.config));
                Node::Composite { parts, state }
            }
            Rule::Dynamic(dynamic) => {
                let number = |field| self.fields.iter().position(|known| known == field);
                let fields = dynamic.fields.iter().filter_map(number).map(|number| number as u16).collect();
                let state = self.states.samplers.len();
                self.states.samplers.push(Sampler::new(dynamic, self.config.num_shards));
                Node::Dynamic { fields, use_trace_length: dynamic.use_trace_length, state }
            }
            // The others have a predicate.
            _ => Node::Always,
        }
    }

    fn all(&mut self, parts: &[Policy]) -> Vec<Node> {
        parts.iter().map(|part| self.compile(part)).collect()
    }

    fn limiter(&mut self, cost: Cost, rate: i64, burst: Option<i64>) -> Node {
        self.states.buckets.push(Bucket::new(cost, rate, burst, self.config.num_shards));
        Node::Limiter(self.states.buckets.len() - 1)
    }
}
