//! The MD5 of Apache's `htpasswd`, and of old `crypt`: a thousand rounds of one digest.

use md5::{Digest, Md5};

/// The digits, lowest value first.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// In which order three bytes each become four digits.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
/// More of a salt is not looked at.
const SALT_MAX: usize = 8;

/// The hash as it is written behind the salt; `magic` is `$apr1$` or `$1$`.
pub(super) fn md5_crypt(magic: &str, password: &[u8], salt: &[u8]) -> String {
    let salt = &salt[..salt.len().min(SALT_MAX)];
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut hash = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for chunk in password.chunks(16) {
        hash.update(&inner[..chunk.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        hash.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut last = hash.finalize();
    for round in 0..1000 {
        let odd = round % 2 == 1;
        let mut hash = Md5::new();
        hash.update(if odd { password } else { &last[..] });
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(if odd { &last[..] } else { password });
        last = hash.finalize();
    }
    written(&last)
}

fn written(hash: &[u8]) -> String {
    let mut text = String::with_capacity(22);
    let mut push = |value: u32, digits: usize| {
        for digit in 0..digits {
            text.push(char::from(DIGITS[(value >> (6 * digit)) as usize & 63]));
        }
    };
    for [high, middle, low] in GROUPS {
        push(u32::from(hash[high]) << 16 | u32::from(hash[middle]) << 8 | u32::from(hash[low]), 4);
    }
    push(u32::from(hash[11]), 2);
    text
}
