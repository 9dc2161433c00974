//! The negative binary logarithm of a hash, in integers: the same bits on every machine.
//!
//! A platform's `ln` may differ in the last bit from another's, and two proxies that disagree in one bit split traces.

/// Fraction bits of a result.
pub(super) const FRACTION: u32 = 48;
/// Bits of the mantissa that select a table entry.
const INDEX_BITS: u32 = 12;
/// Entries between powers of two; one more closes the last interval.
const ENTRIES: usize = 1 << INDEX_BITS;
/// Bits of the mantissa that are interpolated between two entries.
const REST_BITS: u32 = 63 - INDEX_BITS;

/// `log2(1 + i / 4096)`, rounded down.
static TABLE: [u64; ENTRIES + 1] = table();

const fn table() -> [u64; ENTRIES + 1] {
    let mut table = [0; ENTRIES + 1];
    let mut index = 0;
    while index < ENTRIES {
        table[index] = fraction_of_log2((1 << 63) | ((index as u64) << REST_BITS));
        index += 1;
    }
    table[ENTRIES] = 1 << FRACTION;
    table
}

/// The digits of `log2(mantissa / 2^63)` by repeated squaring; every rounding is downwards.
const fn fraction_of_log2(mantissa: u64) -> u64 {
    let mut x = mantissa;
    let mut log = 0;
    let mut digit = 0;
    while digit < FRACTION {
        let square = x as u128 * x as u128;
        log <<= 1;
        if square >> 127 == 1 {
            log |= 1;
            x = (square >> 64) as u64;
        } else {
            x = (square >> 63) as u64;
        }
        digit += 1;
    }
    log
}

/// `-log2(h / 2^64)` with [`FRACTION`] fraction bits; zero counts as one. Never zero, never rising with `h`, and
/// never below the true value: chords and rounding both err on the same side.
#[inline]
pub(super) fn neg_log2(h: u64) -> u64 {
    let h = h.max(1);
    let shift = h.leading_zeros();
    let mantissa = (h << shift) & (u64::MAX >> 1);
    let index = (mantissa >> REST_BITS) as usize;
    let rest = mantissa & ((1 << REST_BITS) - 1);
    let low = TABLE[index];
    let step = TABLE[index + 1] - low;
    let between = ((u128::from(step) * u128::from(rest)) >> REST_BITS) as u64;
    (u64::from(shift + 1) << FRACTION) - low - between
}

/// A cheap lower bound of [`neg_log2`]: `-log2(u) >= (1 - u) * log2(e)`, and 23/16 is a little less than `log2(e)`.
#[inline]
pub(super) fn neg_log2_at_least(h: u64) -> u64 {
    (!h >> (64 - FRACTION + 4)) * 23
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(value: u64) -> f64 {
        value as f64 / (1u64 << FRACTION) as f64
    }

    #[test]
    fn ends_are_exact() {
        assert_eq!(neg_log2(0), 64 << FRACTION);
        assert_eq!(neg_log2(1), 64 << FRACTION);
        assert_eq!(neg_log2(1 << 63), 1 << FRACTION);
        assert_eq!(neg_log2(3 << 62), (1 << FRACTION) - TABLE[ENTRIES / 2]);
        assert!(neg_log2(u64::MAX) >= 1);
    }

    #[test]
    fn table_rises_strictly_and_is_accurate() {
        for (index, pair) in TABLE.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "entry {index}");
            let exact = (1.0 + index as f64 / ENTRIES as f64).log2();
            let error = exact - scaled(pair[0]);
            assert!(error.abs() < 1e-14, "entry {index}: {error}");
        }
    }

    #[test]
    fn never_rises_across_any_border_of_the_table() {
        // Inside an interval the value is a falling line rounded; a rise could only sit at a border.
        for exponent in 0..64 {
            for index in 0..ENTRIES as u64 {
                let border = (((1u64 << 63) | (index << REST_BITS)) >> (63 - exponent)).max(1);
                assert!(neg_log2(border - 1) >= neg_log2(border), "{border}");
                assert!(neg_log2(border) >= neg_log2(border.saturating_add(1)), "{border}");
            }
        }
    }

    proptest! {
        #[test]
        fn never_rises(a: u64, b: u64) {
            prop_assert!(neg_log2(a.min(b)) >= neg_log2(a.max(b)));
        }

        #[test]
        fn is_close_to_the_real_logarithm(h in 1u64..) {
            let exact = 64.0 - (h as f64).log2();
            prop_assert!((scaled(neg_log2(h)) - exact).abs() < 1.2e-8, "{h}");
        }

        #[test]
        fn bound_is_below(h: u64, near in 0u64..1 << 40) {
            prop_assert!(neg_log2_at_least(h) <= neg_log2(h));
            prop_assert!(neg_log2_at_least(!near) <= neg_log2(!near));
        }
    }
}
