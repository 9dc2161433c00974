//! The Collector's `latency`, which looks at the spans of a trace in the order they came and stops at the first match.

use super::nanos_between;

/// Start and end so far; 0 is "not yet", also when a span said so.
pub(super) type Window = (u64, u64);

/// Bounds in milliseconds, and the fact of the policy.
pub(super) type Bounds = (i64, i64, u16);

/// Widens the window by one span and tells the facts that become true.
pub(super) fn step(window: &mut Window, span: (u64, u64), policies: &[Bounds], mut matched: impl FnMut(u16)) {
    if window.0 == 0 || span.0 < window.0 {
        window.0 = span.0;
    }
    if window.1 == 0 || span.1 > window.1 {
        window.1 = span.1;
    }
    let millis = nanos_between(window.0, window.1) / 1_000_000;
    for &(threshold, upper, fact) in policies {
        if threshold < millis && (upper == 0 || millis <= upper) {
            matched(fact);
        }
    }
}
