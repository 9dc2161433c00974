//! Metric families as the Prometheus text format.

use ::prometheus::TextEncoder;
use ::prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

use super::families::{Family, Kind, Labels, Number, Point};
use super::instruments::HistogramSnapshot;
use super::metrics::{SCRAPE_ERRORS, TARGET_INFO};
use super::names::{scope_version, with_suffixes};

/// How a reader wants its exposition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Units and kinds at the end of names.
    pub suffixes: bool,
    /// Who measures, on every series.
    pub scope_info: bool,
    /// On every series.
    pub constant_labels: Labels,
}

/// The text of these families; those that cannot be written are handed to `lost` with the reason.
pub(super) fn text(families: Vec<Family>, style: &Style, mut lost: impl FnMut(&str, String)) -> String {
    let mut text = String::new();
    for family in families {
        let family = written(family, style);
        if let Err(error) = TextEncoder::new().encode_utf8(std::slice::from_ref(&family), &mut text) {
            lost(family.name(), error.to_string());
        }
    }
    text
}

fn written(family: Family, style: &Style) -> MetricFamily {
    let mut written = MetricFamily::default();
    // The resource is not a part of itself, nor of what scrapes count.
    let about_readers = matches!(family.name.as_str(), TARGET_INFO | SCRAPE_ERRORS);
    let mut constant = Labels::new();
    if !about_readers {
        if style.scope_info {
            constant.extend(scope_labels(family.about.scope));
        }
        constant.extend(style.constant_labels.iter().cloned());
    }
    let suffixes = style.suffixes && !about_readers;
    let name =
        if suffixes { with_suffixes(&family.name, family.kind, family.about.unit) } else { family.name };
    written.set_name(name);
    written.set_help(family.help);
    written.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    let points = family.points.into_iter();
    written.set_metric(points.map(|point| metric(point, family.kind, &constant)).collect());
    written
}

fn scope_labels(scope: &str) -> [(String, String); 3] {
    [("name", scope), ("version", scope_version(scope)), ("schema_url", "")]
        .map(|(key, value)| (format!("otel_scope_{key}"), value.to_owned()))
}

fn metric(point: Point, kind: Kind, constant: &[(String, String)]) -> Metric {
    let mut labels = point.labels;
    for (name, value) in constant {
        if !labels.iter().any(|(own, _)| own == name) {
            labels.push((name.clone(), value.clone()));
        }
    }
    labels.sort();
    let pairs = labels.into_iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name);
        pair.set_value(value);
        pair
    });
    let mut metric = Metric::from_label(pairs.collect());
    let number = match point.value {
        Number::Int(value) => value as f64,
        Number::Float(value) => value,
        Number::Histogram(seen) => {
            metric.set_histogram(histogram(seen));
            return metric;
        }
    };
    if kind == Kind::Counter {
        let mut counter = proto::Counter::default();
        counter.set_value(number);
        metric.set_counter(counter);
    } else {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(number);
        metric.set_gauge(gauge);
    }
    metric
}

fn histogram(seen: HistogramSnapshot) -> proto::Histogram {
    let buckets = seen.cumulative.into_iter().map(|(bound, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut written = proto::Histogram::default();
    written.set_bucket(buckets.collect());
    written.set_sample_count(seen.count);
    written.set_sample_sum(seen.sum);
    written
}
