//! Certificates and keys from files or from the configuration itself.

use std::fs::File;
use std::io::{self, Read};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config::Pem;
use super::error::TlsError;

/// Largest file: a thousand certificates.
const BYTES_MAX: u64 = 1 << 20;

/// A key of the `tls` block, in its two forms.
#[derive(Clone, Copy)]
pub(super) struct Key {
    file: &'static str,
    text: &'static str,
}

pub(super) const CERT: Key = Key { file: "tls.cert_file", text: "tls.cert_pem" };
pub(super) const KEY: Key = Key { file: "tls.key_file", text: "tls.key_pem" };
pub(super) const CA: Key = Key { file: "tls.ca_file", text: "tls.ca_pem" };
pub(super) const CLIENT_CA: Key = Key { file: "tls.client_ca_file", text: "tls.client_ca_file" };

impl Key {
    /// The name that was used for `pem`.
    pub(super) fn name(self, pem: &Pem) -> &'static str {
        match pem {
            Pem::File(_) => self.file,
            Pem::Text(_) => self.text,
        }
    }

    pub(super) fn wrong(self, pem: &Pem, problem: impl Into<String>) -> TlsError {
        TlsError::Content { key: self.name(pem), problem: problem.into() }
    }

    /// The bytes of `pem`.
    pub(super) fn read(self, pem: &Pem) -> Result<Vec<u8>, TlsError> {
        match pem {
            Pem::Text(text) => Ok(text.clone().into_bytes()),
            Pem::File(path) => {
                let failed = |source| TlsError::Read { key: self.file, path: path.clone(), source };
                let mut bytes = Vec::new();
                let file = File::open(path).map_err(failed)?;
                file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
                if bytes.len() as u64 > BYTES_MAX {
                    return Err(failed(io::Error::other("larger than 1 MiB, so hardly a PEM file")));
                }
                Ok(bytes)
            }
        }
    }

    /// All certificates in `bytes`, at least one.
    pub(super) fn certificates(
        self,
        pem: &Pem,
        bytes: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(bytes).collect();
        let certificates =
            certificates.map_err(|error| self.wrong(pem, format!("is not valid PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(self.wrong(pem, "holds no certificate (-----BEGIN CERTIFICATE-----)"));
        }
        Ok(certificates)
    }

    /// The first private key in `bytes`.
    pub(super) fn private_key(self, pem: &Pem, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
            let encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
            let problem = match error {
                _ if encrypted => "holds an encrypted key; decrypt it first (openssl pkey)".to_owned(),
                PemError::NoItemsFound => "holds no private key (-----BEGIN PRIVATE KEY-----)".to_owned(),
                error => format!("is not a private key in PEM: {error}"),
            };
            self.wrong(pem, problem)
        })
    }

    /// Adds the certificates in `bytes` to `store` and gives them back. One that is no certificate authority's is
    /// passed over, as long as another is.
    pub(super) fn authorities(
        self,
        pem: &Pem,
        bytes: &[u8],
        store: &mut RootCertStore,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates = self.certificates(pem, bytes)?;
        let (added, ignored) = store.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(self.wrong(pem, "holds no certificate that can be parsed"));
        }
        if ignored > 0 {
            tracing::warn!(
                key = self.name(pem),
                ignored,
                "some certificates cannot be parsed and are passed over"
            );
        }
        Ok(certificates)
    }
}
