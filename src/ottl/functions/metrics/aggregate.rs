//! Aggregation: data points that have become the same are merged into one.

use std::collections::HashMap;

use super::convert::write;
use super::*;
use crate::ottl::render;
use crate::ottl::target::{Edit, edit_map};

const EXEMPLARS_OF_HISTOGRAM: u32 = 8;
const EXEMPLARS_OF_EXPONENTIAL: u32 = 11;

#[derive(Clone, Copy, PartialEq)]
enum How {
    Sum,
    Mean,
    Min,
    Max,
    Median,
    Count,
}

fn how(given: &Arguments<'_>) -> Result<How, EvalError> {
    Ok(match given.utf8(0)?.as_str() {
        "mean" => How::Mean,
        "min" => How::Min,
        "max" => How::Max,
        "median" => How::Median,
        "count" => How::Count,
        _ => How::Sum,
    })
}

/// Only these attributes are kept; all when none are named.
pub(super) fn on_attributes(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    if metric.kind == SUMMARY {
        return Err("aggregate_on_attributes does not support aggregating Summary metrics".into());
    }
    let kept = if given.is_given(1) { Some(given.texts(1)?) } else { None };
    let field = attributes_of(metric.kind);
    let mut points = Vec::new();
    for point in metric.points()? {
        let edited = edit_map(point, field, &mut |key, _| {
            let stays = kept.as_ref().is_none_or(|kept| kept.iter().any(|kept| kept == key));
            Ok(if stays { Edit::Keep } else { Edit::Remove })
        })?;
        points.push(edited.unwrap_or_else(|| point.to_vec()));
    }
    let written = merged(&metric, points, how(&given)?)?;
    write(target, written);
    Ok(true)
}

/// Some values of an attribute become one.
pub(super) fn on_value(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    let (names, values) = (given.names(1)?, given.texts(2)?);
    let new = Value::Text(given.text(3)?).any()?;
    let field = attributes_of(metric.kind);
    let mut points = Vec::new();
    for point in metric.points()? {
        let edited = edit_map(point, field, &mut |key, any| {
            let old = matches!(codec::read_any(any)?, Value::Text(text) if values.iter().any(|value| **value == *text));
            Ok(if old && names.iter().any(|name| name == key) {
                Edit::Replace(new.clone())
            } else {
                Edit::Keep
            })
        })?;
        points.push(edited.unwrap_or_else(|| point.to_vec()));
    }
    let written = merged(&metric, points, how(&given)?)?;
    write(target, written);
    Ok(true)
}

/// The metric with points merged whose attributes, times and layout are the same; in the order of the first of each.
fn merged(metric: &Metric<'_>, points: Vec<Vec<u8>>, how: How) -> Result<Vec<u8>, EvalError> {
    let delta = matches!(metric.kind, SUM | HISTOGRAM | EXPONENTIAL) && metric.temporality()? == 1;
    let mut groups: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    for point in points {
        let place = *known.entry(key(&point, metric.kind, delta)?).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(point);
    }
    let mut merged = Vec::with_capacity(groups.len());
    for group in groups {
        merged.push(match metric.kind {
            GAUGE | SUM => numbers(&group, how)?,
            HISTOGRAM => histograms(&group)?,
            EXPONENTIAL => exponentials(&group)?,
            _ => continue, // summaries cannot be merged, and are left out as in the Collector
        });
    }
    let mut fields = Vec::new();
    merged.iter().for_each(|point| codec::push_message(otlp::DATA_POINTS, point, &mut fields));
    let data = points::replace(metric.data, &[otlp::DATA_POINTS], &fields)?;
    Ok(Metric::made(metric.text(NAME)?, metric.text(DESCRIPTION)?, metric.text(UNIT)?, metric.kind, &data))
}

/// What points have in common that are merged.
fn key(point: &[u8], kind: u32, delta: bool) -> Result<Vec<u8>, EvalError> {
    let mut key = Vec::new();
    let attributes = Value::Map(point.into(), attributes_of(kind));
    render::json(&attributes, render::Style::Plain, &mut key, codec::DEPTH_MAX)?;
    let mut add = |number: Option<u64>| key.extend(number.unwrap_or(0).to_le_bytes());
    add(points::number(point, TIME)?);
    if delta {
        add(points::number(point, START)?);
    }
    let (min, max, flags) = if kind == HISTOGRAM { (11, 12, 10) } else { (12, 13, 10) };
    if matches!(kind, HISTOGRAM | EXPONENTIAL) {
        add(points::number(point, flags)?);
        add(points::number(point, min)?.map(|_| 1));
        add(points::number(point, max)?.map(|_| 1));
        add(if kind == EXPONENTIAL { points::number(point, 6)? } else { None });
    }
    if kind == HISTOGRAM {
        points::numbers(point, 7, points::Packed::Doubles)?.into_iter().for_each(|bound| add(Some(bound)));
    }
    Ok(key)
}

/// Puts a field in the place of the one there.
fn put(point: &mut Vec<u8>, field: u32, raw: u64) -> Result<(), EvalError> {
    let mut new = Vec::new();
    codec::push_fixed64(field, raw, &mut new);
    *point = points::replace(point, &[field], &new)?;
    Ok(())
}

/// The first point of a group with the earliest start of all.
fn first_of(
    group: &[Vec<u8>],
    counts: impl Fn(&[u8]) -> Result<bool, EvalError>,
) -> Result<Vec<u8>, EvalError> {
    let mut first = group.first().cloned().unwrap_or_default();
    let mut start = points::number(&first, START)?.unwrap_or(0);
    for point in group.iter().skip(1) {
        if counts(point)? {
            start = start.min(points::number(point, START)?.unwrap_or(0));
        }
    }
    put(&mut first, START, start)?;
    Ok(first)
}

fn numbers(group: &[Vec<u8>], how: How) -> Result<Vec<u8>, EvalError> {
    let mut first = first_of(group, |_| Ok(true))?;
    let int = |point: &[u8]| Ok::<_, EvalError>(points::number(point, AS_INT)?.map(|value| value as i64));
    let count = group.len();
    if let Some(own) = int(&first)? {
        // Floats among whole numbers are cut off; in sums they are nothing, as in the Collector.
        let mut values = Vec::with_capacity(count);
        for point in group {
            let float =
                if matches!(how, How::Sum | How::Mean) { None } else { points::double(point, AS_DOUBLE)? };
            values.push(int(point)?.unwrap_or(float.unwrap_or(0.0) as i64));
        }
        let sum = values.iter().fold(0i64, |sum, value| sum.wrapping_add(*value));
        values.sort_unstable();
        let value = match how {
            How::Sum => sum,
            How::Mean => sum / count as i64,
            How::Min => values[0],
            How::Max => values[count - 1],
            How::Median if count % 2 == 1 => values[count / 2],
            How::Median => values[count / 2 - 1].wrapping_add(values[count / 2]) / 2,
            How::Count if count > 1 => count as i64,
            How::Count => own,
        };
        put(&mut first, AS_INT, value as u64)?;
    } else if let Some(own) = points::double(&first, AS_DOUBLE)? {
        let mut values = Vec::with_capacity(count);
        for point in group {
            let whole = int(point)?.map(|value| value as f64);
            values.push(points::double(point, AS_DOUBLE)?.or(whole).unwrap_or(0.0));
        }
        let sum = values.iter().fold(-0.0, |sum, value| sum + value);
        values.sort_by(f64::total_cmp);
        let value = match how {
            How::Sum => sum,
            How::Mean => sum / count as f64,
            How::Min => values[0],
            How::Max => values[count - 1],
            How::Median if count % 2 == 1 => values[count / 2],
            How::Median => (values[count / 2 - 1] + values[count / 2]) / 2.0,
            How::Count if count > 1 => count as f64,
            How::Count => own,
        };
        put(&mut first, AS_DOUBLE, value.to_bits())?;
    }
    Ok(first)
}

/// Counts, sums, extremes and exemplars of points that counted anything, put into the first.
fn added_up(group: &[Vec<u8>], min: u32, max: u32, exemplars: u32) -> Result<Vec<u8>, EvalError> {
    let counted = |point: &[u8]| Ok(points::number(point, COUNT)?.unwrap_or(0) > 0);
    let mut first = first_of(group, counted)?;
    for point in group.iter().skip(1) {
        if !counted(point)? {
            continue;
        }
        let count = |point: &[u8]| Ok::<_, EvalError>(points::number(point, COUNT)?.unwrap_or(0));
        let counts = count(&first)?.wrapping_add(count(point)?);
        put(&mut first, COUNT, counts)?;
        let sum = |point: &[u8]| Ok::<_, EvalError>(points::double(point, POINT_SUM)?.unwrap_or(0.0));
        let sums = sum(&first)? + sum(point)?;
        put(&mut first, POINT_SUM, sums.to_bits())?;
        for (field, is_less) in [(min, true), (max, false)] {
            let Some(own) = points::double(&first, field)? else { continue };
            let other = points::double(point, field)?.unwrap_or(0.0);
            if (other < own) == is_less && other != own {
                put(&mut first, field, other.to_bits())?;
            }
        }
        for exemplar in codec::payloads(point, exemplars) {
            codec::push_message(exemplars, exemplar?, &mut first);
        }
    }
    Ok(first)
}

fn histograms(group: &[Vec<u8>]) -> Result<Vec<u8>, EvalError> {
    let mut first = added_up(group, 11, 12, EXEMPLARS_OF_HISTOGRAM)?;
    let mut counts = points::numbers(&first, 6, points::Packed::Fixed64)?;
    for point in group.iter().skip(1) {
        if points::number(point, COUNT)?.unwrap_or(0) > 0 {
            let others = points::numbers(point, 6, points::Packed::Fixed64)?;
            counts.iter_mut().zip(others).for_each(|(count, other)| *count = count.wrapping_add(other));
        }
    }
    let mut fields = Vec::new();
    points::push_numbers(6, &counts, points::Packed::Fixed64, &mut fields);
    first = points::replace(&first, &[6], &fields)?;
    Ok(first)
}

fn exponentials(group: &[Vec<u8>]) -> Result<Vec<u8>, EvalError> {
    let mut first = added_up(group, 12, 13, EXEMPLARS_OF_EXPONENTIAL)?;
    let mut zero = points::number(&first, 7)?.unwrap_or(0);
    for point in group.iter().skip(1) {
        if points::number(point, COUNT)?.unwrap_or(0) > 0 {
            zero = zero.wrapping_add(points::number(point, 7)?.unwrap_or(0));
            for field in [8, 9] {
                let inside = |point: &[u8]| {
                    Ok::<_, EvalError>(
                        codec::payloads(point, field).last().transpose()?.unwrap_or_default().to_vec(),
                    )
                };
                let (own, other) = (inside(&first)?, inside(point)?);
                let mut new = Vec::new();
                codec::push_message(field, &buckets(&own, &other)?, &mut new);
                first = points::replace(&first, &[field], &new)?;
            }
        }
    }
    put(&mut first, 7, zero)?;
    Ok(first)
}

/// Buckets longer than this are not made of two that lie far apart.
const BUCKETS_MAX: i64 = 1 << 16;

/// Buckets of the same scale, added up from the lower of their offsets on.
fn buckets(own: &[u8], other: &[u8]) -> Result<Vec<u8>, EvalError> {
    let read = |buckets: &[u8]| {
        let offset = points::zigzag(points::number(buckets, 1)?.unwrap_or(0));
        Ok::<_, EvalError>((offset, points::numbers(buckets, 2, points::Packed::Varints)?))
    };
    let ((own_offset, own), (other_offset, other)) = (read(own)?, read(other)?);
    let (mut offset, mut counts) = (own_offset, own);
    if counts.is_empty() {
        (offset, counts) = (other_offset, other);
    } else if !other.is_empty() {
        let start = offset.min(other_offset);
        let end = (offset + counts.len() as i64).max(other_offset + other.len() as i64);
        if end - start > BUCKETS_MAX {
            return Err("buckets lie too far apart to be merged".into());
        }
        let mut sums = vec![0u64; (end - start) as usize];
        for (offset, counts) in [(offset, &counts), (other_offset, &other)] {
            for (at, count) in counts.iter().enumerate() {
                let place = (offset - start) as usize + at;
                sums[place] = sums[place].wrapping_add(*count);
            }
        }
        (offset, counts) = (start, sums);
    }
    let mut out = Vec::new();
    if offset != 0 {
        let zigzag = ((offset << 1) ^ (offset >> 63)) as u32;
        codec::push_varint(1, u64::from(zigzag), &mut out);
    }
    points::push_numbers(2, &counts, points::Packed::Varints, &mut out);
    Ok(out)
}
