//! Log records: the trace id or an attribute; what was decided stands in attributes.

use super::span::randomness_of;
use super::{Decided, Method, Sampler, threshold};
use crate::edit::attributes::Attributes;
use crate::edit::message::Message;
use crate::edit::text::as_text;
use crate::edit::value::Value;
use crate::edit::walk::Fate;
use crate::trace_state::{NEVER, Ot, randomness_text, threshold_text};
use crate::wire::{Fields, Malformed, otlp};

const THRESHOLD: &[u8] = b"sampling.threshold";
const RANDOMNESS: &[u8] = b"sampling.randomness";

impl Sampler {
    pub(super) fn log(&mut self, item: &mut Message<'_>) -> Result<Fate, Malformed> {
        let record = item.bytes();
        let mut id = &record[0..0];
        for field in Fields::new(record) {
            let field = field?;
            if field.number == otlp::LOG_TRACE_ID {
                id = &record[field.bytes()?];
            }
        }
        self.list.load(record, otlp::LOG_ATTRIBUTES)?;
        let read = self.carried(record)?;
        let hashed = if matches!(self.method, Method::Hash(_)) { self.hashed(record, id)? } else { None };
        let judged = self.judge(read, || hashed, randomness_of(id));
        let priority = self.priority(record)?;
        let Decided { kept, carried, sets } = self.decide(judged, priority);
        let by_attribute = self.sampling.by_attribute || id.iter().all(|byte| *byte == 0);
        self.count(judged, read, priority.is_some(), by_attribute, kept);
        if !kept {
            return Ok(Fate::Drop);
        }
        if let (Some(before), Some(after)) = (read, carried) {
            let text = |text: String| Value::Text(text.as_bytes()).to_bytes();
            let found = after.randomness.filter(|_| judged.randomness.is_some());
            if let (Some(randomness), None) = (found, before.randomness) {
                self.list.put(record, RANDOMNESS, &text(randomness_text(randomness)));
            }
            if let Some(threshold) = after.threshold.filter(|_| sets) {
                self.list.put(record, THRESHOLD, &text(threshold_text(threshold)));
            }
        }
        self.list.store(item, &mut self.out);
        Ok(Fate::Keep)
    }

    /// What earlier samplers wrote; nothing when it cannot be read.
    fn carried(&self, record: &[u8]) -> Result<Option<Ot>, Malformed> {
        let threshold = digits(&self.list, record, THRESHOLD)?;
        let randomness = digits(&self.list, record, RANDOMNESS)?;
        let read = |text: &Option<Vec<u8>>, fits: fn(usize) -> bool| match text {
            None => Some(None),
            Some(text) if fits(text.len()) => {
                let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?;
                let value = u64::from_str_radix(text, 16).ok()?;
                Some(Some(value << (4 * (14 - text.len()))))
            }
            Some(_) => None,
        };
        let (threshold, randomness) = (read(&threshold, |len| len <= 14), read(&randomness, |len| len == 14));
        Ok(threshold.zip(randomness).map(|(threshold, randomness)| Ot { randomness, threshold }))
    }

    fn hashed(&self, record: &[u8], id: &[u8]) -> Result<Option<u64>, Malformed> {
        let seed = self.sampling.hash_seed;
        if !self.sampling.by_attribute && !id.iter().all(|byte| *byte == 0) {
            return Ok(Some(threshold::hashed(id, seed)));
        }
        let key = self.sampling.from_attribute.as_bytes();
        let found = self.found(record, key);
        let Some(index) = found else { return Ok(None) };
        let hashed = |bytes: &[u8]| (!bytes.is_empty()).then(|| threshold::hashed(bytes, seed));
        Ok(match self.list.value(record, index)? {
            Value::Bytes(bytes) => hashed(bytes),
            value => hashed(&as_text(value)?),
        })
    }

    fn found(&self, record: &[u8], key: &[u8]) -> Option<usize> {
        if key.is_empty() {
            None
        } else {
            self.sampling.names.first(key, |name| self.list.find(record, name))
        }
    }

    /// The threshold of the percentage that a record has in the attribute of `sampling_priority`.
    fn priority(&self, record: &[u8]) -> Result<Option<u64>, Malformed> {
        let key = self.sampling.priority.as_bytes();
        let found = self.found(record, key);
        let Some(index) = found else { return Ok(None) };
        let percentage = match self.list.value(record, index)? {
            Value::Int(value) => value as f64,
            Value::Double(value) => value,
            _ => return Ok(None),
        };
        Ok(threshold::of_probability(percentage / 100.0, self.sampling.precision).map(|one| one.min(NEVER)))
    }
}

/// The text of an attribute, if it has one.
fn digits(list: &Attributes, record: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(index) = list.find(record, key) else { return Ok(None) };
    Ok(match list.value(record, index)? {
        Value::Text(text) if !text.is_empty() => Some(text.to_vec()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Mode, Sampling};
    use super::*;
    use crate::edit::Walker;
    use crate::edit::testing::{around, attributes, shown, text};
    use crate::outcome::Signal;
    use crate::semconv::Names;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message as _;

    fn sampling(mode: Mode, percentage: f32) -> Sampling {
        Sampling {
            percentage,
            mode,
            hash_seed: 0,
            fail_closed: true,
            precision: 4,
            by_attribute: false,
            from_attribute: "order".into(),
            priority: "share".into(),
            names: Names::Written,
        }
    }

    /// The attributes of a record after the sampler, or nothing when it was dropped.
    fn after(sampling: Sampling, trace_id: &[u8], pairs: Vec<(&str, Any)>) -> Option<String> {
        let record =
            LogRecord { trace_id: trace_id.to_vec(), attributes: attributes(pairs), ..LogRecord::default() };
        let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
        };
        let body = request.encode_to_vec().into();
        let edited =
            Walker::default().edit(&body, &around(Signal::Logs), &mut Sampler::new(sampling)).unwrap();
        let decoded = ExportLogsServiceRequest::decode(edited.body).unwrap();
        let record = decoded.resource_logs.first()?.scope_logs[0].log_records.first()?;
        Some(shown(&record.attributes))
    }

    #[test]
    fn records_are_chosen_by_trace_id_or_attribute() {
        let hash = || sampling(Mode::HashSeed, 100.0);
        let by = |bytes: &[u8]| threshold::hashed(bytes, 0);
        let shown = |randomness: u64| format!("sampling.randomness={randomness:014x} sampling.threshold=0");
        assert_eq!(after(hash(), &[7; 16], vec![]), Some(shown(by(&[7; 16]))));
        let order = || vec![("order", Any::IntValue(12))];
        assert_eq!(after(hash(), &[], order()), Some(format!("order=12i {}", shown(by(b"12")))));
        let record = Sampling { by_attribute: true, ..hash() };
        assert_eq!(after(record, &[7; 16], order()), Some(format!("order=12i {}", shown(by(b"12")))));
        assert_eq!(after(hash(), &[], vec![]), None, "nothing to choose by");
    }

    #[test]
    fn the_attribute_to_choose_by_may_have_its_other_name() {
        let by_url =
            |names| Sampling { from_attribute: "http.url".into(), names, ..sampling(Mode::HashSeed, 100.0) };
        let record = || vec![("url.full", text("u"))];
        let shown = format!(
            "sampling.randomness={:014x} sampling.threshold=0 url.full=u",
            threshold::hashed(b"u", 0)
        );
        assert_eq!(after(by_url(Names::Either), &[], record()), Some(shown));
        assert_eq!(after(by_url(Names::Written), &[], record()), None);
    }

    #[test]
    fn a_record_may_ask_for_a_share_of_its_own() {
        let none = || sampling(Mode::Equalizing, 0.0);
        let kept = after(none(), &[7; 16], vec![("share", Any::IntValue(100))]);
        assert_eq!(kept.as_deref(), Some("sampling.threshold=0 share=100i"));
        assert_eq!(after(none(), &[7; 16], vec![("share", text("100"))]), None);
    }

    #[test]
    fn what_was_decided_before_is_kept_in_mind() {
        let pairs = |threshold: &str| {
            vec![("sampling.randomness", text("f0000000000000")), ("sampling.threshold", text(threshold))]
        };
        let half = || sampling(Mode::Proportional, 50.0);
        let halved = |threshold| after(half(), &[7; 16], pairs(threshold));
        let shown = |threshold: &str| {
            Some(format!("sampling.randomness=f0000000000000 sampling.threshold={threshold}"))
        };
        assert_eq!(halved("8"), shown("c"));
        assert_eq!(halved("ff"), None, "it lies");
        let all = after(sampling(Mode::Equalizing, 100.0), &[7; 16], pairs("80"));
        assert_eq!(all, shown("8"), "as short as it can be");
        assert_eq!(halved("zz"), None, "it cannot be read");
    }
}
