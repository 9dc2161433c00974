//! Editors that exist for metrics alone: conversions between kinds, metrics made of others, aggregation.
//!
//! Owns: what these editors do to the encoded metric.
//! Takes: the metric, or the data point and the metric around it.
//! Gives: the metric changed, and metrics made of it.
//! Bounds: one metric is taken apart at a time.
//! Loses: what a conversion cannot say in the new kind, as the Collector.

mod aggregate;
mod convert;
mod extract;
mod percentile;
mod scale;

use super::{
    Argument, Arguments, Converter, Editor, Expression, Kind, Param, converts, edits, optional, param, value,
};
use crate::ottl::context::Context;
use crate::ottl::env::Env;
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::points;
use crate::ottl::target::Target;
use crate::ottl::value::{self as codec, Value};
use crate::wire::{Fields, otlp};

const TEMPORALITY: Param = param("string_agg_temp", Kind::Choice(&["delta", "cumulative"]));
const MONOTONIC: Param = value("monotonic");
const SUFFIX: Param = optional("suffix", Kind::Value);
const AGGREGATION: Param =
    param("aggregation_function", Kind::Choice(&["sum", "mean", "min", "max", "median", "count"]));

pub(super) const EDITORS: &[Editor] = &[
    of_metric("convert_gauge_to_sum", &[TEMPORALITY, MONOTONIC], convert::gauge_to_sum),
    of_metric("convert_sum_to_gauge", &[], convert::sum_to_gauge),
    of_metric(
        "convert_summary_quantile_val_to_gauge",
        &[optional("attribute_key", Kind::Value), SUFFIX],
        convert::quantiles_to_gauge,
    ),
    Editor {
        check: convert::check_bounds,
        ..of_metric(
            "convert_exponential_histogram_to_histogram",
            &[
                param("distribution_fn", Kind::Choice(&["", "upper", "midpoint", "random", "uniform"])),
                value("explicit_bounds"),
            ],
            convert::to_explicit,
        )
    },
    of_metric("extract_sum_metric", &[MONOTONIC, SUFFIX], |arguments, target, env| {
        extract::extract(arguments, target, env, extract::Part::Sum)
    }),
    of_metric("extract_count_metric", &[MONOTONIC, SUFFIX], |arguments, target, env| {
        extract::extract(arguments, target, env, extract::Part::Count)
    }),
    Editor {
        check: percentile::check,
        ..of_metric("extract_percentile_metric", &[value("percentile"), SUFFIX], percentile::extract)
    },
    of_metric(
        "copy_metric",
        &[optional("name", Kind::Value), optional("description", Kind::Value), optional("unit", Kind::Value)],
        extract::copy,
    ),
    of_metric("scale_metric", &[value("multiplier"), optional("unit", Kind::Value)], scale::scale),
    of_metric(
        "aggregate_on_attributes",
        &[AGGREGATION, optional("attributes", Kind::Name)],
        aggregate::on_attributes,
    ),
    of_metric(
        "aggregate_on_attribute_value",
        &[AGGREGATION, param("attribute", Kind::Name), value("values"), value("new_value")],
        aggregate::on_value,
    ),
    of_point(
        "convert_summary_sum_val_to_sum",
        &[TEMPORALITY, MONOTONIC, SUFFIX],
        |arguments, target, env| extract::of_summary(arguments, target, env, extract::Part::Sum),
    ),
    of_point(
        "convert_summary_count_val_to_sum",
        &[TEMPORALITY, MONOTONIC, SUFFIX],
        |arguments, target, env| extract::of_summary(arguments, target, env, extract::Part::Count),
    ),
    Editor {
        check: scale::check_merge,
        ..of_point(
            "merge_histogram_buckets",
            &[
                value("target_value"),
                optional("method", Kind::Choice(&["remove_explicit_bound", "limit_buckets"])),
            ],
            scale::merge_buckets,
        )
    },
];

pub(super) const CONVERTERS: &[Converter] = &[
    Converter {
        looks_at: Some(Context::Metric),
        ..converts("HasAttrKeyOnDatapoint", &[param("key", Kind::Name)], |given| {
            points_have(given, &given.names(0)?, None)
        })
    },
    Converter {
        looks_at: Some(Context::Metric),
        ..converts("HasAttrOnDatapoint", &[param("key", Kind::Name), value("expected_val")], |given| {
            points_have(given, &given.names(0)?, Some(&given.text(1)?))
        })
    },
];

/// Whether any data point has the attribute under any of its names, with this string if one is given.
fn points_have(
    given: &Arguments<'_>,
    names: &[Vec<u8>],
    wanted: Option<&[u8]>,
) -> Result<Value<'static>, EvalError> {
    let metric = Metric::of(given.view.target)?;
    for point in metric.points()? {
        for name in names {
            let Some(any) = codec::find(point, attributes_of(metric.kind), name)? else { continue };
            let same = |wanted: &[u8]| {
                Ok::<_, EvalError>(matches!(codec::read_any(any)?, Value::Text(text) if *text == *wanted))
            };
            if wanted.map_or(Ok(true), same)? {
                return Ok(Value::Bool(true));
            }
        }
    }
    Ok(Value::Bool(false))
}

type Run = fn(&[Argument], &mut Target<'_>, &Env<'_>) -> Result<bool, EvalError>;

const fn of_metric(name: &'static str, params: &'static [Param], run: Run) -> Editor {
    Editor { only: Some(Context::Metric), ..edits(name, params, run) }
}

const fn of_point(name: &'static str, params: &'static [Param], run: Run) -> Editor {
    Editor { only: Some(Context::DataPoint), ..edits(name, params, run) }
}

const NAME: u32 = 1;
const DESCRIPTION: u32 = 2;
const UNIT: u32 = 3;
const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL: u32 = 10;
const SUMMARY: u32 = 11;
/// `aggregation_temporality` of data.
const DATA_TEMPORALITY: u32 = 2;
/// `is_monotonic` of a sum.
const DATA_MONOTONIC: u32 = 3;
/// `as_double` and `as_int` of a number.
const AS_DOUBLE: u32 = 4;
const AS_INT: u32 = 6;
/// `start_time_unix_nano`, `time_unix_nano`, `count` and `sum` of data points.
const START: u32 = 2;
const TIME: u32 = 3;
const COUNT: u32 = 4;
const POINT_SUM: u32 = 5;
/// The temporality `CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// A metric as these editors see it.
struct Metric<'m> {
    bytes: &'m [u8],
    /// The field of its data, and what is in it.
    kind: u32,
    data: &'m [u8],
}

impl<'m> Metric<'m> {
    fn of(target: &'m Target<'_>) -> Result<Self, EvalError> {
        let message = target.message(Context::Metric);
        // A data point's context says what the metric is, the metric's own may have been changed by a statement.
        let bytes = message.bytes();
        let mut kind = 0;
        for field in Fields::new(bytes) {
            let number = field?.number;
            if otlp::METRIC_DATA.contains(&number) {
                kind = number;
            }
        }
        let data = codec::payloads(bytes, kind).last().transpose()?.unwrap_or_default();
        Ok(Self { bytes, kind, data })
    }

    fn text(&self, number: u32) -> Result<&'m [u8], EvalError> {
        Ok(codec::payloads(self.bytes, number).last().transpose()?.unwrap_or_default())
    }

    fn points(&self) -> Result<Vec<&'m [u8]>, EvalError> {
        Ok(codec::payloads(self.data, otlp::DATA_POINTS).collect::<Result<_, _>>()?)
    }

    fn temporality(&self) -> Result<u64, EvalError> {
        Ok(points::number(self.data, DATA_TEMPORALITY)?.unwrap_or(0))
    }

    /// The metric with other data.
    fn with_data(&self, kind: u32, data: &[u8]) -> Result<Vec<u8>, EvalError> {
        let mut field = Vec::with_capacity(data.len() + 8);
        codec::push_message(kind, data, &mut field);
        Ok(points::replace(self.bytes, &otlp::METRIC_DATA, &field)?)
    }

    /// The metric with other data points, all else of its data as it is.
    fn with_points(&self, points: &[Vec<u8>]) -> Result<Vec<u8>, EvalError> {
        let mut fields = Vec::new();
        points.iter().for_each(|point| codec::push_message(otlp::DATA_POINTS, point, &mut fields));
        self.with_data(self.kind, &points::replace(self.data, &[otlp::DATA_POINTS], &fields)?)
    }

    /// A new metric: name, description, unit and data.
    fn made(name: &[u8], description: &[u8], unit: &[u8], kind: u32, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, text) in [(NAME, name), (DESCRIPTION, description), (UNIT, unit)] {
            if !text.is_empty() {
                codec::push_message(number, text, &mut out);
            }
        }
        codec::push_message(kind, data, &mut out);
        out
    }
}

/// The data of a sum.
fn sum_of(points: &[Vec<u8>], temporality: u64, monotonic: bool) -> Vec<u8> {
    let mut data = Vec::new();
    points.iter().for_each(|point| codec::push_message(otlp::DATA_POINTS, point, &mut data));
    if temporality != 0 {
        codec::push_varint(DATA_TEMPORALITY, temporality, &mut data);
    }
    if monotonic {
        codec::push_varint(DATA_MONOTONIC, 1, &mut data);
    }
    data
}

/// A number with the attributes and times of another data point.
fn number_of(point: &[u8], kind: u32, value: &Value<'_>) -> Result<Vec<u8>, EvalError> {
    let mut out = Vec::new();
    for attribute in codec::payloads(point, attributes_of(kind)) {
        codec::push_message(attributes_of(GAUGE), attribute?, &mut out);
    }
    for field in [START, TIME] {
        if let Some(nanos) = points::number(point, field)?.filter(|nanos| *nanos != 0) {
            codec::push_fixed64(field, nanos, &mut out);
        }
    }
    match value {
        Value::Int(value) => codec::push_fixed64(AS_INT, *value as u64, &mut out),
        Value::Double(value) => codec::push_fixed64(AS_DOUBLE, value.to_bits(), &mut out),
        _ => {}
    }
    Ok(out)
}

/// The field of a data point that repeats its attributes.
fn attributes_of(kind: u32) -> u32 {
    match kind {
        EXPONENTIAL => 1,
        HISTOGRAM => 9,
        _ => 7,
    }
}

/// A number that is written out.
fn literal_number(arguments: &[Argument], at: usize) -> Option<f64> {
    match arguments.get(at) {
        Some(Argument::Value(expression)) => match expression.literal() {
            Some(Value::Int(value)) => Some(*value as f64),
            Some(Value::Double(value)) => Some(*value),
            _ => None,
        },
        _ => None,
    }
}

fn number(value: &Value<'_>) -> Result<f64, EvalError> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Double(value) => Ok(*value),
        other => Err(crate::ottl::path::expected("float64", other)),
    }
}

fn temporality_of(given: &Arguments<'_>, at: usize) -> Result<u64, EvalError> {
    Ok(if given.utf8(at)? == "delta" { 1 } else { CUMULATIVE })
}

fn given<'v>(arguments: &'v [Argument], target: &'v Target<'_>, env: &'v Env<'_>) -> Arguments<'v> {
    Arguments::new(arguments, View { target, env })
}
