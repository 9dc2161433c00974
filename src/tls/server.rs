//! TLS for listeners.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::config::{Pem, ServerConfig};
use super::error::{Side, TlsError};
use super::pem::CLIENT_CA;
use super::reload::{Clients, Pair, Reloading};
use super::verify::ListedClients;
use super::{HANDSHAKE_TIMEOUT, provider, versions};

/// A connection of a client.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;

/// Turns connections into TLS connections. A clone is the same acceptor.
#[derive(Clone)]
pub struct Acceptor(Arc<Reloading<rustls::ServerConfig>>);

/// The acceptor of a receiver; `alpn` in order of preference.
pub fn acceptor(config: &ServerConfig, alpn: &[&[u8]]) -> Result<Acceptor, TlsError> {
    let versions = versions(config.min_version, config.max_version)?;
    let (provider, client_ca) = (config.choice.provider(), config.client_ca.clone());
    let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let build = move |identity: Option<Arc<CertifiedKey>>, clients: Option<&[u8]>| {
        let identity = identity.ok_or(TlsError::Alone)?;
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&versions)?;
        let builder = match client_ca.as_ref().zip(clients) {
            Some((ca, bytes)) => builder.with_client_cert_verifier(client_verifier(ca, bytes)?),
            None => builder.with_no_client_auth(),
        };
        let mut built = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        built.alpn_protocols.clone_from(&alpn);
        if clients.is_some() {
            // A resumed session is not verified again: a certificate that expired would go on being good.
            built.send_tls13_tickets = 0;
            built.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(built)
    };
    let pair = Pair { cert: config.cert.clone(), key: config.key.clone() };
    let clients = config.client_ca.clone().map(|ca| Clients { ca, watched: config.client_ca_reload });
    Ok(Acceptor(Reloading::new(Some(pair), config.reload_interval, clients, build)?))
}

fn client_verifier(ca: &Pem, bytes: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    let listed = CLIENT_CA.authorities(ca, bytes, &mut roots)?;
    let authorities = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| CLIENT_CA.wrong(ca, error.to_string()))?;
    Ok(Arc::new(ListedClients { authorities, listed }))
}

impl Acceptor {
    /// The handshake, within [`HANDSHAKE_TIMEOUT`].
    pub async fn accept<S>(&self, stream: S) -> Result<ServerStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async { TlsAcceptor::from(self.0.current().await).accept(stream).await };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Err(_) => Err(TlsError::Timeout),
            Ok(done) => done.map_err(|source| TlsError::Handshake { side: Side::Server, source }),
        }
    }
}
