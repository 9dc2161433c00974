//! TLS on both sides: from the Collector's keys to rustls configurations.
//!
//! Owns: the certificates in use, and when they are read again.
//! Takes: `tls` blocks of receivers and exporters.
//! Gives: acceptors and connectors, and errors that name the key.
//! Bounds: TLS 1.2 and later only; 10 s a handshake; files of 1 MiB.
//! Loses: nothing.

mod choice;
mod client;
mod config;
mod error;
mod explained;
mod pem;
mod reload;
mod server;
mod validity;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

pub use choice::{Choice, Named, curve, is_newest, known_curves, known_suites, suite};
pub use client::{ClientStream, Connector, connector};
pub use config::{ClientConfig, Pem, ServerConfig, Version};
pub use error::{Side, TlsError, explain};
pub use explained::Explained;
pub use server::{Acceptor, ServerStream, acceptor};

/// A peer that has not finished its handshake by then is let go.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Given to every builder: a process default is one more thing that may not have been set.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn versions(min: Version, max: Option<Version>) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let all = [(Version::V12, &rustls::version::TLS12), (Version::V13, &rustls::version::TLS13)];
    let allowed = |version: Version| version >= min && max.is_none_or(|max| version <= max);
    let chosen: Vec<_> = all.into_iter().filter(|(version, _)| allowed(*version)).map(|(_, it)| it).collect();
    if chosen.is_empty() { Err(TlsError::Versions) } else { Ok(chosen) }
}
