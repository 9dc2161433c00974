//! URLs and queries without what varies in them: where they are looked for, and what becomes of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::db::Language;
use super::url;
use crate::edit::attributes::Attributes;
use crate::edit::condition::{number, text};
use crate::edit::value::Value;
use crate::outcome::Signal;
use crate::semconv::Names;
use crate::wire::{Malformed, otlp};

/// What is sanitized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sanitizers {
    /// `url_sanitizer`, if enabled: the attributes with URLs.
    pub url: Option<BTreeSet<String>>,
    /// `url_sanitizer.sanitize_span_name`.
    pub url_span_names: bool,
    /// `db_sanitizer`: the languages that are enabled, and the attributes with queries in each.
    pub db: Vec<(Language, BTreeSet<String>)>,
    /// `db_sanitizer.sanitize_span_name`.
    pub db_span_names: bool,
}

/// What is known of an attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) key: &'a [u8],
    pub(super) signal: Signal,
    /// The database that the attributes beside it name; empty when none does.
    pub(super) system: &'a [u8],
}

const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// What spans of HTTP have.
const OF_HTTP: [&[u8]; 9] = [
    b"http.route",
    b"http.request.method",
    b"http.request.method_original",
    b"http.response.status_code",
    b"url.full",
    b"http.scheme",
    b"http.target",
    b"http.method",
    b"http.url",
];

impl Sanitizers {
    /// The database that these attributes name; not looked for when nobody asks.
    pub(super) fn system(&self, message: &[u8], list: &Attributes) -> Result<Vec<u8>, Malformed> {
        if !self.db.is_empty() {
            for key in [&b"db.system.name"[..], b"db.system"] {
                let Some(index) = list.find(message, key) else { continue };
                if let Value::Text(system) = list.value(message, index)?
                    && !system.is_empty()
                {
                    return Ok(system.to_vec());
                }
            }
        }
        Ok(Vec::new())
    }

    /// The value of an attribute.
    pub(super) fn value<'a>(&self, text: Cow<'a, [u8]>, at: Place<'_>, names: Names) -> Cow<'a, [u8]> {
        let listed = |keys: &BTreeSet<String>| names.any(at.key, |key| super::rules::has(keys, key));
        let mut text = text;
        if self.url.as_ref().is_some_and(listed) {
            text = url::cluster(&text).into();
        }
        // Records need not name their database.
        let any = at.system.is_empty() && at.signal == Signal::Logs;
        for (language, keys) in &self.db {
            if (any || language.is_spoken_by(at.system)) && listed(keys) {
                text = language.hide(&text, at.system).into_owned().into();
                if !any {
                    break;
                }
            }
        }
        text
    }

    /// A text in a body, which may be anything.
    pub(super) fn text<'a>(&self, text: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        let mut text = text;
        if self.url.is_some() {
            text = url::cluster(&text).into();
        }
        for (language, _) in &self.db {
            text = language.hide(&text, b"").into_owned().into();
        }
        text
    }

    /// Whether names of spans are looked at.
    pub(super) fn rename_spans(&self) -> bool {
        self.renames_by_url() || self.renames_by_query()
    }

    fn renames_by_url(&self) -> bool {
        self.url_span_names && self.url.is_some()
    }

    fn renames_by_query(&self) -> bool {
        self.db_span_names && !self.db.is_empty()
    }

    /// What a span is to be called, if not what it is. `list` has its attributes.
    pub(super) fn name(&self, span: &[u8], list: &Attributes) -> Result<Option<Vec<u8>>, Malformed> {
        let (kind, name) = (number(span, otlp::SPAN_KIND)?, text(span, otlp::SPAN_NAME)?);
        let is_http = || name.contains(&b'/') || OF_HTTP.iter().any(|key| list.find(span, key).is_some());
        let mut renamed = None;
        if self.renames_by_url() && matches!(kind, CLIENT | SERVER) && is_http() {
            let clustered = url::cluster(name);
            renamed = (clustered != name && !is_all_stars(&clustered)).then_some(clustered);
        }
        if renamed.is_none() && self.renames_by_query() && matches!(kind, CLIENT | SERVER | INTERNAL) {
            let system = self.system(span, list)?;
            let language = self.db.iter().find(|(language, _)| language.is_spoken_by(&system));
            renamed = language.map(|(language, _)| language.hide(name, &system).into_owned());
        }
        Ok(renamed.filter(|renamed| renamed != name && !renamed.is_empty() && renamed != b"..."))
    }
}

/// Whether nothing but stars is left of a path.
fn is_all_stars(path: &[u8]) -> bool {
    path.contains(&b'*') && path.split(|byte| *byte == b'/').all(|one| matches!(one, b"" | b"*"))
}
