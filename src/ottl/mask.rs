//! Masking of personal data in text.

use std::borrow::Cow;

use crate::pii::Rule;

/// `user@example.com` becomes `u***@e***.com`; `None` when there is no address.
pub fn emails(text: &[u8]) -> Option<Vec<u8>> {
    match Rule::Emails.mask(text) {
        Cow::Owned(masked) => Some(masked),
        Cow::Borrowed(_) => None,
    }
}

/// Whether the digits, of which there are some and which may be parted by spaces and dashes, end in their check digit.
pub fn is_luhn(text: &[u8]) -> bool {
    let digits = || text.iter().filter(|byte| !matches!(byte, b' ' | b'-'));
    if digits().next().is_none() || !digits().all(u8::is_ascii_digit) {
        return false;
    }
    let sum = digits().rev().enumerate().fold(0u32, |sum, (at, digit)| {
        let doubled = u32::from(digit - b'0') * if at % 2 == 1 { 2 } else { 1 };
        (sum + doubled / 10 + doubled % 10) % 10
    });
    sum == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_first_letters_and_top_level_domain() {
        let cases = [
            ("user@example.com", "u***@e***.com"),
            ("mail to user.name+tag@mail.example.co.uk, please", "mail to u***@m***.uk, please"),
            ("a@b.de;c@d.org", "a***@b***.de;c***@d***.org"),
            ("https://x/?q=joe@corp.example&b=1", "https://x/?q=j***@c***.example&b=1"),
        ];
        for (text, masked) in cases {
            assert_eq!(String::from_utf8(emails(text.as_bytes()).unwrap()).unwrap(), masked);
        }
    }

    #[test]
    fn other_text_stays() {
        for text in ["", "@", "a@b", "user at example.com", "@user:pass@"] {
            assert_eq!(emails(text.as_bytes()), None, "{text}");
        }
    }
}
