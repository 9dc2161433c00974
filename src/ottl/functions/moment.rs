//! Converters of times and durations.

use std::sync::Arc;

use super::{Argument, Arguments, Converter, Kind, Made, Param, converts, literal_text, optional, value};
use crate::ottl::calendar::{self, Civil, SECOND};
use crate::ottl::error::EvalError;
use crate::ottl::strftime;
use crate::ottl::value::Value;
use crate::ottl::zone::{Moment, Zone};

const TIME: &[Param] = &[value("time")];
const DURATION: &[Param] = &[value("duration")];
const HOUR: f64 = 3600.0 * SECOND as f64;

pub(super) const CONVERTERS: &[Converter] = &[
    converts("Now", &[], |given| Ok(Value::Time(Moment::utc(given.view.env.now_unix_nanos as i64)))),
    converts("Duration", DURATION, |given| {
        let text = given.utf8(0)?;
        let nanos = calendar::parse_duration(&text);
        Ok(Value::Duration(nanos.ok_or_else(|| EvalError::from(format!("time: invalid duration {text:?}")))?))
    }),
    Converter {
        prepare: prepare_time,
        ..converts(
            "Time",
            &[
                value("time"),
                value("format"),
                optional("location", Kind::Value),
                optional("locale", Kind::Value),
            ],
            time,
        )
    },
    Converter {
        prepare: |arguments| literal_text(arguments, 1).map_or(Ok(()), |format| strftime::check(&format)),
        ..converts("FormatTime", &[value("time"), value("format")], |given| {
            Ok(Value::text(strftime::write(&given.time(0)?, &given.utf8(1)?)?))
        })
    },
    converts("TruncateTime", &[value("time"), value("duration")], truncate),
    converts("Unix", &[value("seconds"), optional("nanoseconds", Kind::Value)], |given| {
        let nanos = if given.is_given(1) { given.int(1)? } else { 0 };
        let seconds = given.int(0)?.checked_mul(SECOND).and_then(|seconds| seconds.checked_add(nanos));
        Ok(Value::Time(Moment::utc(seconds.ok_or("the time is out of range")?)))
    }),
    converts("UnixSeconds", TIME, |given| since(given, SECOND)),
    converts("UnixMilli", TIME, |given| since(given, 1_000_000)),
    converts("UnixMicro", TIME, |given| since(given, 1000)),
    converts("UnixNano", TIME, |given| since(given, 1)),
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

fn since(given: &Arguments<'_>, unit: i64) -> Result<Value<'static>, EvalError> {
    Ok(Value::Int(given.time(0)?.nanos.div_euclid(unit)))
}

fn part<'v>(given: &Arguments<'v>, part: fn(Civil) -> i64) -> Result<Value<'v>, EvalError> {
    Ok(Value::Int(part(given.time(0)?.civil())))
}

fn prepare_time(arguments: &mut [Argument]) -> Result<(), String> {
    if let Some(format) = literal_text(arguments, 1) {
        strftime::check(&format)?;
    }
    if let Some(locale) = literal_text(arguments, 3)
        && locale != "en"
        && !locale.starts_with("en-")
    {
        return Err(format!(
            "unsupported locale '{locale}': names of months and days are read in English only"
        ));
    }
    let zone = literal_text(arguments, 2).map(|name| Zone::named(&name)).transpose()?;
    if let (Some(zone), Some(argument)) = (zone, arguments.get_mut(2)) {
        *argument = Argument::Made(Arc::new(Made::Zone(zone)));
    }
    Ok(())
}

fn time<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let zone = match given.made(2) {
        Some(Made::Zone(zone)) => zone.clone(),
        _ => Zone::named(&given.utf8_or(2, "")?)?,
    };
    let text = given.utf8(0)?;
    if text.is_empty() {
        return Err("time cannot be nil".into());
    }
    let now = given.view.env.now_unix_nanos as i64;
    Ok(Value::Time(strftime::read(&text, &given.utf8(1)?, &zone, now)?))
}

/// Go counts from the year 1, so durations that do not divide a week fall differently than from 1970.
fn truncate<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    const FROM_YEAR_ONE: i128 = 62_135_596_800 * SECOND as i128;
    let (moment, duration) = (given.time(0)?, given.duration(1)?);
    if duration <= 0 {
        return Ok(Value::Time(moment));
    }
    let beyond = (i128::from(moment.nanos) + FROM_YEAR_ONE).rem_euclid(i128::from(duration));
    Ok(Value::Time(moment.at(moment.nanos.saturating_sub(beyond as i64))))
}

/// A time as Go's RFC 3339 with nanoseconds.
pub(in crate::ottl) fn rfc3339(moment: &Moment) -> String {
    let text = strftime::write(moment, "%Y-%m-%dT%H:%M:%S.%s").unwrap_or_default();
    let zone = match moment.zone.offset_seconds(moment.nanos) {
        0 => "Z".to_owned(),
        _ => strftime::write(moment, "%j").unwrap_or_default(),
    };
    text + &zone
}
