//! Connections to a backend: TCP, and TLS where configured.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::net::TcpStream;

use crate::auth::Credentials;
use crate::stream::Stream;
use crate::tls;

/// Where a backend is and how it is reached.
#[derive(Clone)]
pub struct Target {
    /// `host:port`, the name for headers and certificates.
    pub address: String,
    /// Where that is, when the name has several addresses and this is to be one of them; otherwise it is looked up.
    pub at: Option<SocketAddr>,
    /// `None` is plaintext.
    pub tls: Option<tls::Connector>,
    /// Who we say we are, with every call.
    pub auth: Option<Credentials>,
}

impl Target {
    /// The part of the address before the port, without brackets.
    pub fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The header that says who we are.
    pub async fn credentials(&self) -> Result<Option<(HeaderName, HeaderValue)>, String> {
        match &self.auth {
            None => Ok(None),
            Some(auth) => auth.header().await.map(Some),
        }
    }

    /// Connects within [`CONNECT_TIME_MAX`]. Errors say which step failed.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let connecting = async {
            let tcp = self.dial().await?;
            tcp.set_nodelay(true)?;
            match &self.tls {
                None => Ok(Box::new(tcp) as Box<dyn Stream>),
                Some(tls) => {
                    let stream = tls.connect(tcp, self.host()).await.map_err(io::Error::other)?;
                    Ok(Box::new(tls::Explained::new(stream, tls::Side::Client)) as Box<dyn Stream>)
                }
            }
        };
        tokio::time::timeout(CONNECT_TIME_MAX, connecting).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within five seconds"))
        })
    }

    /// Whether the backend takes connections now.
    pub async fn answers(&self) -> bool {
        matches!(tokio::time::timeout(CONNECT_TIME_MAX, self.dial()).await, Ok(Ok(_)))
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        match self.at {
            Some(at) => TcpStream::connect(at).await,
            None => TcpStream::connect(&self.address).await,
        }
    }
}

/// TCP and TLS handshake together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
