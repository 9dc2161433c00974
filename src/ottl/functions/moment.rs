//! Converters of times and durations.

use super::{Arguments, Converter, Kind, Param, converts, optional, value};
use crate::ottl::calendar::{self, Civil, SECOND};
use crate::ottl::error::EvalError;
use crate::ottl::strftime;
use crate::ottl::value::Value;

const TIME: &[Param] = &[value("time")];
const DURATION: &[Param] = &[value("duration")];
const HOUR: f64 = 3600.0 * SECOND as f64;

pub(super) const CONVERTERS: &[Converter] = &[
    converts("Now", &[], |given| Ok(Value::Time(given.view.env.now_unix_nanos as i64))),
    converts("Duration", DURATION, |given| {
        let text = given.utf8(0)?;
        let nanos = calendar::parse_duration(&text);
        Ok(Value::Duration(nanos.ok_or_else(|| EvalError::from(format!("time: invalid duration {text:?}")))?))
    }),
    converts(
        "Time",
        &[value("time"), value("format"), optional("location", Kind::Value), optional("locale", Kind::Value)],
        |given| {
            let offset = offset_of(&given.utf8_or(2, "UTC")?)?;
            Ok(Value::Time(strftime::read(&given.utf8(0)?, &given.utf8(1)?, offset)?))
        },
    ),
    converts("FormatTime", &[value("time"), value("format")], |given| {
        Ok(Value::text(strftime::write(given.time(0)?, &given.utf8(1)?)?))
    }),
    converts("TruncateTime", &[value("time"), value("duration")], truncate),
    converts("Unix", &[value("seconds"), optional("nanoseconds", Kind::Value)], |given| {
        let nanos = if given.is_given(1) { given.int(1)? } else { 0 };
        let seconds = given.int(0)?.checked_mul(SECOND).and_then(|seconds| seconds.checked_add(nanos));
        Ok(Value::Time(seconds.ok_or("the time is out of range")?))
    }),
    converts("UnixSeconds", TIME, |given| Ok(Value::Int(given.time(0)?.div_euclid(SECOND)))),
    converts("UnixMilli", TIME, |given| Ok(Value::Int(given.time(0)?.div_euclid(1_000_000)))),
    converts("UnixMicro", TIME, |given| Ok(Value::Int(given.time(0)?.div_euclid(1000)))),
    converts("UnixNano", TIME, |given| Ok(Value::Int(given.time(0)?))),
    converts("Nanoseconds", DURATION, |given| Ok(Value::Int(given.duration(0)?))),
    converts("Microseconds", DURATION, |given| Ok(Value::Int(given.duration(0)? / 1000))),
    converts("Milliseconds", DURATION, |given| Ok(Value::Int(given.duration(0)? / 1_000_000))),
    converts("Seconds", DURATION, |given| Ok(Value::Double(given.duration(0)? as f64 / SECOND as f64))),
    converts("Minutes", DURATION, |given| {
        Ok(Value::Double(given.duration(0)? as f64 / (60.0 * SECOND as f64)))
    }),
    converts("Hours", DURATION, |given| Ok(Value::Double(given.duration(0)? as f64 / HOUR))),
    converts("Year", TIME, |given| part(given, |at| at.year)),
    converts("Month", TIME, |given| part(given, |at| at.month)),
    converts("Day", TIME, |given| part(given, |at| at.day)),
    converts("Hour", TIME, |given| part(given, |at| at.hour)),
    converts("Minute", TIME, |given| part(given, |at| at.minute)),
    converts("Second", TIME, |given| part(given, |at| at.second)),
    converts("Nanosecond", TIME, |given| part(given, |at| at.nano)),
    converts("Weekday", TIME, |given| part(given, Civil::weekday)),
];

fn part<'v>(given: &Arguments<'v>, part: fn(Civil) -> i64) -> Result<Value<'v>, EvalError> {
    Ok(Value::Int(part(calendar::civil(given.time(0)?))))
}

/// The offset of a zone that needs no database.
fn offset_of(zone: &str) -> Result<i64, EvalError> {
    match zone {
        "UTC" | "GMT" | "Etc/UTC" | "Local" | "" => Ok(0),
        _ => Err(format!("unknown time zone {zone}: only UTC is known here; write the offset into the text and read it with %z").into()),
    }
}

/// Go counts from the year 1, so durations that do not divide a week fall differently than from 1970.
fn truncate<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    const FROM_YEAR_ONE: i128 = 62_135_596_800 * SECOND as i128;
    let (nanos, duration) = (given.time(0)?, given.duration(1)?);
    if duration <= 0 {
        return Ok(Value::Time(nanos));
    }
    let beyond = (i128::from(nanos) + FROM_YEAR_ONE).rem_euclid(i128::from(duration));
    Ok(Value::Time(nanos.saturating_sub(beyond as i64)))
}

/// A time as Go's RFC 3339 with nanoseconds.
pub(in crate::ottl) fn rfc3339(nanos: i64) -> String {
    let text = strftime::write(nanos, "%Y-%m-%dT%H:%M:%S.%s").unwrap_or_default();
    format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
}
