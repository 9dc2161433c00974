//! What the Collector finds wrong with a policy when it starts, in its words.

use super::facts::{check_condition, check_patterns};
use super::{Policy, Rule, StatusCodes};

/// Whether a pattern of `string_attribute` can be used; the error is the Collector's text.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    check_patterns(&[pattern.to_owned()])
}

/// Whether a condition of `ottl_condition` can be used: on spans, or on their events. The error has the Collector's
/// text, and what was probably meant.
pub fn check_ottl(text: &str, on_events: bool) -> Result<(), (String, Option<String>)> {
    check_condition(text, on_events).map_err(|error| (error.message, error.help))
}

impl Policy {
    /// What is wrong with the policy; the Collector puts `failed to create policy evaluator for "name": ` before it.
    pub fn check(&self) -> Result<(), String> {
        match &self.rule {
            Rule::StatusCode { codes } if *codes == StatusCodes::default() => {
                return Err("expected at least one status code to filter on".into());
            }
            Rule::StringAttribute { values, regex: true, .. } => check_patterns(values)?,
            Rule::OttlCondition { span, spanevent, .. } => {
                if span.is_empty() && spanevent.is_empty() {
                    return Err("expected at least one OTTL condition to filter on".into());
                }
                let check =
                    |text: &String, events| check_condition(text, events).map_err(|error| error.message);
                span.iter().try_for_each(|text| check(text, false))?;
                spanevent.iter().try_for_each(|text| check(text, true))?;
            }
            // The Collector starts and then crashes at the first decision.
            Rule::Numeric { min: None, max: None, .. } => {
                return Err("at least one of min_value and max_value must be set".into());
            }
            _ => {}
        }
        for part in self.parts() {
            let fits = match (&self.rule, &part.rule) {
                (_, Rule::Drop(_) | Rule::Composite(_)) => false,
                (Rule::Composite(_), inner) => !matches!(inner, Rule::Not(_)),
                (Rule::And(_) | Rule::Drop(_), inner) => !matches!(inner, Rule::And(_)),
                (_, inner) => !matches!(inner, Rule::And(_) | Rule::Not(_)),
            };
            if !fits {
                return Err(format!("unknown sampling policy type {}", part.rule.name()));
            }
            part.check()?;
        }
        Ok(())
    }

    /// Whether the policy is one that `span-ingest` cannot have, by the Collector's list; ours with state are on it too.
    pub fn is_stateful(&self) -> bool {
        match &self.rule {
            Rule::RateLimiting { .. } | Rule::BytesLimiting { .. } | Rule::Dynamic(_) => true,
            Rule::Latency { upper_threshold_ms, .. } => *upper_threshold_ms > 0,
            Rule::SpanCount { max, .. } => *max > 0,
            _ => self.parts().iter().any(Self::is_stateful),
        }
    }
}

impl Rule {
    /// `type`.
    pub fn name(&self) -> &'static str {
        use super::Method;
        match self {
            Self::AlwaysSample => "always_sample",
            Self::Latency { .. } => "latency",
            Self::Numeric { .. } => "numeric_attribute",
            Self::Probabilistic { .. } => "probabilistic",
            Self::StatusCode { .. } => "status_code",
            Self::StringAttribute { .. } => "string_attribute",
            Self::Boolean { .. } => "boolean_attribute",
            Self::RateLimiting { .. } => "rate_limiting",
            Self::BytesLimiting { .. } => "bytes_limiting",
            Self::SpanCount { .. } => "span_count",
            Self::TraceState { .. } => "trace_state",
            Self::OttlCondition { .. } => "ottl_condition",
            Self::TraceFlags => "trace_flags",
            Self::And(_) => "and",
            Self::Not(_) => "not",
            Self::Drop(_) => "drop",
            Self::Composite(_) => "composite",
            Self::Dynamic(dynamic) => match dynamic.method {
                Method::Window { .. } => "dynamic",
                Method::Ema { .. } => "ema_dynamic",
                Method::EmaThroughput { .. } => "ema_throughput",
                Method::WindowedThroughput { .. } => "windowed_throughput",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Composite, Policy, Rule};

    fn error(policy: Policy) -> String {
        policy.check().unwrap_err()
    }

    #[test]
    fn errors_are_in_the_collectors_words() {
        assert_eq!(error(status(false, false, false)), "expected at least one status code to filter on");
        assert_eq!(
            error(regex("k", &["a", "("])),
            "invalid regex `(`: error parsing regexp: missing closing ): `(`"
        );
        assert_eq!(error(and(vec![not(regex("k", &["(?=a)"]))]))[..15], *"invalid regex `");
        assert!(error(numeric("n", None, None)).contains("min_value"));
        assert!(regex("k", &[r"^/api/\d+$"]).check().is_ok() && text("k", &["("]).check().is_ok());
    }

    #[test]
    fn what_may_nest() {
        let unknown = |kind: &str| format!("unknown sampling policy type {kind}");
        let composite = |part| {
            let policies = vec![part];
            policy(Rule::Composite(Composite { max_total: 1, order: vec![], policies, allocation: vec![] }))
        };
        assert_eq!(error(and(vec![and(vec![])])), unknown("and"));
        assert_eq!(error(and(vec![drop_if(vec![])])), unknown("drop"));
        assert_eq!(error(and(vec![composite(always())])), unknown("composite"));
        assert_eq!(error(not(not(always()))), unknown("not"));
        assert_eq!(error(not(and(vec![]))), unknown("and"));
        assert_eq!(error(composite(not(always()))), unknown("not"));
        assert!(and(vec![not(always())]).check().is_ok());
        assert!(drop_if(vec![not(always()), always()]).check().is_ok());
        assert!(composite(and(vec![always()])).check().is_ok());
    }

    #[test]
    fn state_is_what_the_collector_calls_so() {
        assert!(rate(1, None).is_stateful() && latency(1, 2).is_stateful() && span_count(1, 2).is_stateful());
        assert!(!latency(1, 0).is_stateful() && !span_count(1, 0).is_stateful() && !always().is_stateful());
        assert!(and(vec![always(), not(latency(1, 2))]).is_stateful());
        assert!(!drop_if(vec![status(false, false, true)]).is_stateful());
    }
}
