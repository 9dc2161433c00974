//! What expressions mean, beside what the Collector's made of the same metric.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum, Summary, SummaryDataPoint,
};
use prost::Message as _;

use super::*;
use crate::edit::testing::{attributes, text as string};

fn metric(data: Option<Data>) -> Vec<u8> {
    Metric { name: "http.requests".into(), data, ..Metric::default() }.encode_to_vec()
}

/// One point with labels a, b, e, h.c and a number n.
fn sum() -> Vec<u8> {
    let labels = vec![
        ("a", string("x")),
        ("b", string("yes")),
        ("n", Any::IntValue(5)),
        ("e", string("")),
        ("h.c", string("500")),
    ];
    let point = NumberDataPoint { attributes: attributes(labels), ..NumberDataPoint::default() };
    metric(Some(Data::Sum(Sum { data_points: vec![point], ..Sum::default() })))
}

fn holds(expression: &str, metric: &[u8]) -> bool {
    let expression = Expression::new(expression).unwrap_or_else(|error| panic!("{expression}: {error:?}"));
    expression.holds_somewhere(metric, Names::Written).unwrap()
}

#[test]
fn expressions_hold_as_in_the_collector() {
    let cases = [
        (r#"MetricName == "http.requests""#, true),
        (r#"MetricName=='http.requests'&&MetricType!="Gauge""#, true),
        (r#"MetricType == `Sum`"#, true),
        (r#"Label("none") == """#, true),
        (r#"Label("n") == """#, true),
        (r#"HasLabel("n") and not HasLabel("none")"#, true),
        (r#"HasLabel("e",)"#, true),
        (r#"HasLabel(Label("a"))"#, false),
        (r#"MetricName in ["a", "http.requests", 5]"#, true),
        (r#"MetricName in []"#, false),
        (r#"MetricName not in ["a",]"#, true),
        (r#"Label("h.c") not contains "0" or Label("h.c") startsWith "5""#, true),
        (r#"MetricName endsWith Label("e") && MetricName contains ".""#, true),
        (r#"MetricName matches "^http\\.""#, true),
        (r#"MetricName not matches 'q+u'"#, false),
        (r#"MetricName matches "^requests""#, false),
        (r#"lower(MetricType) == "sum" && upper("a") < trim(" B ")"#, true),
        (r#"MetricName < "z" and "b" >= "a" and "a" <= "a" and !("b" <= "a")"#, true),
        (r#"MetricName == 5 || MetricName == nil || true == MetricName"#, false),
        (r#"HasLabel("a") == true"#, true),
        (r#"MetricName == "x" or HasLabel("a") and HasLabel("none")"#, false),
        (r#"(MetricName == "x" or HasLabel("a")) and Label("b") == "yes""#, true),
        (r#"MetricType == "Sum" ? HasLabel("none") : true"#, false),
        (r#"MetricName == "x" ?: HasLabel("a")"#, true),
        (r#"! ! true"#, true),
        (r#""\x41\u00e9\"\n" == 'Aé"\n'"#, true),
        ("`a``b` == 'a`b'", true),
        (r#"'\'' == "'" && 1.0 == 1 && 1_0 == 10"#, true),
    ];
    for (expression, expected) in cases {
        assert_eq!(holds(expression, &sum()), expected, "{expression}");
    }
}

#[test]
fn any_data_point_of_any_type_will_do() {
    let labels = |value: &str| attributes(vec![("k", string(value))]);
    let number = |value| NumberDataPoint { attributes: labels(value), ..NumberDataPoint::default() };
    let histogram = HistogramDataPoint { attributes: labels("yes"), ..HistogramDataPoint::default() };
    let exponential = ExponentialHistogramDataPoint {
        attributes: labels("yes"),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint { attributes: labels("yes"), ..SummaryDataPoint::default() };
    let all = [
        ("Gauge", Data::Gauge(Gauge { data_points: vec![number("no"), number("yes")] })),
        ("Sum", Data::Sum(Sum { data_points: vec![number("yes"), number("no")], ..Sum::default() })),
        ("Histogram", Data::Histogram(Histogram { data_points: vec![histogram], ..Histogram::default() })),
        (
            "ExponentialHistogram",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                ..ExponentialHistogram::default()
            }),
        ),
        ("Summary", Data::Summary(Summary { data_points: vec![summary] })),
    ];
    for (of_type, data) in all {
        let metric = metric(Some(data));
        assert!(holds(&format!(r#"MetricType == "{of_type}" && Label("k") == "yes""#), &metric), "{of_type}");
        assert!(!holds(r#"Label("k") == "other""#, &metric));
    }
    assert!(!holds("true", &metric(None)));
    assert!(!holds("true", &metric(Some(Data::Gauge(Gauge::default())))), "without a point nothing holds");
}

#[test]
fn renamed_labels_are_meant_by_either_name() {
    let point = NumberDataPoint {
        attributes: attributes(vec![("http.request.method", string("GET"))]),
        ..NumberDataPoint::default()
    };
    let metric = metric(Some(Data::Gauge(Gauge { data_points: vec![point] })));
    let older = Expression::new(r#"HasLabel("http.method") && Label("http.method") == "GET""#).unwrap();
    assert!(older.holds_somewhere(&metric, Names::Either).unwrap());
    assert!(!older.holds_somewhere(&metric, Names::Written).unwrap());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("", 0, "unexpected the end"),
        ("MetricName", 0, "the expression has to be true or false"),
        (r#"metricName == "a""#, 0, r#""metricName" is not known here"#),
        (r#"len(MetricName) > 5"#, 0, r#""len" is not known here"#),
        (
            r#"not MetricName == "a""#,
            4,
            "what 'not' negates (a comparison goes in parentheses) has to be true or false",
        ),
        (r#"MetricName == "a" && Label("b")"#, 21, r#"the right side of "&&" has to be true or false"#),
        (r#"MetricName in "a""#, 14, "unexpected the text \"a\""),
        (r#"MetricName matches Label("a")"#, 19, "a pattern has to be a text in quotes"),
        (r#"HasLabel(5)"#, 9, "what HasLabel is asked for has to be a text"),
        (r#"HasLabel()"#, 9, "unexpected \")\""),
        (r#"(MetricName == "a""#, 18, "unexpected the end"),
        (r#"MetricName == "a" MetricType"#, 18, "unexpected \"MetricType\""),
        (r#"MetricName == "a"#, 14, "the text does not end"),
        (r#""\q" == "a""#, 1, "no such escape in a text"),
        (r#""\'" == "a""#, 1, "no such escape in a text"),
        (r#"MetricName == 'a' @ b"#, 18, "unexpected '@'"),
        (r#""a" + "b" == "ab""#, 4, "unexpected \"+\""),
        (r#"1 == "a""#, 2, "these are never the same"),
        (r#"MetricName < 5"#, 13, "the right side of \"<\" has to be a text"),
        (r#"true ? "a" : 1"#, 0, "both sides of ':' have to be of one type"),
        (r#"1x == 1"#, 0, "\"1x\" is no number"),
    ];
    for (text, at, message) in cases {
        let error = Expression::new(text).unwrap_err();
        assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
    }
    assert!(Expression::new(r#"MetricName matches "(""#).unwrap_err().message.contains("missing closing )"));
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_before_it_harms() {
    let message = |text: String| Expression::new(&text).unwrap_err().message;
    assert!(message("(".repeat(100_000)).contains("nests more than 100 deep"));
    assert!(message("!".repeat(100_000)).contains("nests more than 100 deep"));
    assert!(message("HasLabel(".repeat(100_000)).contains("nests more than 100 deep"));
    assert!(message("true ?: ".repeat(100_000)).contains("nests more than 100 deep"));
    assert!(message(format!("true{}", " == true".repeat(100_000))).contains("more than 1000 parts"));
    let list = vec!["'a'"; 100_000].join(", ");
    assert!(!holds(&format!("MetricName in [{list}]"), &sum()));
    assert!(holds(&format!("true{}", " && true".repeat(450)), &sum()));
    assert!(holds(&format!("true{}", " == true".repeat(450)), &sum()));
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken_or_refused(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "MetricName", "HasLabel(", "Label(", "'a'", "\"b\\n\"", "`", "(", ")", "[", "]", "not", "in", "and",
                "||", "==", "?", ":", "matches", "contains", "!", "true", "5", ",", " ", "é", "\\", "nil", "<", "lower(",
            ]),
            0..12,
        ),
    ) {
        let text = parts.join(" ");
        match Expression::new(&text) {
            Ok(expression) => { expression.holds_somewhere(&sum(), Names::Either).unwrap(); }
            Err(error) => proptest::prop_assert!(text.is_char_boundary(error.at)),
        }
    }
}
