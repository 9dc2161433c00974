//! Cipher suites and curves by the names that Go gives them.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite};

/// Which suites and curves are offered; none listed means the library's own choice. Suites of TLS 1.3 are all offered
/// whatever is listed, as in Go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// `cipher_suites`.
    pub suites: Vec<CipherSuite>,
    /// `curve_preferences`.
    pub curves: Vec<NamedGroup>,
}

/// What a name of Go's stands for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<T> {
    /// It is here.
    Here(T),
    /// Go has it, and calls it safe, but it is not here.
    Missing,
    /// Go has it among its insecure ones.
    Insecure,
    /// Nobody knows it.
    Unknown,
}

/// Suites that can be listed.
const SUITES: &[(&str, CipherSuite)] = &[
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
];
/// Those that Go calls safe and that are not here: their records are authenticated after they are encrypted.
const MISSING: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
/// Go's insecure ones.
const INSECURE: &[&str] = &[
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];
const CURVES: &[(&str, NamedGroup)] = &[
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
    ("X25519", NamedGroup::X25519),
    ("P256", NamedGroup::secp256r1),
    ("P384", NamedGroup::secp384r1),
];

/// The suite of this name.
pub fn suite(name: &str) -> Named<CipherSuite> {
    match SUITES.iter().find(|(known, _)| *known == name) {
        Some((_, suite)) => Named::Here(*suite),
        None if MISSING.contains(&name) => Named::Missing,
        None if INSECURE.contains(&name) => Named::Insecure,
        None => Named::Unknown,
    }
}

/// The curve of this name.
pub fn curve(name: &str) -> Named<NamedGroup> {
    match CURVES.iter().find(|(known, _)| *known == name) {
        Some((_, curve)) => Named::Here(*curve),
        None if name == "P521" => Named::Missing,
        None => Named::Unknown,
    }
}

/// Whether it is one of TLS 1.3.
pub fn is_newest(suite: CipherSuite) -> bool {
    let all = aws_lc_rs::ALL_CIPHER_SUITES;
    all.iter().any(|known| known.suite() == suite && matches!(known, SupportedCipherSuite::Tls13(_)))
}

/// The names of the suites, or of the curves, that are here.
pub fn known_suites() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(name, _)| *name)
}

/// See [`known_suites`].
pub fn known_curves() -> impl Iterator<Item = &'static str> {
    CURVES.iter().map(|(name, _)| *name)
}

impl Choice {
    /// The library's provider with what is chosen of it.
    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = aws_lc_rs::default_provider();
        if !self.suites.is_empty() {
            provider.cipher_suites.retain(|suite| {
                matches!(suite, SupportedCipherSuite::Tls13(_)) || self.suites.contains(&suite.suite())
            });
        }
        if !self.curves.is_empty() {
            let all = aws_lc_rs::ALL_KX_GROUPS;
            let find = |curve: &NamedGroup| all.iter().find(|group| group.name() == *curve).copied();
            provider.kx_groups = self.curves.iter().filter_map(find).collect();
        }
        Arc::new(provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_here_and_chosen() {
        for name in known_curves() {
            let Named::Here(curve) = curve(name) else { panic!("{name}") };
            let provider = Choice { curves: vec![curve], ..Choice::default() }.provider();
            assert_eq!(provider.kx_groups.len(), 1, "{name}");
        }
        for name in known_suites() {
            let Named::Here(suite) = suite(name) else { panic!("{name}") };
            let provider = Choice { suites: vec![suite], ..Choice::default() }.provider();
            let chosen = provider.cipher_suites.iter().any(|known| known.suite() == suite);
            let older = |known: &&SupportedCipherSuite| matches!(known, SupportedCipherSuite::Tls12(_));
            assert!(chosen && provider.cipher_suites.iter().filter(older).count() <= 1, "{name}");
        }
    }

    #[test]
    fn names_of_others_are_told_apart() {
        assert_eq!(suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"), Named::Missing);
        assert_eq!(suite("TLS_RSA_WITH_AES_128_GCM_SHA256"), Named::Insecure);
        assert_eq!(suite("tls_aes_128_gcm_sha256"), Named::Unknown);
        assert_eq!((curve("P521"), curve("p256")), (Named::Missing, Named::Unknown));
    }
}
