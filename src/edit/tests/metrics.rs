//! Edits of metrics: their data points are items of their own.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use prost::Message as _;

use super::{actions, run};
use crate::edit::testing::{attributes, shown, text};
use crate::edit::{AttributesEditor, Condition, Editor, Failure, Fate, Matching, Message, Parents};
use crate::outcome::Signal;

pub(in crate::edit) fn every_kind_of_metric() -> ExportMetricsServiceRequest {
    let pairs = || attributes(vec![("b", text("x"))]);
    let number = || NumberDataPoint { attributes: pairs(), ..NumberDataPoint::default() };
    let data = [
        Data::Gauge(Gauge { data_points: vec![number(), number()] }),
        Data::Sum(Sum { data_points: vec![number()], is_monotonic: true, ..Sum::default() }),
        Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint { attributes: pairs(), ..HistogramDataPoint::default() }],
            ..Histogram::default()
        }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint {
                attributes: pairs(),
                ..ExponentialHistogramDataPoint::default()
            }],
            ..ExponentialHistogram::default()
        }),
        Data::Summary(Summary {
            data_points: vec![SummaryDataPoint { attributes: pairs(), ..SummaryDataPoint::default() }],
        }),
    ];
    let metrics = data.into_iter().zip(["gauge", "sum", "histogram", "exponential", "summary"]);
    let metrics =
        metrics.map(|(data, name)| Metric { name: name.into(), data: Some(data), ..Metric::default() });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics { metrics: metrics.collect(), ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

pub(in crate::edit) fn points(metric: &Metric) -> Vec<&Vec<KeyValue>> {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(data) => data.data_points.iter().map(|point| &point.attributes).collect(),
        Data::Sum(data) => data.data_points.iter().map(|point| &point.attributes).collect(),
        Data::Histogram(data) => data.data_points.iter().map(|point| &point.attributes).collect(),
        Data::ExponentialHistogram(data) => data.data_points.iter().map(|point| &point.attributes).collect(),
        Data::Summary(data) => data.data_points.iter().map(|point| &point.attributes).collect(),
    }
}

#[test]
fn data_points_of_every_kind_are_edited() {
    let condition =
        Condition { metric_names: Some(Matching::Strict(vec!["sum".into()])), ..Condition::default() };
    let mut editor = AttributesEditor::new(actions(), None, Some(condition));
    let edited = run(Signal::Metrics, every_kind_of_metric().encode_to_vec(), &mut editor).unwrap();
    let decoded = ExportMetricsServiceRequest::decode(edited.body).unwrap();
    let metrics = &decoded.resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!(metrics.len(), 5);
    for metric in metrics {
        let expected = if metric.name == "sum" { "b=x" } else { "a=new c=new" };
        assert!(!points(metric).is_empty());
        points(metric)
            .iter()
            .for_each(|attributes| assert_eq!(shown(attributes), expected, "{}", metric.name));
    }
}

/// Drops every second data point.
struct EverySecond(bool);

impl Editor for EverySecond {
    fn looks_at_points(&self) -> bool {
        true
    }

    fn point(
        &mut self,
        _: &mut Message<'_>,
        _: &mut Message<'_>,
        _: u32,
        _: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        self.0 = !self.0;
        Ok(if self.0 { Fate::Drop } else { Fate::Keep })
    }
}

#[test]
fn a_metric_without_points_goes_with_them() {
    let body = every_kind_of_metric().encode_to_vec();
    let edited = run(Signal::Metrics, body, &mut EverySecond(false)).unwrap();
    let decoded = ExportMetricsServiceRequest::decode(edited.body).unwrap();
    let names: Vec<_> =
        decoded.resource_metrics[0].scope_metrics[0].metrics.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((edited.dropped, names), (3, vec!["gauge", "histogram", "summary"]));
}
