//! Statements and conditions on whole requests.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Histogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics, exemplar,
};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message as _;

use super::*;
use crate::edit::testing::{around, attributes, edit, request, shown, span, text};
use crate::edit::{Condition, Matching, Walker};
use crate::ottl;

fn statements(context: Context, texts: &[&str]) -> Group {
    let compiled = |text: &&str| Compiled {
        text: (*text).to_owned(),
        code: ottl::statement(text, Some(context)).unwrap(),
    };
    let statements = texts.iter().map(compiled).collect();
    Group { context, conditions: Vec::new(), statements, error_mode: ErrorMode::Ignore }
}

fn condition(context: Context, text: &str) -> Compiled<ottl::Condition> {
    Compiled { text: text.into(), code: ottl::condition(text, context).unwrap() }
}

fn filter(conditions: &[(Context, &str)]) -> FilterEditor {
    let one = |(context, text): &(Context, &str)| (*context, condition(*context, text), ErrorMode::Ignore);
    FilterEditor::new(Filter { conditions: conditions.iter().map(one).collect(), ..Filter::default() })
}

fn decoded(edited: &crate::edit::Edited) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(edited.body.clone()).unwrap()
}

#[test]
fn the_founding_statement_redacts_what_it_finds_and_nothing_else() {
    let redact = r#"replace_pattern(attributes["http.url"], "password=.*", "password=REDACTED")"#;
    let mut editor = TransformEditor::new(statements(Context::Span, &[redact]));
    let spans = vec![
        span("a", vec![("http.url", text("/login?password=secret&x=1"))]),
        span("b", vec![("http.url", text("/"))]),
        span("c", vec![("http.url", Any::IntValue(1))]),
    ];
    let before = request(vec![], spans.clone());
    let (_, after) = edit(&before, &mut editor);
    assert_eq!(shown(&after[0].attributes), "http.url=/login?password=REDACTED");
    assert_eq!(after[1..], spans[1..]);
    let untouched = request(vec![], spans[1..].to_vec());
    let body: bytes::Bytes = untouched.encode_to_vec().into();
    let edited = Walker::default().edit(&body, &around(Signal::Traces), &mut editor).unwrap();
    assert_eq!(edited.body.as_ptr(), body.as_ptr(), "what no statement changes is the same buffer");
}

#[test]
fn statements_on_spans_may_change_what_is_around_them() {
    let group = statements(
        Context::Span,
        &[
            r#"set(resource.attributes["seen"], span.name)"#,
            r#"set(scope.name, "s")"#,
            r#"set(span.attributes["from"], resource.attributes["seen"])"#,
        ],
    );
    let before = request(attributes(vec![("k", text("v"))]), vec![span("a", vec![]), span("b", vec![])]);
    let (edited, spans) = edit(&before, &mut TransformEditor::new(group));
    assert_eq!(shown(&spans[1].attributes), "from=b");
    let entry = &decoded(&edited).resource_spans[0];
    assert_eq!(shown(&entry.resource.as_ref().unwrap().attributes), "k=v seen=b");
    assert_eq!(entry.scope_spans[0].scope.as_ref().unwrap().name, "s");
}

#[test]
fn each_context_is_run_on_its_items() {
    let resource = statements(Context::Resource, &[r#"set(attributes["a"], 1)"#]);
    let (edited, _) = edit(&request(vec![], vec![span("a", vec![])]), &mut TransformEditor::new(resource));
    let entry = &decoded(&edited).resource_spans[0];
    assert_eq!(shown(&entry.resource.as_ref().unwrap().attributes), "a=1i");
    let mut one = span("a", vec![]);
    let event = |name: &str| Event { name: name.into(), ..Event::default() };
    one.events = vec![event("x"), event("y")];
    let events = statements(
        Context::SpanEvent,
        &[
            r#"set(attributes["of"], span.name) where name == "y""#,
            r#"set(span.status.message, "had events")"#,
        ],
    );
    let (_, spans) = edit(&request(vec![], vec![one]), &mut TransformEditor::new(events));
    let names: Vec<_> =
        spans[0].events.iter().map(|event| (event.name.as_str(), shown(&event.attributes))).collect();
    assert_eq!(names, [("x", String::new()), ("y", "of=a".to_owned())]);
    assert_eq!(spans[0].status.as_ref().unwrap().message, "had events");
    let points = statements(Context::DataPoint, &[r#"set(attributes["of"], metric.name)"#]);
    let before = crate::edit::tests::metrics::every_kind_of_metric().encode_to_vec();
    let edited =
        Walker::default().edit(&before.into(), &around(Signal::Metrics), &mut TransformEditor::new(points));
    let after = ExportMetricsServiceRequest::decode(edited.unwrap().body).unwrap();
    for metric in &after.resource_metrics[0].scope_metrics[0].metrics {
        for attributes in crate::edit::tests::metrics::points(metric) {
            assert_eq!(shown(attributes), format!("b=x of={}", metric.name));
        }
    }
}

#[test]
fn schema_urls_beside_the_messages_are_written() {
    let group = statements(
        Context::Span,
        &[
            r#"set(resource.schema_url, "r2") where name == "b""#,
            r#"set(scope.schema_url, resource.schema_url)"#,
        ],
    );
    let mut before = request(vec![], vec![span("a", vec![]), span("b", vec![])]);
    before.resource_spans[0].scope_spans[0].schema_url = "s1".into();
    let (edited, _) = edit(&before, &mut TransformEditor::new(group));
    let entry = &decoded(&edited).resource_spans[0];
    assert_eq!((entry.schema_url.as_str(), entry.scope_spans[0].schema_url.as_str()), ("r2", "r2"));
}

fn metrics_after(group: Group) -> Result<Vec<(String, String)>, Failure> {
    let before = crate::edit::tests::metrics::every_kind_of_metric().encode_to_vec();
    let mut editor = TransformEditor::new(group);
    let edited = Walker::default().edit(&before.into(), &around(Signal::Metrics), &mut editor)?;
    let after = ExportMetricsServiceRequest::decode(edited.body).unwrap();
    let metrics = after.resource_metrics.into_iter().flat_map(|entry| entry.scope_metrics);
    let shown = |metric: Metric| {
        let points = crate::edit::tests::metrics::points(&metric);
        let points: Vec<_> = points.into_iter().map(|attributes| shown(attributes)).collect();
        (metric.name.clone(), points.join(", "))
    };
    Ok(metrics.flat_map(|scope| scope.metrics).map(shown).collect())
}

#[test]
fn points_change_the_metric_around_them() {
    let group = statements(
        Context::DataPoint,
        &[r#"set(metric.name, Concat([metric.name, "x"], "."))"#, r#"set(attributes["of"], metric.name)"#],
    );
    let after = metrics_after(group).unwrap();
    assert_eq!(after[0], ("gauge.x.x".into(), "b=x of=gauge.x, b=x of=gauge.x.x".into()));
    assert_eq!(after[4], ("summary.x".into(), "b=x of=summary.x".into()));
}

#[test]
fn exemplars_change_with_what_is_around_them() {
    let exemplar = |filtered: &[(&str, &str)]| Exemplar {
        filtered_attributes: attributes(filtered.iter().map(|(key, value)| (*key, text(value))).collect()),
        value: Some(exemplar::Value::AsInt(4)),
        ..Exemplar::default()
    };
    let (one, other) = (exemplar(&[("user", "u")]), exemplar(&[]));
    let point = HistogramDataPoint { exemplars: vec![one, other], ..HistogramDataPoint::default() };
    let data = Data::Histogram(Histogram { data_points: vec![point], ..Histogram::default() });
    let metrics = vec![Metric { name: "m".into(), data: Some(data), ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let before = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let texts = [
        r#"delete_key(filtered_attributes, "user")"#,
        r#"set(filtered_attributes["of"], metric.name)"#,
        "set(double_value, 0.5) where int_value == 4",
        "set(datapoint.count, datapoint.count + 1)",
    ];
    let mut editor = TransformEditor::new(statements(Context::Exemplar, &texts));
    let edited = Walker::default().edit(&before.into(), &around(Signal::Metrics), &mut editor).unwrap();
    let after = ExportMetricsServiceRequest::decode(edited.body).unwrap();
    let metric = &after.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Histogram(histogram)) = &metric.data else { panic!("no histogram: {metric:?}") };
    let point = &histogram.data_points[0];
    assert_eq!(point.count, 2, "once for each exemplar");
    for exemplar in &point.exemplars {
        assert_eq!(shown(&exemplar.filtered_attributes), "of=m");
        assert_eq!(exemplar.value, Some(exemplar::Value::AsDouble(0.5)));
    }
}

#[test]
fn metrics_that_statements_make_follow_and_are_looked_at_too() {
    let texts =
        [r#"copy_metric(name="copy") where name == "gauge""#, r#"set(name, Concat([name, "seen"], "."))"#];
    let after = metrics_after(statements(Context::Metric, &texts)).unwrap();
    let names: Vec<_> = after.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["gauge.seen", "sum.seen", "histogram.seen", "exponential.seen", "summary.seen", "copy.seen"];
    assert_eq!(names, expected);
    assert_eq!(after[0].1, after[5].1);
}

#[test]
fn a_statement_that_copies_its_own_copies_is_stopped() {
    let error = metrics_after(statements(Context::Metric, &["copy_metric()"])).unwrap_err();
    assert!(error.to_string().contains("more than 1000 metrics"), "{error}");
}

#[test]
fn conditions_of_a_group_gate_all_its_statements() {
    let mut group = statements(Context::Span, &[r#"set(attributes["hit"], true)"#]);
    group.conditions =
        vec![condition(Context::Span, r#"name == "a""#), condition(Context::Span, r#"name == "b""#)];
    let spans = ["a", "b", "c"].map(|name| span(name, vec![])).to_vec();
    let (_, after) = edit(&request(vec![], spans), &mut TransformEditor::new(group));
    assert_eq!(after.iter().map(|span| span.attributes.len()).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn what_cannot_be_evaluated_is_left_out_or_fails_the_request() {
    let group = |error_mode| Group {
        error_mode,
        ..statements(
            Context::Span,
            &[r#"set(attributes["n"], Int(ParseJSON(name)))"#, r#"set(name, "after")"#],
        )
    };
    let before = request(vec![], vec![span("{no json", vec![])]);
    for (mode, told) in [(ErrorMode::Ignore, 1), (ErrorMode::Silent, 0)] {
        let mut editor = TransformEditor::new(group(mode));
        assert_eq!(edit(&before, &mut editor).1[0].name, "after");
        assert_eq!(crate::edit::Editor::take_errors(&mut editor).map_or(0, |(_, count)| count), told);
    }
    let mut editor = TransformEditor::new(group(ErrorMode::Propagate));
    let body = before.encode_to_vec().into();
    let failure = Walker::default().edit(&body, &around(Signal::Traces), &mut editor).unwrap_err();
    assert!(matches!(failure, Failure::Statement(_)), "{failure:?}");
}

#[test]
fn what_meets_a_condition_is_left_out_with_what_it_empties() {
    let spans = || ["keep", "drop", "drop"].map(|name| span(name, vec![])).to_vec();
    let names = |spans: &[Span]| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
    let (edited, left) =
        edit(&request(vec![], spans()), &mut filter(&[(Context::Span, r#"name == "drop""#)]));
    assert_eq!((edited.dropped, names(&left)), (2, vec!["keep".to_owned()]));
    let mut two = request(vec![], spans());
    two.resource_spans[0]
        .scope_spans
        .push(ScopeSpans { spans: vec![span("drop", vec![])], ..ScopeSpans::default() });
    let (edited, _) = edit(&two, &mut filter(&[(Context::Span, r#"name == "drop""#)]));
    assert_eq!((edited.dropped, decoded(&edited).resource_spans[0].scope_spans.len()), (3, 1));
    let gone = [(Context::Resource, r#"attributes["k"] == "v""#)];
    let (edited, _) = edit(&request(attributes(vec![("k", text("v"))]), spans()), &mut filter(&gone));
    assert_eq!((edited.dropped, decoded(&edited).resource_spans.len()), (3, 0));
}

#[test]
fn events_go_by_themselves_and_leave_their_span() {
    let mut one = span("a", vec![]);
    one.events = ["x", "y"].map(|name| Event { name: name.into(), ..Event::default() }).to_vec();
    let (edited, left) = edit(&request(vec![], vec![one]), &mut filter(&[(Context::SpanEvent, "true")]));
    assert_eq!((edited.dropped, left[0].events.len()), (0, 0));
}

#[test]
fn metrics_go_by_name_or_by_points() {
    let body: bytes::Bytes = crate::edit::tests::metrics::every_kind_of_metric().encode_to_vec().into();
    let left = |editor: &mut FilterEditor| {
        let edited = Walker::default().edit(&body, &around(Signal::Metrics), editor).unwrap();
        let after = ExportMetricsServiceRequest::decode(edited.body).unwrap();
        let metrics = after.resource_metrics.into_iter().flat_map(|entry| entry.scope_metrics);
        let names: Vec<_> = metrics.flat_map(|scope| scope.metrics).map(|metric| metric.name).collect();
        (edited.dropped, names)
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let others = names(&["sum", "histogram", "exponential", "summary"]);
    assert_eq!(left(&mut filter(&[(Context::Metric, r#"name == "gauge""#)])), (2, others.clone()));
    assert_eq!(left(&mut filter(&[(Context::DataPoint, r#"metric.name == "gauge""#)])), (2, others.clone()));
    let strict = |name: &str| Some(Matching::Strict(vec![name.to_owned()]));
    let by_name = |name| Some(Condition { metric_names: strict(name), ..Condition::default() });
    let mut exclude = FilterEditor::new(Filter { exclude: by_name("gauge"), ..Filter::default() });
    assert_eq!(left(&mut exclude), (2, others));
    let mut include = FilterEditor::new(Filter { include: by_name("sum"), ..Filter::default() });
    assert_eq!(left(&mut include), (5, names(&["sum"])));
}
