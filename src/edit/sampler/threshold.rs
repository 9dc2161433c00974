//! Thresholds of probabilities, and randomness from a hash, both of 56 bits.

use crate::trace_state::NEVER;

/// The least probability that a threshold can say.
pub(super) const LEAST: f64 = 1.0 / NEVER as f64;
/// Hexadecimal digits of a threshold.
const DIGITS: u32 = 14;
/// Bits of the hash that choose.
const BUCKET_BITS: u32 = 14;
const BUCKETS: u32 = 1 << BUCKET_BITS;

/// The threshold that keeps this share, rounded to so many digits; more where most of them would be zeros or all bits
/// set. `None` where the share is too small or no share at all.
pub(super) fn of_probability(probability: f64, precision: u32) -> Option<u64> {
    if !(LEAST..=1.0).contains(&probability) {
        return None;
    }
    if probability == 1.0 {
        return Some(0);
    }
    let leading = |value: f64| exponent(value).min(0).unsigned_abs() / 4;
    let precision = precision.saturating_add(leading(probability).max(leading(1.0 - probability)));
    let threshold = NEVER - (probability * NEVER as f64).round() as u64;
    let shift = 4 * DIGITS.saturating_sub(precision);
    if shift == 0 {
        return Some(threshold);
    }
    Some((threshold + (1 << (shift - 1))) >> shift << shift)
}

/// The exponent of a positive number whose mantissa is between a half and one.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1022
}

/// The share that a threshold keeps.
pub(super) fn probability(threshold: u64) -> f64 {
    NEVER.saturating_sub(threshold) as f64 / NEVER as f64
}

/// The threshold of a percentage in whole buckets, computed in single precision as from the beginning. `None` = none.
pub(super) fn of_buckets(percentage: f32) -> Option<u64> {
    let kept = (percentage * (BUCKETS as f64 / 100.0) as f32) as u32;
    (kept > 0).then(|| u64::from(BUCKETS.saturating_sub(kept)) << 42)
}

/// Randomness whose upper bits are the bucket of a hash.
pub(super) fn hashed(bytes: &[u8], seed: u32) -> u64 {
    let hash = fnv(fnv(0x811c_9dc5, &seed.to_le_bytes()), bytes);
    let bucket = u64::from(hash & (BUCKETS - 1));
    let rest = u64::from(hash >> (32 - BUCKET_BITS));
    let mixed = rest ^ (rest << 10);
    (u64::from(BUCKETS) - 1 - bucket) << 42 | mixed << 14 | bucket
}

/// FNV-1a of 32 bits, continued from `hash`.
fn fnv(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_rounded_to_significant_digits() {
        let text = |probability, precision| {
            of_probability(probability, precision).map(crate::trace_state::threshold_text)
        };
        let cases = [
            (1.0, 4, Some("0")),
            (0.5, 4, Some("8")),
            (1.0 / 3.0, 4, Some("aaab")),
            (1.0 / 3.0, 14, Some("aaaaaaaaaaaaac")),
            (0.01, 4, Some("fd70a")),
            (0.001, 3, Some("ffbe7")),
            (0.999, 3, Some("00419")),
            (LEAST, 4, Some("ffffffffffffff")),
            (0.0, 4, None),
            (1.1, 4, None),
        ];
        for (probability, precision, expected) in cases {
            assert_eq!(text(probability, precision).as_deref(), expected, "{probability} {precision}");
        }
        assert_eq!(probability(NEVER / 4), 0.75);
    }

    #[test]
    fn the_bucket_decides_as_a_comparison_of_buckets_would() {
        let threshold = of_buckets(30.0).unwrap();
        for id in 0u32..1000 {
            let randomness = hashed(&id.to_be_bytes(), 22);
            assert!(randomness < NEVER);
            let bucket = fnv(fnv(0x811c_9dc5, &22u32.to_le_bytes()), &id.to_be_bytes()) & (BUCKETS - 1);
            assert_eq!(randomness >= threshold, bucket < (30.0f32 * 163.84f32) as u32);
        }
        assert_eq!((of_buckets(100.0), of_buckets(0.001)), (Some(0), None));
    }
}
