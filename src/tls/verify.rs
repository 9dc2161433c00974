//! Whom we believe, where the default does not do.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::validity::Validity;

/// Believes the authorities, and a server that shows a certificate which is itself in `ca_file`.
///
/// `openssl req -x509` marks what it makes as an authority's, and many give that to the server and to its clients.
/// The default verifier wants two certificates; the Collector takes the one.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) authorities: Arc<WebPkiServerVerifier>,
    pub(super) listed: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.authorities.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        if !overruled(&verdict, &self.listed, end_entity) {
            return verdict;
        }
        dates(end_entity, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// The same for clients and `client_ca_file`.
#[derive(Debug)]
pub(super) struct ListedClients {
    pub(super) authorities: Arc<dyn ClientCertVerifier>,
    pub(super) listed: Vec<CertificateDer<'static>>,
}

impl ClientCertVerifier for ListedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.authorities.verify_client_cert(end_entity, intermediates, now);
        if !overruled(&verdict, &self.listed, end_entity) {
            return verdict;
        }
        dates(end_entity, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Whether a refusal is of the chain only, and the certificate is one of the listed. `Other` is what rustls says of
/// a peer that shows an authority's certificate.
fn overruled<T>(
    verdict: &Result<T, Error>,
    listed: &[CertificateDer<'static>],
    end_entity: &CertificateDer<'_>,
) -> bool {
    let of_the_chain = matches!(
        verdict,
        Err(Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
    );
    of_the_chain && listed.iter().any(|listed| listed == end_entity)
}

/// What the chain's verdict left out.
fn dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let validity = Validity::of(certificate).ok_or(CertificateError::BadEncoding)?;
    match validity.problem(now.as_secs()) {
        None => Ok(()),
        Some(_) if now.as_secs() > validity.until => Err(CertificateError::Expired),
        Some(_) => Err(CertificateError::NotValidYet),
    }
}

/// `insecure_skip_verify`: believes whoever answers, as long as it holds the key of the certificate it shows.
#[derive(Debug)]
pub(super) struct Anyone(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
