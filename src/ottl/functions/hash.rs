//! Converters that hash, and those that make ids.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Arguments, Converter, Param, converts, value};
use crate::digest::Digest;
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;
use crate::ottl::{murmur3, render};

const TARGET: &[Param] = &[value("target")];

pub(super) const CONVERTERS: &[Converter] = &[
    converts("SHA1", TARGET, |given| digest(given, Digest::Sha1)),
    converts("SHA256", TARGET, |given| digest(given, Digest::Sha256)),
    converts("SHA512", TARGET, |given| digest(given, Digest::Sha512)),
    converts("MD5", TARGET, |given| digest(given, Digest::Md5)),
    converts("FNV", TARGET, |given| Ok(Value::Int(fnv1a(&given.text(0)?) as i64))),
    converts("XXH3", TARGET, |given| Ok(Value::text(format!("{:016x}", xxh3_64(&given.text(0)?))))),
    converts("XXH128", TARGET, |given| Ok(Value::text(format!("{:032x}", xxh3_128(&given.text(0)?))))),
    converts("Murmur3Hash", TARGET, |given| {
        Ok(Value::text(render::hex(&murmur3::hash32(&given.text(0)?).to_le_bytes())))
    }),
    converts("Murmur3Hash128", TARGET, |given| {
        let (first, second) = murmur3::hash128(&given.text(0)?);
        Ok(Value::text(render::hex(&[first.to_le_bytes(), second.to_le_bytes()].concat())))
    }),
    converts("UUID", &[], |given| Ok(Value::text(uuid((given.view.env.random)(), 4)))),
    converts("UUIDv7", &[], |given| {
        let millis = u128::from(given.view.env.now_unix_nanos / 1_000_000) & 0xffff_ffff_ffff;
        let random = (given.view.env.random)() & (u128::MAX >> 48);
        Ok(Value::text(uuid(millis << 80 | random, 7)))
    }),
];

fn digest<'v>(given: &Arguments<'v>, digest: Digest) -> Result<Value<'v>, EvalError> {
    Ok(Value::text(digest.hex(&given.text(0)?)))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A UUID of these bits, with its version and variant set.
fn uuid(bits: u128, version: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | version << 76 | 0x2 << 62;
    let digits = format!("{bits:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
