//! base64, both alphabets, with and without padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Marks a byte that is in neither alphabet.
const NONE: u8 = 0xff;

/// Values of the characters of the standard and of the URL-safe alphabet.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut index = 0;
    while index < 64 {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// Appends the standard form, with `=` where `padded`.
pub fn encode(bytes: &[u8], padded: bool, out: &mut String) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
            } else if padded {
                out.push('=');
            }
        }
    }
}

/// The bytes of either form; none where the text is not base64.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    decode_onto(text, &mut out).then_some(out)
}

/// Appends the bytes of either form; false where the text is not base64 (what was appended is then meaningless).
pub fn decode_onto(text: &[u8], out: &mut Vec<u8>) -> bool {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let text = &text[..text.len() - padding];
    if text.len() % 4 == 1 || (padding > 0 && !(text.len() + padding).is_multiple_of(4)) {
        return false;
    }
    for chunk in text.chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            let value = VALUES[usize::from(*byte)];
            if value == NONE {
                return false;
            }
            word = word << 6 | u32::from(value);
        }
        let bytes = (word << (6 * (4 - chunk.len()))).to_be_bytes();
        out.extend_from_slice(&bytes[1..chunk.len()]);
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::{decode, encode};

    fn text(bytes: &[u8], padded: bool) -> String {
        let mut out = String::new();
        encode(bytes, padded, &mut out);
        out
    }

    #[test]
    fn the_vectors_of_the_standard_hold() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(text(plain.as_bytes(), true), encoded);
            assert_eq!(decode(encoded.as_bytes()).unwrap(), plain.as_bytes());
            assert_eq!(decode(encoded.trim_end_matches('=').as_bytes()).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn both_alphabets_are_read() {
        assert_eq!(decode(b"-_-_"), decode(b"+/+/"));
        assert_eq!(decode(b"-_-_").unwrap(), [0xfb, 0xff, 0xbf]);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for bad in ["Z", "Zg=", "Z===", "Zm9v=", "Zm 9v", "Z\u{e9}9v", "=", "====", "Zg==Zg=="] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..100), padded: bool) {
            prop_assert_eq!(decode(text(&bytes, padded).as_bytes()).unwrap(), bytes);
        }
    }
}
