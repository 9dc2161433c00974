//! W3C trace state: its members, OpenTelemetry's member `ot` with randomness and threshold, and how one is written.

use smallvec::SmallVec;

use crate::wire::{Fields, Malformed, otlp, write_varint};

/// Randomness and thresholds have 56 bits; a threshold of this many rejects all.
pub const NEVER: u64 = 1 << 56;

/// What the member `ot` says about sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ot {
    /// `rv`: the trace's randomness.
    pub randomness: Option<u64>,
    /// `th`: what sampled it before rejected randomness below this.
    pub threshold: Option<u64>,
}

/// A trace state that cannot be read, so it says nothing and is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unparseable;

/// What became of a span that should get a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It has the threshold, or a stricter one that it had before.
    Edited,
    /// Its trace state cannot be read; it was copied as it is.
    Unparseable,
}

/// Key and value.
pub type Member<'a> = (&'a [u8], &'a [u8]);

const MEMBERS_MAX: usize = 32;
const STATE_BYTES_MAX: usize = 1024;
const OT_BYTES_MAX: usize = 256;

/// The members of a trace state by the letter of W3C: one odd member, a repeated key or a 33rd member spoil the whole.
/// Blanks around members and empty members are allowed.
pub fn strict(state: &[u8]) -> Option<SmallVec<[Member<'_>; 4]>> {
    let mut members = SmallVec::<[Member<'_>; 4]>::new();
    for text in state.split(|byte| *byte == b',').filter(|text| !text.is_empty()) {
        let (key, value) = member(trim(text))?;
        if members.len() == MEMBERS_MAX || members.iter().any(|(known, _)| *known == key) {
            return None;
        }
        members.push((key, value));
    }
    Some(members)
}

/// The sampling information in a trace state, if there is a member `ot`.
pub fn read(state: &[u8]) -> Result<Option<Ot>, Unparseable> {
    ot_value(state)?.map(|value| parse(value).map(|(ot, _)| ot)).transpose()
}

/// The value of `ot`. Sampling code upstream is a little more lenient than the policy: repeated keys and members of
/// blanks pass, the last `ot` counts if all of them can be read; but not very long states, nor a 32nd member.
fn ot_value(state: &[u8]) -> Result<Option<&[u8]>, Unparseable> {
    if state.len() > STATE_BYTES_MAX {
        return Err(Unparseable);
    }
    let commas = state.strip_suffix(b",").unwrap_or(state).iter().filter(|byte| **byte == b',').count();
    if commas + 1 >= MEMBERS_MAX {
        return Err(Unparseable);
    }
    let mut found = None;
    for text in others(state) {
        let (key, value) = member(text).ok_or(Unparseable)?;
        if key == b"ot"
            && let Some(earlier) = found.replace(value)
        {
            parse(earlier)?;
        }
    }
    Ok(found)
}

/// Members that are not blank.
fn others(state: &[u8]) -> impl Iterator<Item = &[u8]> {
    state.split(|byte| *byte == b',').map(trim).filter(|text| !text.is_empty())
}

type Extras<'a> = SmallVec<[&'a [u8]; 2]>;

/// The value of `ot`: what we know of it, and the rest.
fn parse(value: &[u8]) -> Result<(Ot, Extras<'_>), Unparseable> {
    if value.len() > OT_BYTES_MAX {
        return Err(Unparseable);
    }
    let (mut ot, mut extras) = (Ot::default(), Extras::new());
    for text in value.split(|byte| *byte == b';') {
        let (key, value) = halves(text, b':').ok_or(Unparseable)?;
        let (first, rest) = key.split_first().ok_or(Unparseable)?;
        let key_fits = first.is_ascii_lowercase()
            && rest.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let value_fits = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
        if !key_fits || !value_fits {
            return Err(Unparseable);
        }
        match key {
            b"rv" if value.len() == 14 => ot.randomness = Some(hexadecimal(value)?),
            b"th" if (1..=14).contains(&value.len()) => {
                ot.threshold = Some(hexadecimal(value)? << (4 * (14 - value.len())));
            }
            b"rv" | b"th" => return Err(Unparseable),
            _ => extras.push(text),
        }
    }
    Ok((ot, extras))
}

fn hexadecimal(digits: &[u8]) -> Result<u64, Unparseable> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Unparseable)?;
        Ok(value << 4 | u64::from(digit))
    })
}

/// Copies an encoded span to `out`, with `ot=th` set to `threshold`.
pub fn write_threshold(span: &[u8], threshold: u64, out: &mut Vec<u8>) -> Edit {
    let start = out.len();
    let edit = state_of(span).and_then(|state| match with_threshold(state, threshold)? {
        Some(text) => copy_with_state(span, &text, out).map_err(|_| Unparseable),
        None => {
            out.extend_from_slice(span);
            Ok(())
        }
    });
    if edit.is_ok() {
        return Edit::Edited;
    }
    out.truncate(start);
    out.extend_from_slice(span);
    Edit::Unparseable
}

fn state_of(span: &[u8]) -> Result<&[u8], Unparseable> {
    let mut state = &b""[..];
    for field in Fields::new(span) {
        let field = field.map_err(|_| Unparseable)?;
        if field.number == otlp::SPAN_TRACE_STATE {
            state = &span[field.bytes().map_err(|_| Unparseable)?];
        }
    }
    Ok(state)
}

/// A trace state being written.
pub type Text = SmallVec<[u8; 64]>;

/// The trace state with `threshold`. `None` when it has one that is stricter.
fn with_threshold(state: &[u8], threshold: u64) -> Result<Option<Text>, Unparseable> {
    let mut ot = read(state)?.unwrap_or_default();
    let threshold = threshold.min(NEVER - 1);
    if ot.threshold.is_some_and(|before| before > threshold) {
        return Ok(None);
    }
    ot.threshold = Some(threshold);
    rewrite(state, ot).map(Some)
}

/// The trace state with this in `ot`, which comes first, as what changed last should. What else `ot` says is kept, and
/// so are other members.
pub fn rewrite(state: &[u8], ot: Ot) -> Result<Text, Unparseable> {
    let extras = ot_value(state)?.map(parse).transpose()?.unwrap_or_default().1;
    let mut text = Text::new();
    let mut push = |part: &[u8]| {
        text.extend_from_slice(if text.is_empty() { b"ot=" } else { b";" });
        text.extend_from_slice(part);
    };
    if let Some(randomness) = ot.randomness {
        push(format!("rv:{}", randomness_text(randomness)).as_bytes());
    }
    if let Some(threshold) = ot.threshold {
        push(format!("th:{}", threshold_text(threshold)).as_bytes());
    }
    extras.into_iter().for_each(push);
    for member in others(state).filter(|member| !member.starts_with(b"ot=")) {
        if !text.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(member);
    }
    Ok(text)
}

/// Randomness as it is written: 14 hexadecimal digits.
pub fn randomness_text(randomness: u64) -> String {
    format!("{randomness:014x}")
}

/// A threshold as it is written: as many of the 14 digits as matter, at least one.
pub fn threshold_text(threshold: u64) -> String {
    let digits = format!("{threshold:014x}");
    match digits.trim_end_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

/// Copies an encoded span to `out` with this trace state.
pub fn copy_with_state(span: &[u8], state: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let write_state = |out: &mut Vec<u8>| {
        out.push((otlp::SPAN_TRACE_STATE << 3 | 2) as u8);
        write_varint(out, state.len() as u64);
        out.extend_from_slice(state);
    };
    let mut written = false;
    for field in Fields::new(span) {
        let field = field?;
        if !written && field.number >= otlp::SPAN_TRACE_STATE {
            written = true;
            write_state(out);
        }
        if field.number != otlp::SPAN_TRACE_STATE {
            out.extend_from_slice(&span[field.whole]);
        }
    }
    if !written {
        write_state(out);
    }
    Ok(())
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

fn halves(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Key and value of a member, when both are as W3C wants them.
fn member(text: &[u8]) -> Option<Member<'_>> {
    let (key, value) = halves(text, b'=')?;
    (key_fits(key) && value_fits(value)).then_some((key, value))
}

fn key_fits(key: &[u8]) -> bool {
    let lower = u8::is_ascii_lowercase;
    let lower_or_digit = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match halves(key, b'@') {
        None => part_fits(key, 256, lower),
        Some((tenant, system)) => part_fits(tenant, 241, lower_or_digit) && part_fits(system, 14, lower),
    }
}

fn part_fits(part: &[u8], len_max: usize, first_fits: impl Fn(&u8) -> bool) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
    part.first().is_some_and(first_fits) && part.len() <= len_max && part.iter().all(inner)
}

fn value_fits(value: &[u8]) -> bool {
    let fits = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b',' && *byte != b'=';
    (1..=256).contains(&value.len()) && value.iter().all(fits) && value.last() != Some(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;
    use prost::Message;

    fn written(state: &str, threshold: u64) -> (String, Edit) {
        let span =
            Span { trace_id: vec![1; 16], trace_state: state.into(), name: "n".into(), ..Span::default() };
        let mut out = vec![7];
        let edit = write_threshold(&span.encode_to_vec(), threshold, &mut out);
        let copy = Span::decode(&out[1..]).unwrap();
        let state = copy.trace_state.clone();
        assert_eq!(Span { trace_state: span.trace_state.clone(), ..copy }, span, "nothing else changes");
        (state, edit)
    }

    #[test]
    fn thresholds_are_written_as_upstream_writes_them() {
        let half = NEVER / 2;
        let cases = [
            ("", half, "ot=th:8"),
            ("", half + half / 2, "ot=th:c"),
            ("", 0, "ot=th:0"),
            ("ot=th:0", half, "ot=th:8"),
            ("ot=th:c", half, "ot=th:c"),
            ("ot=rv:80000000000000", 0, "ot=rv:80000000000000;th:0"),
            ("a=b, ot=x:y;rv:0000000000000a ,c=d", 1, "ot=rv:0000000000000a;th:00000000000001;x:y,a=b,c=d"),
            ("a=b", 0, "ot=th:0,a=b"),
        ];
        for (state, threshold, expected) in cases {
            assert_eq!(written(state, threshold), (expected.into(), Edit::Edited), "{state:?}");
        }
        for state in ["ot=rv:zz", "ot=th:", "UPPER=x", "ot=th:123456789012345", "ot=a", "ot=;th:0", "="] {
            assert_eq!(written(state, half), (state.into(), Edit::Unparseable), "{state:?}");
        }
    }

    #[test]
    fn randomness_and_threshold_are_read() {
        let read = |state: &str| read(state.as_bytes());
        let ot = Ot { randomness: Some(0x7f_ffff_ffff_ffff), threshold: None };
        assert_eq!(read("ot=rv:7fffffffffffff"), Ok(Some(ot)));
        assert_eq!(read("a=b,ot=th:8").unwrap().unwrap().threshold, Some(NEVER / 2));
        assert_eq!(read("a=b"), Ok(None));
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("ot=rv:zz"), Err(Unparseable));
        assert_eq!(read(&format!("ot=a:{}", "x".repeat(254))).unwrap(), Some(Ot::default()));
        assert_eq!(read(&format!("ot=a:{}", "x".repeat(255))), Err(Unparseable));
        assert_eq!(read("ot=th:8,ot=rv:7fffffffffffff"), Ok(Some(ot)));
        assert_eq!(read("ot=th:,ot=rv:7fffffffffffff"), Err(Unparseable));
        assert_eq!(read(&"a=b,".repeat(31)), Ok(None));
        assert_eq!(read(&format!("{}c=d", "a=b,".repeat(31))), Err(Unparseable));
        assert_eq!(read(&",".repeat(32)), Err(Unparseable));
    }

    proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_copied_whole_or_edited(span: Vec<u8>, threshold: u64) {
            let mut out = Vec::new();
            if write_threshold(&span, threshold, &mut out) == Edit::Unparseable {
                prop_assert_eq!(out, span);
            }
        }

        #[test]
        fn what_is_written_is_read(threshold in 0..NEVER, state in "([a-z]{1,3}=[a-z ]{0,3}[a-z],? ?){0,3}") {
            let (state, edit) = written(&state, threshold);
            if edit == Edit::Edited {
                prop_assert_eq!(read(state.as_bytes()).unwrap().unwrap().threshold, Some(threshold));
            }
        }
    }
}
