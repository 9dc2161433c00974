//! `metrics.views`: what of our own metrics is shown otherwise, or not at all.

use std::collections::BTreeMap;

use super::config::{View, ViewKind};
use super::families::{Family, Kind, Number, Point};
use super::names::attribute;
use crate::pattern::wildcard;

/// What is shown of `families`. What no view selects stays as it is; what several select is shown by each of them.
pub(super) fn apply(views: &[View], families: Vec<Family>) -> Vec<Family> {
    if views.is_empty() {
        return families;
    }
    let mut shown: Vec<Family> = Vec::with_capacity(families.len());
    for family in families {
        let selecting: Vec<&View> = views.iter().filter(|view| selects(view, &family)).collect();
        if selecting.is_empty() {
            shown.push(family);
            continue;
        }
        for view in selecting.into_iter().filter(|view| !view.drop) {
            shown.push(seen_through(view, &family));
        }
    }
    // Two families of one name cannot stand on one page: the first is shown.
    let mut names = std::collections::BTreeSet::new();
    shown.retain(|family| names.insert(family.name.clone()));
    shown.sort_by(|a, b| a.name.cmp(&b.name));
    shown
}

fn selects(view: &View, family: &Family) -> bool {
    let about = family.about;
    let kind = match family.kind {
        Kind::Counter => ViewKind::Counter,
        Kind::Gauge if about.adds_up => ViewKind::UpDown,
        Kind::Gauge => ViewKind::Gauge,
        Kind::Histogram => ViewKind::Histogram,
    };
    (view.instrument.is_empty() || wildcard(&view.instrument, &family.name))
        && view.kind.is_none_or(|wanted| wanted == kind)
        && (view.unit.is_empty() || view.unit == about.unit)
        && (view.meter.is_empty() || view.meter == about.scope)
}

fn seen_through(view: &View, family: &Family) -> Family {
    let otherwise = |new: &str, old: &str| if new.is_empty() { old.to_owned() } else { new.to_owned() };
    let mut points: BTreeMap<Vec<(String, String)>, Number> = BTreeMap::new();
    for Point { labels, value } in &family.points {
        let kept = labels.iter().filter(|(name, value)| view.attributes.has(attribute(name, value).0));
        let kept: Vec<_> = kept.cloned().collect();
        match points.get_mut(&kept) {
            Some(sum) => add(sum, value, family),
            None => drop(points.insert(kept, value.clone())),
        }
    }
    Family {
        name: otherwise(&view.name, &family.name),
        help: otherwise(&view.description, &family.help),
        kind: family.kind,
        about: family.about,
        points: points.into_iter().map(|(labels, value)| Point { labels, value }).collect(),
    }
}

/// Counts add up; of a gauge the last one stays, as in the Collector.
fn add(sum: &mut Number, value: &Number, family: &Family) {
    let gauge = family.kind == Kind::Gauge && !family.about.adds_up;
    match (sum, value) {
        (sum, value) if gauge => *sum = value.clone(),
        (Number::Int(sum), Number::Int(value)) => *sum = sum.saturating_add(*value),
        (Number::Float(sum), Number::Float(value)) => *sum += value,
        (Number::Histogram(sum), Number::Histogram(value)) => {
            for ((_, count), (_, more)) in sum.cumulative.iter_mut().zip(&value.cumulative) {
                *count += more;
            }
            sum.count += value.count;
            sum.sum += value.sum;
        }
        (sum, value) => *sum = value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Names;
    use super::super::metrics::Registry;
    use super::*;

    fn page(views: Vec<View>) -> String {
        let registry = Registry::new();
        registry.set_views(views);
        registry
            .counter("otelcol_receiver_accepted_spans", "A", &[("receiver", "a"), ("transport", "grpc")])
            .add(2);
        registry
            .counter("otelcol_receiver_accepted_spans", "A", &[("receiver", "a"), ("transport", "http")])
            .add(3);
        registry.gauge("otelcol_process_memory_rss", "R", &[]).set(1);
        for (transport, value) in [("grpc", 0.5), ("http", 7.0)] {
            registry.histogram("h", "H", &[("transport", transport)], &[1.0]).observe(value);
        }
        registry.render(false)
    }

    #[test]
    fn what_is_selected_is_dropped_renamed_and_added_up_and_the_rest_stays() {
        let without_transport = Names { excluded: vec!["transport".into()], ..Names::default() };
        let text = page(vec![
            View { instrument: "otelcol_process_*".into(), drop: true, ..View::default() },
            View {
                instrument: "otelcol_receiver_accepted_spans".into(),
                name: "taken".into(),
                attributes: without_transport.clone(),
                ..View::default()
            },
            View { kind: Some(ViewKind::Histogram), attributes: without_transport, ..View::default() },
        ]);
        assert!(text.contains("\ntaken{receiver=\"a\"} 5\n"), "{text}");
        assert!(!text.contains("rss") && !text.contains("accepted_spans"), "{text}");
        assert!(text.contains("\nh_bucket{le=\"1\"} 1\n") && text.contains("\nh_sum 7.5\n"), "{text}");
        assert!(text.contains("\nringtail_unexposed_series 0\n"), "{text}");
    }

    #[test]
    fn a_meter_and_a_unit_select_too() {
        let meter = "go.opentelemetry.io/collector/receiver/receiverhelper".to_owned();
        let text = page(vec![
            View { meter, unit: "{span}".into(), description: "Other".into(), ..View::default() },
            View { meter: "another".into(), drop: true, ..View::default() },
        ]);
        assert!(text.contains("# HELP otelcol_receiver_accepted_spans Other\n"), "{text}");
        assert!(text.contains("memory_rss"), "{text}");
    }
}
