//! Reading what is known of the request that an item came in.

use std::borrow::Cow;

use super::table::About;
use super::{Key, Place, Step, step_all};
use crate::origin::{Headers, Identity, Origin};
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::value::Value;

impl Place {
    pub(super) fn get_of_request<'v>(&'v self, about: About, view: View<'v>) -> Result<Value<'v>, EvalError> {
        let origin = view.env.origin;
        match about {
            About::Peer => Ok(origin.and_then(Origin::peer).map_or(Value::Nil, Value::text)),
            About::Headers => self.one_of(origin.map_or(&[], Origin::headers), view),
            About::Call => self.one_of(origin.and_then(Origin::call_metadata).unwrap_or_default(), view),
            About::Identity => self.known_of(origin.and_then(Origin::identity), view),
        }
    }

    /// All headers as a map of lists, or those of a name, however it is written.
    fn one_of<'v>(&'v self, headers: &'v Headers, view: View<'v>) -> Result<Value<'v>, EvalError> {
        let of = |name: &str| Value::list(values(headers, name).map(Value::text));
        let Some((key, rest)) = self.keys.split_first() else {
            let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let lists =
                names.into_iter().map(|name| Ok((name, of(name)?))).collect::<Result<Vec<_>, EvalError>>()?;
            return Value::map(lists);
        };
        let name = text_of(key, view)?;
        if let [Key::Index(index)] = rest
            && let Ok(index) = usize::try_from(*index)
            && let Some(value) = values(headers, &name).nth(index)
        {
            return Ok(Value::text(value)); // as the list would have it, without making one
        }
        if values(headers, &name).next().is_none() {
            return Ok(Value::Nil);
        }
        step_all(of(&name)?, rest, view)
    }

    /// All that is known as a map, or one thing. Without an authenticator nothing is, whatever is asked.
    fn known_of<'v>(
        &'v self,
        identity: Option<&'v Identity>,
        view: View<'v>,
    ) -> Result<Value<'v>, EvalError> {
        let Some((key, rest)) = self.keys.split_first() else {
            let known = identity.map_or(&[][..], |identity| &identity.0);
            return Value::map(known.iter().map(|(name, value)| (*name, Value::text(value.as_str()))));
        };
        let name = text_of(key, view)?;
        let Some(identity) = identity else { return Ok(Value::Nil) };
        let value = identity.get(&name);
        if !rest.is_empty() {
            return Err("what is known of a sender is text and cannot be indexed".into());
        }
        Ok(value.map_or(Value::Nil, |value| Value::Text(Cow::Borrowed(value.as_bytes()))))
    }
}

/// The values of a header, however its name is written.
fn values<'h, 'n>(headers: &'h Headers, name: &'n str) -> impl Iterator<Item = &'h str> + use<'h, 'n> {
    let named = headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str())
}

/// A key that has to be a string.
fn text_of<'k>(key: &'k Key, view: View<'_>) -> Result<Cow<'k, str>, EvalError> {
    if let Key::Text(text) = key {
        return Ok(String::from_utf8_lossy(text));
    }
    match key.step(view)? {
        Step::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned().into()),
        Step::Index(_) => Err("what is known of a request is indexed by strings".into()),
    }
}
