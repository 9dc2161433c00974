//! What becomes of points: added up, left out for a reason, expired.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::split::count_items;

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
    assert_eq!(desk.store.lock().size(), (0, 0));
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
    assert_eq!(desk.store.lock().size(), (0, 0), "targets too");
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
        let taken = desk.translator.take(&bytes, items, &desk.store, desk.now);
        let left_out: u64 = taken.left_out.iter().map(|(_, points)| points).sum();
        prop_assert!(taken.points + left_out >= items);
        desk.text();
        desk.styled(OPEN);
        desk.page(PROTOBUF);
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
        let taken = desk.translator.take(&body, items, &desk.store, desk.now);
        let left_out: u64 = taken.left_out.iter().map(|(_, points)| points).sum();
        prop_assert_eq!(taken.points + left_out, items.max(taken.points + left_out));
        desk.text();
        desk.page(PROTOBUF);
    }
}
