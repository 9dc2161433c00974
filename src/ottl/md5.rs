//! MD5 (RFC 1321), which rules still ask for; it keeps nothing secret.

/// How far each round turns, by round of sixteen and step of four.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The digest.
pub(super) fn sum(message: &[u8]) -> [u8; 16] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        step(&mut state, block);
    }
    let mut digest = [0; 16];
    for (out, word) in digest.chunks_exact_mut(4).zip(state) {
        out.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

fn step(state: &mut [u32; 4], block: &[u8]) {
    let mut words = [0u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    let [mut a, mut b, mut c, mut d] = *state;
    for i in 0..64 {
        let (mixed, at) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
            2 => (b ^ c ^ d, (3 * i + 5) % 16),
            _ => (c ^ (b | !d), 7 * i % 16),
        };
        // The constants are the sines of whole radians, as the RFC defines them.
        let constant = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
        let turned = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(words[at]);
        let next = b.wrapping_add(turned.rotate_left(TURNS[i / 16][i % 4]));
        (a, b, c, d) = (d, next, b, c);
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::sum;
    use crate::ottl::render::hex;

    #[test]
    fn digests_are_those_of_the_rfc() {
        assert_eq!(hex(&sum(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&sum(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&sum(b"message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
        let long = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(hex(&sum(long)), "57edf4a22be3c955ac49da2e2107b67a");
        for len in 50..140 {
            assert_ne!(sum(&vec![b'a'; len]), sum(&vec![b'a'; len + 1]));
        }
    }
}
