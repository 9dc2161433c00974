//! Scaling, and fewer buckets.

use super::convert::write;
use super::*;

/// Bounds that are this near are the same.
const EPSILON: f64 = 1e-12;
/// Longest product that is scaled in place: fields of a data point that hold floats.
const SUM_MIN_MAX: [u32; 3] = [POINT_SUM, 11, 12];

pub(super) fn scale(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    let by = number(&given.value(0)?)?;
    let mut scaled = Vec::new();
    for point in metric.points()? {
        scaled.push(match metric.kind {
            GAUGE | SUM => scaled_number(point, by)?,
            HISTOGRAM => scaled_histogram(point, by)?,
            SUMMARY => scaled_summary(point, by)?,
            _ => return Err("exponential histograms are not supported by the 'scale_metric' function".into()),
        });
    }
    if metric.kind == 0 || metric.kind == EXPONENTIAL {
        return Err("the 'scale_metric' function does not support this kind of metric".into());
    }
    let mut written = metric.with_points(&scaled)?;
    if given.is_given(1) {
        let mut unit = Vec::new();
        codec::push_message(UNIT, &given.text(1)?, &mut unit);
        written = points::replace(&written, &[UNIT], &unit)?;
    }
    write(target, written);
    Ok(true)
}

/// The message with the float in a field multiplied, where there is one.
fn times(message: &[u8], field: u32, by: f64) -> Result<Vec<u8>, EvalError> {
    let Some(value) = points::double(message, field)? else { return Ok(message.to_vec()) };
    let mut new = Vec::new();
    codec::push_fixed64(field, (value * by).to_bits(), &mut new);
    Ok(points::replace(message, &[field], &new)?)
}

/// A number or exemplar: its value is a float or a whole number.
fn scaled_value(message: &[u8], double: u32, int: u32, by: f64) -> Result<Vec<u8>, EvalError> {
    let message = times(message, double, by)?;
    let Some(value) = points::number(&message, int)? else { return Ok(message) };
    let mut new = Vec::new();
    codec::push_fixed64(int, ((value as i64) as f64 * by) as i64 as u64, &mut new);
    Ok(points::replace(&message, &[int], &new)?)
}

fn scaled_number(point: &[u8], by: f64) -> Result<Vec<u8>, EvalError> {
    scaled_value(point, AS_DOUBLE, AS_INT, by)
}

fn scaled_histogram(point: &[u8], by: f64) -> Result<Vec<u8>, EvalError> {
    let mut out = point.to_vec();
    for field in SUM_MIN_MAX {
        out = times(&out, field, by)?;
    }
    let bounds: Vec<f64> = points::doubles(&out, 7)?.into_iter().map(|bound| bound * by).collect();
    let mut fields = Vec::new();
    points::push_doubles(7, &bounds, &mut fields);
    out = points::replace(&out, &[7], &fields)?;
    each_inside(&out, 8, |exemplar| scaled_value(exemplar, 3, 6, by))
}

fn scaled_summary(point: &[u8], by: f64) -> Result<Vec<u8>, EvalError> {
    let out = times(point, POINT_SUM, by)?;
    each_inside(&out, 6, |quantile| times(quantile, 2, by))
}

/// The message with each message of a repeated field changed.
fn each_inside(
    message: &[u8],
    field: u32,
    mut change: impl FnMut(&[u8]) -> Result<Vec<u8>, EvalError>,
) -> Result<Vec<u8>, EvalError> {
    let mut fields = Vec::new();
    for inner in codec::payloads(message, field) {
        codec::push_message(field, &change(inner?)?, &mut fields);
    }
    Ok(points::replace(message, &[field], &fields)?)
}

pub(super) fn check_merge(arguments: &[Argument]) -> Result<(), String> {
    let limits = match arguments.get(1) {
        Some(Argument::Value(method)) => {
            matches!(method.literal(), Some(Value::Text(name)) if **name == *b"limit_buckets")
        }
        _ => false,
    };
    match literal_number(arguments, 0) {
        Some(limit) if limits => buckets_max(limit).map(|_| ()).map_err(|error| error.to_string()),
        _ => Ok(()),
    }
}

fn buckets_max(limit: f64) -> Result<usize, EvalError> {
    if limit < 1.0 || limit.fract() != 0.0 || limit > i64::MAX as f64 {
        let message =
            format!("target_value must be a positive integer when method is \"limit_buckets\", got {limit}");
        return Err(message.into());
    }
    Ok(limit as usize)
}

/// A histogram's data point with a bound taken away, or with neighbours merged until there are few enough buckets.
pub(super) fn merge_buckets(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let message = target.message(Context::DataPoint);
    if message.data() != HISTOGRAM {
        return Ok(false);
    }
    let target_value = number(&given.value(0)?)?;
    let point = message.bytes();
    let mut bounds = points::doubles(point, 7)?;
    let mut counts = points::numbers(point, 6, points::Packed::Fixed64)?;
    if bounds.len() + 1 != counts.len() || counts.len() == 1 {
        return Ok(false);
    }
    if given.utf8_or(1, "remove_explicit_bound")? == "limit_buckets" {
        let most = buckets_max(target_value)?;
        let increasing = bounds.windows(2).all(|pair| pair[1] > pair[0]);
        if counts.len() <= most || !increasing {
            return Ok(false);
        }
        let together = (counts.len() - 1) / most + 1;
        let sum = |counts: &[u64]| counts.iter().fold(0u64, |sum, count| sum.wrapping_add(*count));
        counts = counts.chunks(together).map(sum).collect();
        bounds = bounds.into_iter().skip(together - 1).step_by(together).collect();
    } else {
        let Some(at) = bounds.iter().position(|bound| (bound - target_value).abs() < EPSILON) else {
            return Ok(false);
        };
        counts[at + 1] = counts[at + 1].wrapping_add(counts[at]);
        counts.remove(at);
        bounds.remove(at);
    }
    let (mut new_counts, mut new_bounds) = (Vec::new(), Vec::new());
    points::push_numbers(6, &counts, points::Packed::Fixed64, &mut new_counts);
    points::push_doubles(7, &bounds, &mut new_bounds);
    let written = points::replace(&points::replace(point, &[6], &new_counts)?, &[7], &new_bounds)?;
    target.write(Context::DataPoint, written);
    Ok(true)
}
