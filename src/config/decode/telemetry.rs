//! `service.telemetry`: logs, metrics endpoints, resource.

use super::{KeyKind, Section};
use crate::config::print::Printed;
use crate::config::tree::{Typed, Value};
use crate::observe::{Encoding, LogOutput, PrometheusReader, Telemetry};

const LEVELS: &[(&str, &str)] = &[
    ("debug", "debug"),
    ("info", "info"),
    ("warn", "warn"),
    ("warning", "warn"),
    ("error", "error"),
    ("dpanic", "error"),
    ("panic", "error"),
    ("fatal", "error"),
];
const METRIC_LEVELS: &[(&str, bool)] =
    &[("none", false), ("basic", true), ("normal", true), ("detailed", true)];

pub(super) fn telemetry(section: &mut Section<'_>) -> Telemetry {
    let (log_level, log_encoding, log_outputs) = section.section("logs", logs);
    let metrics = section.section("metrics", metrics);
    section.section("traces", |traces| {
        traces.find("level", KeyKind::Ignored);
        traces.level("level", "none", METRIC_LEVELS, "unknown metrics level");
        traces.ignored::<Vec<String>>("propagators");
        traces.find("sampler", KeyKind::Ignored);
        no_processors(traces);
    });
    let resource = resource(section);
    Telemetry { log_level, log_encoding, log_outputs, metrics, resource }
}

fn logs(logs: &mut Section<'_>) -> (String, Encoding, Vec<LogOutput>) {
    let level = logs.level("level", "info", LEVELS, "unrecognized level:").unwrap_or("info");
    let encoding = logs
        .choice(
            "encoding",
            "console",
            &[("console", Encoding::Console), ("json", Encoding::Json)],
            "unknown encoding",
        )
        .unwrap_or(Encoding::Console);
    for key in ["development", "disable_caller", "disable_stacktrace", "disable_zap_resource"] {
        logs.ignored::<bool>(key);
    }
    let outputs = outputs(logs);
    logs.ignored::<Vec<String>>("error_output_paths"); // errors of the log itself, of which there are none
    if let Some(entry) = logs.find("initial_fields", KeyKind::Ignored)
        && !entry.value.entries().is_empty()
    {
        logs.warn(&entry.mark, "initial_fields", "'initial_fields' has no effect here", None);
    }
    if logs.find("sampling", KeyKind::Ignored).is_some() {
        logs.section("sampling", |sampling| {
            sampling.ignored::<bool>("enabled");
            sampling.ignored::<std::time::Duration>("tick");
            sampling.ignored::<i64>("initial");
            sampling.ignored::<i64>("thereafter");
        });
    }
    no_processors(logs);
    (level.to_owned(), encoding, outputs)
}

/// `output_paths`; none is standard error.
fn outputs(logs: &mut Section<'_>) -> Vec<LogOutput> {
    let paths = logs.get("output_paths", vec!["stderr".to_owned()]);
    let mut outputs = Vec::new();
    for path in &paths {
        let output = match path.strip_prefix("file://").unwrap_or(path) {
            "" | "stderr" => LogOutput::Stderr,
            "stdout" => LogOutput::Stdout,
            path if path.contains("://") => {
                let message = "only stdout, stderr and files are available for logs";
                logs.error("output_paths", message, Some("write a path".into()));
                continue;
            }
            path => LogOutput::File(path.into()),
        };
        if !outputs.contains(&output) {
            outputs.push(output);
        }
    }
    if outputs.is_empty() { vec![LogOutput::Stderr] } else { outputs }
}

/// Exporting our own logs and spans over OTLP does not exist; leaving it out silently would hide that.
fn no_processors(section: &mut Section<'_>) {
    if let Some(entry) = section.find("processors", KeyKind::Ignored)
        && !matches!(entry.value.typed(), Typed::List([]) | Typed::Null)
    {
        let message = "'processors' has no effect here: ringtail exports no logs or spans of its own";
        section.warn(&entry.mark, "processors", message, Some("collect standard error".into()));
    }
}

fn metrics(metrics: &mut Section<'_>) -> Vec<PrometheusReader> {
    let on = metrics.level("level", "normal", METRIC_LEVELS, "unknown metrics level").unwrap_or(true);
    if let Some(entry) = metrics.find("views", KeyKind::Ignored)
        && !matches!(entry.value.typed(), Typed::List([]) | Typed::Null)
    {
        let detailed = metrics.text_of("level").is_some_and(|level| level.eq_ignore_ascii_case("detailed"));
        if detailed {
            let help = "drop series when scraping".to_owned();
            metrics.warn(&entry.mark, "views", "'views' has no effect here", Some(help));
        } else {
            let message = "service::telemetry::metrics::views can only be set when service::telemetry::metrics::level is detailed";
            metrics.error("views", message, Some("remove it: it has no effect here".into()));
        }
    }
    let help = "write readers: [{pull: {exporter: {prometheus: {host: HOST, port: PORT}}}}]";
    let address: Option<String> =
        metrics.deprecated("address", help).and_then(|entry| metrics.value(&entry.value, "address"));
    let written = metrics.has("readers")
        && !matches!(metrics.find("readers", KeyKind::Live), Some(e) if e.value.is_null());
    let readers: Vec<PrometheusReader> = metrics.list("readers", reader).into_iter().flatten().collect();
    let readers = match address {
        Some(_) if written => {
            metrics.error(
                "address",
                "'address' and 'readers' cannot be used together",
                Some("keep readers".into()),
            );
            readers
        }
        Some(address) => host_and_port(metrics, &address).into_iter().collect(),
        None if written => {
            let none = matches!(
                metrics.find("readers", KeyKind::Live).map(|e| e.value.typed()),
                Some(Typed::List([]))
            );
            if on && none {
                let message = "collector telemetry metrics reader should exist when metric level is not none";
                metrics.error("readers", message, Some("write level: none to have no metrics".into()));
            }
            readers
        }
        None => {
            metrics.find("readers", KeyKind::Live);
            Telemetry::default().metrics
        }
    };
    metrics.show("readers", Printed::List(readers.iter().map(printed).collect()));
    if on { readers } else { Vec::new() }
}

fn printed(reader: &PrometheusReader) -> Printed {
    let map = |key: &str, value| Printed::Map(vec![(key.to_owned(), value)]);
    let prometheus = Printed::Map(vec![
        ("host".into(), Printed::Text(reader.host.clone())),
        ("port".into(), Printed::Int(i128::from(reader.port))),
        ("without_type_suffix".into(), Printed::Bool(!reader.type_suffix)),
    ]);
    map("pull", map("exporter", map("prometheus", prometheus)))
}

fn host_and_port(section: &Section<'_>, address: &str) -> Option<PrometheusReader> {
    super::net::check_address(section, "address", address);
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { "0.0.0.0" } else { host.trim_matches(['[', ']']) };
    Some(PrometheusReader { host: host.to_owned(), port: port.parse().ok()?, type_suffix: false })
}

fn reader(reader: &mut Section<'_>) -> Option<PrometheusReader> {
    let help = "scrape the metrics: readers: [{pull: {exporter: {prometheus: {host: HOST, port: PORT}}}}]";
    if let Some(entry) = reader.find("periodic", KeyKind::Ignored) {
        let message = "'periodic' has no effect here: metrics are not pushed";
        reader.warn(&entry.mark, "periodic", message, Some(help.into()));
    }
    let pull = reader.when_filled("pull", |pull| {
        pull.section("exporter", |exporter| exporter.when_written("prometheus", prometheus))
    });
    let periodic = reader.has("periodic");
    match pull {
        Some(Some(found)) => Some(found),
        _ if periodic => None,
        _ => {
            reader.error("", "a reader needs pull: {exporter: {prometheus: …}}", None);
            None
        }
    }
}

fn prometheus(section: &mut Section<'_>) -> PrometheusReader {
    let default = PrometheusReader { host: "localhost".into(), port: 8888, type_suffix: false };
    for key in ["without_scope_info", "without_units"] {
        section.ignored::<bool>(key);
        if section.entry(key).and_then(|entry| section.value(&entry.value, key)) == Some(false) {
            let message = format!("'{key}: false' has no effect here: names and labels stay without them");
            section.warn(&section.mark_of(key), key, message, None);
        }
    }
    if let Some(entry) = section.find("with_resource_constant_labels", KeyKind::Ignored)
        && !entry.value.is_null()
    {
        let message = "'with_resource_constant_labels' has no effect here: the resource is on target_info";
        let help = "join with target_info, or add labels when scraping".to_owned();
        section.warn(&entry.mark, "with_resource_constant_labels", message, Some(help));
    }
    PrometheusReader {
        host: section.get("host", default.host),
        port: section.get("port", default.port),
        type_suffix: !section.get("without_type_suffix", true),
    }
}

/// A map of names and values, or `attributes: [{name, value}]`. Null removes an attribute that is set by default.
fn resource(section: &mut Section<'_>) -> Vec<(String, String)> {
    let Some(entry) = section.find("resource", KeyKind::Live) else { return Vec::new() };
    if !entry.value.is_null() && !matches!(entry.value.value, Value::Map(_)) {
        section.error(
            "resource",
            format!("'resource' expected a map, got {}", entry.value.typed().name()),
            None,
        );
    }
    let mut attributes = Vec::new();
    for attribute in entry.value.entries() {
        match (attribute.key.as_str(), &attribute.value.value) {
            ("schema_url", _) => {}
            ("detectors", Value::Map(_)) => {
                let message = "'detectors' has no effect here: write the attributes";
                section.warn(&attribute.mark, "resource", message, None);
            }
            ("attributes", Value::List(items)) => {
                for item in items {
                    let field = |name: &str| item.entries().iter().find(|entry| entry.key == name);
                    if let (Some(name), Some(value)) = (field("name"), field("value"))
                        && let Some(name) = section.value::<String>(&name.value, "name")
                    {
                        attributes.push((name, text(&value.value)));
                    }
                }
            }
            (name, _) if attribute.value.is_null() => attributes.push((name.to_owned(), String::new())),
            (name, Value::Scalar { .. })
                if attribute.value.expanded.is_none()
                    && !matches!(attribute.value.typed(), Typed::Text(_)) =>
            {
                let help = Some("put it in quotes".to_owned());
                let message = format!("legacy resource attribute {name:?} must be string or null");
                section.context().push(attribute.value.mark.error(
                    &section.path_of("resource"),
                    message,
                    help,
                ));
            }
            (name, Value::Scalar { .. }) => attributes.push((name.to_owned(), text(&attribute.value))),
            (name, _) => {
                let message = format!("the resource attribute {name:?} must be a single value");
                section.error("resource", message, None);
            }
        }
    }
    let shown = attributes.iter().map(|(name, value)| (name.clone(), Printed::Text(value.clone())));
    section.show("resource", Printed::Map(shown.collect()));
    attributes
}

fn text(node: &crate::config::tree::Node) -> String {
    match (&node.expanded, &node.value) {
        (Some(original), _) => original.clone(),
        (None, Value::Scalar { text, .. }) => text.clone(),
        _ => String::new(),
    }
}
