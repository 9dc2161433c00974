//! What stands in front of pages for others: TLS, an authenticator, headers of answers.

use std::io;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{AuthError, Authenticator, Guard};
use crate::observe::{Gate, Handshake, Manner, Stream};
use crate::tls::{self, TlsError};

/// What a listener of pages was told.
pub struct Front<'a> {
    /// `tls`; plaintext when absent.
    pub tls: Option<&'a tls::ServerConfig>,
    /// `auth`; anyone may look when absent.
    pub auth: Option<&'a Authenticator>,
    /// `response_headers`.
    pub response_headers: &'a [(String, String)],
}

/// Why a listener cannot be used like that.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The certificate cannot be used.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// The authenticator cannot be used.
    #[error("auth: {0}")]
    Auth(#[from] AuthError),
    /// A header that HTTP does not allow.
    #[error("response_headers: {0}")]
    Header(String),
}

impl Front<'_> {
    /// Pages behind it.
    pub fn before(&self, pages: Manner) -> Result<Manner, FrontError> {
        self.speaking(b"http/1.1", pages)
    }

    /// gRPC behind it.
    pub fn before_grpc(&self, calls: Manner) -> Result<Manner, FrontError> {
        self.speaking(b"h2", calls)
    }

    fn speaking(&self, protocol: &[u8], pages: Manner) -> Result<Manner, FrontError> {
        let mut pages = pages.with_headers(headers(self.response_headers)?);
        if let Some(config) = self.tls {
            pages = pages.secured(handshake(config, protocol)?);
        }
        if let Some(authenticator) = self.auth {
            pages = pages.guarded(gate(authenticator)?);
        }
        Ok(pages)
    }
}

fn handshake(config: &tls::ServerConfig, protocol: &[u8]) -> Result<Handshake, TlsError> {
    let acceptor = tls::acceptor(config, &[protocol])?;
    Ok(Arc::new(move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let stream = acceptor.accept(stream).await.map_err(io::Error::other)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }))
}

fn gate(authenticator: &Authenticator) -> Result<Gate, AuthError> {
    let guard = Guard::open(authenticator)?;
    Ok(Arc::new(move |headers| {
        let guard = guard.clone();
        Box::pin(async move { guard.check(&headers).await.map(drop) })
    }))
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, FrontError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = |error: String| FrontError::Header(format!("{name}: {error}"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let value = HeaderValue::from_str(value).map_err(|error| wrong(error.to_string()))?;
        headers.insert(key, value);
    }
    Ok(headers)
}
