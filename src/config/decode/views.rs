//! `service.telemetry.metrics.views`: which of our own metrics are shown otherwise.

use super::{KeyKind, Section};
use crate::config::tree::Typed;
use crate::observe::{Names, View, ViewKind};

const KINDS: &[(&str, Option<ViewKind>)] = &[
    ("", None),
    ("counter", Some(ViewKind::Counter)),
    ("observable_counter", Some(ViewKind::Counter)),
    ("up_down_counter", Some(ViewKind::UpDown)),
    ("observable_up_down_counter", Some(ViewKind::UpDown)),
    ("gauge", Some(ViewKind::Gauge)),
    ("observable_gauge", Some(ViewKind::Gauge)),
    ("histogram", Some(ViewKind::Histogram)),
];

/// `views`; only at `level: detailed`, as in the Collector.
pub(super) fn views(metrics: &mut Section<'_>) -> Vec<View> {
    let views: Vec<Option<View>> = metrics.list("views", view);
    let detailed = metrics.text_of("level").is_some_and(|level| level.eq_ignore_ascii_case("detailed"));
    if !views.is_empty() && !detailed {
        let message = "service::telemetry::metrics::views can only be set when service::telemetry::metrics::level is detailed";
        metrics.error("views", message, Some("write level: detailed".into()));
    }
    views.into_iter().flatten().collect()
}

fn view(section: &mut Section<'_>) -> Option<View> {
    let selector = section.when_filled("selector", selector);
    let stream = section.when_filled("stream", stream).unwrap_or_default();
    let Some(selector) = selector else {
        section.error(
            "",
            "view: no selector provided",
            Some("write selector: {instrument_name: NAME}".into()),
        );
        return None;
    };
    if selector == View::default() {
        let help = "write instrument_name, instrument_type, unit or meter_name".to_owned();
        section.error("selector", "view_selector: empty selector not supported", Some(help));
        return None;
    }
    let one = !selector.instrument.is_empty() && !selector.instrument.contains(['*', '?']);
    if !stream.name.is_empty() && !one {
        let message = "the view has no effect: it would give several instruments one name";
        let help = "select one instrument by its whole name, or leave stream::name out".to_owned();
        section.warn(&section.mark_of("stream"), "stream", message, Some(help));
        return None;
    }
    let View { instrument, kind, unit, meter, .. } = selector;
    Some(View { instrument, kind, unit, meter, ..stream })
}

fn selector(selector: &mut Section<'_>) -> View {
    for key in ["meter_version", "meter_schema_url"] {
        selector.without_effect::<String>(key, "instruments are told apart by meter_name");
    }
    View {
        instrument: selector.get("instrument_name", String::new()),
        kind: selector.choice("instrument_type", "", KINDS, "unsupported instrument type").flatten(),
        unit: selector.get("unit", String::new()),
        meter: selector.get("meter_name", String::new()),
        ..View::default()
    }
}

fn stream(stream: &mut Section<'_>) -> View {
    View {
        name: stream.get("name", String::new()),
        description: stream.get("description", String::new()),
        attributes: stream.when_filled("attribute_keys", names).unwrap_or_default(),
        drop: stream.when_filled("aggregation", aggregation).unwrap_or(false),
        ..View::default()
    }
}

/// Whether nothing is shown. What would count in another way than instruments do here is warned of.
fn aggregation(aggregation: &mut Section<'_>) -> bool {
    aggregation.find("default", KeyKind::Ignored);
    for key in ["explicit_bucket_histogram", "base2_exponential_bucket_histogram", "last_value", "sum"] {
        if let Some(entry) = aggregation.find(key, KeyKind::Ignored)
            && !matches!(entry.value.typed(), Typed::Null)
        {
            let message = format!(
                "'{key}' has no effect here: instruments count in one way, and histograms have the buckets that they have"
            );
            aggregation.warn(&entry.mark, key, message, None);
        }
    }
    aggregation.when_filled("drop", |_| ()).is_some()
}

/// `{included: […], excluded: […]}`.
pub(super) fn names(section: &mut Section<'_>) -> Names {
    let names = Names {
        included: section.get("included", Vec::new()),
        excluded: section.get("excluded", Vec::new()),
    };
    if let Some(both) = names.included.iter().find(|name| names.excluded.contains(name)) {
        let message = format!("attribute cannot be in both include and exclude list: {both}");
        section.error("excluded", message, Some("keep it in one of them".into()));
    }
    names
}
