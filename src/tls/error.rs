//! What goes wrong with TLS, said so that the reader knows which key to change.

use std::io;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, Error as Rustls, InvalidMessage, PeerIncompatible};

/// Why TLS could not be set up or a handshake did not end well.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key}: cannot read {}: {source}", path.display())]
    Read {
        /// The key in the configuration.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file or text is not what the key wants.
    #[error("{key}: {problem}")]
    Content {
        /// The key in the configuration.
        key: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Certificate and key do not belong together.
    #[error("{cert} and {key}: the private key does not belong to the certificate; give both of one pair")]
    Mismatch {
        /// The key of the certificate.
        cert: &'static str,
        /// The key of the private key.
        key: &'static str,
    },
    /// One of a pair.
    #[error("tls: a certificate and its key go together; give both cert_file and key_file or neither")]
    Alone,
    /// No version is left.
    #[error("tls.max_version: is below tls.min_version, so that no version is left")]
    Versions,
    /// No certificate authority to believe.
    #[error(
        "tls.ca_file: not given, and the system has no certificate authorities of its own{0}; give the one \
             that signed the backend's certificate, or `tls.insecure: true` if the backend speaks plaintext"
    )]
    NoRoots(String),
    /// The name to verify is no name.
    #[error(
        "`{0}` is no host name or IP address that a certificate can be for; set tls.server_name_override"
    )]
    Name(String),
    /// rustls refuses the combination.
    #[error("tls: {0}")]
    Setup(#[from] Rustls),
    /// The peer took too long.
    #[error("the peer did not finish the TLS handshake within {} s", super::HANDSHAKE_TIMEOUT.as_secs())]
    Timeout,
    /// The handshake failed.
    #[error("TLS handshake: {}", explain(*side, source).unwrap_or_else(|| source.to_string()))]
    Handshake {
        /// Which side we are.
        side: Side,
        /// What tokio and rustls said.
        #[source]
        source: io::Error,
    },
}

impl TlsError {
    /// Whether a handshake failed for what one side thinks of the other, and not because someone left.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Handshake { source, .. } if cause(source).is_some())
    }
}

/// Which side of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We connected.
    Client,
    /// We were connected to.
    Server,
}

/// What an error of a TLS stream means, where there is more to say than the error does. In TLS 1.3 a server's
/// verdict on our certificate comes after the handshake, with the first read.
pub fn explain(side: Side, error: &io::Error) -> Option<String> {
    if cause(error).is_some() { verdict(side, error) } else { closed(side, error) }
}

fn cause(error: &io::Error) -> Option<&Rustls> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Rustls>())
}

/// The same of a connection that was established, which may be closed for other reasons.
pub(super) fn verdict(side: Side, error: &io::Error) -> Option<String> {
    let cause = cause(error)?;
    let advice = match cause {
        Rustls::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        ) => return Some(plaintext(side).to_owned()),
        Rustls::InvalidCertificate(problem) => certificate(side, problem),
        Rustls::NoCertificatesPresented => Some(
            "tls.client_ca_file asks clients for a certificate; a Collector gives one with tls.cert_file and \
             tls.key_file of its exporter",
        ),
        Rustls::PeerIncompatible(problem) => incompatible(problem),
        Rustls::AlertReceived(alert) => alerted(side, *alert),
        _ => None,
    };
    advice.map(|advice| format!("{cause}: {advice}"))
}

fn incompatible(problem: &PeerIncompatible) -> Option<&'static str> {
    use PeerIncompatible as P;
    Some(match problem {
        P::NoCipherSuitesInCommon => "compare tls.cipher_suites on both sides",
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired => {
            "compare tls.curve_preferences on both sides"
        }
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::Tls13RequiredForQuic => {
            "the peer does not speak a version between tls.min_version and tls.max_version"
        }
        _ => return None,
    })
}

fn plaintext(side: Side) -> &'static str {
    match side {
        Side::Client => {
            "the peer does not speak TLS: it answered in plaintext; set `tls.insecure: true` to speak plaintext \
             with it"
        }
        Side::Server => {
            "the client does not speak TLS: it sent plaintext; a Collector does so with `tls.insecure: true` of \
             its exporter; remove that there, or the `tls` block of this receiver here"
        }
    }
}

fn closed(side: Side, error: &io::Error) -> Option<String> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let early = matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    (early && side == Side::Client).then(|| {
        format!(
            "the peer closed the connection ({error}); if it does not speak TLS, set `tls.insecure: true` to speak \
             plaintext with it"
        )
    })
}

fn certificate(side: Side, problem: &CertificateError) -> Option<&'static str> {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    Some(match (problem, side) {
        // A bad signature is what an authority made again under its old name gives.
        (UnknownIssuer | BadSignature, Side::Client) => {
            "set tls.ca_file to the authority that signed the peer's certificate"
        }
        (UnknownIssuer | BadSignature, Side::Server) => {
            "the client's certificate is not signed by an authority of tls.client_ca_file"
        }
        (NotValidForName | NotValidForNameContext { .. }, _) => {
            "set tls.server_name_override to a name the peer's certificate is for"
        }
        (Expired | ExpiredContext { .. }, _) => "the peer needs a new certificate",
        (NotValidYet | NotValidYetContext { .. }, _) => "compare the clocks of both machines",
        _ => return None,
    })
}

fn alerted(side: Side, alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match (alert, side) {
        (A::CertificateRequired, Side::Client) => {
            "the peer wants a certificate of ours; set tls.cert_file and tls.key_file"
        }
        (A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError, Side::Client) => {
            "the peer does not accept the certificate of our tls.cert_file, or wants one"
        }
        (A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::DecryptError, Side::Server) => {
            "the client does not trust the certificate of our tls.cert_file; it needs its authority as ca_file"
        }
        (A::ProtocolVersion, _) => {
            "the peer does not speak a version between tls.min_version and tls.max_version"
        }
        (A::HandshakeFailure, _) => {
            "the peer has no cipher suite or curve in common with us; compare tls.cipher_suites and \
             tls.curve_preferences on both sides"
        }
        (A::CertificateExpired, Side::Client) => "the certificate of our tls.cert_file has expired",
        (A::CertificateExpired, Side::Server) => {
            "the client says that the certificate of our tls.cert_file has expired; compare the clocks"
        }
        (A::UnrecognisedName, Side::Client) => {
            "the peer has no certificate for that name; set tls.server_name_override"
        }
        (A::NoApplicationProtocol, _) => "the peer speaks TLS, but not the protocol of this endpoint",
        _ => return None,
    })
}
