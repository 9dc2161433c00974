//! Base-128 varints, as protobuf encodes integers and lengths.

/// Reads a varint at `at`: its value and the offset behind it. `None` when the bytes end first or after ten bytes.
///
/// Over-long encodings (`80 00` for zero) are read as protobuf's own parsers do.
#[inline]
pub fn read_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    let second = *bytes.get(at + 1)?;
    if second < 0x80 {
        return Some((u64::from(first & 0x7f) | u64::from(second) << 7, at + 2));
    }
    read_long(bytes, at)
}

#[cold]
fn read_long(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index as u32).min(63);
        if byte < 0x80 {
            return Some((value, at + index + 1));
        }
    }
    None
}

/// How many bytes `value` takes, 1 to 10.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // Each byte carries seven bits; zero takes one byte.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value`.
#[inline]
pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64, junk: Vec<u8>) {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let end = out.len();
            out.extend(junk);
            prop_assert_eq!(read_varint(&out, 0), Some((value, end)));
        }
    }

    #[test]
    fn over_long_and_endless_varints() {
        assert_eq!(read_varint(&[0x80, 0x00], 0), Some((0, 2)));
        assert_eq!(read_varint(&[0xff; 11], 0), None);
        assert_eq!(read_varint(&[0x80], 0), None);
    }
}
