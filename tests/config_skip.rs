//! `--skip-unavailable`: what only the Collector has is left out, with a warning each; nothing else is.

#![allow(clippy::unwrap_used)]

use ringtail::config::{Errors, Format, Loaded, Mode, Options, load_with};

fn read(text: &str, skip_unavailable: bool) -> Result<Loaded, Errors> {
    let options = Options { skip_unavailable, ..Options::default() };
    load_with(&["env:C".to_owned()], &[], options, &|name| (name == "C").then(|| text.to_owned()))
}

/// The pipelines as `receivers > processors > exporters`, and the warnings as `line:column message`.
#[track_caller]
fn skipped(text: &str) -> (Vec<String>, Vec<String>) {
    let loaded = read(text, true).unwrap_or_else(|errors| panic!("{errors}"));
    let ids = |ids: &[ringtail::config::ComponentId]| {
        ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let pipelines = loaded.settings.pipelines.iter().map(|pipeline| {
        let lists = [&pipeline.receivers, &pipeline.processors, &pipeline.exporters].map(|list| ids(list));
        format!("{}: {}", pipeline.id, lists.join(" > "))
    });
    let warnings = loaded.warnings.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message));
    (pipelines.collect(), warnings.collect())
}

#[track_caller]
fn error(text: &str, skip_unavailable: bool) -> (String, String) {
    let errors = read(text, skip_unavailable).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    (errors.0[0].message.clone(), errors.0[0].help.clone().unwrap_or_default())
}

const COMPONENTS: &str = "receivers: {otlp: {protocols: {grpc: }}, jaeger: {protocols: {grpc: }}, zipkin: }\n\
    processors: {batch: , k8sattributes: }\n\
    exporters: {nop: , loki: {endpoint: x}}\n\
    connectors: {spanmetrics: }\n\
    extensions: {opamp: , health_check: }\n";

fn file(service: &str) -> String {
    format!("{COMPONENTS}service:\n{service}")
}

#[test]
fn receivers_exporters_and_extensions_are_left_out_of_what_names_them() {
    let text = file(
        "  extensions: [health_check, opamp]\n  pipelines:\n    traces: {receivers: [otlp, jaeger, zipkin], processors: [batch], exporters: [loki, nop]}",
    );
    let (pipelines, warnings) = skipped(&text);
    assert_eq!(pipelines, ["traces: otlp > batch > nop"]);
    let rest = "exists in the Collector, but not in this version of ringtail: it is left out of";
    assert_eq!(
        warnings,
        [
            "2:23 processor \"k8sattributes\" is not used; this version of ringtail has no such type"
                .to_owned(),
            "4:14 connector \"spanmetrics\" is not used; this version of ringtail has no such type"
                .to_owned(),
            format!("7:30 extension \"opamp\" {rest} service.extensions"),
            format!("9:32 receiver \"jaeger\" {rest} pipeline \"traces\""),
            format!("9:40 receiver \"zipkin\" {rest} pipeline \"traces\""),
            format!("9:82 exporter \"loki\" {rest} pipeline \"traces\""),
        ]
    );
}

#[test]
fn a_pipeline_with_such_a_processor_or_without_an_end_is_left_out_whole() {
    let text = file(
        "  pipelines:\n    traces/a: {receivers: [otlp], processors: [batch, k8sattributes], exporters: [nop]}\n    \
         traces/b: {receivers: [zipkin], exporters: [nop]}\n    \
         traces/c: {receivers: [otlp], exporters: [loki]}\n    \
         traces/d: {receivers: [otlp], exporters: [nop]}",
    );
    let (pipelines, warnings) = skipped(&text);
    assert_eq!(pipelines, ["traces/d: otlp >  > nop"]);
    for wanted in [
        "8:55 pipeline \"traces/a\" is left out whole: processor \"k8sattributes\" exists in the Collector, but not in \
         this version of ringtail",
        "9:5 pipeline \"traces/b\" is left out whole: it has no receiver left",
        "10:5 pipeline \"traces/c\" is left out whole: it has no exporter left",
    ] {
        assert!(warnings.iter().any(|warning| warning == wanted), "{wanted}: {warnings:#?}");
    }
}

#[test]
fn a_connector_is_left_out_of_both_its_sides() {
    let text = file(
        "  pipelines:\n    traces: {receivers: [otlp], exporters: [nop, spanmetrics]}\n    \
         metrics: {receivers: [spanmetrics], exporters: [nop]}\n    \
         metrics/own: {receivers: [otlp, spanmetrics], exporters: [nop]}",
    );
    let (pipelines, warnings) = skipped(&text);
    assert_eq!(pipelines, ["metrics/own: otlp >  > nop", "traces: otlp >  > nop"]);
    assert!(
        warnings.iter().any(|one| one.contains("pipeline \"metrics\" is left out whole")),
        "{warnings:#?}"
    );
}

#[test]
fn without_a_pipeline_that_can_run_there_is_nothing_to_start() {
    let text = file("  pipelines:\n    traces: {receivers: [otlp], exporters: [loki]}");
    let (message, help) = error(&text, true);
    assert_eq!(message, "no pipeline is left: each has a component that is not in this version of ringtail");
    assert_eq!(help, "left out: traces (it has no exporter left)");
}

#[test]
fn mistakes_stay_mistakes() {
    let text = file("  pipelines:\n    traces: {receivers: [otlp, nope], exporters: [nop]}");
    assert_eq!(error(&text, true).0, "references receiver \"nope\" which is not configured");
    let text = file(
        "  pipelines:\n    traces: {receivers: [otlp], exporters: [nop]}\n    traces/b: {receivers: [otlp]}",
    );
    assert_eq!(error(&text, true).0, "must have at least one exporter");
}

#[test]
fn without_the_flag_the_error_names_it() {
    let text = file("  pipelines:\n    traces: {receivers: [otlp, jaeger], exporters: [nop]}");
    let (message, help) = error(&text, false);
    assert_eq!(message, "receiver \"jaeger\" exists in the Collector, but not in this version of ringtail");
    assert_eq!(
        help,
        "leave it out of the pipeline, or start with --skip-unavailable; receivers available: otlp"
    );
}

#[test]
fn what_is_printed_is_what_runs() {
    let text = file(
        "  extensions: [opamp]\n  pipelines:\n    traces: {receivers: [otlp, jaeger], exporters: [nop]}\n    \
         logs: {receivers: [otlp], exporters: [loki]}",
    );
    let printed = read(&text, true).unwrap().print(Mode::Redacted, Format::Json);
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let service = &printed["service"];
    assert_eq!(
        service["pipelines"],
        serde_json::json!({"traces": {"receivers": ["otlp"], "exporters": ["nop"]}})
    );
    assert_eq!(service["extensions"], serde_json::json!([]));
    assert_eq!(printed["receivers"].as_object().unwrap().len(), 1);
}
#[test]
fn a_component_whose_authenticator_is_left_out_is_left_out_too() {
    let text = "receivers: {otlp: {protocols: {http: {auth: {authenticator: oidc}}}}, otlp/open: {protocols: {http: }}}\n\
                exporters: {nop: }\nextensions: {oidc: {issuer_url: x}}\n\
                service: {extensions: [oidc], pipelines: {traces: {receivers: [otlp, otlp/open], exporters: [nop]}}}";
    let (pipelines, warnings) = skipped(text);
    assert_eq!(pipelines, ["traces: otlp/open >  > nop"]);
    assert_eq!(
        warnings[1],
        "4:64 receiver \"otlp\" needs the authenticator \"oidc\", which is not in this version of ringtail: it is left \
         out of pipeline \"traces\""
    );
}
