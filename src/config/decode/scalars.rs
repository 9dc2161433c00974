//! How single values are read, strictly: no number becomes text, no text a number.

use std::time::Duration;

use crate::config::duration;
use crate::config::print::Printed;
use crate::config::tree::{Node, Typed, Value};

/// Why a value was refused; the caller knows the key and the place.
pub(in crate::config) enum Bad {
    /// It is not of the type that is named here.
    Type(&'static str),
    /// It has the type but not the form.
    Form(String),
    /// It is a negative number where this type has none.
    Negative(&'static str),
}

/// A type that a key can have.
pub(in crate::config) trait Scalar: Sized {
    /// What an explicit `null` means: the zero value, not the default.
    fn zero() -> Result<Self, Bad>;
    fn read(node: &Node) -> Result<Self, Bad>;
    fn print(&self) -> Printed;
}

impl Scalar for String {
    fn zero() -> Result<Self, Bad> {
        Ok(Self::new())
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        if let Some(original) = &node.expanded {
            return Ok(original.clone());
        }
        match node.typed() {
            Typed::Text(text) => Ok(text.to_owned()),
            _ => Err(Bad::Type("string")),
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(self.clone())
    }
}

impl Scalar for bool {
    fn zero() -> Result<Self, Bad> {
        Ok(false)
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match node.typed() {
            Typed::Bool(value) => Ok(value),
            _ => Err(Bad::Type("bool")),
        }
    }

    fn print(&self) -> Printed {
        Printed::Bool(*self)
    }
}

impl Scalar for f64 {
    fn zero() -> Result<Self, Bad> {
        Ok(0.0)
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match node.typed() {
            Typed::Float(value) if value.is_finite() => Ok(value),
            Typed::Float(_) => Err(Bad::Form("must be a finite number".into())),
            Typed::Int(value) => Ok(value as f64),
            _ => Err(Bad::Type("float64")),
        }
    }

    fn print(&self) -> Printed {
        Printed::Float(*self)
    }
}

macro_rules! integers {
    ($($name:ident $shown:literal),*) => {$(
        impl Scalar for $name {
            fn zero() -> Result<Self, Bad> {
                Ok(0)
            }

            fn read(node: &Node) -> Result<Self, Bad> {
                match node.typed() {
                    Typed::Int(value) if value < 0 && Self::MIN == 0 => Err(Bad::Negative($shown)),
                    Typed::Int(value) => Self::try_from(value).map_err(|_| {
                        Bad::Form(format!("must be between {} and {}", Self::MIN, Self::MAX))
                    }),
                    // The Collector cuts fractions.
                    Typed::Float(value) if value.abs() < 1e15 => Self::try_from(value as i64)
                        .map_err(|_| Bad::Form(format!("must be between {} and {}", Self::MIN, Self::MAX))),
                    _ => Err(Bad::Type($shown)),
                }
            }

            fn print(&self) -> Printed {
                Printed::Int(i128::from(*self))
            }
        }
    )*};
}

integers!(u16 "uint16", u32 "uint32", u64 "uint64", i64 "int64");

/// A whole number whose fraction is cut, as the Collector cuts it.
#[derive(Clone, Copy)]
pub(in crate::config) struct Cut(pub i64);

impl Scalar for Cut {
    fn zero() -> Result<Self, Bad> {
        Ok(Self(0))
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match node.typed() {
            Typed::Float(value) if value.abs() < 9e18 => Ok(Self(value as i64)),
            _ => i64::read(node).map(Self),
        }
    }

    fn print(&self) -> Printed {
        self.0.print()
    }
}

/// A number of things, at least one.
#[derive(Clone, Copy)]
pub(in crate::config) struct Count(pub usize);

impl Scalar for Count {
    fn zero() -> Result<Self, Bad> {
        Err(Bad::Form("must be positive".into()))
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match node.typed() {
            Typed::Int(value) if value > 0 => {
                usize::try_from(value).map(Self).map_err(|_| Bad::Form("is too large".into()))
            }
            Typed::Int(_) => Err(Bad::Form("must be positive".into())),
            _ => Err(Bad::Type("int")),
        }
    }

    fn print(&self) -> Printed {
        Printed::Int(self.0 as i128)
    }
}

/// Bytes: an integer, or text such as `64MiB`. At least one byte.
#[derive(Clone, Copy)]
pub(in crate::config) struct Size(pub usize);

impl Scalar for Size {
    fn zero() -> Result<Self, Bad> {
        Err(Bad::Form("must be positive".into()))
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        let bytes = match node.typed() {
            Typed::Int(value) => u64::try_from(value).ok(),
            Typed::Text(text) => Some(
                duration::parse_size(text)
                    .ok_or_else(|| Bad::Form("is not a size; write bytes or 64MiB".into()))?,
            ),
            _ => return Err(Bad::Type("size (bytes, or text such as 64MiB)")),
        };
        match bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(Bad::Form("must be positive".into())),
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(duration::print_size(self.0 as u64))
    }
}

impl Scalar for Duration {
    fn zero() -> Result<Self, Bad> {
        Ok(Self::ZERO)
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match u64::try_from(nanoseconds(node)?) {
            Ok(nanos) => Ok(Self::from_nanos(nanos)),
            Err(_) => Err(Bad::Form("value must be greater than or equal to 0".into())),
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(duration::print(*self))
    }
}

fn nanoseconds(node: &Node) -> Result<i64, Bad> {
    match node.typed() {
        Typed::Int(value) => i64::try_from(value).map_err(|_| Bad::Form("duration too large".into())),
        Typed::Float(value) if value.abs() < 1e15 => Ok(value as i64),
        Typed::Text(text) => duration::parse(text).map_err(|reason| Bad::Form(format!("time: {reason}"))),
        _ => Err(Bad::Type("time.Duration")),
    }
}

/// A time to wait: a duration where a negative one, which the Collector takes too, is none.
#[derive(Clone, Copy)]
pub(in crate::config) struct Wait(pub Duration);

impl Scalar for Wait {
    fn zero() -> Result<Self, Bad> {
        Ok(Self(Duration::ZERO))
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        Ok(Self(Duration::from_nanos(nanoseconds(node)?.max(0).unsigned_abs())))
    }

    fn print(&self) -> Printed {
        self.0.print()
    }
}

/// A list of texts; one text is split at its commas.
impl Scalar for Vec<String> {
    fn zero() -> Result<Self, Bad> {
        Ok(Self::new())
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match &node.value {
            Value::List(items) => items
                .iter()
                .map(|item| if item.is_null() { Ok(String::new()) } else { String::read(item) })
                .collect::<Result<_, _>>()
                .map_err(|_| Bad::Type("list of strings")),
            Value::Scalar { .. } => match String::read(node) {
                Ok(text) if text.is_empty() => Ok(Self::new()),
                Ok(text) => Ok(text.split(',').map(str::to_owned).collect()),
                Err(_) => Err(Bad::Type("list of strings")),
            },
            Value::Map(_) => Err(Bad::Type("list of strings")),
        }
    }

    fn print(&self) -> Printed {
        Printed::List(self.iter().map(String::print).collect())
    }
}
