//! Comparisons: numbers meet as floats, other types never meet, nil equals nil only.

use std::cmp::Ordering;

use super::error::EvalError;
use super::syntax::Comparison;
use super::value::{self, DEPTH_MAX, Value};

/// How two values stand to each other.
enum Standing {
    Ordered(Ordering),
    /// Types with equality alone.
    Equal(bool),
    /// Types that do not meet, and NaN.
    Apart,
}

/// Whether the comparison holds.
#[inline]
pub(super) fn holds(left: &Value<'_>, comparison: Comparison, right: &Value<'_>) -> Result<bool, EvalError> {
    let order = match standing(left, right, DEPTH_MAX)? {
        Standing::Ordered(order) => order,
        Standing::Equal(same) => {
            return Ok(match comparison {
                Comparison::Equal => same,
                Comparison::NotEqual => !same,
                _ => false,
            });
        }
        Standing::Apart => return Ok(comparison == Comparison::NotEqual),
    };
    Ok(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

#[inline]
fn standing(left: &Value<'_>, right: &Value<'_>, depth: usize) -> Result<Standing, EvalError> {
    use Value::*;
    let floats = |a: f64, b: f64| a.partial_cmp(&b).map_or(Standing::Apart, Standing::Ordered);
    Ok(match (left, right) {
        (Text(a), Text(b)) | (Bytes(a), Bytes(b)) => Standing::Ordered(a.cmp(b)),
        (Nil, Nil) => Standing::Ordered(Ordering::Equal),
        (Bool(a), Bool(b)) => Standing::Ordered(a.cmp(b)),
        (Int(a), Int(b)) | (Duration(a), Duration(b)) => Standing::Ordered(a.cmp(b)),
        (Time(a), Time(b)) => Standing::Ordered(a.nanos.cmp(&b.nanos)),
        (Int(a), Double(b)) => floats(*a as f64, *b),
        (Double(a), Int(b)) => floats(*a, *b as f64),
        (Double(a), Double(b)) => floats(*a, *b),
        (TraceId(a), TraceId(b)) => Standing::Ordered(a.cmp(b)),
        (SpanId(a), SpanId(b)) => Standing::Ordered(a.cmp(b)),
        (List(a), List(b)) => Standing::Equal(a == b || same_lists(a, b, depth)?),
        (Map(a, m), Map(b, n)) => Standing::Equal((a == b && m == n) || same_maps((a, *m), (b, *n), depth)?),
        (Opaque(a, m), Opaque(b, n)) => Standing::Equal(m == n && a == b),
        _ => Standing::Apart,
    })
}

/// Whether two values are equal, of the same type.
pub(super) fn same(left: &Value<'_>, right: &Value<'_>, depth: usize) -> Result<bool, EvalError> {
    let depth = depth.checked_sub(1).ok_or("a value is nested too deep to be compared")?;
    let types = std::mem::discriminant(left) == std::mem::discriminant(right);
    Ok(types
        && match standing(left, right, depth)? {
            Standing::Ordered(order) => order.is_eq(),
            Standing::Equal(same) => same,
            Standing::Apart => false,
        })
}

fn same_lists(left: &[u8], right: &[u8], depth: usize) -> Result<bool, EvalError> {
    let (mut left, mut right) = (value::elements(left), value::elements(right));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) => {
                if !same(&a?, &b?, depth)? {
                    return Ok(false);
                }
            }
            (None, Some(_)) | (Some(_), None) => return Ok(false),
        }
    }
}

/// In any order.
fn same_maps(left: (&[u8], u32), right: (&[u8], u32), depth: usize) -> Result<bool, EvalError> {
    let mut count = 0usize;
    for entry in value::payloads(left.0, left.1) {
        let (key, any) = value::key_and_any(entry?)?;
        let Some(other) = value::find(right.0, right.1, key)? else { return Ok(false) };
        if !same(&value::read_any(any)?, &value::read_any(other)?, depth)? {
            return Ok(false);
        }
        count += 1;
    }
    let others = value::payloads(right.0, right.1).try_fold(0usize, |n, entry| entry.map(|_| n + 1))?;
    Ok(count == others)
}
