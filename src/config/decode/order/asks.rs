//! What edits ask about the request that their items came in. It is lost where requests are put together.

use crate::edit::{Action, Asked, Change, Config, Filter, Group};
use crate::ottl;
use crate::outcome::Signal;

/// What is asked about requests.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// These headers.
    headers: Vec<String>,
    /// Headers, of which nothing says which.
    some_headers: bool,
    /// Who sent it.
    sender: bool,
}

/// What nobody knows any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Its headers.
    Headers,
    /// Who sent it.
    Sender,
}

impl Asks {
    pub(super) fn of_headers(headers: Vec<String>) -> Self {
        Self { headers, ..Self::default() }
    }

    /// Anything that is asked.
    pub(super) fn first(&self) -> Option<Lost> {
        match self {
            _ if self.some_headers || !self.headers.is_empty() => Some(Lost::Headers),
            _ => self.sender.then_some(Lost::Sender),
        }
    }

    /// What is lost where only these headers are kept.
    pub(super) fn lost_behind(&self, kept: &[String]) -> Option<Lost> {
        let unkept = self.headers.iter().any(|header| !kept.contains(header));
        match self {
            _ if unkept || (self.some_headers && kept.is_empty()) => Some(Lost::Headers),
            _ => self.sender.then_some(Lost::Sender),
        }
    }

    fn add(&mut self, asks: ottl::Asks) {
        self.some_headers |= asks.headers;
        self.sender |= asks.sender;
    }
}

/// What an edit asks about requests of a signal.
pub(super) fn of(config: &Config, signal: Signal) -> Asks {
    let mut asks = Asks::default();
    match config {
        Config::Resource(actions) | Config::Attributes { actions, .. } => {
            actions.list.iter().for_each(|action| of_action(action, &mut asks));
        }
        Config::Transform(groups) => {
            groups.of(signal).iter().for_each(|group| of_group(group, &mut asks));
        }
        Config::Filter(filters) => of_filter(filters.of(signal), &mut asks),
        Config::Redaction(_) | Config::Sampler(_) => {}
    }
    asks
}

fn of_action(action: &Action, asks: &mut Asks) {
    let (Change::Insert(source) | Change::Update(source) | Change::Upsert(source)) = &action.change else {
        return;
    };
    match &source.context {
        Some(Asked::Header(name)) => asks.headers.push(name.clone()),
        Some(Asked::Address | Asked::Identity(_)) => asks.sender = true,
        None => {}
    }
}

fn of_group(group: &Group, asks: &mut Asks) {
    group.conditions.iter().for_each(|condition| asks.add(condition.code.asks()));
    group.statements.iter().for_each(|statement| asks.add(statement.code.asks()));
}

fn of_filter(filter: &Filter, asks: &mut Asks) {
    filter.conditions.iter().for_each(|(_, condition, _)| asks.add(condition.code.asks()));
}
