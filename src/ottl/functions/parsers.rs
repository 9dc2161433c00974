//! Converters that take texts apart, or ask what they are.

use core::net::IpAddr;
use std::sync::Arc;

use super::{Argument, Arguments, Converter, Made, converts, value};
use crate::ottl::error::EvalError;
use crate::ottl::expression::Expression;
use crate::ottl::url;
use crate::ottl::user_agent;
use crate::ottl::value::Value;

pub(super) const CONVERTERS: &[Converter] = &[
    converts("ParseJSON", &[value("target")], parse_json),
    converts("URL", &[value("url_string")], parse_url),
    converts("ParseInt", &[value("target"), value("base")], parse_int),
    Converter {
        prepare: prepare_networks,
        ..converts("IsInCIDR", &[value("target"), value("networks")], is_in_cidr)
    },
    Converter {
        prepare: |_| user_agent::prepare(),
        ..converts("UserAgent", &[value("user_agent")], parse_user_agent)
    },
    converts("IsValidLuhn", &[value("target")], is_valid_luhn),
];

fn parse_json<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let parsed: serde_json::Value = serde_json::from_str(&given.utf8(0)?)
        .map_err(|error| EvalError::from(format!("could not parse JSON: {error}")))?;
    match parsed {
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => of_json(parsed),
        _ => Err("could not convert parsed value to JSON object".into()),
    }
}

/// All numbers are floats, as in Go.
fn of_json(json: serde_json::Value) -> Result<Value<'static>, EvalError> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Double(number.as_f64().ok_or("a number is out of range")?),
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::list(values.into_iter().map(of_json).collect::<Result<Vec<_>, _>>()?)?,
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| Ok::<_, EvalError>((key, of_json(value)?)));
            Value::map(entries.collect::<Result<Vec<_>, _>>()?)?
        }
    })
}

fn parse_url<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let text = given.utf8(0)?;
    if text.is_empty() {
        return Err("url cannot be empty".into());
    }
    let wrong = |what: &str| EvalError::from(format!("parse {text:?}: {what}"));
    let Some(query) = text.strip_prefix('?') else {
        return Value::map(url::parts(&text).map_err(wrong)?);
    };
    let mut values = Vec::new();
    for (key, list) in url::query(query).map_err(wrong)? {
        values.push((key, Value::list(list.into_iter().map(Value::text))?));
    }
    if values.is_empty() { Value::map::<&str>([]) } else { Value::map([("query", Value::map(values)?)]) }
}

fn parse_user_agent<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let header = given.utf8(0)?;
    let user_agent::UserAgent { program, system } = user_agent::read(&header)?;
    let mut entries = vec![("os.name", system.name)];
    if !system.version.is_empty() {
        entries.push(("os.version", system.version));
    }
    entries.extend([
        ("user_agent.name", program.name),
        ("user_agent.original", header),
        ("user_agent.version", program.version),
    ]);
    Value::map(entries.into_iter().map(|(key, text)| (key, Value::text(text))))
}

/// Base 0 is that of the prefix: `0x`, `0o`, `0`, `0b`, where digits may also be parted by `_`.
fn parse_int<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (text, base) = (given.utf8(0)?, given.int(1)?);
    let wrong = || EvalError::from(format!("cannot parse {text:?} in base {base}"));
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { "-" } else { "" }, digits),
        None => ("", &*text),
    };
    let (radix, digits) = match base {
        0 => prefixed(digits),
        2..=36 => (base as u32, digits.to_owned()),
        _ => return Err(wrong()),
    };
    if digits.starts_with(['-', '+']) {
        return Err(wrong());
    }
    Ok(Value::Int(i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| wrong())?))
}

fn prefixed(digits: &str) -> (u32, String) {
    let lower = digits.to_ascii_lowercase();
    let radix = match lower.get(..2) {
        Some("0x") => 16,
        Some("0b") => 2,
        Some("0o") => 8,
        _ => 0,
    };
    let (radix, digits) = match radix {
        0 if lower.starts_with('0') && lower.len() > 1 => (8, &lower[1..]),
        0 => (10, &lower[..]),
        radix => (radix, &lower[2..]),
    };
    let parted = digits.split('_').skip(1).all(|part| !part.is_empty());
    (radix, if parted { digits.replace('_', "") } else { digits.to_owned() })
}

/// An address, and how many of its bits count.
#[derive(Clone, Copy, Debug)]
pub(in crate::ottl) struct Network(IpAddr, u32);

impl Network {
    fn of(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid CIDR address: {text}");
        let (base, length) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        if length <= longest { Ok(Self(base, length)) } else { Err(wrong()) }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (address, self.0) {
            (IpAddr::V4(address), IpAddr::V4(base)) => {
                let mask = u32::MAX.checked_shl(32 - self.1).unwrap_or(0);
                address.to_bits() & mask == base.to_bits() & mask
            }
            (IpAddr::V6(address), IpAddr::V6(base)) => {
                let mask = u128::MAX.checked_shl(128 - self.1).unwrap_or(0);
                address.to_bits() & mask == base.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Networks that are all written out are read once.
fn prepare_networks(arguments: &mut [Argument]) -> Result<(), String> {
    let Some(argument @ Argument::Value(Expression::List(_))) = arguments.get_mut(1) else { return Ok(()) };
    let Argument::Value(Expression::List(values)) = &*argument else { return Ok(()) };
    let mut networks = Vec::with_capacity(values.len());
    for value in values {
        let Some(Value::Text(text)) = value.literal() else { return Ok(()) };
        networks.push(Network::of(&String::from_utf8_lossy(text))?);
    }
    *argument = Argument::Made(Arc::new(Made::Networks(networks)));
    Ok(())
}

fn is_in_cidr<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let Ok(address) = given.utf8(0)?.parse::<IpAddr>() else { return Ok(Value::Bool(false)) };
    let address = address.to_canonical();
    if let Some(Made::Networks(networks)) = given.made(1) {
        return Ok(Value::Bool(networks.iter().any(|network| network.contains(address))));
    }
    for network in given.texts(1)? {
        if Network::of(&String::from_utf8_lossy(&network))?.contains(address) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn is_valid_luhn<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let text = given.text_like(0)?.ok_or("invalid input: <nil>")?;
    let mut sum = 0;
    let mut digits = 0;
    for byte in text.iter().rev().filter(|byte| **byte != b' ') {
        let digit = char::from(*byte).to_digit(10).ok_or("invalid input: not a digit")?;
        let doubled = if digits % 2 == 1 { digit * 2 } else { digit };
        sum = (sum + if doubled > 9 { doubled - 9 } else { doubled }) % 10;
        digits += 1;
    }
    Ok(Value::Bool(digits > 0 && sum == 0))
}
