//! Apache's password files: a name and a password a line, hashed in one of the ways that the Collector reads.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sha_crypt::{PasswordVerifier, ShaCrypt};

use super::guard::same;
use super::md5_crypt::md5_crypt;
use crate::wire::json::base64;

/// Bytes of a SHA-1.
const SHA1_BYTES: usize = 20;

/// Names and what their passwords are compared with.
#[derive(Default)]
pub(super) struct Passwords(HashMap<String, Hashed>);

/// A password as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hashed {
    /// `$2y$…`, and the older letters.
    Bcrypt(String),
    /// `$5$…` and `$6$…`.
    ShaCrypt(String),
    /// `$apr1$salt$…`.
    Md5 { salt: String, hash: String },
    /// `{SHA}` and `{SSHA}`: the hash of password and salt.
    Sha1 { hash: Vec<u8>, salt: Vec<u8> },
    /// As it is; nginx writes `{PLAIN}` in front.
    Plain(String),
}

impl Passwords {
    /// Reads a file's text. Lines that are none are left out, with a warning that does not show them; the last line of a
    /// name counts.
    pub(super) fn read(text: &str) -> Self {
        let mut known = HashMap::new();
        for (index, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
            let read = line.split_once(':').and_then(|(name, kept)| Some((name, Hashed::read(kept)?)));
            match read {
                Some((name, hashed)) => {
                    known.insert(name.to_owned(), hashed);
                }
                None => tracing::warn!(
                    line = index + 1,
                    "a line of an htpasswd cannot be read; it opens to nobody"
                ),
            }
        }
        Self(known)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Hashed> {
        self.0.get(name)
    }
}

impl Hashed {
    /// `None` for what looks hashed and is not.
    fn read(kept: &str) -> Option<Self> {
        let has = |prefixes: &[&str]| prefixes.iter().any(|prefix| kept.starts_with(prefix));
        if let Some(rest) = kept.strip_prefix("$apr1$") {
            let (salt, hash) = rest.split_once('$')?;
            return Some(Self::Md5 { salt: salt.to_owned(), hash: hash.to_owned() });
        }
        if has(&["$2a$", "$2b$", "$2x$", "$2y$"]) {
            return kept.parse::<bcrypt::HashParts>().is_ok().then(|| Self::Bcrypt(kept.to_owned()));
        }
        if has(&["$5$", "$6$"]) {
            return (kept.matches('$').count() > 2).then(|| Self::ShaCrypt(kept.to_owned()));
        }
        for prefix in ["{SHA}", "{SSHA}"] {
            if let Some(encoded) = kept.strip_prefix(prefix) {
                let bytes = base64::decode(encoded.as_bytes())?;
                let (hash, salt) = bytes.split_at_checked(SHA1_BYTES)?;
                let fits = salt.is_empty() == (prefix == "{SHA}");
                return fits.then(|| Self::Sha1 { hash: hash.to_vec(), salt: salt.to_vec() });
            }
        }
        Some(Self::Plain(kept.to_owned()))
    }

    /// Whether it is this password. Takes its time, by design.
    pub(super) fn matches(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::ShaCrypt(hash) => {
                ShaCrypt::default().verify_password(password.as_bytes(), hash.as_str()).is_ok()
            }
            Self::Md5 { salt, hash } => {
                same(md5_crypt("$apr1$", password.as_bytes(), salt.as_bytes()).as_bytes(), hash.as_bytes())
            }
            Self::Sha1 { hash, salt } => {
                let salted = [password.as_bytes(), salt].concat();
                same(digest(&SHA1_FOR_LEGACY_USE_ONLY, &salted).as_ref(), hash)
            }
            Self::Plain(kept) => {
                same(password.as_bytes(), kept.as_bytes())
                    || same(format!("{{PLAIN}}{password}").as_bytes(), kept.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_opens_to_its_password_only() {
        // Written by `openssl passwd` and by `htpasswd`.
        for (kept, password) in [
            ("$apr1$8sFt66rZ$eup.HOtZcQ/VrnApBM3rR/", "secret"),
            ("$apr1$8sFt66rZ$QkOfebwJVEOpEluExHsip.", ""),
            ("$apr1$8sFt66rZ$W2FL3oYqsNugEfuvgC7LZ0", "a much longer password than sixteen bytes"),
            ("$apr1$8sFt66rZ$F7FkZjTpY/Wg3vRzz9vX9.", "p"),
            ("$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.", "secret"),
            (
                "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.",
                "secret",
            ),
            ("$2a$04$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi", "correctbatteryhorsestapler"),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret"),
            ("{PLAIN}secret", "secret"),
            ("secret", "secret"),
        ] {
            let hashed = Hashed::read(kept).unwrap();
            assert!(hashed.matches(password), "{kept}");
            assert!(!hashed.matches("wrong"), "{kept}");
            assert!(!kept.starts_with('$') || !hashed.matches(kept), "{kept}: a hash is no password");
        }
    }

    #[test]
    fn salted_sha1_hashes_the_salt_behind_the_password() {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"secretsalt");
        let mut kept = "{SSHA}".to_owned();
        base64::encode(&[hash.as_ref(), b"salt"].concat(), true, &mut kept);
        let hashed = Hashed::read(&kept).unwrap();
        assert!(hashed.matches("secret") && !hashed.matches("secretsalt"));
    }

    #[test]
    fn what_looks_hashed_and_is_not_is_no_password() {
        for kept in [
            "$apr1$salt",
            "$2y$05$short",
            "{SHA}AAAA",
            "{SHA}%%%",
            "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "$5$x",
        ] {
            assert_eq!(Hashed::read(kept), None, "{kept}");
        }
        let known = Passwords::read("a:$apr1$x\n  b:one \n\nb:two\nno colon\n");
        assert!(known.get("a").is_none() && known.get("no colon").is_none());
        assert!(known.get("b").unwrap().matches("two"));
    }
}
