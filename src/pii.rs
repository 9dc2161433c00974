//! Personal data and secrets in text: e-mail addresses, card numbers, tokens, passwords in URLs, each masked so that
//! what kind of thing it was can still be seen.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// One kind of thing that is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `user@example.com` becomes `u***@e***.com`.
    Emails,
    /// Numbers of 13 to 19 digits whose check digit is right.
    Cards,
    /// What follows `Bearer` or `api_key=`, JSON web tokens, keys with the marks of well-known issuers.
    Tokens,
    /// `//user:secret@host`, `password=secret`.
    UrlPasswords,
}

/// What stands for what was masked.
pub const MASK: &[u8] = b"****";

impl Rule {
    /// All of them, in the order in which they are best applied: a password in a URL looks like an address.
    pub const ALL: [Self; 4] = [Self::UrlPasswords, Self::Tokens, Self::Emails, Self::Cards];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emails => "emails",
            Self::Cards => "cards",
            Self::Tokens => "tokens",
            Self::UrlPasswords => "url_passwords",
        }
    }

    /// The text without such things; the same bytes when there are none.
    pub fn mask(self, text: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Emails if !text.contains(&b'@') => Cow::Borrowed(text),
            Self::Emails => replace(&EMAIL, Cow::Borrowed(text), email),
            Self::Cards => replace(&CARD, Cow::Borrowed(text), card),
            Self::Tokens => replace(&PARAMETER, replace(&TOKEN, Cow::Borrowed(text), kept_start), kept_start),
            Self::UrlPasswords => {
                replace(&PASSWORD, replace(&USER_INFO, Cow::Borrowed(text), user_info), kept_start)
            }
        }
    }
}

fn replace<'a>(
    pattern: &LazyLock<Option<Regex>>,
    text: Cow<'a, [u8]>,
    by: fn(&Captures<'_>) -> Vec<u8>,
) -> Cow<'a, [u8]> {
    let Some(pattern) = &**pattern else { return text };
    match text {
        Cow::Borrowed(text) => pattern.replace_all(text, by),
        Cow::Owned(text) => Cow::Owned(pattern.replace_all(&text, by).into_owned()),
    }
}

/// The text with all these rules applied; the same bytes when there was nothing to mask.
pub fn mask_all<'a>(rules: &[Rule], text: &'a [u8]) -> Cow<'a, [u8]> {
    let mut masked = Cow::Borrowed(text);
    for rule in Rule::ALL.into_iter().filter(|rule| rules.contains(rule)) {
        if let Cow::Owned(next) = rule.mask(&masked) {
            masked = Cow::Owned(next);
        }
    }
    masked
}

/// The first letter of name and host, and the top-level domain.
fn email(found: &Captures<'_>) -> Vec<u8> {
    let first = |part: &[u8]| part.first().copied().unwrap_or(b'*');
    let mut out = vec![first(&found[1])];
    out.extend_from_slice(b"***@");
    out.push(first(&found[2]));
    out.extend_from_slice(b"***");
    out.extend_from_slice(&found[3]);
    out
}

/// Numbers of no issuer, such as times in nanoseconds, begin with one; those are left alone.
fn card(found: &Captures<'_>) -> Vec<u8> {
    let text = &found[0];
    let digits: Vec<u8> = text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0').collect();
    let issued = digits.first().is_some_and(|first| (2..=6).contains(first));
    if issued && (13..=19).contains(&digits.len()) && checks(&digits) { MASK.to_vec() } else { text.to_vec() }
}

/// Luhn's sum.
fn checks(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}

/// Keeps the first group and masks the rest.
fn kept_start(found: &Captures<'_>) -> Vec<u8> {
    let start = found.get(1).map_or(&b""[..], |group| group.as_bytes());
    [start, MASK].concat()
}

fn user_info(found: &Captures<'_>) -> Vec<u8> {
    [&kept_start(found)[..], b"@"].concat()
}

static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // What an address looks like in the wild: enough to find it, not to judge it.
    let name = r"([a-z0-9_%+'~-])[a-z0-9_%+'.~-]*";
    let host = r"([a-z0-9])[a-z0-9-]*(?:\.[a-z0-9-]+)*(\.[a-z]{2,24})\b";
    Regex::new(&format!("(?i-u){name}@{host}")).ok()
});
static CARD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u:\b)[0-9](?:[ -]?[0-9]){12,18}(?-u:\b)").ok());
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let known = [
        r"((?i:bearer|basic|digest)\s+)[A-Za-z0-9._~+/=-]{8,}",
        r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", // JSON web token
        r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
        r"sk-[A-Za-z0-9_-]{20,}",
        r"gh[pousr]_[A-Za-z0-9]{36,}",
        r"github_pat_[A-Za-z0-9_]{22,}",
        r"glpat-[A-Za-z0-9_-]{20,}",
        r"xox[abeprs]-[A-Za-z0-9-]{10,}",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}",
        r"AIza[A-Za-z0-9_-]{35}",
        r"npm_[A-Za-z0-9]{36}",
    ];
    Regex::new(&format!(r"(?-u:\b)(?:{})", known.join("|"))).ok()
});
static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names =
        "api[_-]?key|(?:access|auth|refresh|id)[_-]?token|token|client[_-]?secret|secret|signature|sig";
    Regex::new(&format!(r"(?i)((?:^|[?&;\s])(?:{names})=)[^&;#\s]+")).ok()
});
static USER_INFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(//[^/?#\s:@]*:)[^/?#\s]+@").ok());
static PASSWORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)((?:^|[?&;\s])(?:password|passwd|passphrase|pass|pwd)=)[^&;#\s]+").ok()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(rule: Rule, text: &str) -> String {
        String::from_utf8(rule.mask(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn addresses_keep_two_letters_and_the_top_level() {
        let cases = [
            ("user@example.com", "u***@e***.com"),
            ("to: <a.b+c@mail.example.co.uk>, x", "to: <a***@m***.uk>, x"),
            ("a@b.de c@d.org", "a***@b***.de c***@d***.org"),
            ("no@address", "no@address"),
            ("@example.com", "@example.com"),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(Rule::Emails, text), expected);
        }
    }

    #[test]
    fn numbers_are_cards_when_they_check() {
        let cases = [
            ("4111111111111111", "****"),
            ("card 4111 1111 1111 1111 paid", "card **** paid"),
            ("5500-0000-0000-0004", "****"),
            ("378282246310005", "****"),
            ("4111111111111112", "4111111111111112"),
            ("1700000000000000008", "1700000000000000008"),
            ("x4111111111111111", "x4111111111111111"),
            ("411111111111", "411111111111"),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(Rule::Cards, text), expected);
        }
    }

    #[test]
    fn tokens_are_known_by_what_stands_before_or_at_their_start() {
        let cases = [
            ("Authorization: Bearer abcdef123456", "Authorization: Bearer ****"),
            ("basic dXNlcjpwYXNz", "basic ****"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-x", "****"),
            ("key sk_live_0123456789abcdef01", "key ****"),
            ("AKIAIOSFODNN7EXAMPLE", "****"),
            ("/x?api_key=abc&b=1", "/x?api_key=****&b=1"),
            ("/x?ACCESS_TOKEN=abc#f", "/x?ACCESS_TOKEN=****#f"),
            ("bearer of news", "bearer of news"),
            ("basics", "basics"),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(Rule::Tokens, text), expected);
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        let cases = [
            ("postgres://app:s3cret@db:5432/x", "postgres://app:****@db:5432/x"),
            ("https://:p@ss@host/", "https://:****@host/"),
            ("https://host:80/a@b", "https://host:80/a@b"),
            ("/login?user=a&password=b&c=d", "/login?user=a&password=****&c=d"),
            ("host=db password=x sslmode=on", "host=db password=**** sslmode=on"),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(Rule::UrlPasswords, text), expected);
        }
    }

    #[test]
    fn all_rules_go_together_and_leave_other_text_as_it_is() {
        let text = b"postgres://app:me@x.org@db/ from user@example.com with 4111111111111111";
        assert_eq!(mask_all(&Rule::ALL, text), &b"postgres://app:****@db/ from u***@e***.com with ****"[..]);
        assert!(matches!(mask_all(&Rule::ALL, b"GET /cart \xff"), Cow::Borrowed(_)));
        assert!(matches!(mask_all(&[], b"user@example.com"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&EMAIL, &CARD, &TOKEN, &PARAMETER, &USER_INFO, &PASSWORD] {
            assert!(pattern.is_some());
        }
    }

    proptest::proptest! {
        #[test]
        fn masking_twice_is_masking_once(text in "[a-z0-9@.:/?=& -]{0,60}") {
            let once = mask_all(&Rule::ALL, text.as_bytes()).into_owned();
            proptest::prop_assert_eq!(mask_all(&Rule::ALL, &once).into_owned(), once);
        }
    }
}
