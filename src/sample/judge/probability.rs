//! `probabilistic`: a hash of the trace id against a threshold, or the trace's randomness against OpenTelemetry's.

use crate::trace_state::NEVER;

/// A percentage of all traces, the same ones on every node.
#[derive(Clone, Debug)]
pub(super) struct Probability {
    salted: u64, // the hash after the salt
    hash_max: u64,
    /// What spans are marked with: randomness below it is rejected.
    pub(super) threshold: u64,
}

const SALT: &str = "default-hash-seed";

impl Probability {
    pub(super) fn new(salt: &str, percentage: f64) -> Self {
        let salt = if salt.is_empty() { SALT } else { salt };
        let ratio = percentage / 100.0;
        Self { salted: fnv(OFFSET, salt.as_bytes()), hash_max: hash_max(ratio), threshold: threshold(ratio) }
    }

    /// The Collector's verdict, from the id alone.
    pub(super) fn keeps(&self, trace_id: &[u8; 16]) -> bool {
        fnv(self.salted, trace_id) <= self.hash_max
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x100_0000_01b3;

/// FNV-1a, continued from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// `ratio` of 2^64 − 1 as Go's `big.Float` computes it: exactly, rounded to even at 64 significant bits, then cut.
fn hash_max(ratio: f64) -> u64 {
    if ratio.is_nan() || ratio <= 0.0 {
        return 0;
    }
    if ratio >= 1.0 {
        return u64::MAX;
    }
    let bits = ratio.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let (mantissa, exponent) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    };
    let product = u128::from(mantissa) * u128::from(u64::MAX);
    let surplus = (128 - product.leading_zeros()).saturating_sub(64);
    let half = if surplus == 0 { 0 } else { 1u128 << (surplus - 1) };
    let below = product & ((1 << surplus) - 1);
    let mut rounded = product >> surplus;
    if below > half || (below == half && surplus > 0 && rounded & 1 == 1) {
        rounded += 1;
    }
    // The exponent is negative for any ratio below one, so that what remains is a shift to the right.
    let shift = -(exponent + surplus as i32);
    if shift <= 0 {
        (rounded << -shift) as u64
    } else {
        rounded.checked_shr(shift as u32).unwrap_or(0) as u64
    }
}

/// The 56-bit rejection threshold for keeping `ratio`.
pub(super) fn threshold(ratio: f64) -> u64 {
    // A ratio below the least that the encoding has keeps nothing, as in the Collector.
    if ratio.is_nan() || ratio < 1.0 / NEVER as f64 {
        return NEVER;
    }
    NEVER - (ratio.clamp(0.0, 1.0) * NEVER as f64).round() as u64
}

/// The randomness of a trace whose spans state none: the low 56 bits of its id.
pub(super) fn randomness_of(trace_id: &[u8; 16]) -> u64 {
    u128::from_be_bytes(*trace_id) as u64 & (NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_the_collectors() {
        let table: [(f64, u64); 24] = [
            (0.0, 0),
            (-1.0, 0),
            (0.1, 0x0041_8937_4bc6_a7ef),
            (0.5, 0x0147_ae14_7ae1_47af),
            (1.0, 0x028f_5c28_f5c2_8f5f),
            (5.0, 0x0ccc_cccc_cccc_ccff),
            (10.0, 0x1999_9999_9999_99ff),
            (12.5, 0x1fff_ffff_ffff_ffff),
            (25.0, 0x3fff_ffff_ffff_ffff),
            (33.3, 0x553f_7ced_9168_6fff),
            (33.333, 0x5555_1d68_c692_f3ff),
            (50.0, 0x7fff_ffff_ffff_ffff),
            (64.5, 0xa51e_b851_eb85_1fff),
            (75.0, 0xbfff_ffff_ffff_ffff),
            (85.8, 0xdba5_e353_f7ce_d7ff),
            (90.0, 0xe666_6666_6666_67ff),
            (99.0, 0xfd70_a3d7_0a3d_6fff),
            (99.9, 0xffbe_76c8_b439_5fff),
            (100.0, u64::MAX),
            (150.0, u64::MAX),
            (f64::INFINITY, u64::MAX),
            (f64::NAN, 0),
            (f64::MIN_POSITIVE, 0),
            (5e-324, 0),
        ];
        for (percentage, expected) in table {
            assert_eq!(Probability::new("", percentage).hash_max, expected, "{percentage}");
        }
    }

    #[test]
    fn hashes_are_the_collectors() {
        let table: [(&str, u64, u64); 20] = [
            ("00000000000000000000000000000001", 0xe195_35ee_d1bb_aa8a, 0x8149_721e_6987_5e73),
            ("0102030405060708090a0b0c0d0e0f10", 0xdbcf_64d5_420f_4cad, 0x08ee_52de_da92_3930),
            ("4bf92f3577b34da6a3ce929d0e0e4736", 0xa545_33ba_2e49_70b5, 0xabb7_bd9f_983c_d93c),
            ("ffffffffffffffffffffffffffffffff", 0x17be_c373_9634_fe2d, 0x49f7_0bce_2849_74b0),
            ("00000000000000000000000000000002", 0xe195_34ee_d1bb_a8d7, 0x8149_731e_6987_6026),
            ("80000000000000000000000000000000", 0x628a_52e5_472f_8bbd, 0x023e_8d14_defb_3c40),
            ("deadbeefdeadbeefdeadbeefdeadbeef", 0x21ba_e8f9_3346_b6ed, 0x32f7_ef38_ca94_f850),
            ("0af7651916cd43dd8448eb211c80319c", 0x33bf_83d4_5f51_634c, 0xdf9c_aa2a_9f0d_52f1),
            ("5b8efff798038103d269b633813fc60c", 0x95f1_76d2_91b1_d3f7, 0x52bb_8437_f229_84d2),
            ("11111111111111111111111111111111", 0x05f6_7235_ca0d_8eed, 0x6fbc_5ab4_1784_5cf0),
            ("bdd640fb06671ad11c80317fa3b1799d", 0x5c11_dc14_697b_368b, 0x03cd_abed_02af_76ce),
            ("23b8c1e9392456de3eb13b9046685257", 0xa9a4_9acb_05ae_3432, 0x9b48_fd0f_8a21_1273),
            ("bd9c66b3ad3c2d6d1a3d1fa7bc8960a9", 0xb3fe_9a2e_edbf_3a97, 0x544d_8116_b4c4_4a2a),
            ("972a846916419f828b9d2434e465e150", 0x920d_cfb7_6c98_5171, 0x3e38_8a56_7ca2_34f4),
            ("17fc695a07a0ca6e0822e8f36c031199", 0xd69e_7f21_1368_3b46, 0x73de_2cc3_530b_4e0b),
            ("9a1de644815ef6d13b8faa1837f8a88b", 0xfd8e_70b7_1f0d_ebca, 0x1cc9_b414_1da8_c46b),
            ("b74d0fb132e706298fadc1a606cb0fb3", 0x3358_b530_7e82_f4d9, 0x9245_bed7_9480_4e28),
            ("6b65a6a48b8148f6b38a088ca65ed389", 0x14cb_a6da_3696_5264, 0x4acc_641c_38de_7959),
            ("4737819096da1dac72ff5d2a386ecbe0", 0x1c0f_d3e1_947e_a95e, 0xd8b1_8ec8_f1b4_73d7),
            ("c241330b01a9e71fde8a774bcf36d58b", 0x28c7_e8d2_3008_6b8d, 0x2f1c_11ea_2027_97d0),
        ];
        for (id, default, test) in table {
            let id = u128::from_str_radix(id, 16).unwrap().to_be_bytes();
            assert_eq!(fnv(Probability::new("", 1.0).salted, &id), default);
            assert_eq!(fnv(Probability::new("test-salt", 1.0).salted, &id), test);
        }
    }

    #[test]
    fn thresholds_of_opentelemetry_reject_what_is_not_kept() {
        assert_eq!(threshold(0.5), NEVER / 2);
        assert_eq!(threshold(0.25), NEVER / 4 * 3);
        assert_eq!((threshold(1.0), threshold(2.0), threshold(0.0), threshold(-1.0)), (0, 0, NEVER, NEVER));
    }
}
