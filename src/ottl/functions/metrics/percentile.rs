//! `extract_percentile_metric`: a gauge of the percentile of each data point of a histogram.

use super::*;

pub(super) fn check(arguments: &[Argument]) -> Result<(), String> {
    match literal_number(arguments, 0) {
        Some(percentile) if percentile > 0.0 && percentile < 100.0 => Ok(()),
        Some(other) => Err(format!("percentile must be greater than 0 and less than 100, got {other}")),
        None => Err("percentile must be a float, written out".into()),
    }
}

pub(super) fn extract(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    let points = metric.points()?;
    if !matches!(metric.kind, HISTOGRAM | EXPONENTIAL) || points.is_empty() {
        return Ok(false);
    }
    let percentile = number(&given.value(0)?)?;
    let name = format!("p{percentile}");
    let suffix = given.utf8_or(1, "")?;
    let suffix = if suffix.is_empty() { format!("_{name}") } else { suffix };
    let mut data = Vec::new();
    for point in points {
        let value = match metric.kind {
            HISTOGRAM => of_histogram(point, percentile)?,
            _ => of_exponential(point, percentile)?,
        };
        if let Some(value) = value {
            let number = number_of(point, metric.kind, &Value::Double(value))?;
            codec::push_message(otlp::DATA_POINTS, &number, &mut data);
        }
    }
    if data.is_empty() {
        return Ok(false);
    }
    let description = match metric.text(DESCRIPTION)? {
        b"" => name.into_bytes(),
        text => [text, format!(" ({name})").as_bytes()].concat(),
    };
    let name = [metric.text(NAME)?, suffix.as_bytes()].concat();
    let made = Metric::made(&name, &description, metric.text(UNIT)?, GAUGE, &data);
    target.make(made);
    Ok(false)
}

/// Which of the counted things stands at the percentile, from 1.
fn rank(count: u64, percentile: f64) -> u64 {
    (count as f64 * (percentile / 100.0)).ceil() as u64
}

fn ratio_in(rank: u64, before: u64, count: u64) -> Result<f64, EvalError> {
    let ratio = rank.saturating_sub(before) as f64 / count as f64;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("a bucket's count is malformed".into()) }
}

fn linear(lower: f64, upper: f64, ratio: f64) -> f64 {
    lower + ratio * (upper - lower)
}

/// None where there is nothing to tell it from.
fn of_histogram(point: &[u8], percentile: f64) -> Result<Option<f64>, EvalError> {
    let count = points::number(point, COUNT)?.unwrap_or(0);
    let counts = points::numbers(point, 6, points::Packed::Fixed64)?;
    let bounds = points::doubles(point, 7)?;
    if count == 0 || counts.is_empty() {
        return Ok(None);
    }
    if counts.len() != bounds.len() + 1 {
        return Err("calculating histogram percentile: malformed data: bucketCounts length and explicitBounds length do not fit".into());
    }
    let rank = rank(count, percentile);
    let (min, max) = (points::double(point, 11)?, points::double(point, 12)?);
    if bounds.is_empty() {
        let Some((min, max)) = min.zip(max) else { return Ok(None) };
        return Ok(Some(linear(min, max, ratio_in(rank, 0, counts[0])?)));
    }
    let mut before = 0u64;
    for (at, count) in counts.iter().enumerate() {
        let after = before.saturating_add(*count);
        if after < rank {
            before = after;
            continue;
        }
        let (lower, upper) = match (at.checked_sub(1).map(|at| bounds[at]), bounds.get(at).copied()) {
            (None, Some(upper)) => match min.filter(|min| *min < upper) {
                Some(min) => (min, upper),
                None if upper < 0.0 => return Ok(Some(upper)), // below it there is no end
                None => (0.0, upper),
            },
            (Some(lower), Some(upper)) => (lower, upper),
            (lower, None) => {
                let lower = lower.unwrap_or(0.0);
                match max.filter(|max| *max > lower) {
                    Some(max) => (lower, max),
                    None => return Ok(Some(lower)),
                }
            }
        };
        return Ok(Some(linear(lower, upper, ratio_in(rank, before, *count)?)));
    }
    Err("calculating histogram percentile: malformed data: the buckets hold less than the count".into())
}

fn of_exponential(point: &[u8], percentile: f64) -> Result<Option<f64>, EvalError> {
    let count = points::number(point, COUNT)?.unwrap_or(0);
    let zero = points::number(point, 7)?.unwrap_or(0);
    let (positive, positive_offset) = buckets(point, 8)?;
    let (negative, negative_offset) = buckets(point, 9)?;
    if count == 0 || (negative.is_empty() && positive.is_empty() && zero == 0) {
        return Ok(None);
    }
    let scale = points::zigzag(points::number(point, 6)?.unwrap_or(0));
    let rank = rank(count, percentile);
    let mut before = 0u64;
    for (at, count) in negative.iter().enumerate().rev() {
        let after = before.saturating_add(*count);
        if after >= rank {
            let ratio = ratio_in(rank, before, *count)?;
            return Ok(Some(-logarithmic(negative_offset + at as i64, scale, 1.0 - ratio)?));
        }
        before = after;
    }
    if before.saturating_add(zero) >= rank {
        let threshold = points::double(point, 14)?.unwrap_or(0.0);
        let lower = if negative.is_empty() && !positive.is_empty() { 0.0 } else { -threshold };
        let upper = if positive.is_empty() && !negative.is_empty() { 0.0 } else { threshold };
        return Ok(Some(linear(lower, upper, ratio_in(rank, before, zero)?)));
    }
    before = before.saturating_add(zero);
    for (at, count) in positive.iter().enumerate() {
        let after = before.saturating_add(*count);
        if after >= rank {
            return Ok(Some(logarithmic(
                positive_offset + at as i64,
                scale,
                ratio_in(rank, before, *count)?,
            )?));
        }
        before = after;
    }
    Err("calculating exponential histogram percentile: malformed data: the buckets hold less than the count"
        .into())
}

fn buckets(point: &[u8], field: u32) -> Result<(Vec<u64>, i64), EvalError> {
    let inside = codec::payloads(point, field).last().transpose()?.unwrap_or_default();
    let offset = points::zigzag(points::number(inside, 1)?.unwrap_or(0));
    Ok((points::numbers(inside, 2, points::Packed::Varints)?, offset))
}

/// Within the bucket of this index.
fn logarithmic(index: i64, scale: i64, ratio: f64) -> Result<f64, EvalError> {
    let bound = |index: i64| match scale {
        ..=0 => (index as f64 * (-scale as f64).exp2()).exp2(),
        _ => (index as f64 * std::f64::consts::LN_2 * (-scale as f64).exp2()).exp(),
    };
    let (lower, upper) = (bound(index), bound(index.saturating_add(1)));
    if lower <= 0.0 || lower >= upper {
        return Err("logarithmic interpolation: malformed bucket bounds".into());
    }
    Ok((lower.log2() + (upper.log2() - lower.log2()) * ratio).exp2())
}
