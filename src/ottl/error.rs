//! What goes wrong: with the text of a statement, and with its evaluation.

use std::borrow::Cow;

use crate::wire::Malformed;

/// A text that is not a statement, or not one that exists here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What, in the Collector's words where it has some.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
}

impl ParseError {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }
}

/// A condition or statement that could not be evaluated; what follows is the caller's error mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub Cow<'static, str>);

impl From<Malformed> for EvalError {
    fn from(error: Malformed) -> Self {
        Self(error.to_string().into())
    }
}

impl From<&'static str> for EvalError {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl From<String> for EvalError {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
