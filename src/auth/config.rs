//! What the authenticator extensions can be told.

use std::fmt;
use std::path::PathBuf;

/// An authenticator extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticator {
    /// Its name in the configuration.
    pub id: String,
    /// What it does.
    pub kind: Kind,
}

/// What an authenticator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bearertokenauth`: on either side.
    Bearer(Bearer),
    /// `basicauth` with `client_auth`: who we are.
    Basic(Basic),
    /// `basicauth` with `htpasswd`: who may come in.
    Htpasswd(Htpasswd),
}

/// `bearertokenauth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The header that carries the token, `Authorization`.
    pub header: String,
    /// Stands before the token, `Bearer`; may be empty.
    pub scheme: String,
    /// The tokens, in a file one a line: the first is sent, each is accepted.
    pub tokens: Vec<Secret>,
    /// The file may appear later (`retry_on_failure`).
    pub may_be_late: bool,
}

/// `basicauth::client_auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// `username` or `username_file`.
    pub username: Secret,
    /// `password` or `password_file`.
    pub password: Secret,
}

/// `basicauth::htpasswd`. Where both know a name, `inline` counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htpasswd {
    /// `file`.
    pub file: Option<PathBuf>,
    /// `inline`.
    pub inline: Hidden,
}

/// A secret, or the file it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Written in the configuration.
    Text(Hidden),
    /// Read from this path, and again when it changes.
    File {
        /// The key that names it.
        key: &'static str,
        /// Where it is.
        path: PathBuf,
    },
}

/// A text that no log line shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
