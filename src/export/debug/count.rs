//! A line a request: how much is in it.

use super::text::push;
use super::view::View;
use crate::outcome::Signal;

/// Appends the line: `Traces  resource spans: 1, spans: 4`.
pub(super) fn line(signal: Signal, request: View<'_>, out: &mut String) {
    match signal {
        Signal::Traces => {
            let (resources, spans) = counts(request, "resourceSpans", "scopeSpans", "spans");
            push(out, format_args!("Traces  resource spans: {resources}, spans: {spans}\n"));
        }
        Signal::Logs => {
            let (resources, records) = counts(request, "resourceLogs", "scopeLogs", "logRecords");
            push(out, format_args!("Logs  resource logs: {resources}, log records: {records}\n"));
        }
        Signal::Metrics => {
            let (resources, metrics) = counts(request, "resourceMetrics", "scopeMetrics", "metrics");
            let points: usize = request
                .all("resourceMetrics")
                .flat_map(|resource| resource.all("scopeMetrics"))
                .flat_map(|scope| scope.all("metrics"))
                .map(points)
                .sum();
            push(
                out,
                format_args!(
                    "Metrics  resource metrics: {resources}, metrics: {metrics}, data points: {points}\n"
                ),
            );
        }
    }
}

fn counts(
    request: View<'_>,
    resources: &'static str,
    scopes: &'static str,
    items: &'static str,
) -> (usize, usize) {
    let scopes = request.all(resources).flat_map(|resource| resource.all(scopes));
    (request.all(resources).count(), scopes.map(|scope| scope.all(items).count()).sum())
}

/// The kinds of metrics: what holds data points.
pub(super) const KINDS: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

fn points(metric: View<'_>) -> usize {
    KINDS.iter().filter_map(|kind| metric.one(kind)).map(|data| data.all("dataPoints").count()).sum()
}
