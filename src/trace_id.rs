//! Trace identifiers: sixteen bytes, never all zero.

use std::fmt;

/// A W3C / OpenTelemetry trace id: sixteen bytes, at least one of them not zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Takes the sixteen bytes of a trace id; `None` for another length or for the invalid all-zero id.
    #[inline]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let id: [u8; 16] = bytes.try_into().ok()?;
        (u128::from_ne_bytes(id) != 0).then_some(Self(id))
    }

    /// Reads 32 hexadecimal digits of either case; `None` for anything else and for the all-zero id.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let value = u128::from_str_radix(text, 16).ok()?;
        (value != 0).then(|| Self(value.to_be_bytes()))
    }

    /// The sixteen bytes as they travel.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What ownership is computed from: the low 64 bits, or the high 64 when the low ones are zero.
    ///
    /// The low half is what 64-bit and 128-bit views of one trace have in common (B3, Jaeger, Datadog), it holds the
    /// random bytes of W3C Trace Context level 2, and it skips the seconds in front of an X-Ray id.
    #[inline]
    pub fn routing_bits(&self) -> u64 {
        let value = u128::from_be_bytes(self.0);
        let low = value as u64;
        if low != 0 { low } else { (value >> 64) as u64 }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_bits_are_shared_by_64_and_128_bit_views() {
        let long = TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
        let short = TraceId::from_hex("0000000000000000a3ce929d0e0e4736").unwrap();
        assert_eq!(long.routing_bits(), short.routing_bits());
        let padded_right = TraceId::from_hex("a3ce929d0e0e47360000000000000000").unwrap();
        assert_eq!(padded_right.routing_bits(), short.routing_bits());
    }

    #[test]
    fn zero_and_wrong_lengths_are_no_ids() {
        assert_eq!(TraceId::from_slice(&[0; 16]), None);
        assert_eq!(TraceId::from_slice(&[1; 8]), None);
        assert_eq!(TraceId::from_hex("+bf92f3577b34da6a3ce929d0e0e4736"), None);
        assert_eq!(
            TraceId::from_hex("4BF92F3577B34DA6A3CE929D0E0E4736").unwrap().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }
}
