//! Converters of what log records hold: severities by criteria, flows of packets.

use core::net::IpAddr;
use std::sync::Arc;

use super::{Argument, Arguments, Converter, Kind, Made, base64, converts, optional, value};
use crate::digest::Digest;
use crate::ottl::error::EvalError;
use crate::ottl::expression::Expression;
use crate::ottl::value::Value;

pub(super) const CONVERTERS: &[Converter] = &[
    Converter {
        prepare: prepare_severity,
        ..converts("ParseSeverity", &[value("target"), value("mapping")], parse_severity)
    },
    converts(
        "CommunityID",
        &[
            value("source_ip"),
            value("source_port"),
            value("destination_ip"),
            value("destination_port"),
            optional("protocol", Kind::Value),
            optional("seed", Kind::Value),
        ],
        community_id,
    ),
];

/// Levels, each with what it is given for.
#[derive(Debug)]
pub(in crate::ottl) struct Severities(Vec<(Vec<u8>, Vec<Criterion>)>);

#[derive(Debug)]
enum Criterion {
    Equals(Vec<u8>),
    Range(i64, i64),
}

/// The mapping is made once; it must be written out.
fn prepare_severity(arguments: &mut [Argument]) -> Result<(), String> {
    let Some(Argument::Value(Expression::Map(levels))) = arguments.get(1) else {
        return Err("severity mapping must be a literal PMap".into());
    };
    let mut severities = Vec::new();
    for (level, criteria) in levels {
        let Expression::List(criteria) = criteria else {
            return Err("severity mapping criteria must be a list".into());
        };
        let mut read = Vec::new();
        for criterion in criteria {
            let Expression::Map(criterion) = criterion else {
                return Err("severity mapping criteria items must be maps".into());
            };
            criteria_of(criterion, &mut read)
                .map_err(|wrong| format!("invalid severity mapping criteria: {wrong}"))?;
        }
        severities.push((level.clone(), read));
    }
    arguments[1] = Argument::Made(Arc::new(Made::Severities(Severities(severities))));
    Ok(())
}

fn get<'m>(map: &'m [(Vec<u8>, Expression)], key: &str) -> Option<&'m Expression> {
    map.iter().rev().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
}

fn criteria_of(map: &[(Vec<u8>, Expression)], out: &mut Vec<Criterion>) -> Result<(), String> {
    match get(map, "equals") {
        None => {}
        Some(Expression::List(values)) => {
            for value in values {
                match value.literal() {
                    Some(Value::Text(text)) => out.push(Criterion::Equals(text.to_vec())),
                    _ => return Err("equals values must be strings".into()),
                }
            }
        }
        Some(_) => return Err("equals must be a list".into()),
    }
    out.push(match get(map, "range") {
        None => return Ok(()),
        Some(Expression::Map(range)) => {
            let bound = |name: &str| match get(range, name).map(Expression::literal) {
                None => Err(format!("range must have a {name} value")),
                Some(Some(Value::Int(bound))) => Ok(*bound),
                Some(_) => Err(format!("{name} must be an int64")),
            };
            Criterion::Range(bound("min")?, bound("max")?)
        }
        Some(Expression::Literal(Value::Text(text))) => match &**text {
            b"2xx" => Criterion::Range(200, 299),
            b"3xx" => Criterion::Range(300, 399),
            b"4xx" => Criterion::Range(400, 499),
            b"5xx" => Criterion::Range(500, 599),
            other => return Err(format!("unknown range placeholder: {}", String::from_utf8_lossy(other))),
        },
        Some(_) => return Err("range must be a map or a known placeholder string".into()),
    });
    Ok(())
}

/// The first level in the mapping's order that the value meets; the Collector takes any of several.
fn parse_severity<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let Some(Made::Severities(Severities(levels))) = given.made(1) else {
        return Err("severity mapping must be a literal PMap".into());
    };
    let value = given.value(0)?;
    let meets = |criterion: &Criterion| match (criterion, &value) {
        (Criterion::Equals(wanted), Value::Text(text)) => **text == **wanted,
        (Criterion::Range(min, max), Value::Int(number)) => (min..=max).contains(&number),
        _ => false,
    };
    if !matches!(value, Value::Text(_) | Value::Int(_)) {
        return Err(format!("could not map log level: unsupported value type: {}", value.kind()).into());
    }
    let level = levels.iter().find(|(_, criteria)| criteria.iter().any(meets));
    let level = level.ok_or("could not map log level: no matching log level found")?;
    Ok(Value::Text(level.0.as_slice().into()))
}

fn endpoint(given: &Arguments<'_>, at: usize, name: &str) -> Result<(Vec<u8>, u16), EvalError> {
    let (text, port) = (given.utf8(at)?, given.int(at + 1)?);
    let port = u16::try_from(port)
        .map_err(|_| EvalError::from(format!("{name} port must be between 0 and 65535, got {port}")))?;
    let address: IpAddr = text.parse().map_err(|_| EvalError::from(format!("invalid {name} IP: {text}")))?;
    Ok(match address.to_canonical() {
        IpAddr::V4(address) => (address.octets().to_vec(), port),
        IpAddr::V6(address) => (address.octets().to_vec(), port),
    })
}

/// The Community ID of a flow, version 1: the same in both directions.
fn community_id<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let mut ends = [endpoint(given, 0, "source")?, endpoint(given, 2, "destination")?];
    let protocol: u8 = match given.utf8_or(4, "TCP")?.as_str() {
        "ICMP" => 1,
        "TCP" => 6,
        "UDP" => 17,
        "RSVP" => 46,
        "ICMP6" => 58,
        "SCTP" => 132,
        other => return Err(format!("unsupported protocol: {other}").into()),
    };
    let seed = if given.is_given(5) { given.int(5)? } else { 0 };
    let seed = u16::try_from(seed)
        .map_err(|_| EvalError::from(format!("seed must be between 0 and 65535, got {seed}")))?;
    ends.sort_by(|a, b| (a.0.len(), &a.0, a.1).cmp(&(b.0.len(), &b.0, b.1)));
    let mut tuple = seed.to_be_bytes().to_vec();
    ends.iter().for_each(|(address, _)| tuple.extend_from_slice(address));
    tuple.extend([protocol, 0]);
    ends.iter().for_each(|(_, port)| tuple.extend(port.to_be_bytes()));
    Ok(Value::text(format!("1:{}", base64(&Digest::Sha1.bytes(&tuple)))))
}
