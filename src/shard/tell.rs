//! What a shard tells of one trace.

use serde_json::{Value, json};

use super::state::Shard;
use crate::sample::judge::{Outcome, Vote};
use crate::sample::{Explanation, Known, Moment, Remembered};

/// What is known of a trace; `None` when nothing is.
pub type Told = Option<Value>;

impl Shard {
    /// What is known of a trace: it is open, or why it was kept or not.
    pub fn tell(&self, trace_id: &[u8; 16]) -> Told {
        if let Some((first_seen, deadline, known)) = self.sampler.open(trace_id) {
            return Some(json!({
                "state": "open", "first_seen": timestamp(first_seen), "due": timestamp(deadline),
                "facts": facts(known),
            }));
        }
        if let Some(explanation) = self.sampler.explain(trace_id) {
            return Some(self.explained(explanation));
        }
        let (outcome, verdict) = self.sampler.remembered(trace_id)?;
        Some(json!({
            "state": "decided", "verdict": outcome_name(outcome), "policy": self.policy(verdict),
            "threshold": threshold(verdict.threshold),
            "note": "only the verdict is still remembered",
        }))
    }

    fn explained(&self, explanation: &Explanation) -> Value {
        let verdict = &explanation.verdict;
        let names = self.counters.names();
        let name = |number: Option<u16>| {
            number.and_then(|number| names.get(usize::from(number))).map(|name| &**name)
        };
        let votes = (0u16..).zip(&verdict.votes).map(|(place, vote)| {
            json!({"policy": name(explanation.policy(Some(place))), "vote": vote_name(*vote)})
        });
        json!({
            "state": "decided",
            "verdict": outcome_name(verdict.outcome),
            "policy": name(explanation.policy(verdict.policy)),
            "trigger": explanation.trigger.name(),
            "first_seen": timestamp(explanation.first_seen),
            "decided": timestamp(explanation.at),
            "votes": votes.collect::<Vec<_>>(),
            "facts": facts(explanation.known),
            "late_spans": explanation.late_spans,
            "threshold": threshold(verdict.threshold),
        })
    }

    fn policy(&self, verdict: Remembered) -> Option<&str> {
        verdict.policy.and_then(|policy| self.counters.names().get(usize::from(policy))).map(|name| &**name)
    }
}

fn facts(known: Known) -> Value {
    let duration_ms = known.end_ns.saturating_sub(known.start_ns) as f64 / 1e6;
    let times = known.start_ns > 0 && known.end_ns > 0;
    json!({
        "spans": known.spans, "bytes": known.bytes, "has_root": known.has_root, "has_error": known.has_error,
        "duration_ms": times.then_some(duration_ms),
    })
}

fn timestamp(moment: Moment) -> f64 {
    (moment.0 / 1_000_000) as f64 / 1e3 // seconds since 1970, to the millisecond
}

/// `ot=th` as it is written, the kept share beside it.
fn threshold(threshold: Option<u64>) -> Value {
    let Some(threshold) = threshold else { return Value::Null };
    let kept = 1.0 - threshold as f64 / (1u64 << 56) as f64;
    json!({"rejected_below": format!("{threshold:014x}"), "kept_share": kept})
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sampled => "sampled",
        Outcome::NotSampled => "not_sampled",
        Outcome::Dropped => "dropped",
    }
}

fn vote_name(vote: Vote) -> &'static str {
    match vote {
        Vote::Sampled => "sampled",
        Vote::NotSampled => "not_sampled",
        Vote::Dropped => "dropped",
        Vote::Failed => "failed",
        Vote::NotAsked => "not_asked",
    }
}
