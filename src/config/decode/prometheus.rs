//! The `prometheus` exporter.

use std::time::Duration;

use super::exporters::no_queue;
use super::net::{check_address, extensions_of, headers, server_tls};
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
    server(section);
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
        tls: section.when_filled("tls", server_tls).flatten(),
        response_headers: headers(section, "response_headers"),
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

/// What the Collector's HTTP server can be told beside: nothing that a page which is only fetched needs.
fn server(section: &mut Section<'_>) {
    extensions_of(section, true);
    let tcp = [("tcp", true), ("tcp4", true), ("tcp6", true), ("unix", false)];
    if section.choice("transport", "tcp", &tcp, "unsupported transport type") == Some(false) {
        let help = "write endpoint: host:port".to_owned();
        section.error("transport", "unix sockets are not available for metrics in this version", Some(help));
    }
    let own = "requests for metrics have no body, and times of their own";
    section.without_effect::<i64>("max_request_body_size", own);
    section.without_effect::<bool>("include_metadata", own);
    section.without_effect::<Vec<String>>("compression_algorithms", own);
    for key in ["read_timeout", "read_header_timeout", "write_timeout", "idle_timeout"] {
        section.without_effect::<Duration>(key, own);
    }
    section.without_effect::<bool>("keep_alives_enabled", own);
    for key in ["keepalive", "cors"] {
        if let Some(entry) = section.find(key, KeyKind::Ignored)
            && !entry.value.is_null()
        {
            section.warn(&entry.mark, key, format!("'{key}' has no effect here: {own}"), None);
        }
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
