//! A walk over the bytes of an export request that says where every span keeps its trace id and its span id.

/// Where a span keeps its ids: offsets into the request.
pub struct SpanAt {
    /// First of the 16 bytes of the trace id.
    pub trace: usize,
    /// First of the 8 bytes of the span id.
    pub span: usize,
}

/// Calls `each` for every span of the request. Nothing means that the bytes are no export request, or that a span
/// lacks an id.
pub fn spans(body: &[u8], mut each: impl FnMut(SpanAt)) -> Option<()> {
    nested(body, 0..body.len(), 1, &mut |resource| {
        nested(body, resource, 2, &mut |scope| {
            nested(body, scope, 2, &mut |span| span_at(body, span, &mut each))
        })
    })
}

/// Spans that a partial success says were rejected; zero for a plain success.
pub fn rejected(body: &[u8]) -> Option<u64> {
    let mut count = 0;
    nested(body, 0..body.len(), 1, &mut |partial| {
        let mut at = partial.start;
        while at < partial.end {
            if let (1, Value::Number(n)) = field(body, &mut at, partial.end)? {
                count = n;
            }
        }
        Some(())
    })?;
    Some(count)
}

type Range = std::ops::Range<usize>;

enum Value {
    Number(u64),
    Bytes(Range),
    Fixed,
}

fn nested(
    body: &[u8],
    message: Range,
    wanted: u64,
    each: &mut impl FnMut(Range) -> Option<()>,
) -> Option<()> {
    let mut at = message.start;
    while at < message.end {
        match field(body, &mut at, message.end)? {
            (number, Value::Bytes(range)) if number == wanted => each(range)?,
            _ => {}
        }
    }
    Some(())
}

/// Reads on only until both ids are known: senders write them first.
fn span_at(body: &[u8], message: Range, each: &mut impl FnMut(SpanAt)) -> Option<()> {
    let (mut trace, mut span) = (None, None);
    let mut at = message.start;
    while at < message.end {
        match field(body, &mut at, message.end)? {
            (1, Value::Bytes(range)) if range.len() == 16 => trace = Some(range.start),
            (2, Value::Bytes(range)) if range.len() == 8 => span = Some(range.start),
            _ => {}
        }
        if let (Some(trace), Some(span)) = (trace, span) {
            each(SpanAt { trace, span });
            return Some(());
        }
    }
    None
}

fn field(body: &[u8], at: &mut usize, end: usize) -> Option<(u64, Value)> {
    let tag = varint(body, at, end)?;
    let value = match tag & 7 {
        0 => Value::Number(varint(body, at, end)?),
        2 => {
            let length = usize::try_from(varint(body, at, end)?).ok()?;
            let start = *at;
            *at = start.checked_add(length).filter(|stop| *stop <= end)?;
            Value::Bytes(start..*at)
        }
        kind @ (1 | 5) => {
            *at = at.checked_add(if kind == 1 { 8 } else { 4 }).filter(|stop| *stop <= end)?;
            Value::Fixed
        }
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(body: &[u8], at: &mut usize, end: usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *body.get(*at).filter(|_| *at < end)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
