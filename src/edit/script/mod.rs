//! What `transform` and `filter` share: texts in OTTL with what they compile to, and what is done about errors.

mod events;
mod filter;
mod transform;

use super::message::Message;
use super::walk::{Around, Failure};
use crate::ottl::{Context, Env, EvalError, Target};
use crate::outcome::Signal;

pub use filter::{Filter, FilterEditor};
pub use transform::{Group, TransformEditor};

/// What follows when something cannot be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorMode {
    /// It is logged and left out.
    #[default]
    Ignore,
    /// It is left out.
    Silent,
    /// The request is refused.
    Propagate,
}

/// A text and what it compiles to. Two are the same when their texts are.
#[derive(Clone, Debug)]
pub struct Compiled<T> {
    /// As in the configuration.
    pub text: String,
    /// What runs.
    pub code: T,
}

impl<T> PartialEq for Compiled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Time and randomness of a request, and the errors met in it.
#[derive(Debug)]
struct Run {
    signal: Signal,
    now_unix_nanos: u64,
    random: fn() -> u128,
    /// Of the request, where something reads them.
    headers: Vec<(String, String)>,
    reads_headers: bool,
    errors: u64,
    first_error: Option<String>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            signal: Signal::Traces,
            now_unix_nanos: 0,
            random: || 0,
            headers: Vec::new(),
            reads_headers: false,
            errors: 0,
            first_error: None,
        }
    }
}

impl Run {
    /// Of texts of which some may read the headers of requests.
    fn new(reads_headers: bool) -> Self {
        Self { reads_headers, ..Self::default() }
    }

    fn begin(&mut self, around: &Around<'_>) {
        self.signal = around.signal;
        (self.now_unix_nanos, self.random) = (around.now_unix_nanos, around.random);
        if self.reads_headers {
            self.headers = around.headers.map(<[_]>::to_vec).unwrap_or_default();
        }
    }

    fn with<T>(&self, evaluate: impl FnOnce(&Env<'_>) -> T) -> T {
        let random = self.random;
        evaluate(&Env { now_unix_nanos: self.now_unix_nanos, metadata: &self.headers, random: &random })
    }

    /// What cannot be evaluated is nothing, unless the request is to fail.
    fn settle<T>(
        &mut self,
        result: Result<T, EvalError>,
        mode: ErrorMode,
        text: &str,
    ) -> Result<Option<T>, Failure> {
        match (result, mode) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(_), ErrorMode::Silent) => Ok(None),
            (Err(error), ErrorMode::Propagate) => {
                Err(Failure::Statement(format!("failed to execute {text:?}: {error}")))
            }
            (Err(error), ErrorMode::Ignore) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("{text:?}: {error}"));
                Ok(None)
            }
        }
    }

    fn take_errors(&mut self) -> Option<(String, u64)> {
        let count = std::mem::take(&mut self.errors);
        self.first_error.take().map(|first| (first, count))
    }
}

/// A message that statements see and change, however long it lives.
trait Shown {
    fn bytes(&self) -> &[u8];
    fn replace(&mut self, new: &mut Vec<u8>);
    fn schema_url(&self) -> &[u8];
    fn set_schema_url(&mut self, url: Vec<u8>);
}

impl Shown for Message<'_> {
    fn bytes(&self) -> &[u8] {
        Message::bytes(self)
    }

    fn replace(&mut self, new: &mut Vec<u8>) {
        Message::replace(self, new);
    }

    fn schema_url(&self) -> &[u8] {
        Message::schema_url(self)
    }

    fn set_schema_url(&mut self, url: Vec<u8>) {
        Message::set_schema_url(self, url);
    }
}

/// As many as stand around an exemplar, with itself.
const MESSAGES_MAX: usize = 5;

type Messages<'m, 's> = &'m mut [(Context, &'s mut dyn Shown)];

/// Shows messages to `evaluate`, puts what it changed back into them, and adds the metrics that it made.
fn show<T>(
    memory: &mut Target<'static>,
    messages: Messages<'_, '_>,
    made: &mut Vec<Vec<u8>>,
    evaluate: impl FnOnce(&mut Target<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut target = std::mem::take(memory).emptied();
    for (context, message) in messages.iter() {
        target.set(*context, message.bytes());
        target.set_schema_url(*context, message.schema_url());
    }
    let result = evaluate(&mut target);
    let mut changed: [[Option<Vec<u8>>; 2]; MESSAGES_MAX] = Default::default();
    for ((context, _), changed) in messages.iter().zip(&mut changed) {
        *changed = [target.take_changed(*context), target.take_changed_schema_url(*context)];
    }
    made.append(&mut target.take_made());
    *memory = target.emptied();
    for ((_, message), [changed, url]) in messages.iter_mut().zip(changed) {
        if let Some(mut changed) = changed {
            message.replace(&mut changed);
        }
        if let Some(url) = url {
            message.set_schema_url(url);
        }
    }
    result
}

/// The context of what a signal calls an item.
fn item_context(signal: Signal) -> Context {
    match signal {
        Signal::Traces => Context::Span,
        Signal::Metrics => Context::Metric,
        Signal::Logs => Context::Log,
    }
}

#[cfg(test)]
mod tests;
