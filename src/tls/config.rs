//! What can be told about TLS.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::Choice;

/// A file or the PEM text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// Read from this path.
    File(PathBuf),
    /// Written in the configuration.
    Text(String),
}

/// TLS versions that can be asked for; older ones are refused when the configuration is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// The `tls` block of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// `cert_file` or `cert_pem`.
    pub cert: Pem,
    /// `key_file` or `key_pem`.
    pub key: Pem,
    /// `client_ca_file`: a client certificate is required and verified.
    pub client_ca: Option<Pem>,
    /// `client_ca_file_reload`: that file is read again when it changes.
    pub client_ca_reload: bool,
    /// `cipher_suites` and `curve_preferences`.
    pub choice: Choice,
    /// Oldest version accepted.
    pub min_version: Version,
    /// Newest version accepted.
    pub max_version: Option<Version>,
    /// How often certificate and key are read again; `None` means never.
    pub reload_interval: Option<Duration>,
}

/// The `tls` block of an exporter. The default is TLS with the system's roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// No TLS at all (when no CA is given).
    pub insecure: bool,
    /// TLS, but whoever answers is believed.
    pub insecure_skip_verify: bool,
    /// The name to verify and to send, instead of the endpoint's host.
    pub server_name_override: Option<String>,
    /// `ca_file` or `ca_pem`.
    pub ca: Option<Pem>,
    /// The system's roots beside the given CA.
    pub include_system_ca_certs_pool: bool,
    /// `cipher_suites` and `curve_preferences`.
    pub choice: Choice,
    /// `cert_file` or `cert_pem`, for mTLS.
    pub cert: Option<Pem>,
    /// `key_file` or `key_pem`, for mTLS.
    pub key: Option<Pem>,
    /// Oldest version accepted.
    pub min_version: Version,
    /// Newest version accepted.
    pub max_version: Option<Version>,
    /// How often certificate and key are read again; `None` means never.
    pub reload_interval: Option<Duration>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            insecure: false,
            insecure_skip_verify: false,
            server_name_override: None,
            ca: None,
            include_system_ca_certs_pool: false,
            choice: Choice::default(),
            cert: None,
            key: None,
            min_version: Version::V12,
            max_version: None,
            reload_interval: None,
        }
    }
}
