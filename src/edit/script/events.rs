//! The events of a span and the exemplars of a data point, each looked at by itself and put back.

use crate::edit::message::Message;
use crate::edit::value::write_field;
use crate::edit::walk::{Failure, Fate};
use crate::wire::{Fields, otlp};

/// The field that repeats exemplars in data points of each of [`otlp::METRIC_DATA`].
const EXEMPLARS: [u32; 5] = [5, 5, 8, 11, 0];

/// Asks about each event of the span.
pub(super) fn each_event(
    span: &mut Message<'_>,
    look: impl FnMut(&mut Message<'_>, usize, &mut Message<'_>) -> Result<Fate, Failure>,
) -> Result<(), Failure> {
    each(span, otlp::SPAN_EVENTS, look)
}

/// Asks about each exemplar of a data point of this kind of metric data.
pub(super) fn each_exemplar(
    point: &mut Message<'_>,
    data: u32,
    look: impl FnMut(&mut Message<'_>, usize, &mut Message<'_>) -> Result<Fate, Failure>,
) -> Result<(), Failure> {
    let kind = otlp::METRIC_DATA.iter().position(|number| *number == data);
    match kind.map_or(0, |kind| EXEMPLARS[kind]) {
        0 => Ok(()),
        number => each(point, number, look),
    }
}

/// Asks about each message in a field of `outer`; what is left of them stands where it stood. `look` may change `outer` too.
fn each(
    outer: &mut Message<'_>,
    number: u32,
    mut look: impl FnMut(&mut Message<'_>, usize, &mut Message<'_>) -> Result<Fate, Failure>,
) -> Result<(), Failure> {
    let mut inner = Vec::new();
    for field in Fields::new(outer.bytes()) {
        let field = field?;
        if field.number == number {
            inner.push(outer.bytes()[field.bytes()?].to_vec());
        }
    }
    let (mut left, mut changed) = (Vec::with_capacity(inner.len()), false);
    for (index, one) in inner.iter().enumerate() {
        let mut one = Message::new(one, Vec::new());
        let fate = look(&mut one, index, outer)?;
        changed |= fate == Fate::Drop || one.is_edited();
        left.push((fate == Fate::Keep).then(|| one.bytes().to_vec()));
    }
    if !changed {
        return Ok(());
    }
    let (mut out, mut copied, mut left) = (Vec::new(), 0, left.into_iter());
    let bytes = outer.bytes();
    for field in Fields::new(bytes) {
        let field = field?;
        if field.number != number {
            continue;
        }
        // Beyond those that were looked at are those that a statement has added.
        let Some(one) = left.next() else { break };
        out.extend_from_slice(&bytes[copied..field.whole.start]);
        if let Some(one) = one {
            write_field(number, &one, &mut out);
        }
        copied = field.whole.end;
    }
    out.extend_from_slice(&bytes[copied..]);
    outer.replace(&mut out);
    Ok(())
}
