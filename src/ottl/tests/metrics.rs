//! Editors of metrics, each on one metric: what it becomes, and what is made of it.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum, Summary, SummaryDataPoint, number_data_point,
};

use super::*;

fn named(data: Data) -> Metric {
    Metric {
        name: "m".into(),
        description: "d".into(),
        unit: "s".into(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(instance: &str, value: i64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attribute("instance", text(instance)), attribute("zone", text("z"))],
        time_unix_nano: 5,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

fn gauge() -> Metric {
    named(Data::Gauge(Gauge { data_points: vec![number("a", 4), number("b", 7), number("a", 6)] }))
}

fn histogram() -> Metric {
    let point = HistogramDataPoint {
        attributes: vec![attribute("zone", text("z"))],
        count: 10,
        sum: Some(20.0),
        bucket_counts: vec![1, 2, 3, 4],
        explicit_bounds: vec![1.0, 2.0, 5.0],
        max: Some(9.0),
        ..HistogramDataPoint::default()
    };
    named(Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 1 }))
}

fn exponential() -> Metric {
    let point = ExponentialHistogramDataPoint {
        count: 6,
        scale: 0,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 2, 3] }),
        ..ExponentialHistogramDataPoint::default()
    };
    named(Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: 2,
    }))
}

fn summary() -> Metric {
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let point = SummaryDataPoint {
        count: 7,
        sum: 21.0,
        quantile_values: vec![quantile(0.5, 3.0), quantile(0.99, 6.0)],
        ..SummaryDataPoint::default()
    };
    named(Data::Summary(Summary { data_points: vec![point] }))
}

/// The metric afterwards, and the metrics that were made.
fn run_on(metric: &Metric, text: &str) -> (Metric, Vec<Metric>) {
    let bytes = metric.encode_to_vec();
    let mut target = Target::new();
    target.set(Context::Metric, &bytes);
    let statement = statement(text, Some(Context::Metric)).unwrap();
    statement.run(&mut target, &env()).unwrap();
    let after = Metric::decode(target.bytes(Context::Metric)).unwrap();
    let made = target.into_memory().made().map(|made| Metric::decode(&made[..]).unwrap()).collect();
    (after, made)
}

/// A metric in short: name, kind, unit, values.
fn shown(metric: &Metric) -> String {
    let numbers = |points: &[NumberDataPoint]| {
        let value = |point: &NumberDataPoint| match point.value {
            Some(number_data_point::Value::AsInt(value)) => value.to_string(),
            Some(number_data_point::Value::AsDouble(value)) => format!("{value:.3}"),
            None => "none".into(),
        };
        points.iter().map(value).collect::<Vec<_>>().join(" ")
    };
    let data = match metric.data.as_ref().unwrap() {
        Data::Gauge(data) => format!("gauge {}", numbers(&data.data_points)),
        Data::Sum(data) => format!(
            "sum {} {} {}",
            data.aggregation_temporality,
            data.is_monotonic,
            numbers(&data.data_points)
        ),
        Data::Histogram(data) => {
            let point = &data.data_points[0];
            format!("histogram {:?} {:?} {:?}", point.bucket_counts, point.explicit_bounds, point.sum)
        }
        Data::ExponentialHistogram(_) => "exponential".into(),
        Data::Summary(data) => {
            let quantiles: Vec<_> = data.data_points[0].quantile_values.iter().map(|q| q.value).collect();
            format!("summary {} {quantiles:?}", data.data_points[0].sum)
        }
    };
    format!("{} [{}] {data}", metric.name, metric.unit)
}

#[test]
fn metrics_become_others() {
    let cases = [
        (gauge(), r#"convert_gauge_to_sum("delta", true)"#, "m [s] sum 1 true 4 7 6"),
        (gauge(), r#"convert_gauge_to_sum("cumulative", false)"#, "m [s] sum 2 false 4 7 6"),
        (gauge(), "convert_sum_to_gauge()", "m [s] gauge 4 7 6"),
        (gauge(), r#"scale_metric(1.5, "ms")"#, "m [ms] gauge 6 10 9"),
        (histogram(), "scale_metric(2)", "m [s] histogram [1, 2, 3, 4] [2.0, 4.0, 10.0] Some(40.0)"),
        (summary(), "scale_metric(2.0)", "m [s] summary 42 [6.0, 12.0]"),
        (gauge(), r#"aggregate_on_attributes("sum", ["zone"])"#, "m [s] gauge 17"),
        (gauge(), r#"aggregate_on_attributes("mean", [])"#, "m [s] gauge 5"),
        (gauge(), r#"aggregate_on_attributes("min")"#, "m [s] gauge 4 7"),
        (gauge(), r#"aggregate_on_attributes("median", ["zone"])"#, "m [s] gauge 6"),
        (gauge(), r#"aggregate_on_attributes("count", ["zone"])"#, "m [s] gauge 3"),
        (gauge(), r#"aggregate_on_attribute_value("max", "instance", ["b"], "a")"#, "m [s] gauge 7"),
        (
            exponential(),
            r#"convert_exponential_histogram_to_histogram("upper", [2.0, 4.0])"#,
            "m [s] histogram [1, 5] [2.0, 4.0] Some(0.0)",
        ),
        (
            exponential(),
            r#"convert_exponential_histogram_to_histogram("uniform", [1.5, 3.0, 8.0])"#,
            "m [s] histogram [1, 4, 1] [1.5, 3.0, 8.0] Some(0.0)",
        ),
    ];
    for (metric, statement, expected) in cases {
        assert_eq!(shown(&run_on(&metric, statement).0), expected, "{statement}");
    }
}

#[test]
fn metrics_are_made_of_others() {
    let cases = [
        (histogram(), "extract_sum_metric(true)", "m_sum [s] sum 1 true 20.000"),
        (histogram(), r#"extract_count_metric(false, ".n")"#, "m.n [1] sum 1 false 10"),
        (summary(), "extract_count_metric(true)", "m_count [1] sum 2 true 7"),
        (summary(), "convert_summary_quantile_val_to_gauge()", "m.quantiles [s] gauge 3.000 6.000"),
        (histogram(), "extract_percentile_metric(50.0)", "m_p50 [s] gauge 4.000"),
        (histogram(), r#"extract_percentile_metric(99.9, "_top")"#, "m_top [s] gauge 9.000"),
        (exponential(), "extract_percentile_metric(50)", "m_p50 [s] gauge 4.000"),
        (gauge(), r#"copy_metric(name="c", unit="ms")"#, "c [ms] gauge 4 7 6"),
    ];
    for (metric, statement, expected) in cases {
        let (after, made) = run_on(&metric, statement);
        assert_eq!(after, metric, "{statement}");
        assert_eq!(made.iter().map(shown).collect::<Vec<_>>(), [expected], "{statement}");
    }
}

#[test]
fn metrics_are_asked_about_their_points() {
    let cases = [
        (gauge(), r#"HasAttrKeyOnDatapoint("instance")"#, true),
        (gauge(), r#"HasAttrKeyOnDatapoint("none")"#, false),
        (gauge(), r#"HasAttrOnDatapoint("instance", "b")"#, true),
        (gauge(), r#"HasAttrOnDatapoint("instance", "c")"#, false),
        (histogram(), r#"HasAttrOnDatapoint("zone", "z")"#, true),
        (exponential(), r#"HasAttrKeyOnDatapoint("zone")"#, false),
    ];
    for (metric, text, expected) in cases {
        let bytes = metric.encode_to_vec();
        let mut target = Target::new();
        target.set(Context::Metric, &bytes);
        let condition = condition(text, Context::Metric).unwrap();
        assert_eq!(condition.matches(&mut target, &env()), Ok(expected), "{text}");
    }
}

#[test]
fn a_random_spread_loses_nothing() {
    let random = std::sync::atomic::AtomicU64::new(1);
    let next = || {
        let last = random.fetch_add(0x9e37_79b9_7f4a_7c15, std::sync::atomic::Ordering::Relaxed);
        u128::from(last.wrapping_mul(0xbf58_476d_1ce4_e5b9)) << 64
    };
    let bytes = exponential().encode_to_vec();
    for _ in 0..100 {
        let mut target = Target::new();
        target.set(Context::Metric, &bytes);
        let text = r#"convert_exponential_histogram_to_histogram("random", [1.2, 1.5, 3.0, 5.0, 7.0])"#;
        let random = Env { now_unix_nanos: 0, metadata: &[], random: &next };
        statement(text, Some(Context::Metric)).unwrap().run(&mut target, &random).unwrap();
        let after = Metric::decode(target.bytes(Context::Metric)).unwrap();
        let Some(Data::Histogram(after)) = after.data else { panic!("not a histogram") };
        assert_eq!(after.data_points[0].bucket_counts.iter().sum::<u64>(), 6);
    }
}

#[test]
fn buckets_are_merged_where_they_are_fewer_afterwards() {
    let Some(Data::Histogram(data)) = histogram().data else { panic!("not a histogram") };
    let (metric, point) = (histogram().encode_to_vec(), data.data_points[0].encode_to_vec());
    let cases: [(&str, Vec<u64>, Vec<f64>); 4] = [
        ("merge_histogram_buckets(2.0)", vec![1, 5, 4], vec![1.0, 5.0]),
        ("merge_histogram_buckets(3.0)", vec![1, 2, 3, 4], vec![1.0, 2.0, 5.0]),
        (r#"merge_histogram_buckets(2, "limit_buckets")"#, vec![3, 7], vec![2.0]),
        (r#"merge_histogram_buckets(3, "limit_buckets")"#, vec![3, 7], vec![2.0]),
    ];
    for (text, counts, bounds) in cases {
        let mut target = Target::new();
        target.set(Context::DataPoint, &point);
        target.set(Context::Metric, &metric);
        statement(text, Some(Context::DataPoint)).unwrap().run(&mut target, &env()).unwrap();
        let after = HistogramDataPoint::decode(target.bytes(Context::DataPoint)).unwrap();
        assert_eq!((after.bucket_counts, after.explicit_bounds), (counts, bounds), "{text}");
    }
}

#[test]
fn what_is_written_out_wrongly_is_refused_at_the_start() {
    let cases = [
        (r#"convert_gauge_to_sum("other", true)"#, "invalid value \"other\""),
        ("extract_percentile_metric(100.0)", "percentile must be greater than 0 and less than 100, got 100"),
        (r#"convert_exponential_histogram_to_histogram("upper", [])"#, "explicit bounds cannot be empty"),
        (r#"aggregate_on_attributes("avg")"#, "invalid value \"avg\""),
        ("merge_histogram_buckets(1.0)", "it is for datapoints"),
    ];
    for (text, expected) in cases {
        let error = statement(text, Some(Context::Metric)).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let sum = named(Data::Sum(Sum { data_points: vec![number("a", 1)], ..Sum::default() })).encode_to_vec();
    let mut target = Target::new();
    target.set(Context::Metric, &sum);
    let error =
        statement("extract_sum_metric(true)", Some(Context::Metric)).unwrap().run(&mut target, &env());
    assert!(error.unwrap_err().to_string().contains("requires an input metric of type Histogram"));
}
