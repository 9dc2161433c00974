//! The yes-or-no questions of a configuration, each asked once however many policies ask it.

use crate::sample::{Config, ErrorMode, Number, Policy, Rule, StatusCodes};

/// A question that a trace answers with yes as soon as one of its spans, or the resource of one, does.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sample) enum Predicate {
    /// The status is one of these.
    Status(StatusCodes),
    /// The sampled bit is set.
    Flags,
    /// The trace state holds one of these values under the key.
    TraceState {
        /// Key of a member.
        key: String,
        /// Sorted; none is empty.
        values: Vec<String>,
    },
    /// A string attribute is one of these values, or matches one of these patterns.
    Text {
        /// Key of the attribute.
        key: String,
        /// Sorted.
        values: Vec<String>,
        /// Whether they are patterns.
        regex: bool,
    },
    /// A numeric attribute lies within the bounds, which belong to the range.
    Number {
        /// Key of the attribute.
        key: String,
        /// `None` = no bound.
        min: Option<Number>,
        /// `None` = no bound.
        max: Option<Number>,
    },
    /// A boolean attribute has this value.
    Boolean {
        /// Key of the attribute.
        key: String,
        /// The value.
        value: bool,
    },
    /// A span, or an event of one, meets one of these conditions; to propagate errors, before any fails.
    Conditions {
        /// Conditions on spans.
        span: Vec<String>,
        /// Conditions on events.
        spanevent: Vec<String>,
        /// What one that fails means.
        error_mode: ErrorMode,
    },
    /// To propagate errors: a condition fails before any is met.
    Failure {
        /// Conditions on spans.
        span: Vec<String>,
        /// Conditions on events.
        spanevent: Vec<String>,
    },
    /// The Collector's latency, which depends on the order of spans; asked in `compat` only.
    Latency {
        /// Milliseconds; longer matches.
        threshold_ms: i64,
        /// Milliseconds; longer does not; 0 = none.
        upper_threshold_ms: i64,
    },
}

impl Predicate {
    /// The question behind a rule, if it has one; inverted rules ask the same and turn the answer round.
    pub(in crate::sample) fn of(rule: &Rule, compat: bool) -> Option<Self> {
        Some(match rule {
            Rule::StatusCode { codes } => Self::Status(*codes),
            Rule::TraceFlags => Self::Flags,
            Rule::TraceState { key, values } => {
                // A member longer than this cannot be had; the Collector leaves such values out.
                let possible = |value: &&String| !value.is_empty() && key.len() + value.len() < 256;
                Self::TraceState { key: key.clone(), values: sorted(values.iter().filter(possible)) }
            }
            Rule::StringAttribute { key, values, regex, .. } => {
                let wanted = |value: &&String| *regex || !value.is_empty();
                Self::Text { key: key.clone(), values: sorted(values.iter().filter(wanted)), regex: *regex }
            }
            Rule::Numeric { key, min, max, .. } => {
                let bound = |bound: Option<Number>| if compat { bound.and_then(whole) } else { bound };
                Self::Number { key: key.clone(), min: bound(*min), max: bound(*max) }
            }
            Rule::Boolean { key, value, .. } => Self::Boolean { key: key.clone(), value: *value },
            Rule::Latency { threshold_ms, upper_threshold_ms } if compat => {
                Self::Latency { threshold_ms: *threshold_ms, upper_threshold_ms: *upper_threshold_ms }
            }
            Rule::OttlCondition { error_mode, span, spanevent } => {
                Self::Conditions { span: span.clone(), spanevent: spanevent.clone(), error_mode: *error_mode }
            }
            _ => return None,
        })
    }

    /// The question that goes with another, whose answer is that it cannot be answered.
    pub(in crate::sample) fn failure(&self) -> Option<Self> {
        match self {
            Self::Conditions { span, spanevent, error_mode: ErrorMode::Propagate } => {
                Some(Self::Failure { span: span.clone(), spanevent: spanevent.clone() })
            }
            _ => None,
        }
    }

    /// Every question of a configuration. A question's place is the number of its fact.
    pub(in crate::sample) fn all(config: &Config) -> Vec<Self> {
        let mut all = Vec::new();
        for policy in &config.policies {
            policy.each(&mut |rule| {
                if let Some(predicate) = Self::of(rule, config.compat)
                    && !all.contains(&predicate)
                {
                    let failure = predicate.failure();
                    all.push(predicate);
                    all.extend(failure);
                }
            });
        }
        all
    }
}

/// As the Collector reads a bound: fractions are cut, and 0 is no bound.
fn whole(bound: Number) -> Option<Number> {
    let bound = match bound {
        Number::Int(bound) => bound,
        Number::Double(bound) => bound as i64,
    };
    (bound != 0).then_some(Number::Int(bound))
}

fn sorted<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut values: Vec<_> = values.cloned().collect();
    values.sort_unstable();
    values.dedup();
    values
}

impl Policy {
    /// Shows `look` the rule and those inside it.
    pub(in crate::sample) fn each(&self, look: &mut impl FnMut(&Rule)) {
        look(&self.rule);
        for part in self.parts() {
            part.each(look);
        }
    }

    /// The policies of a combinator.
    pub(in crate::sample) fn parts(&self) -> &[Self] {
        match &self.rule {
            Rule::And(parts) | Rule::Drop(parts) => parts,
            Rule::Not(part) => std::slice::from_ref(part),
            Rule::Composite(composite) => &composite.policies,
            _ => &[],
        }
    }
}
