//! What a page is asked with, what it answers, and who stands behind a listener.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;

/// What a page is asked with.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method; HEAD is asked as GET.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// What follows the question mark.
    pub query: Option<String>,
    /// The `Host` header.
    pub host: Option<String>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The `Accept` header.
    pub accept: Option<String>,
    /// The `Accept-Encoding` header.
    pub accept_encoding: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// The `Allow` header, of a 405.
    pub allow: Option<&'static str>,
    /// The `Content-Encoding` header.
    pub encoding: Option<&'static str>,
}

impl Page {
    /// A page of JSON text.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "application/json", body: body.into(), allow: None, encoding: None }
    }

    /// A page of plain text.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
            allow: None,
            encoding: None,
        }
    }

    /// `{"error": …}`.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, serde_json::json!({ "error": message }).to_string())
    }
}

/// What stands behind a listener.
pub trait Answers: Send + Sync + 'static {
    /// The page for a request.
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page>;
}
