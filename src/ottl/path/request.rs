//! Reading what is known of the request that an item came in.

use std::borrow::Cow;

use super::table::About;
use super::{Place, Step, step_all};
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
        let named = |name: &str, known: &str| known.eq_ignore_ascii_case(name);
        let of = |name: &str| {
            let values = headers.iter().filter(|(known, _)| named(name, known));
            Value::list(values.map(|(_, value)| Value::text(value.as_str())))
        };
        let Some((key, rest)) = self.keys.split_first() else {
            let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let lists =
                names.into_iter().map(|name| Ok((name, of(name)?))).collect::<Result<Vec<_>, EvalError>>()?;
            return Value::map(lists);
        };
        let Step::Text(name) = key.step(view)? else { return Err("metadata is indexed by strings".into()) };
        let name = String::from_utf8_lossy(&name);
        if !headers.iter().any(|(known, _)| named(&name, known)) {
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
        let Step::Text(name) = key.step(view)? else {
            return Err("attributes are indexed by strings".into());
        };
        let Some(identity) = identity else { return Ok(Value::Nil) };
        let value = identity.get(&String::from_utf8_lossy(&name));
        if !rest.is_empty() {
            return Err("what is known of a sender is text and cannot be indexed".into());
        }
        Ok(value.map_or(Value::Nil, |value| Value::Text(Cow::Borrowed(value.as_bytes()))))
    }
}
