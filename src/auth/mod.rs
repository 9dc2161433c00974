//! Who may send here, and who we say we are to others: the authenticator extensions.
//!
//! Owns: secrets in use, and when their files are read again; passwords that were found right.
//! Takes: `bearertokenauth` and `basicauth` extensions; headers of requests.
//! Gives: a header for each call to a backend; for each request to us, whether it may come in and whose it is.
//! Bounds: files of 1 MiB, read at most once a second; two passwords hashed at once; 1,024 remembered.
//! Loses: nothing.

mod client;
mod config;
mod guard;
mod htpasswd;
mod md5_crypt;
mod watched;

pub use client::Credentials;
pub use config::{Authenticator, Basic, Bearer, Hidden, Htpasswd, Kind, Secret};
pub use guard::Guard;

use std::path::PathBuf;

/// Why an authenticator cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A file cannot be read.
    #[error("extensions::{id}::{key}: cannot read {}: {problem}", path.display())]
    File {
        /// The extension.
        id: String,
        /// Its key.
        key: &'static str,
        /// The key's value.
        path: PathBuf,
        /// What the system said, or what is missing in it.
        problem: String,
    },
    /// What it holds can be no header.
    #[error("extensions::{id}: {problem}")]
    Value {
        /// The extension.
        id: String,
        /// What is wrong.
        problem: String,
    },
}
