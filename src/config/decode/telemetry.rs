//! `service.telemetry`: logs, resource, and what is said of our own spans.

use super::readers::{METRIC_LEVELS, metrics};
use super::views::views;
use super::{KeyKind, Section};
use crate::config::print::Printed;
use crate::config::settings::PushReader;
use crate::config::tree::{Typed, Value};
use crate::observe::{Encoding, LogOutput, Telemetry};

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

pub(super) fn telemetry(section: &mut Section<'_>) -> (Telemetry, Vec<PushReader>) {
    let logs = section.section("logs", logs);
    let (readers, views) = section.section("metrics", |section| (metrics(section), views(section)));
    section.section("traces", |traces| {
        traces.find("level", KeyKind::Ignored);
        traces.level("level", "none", METRIC_LEVELS, "unknown metrics level");
        traces.ignored::<Vec<String>>("propagators");
        traces.find("sampler", KeyKind::Ignored);
        no_processors(traces);
    });
    let resource = resource(section);
    let (metrics, pushing) = readers;
    (Telemetry { metrics, views, resource, ..logs }, pushing)
}

fn logs(logs: &mut Section<'_>) -> Telemetry {
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
    let log_fields = initial_fields(logs);
    if logs.find("sampling", KeyKind::Ignored).is_some() {
        logs.section("sampling", |sampling| {
            sampling.ignored::<bool>("enabled");
            sampling.ignored::<std::time::Duration>("tick");
            sampling.ignored::<i64>("initial");
            sampling.ignored::<i64>("thereafter");
        });
    }
    no_processors(logs);
    Telemetry {
        log_level: level.to_owned(),
        log_encoding: encoding,
        log_outputs: outputs,
        log_fields,
        ..Telemetry::default()
    }
}

/// `initial_fields`: whatever stands there is on every line, so it is no secret.
fn initial_fields(logs: &mut Section<'_>) -> Vec<(String, serde_json::Value)> {
    let Some(entry) = logs.find("initial_fields", KeyKind::Live) else { return Vec::new() };
    if !entry.value.is_null() && !matches!(entry.value.value, Value::Map(_)) {
        let got = entry.value.typed().name();
        logs.error("initial_fields", format!("'initial_fields' expected a map, got {got}"), None);
    }
    let fields = entry.value.entries().iter().map(|field| (field.key.clone(), field.value.to_json()));
    let fields: Vec<_> = fields.collect();
    let shown = fields.iter().map(|(name, value)| (name.clone(), Printed::Text(value.to_string())));
    logs.show("initial_fields", Printed::Map(shown.collect()));
    fields
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

/// A map of names and values, or `attributes: [{name, value}]`. Null removes an attribute that is set by default.
fn resource(section: &mut Section<'_>) -> Vec<(String, Option<String>)> {
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
                        attributes.push((name, Some(text(&value.value))));
                    }
                }
            }
            (name, _) if attribute.value.is_null() => attributes.push((name.to_owned(), None)),
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
            (name, Value::Scalar { .. }) => attributes.push((name.to_owned(), Some(text(&attribute.value)))),
            (name, _) => {
                let message = format!("the resource attribute {name:?} must be a single value");
                section.error("resource", message, None);
            }
        }
    }
    let shown = attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().map_or(Printed::Null, Printed::Text)));
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
