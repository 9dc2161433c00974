//! Metrics made of others: of their sums and counts, and copies.

use super::*;

/// What is taken out of data points.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Part {
    Sum,
    Count,
}

impl Part {
    fn suffix(self) -> &'static str {
        if self == Self::Sum { "_sum" } else { "_count" }
    }

    /// The value in a data point; a histogram may have no sum.
    fn of(self, point: &[u8], kind: u32) -> Result<Option<Value<'static>>, EvalError> {
        Ok(match self {
            Self::Count => Some(Value::Int(points::number(point, COUNT)?.unwrap_or(0) as i64)),
            Self::Sum if kind == SUMMARY => {
                Some(Value::Double(points::double(point, POINT_SUM)?.unwrap_or(0.0)))
            }
            Self::Sum => points::double(point, POINT_SUM)?.map(Value::Double),
        })
    }
}

/// A sum of the sums or counts of a histogram or summary.
pub(super) fn extract(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    part: Part,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    let temporality = match metric.kind {
        HISTOGRAM | EXPONENTIAL => metric.temporality()?,
        SUMMARY => CUMULATIVE,
        _ => 0,
    };
    if temporality == 0 {
        let name = if part == Part::Sum { "extract_sum_metric" } else { "extract_count_metric" };
        let message = "requires an input metric of type Histogram, ExponentialHistogram or Summary";
        return Err(format!("{name} {message}").into());
    }
    // Things that are counted have not the unit of what was measured.
    let unit = if part == Part::Sum { metric.text(UNIT)? } else { b"1" };
    let made =
        made_of(&metric, part, temporality, given.flag(0, false)?, &given.utf8_or(1, part.suffix())?, unit)?;
    made.into_iter().for_each(|made| target.make(made));
    Ok(false)
}

/// The same of a summary, in the context of its data points.
pub(super) fn of_summary(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    part: Part,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let metric = Metric::of(target)?;
    if metric.kind != SUMMARY {
        return Ok(false);
    }
    let (temporality, monotonic) = (temporality_of(&given, 0)?, given.flag(1, false)?);
    let suffix = given.utf8_or(2, part.suffix())?;
    let made = made_of(&metric, part, temporality, monotonic, &suffix, metric.text(UNIT)?)?;
    made.into_iter().for_each(|made| target.make(made));
    Ok(false)
}

fn made_of(
    metric: &Metric<'_>,
    part: Part,
    temporality: u64,
    monotonic: bool,
    suffix: &str,
    unit: &[u8],
) -> Result<Option<Vec<u8>>, EvalError> {
    let mut numbers = Vec::new();
    for point in metric.points()? {
        if let Some(value) = part.of(point, metric.kind)? {
            numbers.push(number_of(point, metric.kind, &value)?);
        }
    }
    if numbers.is_empty() {
        return Ok(None);
    }
    let name = [metric.text(NAME)?, suffix.as_bytes()].concat();
    let data = sum_of(&numbers, temporality, monotonic);
    Ok(Some(Metric::made(&name, metric.text(DESCRIPTION)?, unit, SUM, &data)))
}

/// The same metric again, perhaps under another name.
pub(super) fn copy(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = given(arguments, target, env);
    let mut copy = Metric::of(target)?.bytes.to_vec();
    for (at, number) in [(0, NAME), (1, DESCRIPTION), (2, UNIT)] {
        if given.is_given(at) {
            let mut field = Vec::new();
            codec::push_message(number, &given.text(at)?, &mut field);
            copy = points::replace(&copy, &[number], &field)?;
        }
    }
    target.make(copy);
    Ok(false)
}
