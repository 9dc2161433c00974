//! Paths: what they name in each context, and how it is read and written in place.

mod put;
mod read;
mod request;
mod table;
mod write;

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Asks;
use super::context::Context;
use super::expression::Expression;
use crate::semconv::{self, Names};
pub(super) use read::step_all;
use table::{About, Access};
pub(super) use write::expected;

/// A path of a statement.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) context: Context,
    access: &'static Access,
    keys: Vec<Key>,
    /// Under which other key the attribute may stand.
    alias: Option<&'static [u8]>,
    /// Which entries a key or pattern means that an editor of this place names.
    names: Names,
}

/// One `[…]` of a path or converter.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Text(Box<[u8]>),
    Index(i64),
    Computed(Box<Expression>),
}

/// A key whose value is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step<'k> {
    Text(Cow<'k, [u8]>),
    Index(i64),
}

/// The keys of a path; more than one is rare.
pub(super) type Steps<'k> = SmallVec<[Step<'k>; 1]>;

impl Place {
    /// The place of a path, its context taken off.
    pub(super) fn of(
        context: Context,
        segments: &[String],
        keys: Vec<Key>,
        semconv: bool,
    ) -> Result<Self, String> {
        let name = segments.join(".");
        let access = table::access(context, &name).ok_or_else(|| {
            if segments.first().is_some_and(|first| first == "otelcol") {
                return format!("path {name:?} is not a valid path for the otelcol context");
            }
            let first = segments.first().map_or("", String::as_str);
            format!(
                "segment {first:?} from path {name:?} is not a valid path nor a valid OTTL keyword for the {} context",
                context.title()
            )
        })?;
        if !keys.is_empty() && !access.has_keys() {
            return Err(format!("path {name:?} has no keys, so it cannot be indexed"));
        }
        let alias = match (access, keys.first()) {
            (Access::Attributes, Some(Key::Text(key))) if semconv => semconv::other(key),
            _ => None,
        };
        let names = Names::of(semconv && keys.is_empty() && matches!(access, Access::Attributes));
        Ok(Self { context, access, keys, alias, names })
    }

    /// Which entries a key or pattern means that an editor of this place names: attributes may have two names.
    pub(super) fn names(&self) -> Names {
        self.names
    }

    /// Whether editors may write here.
    pub(super) fn is_writable(&self) -> bool {
        !matches!(self.access, Access::EventIndex | Access::Request(_))
    }

    /// What it reads of the request.
    pub(super) fn asks(&self) -> Asks {
        match self.access {
            Access::Request(About::Headers) => Asks { headers: true, sender: false },
            Access::Request(_) => Asks { headers: false, sender: true },
            _ => Asks::default(),
        }
    }
}

/// The names of all paths of a context, for suggestions.
pub(super) fn names(context: Context) -> impl Iterator<Item = &'static str> {
    table::of(context).iter().chain(table::REQUEST).map(|(name, _)| *name)
}
