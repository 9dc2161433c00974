//! Syntax to programs: names are looked up, patterns compiled, arguments put in their places.

use super::Asks;
use super::context::Context;
use super::enums;
use super::error::ParseError;
use super::expression::{Call, Expression, Test};
use super::functions::{self, Argument, Kind, Param};
use super::glob;
use super::path::{Key, Place};
use super::suggest::nearest;
use super::syntax::{ArgumentText, BoolText, CallText, Comparison, MathSign, PathText, ValueText};
use super::value::Value;
use crate::pattern;
use crate::semconv;

fn compared(left: Expression, comparison: Comparison, right: Expression) -> Test {
    match (left, comparison, right) {
        (
            Expression::Path(place),
            Comparison::Equal | Comparison::NotEqual,
            Expression::Literal(Value::Text(text)),
        ) if place.is_attribute() => {
            Test::AttributeIs(place, text.into_owned().into(), comparison == Comparison::Equal)
        }
        (left, comparison, right) => Test::Compare(Box::new((left, right)), comparison),
    }
}

fn undefined(at: usize, name: &str) -> ParseError {
    let absent = functions::absent(name);
    let near = || nearest(name, functions::converter_names()).map(str::to_owned);
    let message = match absent {
        Some(why) => format!("the function {name:?} is not here: {why}"),
        None => format!("undefined function {name:?}"),
    };
    ParseError { at, message, help: if absent.is_some() { None } else { near() } }
}

/// The names that are written out, each with its other one: one that has another becomes a list.
fn with_other_names(names: Expression) -> Expression {
    let other = |name: &Expression| match name {
        Expression::Literal(Value::Text(text)) => semconv::other(text),
        _ => None,
    };
    let literal = |name: &'static [u8]| Expression::Literal(Value::Text(name.into()));
    match names {
        Expression::List(mut names) => {
            let others: Vec<_> = names.iter().filter_map(other).map(literal).collect();
            names.extend(others);
            Expression::List(names)
        }
        name => match other(&name) {
            Some(other) => Expression::List(vec![name, literal(other)]),
            None => name,
        },
    }
}

/// Compiles for a context.
#[derive(Debug)]
pub(super) struct Compiler {
    pub(super) context: Context,
    pub(super) semconv: bool,
    /// The contexts that paths have named, a bit each.
    pub(super) seen: u8,
    /// What they have named of the request.
    pub(super) asks: Asks,
}

impl Compiler {
    pub(super) fn test(&mut self, text: &BoolText) -> Result<Test, ParseError> {
        let all = |compiler: &mut Self, parts: &[BoolText]| {
            parts.iter().map(|part| compiler.test(part)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match text {
            BoolText::Literal(value) => Test::Literal(*value),
            BoolText::Not(inner) => Test::Not(Box::new(self.test(inner)?)),
            BoolText::And(parts) => Test::And(all(self, parts)?),
            BoolText::Or(parts) => Test::Or(all(self, parts)?),
            BoolText::Compare(left, comparison, right) => {
                compared(self.expression(left)?, *comparison, self.expression(right)?)
            }
            BoolText::Value(value) => match self.expression(value)? {
                Expression::Call(call) => Test::Call(call),
                _ => return Err(ParseError::new(0, "a condition must be a comparison or a converter")),
            },
        })
    }

    pub(super) fn expression(&mut self, text: &ValueText) -> Result<Expression, ParseError> {
        let literal = |value| Ok(Expression::Literal(value));
        match text {
            ValueText::Nil => literal(Value::Nil),
            ValueText::Bool(value) => literal(Value::Bool(*value)),
            ValueText::Int(value) => literal(Value::Int(*value)),
            ValueText::Double(value) => literal(Value::Double(*value)),
            ValueText::Text(text) => literal(Value::Text(text.clone().into())),
            ValueText::Bytes(bytes) => literal(Value::Bytes(bytes.clone().into())),
            ValueText::Name { at, name } => match enums::value(name) {
                Some(value) => literal(Value::Int(value)),
                None => Err(ParseError {
                    at: *at,
                    message: format!("enum symbol {name} not found"),
                    help: nearest(name, enums::names()).map(str::to_owned),
                }),
            },
            ValueText::Path(path) => Ok(Expression::Path(self.place(path)?)),
            ValueText::Call(call) => Ok(Expression::Call(Box::new(self.call(call)?))),
            ValueText::List(values) => Ok(Expression::List(
                values.iter().map(|value| self.expression(value)).collect::<Result<_, _>>()?,
            )),
            ValueText::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    map.push((key.clone(), self.expression(value)?));
                }
                Ok(Expression::Map(map))
            }
            ValueText::Math(left, sign, right) => Ok(Expression::Math(
                Box::new(self.expression(left)?),
                *sign,
                Box::new(self.expression(right)?),
            )),
            ValueText::Negated(value) => Ok(match self.expression(value)? {
                Expression::Literal(Value::Double(value)) => Expression::Literal(Value::Double(-value)),
                value => {
                    let zero = Expression::Literal(Value::Int(0));
                    Expression::Math(Box::new(zero), MathSign::Subtract, Box::new(value))
                }
            }),
        }
    }

    fn keys(&mut self, keys: &[ValueText]) -> Result<Vec<Key>, ParseError> {
        let key = |key: &ValueText| {
            Ok(match self.expression(key)? {
                Expression::Literal(Value::Text(text)) => Key::Text(text.into_owned().into()),
                Expression::Literal(Value::Int(index)) => Key::Index(index),
                computed => Key::Computed(Box::new(computed)),
            })
        };
        keys.iter().map(key).collect()
    }

    fn place(&mut self, path: &PathText) -> Result<Place, ParseError> {
        let named = Context::of_name(&path.segments[0]).filter(|_| path.segments.len() > 1);
        let context = named.unwrap_or(self.context);
        if !self.context.sees(context) {
            let message = format!(
                "context {:?} from path {:?} is not valid in the {} context",
                path.segments[0],
                path.segments.join("."),
                self.context.name()
            );
            return Err(ParseError::new(path.at, message));
        }
        let segments = &path.segments[usize::from(named.is_some())..];
        let keys = self.keys(&path.keys)?;
        self.see(context);
        let place = Place::of(context, segments, keys, self.semconv).map_err(|message| ParseError {
            at: path.at,
            message,
            help: nearest(&segments.join("."), super::path::names(context)).map(str::to_owned),
        })?;
        let asks = place.asks();
        self.asks.headers |= asks.headers;
        self.asks.sender |= asks.sender;
        Ok(place)
    }

    fn see(&mut self, context: Context) {
        self.seen |= 1 << context as u8;
    }

    fn call(&mut self, text: &CallText) -> Result<Call, ParseError> {
        let converter = functions::converter(&text.name).ok_or_else(|| undefined(text.at, &text.name))?;
        if let Some(context) = converter.looks_at {
            if !self.context.sees(context) {
                let message = format!("undefined function {:?}: it is for {}s", text.name, context.name());
                return Err(ParseError::new(text.at, message));
            }
            self.see(context);
        }
        let mut arguments = self.arguments(text, converter.params)?;
        (converter.prepare)(&mut arguments).map_err(|message| {
            ParseError::new(
                text.at,
                format!("error while parsing arguments for call to {:?}: {message}", text.name),
            )
        })?;
        Ok(Call { converter, arguments, keys: self.keys(&text.keys)? })
    }

    /// The arguments of a call, each in its parameter's place.
    pub(super) fn arguments(
        &mut self,
        call: &CallText,
        params: &[Param],
    ) -> Result<Vec<Argument>, ParseError> {
        let required = params.iter().filter(|param| !param.optional).count();
        if call.arguments.len() > params.len() || call.arguments.len() < required {
            let message = format!(
                "error while parsing arguments for call to {:?}: incorrect number of arguments. Expected: {} Received: {}",
                call.name,
                if required == params.len() {
                    required.to_string()
                } else {
                    format!("{required} to {}", params.len())
                },
                call.arguments.len()
            );
            return Err(ParseError::new(call.at, message));
        }
        let mut arguments = vec![Argument::Absent; params.len()];
        let mut named = false;
        for (position, argument) in call.arguments.iter().enumerate() {
            let place = match &argument.name {
                None if named => {
                    return Err(ParseError::new(argument.at, "unnamed argument used after named argument"));
                }
                None => position,
                Some(name) => {
                    named = true;
                    params.iter().position(|param| param.name == name).ok_or_else(|| ParseError {
                        at: argument.at,
                        message: format!("no such parameter: {name}"),
                        help: nearest(name, params.iter().map(|param| param.name)).map(str::to_owned),
                    })?
                }
            };
            if !matches!(arguments[place], Argument::Absent) {
                return Err(ParseError::new(argument.at, format!("{} is given twice", params[place].name)));
            }
            arguments[place] = self.argument(argument, &params[place], &call.name)?;
        }
        let missing = params.iter().zip(&arguments);
        let missing =
            missing.filter(|(param, argument)| !param.optional && matches!(argument, Argument::Absent));
        match missing.map(|(param, _)| param.name).next() {
            None => Ok(arguments),
            Some(name) => Err(ParseError::new(call.at, format!("{:?} needs {name}", call.name))),
        }
    }

    fn argument(&mut self, text: &ArgumentText, param: &Param, call: &str) -> Result<Argument, ParseError> {
        let wrong = |message: String| {
            ParseError::new(text.at, format!("invalid argument {} of {call:?}: {message}", param.name))
        };
        if param.kind == Kind::Function {
            let ValueText::Name { at, name } = &text.value else {
                return Err(wrong("it must be the name of a converter".into()));
            };
            let converter = functions::converter(name).ok_or_else(|| undefined(*at, name))?;
            if converter.params.iter().filter(|param| !param.optional).count() != 1 {
                return Err(wrong(format!("{name} does not take one argument")));
            }
            return Ok(Argument::Function(converter));
        }
        let expression = self.expression(&text.value)?;
        let literal = match expression.literal() {
            Some(Value::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        Ok(match (param.kind, literal) {
            (Kind::Path, _) => match expression {
                Expression::Path(place) if place.is_writable() => Argument::Place(place),
                Expression::Path(_) => return Err(wrong("the path is read-only".into())),
                _ => return Err(wrong("it must be a path".into())),
            },
            (Kind::Pattern, Some(text)) => Argument::Pattern(pattern::compile(&text).map_err(|error| {
                wrong(format!(
                    "the regex pattern supplied to {call} {text:?} is not a valid pattern: {error}"
                ))
            })?),
            (Kind::Glob, Some(text)) => Argument::Pattern(glob::compile(&text).map_err(wrong)?),
            (Kind::Choice(choices), Some(text)) => match choices.contains(&text.as_str()) {
                true => Argument::Value(expression),
                false => return Err(wrong(format!("invalid value {text:?}, must be one of {choices:?}"))),
            },
            (Kind::Choice(_) | Kind::Glob, None) => return Err(wrong("it must be a string".into())),
            (Kind::Count, _) => match expression.literal() {
                Some(Value::Int(count)) if *count >= 0 => Argument::Value(expression),
                Some(Value::Int(count)) => {
                    return Err(wrong(format!("invalid limit, {count} cannot be negative")));
                }
                _ => return Err(wrong("it must be an int".into())),
            },
            (Kind::Name, _) if self.semconv => Argument::Value(with_other_names(expression)),
            (Kind::Pattern | Kind::Value | Kind::Function | Kind::Name, _) => Argument::Value(expression),
        })
    }
}
