//! Message digests that edits write in place of values: MD5, SHA-1, SHA-2, SHA-3, HMAC. For masking, not for secrets
//! of ours: no care is taken that they need the same time for all inputs.

/// A digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-2 of 256 bits.
    Sha256,
    /// SHA-2 of 512 bits.
    Sha512,
    /// SHA-3 of 256 bits.
    Sha3,
}

impl Digest {
    /// The digest of `parts`, one after the other.
    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => narrow(parts, [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], false, md5),
            Self::Sha1 => {
                let start = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
                narrow(parts, start, true, sha1)
            }
            Self::Sha256 => narrow(parts, START.map(|word| (word >> 32) as u32), true, sha256),
            Self::Sha512 => wide(parts),
            Self::Sha3 => sha3(parts),
        }
    }

    /// The same in hexadecimal digits.
    pub fn hex(self, parts: &[&[u8]]) -> String {
        hex(&self.of(parts))
    }

    /// HMAC with this digest, in hexadecimal digits.
    pub fn hmac_hex(self, key: &[u8], message: &[u8]) -> String {
        let block = match self {
            Self::Md5 | Self::Sha1 | Self::Sha256 => 64,
            Self::Sha512 => 128,
            Self::Sha3 => SHA3_BLOCK,
        };
        let mut padded = if key.len() > block { self.of(&[key]) } else { key.to_vec() };
        padded.resize(block, 0);
        let with = |pad: u8| padded.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
        let inner = self.of(&[&with(0x36), message]);
        self.hex(&[&with(0x5c), &inner])
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Feeds `parts`, padded by `tail`, to `take` in blocks of `N`.
fn blocks<const N: usize>(parts: &[&[u8]], tail: &[u8], mut take: impl FnMut(&[u8; N])) {
    let mut block = [0; N];
    let mut filled = 0;
    for part in parts.iter().chain([&tail]) {
        let mut rest = *part;
        while !rest.is_empty() {
            let now = rest.len().min(N - filled);
            block[filled..filled + now].copy_from_slice(&rest[..now]);
            (filled, rest) = (filled + now, &rest[now..]);
            if filled == N {
                take(&block);
                filled = 0;
            }
        }
    }
}

/// A one bit, zeros, and the length in bits in the last bytes of a block of `block` bytes.
fn padding(parts: &[&[u8]], block: usize, length_bytes: usize, big_endian: bool) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let zeros = (2 * block - 1 - length_bytes - len % block) % block;
    let mut tail = vec![0x80];
    tail.resize(1 + zeros + length_bytes, 0);
    let bits = (len as u64).wrapping_mul(8);
    let (start, end) = (tail.len() - length_bytes, tail.len());
    if big_endian {
        tail[end - 8..].copy_from_slice(&bits.to_be_bytes());
    } else {
        tail[start..start + 8].copy_from_slice(&bits.to_le_bytes());
    }
    tail
}

/// The digests of 32-bit words: MD5 and SHA-1 and SHA-256 differ in their rounds and the order of bytes.
fn narrow<const N: usize>(
    parts: &[&[u8]],
    mut state: [u32; N],
    big_endian: bool,
    round: fn(&mut [u32; N], &[u32; 16]),
) -> Vec<u8> {
    let tail = padding(parts, 64, 8, big_endian);
    blocks::<64>(parts, &tail, |block| {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = if big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
        }
        let mut next = state;
        round(&mut next, &words);
        state.iter_mut().zip(next).for_each(|(old, new)| *old = old.wrapping_add(new));
    });
    let bytes = |word: u32| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
    state.into_iter().flat_map(bytes).collect()
}

fn md5(state: &mut [u32; 4], words: &[u32; 16]) {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    for i in 0..64 {
        let [a, b, c, d] = *state;
        let (mixed, word) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        let sum = a.wrapping_add(mixed).wrapping_add(SINES[i]).wrapping_add(words[word % 16]);
        *state = [d, b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4])), b, c];
    }
}

fn sha1(state: &mut [u32; 5], words: &[u32; 16]) {
    let mut words = *words;
    for i in 0..80 {
        let [a, b, c, d, e] = *state;
        if i >= 16 {
            let mixed = words[(i + 13) % 16] ^ words[(i + 8) % 16] ^ words[(i + 2) % 16] ^ words[i % 16];
            words[i % 16] = mixed.rotate_left(1);
        }
        let (mixed, constant) = match i / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant);
        *state = [sum.wrapping_add(words[i % 16]), a, b.rotate_left(30), c, d];
    }
}

fn sha256(state: &mut [u32; 8], words: &[u32; 16]) {
    let mut words = *words;
    for (i, constant) in CUBES.iter().take(64).enumerate() {
        if i >= 16 {
            let (old, new) = (words[(i + 1) % 16], words[(i + 14) % 16]);
            let low = old.rotate_right(7) ^ old.rotate_right(18) ^ (old >> 3);
            let high = new.rotate_right(17) ^ new.rotate_right(19) ^ (new >> 10);
            words[i % 16] =
                words[i % 16].wrapping_add(low).wrapping_add(words[(i + 9) % 16]).wrapping_add(high);
        }
        let [a, b, c, d, e, f, g, h] = *state;
        let high = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let chosen = (e & f) ^ (!e & g);
        let sum = h.wrapping_add(high).wrapping_add(chosen).wrapping_add((constant >> 32) as u32);
        let sum = sum.wrapping_add(words[i % 16]);
        let low = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let most = (a & b) ^ (a & c) ^ (b & c);
        *state = [sum.wrapping_add(low).wrapping_add(most), a, b, c, d.wrapping_add(sum), e, f, g];
    }
}

fn wide(parts: &[&[u8]]) -> Vec<u8> {
    let mut state = START;
    let tail = padding(parts, 128, 16, true);
    blocks::<128>(parts, &tail, |block| {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        let next = sha512(state, words);
        state.iter_mut().zip(next).for_each(|(old, new)| *old = old.wrapping_add(new));
    });
    state.into_iter().flat_map(u64::to_be_bytes).collect()
}

fn sha512(mut state: [u64; 8], mut words: [u64; 16]) -> [u64; 8] {
    for (i, constant) in CUBES.iter().enumerate() {
        if i >= 16 {
            let (old, new) = (words[(i + 1) % 16], words[(i + 14) % 16]);
            let low = old.rotate_right(1) ^ old.rotate_right(8) ^ (old >> 7);
            let high = new.rotate_right(19) ^ new.rotate_right(61) ^ (new >> 6);
            words[i % 16] =
                words[i % 16].wrapping_add(low).wrapping_add(words[(i + 9) % 16]).wrapping_add(high);
        }
        let [a, b, c, d, e, f, g, h] = state;
        let high = e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41);
        let chosen = (e & f) ^ (!e & g);
        let sum = h.wrapping_add(high).wrapping_add(chosen).wrapping_add(*constant);
        let sum = sum.wrapping_add(words[i % 16]);
        let low = a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39);
        let most = (a & b) ^ (a & c) ^ (b & c);
        state = [sum.wrapping_add(low).wrapping_add(most), a, b, c, d.wrapping_add(sum), e, f, g];
    }
    state
}

const SHA3_BLOCK: usize = 136;

fn sha3(parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut tail = vec![0; SHA3_BLOCK - len % SHA3_BLOCK];
    tail[0] = 6;
    if let Some(last) = tail.last_mut() {
        *last |= 0x80;
    }
    let mut state = [0u64; 25];
    blocks::<SHA3_BLOCK>(parts, &tail, |block| {
        for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        keccak(&mut state);
    });
    state[..4].iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

fn keccak(state: &mut [u64; 25]) {
    for constant in ROUNDS {
        let column = |state: &[u64; 25], x: usize| (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]);
        let columns: [u64; 5] = std::array::from_fn(|x| column(state, x));
        for (index, lane) in state.iter_mut().enumerate() {
            *lane ^= columns[(index + 4) % 5] ^ columns[(index + 1) % 5].rotate_left(1);
        }
        let (mut x, mut y, mut moved) = (1, 0, state[1]);
        for step in 1..=24 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let rotated = moved.rotate_left(step * (step + 1) / 2 % 64);
            moved = std::mem::replace(&mut state[x + 5 * y], rotated);
        }
        for row in state.as_chunks_mut::<5>().0 {
            let old = *row;
            for x in 0..5 {
                row[x] = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
            }
        }
        state[0] ^= constant;
    }
}

/// Fractions of the square roots of the first primes; SHA-256 takes the upper halves.
#[rustfmt::skip]
const START: [u64; 8] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
];

/// Fractions of the cube roots of the first primes; SHA-256 takes the upper halves.
#[rustfmt::skip]
const CUBES: [u64; 80] = [
    0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
];

/// Fractions of sines, for MD5.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The constants of Keccak's rounds.
#[rustfmt::skip]
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000,
    0x0000_0000_0000_808b, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
    0x0000_0000_0000_008a, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
    0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
    0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800a, 0x8000_0000_8000_000a,
    0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_other_implementations() {
        let long = b"abc".repeat(100);
        let table = [
            (Digest::Md5, &b""[..], "d41d8cd98f00b204e9800998ecf8427e"),
            (Digest::Md5, &b"abc"[..], "900150983cd24fb0d6963f7d28e17f72"),
            (Digest::Md5, &long[..], "f571117acbd8153c8dc3c81b8817773a"),
            (Digest::Md5, &long[..111], "f05a9a81d3a84aca51ca41cbb0535a3b"),
            (Digest::Md5, &long[..136], "06da399afe0d546021ee3915e14067ac"),
            (Digest::Sha1, &b""[..], "da39a3ee5e6b4b0d3255bfef95601890"),
            (Digest::Sha1, &b"abc"[..], "a9993e364706816aba3e25717850c26c"),
            (Digest::Sha1, &long[..], "c95466320eaae6d19ee314ae4f135b12"),
            (Digest::Sha1, &long[..111], "e58152653aa9d17b6ec15615642a65fb"),
            (Digest::Sha1, &long[..136], "8a8fc8b28549834c6172a51cf58aa29c"),
            (Digest::Sha256, &b""[..], "e3b0c44298fc1c149afbf4c8996fb924"),
            (Digest::Sha256, &b"abc"[..], "ba7816bf8f01cfea414140de5dae2223"),
            (Digest::Sha256, &long[..], "d9f5aeb06abebb3be3f38adec9a2e3b9"),
            (Digest::Sha256, &long[..111], "e9aac042f794d23350d00a9b4d710746"),
            (Digest::Sha256, &long[..136], "186c7829b0cc117ad9f70ea176579f21"),
            (Digest::Sha512, &b""[..], "cf83e1357eefb8bdf1542850d66d8007"),
            (Digest::Sha512, &b"abc"[..], "ddaf35a193617abacc417349ae204131"),
            (Digest::Sha512, &long[..], "01bb4dcc9a05e5e1dec199e763274f27"),
            (Digest::Sha512, &long[..111], "c793b4ff0b2eb049192615ad1d2a9cb5"),
            (Digest::Sha512, &long[..136], "7fe86e1a81133b246adcad9770211cf2"),
            (Digest::Sha3, &b""[..], "a7ffc6f8bf1ed76651c14756a061d662"),
            (Digest::Sha3, &b"abc"[..], "3a985da74fe225b2045c172d6bd390bd"),
            (Digest::Sha3, &long[..], "26fb4fd7881f77c4c67694021204c5fc"),
            (Digest::Sha3, &long[..111], "8a9858919620330ce8eebcf1937cb2ae"),
            (Digest::Sha3, &long[..136], "f5522fb99e8fcb836196795d7233366d"),
        ];
        for (digest, text, expected) in table {
            assert_eq!(digest.hex(&[text])[..32], *expected, "{digest:?} of {} bytes", text.len());
            let (head, tail) = text.split_at(text.len() / 3);
            assert_eq!(digest.of(&[head, tail]), digest.of(&[text]));
        }
    }

    #[test]
    fn keyed_digests_are_those_of_other_implementations() {
        let long = [7; 200];
        assert_eq!(Digest::Sha256.hmac_hex(b"key", b"text")[..32], *"6afa9046a9579cad143a384c1b564b9a");
        assert_eq!(Digest::Sha256.hmac_hex(&long, b"text")[..32], *"6302f95a2ce2a39189e01bd64104a58d");
        assert_eq!(Digest::Sha512.hmac_hex(b"key", b"text")[..32], *"b585312acdd38ec13f13bb4cba35a754");
        assert_eq!(Digest::Sha512.hmac_hex(&long, b"text")[..32], *"897dda9306d859b7702cf1806914b288");
    }
}
