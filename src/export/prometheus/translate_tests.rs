//! Requests in, expositions out: the rules of translation one by one, and golden texts.

use std::time::Duration;

use proptest::prelude::*;

use super::super::config::ResourceLabels;
use super::super::store::Limits;
use super::super::text::{self, Style};
use super::*;
use crate::outcome::Signal;
use crate::split::count_items;
use crate::wire::json::{Limits as JsonLimits, to_protobuf};

/// An exporter without its shell.
struct Desk {
    translator: Translator,
    store: Store,
    now: Instant,
}

const OPEN: Style = Style { open_metrics: true, any_names: false, timestamps: false };

impl Desk {
    fn new(config: Prometheus) -> Self {
        let limits = Limits {
            series: config.max_series,
            bytes: config.max_series_bytes,
            expiration: config.metric_expiration,
        };
        let translator = Translator::new(config);
        let store = Store::new(limits, translator.target_info());
        Self { translator, store, now: Instant::now() }
    }

    fn bare() -> Self {
        Self::new(Prometheus::default())
    }

    /// Takes metrics of one resource and scope, in OTLP JSON.
    fn take(&mut self, resource: &str, scope: &str, metrics: &str) -> Taken {
        let text = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":{resource}}},
                "scopeMetrics":[{{"scope":{scope},"metrics":[{metrics}]}}]}}]}}"#
        );
        let body = to_protobuf(Signal::Metrics, text.as_bytes(), JsonLimits::default()).unwrap();
        let items = count_items(Signal::Metrics, &body).unwrap();
        self.translator.take(&body, items, &mut self.store, self.now)
    }

    fn metric(&mut self, metric: &str) -> Taken {
        self.take("[]", "{}", metric)
    }

    fn text(&mut self) -> String {
        self.styled(Style::default())
    }

    fn styled(&mut self, style: Style) -> String {
        self.store.expire(self.now);
        let mut out = String::new();
        let (name, targets) = self.store.targets();
        text::targets(&mut out, style, name, targets);
        let mut last: Option<String> = None;
        while let Some((name, family)) = self.store.next(last.as_deref()) {
            text::family(&mut out, style, name, family);
            last = Some(name.to_owned());
        }
        text::end(&mut out, style);
        out
    }
}

fn taken(points: u64) -> Taken {
    Taken { points, ..Taken::default() }
}

fn left_out(reason: Reason) -> Taken {
    Taken { left_out: vec![(reason, 1)], ..Taken::default() }
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

/// A sum of one point: `temporality` 1 is delta, 2 cumulative.
fn sum(name: &str, temporality: u8, monotonic: bool, start: u64, time: u64, value: i64) -> String {
    format!(
        r#"{{"name":"{name}","description":"Help","sum":{{"aggregationTemporality":{temporality},
            "isMonotonic":{monotonic},"dataPoints":[{{"startTimeUnixNano":"{start}","timeUnixNano":"{time}",
            "asInt":"{value}"}}]}}}}"#
    )
}

fn gauge(name: &str, unit: &str, time: u64, value: f64) -> String {
    format!(
        r#"{{"name":"{name}","unit":"{unit}","gauge":{{"dataPoints":[{{"timeUnixNano":"{time}","asDouble":{value}}}]}}}}"#
    )
}

fn histogram(temporality: u8, start: u64, time: u64, counts: [u64; 3], sum: f64) -> String {
    let [a, b, c] = counts;
    format!(
        r#"{{"name":"d","unit":"s","histogram":{{"aggregationTemporality":{temporality},"dataPoints":[
            {{"startTimeUnixNano":"{start}","timeUnixNano":"{time}","count":"{}","sum":{sum},
            "bucketCounts":["{a}","{b}","{c}"],"explicitBounds":[0.5,1]}}]}}}}"#,
        a + b + c
    )
}

#[test]
fn a_request_of_every_kind_is_an_exposition() {
    let mut desk = Desk::bare();
    let resource = [
        attribute("service.name", "shop"),
        attribute("service.namespace", "eu"),
        attribute("service.instance.id", "i-1"),
        attribute("host.name", "h\\\"1"),
        attribute("host-name", "h2"),
    ]
    .join(",");
    let scope = format!(r#"{{"name":"lib","version":"1.2","attributes":[{}]}}"#, attribute("team", "x"));
    let point = |value: &str| {
        format!(r#"{{"timeUnixNano":"5","attributes":[{}],{value}}}"#, attribute("http.method", "GET"))
    };
    let metrics = [
        format!(
            r#"{{"name":"http.requests","unit":"1","description":"All\nrequests","sum":{{"aggregationTemporality":2,
            "isMonotonic":true,"dataPoints":[{}]}}}}"#,
            point(r#""asInt":"7""#)
        ),
        format!(r#"{{"name":"load","unit":"1","gauge":{{"dataPoints":[{}]}}}}"#, point(r#""asDouble":0.5"#)),
        format!(
            r#"{{"name":"lag","unit":"ms","summary":{{"dataPoints":[{}]}}}}"#,
            point(r#""count":"2","sum":3,"quantileValues":[{"quantile":0.99,"value":2},{"quantile":0.5,"value":1}]"#)
        ),
        format!(
            r#"{{"name":"size","unit":"By","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{}]}}}}"#,
            point(r#""count":"6","sum":20,"scale":0,"zeroCount":"1","positive":{"offset":0,"bucketCounts":["2","3"]}"#)
        ),
        histogram(2, 0, 5, [1, 2, 3], 4.0),
    ]
    .join(",");
    assert_eq!(desk.take(&format!("[{resource}]"), &scope, &metrics), taken(5));
    let who =
        r#"instance="i-1",job="eu/shop",otel_scope_name="lib",otel_scope_team="x",otel_scope_version="1.2""#;
    let get = format!(r#"http_method="GET",{who}"#);
    let expected = format!(
        r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{{host_name="h2;h\"1",instance="i-1",job="eu/shop"}} 1
# HELP d_seconds 
# TYPE d_seconds histogram
d_seconds_bucket{{{who},le="0.5"}} 1
d_seconds_bucket{{{who},le="1"}} 3
d_seconds_bucket{{{who},le="+Inf"}} 6
d_seconds_sum{{{who}}} 4
d_seconds_count{{{who}}} 6
# HELP http_requests_total All\nrequests
# TYPE http_requests_total counter
http_requests_total{{{get}}} 7
# HELP lag_milliseconds 
# TYPE lag_milliseconds summary
lag_milliseconds{{{get},quantile="0.5"}} 1
lag_milliseconds{{{get},quantile="0.99"}} 2
lag_milliseconds_sum{{{get}}} 3
lag_milliseconds_count{{{get}}} 2
# HELP load_ratio 
# TYPE load_ratio gauge
load_ratio{{{get}}} 0.5
# HELP size_bytes 
# TYPE size_bytes histogram
size_bytes_bucket{{{get},le="0"}} 1
size_bytes_bucket{{{get},le="2"}} 3
size_bytes_bucket{{{get},le="4"}} 6
size_bytes_bucket{{{get},le="+Inf"}} 6
size_bytes_sum{{{get}}} 20
size_bytes_count{{{get}}} 6
"#
    );
    assert_eq!(desk.text(), expected);
}

#[test]
fn open_metrics_has_exemplars_its_own_numbers_and_an_end() {
    let mut desk = Desk::bare();
    let exemplar = |value: f64| {
        format!(
            r#""exemplars":[{{"timeUnixNano":"1500000000","asDouble":{value},
                "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}}]"#
        )
    };
    let counter =
        sum("c", 2, true, 0, 5, 1).replace(r#""asInt":"1""#, &format!(r#""asInt":"1",{}"#, exemplar(1.0)));
    let bare =
        r#"{"name":"b","sum":{"aggregationTemporality":2,"isMonotonic":false,"dataPoints":[{"asInt":"3"}]}}"#;
    let buckets =
        histogram(2, 0, 5, [1, 2, 3], 4.0).replace(r#""count""#, &format!(r#"{},"count""#, exemplar(0.7)));
    assert_eq!(desk.metric(&[counter.as_str(), bare, &buckets].join(",")), taken(3));
    let example = r#"# {trace_id="0102030405060708090a0b0c0d0e0f10",span_id="0102030405060708"}"#;
    let expected = format!(
        r#"# HELP b 
# TYPE b gauge
b 3.0
# HELP c Help
# TYPE c counter
c_total 1.0 {example} 1.0 1.5
# HELP d_seconds 
# TYPE d_seconds histogram
d_seconds_bucket{{le="0.5"}} 1
d_seconds_bucket{{le="1.0"}} 3 {example} 0.7 1.5
d_seconds_bucket{{le="+Inf"}} 6
d_seconds_sum 4.0
d_seconds_count 6
# EOF
"#
    );
    assert_eq!(desk.styled(OPEN), expected);
    assert!(!desk.text().contains("trace_id"), "exemplars are OpenMetrics' only");
}

#[test]
fn a_counter_without_its_suffix_is_unknown_to_open_metrics() {
    let translation = super::super::config::Translation { escapes: true, suffixes: false };
    let mut desk = Desk::new(Prometheus { translation, ..Prometheus::default() });
    desk.metric(&sum("c", 2, true, 0, 5, 1));
    assert_eq!(desk.text(), "# HELP c Help\n# TYPE c counter\nc 1\n");
    assert_eq!(desk.styled(OPEN), "# HELP c Help\n# TYPE c unknown\nc 1.0\n# EOF\n");
}

#[test]
fn names_of_any_characters_are_quoted_or_escaped_as_the_scraper_takes_them() {
    let translation = super::super::config::Translation { escapes: false, suffixes: true };
    let mut desk = Desk::new(Prometheus { translation, ..Prometheus::default() });
    let metric = gauge("a.b", "s", 5, 1.0)
        .replace(r#""asDouble""#, &format!(r#""attributes":[{}],"asDouble""#, attribute("k.x", "v")));
    desk.metric(&metric);
    let any = Style { any_names: true, ..Style::default() };
    assert_eq!(
        desk.styled(any),
        "# HELP \"a.b_seconds\" \n# TYPE \"a.b_seconds\" gauge\n{\"a.b_seconds\",\"k.x\"=\"v\"} 1\n"
    );
    assert_eq!(desk.text(), "# HELP a_b_seconds \n# TYPE a_b_seconds gauge\na_b_seconds{k_x=\"v\"} 1\n");
}

#[test]
fn configured_labels_namespace_and_times() {
    let mut desk = Desk::new(Prometheus {
        namespace: "ns".into(),
        const_labels: vec![("another label".into(), "v".into()), ("job".into(), "mine".into())],
        without_scope_info: true,
        ..Prometheus::default()
    });
    let resource = format!("[{}]", attribute("service.name", "a"));
    desk.take(&resource, r#"{"name":"lib"}"#, &gauge("g", "", 1_500_000_000, 1.0));
    let timed = Style { timestamps: true, ..Style::default() };
    assert_eq!(
        desk.styled(timed),
        "# HELP ns_target_info Target metadata\n# TYPE ns_target_info gauge\nns_target_info{job=\"a\"} 1\n\
         # HELP ns_g \n# TYPE ns_g gauge\nns_g{another_label=\"v\",job=\"mine\"} 1 1500\n"
    );
    let open = Style { open_metrics: true, ..timed };
    assert!(desk.styled(open).contains("job=\"mine\"} 1.0 1.5\n"));
}

#[test]
fn resource_attributes_are_labels_where_that_is_on() {
    let resource_labels =
        ResourceLabels { included: vec!["*".into()], excluded: vec!["service.name".into()] };
    let mut desk = Desk::new(Prometheus { resource_labels, ..Prometheus::default() });
    let resource = format!("[{},{}]", attribute("service.name", "a"), attribute("k8s.pod", "p"));
    let metric = gauge("g", "", 5, 1.0)
        .replace(r#""asDouble""#, &format!(r#""attributes":[{}],"asDouble""#, attribute("k8s.pod", "mine")));
    desk.take(&resource, "{}", &metric);
    assert!(desk.text().ends_with("g{job=\"a\",k8s_pod=\"p\"} 1\n"), "{}", desk.text());
}

#[test]
fn a_label_that_the_exposition_needs_gives_way() {
    let mut desk = Desk::bare();
    let metric = histogram(2, 0, 5, [1, 0, 0], 0.1)
        .replace(r#""count""#, &format!(r#""attributes":[{}],"count""#, attribute("le", "x")));
    desk.metric(&metric);
    assert!(desk.text().contains("d_seconds_bucket{key_le=\"x\",le=\"0.5\"} 1\n"), "{}", desk.text());
}

#[test]
fn a_target_is_shown_as_it_is_now() {
    let mut desk = Desk::bare();
    for version in ["1", "2"] {
        let resource = format!("[{},{}]", attribute("service.name", "a"), attribute("v", version));
        desk.take(&resource, "{}", &gauge("g", "", 5, 1.0));
    }
    assert_eq!(desk.text().matches("target_info{").count(), 1);
    assert!(desk.text().contains("target_info{job=\"a\",v=\"2\"} 1\n"));
    let mut nobody = Desk::bare();
    nobody.take(&format!("[{}]", attribute("host", "h")), "{}", &gauge("g", "", 5, 1.0));
    assert!(!nobody.text().contains("target_info"), "nothing says which target it is");
}

#[test]
fn cumulative_points_replace_and_older_ones_are_left_out() {
    let mut desk = Desk::bare();
    assert_eq!(desk.metric(&sum("c", 2, true, 0, 10, 5)), taken(1));
    assert_eq!(desk.metric(&sum("c", 2, true, 0, 9, 4)), left_out(Reason::OutOfOrder));
    assert_eq!(desk.metric(&sum("c", 2, true, 0, 10, 6)), taken(1), "the same time again");
    assert!(desk.text().ends_with("c_total 6\n"));
}

#[test]
fn delta_sums_add_up_where_they_follow_and_begin_anew_where_not() {
    let mut desk = Desk::bare();
    desk.metric(&sum("c", 1, true, 0, 10, 5));
    desk.metric(&sum("c", 1, true, 10, 20, 2));
    assert!(desk.text().ends_with("c_total 7\n"));
    desk.metric(&sum("c", 1, true, 25, 30, 1));
    assert!(desk.text().ends_with("c_total 1\n"), "a gap is a restart");
    assert_eq!(desk.metric(&sum("c", 1, true, 10, 20, 9)), left_out(Reason::OutOfOrder));
}

#[test]
fn delta_histograms_add_up_where_they_follow() {
    let mut desk = Desk::bare();
    desk.metric(&histogram(1, 0, 10, [1, 1, 0], 1.0));
    desk.metric(&histogram(1, 10, 20, [0, 1, 2], 4.0));
    assert!(desk.text().contains("le=\"1\"} 3\n") && desk.text().contains("d_seconds_sum 5\n"));
    assert_eq!(
        desk.metric(&histogram(1, 15, 25, [9, 9, 9], 1.0)),
        left_out(Reason::OutOfOrder),
        "it overlaps"
    );
    desk.metric(&histogram(1, 30, 40, [1, 0, 0], 0.1));
    assert!(desk.text().ends_with("d_seconds_sum 0.1\nd_seconds_count 1\n"), "a gap is a restart");
}

#[test]
fn what_prometheus_has_no_form_for_is_left_out() {
    let mut desk = Desk::bare();
    let unsupported = left_out(Reason::UnsupportedTemporality);
    assert_eq!(desk.metric(&sum("c", 1, false, 0, 10, 5)), unsupported, "delta, not monotonic");
    assert_eq!(desk.metric(&sum("c", 0, true, 0, 10, 5)), unsupported, "unspecified");
    assert_eq!(desk.metric(&histogram(0, 0, 10, [1, 1, 1], 1.0)), unsupported);
    assert_eq!(desk.metric(&gauge("..", "", 5, 1.0)), left_out(Reason::InvalidName));
    assert_eq!(desk.metric(&gauge("target.info", "", 5, 1.0)), left_out(Reason::TypeConflict));
    assert_eq!(desk.text(), "");
    desk.metric(&sum("n", 2, false, 0, 10, 5));
    assert!(desk.text().contains("# TYPE n gauge\nn 5\n"), "cumulative, not monotonic");
}

#[test]
fn the_first_type_and_help_of_a_name_stay() {
    let mut desk = Desk::bare();
    desk.metric(&sum("c", 2, true, 0, 10, 5));
    let clash = Taken { clashes: vec!["c_total".into()], ..left_out(Reason::TypeConflict) };
    assert_eq!(desk.metric(&gauge("c.total", "", 5, 1.0)), clash);
    assert_eq!(desk.metric(&gauge("c.total", "", 5, 1.0)), left_out(Reason::TypeConflict), "told once");
    desk.metric(&sum("c", 2, true, 0, 11, 6).replace("Help", "Other"));
    assert_eq!(desk.text(), "# HELP c_total Help\n# TYPE c_total counter\nc_total 6\n");
}

#[test]
fn a_point_without_a_value_ends_its_series() {
    let mut desk = Desk::bare();
    desk.metric(&gauge("g", "", 5, 1.0));
    let stale = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"6","flags":1}]}}"#;
    assert_eq!(desk.metric(stale), taken(1));
    assert_eq!(desk.text(), "");
    assert_eq!(desk.store.size(), (0, 0));
    assert_eq!(desk.metric(stale), taken(1), "of a series that is not there");
}

#[test]
fn series_expire_after_their_last_update() {
    let mut desk = Desk::bare();
    let resource = format!("[{}]", attribute("service.name", "a"));
    desk.take(&resource, "{}", &gauge("g", "", 5, 1.0));
    desk.now += Duration::from_secs(300);
    assert!(desk.text().contains("g{job=\"a\"} 1\n"));
    desk.now += Duration::from_secs(1);
    assert_eq!(desk.text(), "");
    assert_eq!(desk.store.size(), (0, 0), "targets too");
}

#[test]
fn series_beyond_the_limit_are_left_out_until_others_expire() {
    let mut desk = Desk::new(Prometheus { max_series: 2, ..Prometheus::default() });
    assert_eq!(desk.metric(&gauge("a", "", 5, 1.0)), taken(1));
    assert_eq!(desk.metric(&gauge("b", "", 5, 1.0)), taken(1));
    assert_eq!(desk.metric(&gauge("c", "", 5, 1.0)), left_out(Reason::SeriesFull));
    assert_eq!(desk.metric(&gauge("a", "", 6, 2.0)), taken(1), "known series go on");
    desk.now += Duration::from_secs(301);
    assert_eq!(desk.metric(&gauge("c", "", 5, 1.0)), taken(1));
    let mut small = Desk::new(Prometheus { max_series_bytes: 300, ..Prometheus::default() });
    assert_eq!(small.metric(&gauge("a", "", 5, 1.0)), taken(1));
    assert_eq!(small.metric(&gauge("b", "", 5, 1.0)), left_out(Reason::SeriesFull));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_every_point_has_an_end(bytes: Vec<u8>, items in 0..50_u64) {
        let mut desk = Desk::bare();
        let taken = desk.translator.take(&bytes, items, &mut desk.store, desk.now);
        let left_out: u64 = taken.left_out.iter().map(|(_, points)| points).sum();
        prop_assert!(taken.points + left_out >= items);
        desk.text();
        desk.styled(OPEN);
    }

    #[test]
    fn damaged_requests_never_panic(cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9)) {
        let all = [histogram(1, 0, 5, [1, 2, 3], 4.0), sum("c", 1, true, 0, 5, 7), gauge("g", "s", 5, 1.0)].join(",");
        let text = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{all}]}}]}}]}}"#);
        let mut body = to_protobuf(Signal::Metrics, text.as_bytes(), JsonLimits::default()).unwrap();
        for (index, byte) in cuts {
            let at = index.index(body.len());
            body[at] = byte;
        }
        let mut desk = Desk::bare();
        let items = count_items(Signal::Metrics, &body).unwrap_or(3);
        let taken = desk.translator.take(&body, items, &mut desk.store, desk.now);
        let left_out: u64 = taken.left_out.iter().map(|(_, points)| points).sum();
        prop_assert_eq!(taken.points + left_out, items.max(taken.points + left_out));
        desk.text();
    }
}
