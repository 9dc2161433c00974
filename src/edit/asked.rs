//! `from_context`: what actions ask about the request, and its answers, which are found once for all its items.

use super::actions::{Actions, Change};
use super::value::Value;
use crate::origin::Origin;

/// What `from_context` asks about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `metadata.…`: the values of a header, whose name is in lower case here, joined by `;`.
    Header(String),
    /// `client.address`: the sender's address without the port, which may be empty but is always there.
    Address,
    /// `auth.…`: something that the authenticator found out.
    Identity(String),
}

/// The answers to a list of actions, by their places.
#[derive(Debug, Default)]
pub struct Answers(Vec<Option<Vec<u8>>>);

impl Answers {
    /// Asks what the actions want to know of a request.
    pub fn ask(&mut self, actions: &Actions, origin: Option<&Origin>) {
        self.0.clear();
        self.0.extend(actions.list.iter().map(|action| match &action.change {
            Change::Insert(source) | Change::Update(source) | Change::Upsert(source) => {
                source.context.as_ref()?.answer(origin)
            }
            _ => None,
        }));
    }

    /// The answer to the action at a place, encoded.
    pub fn at(&self, place: usize) -> Option<&[u8]> {
        self.0.get(place)?.as_deref()
    }
}

impl Asked {
    /// The answer, encoded as one text.
    fn answer(&self, origin: Option<&Origin>) -> Option<Vec<u8>> {
        let text = |text: &str| Value::Text(text.as_bytes()).to_bytes();
        match self {
            Self::Header(name) => {
                let headers = origin?.headers().iter().filter(|(known, _)| known == name);
                let values: Vec<&str> = headers.map(|(_, value)| value.as_str()).collect();
                (!values.is_empty()).then(|| text(&values.join(";")))
            }
            Self::Address => Some(text(origin.map_or("", Origin::address))),
            Self::Identity(name) => origin?.identity()?.get(name).map(text),
        }
    }
}
