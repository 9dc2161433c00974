//! Conversions between kinds of metrics.

use super::*;

/// Buckets that a converted histogram has at most.
const BOUNDS_MAX: usize = 10_000;

pub(super) fn gauge_to_sum(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    if metric.kind != GAUGE {
        return Ok(false);
    }
    let points: Vec<Vec<u8>> = metric.points()?.into_iter().map(<[u8]>::to_vec).collect();
    let written =
        metric.with_data(SUM, &sum_of(&points, temporality_of(&given, 0)?, given.flag(1, false)?))?;
    write(target, written);
    Ok(true)
}

pub(super) fn sum_to_gauge(_: &[Argument], target: &mut Target<'_>, _: &Env<'_>) -> Result<bool, EvalError> {
    let metric = Metric::of(target)?;
    if metric.kind != SUM {
        return Ok(false);
    }
    let data = points::replace(metric.data, &[DATA_TEMPORALITY, DATA_MONOTONIC], &[])?;
    let written = metric.with_data(GAUGE, &data)?;
    write(target, written);
    Ok(true)
}

/// Puts a metric of perhaps another kind in the place of the one there.
pub(super) fn write(target: &mut Target<'_>, metric: Vec<u8>) {
    target.write(Context::Metric, metric);
    target.find_data();
}

/// A gauge with a number for each quantile of each data point of a summary.
pub(super) fn quantiles_to_gauge(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    if metric.kind != SUMMARY {
        return Ok(false);
    }
    let (key, suffix) = (given.utf8_or(0, "quantile")?, given.utf8_or(1, ".quantiles")?);
    let mut data = Vec::new();
    for point in metric.points()? {
        for quantile in codec::payloads(point, 6) {
            let quantile = quantile?;
            let rank = Value::Double(points::double(quantile, 1)?.unwrap_or(0.0)).any()?;
            let value = Value::Double(points::double(quantile, 2)?.unwrap_or(0.0));
            let mut number = number_of(point, SUMMARY, &value)?;
            let without = crate::ottl::target::edit_map(&number, attributes_of(GAUGE), &mut |name, _| {
                use crate::ottl::target::Edit;
                Ok(if name == key.as_bytes() { Edit::Remove } else { Edit::Keep })
            })?;
            number = without.unwrap_or(number);
            codec::push_entry(attributes_of(GAUGE), key.as_bytes(), &rank, &mut number);
            codec::push_message(otlp::DATA_POINTS, &number, &mut data);
        }
    }
    let name = [metric.text(NAME)?, suffix.as_bytes()].concat();
    let made = Metric::made(&name, metric.text(DESCRIPTION)?, metric.text(UNIT)?, GAUGE, &data);
    target.make(made);
    Ok(false)
}

pub(super) fn check_bounds(arguments: &[Argument]) -> Result<(), String> {
    let Some(Argument::Value(Expression::List(bounds))) = arguments.get(1) else {
        return Err("explicit bounds must be a list of floats, written out".into());
    };
    let numbers =
        bounds.iter().all(|bound| matches!(bound.literal(), Some(Value::Double(_) | Value::Int(_))));
    match bounds.len() {
        _ if !numbers => Err("explicit bounds must be floats".into()),
        0 => Err("explicit bounds cannot be empty: []".into()),
        1..=BOUNDS_MAX => Ok(()),
        _ => Err(format!("more than {BOUNDS_MAX} explicit bounds")),
    }
}

/// How the count of a bucket falls into the new ones.
#[derive(Clone, Copy)]
enum Spread {
    Upper,
    Midpoint,
    Uniform,
    Random,
}

pub(super) fn to_explicit(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    if metric.kind != EXPONENTIAL {
        return Ok(false);
    }
    let spread = match given.utf8(0)?.as_str() {
        "upper" => Spread::Upper,
        "midpoint" => Spread::Midpoint,
        "uniform" => Spread::Uniform,
        _ => Spread::Random,
    };
    let bounds = given.list(1)?.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let mut data = Vec::new();
    for point in metric.points()? {
        codec::push_message(otlp::DATA_POINTS, &explicit(point, &bounds, spread, env)?, &mut data);
    }
    let temporality = metric.temporality()?;
    if temporality != 0 {
        codec::push_varint(DATA_TEMPORALITY, temporality, &mut data);
    }
    let made =
        Metric::made(metric.text(NAME)?, metric.text(DESCRIPTION)?, metric.text(UNIT)?, HISTOGRAM, &data);
    write(target, made);
    Ok(true)
}

/// The data point with explicit bounds; it has no bucket above the last, as the Collector's.
fn explicit(point: &[u8], bounds: &[f64], spread: Spread, env: &Env<'_>) -> Result<Vec<u8>, EvalError> {
    let mut out = Vec::new();
    for attribute in codec::payloads(point, attributes_of(EXPONENTIAL)) {
        codec::push_message(attributes_of(HISTOGRAM), attribute?, &mut out);
    }
    for field in [START, TIME, COUNT] {
        if let Some(value) = points::number(point, field)?.filter(|value| *value != 0) {
            codec::push_fixed64(field, value, &mut out);
        }
    }
    let counts = bucket_counts(point, bounds, spread, env)?;
    codec::push_fixed64(POINT_SUM, points::number(point, POINT_SUM)?.unwrap_or(0), &mut out);
    points::push_numbers(6, &counts, points::Packed::Fixed64, &mut out);
    points::push_doubles(7, bounds, &mut out);
    for exemplar in codec::payloads(point, 11) {
        codec::push_message(8, exemplar?, &mut out);
    }
    for (from, to) in [(12, 11), (13, 12)] {
        codec::push_fixed64(to, points::number(point, from)?.unwrap_or(0), &mut out);
    }
    Ok(out)
}

fn bucket_counts(point: &[u8], bounds: &[f64], spread: Spread, env: &Env<'_>) -> Result<Vec<u64>, EvalError> {
    let scale = points::zigzag(points::number(point, 6)?.unwrap_or(0)) as i32;
    let factor = std::f64::consts::LN_2 * f64::from(-scale).exp2();
    let positive = codec::payloads(point, 8).last().transpose()?.unwrap_or_default();
    let offset = points::zigzag(points::number(positive, 1)?.unwrap_or(0));
    let mut counts = vec![0u64; bounds.len()];
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Ok(counts) };
    if *first == 0.0 {
        counts[0] += points::number(point, 7)?.unwrap_or(0);
    }
    for (at, count) in (0i64..).zip(points::numbers(positive, 2, points::Packed::Varints)?) {
        let index = offset.saturating_add(at) as f64;
        let (lower, upper) = ((index * factor).exp(), ((index + 1.0) * factor).exp());
        let whole = |at: &usize| lower > bounds[at - 1] && upper <= bounds[*at];
        let mut add = |at: usize, count: u64| counts[at] = counts[at].wrapping_add(count);
        if lower > *last {
            add(bounds.len() - 1, count);
        } else if let Some(at) = (1..bounds.len()).find(whole) {
            add(at - 1, count);
        } else {
            spread.place((lower, upper), bounds, count, env, &mut add);
        }
    }
    Ok(counts)
}

impl Spread {
    fn place(
        self,
        (lower, upper): (f64, f64),
        bounds: &[f64],
        count: u64,
        env: &Env<'_>,
        add: &mut dyn FnMut(usize, u64),
    ) {
        let last = bounds.len() - 1;
        let from = |value: f64| bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        let start = from(lower).min(last);
        let end = from(upper).min(last);
        let buckets = (end - start + 1) as u64;
        match self {
            Self::Upper => add(end, count),
            Self::Midpoint => {
                let middle = from((lower + upper) / 2.0);
                add(if middle > last { last } else { middle.saturating_sub(1) }, count);
            }
            Self::Uniform => {
                for at in start..=end {
                    let more = u64::from(((at - start) as u64) < count % buckets);
                    add(at, count / buckets + more);
                }
            }
            Self::Random if end > start => {
                let mut left = count;
                for at in start..=end {
                    let below = if at == 0 { lower } else { bounds[at - 1] };
                    let overlap = bounds[at].min(upper) - below.max(lower);
                    let share = (count as f64 * (overlap / (upper - lower))) as u64;
                    let taken = (random(env) * share as f64) as u64;
                    add(at, taken.min(left));
                    left -= taken.min(left);
                }
                // What is left is spread evenly, and what that leaves bucket by bucket: a large count costs no more
                // than a small one.
                (start..=end).for_each(|at| add(at, left / buckets));
                for _ in 0..left % buckets {
                    add(start + ((random(env) * buckets as f64) as usize).min(end - start), 1);
                }
            }
            Self::Random => add(start, count),
        }
    }
}

/// From 0 up to 1.
fn random(env: &Env<'_>) -> f64 {
    ((env.random)() >> 75) as f64 / (1u64 << 53) as f64
}
