//! Trace and span ids that look random and can be turned back into the number they were made from.
//!
//! The mixing is a bijection, so the sink needs no hash table: the number behind an id is its place in a dense
//! table, and an id that was never sent shows.

const HIGH: u64 = 0x9e37_79b9_7f4a_7c15;

/// The trace id of a trace number.
pub fn trace_id(seed: u64, number: u64) -> [u8; 16] {
    let low = mix(number ^ seed);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(low ^ HIGH).to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id
}

/// The trace number behind a trace id, or nothing if no trace has this id.
pub fn trace_number(seed: u64, id: &[u8]) -> Option<u64> {
    let (high, low) = id.split_at_checked(8)?;
    let low = u64::from_be_bytes(low.try_into().ok()?);
    (mix(low ^ HIGH).to_be_bytes() == high).then(|| unmix(low) ^ seed)
}

/// The span id of a span number.
pub fn span_id(seed: u64, number: u64) -> [u8; 8] {
    mix(number ^ !seed).to_be_bytes()
}

/// The span number behind a span id.
pub fn span_number(seed: u64, id: &[u8]) -> Option<u64> {
    Some(unmix(u64::from_be_bytes(id.try_into().ok()?)) ^ !seed)
}

/// A well-mixing bijection of 64 bits.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The way back: each step undone, the multipliers being the inverses modulo 2^64.
fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}
