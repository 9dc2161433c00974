//! Golden texts: what each kind of metric and each key looks like to a scraper.

use super::*;
use crate::export::prometheus::config::{ResourceLabels, Translation};
use crate::wire::json::proto::unzigzag;
use crate::wire::{Field, Fields, Payload, read_varint};

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

/// The bytes in these fields of a message, one inside the other, the last of each.
fn inside<'a>(message: &'a [u8], path: &[u32]) -> &'a [u8] {
    path.iter().fold(message, |message, number| {
        let fields = Fields::new(message).map(Result::unwrap);
        let field = fields.filter(|field| field.number == *number).last().unwrap();
        &message[field.bytes().unwrap()]
    })
}

fn numbers(message: &[u8], number: u32) -> Vec<u64> {
    let fields = Fields::new(message).map(Result::unwrap).filter(|field| field.number == number);
    let number = |field: Field| match field.payload {
        Payload::Varint(value) | Payload::Fixed64(value) => value,
        other => panic!("{other:?}"),
    };
    fields.map(number).collect()
}

#[test]
fn protobuf_has_native_histograms_and_their_classic_buckets() {
    let mut desk = Desk::bare();
    let metric = r#"{"name":"size","description":"H","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
        {"timeUnixNano":"5000000","count":"9","sum":20,"scale":9,"zeroCount":"1",
        "positive":{"offset":-2,"bucketCounts":["1","0","2","5"]}}]}}"#;
    desk.metric(metric);
    let page = desk.page(PROTOBUF);
    let (length, start) = read_varint(&page, 0).unwrap();
    let family = &page[start..];
    assert_eq!(family.len() as u64, length);
    assert_eq!(
        (inside(family, &[1]), inside(family, &[2]), numbers(family, 3)),
        (&b"size"[..], &b"H"[..], vec![4])
    );
    let metric = inside(family, &[4]);
    assert_eq!(numbers(metric, 6), [5]);
    let histogram = inside(metric, &[7]);
    assert_eq!((numbers(histogram, 1), numbers(histogram, 2)), (vec![9], vec![20_f64.to_bits()]));
    let last = inside(histogram, &[3]);
    assert_eq!((numbers(last, 1), numbers(last, 2)), (vec![9], vec![f64::INFINITY.to_bits()]));
    // Scale 8 is the finest: buckets -2 and -1 become -1, 0 and 1 become 0; by upper bounds that is 0 and 1.
    let zigzagged = |numbers: Vec<u64>| numbers.into_iter().map(unzigzag).collect::<Vec<_>>();
    assert_eq!((zigzagged(numbers(histogram, 5)), numbers(histogram, 7)), (vec![8], vec![1]));
    let span = inside(histogram, &[12]);
    assert_eq!((zigzagged(numbers(span, 1)), numbers(span, 2)), (vec![0], vec![2]));
    assert_eq!(zigzagged(numbers(histogram, 13)), [1, 6]);
}

#[test]
fn a_counter_without_its_suffix_is_unknown_to_open_metrics() {
    let translation = Translation { escapes: true, suffixes: false };
    let mut desk = Desk::new(Prometheus { translation, ..Prometheus::default() });
    desk.metric(&sum("c", 2, true, 0, 5, 1));
    assert_eq!(desk.text(), "# HELP c Help\n# TYPE c counter\nc 1\n");
    assert_eq!(desk.styled(OPEN), "# HELP c Help\n# TYPE c unknown\nc 1.0\n# EOF\n");
}

#[test]
fn names_of_any_characters_are_quoted_or_escaped_as_the_scraper_takes_them() {
    let translation = Translation { escapes: false, suffixes: true };
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
