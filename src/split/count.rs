//! How many items a request holds, without splitting it: what receivers count.

use crate::outcome::Signal;
use crate::wire::{Fields, Malformed, otlp};

/// Counts spans, log records or metric data points, checking the framing down to the items.
pub fn count_items(signal: Signal, body: &[u8]) -> Result<u64, Malformed> {
    let mut items = 0;
    for request in Fields::new(body) {
        let request = request?;
        if request.number != otlp::REQUEST_RESOURCES {
            continue;
        }
        let mut scopes = 0;
        let mut deprecated = Ok(0); // malformed ones matter only where they count
        for entry in Fields::within(body, request.bytes()?) {
            let entry = entry?;
            match entry.number {
                otlp::ENTRY_SCOPES => scopes += count_scope(signal, body, entry.bytes()?)? + SEEN,
                otlp::ENTRY_SCOPES_DEPRECATED => {
                    let scope = entry.bytes()?;
                    deprecated = deprecated.and_then(|sum| Ok(sum + count_scope(signal, body, scope)?));
                }
                _ => {}
            }
        }
        items += if scopes == 0 { deprecated? } else { scopes % SEEN };
    }
    Ok(items)
}

/// Marks, above any count of items, that a scope of today's kind was there, even an empty one.
const SEEN: u64 = 1 << 40;

fn count_scope(signal: Signal, body: &[u8], scope: std::ops::Range<usize>) -> Result<u64, Malformed> {
    let mut items = 0;
    for field in Fields::within(body, scope) {
        let field = field?;
        if field.number == otlp::SCOPE_ITEMS {
            let item = field.bytes()?;
            items += match signal {
                Signal::Traces | Signal::Logs => 1,
                Signal::Metrics => count_points(body, item)?,
            };
        }
    }
    Ok(items)
}

/// The count of one encoded item: a metric counts with its data points.
pub fn count_item(signal: Signal, item: &[u8]) -> u64 {
    match signal {
        Signal::Traces | Signal::Logs => 1,
        Signal::Metrics => count_points(item, 0..item.len()).unwrap_or(1),
    }
}

/// The data points of one metric.
pub(super) fn count_points(body: &[u8], metric: std::ops::Range<usize>) -> Result<u64, Malformed> {
    let mut points = 0;
    for field in Fields::within(body, metric) {
        let field = field?;
        if !otlp::METRIC_DATA.contains(&field.number) {
            continue;
        }
        for data in Fields::within(body, field.bytes()?) {
            points += u64::from(data?.number == otlp::DATA_POINTS);
        }
    }
    Ok(points)
}
