//! `db_sanitizer`: queries and commands without the values in them.
//!
//! Owns: what is a value in each language.
//! Takes: a text, the language of the database, the database.
//! Gives: the text with `?` in place of values.
//! Bounds: linear in the text; no recursion but that of one SQL function in a statement.
//! Loses: values, and space that means nothing.

mod json;
mod redis;
mod sql;

use std::borrow::Cow;

/// A language of queries, by the key that switches its sanitizer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `sql`.
    Sql,
    /// `redis`.
    Redis,
    /// `valkey`.
    Valkey,
    /// `memcached`.
    Memcached,
    /// `mongo`.
    Mongo,
    /// `opensearch`.
    OpenSearch,
    /// `es`.
    Elasticsearch,
}

impl Language {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 7] = [
        Self::Sql,
        Self::Redis,
        Self::Valkey,
        Self::Memcached,
        Self::Mongo,
        Self::OpenSearch,
        Self::Elasticsearch,
    ];

    /// The key in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Memcached => "memcached",
            Self::Mongo => "mongo",
            Self::OpenSearch => "opensearch",
            Self::Elasticsearch => "es",
        }
    }

    /// The databases that speak it, as `db.system` and `db.system.name` have them.
    fn systems(self) -> &'static [&'static str] {
        match self {
            Self::Sql => &["other_sql", MYSQL, "postgresql", "mariadb", "sqlite"],
            Self::Redis => &["redis"],
            Self::Valkey => &["valkey"],
            Self::Memcached => &["memcached"],
            Self::Mongo => &["mongodb"],
            Self::OpenSearch => &["opensearch"],
            Self::Elasticsearch => &["elasticsearch"],
        }
    }

    pub(super) fn is_spoken_by(self, system: &[u8]) -> bool {
        self.systems().iter().any(|one| is(one, system))
    }

    /// The text without its values. `system` is the database, if that is known; MySQL has quotes of its own.
    pub(super) fn hide<'a>(self, text: &'a [u8], system: &[u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Sql => sql::hide(text, is(MYSQL, system)).into(),
            Self::Redis | Self::Valkey => redis::hide(text).into(),
            Self::Memcached => memcached(text).into(),
            Self::Mongo | Self::OpenSearch | Self::Elasticsearch => {
                json::hide(text).map_or(Cow::Borrowed(text), Cow::Owned)
            }
        }
    }
}

const MYSQL: &str = "mysql";

fn is(name: &str, system: &[u8]) -> bool {
    name.as_bytes().eq_ignore_ascii_case(system)
}

/// A command of Memcached is a line; what it stores follows.
fn memcached(text: &[u8]) -> &[u8] {
    let line = text.windows(2).position(|pair| pair == b"\r\n");
    trimmed(&text[..line.unwrap_or(text.len())])
}

/// Without space around it.
fn trimmed(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or(text.trim_ascii(), |text| text.trim().as_bytes())
}
