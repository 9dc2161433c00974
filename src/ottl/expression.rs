//! Compiled values and conditions, and their evaluation.

use std::borrow::Cow;

use super::compare;
use super::env::Env;
use super::error::EvalError;
use super::functions::{Argument, Arguments, Converter};
use super::path::{Key, Place, step_all};
use super::syntax::{Comparison, MathSign};
use super::target::Target;
use super::value::Value;

/// What an evaluation sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'v> {
    pub(super) target: &'v Target<'v>,
    pub(super) env: &'v Env<'v>,
}

/// Anything with a value.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Literal(Value<'static>),
    Path(Place),
    Call(Box<Call>),
    List(Vec<Self>),
    Map(Vec<(Vec<u8>, Self)>),
    Math(Box<Self>, MathSign, Box<Self>),
}

/// A converter with its arguments, perhaps indexed.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) converter: &'static Converter,
    pub(super) arguments: Vec<Argument>,
    pub(super) keys: Vec<Key>,
}

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Literal(bool),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Box<(Expression, Expression)>, Comparison),
    /// An attribute that is compared with a string: the most frequent question. True = `==`.
    AttributeIs(Place, Box<[u8]>, bool),
    /// A converter that gives a bool.
    Call(Box<Call>),
}

impl Test {
    /// Whether it holds; what is not needed is not evaluated.
    #[inline]
    pub(super) fn holds(&self, view: View<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Literal(value) => Ok(*value),
            Self::Compare(sides, comparison) => {
                compare::holds(&sides.0.value(view)?, *comparison, &sides.1.value(view)?)
            }
            Self::AttributeIs(place, text, equal) => Ok(place.is_text(view, text)? == *equal),
            Self::Not(inner) => Ok(!inner.holds(view)?),
            Self::And(parts) => {
                for part in parts {
                    if !part.holds(view)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(parts) => {
                for part in parts {
                    if part.holds(view)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Call(call) => match call.value(view)? {
                Value::Bool(value) => Ok(value),
                other => Err(format!(
                    "value returned from a converter in constant expression must be bool but got {}",
                    other.kind()
                )
                .into()),
            },
        }
    }
}

impl Expression {
    /// The value.
    #[inline]
    pub(super) fn value<'v>(&'v self, view: View<'v>) -> Result<Value<'v>, EvalError> {
        match self {
            Self::Literal(value) => Ok(value.borrowed()),
            Self::Path(place) => place.get(view),
            _ => self.composed(view),
        }
    }

    fn composed<'v>(&'v self, view: View<'v>) -> Result<Value<'v>, EvalError> {
        match self {
            Self::Literal(value) => Ok(value.borrowed()),
            Self::Path(place) => place.get(view),
            Self::Call(call) => call.value(view),
            Self::List(values) => {
                let values = values.iter().map(|value| value.value(view)).collect::<Result<Vec<_>, _>>()?;
                Value::list(values)
            }
            Self::Map(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    values.push((key, value.value(view)?));
                }
                Value::map(values)
            }
            Self::Math(left, sign, right) => math(left.value(view)?, *sign, right.value(view)?),
        }
    }

    /// The value, if it is written out.
    pub(super) fn literal(&self) -> Option<&Value<'static>> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }
}

impl Call {
    /// What the converter gives.
    pub(super) fn value<'v>(&'v self, view: View<'v>) -> Result<Value<'v>, EvalError> {
        let value = (self.converter.call)(&Arguments::new(&self.arguments, view))?;
        if self.keys.is_empty() { Ok(value) } else { step_all(value, &self.keys, view) }
    }
}

fn math(left: Value<'_>, sign: MathSign, right: Value<'_>) -> Result<Value<'static>, EvalError> {
    use MathSign::*;
    use Value::*;
    Ok(match (left, right) {
        (Int(a), Int(b)) => Int(match sign {
            Add => a.wrapping_add(b),
            Subtract => a.wrapping_sub(b),
            Multiply => a.wrapping_mul(b),
            Divide if b == 0 => return Err("attempted to divide by 0".into()),
            Divide => a.wrapping_div(b),
        }),
        (Double(a), Double(b)) => Double(match sign {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide if b == 0.0 => return Err("attempted to divide by 0".into()),
            Divide => a / b,
        }),
        (Time(a), Time(b)) if sign == Subtract => Duration(a.nanos.saturating_sub(b.nanos)),
        (Time(a), Duration(b)) if sign == Add => Time(a.at(a.nanos.wrapping_add(b))),
        (Duration(a), Time(b)) if sign == Add => Time(b.at(a.wrapping_add(b.nanos))),
        (Time(a), Duration(b)) if sign == Subtract => Time(a.at(a.nanos.wrapping_sub(b))),
        (Duration(a), Duration(b)) if sign == Add => Duration(a.wrapping_add(b)),
        (Duration(a), Duration(b)) if sign == Subtract => Duration(a.wrapping_sub(b)),
        (a, b) => {
            let sign = match sign {
                Add => "add",
                Subtract => "subtract",
                Multiply => "multiply",
                Divide => "divide",
            };
            return Err(EvalError(Cow::Owned(format!("cannot {sign} {} and {}", a.kind(), b.kind()))));
        }
    })
}
