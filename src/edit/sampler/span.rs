//! Spans: the trace id, the trace state, and the attribute `sampling.priority`.

use super::{Decided, Judged, Sampler, threshold};
use crate::edit::condition::find;
use crate::edit::message::Message;
use crate::edit::value::Value;
use crate::edit::walk::Fate;
use crate::ottl::number::float;
use crate::trace_state::{self, NEVER, copy_with_state};
use crate::wire::{Fields, Malformed, otlp};

impl Sampler {
    pub(super) fn span(&mut self, item: &mut Message<'_>) -> Result<Fate, Malformed> {
        let span = item.bytes();
        let (mut id, mut state) = (&span[0..0], &span[0..0]);
        for field in Fields::new(span) {
            let field = field?;
            match field.number {
                otlp::SPAN_TRACE_ID => id = &span[field.bytes()?],
                otlp::SPAN_TRACE_STATE => state = &span[field.bytes()?],
                _ => {}
            }
        }
        let read = trace_state::read(state).ok().map(Option::unwrap_or_default);
        let judged = self.judge_by_id(id, read);
        let priority = find(span, otlp::SPAN_ATTRIBUTES, b"sampling.priority")?;
        let priority = priority.map(priority_of).transpose()?.flatten();
        let Decided { kept, carried, .. } = self.decide(judged, priority);
        self.count(judged, read, priority.is_some(), false, kept);
        if !kept {
            return Ok(Fate::Drop);
        }
        if let Some(text) = carried.and_then(|ot| trace_state::rewrite(state, ot).ok())
            && text[..] != *state
        {
            self.out.clear();
            copy_with_state(span, &text, &mut self.out)?;
            item.replace(&mut self.out);
        }
        Ok(Fate::Keep)
    }

    /// By the hash or the last bits of the trace id, when there is one.
    fn judge_by_id(&self, id: &[u8], read: Option<trace_state::Ot>) -> Judged {
        let known = !id.iter().all(|byte| *byte == 0);
        let hashed = || known.then(|| threshold::hashed(id, self.sampling.hash_seed));
        self.judge(read, hashed, randomness_of(id))
    }
}

/// The randomness that a trace id has by itself: its last 56 bits. None where there is no id.
pub(super) fn randomness_of(id: &[u8]) -> Option<u64> {
    let known = !id.iter().all(|byte| *byte == 0);
    let last = id.last_chunk::<8>().map(|last| u64::from_be_bytes(*last) & (NEVER - 1));
    last.filter(|_| known)
}

/// OpenTracing's hint: above zero keep, zero drop.
fn priority_of(encoded: &[u8]) -> Result<Option<u64>, Malformed> {
    let value = match Value::read(encoded)? {
        Value::Int(value) => Some(value as f64),
        Value::Double(value) => Some(value),
        Value::Text(text) => float(text),
        _ => None,
    };
    Ok(match value {
        Some(0.0) => Some(NEVER),
        Some(value) if value > 0.0 => Some(0),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Mode, Sampling};
    use super::*;
    use crate::edit::testing::{edit, request, span, text};
    use crate::semconv::Names;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;

    fn sampling(mode: Mode, percentage: f32) -> Sampling {
        Sampling {
            percentage,
            mode,
            hash_seed: 0,
            fail_closed: true,
            precision: 4,
            by_attribute: false,
            from_attribute: String::new(),
            priority: String::new(),
            names: Names::Written,
        }
    }

    /// The trace state of a span after the sampler, or nothing when it was dropped. The randomness of its id is 0x07….
    fn after(sampling: Sampling, state: &str, pairs: Vec<(&str, Any)>) -> Option<String> {
        let mut one = span("s", pairs);
        one.trace_state = state.into();
        let (edited, spans) = edit(&request(vec![], vec![one.clone()]), &mut Sampler::new(sampling));
        assert_eq!(edited.dropped, 1 - spans.len() as u64);
        let mut kept = spans.into_iter().next()?;
        let state = std::mem::replace(&mut kept.trace_state, one.trace_state.clone());
        assert_eq!(kept, one, "nothing else changes");
        Some(state)
    }

    #[test]
    fn thresholds_follow_the_mode() {
        use Mode::{Equalizing, HashSeed, Proportional};
        let cases = [
            (Equalizing, 100.0, "", Some("ot=th:0")),
            (Equalizing, 50.0, "", None),
            (Equalizing, 50.0, "ot=rv:90000000000000", Some("ot=rv:90000000000000;th:8")),
            (Equalizing, 50.0, "x=y,ot=rv:90000000000000;th:8", Some("ot=rv:90000000000000;th:8,x=y")),
            (Equalizing, 50.0, "ot=rv:f0000000000000;th:c", Some("ot=rv:f0000000000000;th:c")),
            (Equalizing, 100.0, "ot=rv:10000000000000;th:8", None),
            (Equalizing, 100.0, "ot=rv:zz", None),
            (Proportional, 50.0, "ot=rv:f0000000000000;th:8", Some("ot=rv:f0000000000000;th:c")),
            (Proportional, 50.0, "ot=rv:b0000000000000;th:8", None),
            (HashSeed, 100.0, "ot=th:8", None),
            (HashSeed, 0.0, "", None),
            (Equalizing, 0.0, "ot=rv:f0000000000000", None),
        ];
        for (mode, percentage, state, expected) in cases {
            let found = after(sampling(mode, percentage), state, vec![]);
            assert_eq!(found.as_deref(), expected, "{mode:?} {percentage} {state}");
        }
        let hashed = after(sampling(HashSeed, 100.0), "", vec![]).unwrap();
        let randomness = threshold::hashed(&[7; 16], 0);
        assert_eq!(hashed, format!("ot=rv:{randomness:014x};th:0"));
    }

    #[test]
    fn what_cannot_be_judged_is_kept_when_open() {
        let open = |mode| Sampling { fail_closed: false, ..sampling(mode, 1.0) };
        assert_eq!(after(open(Mode::Equalizing), "ot=rv:zz", vec![]).as_deref(), Some("ot=rv:zz"));
        assert_eq!(after(open(Mode::HashSeed), "ot=th:8", vec![]).as_deref(), Some("ot=th:8"));
        let lies = "ot=rv:10000000000000;th:8";
        assert_eq!(after(open(Mode::Equalizing), lies, vec![]).as_deref(), Some("ot=rv:10000000000000;th:0"));
    }

    #[test]
    fn decisions_are_counted_by_what_they_are_made_with() {
        let mut plain = span("s", vec![]);
        let mut asked = span("s", vec![("sampling.priority", Any::IntValue(1))]);
        let mut carried = span("s", vec![]);
        carried.trace_state = "ot=rv:f0000000000000".into();
        let mut without = span("s", vec![]);
        without.trace_id = vec![0; 16];
        for one in [&mut plain, &mut asked, &mut carried, &mut without] {
            one.name = "counted".into();
        }
        let mut sampler = Sampler::new(sampling(Mode::Equalizing, 50.0));
        edit(&request(vec![], vec![plain.clone(), asked, carried, without]), &mut sampler);
        let counts = crate::edit::Editor::take_counts(&mut sampler).unwrap();
        assert_eq!(counts, [[0, 0], [0, 0], [0, 1], [1, 0], [0, 1], [1, 0]]);
        let mut sampler = Sampler::new(sampling(Mode::HashSeed, 100.0));
        edit(&request(vec![], vec![plain]), &mut sampler);
        let counts = crate::edit::Editor::take_counts(&mut sampler).unwrap();
        assert_eq!(counts[0], [0, 1]);
        assert_eq!(crate::edit::Editor::take_counts(&mut sampler), Some(Default::default()), "counted once");
    }

    #[test]
    fn priority_comes_first() {
        let priority = |value| vec![("sampling.priority", value)];
        let none = sampling(Mode::Equalizing, 0.0);
        let all = sampling(Mode::Equalizing, 100.0);
        for value in [Any::IntValue(1), Any::DoubleValue(0.5), text("2")] {
            assert!(after(none.clone(), "", priority(value)).is_some());
        }
        for value in [Any::IntValue(0), Any::DoubleValue(0.0), text("0")] {
            assert!(after(all.clone(), "", priority(value)).is_none());
        }
        for value in [Any::IntValue(-1), text("x"), Any::BoolValue(false)] {
            assert!(after(all.clone(), "", priority(value.clone())).is_some());
            assert!(after(none.clone(), "", priority(value)).is_none());
        }
    }
}
