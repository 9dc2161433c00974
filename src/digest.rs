//! Message digests that edits and OTTL write in place of values, in hexadecimal digits.

use aws_lc_rs::{digest, hmac};
use md5::Digest as _;

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
    /// The digest of a text.
    pub fn hex(self, text: &[u8]) -> String {
        hex(&self.bytes(text))
    }

    /// The digest itself.
    pub fn bytes(self, text: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return md5::Md5::digest(text).to_vec(),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
            Self::Sha3 => &digest::SHA3_256,
        };
        digest::digest(algorithm, text).as_ref().to_vec()
    }
}

/// A digest with a key (HMAC, RFC 2104).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// SHA-2 of 256 bits.
    Sha256,
    /// SHA-2 of 512 bits.
    Sha512,
}

impl Keyed {
    /// The digest of a text under a key.
    pub fn hex(self, key: &[u8], text: &[u8]) -> String {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hex(hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref())
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

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
            assert_eq!(digest.hex(text)[..32], *expected, "{digest:?} of {} bytes", text.len());
        }
    }

    #[test]
    fn keyed_digests_are_those_of_other_implementations() {
        let long = [7; 200];
        assert_eq!(Keyed::Sha256.hex(b"key", b"text")[..32], *"6afa9046a9579cad143a384c1b564b9a");
        assert_eq!(Keyed::Sha256.hex(&long, b"text")[..32], *"6302f95a2ce2a39189e01bd64104a58d");
        assert_eq!(Keyed::Sha512.hex(b"key", b"text")[..32], *"b585312acdd38ec13f13bb4cba35a754");
        assert_eq!(Keyed::Sha512.hex(&long, b"text")[..32], *"897dda9306d859b7702cf1806914b288");
    }
}
