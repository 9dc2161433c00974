//! TLS for exporters.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::config::ClientConfig;
use super::error::{Side, TlsError};
use super::pem::CA;
use super::reload::{Pair, Reloading};
use super::verify::{Anyone, Listed};
use super::{HANDSHAKE_TIMEOUT, provider, versions};

/// A connection to a backend.
pub type ClientStream<S> = tokio_rustls::client::TlsStream<S>;

/// Turns connections into TLS connections. A clone is the same connector.
#[derive(Clone)]
pub struct Connector {
    config: Arc<Reloading<rustls::ClientConfig>>,
    name_override: Option<ServerName<'static>>,
}

/// The connector of an exporter; `alpn` in order of preference. `None` where the configuration asks for plaintext.
pub fn connector(config: &ClientConfig, alpn: &[&[u8]]) -> Result<Option<Connector>, TlsError> {
    if config.insecure && config.ca.is_none() {
        return Ok(None);
    }
    let pair = match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => Some(Pair { cert: cert.clone(), key: key.clone() }),
        (None, None) => None,
        _ => return Err(TlsError::Alone),
    };
    let name_override = match config.server_name_override.as_deref() {
        None | Some("") => None,
        Some(name) => Some(server_name(name)?),
    };
    let versions = versions(config.min_version, config.max_version)?;
    let verifier = verifier(config)?;
    let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let provider = config.choice.provider();
    let build = move |identity: Option<Arc<CertifiedKey>>, _: Option<&[u8]>| {
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let mut built = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
            None => builder.with_no_client_auth(),
        };
        built.alpn_protocols.clone_from(&alpn);
        Ok(built)
    };
    let config = Reloading::new(pair, config.reload_interval, None, build)?;
    Ok(Some(Connector { config, name_override }))
}

fn verifier(config: &ClientConfig) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    let listed = match &config.ca {
        Some(ca) => CA.authorities(ca, &CA.read(ca)?, &mut roots)?,
        None => Vec::new(),
    };
    if config.insecure_skip_verify {
        return Ok(Arc::new(Anyone(provider())));
    }
    if config.ca.is_none() || config.include_system_ca_certs_pool {
        add_system(&mut roots)?;
    }
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::NoRoots(format!(" ({error})")))?;
    Ok(Arc::new(Listed { authorities, listed }))
}

fn add_system(roots: &mut RootCertStore) -> Result<(), TlsError> {
    let system = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(system.certs);
    if added == 0 && roots.is_empty() {
        let why = system.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        return Err(TlsError::NoRoots(why));
    }
    Ok(())
}

/// A host of an endpoint, IPv6 with or without brackets, as a name to verify.
fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A name written as absolute, with a dot at its end, is the same name.
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))
}

impl Connector {
    /// The handshake with `host`, the endpoint's host without its port, within [`HANDSHAKE_TIMEOUT`].
    pub async fn connect<S>(&self, stream: S, host: &str) -> Result<ClientStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.name_override {
            Some(name) => name.clone(),
            None => server_name(host)?,
        };
        let handshake = async { TlsConnector::from(self.config.current().await).connect(name, stream).await };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Err(_) => Err(TlsError::Timeout),
            Ok(done) => done.map_err(|source| TlsError::Handshake { side: Side::Client, source }),
        }
    }
}
