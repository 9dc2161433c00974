//! OTTL, the Collector's transformation language: parsed once, evaluated on encoded messages.
//!
//! Owns: compiled conditions and statements; the grammar, paths and functions.
//! Takes: texts from the configuration; encoded items with the messages around them; the time and randomness.
//! Gives: yes or no; the messages that statements changed, all else in them byte for byte as it was.
//! Bounds: texts of 64 KiB, nesting of 64 in texts and 100 in values, patterns of 64 MiB compiled, results of 16 MiB.
//! Loses: nothing; what cannot be evaluated is an error, and what follows from that is the caller's error mode.

mod calendar;
mod case;
mod compare;
mod compile;
mod context;
mod enums;
mod env;
mod error;
mod expression;
mod format;
mod functions;
mod glob;
mod lexer;
pub mod mask;
mod murmur3;
mod named;
mod parse;
mod path;
mod points;
mod render;
mod strftime;
mod suggest;
mod syntax;
mod target;
mod url;
mod value;
mod xml;
mod zone;

use compile::Compiler;
use expression::{Test, View};
use functions::{Argument, Editor};

pub use context::Context;
pub use env::Env;
pub use error::{EvalError, ParseError};
pub use named::{Named, read_by, written_by};
pub use target::{Memory, Target};
pub use value::Value;
pub use zone::Moment;

/// How texts are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// `attributes["http.status_code"]` also finds `http.response.status_code`, and the other way round, for the
    /// attributes that the semantic conventions renamed.
    pub semconv: bool,
}

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct Condition {
    test: Test,
    seen: u8,
    metadata: bool,
}

/// A compiled statement: an editor and its condition.
#[derive(Clone, Debug)]
pub struct Statement {
    context: Context,
    editor: &'static Editor,
    arguments: Vec<Argument>,
    condition: Option<Test>,
    seen: u8,
    metadata: bool,
}

/// Compiles a condition on items of a context.
///
/// # Errors
/// In the Collector's words, with the place in the text.
pub fn condition(text: &str, context: Context) -> Result<Condition, ParseError> {
    Dialect::default().condition(text, context)
}

/// Compiles a statement on items of a context; without one, on items of the context that its paths name.
///
/// # Errors
/// In the Collector's words, with the place in the text.
pub fn statement(text: &str, context: Option<Context>) -> Result<Statement, ParseError> {
    Dialect::default().statement(text, context)
}

/// The innermost of the contexts that the paths of these statements name: where a group without a context runs.
///
/// # Errors
/// A text that is not a statement; paths without a context.
pub fn infer(texts: &[&str]) -> Result<Option<Context>, ParseError> {
    let mut innermost = None;
    for text in texts {
        innermost = innermost.max(innermost_of(&parse::statement(text).map_err(|e| of_statement(text, e))?));
    }
    Ok(innermost)
}

/// What paths name, and what functions exist in.
fn innermost_of(statement: &syntax::StatementText) -> Option<Context> {
    let mut innermost = None;
    statement.each(&mut |node| {
        let context = match node {
            syntax::Node::Path(path) if path.segments.len() > 1 => Context::of_name(&path.segments[0]),
            syntax::Node::Path(_) => None,
            syntax::Node::Call(call) => {
                let editor = functions::editor(&call.name).and_then(|editor| editor.only);
                editor.or_else(|| functions::converter(&call.name)?.looks_at)
            }
        };
        innermost = innermost.max(context);
    });
    innermost
}

impl Dialect {
    /// As [`condition`].
    ///
    /// # Errors
    /// As there.
    pub fn condition(self, text: &str, context: Context) -> Result<Condition, ParseError> {
        let parsed = parse::condition(text).map_err(|error| ParseError {
            message: format!("condition has invalid syntax: 1:{}: {}", error.at + 1, error.message),
            ..error
        })?;
        let mut compiler = Compiler { context, semconv: self.semconv, seen: 0, metadata: false };
        let test = compiler.test(&parsed).map_err(|error| ParseError {
            message: format!("unable to parse OTTL condition {text:?}: {}", error.message),
            ..error
        })?;
        Ok(Condition { test, seen: compiler.seen, metadata: compiler.metadata })
    }

    /// As [`statement`].
    ///
    /// # Errors
    /// As there.
    pub fn statement(self, text: &str, context: Option<Context>) -> Result<Statement, ParseError> {
        let compiled = self.compile(text, context);
        compiled.map_err(|error| of_statement(text, error))
    }

    fn compile(self, text: &str, context: Option<Context>) -> Result<Statement, ParseError> {
        let parsed = parse::statement(text)?;
        let named = || {
            let message =
                "the paths name no context: write span.name for the name of a span, or give the context";
            innermost_of(&parsed).ok_or_else(|| ParseError::new(0, message))
        };
        let context = context.map_or_else(named, Ok)?;
        let call = &parsed.editor;
        let editor = functions::editor(&call.name).ok_or_else(|| ParseError {
            at: call.at,
            message: format!("undefined function {:?}", call.name),
            help: suggest::nearest(&call.name, functions::editor_names()).map(str::to_owned),
        })?;
        let mut compiler = Compiler { context, semconv: self.semconv, seen: 0, metadata: false };
        let arguments = compiler.arguments(call, editor.params)?;
        (editor.check)(&arguments).map_err(|message| ParseError::new(call.at, message))?;
        if let Some(only) = editor.only {
            if only != context {
                let message = format!("undefined function {:?}: it is for {}s", call.name, only.name());
                return Err(ParseError::new(call.at, message));
            }
            compiler.seen |= 1 << only as u8;
        }
        let condition = parsed.condition.as_ref().map(|text| compiler.test(text)).transpose()?;
        let (seen, metadata) = (compiler.seen, compiler.metadata);
        Ok(Statement { context, editor, arguments, condition, seen, metadata })
    }
}

fn of_statement(text: &str, error: ParseError) -> ParseError {
    let message = format!("unable to parse OTTL statement {text:?}: {}", error.message);
    ParseError { message, ..error }
}

impl Condition {
    /// Whether it reads the headers of the request.
    pub fn reads_metadata(&self) -> bool {
        self.metadata
    }

    /// Whether the item meets the condition.
    ///
    /// # Errors
    /// What cannot be evaluated; the caller's error mode decides.
    #[inline]
    pub fn matches(&self, target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
        prepare(target, self.seen)?;
        self.test.holds(View { target, env })
    }
}

impl Statement {
    /// The items that it runs on.
    pub fn context(&self) -> Context {
        self.context
    }

    /// Whether it reads the headers of the request.
    pub fn reads_metadata(&self) -> bool {
        self.metadata
    }

    /// Whether its editor writes to messages of this context.
    pub fn writes(&self, context: Context) -> bool {
        matches!(self.arguments.first(), Some(Argument::Place(place)) if place.context == context)
    }

    /// Runs on the item if its condition holds. Gives whether it changed anything that is exported.
    ///
    /// # Errors
    /// What cannot be evaluated; the item is then as it was.
    #[inline]
    pub fn run(&self, target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
        prepare(target, self.seen)?;
        if let Some(condition) = &self.condition
            && !condition.holds(View { target, env })?
        {
            return Ok(false);
        }
        (self.editor.run)(&self.arguments, target, env)
    }
}

#[inline]
fn prepare(target: &mut Target<'_>, seen: u8) -> Result<(), EvalError> {
    let mut left = seen;
    while left != 0 {
        target.index(Context::ALL[left.trailing_zeros() as usize])?;
        left &= left - 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
