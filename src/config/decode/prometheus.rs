//! The `prometheus` exporter.

use super::exporters::no_queue;
use super::net::check_address;
use super::pages::front;
use super::{Count, KeyKind, Section, Size};
use crate::config::print::Printed;
use crate::export::{Prometheus, ResourceLabels, Translation};

const STRATEGIES: &[(&str, Option<Translation>)] = &[
    ("", None),
    ("UnderscoreEscapingWithSuffixes", Some(Translation { escapes: true, suffixes: true })),
    ("UnderscoreEscapingWithoutSuffixes", Some(Translation { escapes: true, suffixes: false })),
    ("NoUTF8EscapingWithSuffixes", Some(Translation { escapes: false, suffixes: true })),
    ("NoTranslation", Some(Translation { escapes: false, suffixes: false })),
];

pub(super) fn prometheus(section: &mut Section<'_>) -> Prometheus {
    let default = Prometheus::default();
    let endpoint = section.get("endpoint", String::new());
    check_address(section, "endpoint", &endpoint);
    let own = "requests for metrics have no body, and times of their own";
    let front = front(section, own);
    no_queue(section, "scrapers come and fetch what there is");
    let metric_expiration = section.get("metric_expiration", default.metric_expiration);
    if metric_expiration.is_zero() {
        let help = "write how long a series without an update is shown, such as 5m".to_owned();
        section.warn(
            &section.mark_of("metric_expiration"),
            "metric_expiration",
            "with 0 nothing is ever shown",
            Some(help),
        );
    }
    Prometheus {
        endpoint,
        tls: front.tls,
        auth: front.auth,
        response_headers: front.response_headers,
        namespace: section.get("namespace", String::new()),
        const_labels: const_labels(section),
        send_timestamps: section.get("send_timestamps", false),
        metric_expiration,
        resource_labels: resource_labels(section),
        enable_open_metrics: section.get("enable_open_metrics", false),
        without_scope_info: section.get("without_scope_info", false),
        translation: translation(section),
        max_series: section.get("max_series", Count(default.max_series)).0,
        max_series_bytes: section.get("max_series_bytes", Size(default.max_series_bytes)).0,
    }
}

/// A map of names and values.
fn const_labels(section: &mut Section<'_>) -> Vec<(String, String)> {
    let Some(entry) = section.find("const_labels", KeyKind::Live) else {
        section.show("const_labels", Printed::Map(Vec::new()));
        return Vec::new();
    };
    if entry.value.entries().is_empty() && !entry.value.is_null() {
        section.section("const_labels", |_| ()); // says what is wrong with anything but a map
    }
    let mut labels = Vec::new();
    for label in entry.value.entries() {
        if let Some(value) = section.value::<String>(&label.value, &label.key) {
            labels.push((label.key.clone(), value));
        }
    }
    let printed = labels.iter().map(|(name, value)| (name.clone(), Printed::Text(value.clone())));
    section.show("const_labels", Printed::Map(printed.collect()));
    labels
}

/// `resource_constant_labels`, or the older `resource_to_telemetry_conversion` where that is not written.
fn resource_labels(section: &mut Section<'_>) -> ResourceLabels {
    let older = section.section("resource_to_telemetry_conversion", |older| {
        let enabled = older.get("enabled", false);
        let without_service = older.get("exclude_service_attributes", false);
        let excluded = ["service.name", "service.namespace", "service.instance.id"];
        let excluded = excluded.iter().filter(|_| without_service).map(|key| (*key).to_owned()).collect();
        enabled.then(|| ResourceLabels { included: vec!["*".to_owned()], excluded })
    });
    let newer = section.section("resource_constant_labels", |newer| ResourceLabels {
        included: newer.get("included", Vec::new()),
        excluded: newer.get("excluded", Vec::new()),
    });
    if newer == ResourceLabels::default() { older.unwrap_or_default() } else { newer }
}

/// `translation_strategy`, or the older `add_metric_suffixes` where that is not written.
fn translation(section: &mut Section<'_>) -> Translation {
    let suffixes = section.get("add_metric_suffixes", true);
    let ignored = section.context().gates.disable_add_metric_suffixes;
    let strategy = section.choice("translation_strategy", "", STRATEGIES, "invalid translation_strategy:");
    strategy.flatten().unwrap_or(Translation { escapes: true, suffixes: suffixes || ignored })
}
