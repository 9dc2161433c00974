//! What can be said of a policy without running it.

use crate::sample::Rule;

/// Whether a verdict depends on more than the spans of one request and what lies before them.
pub(super) fn is_stateful(rule: &Rule) -> bool {
    match rule {
        Rule::RateLimiting { .. } | Rule::BytesLimiting { .. } | Rule::Dynamic(_) => true,
        Rule::Latency { upper_threshold_ms, .. } => *upper_threshold_ms > 0,
        Rule::SpanCount { max, .. } => *max > 0,
        Rule::And(inner) | Rule::Drop(inner) => inner.iter().any(|policy| is_stateful(&policy.rule)),
        Rule::Composite(composite) => composite.policies.iter().any(|policy| is_stateful(&policy.rule)),
        Rule::Not(inner) => is_stateful(&inner.rule),
        _ => false,
    }
}

/// Whether a pattern can be used. The reason has the words of RE2 where they are the same.
pub(super) fn check_regex(pattern: &str) -> Result<(), String> {
    match regex::Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err("error parsing regexp: expression too large".into()),
        Err(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let reason = match last {
                "unclosed group" => format!("missing closing ): `{pattern}`"),
                "unopened group" => format!("unexpected ): `{pattern}`"),
                "unclosed character class" => format!("missing closing ]: `{pattern}`"),
                other => other.to_owned(),
            };
            Err(format!("error parsing regexp: {reason}"))
        }
    }
}
