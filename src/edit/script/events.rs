//! The events of a span, each looked at by itself and put back into the span.

use crate::edit::message::Message;
use crate::edit::value::write_field;
use crate::edit::walk::{Failure, Fate};
use crate::wire::{Fields, otlp};

/// Asks about each event of the span; what is left of them stands where it stood. `look` may change the span too.
pub(super) fn each_event(
    span: &mut Message<'_>,
    mut look: impl FnMut(&mut Message<'_>, usize, &mut Message<'_>) -> Result<Fate, Failure>,
) -> Result<(), Failure> {
    let mut events = Vec::new();
    for field in Fields::new(span.bytes()) {
        let field = field?;
        if field.number == otlp::SPAN_EVENTS {
            events.push(span.bytes()[field.bytes()?].to_vec());
        }
    }
    let (mut left, mut changed) = (Vec::with_capacity(events.len()), false);
    for (index, event) in events.iter().enumerate() {
        let mut event = Message::new(event, Vec::new());
        let fate = look(&mut event, index, span)?;
        changed |= fate == Fate::Drop || event.is_edited();
        left.push((fate == Fate::Keep).then(|| event.bytes().to_vec()));
    }
    if !changed {
        return Ok(());
    }
    let (mut out, mut copied, mut left) = (Vec::new(), 0, left.into_iter());
    let bytes = span.bytes();
    for field in Fields::new(bytes) {
        let field = field?;
        if field.number != otlp::SPAN_EVENTS {
            continue;
        }
        // Beyond the events that were looked at are those that a statement has added.
        let Some(event) = left.next() else { break };
        out.extend_from_slice(&bytes[copied..field.whole.start]);
        if let Some(event) = event {
            write_field(otlp::SPAN_EVENTS, &event, &mut out);
        }
        copied = field.whole.end;
    }
    out.extend_from_slice(&bytes[copied..]);
    span.replace(&mut out);
    Ok(())
}
