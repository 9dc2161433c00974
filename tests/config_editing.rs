//! The configuration of processors that change what passes: what is read, and what is refused in which words.

#![allow(clippy::unwrap_used)]

use ringtail::config::{Errors, Format, Loaded, Mode, Processor, load};
use ringtail::edit::{Change, Config, Language};

/// A whole configuration around the processors, used in pipelines of these signals.
fn read(signals: &[&str], id: &str, processor: &str) -> Result<Loaded, Errors> {
    let pipelines: Vec<String> = signals
        .iter()
        .map(|signal| format!("{signal}: {{receivers: [otlp], processors: [{id}], exporters: [nop]}}"))
        .collect();
    let text = format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{nop: }}\n\
         service: {{pipelines: {{{}}}}}\nprocessors:\n  {id}:\n    {processor}\n",
        pipelines.join(", ")
    );
    let name = |name: &str| match name {
        "C" => Some(text.clone()),
        "SECRET" => Some("hush".to_owned()),
        _ => None,
    };
    load(&["env:C".to_owned()], &[], &name)
}

/// `path: message` of every error.
#[track_caller]
fn errors(signals: &[&str], id: &str, processor: &str) -> Vec<String> {
    let errors = read(signals, id, processor).err().unwrap_or_else(|| panic!("should not load: {processor}"));
    errors.0.iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
}

fn action_error(action: &str) -> String {
    let found = errors(&["traces"], "resource", &format!("attributes: [{action}]"));
    assert_eq!(found.len(), 1, "{found:?}");
    let start = "processors::resource::attributes[0]: ";
    found[0].strip_prefix(start).unwrap_or_else(|| panic!("{found:?}")).to_owned()
}

#[test]
fn wrong_actions_are_named_in_the_collectors_words() {
    let cases = [
        (
            "{key: a, action: rename}",
            "error with key \"a\" (0-th action): error creating AttrProc due to unsupported action \"rename\" \
             (supported: insert, update, upsert, delete, hash, extract, convert)",
        ),
        (
            "{key: a, action: insert, value: 1, from_attribute: b}",
            "error with key \"a\" (0-th action): error creating AttrProc due to multiple value sources being set",
        ),
        (
            "{key: a, action: insert}",
            "error with key \"a\" (0-th action): error creating AttrProc. Either field \"value\", \
             \"from_attribute\", \"from_context\", or \"default_value\" must be specified",
        ),
        (
            "{action: delete}",
            "error with key \"\" (0-th action): error creating AttrProc due to missing required field (at least \
             one of \"key\" and \"pattern\" have to be used)",
        ),
        (
            "{key: a, action: extract, pattern: \"(?P<x>a)(b)\"}",
            "error with key \"a\" (0-th action): error creating AttrProc. Field \"pattern\" contains at least \
             one unnamed matcher group",
        ),
        (
            "{key: a, action: extract, pattern: ab}",
            "error with key \"a\" (0-th action): error creating AttrProc. Field \"pattern\" contains no named \
             matcher groups",
        ),
        (
            "{key: a, action: convert, converted_type: bool}",
            "error with key \"a\" (0-th action): error creating AttrProc due to invalid value \"bool\" in field \
             \"converted_type\" for action \"convert\"",
        ),
        (
            "{key: a, action: hash, value: 1}",
            "error with key \"a\" (0-th action): error creating AttrProc. Action \"hash\" does not use \"value\" \
             or \"from_attribute\" field. These must not be specified",
        ),
    ];
    for (action, expected) in cases {
        assert_eq!(action_error(action), expected, "{action}");
    }
    assert!(action_error("{key: a, action: delete, pattern: \"(\"}").contains("missing closing )"));
}

#[test]
fn lists_without_actions_are_refused() {
    let missing = |id: &str, key: &str| format!("processors::{id}: missing required field {key:?}");
    assert_eq!(errors(&["traces"], "resource", "{}"), [missing("resource", "attributes")]);
    assert_eq!(errors(&["traces"], "attributes", "{}"), [missing("attributes", "actions")]);
}

#[test]
fn properties_have_to_fit_the_signal() {
    let wrong = |signal: &str, include: &str| {
        let found = errors(
            &[signal],
            "attributes",
            &format!("{{actions: [{{key: a, action: delete}}], include: {include}}}"),
        );
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    assert!(wrong("traces", "{match_type: strict, log_bodies: [a]}").ends_with("for trace spans"));
    assert!(wrong("logs", "{match_type: strict, services: [a]}").ends_with("not valid for log records"));
    assert!(wrong("metrics", "{match_type: strict, services: [a]}").ends_with("not valid for metrics"));
    assert!(wrong("traces", "{match_type: strict}").ends_with("field must be specified"));
    assert!(
        wrong("traces", "{match_type: exact, services: [a]}").ends_with("valid types are: [regexp strict]")
    );
    assert!(wrong("traces", "{match_type: regexp, services: [\"(\"]}").contains("missing closing )"));
    assert!(wrong("traces", "{match_type: strict, span_kinds: [server]}").contains("SPAN_KIND_SERVER"));
}

#[test]
fn words_are_read_in_any_case_and_every_instance_has_its_own() {
    let loaded = read(&["traces", "logs"], "resource", "attributes: [{key: a, action: DELETE}]").unwrap();
    let Some(Processor::Edit(config)) = loaded.settings.processors.values().next() else { panic!() };
    let Config::Resource(actions) = &**config else { panic!() };
    assert_eq!(actions.list[0].change, Change::Delete(None));
}

#[test]
fn values_from_outside_are_not_shown() {
    let loaded =
        read(&["traces"], "resource", "attributes: [{key: a, value: '${env:SECRET}', action: insert}]");
    let shown = loaded.unwrap().print(Mode::Redacted, Format::Yaml);
    assert!(shown.contains("[REDACTED]") && !shown.contains("hush"), "{shown}");
}

#[test]
fn memory_limits_are_checked_as_the_collector_checks_them() {
    let wrong = |limiter: &str| errors(&["traces"], "memory_limiter", limiter);
    let all = |text: &str| wrong(text).join("; ");
    assert!(all("{limit_mib: 100}").ends_with("'check_interval' must be greater than zero"));
    assert!(
        all("{check_interval: 1s}").ends_with("'limit_mib' or 'limit_percentage' must be greater than zero")
    );
    let spike = "{check_interval: 1s, limit_mib: 100, spike_limit_mib: 100}";
    assert!(all(spike).ends_with("'spike_limit_mib' must be smaller than 'limit_mib'"));
    let percent = "{check_interval: 1s, limit_percentage: 101}";
    assert!(all(percent).ends_with("less than or equal to hundred"));
    let fine = "{check_interval: 1s, limit_percentage: 75, spike_limit_percentage: 15}";
    assert_eq!(read(&["traces"], "memory_limiter", fine).unwrap().warnings, []);
}

#[test]
fn samplers_are_checked_as_the_collector_checks_them() {
    let wrong = |sampler: &str| errors(&["traces"], "probabilistic_sampler", sampler).join("; ");
    assert!(wrong("{sampling_percentage: -1}").ends_with("sampling rate is negative: -1.000000%"));
    assert!(wrong("{mode: odd}").ends_with("unsupported sampler mode \"odd\""));
    assert!(wrong("{sampling_precision: 0}").ends_with("invalid sampling precision: 0"));
    assert!(wrong("{sampling_precision: 15}").contains("should be <= 14: 15"));
    assert!(
        wrong("{attribute_source: x}").ends_with("invalid attribute source: x. Expected: traceID or record")
    );
    assert!(read(&["traces", "logs"], "probabilistic_sampler", "sampling_percentage: 110").is_ok());
    let metrics = errors(&["metrics"], "probabilistic_sampler", "sampling_percentage: 1").join("; ");
    assert!(metrics.contains("telemetry type is not supported"), "{metrics}");
}

#[test]
fn what_does_nothing_here_says_so() {
    let loaded = read(&["traces"], "groupbytrace", "wait_duration: 10s").unwrap();
    assert!(loaded.warnings[0].message.contains("has no effect here"), "{:?}", loaded.warnings);
}

#[test]
fn one_line_switches_personal_data_off_and_takes_no_attribute_away() {
    let redaction = |text: &str| {
        let loaded = read(&["traces"], "redaction", text).unwrap();
        match loaded.settings.processors.values().next() {
            Some(Processor::Edit(config)) => match &**config {
                Config::Redaction(redaction) => (**redaction).clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(redaction("pii: [emails]").allowed_keys, None);
    assert_eq!(redaction("{}").allowed_keys, Some(Default::default()), "without it, as in the Collector");
    assert_eq!(redaction("{pii: [emails], allowed_keys: [a]}").allowed_keys, Some(["a".to_owned()].into()));
    let wrong = |text: &str| errors(&["traces"], "redaction", text).join("; ");
    assert!(wrong("pii: [phones]").ends_with("unknown kind of personal data \"phones\""));
    assert!(wrong("blocked_values: [\"(\"]").contains("failed to process block list: error compiling regex"));
    assert!(wrong("hash_function: crc").ends_with("unknown HashFunction \"crc\""));
    assert!(wrong("hash_function: hmac-sha256").contains("hmac_key must not be empty"));
    let short = wrong("{hash_function: hmac-sha512, hmac_key: abc}");
    assert!(short.contains("hmac_key must be at least 64 bytes long for \"hmac-sha512\", got 3 bytes"));
    let sanitizers = |text: &str| redaction(text).sanitizers;
    assert_eq!(sanitizers("{url_sanitizer: {attributes: [a]}}").url, None, "off until it is enabled");
    let some = "{url_sanitizer: {enabled: true, attributes: [a], sanitize_span_name: false}, \
                db_sanitizer: {es: {enabled: true}, sql: {enabled: true, attributes: [b]}, redis: {attributes: [c]}}}";
    let some = sanitizers(some);
    assert_eq!((some.url, some.url_span_names), (Some(["a".to_owned()].into()), false));
    let sql = (Language::Sql, ["b".to_owned()].into());
    assert_eq!((some.db, some.db_span_names), (vec![sql, (Language::Elasticsearch, [].into())], true));
}

#[test]
fn expressions_are_read_where_they_are_asked_for() {
    let metrics = |text: &str| read(&["metrics"], "filter", &format!("metrics: {{include: {{{text}}}}}"));
    let wrong = |text: &str| metrics(text).unwrap_err().to_string();
    let said = wrong("match_type: expr, expressions: ['HasLabel(\"a\")', 'MetricName = \"a\"']");
    assert!(said.contains("expression 2 cannot be used: unexpected '=', at column 12"), "{said}");
    let said = wrong("match_type: expr, resource_attributes: [{key: a, value: b}]");
    assert!(said.contains("unrecognized match_type: 'expr'"), "{said}");
    let warned =
        |text: &str| metrics(text).unwrap().warnings.into_iter().map(|one| one.message).collect::<Vec<_>>();
    let none: [String; 0] = [];
    assert_eq!(warned("match_type: expr, expressions: ['true'], resource_attributes: [{key: a}]"), none);
    let said = warned("match_type: expr, expressions: ['true'], metric_names: [a]").join("; ");
    assert!(said.contains("'metric_names' has no effect here"), "{said}");
    let said = warned("match_type: strict, expressions: ['true'], metric_names: [a]").join("; ");
    assert!(said.contains("'expressions' has no effect here"), "{said}");
}

/// The groups of traces that a transform processor has.
fn groups(transform: &str) -> Vec<ringtail::edit::Group> {
    let loaded = read(&["traces"], "transform", transform).unwrap_or_else(|errors| panic!("{errors}"));
    match loaded.settings.processors.values().next() {
        Some(Processor::Edit(config)) => match &**config {
            Config::Transform(groups) => groups.traces.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_context_of_statements_is_named_or_follows_from_their_paths() {
    use ringtail::ottl::Context;
    let unprefixed = "trace_statements: [{context: span, statements: ['set(attributes[\"a\"], 1)']}]";
    assert_eq!(groups(unprefixed)[0].context, Context::Span);
    let plain = "trace_statements: ['set(resource.attributes[\"a\"], 1)', 'set(span.name, \"x\")']";
    let plain = groups(plain);
    assert_eq!((plain.len(), plain[0].context, plain[0].statements.len()), (1, Context::Span, 2));
    let by_condition = "trace_statements: [{conditions: ['spanevent.name == \"x\"'], statements: ['set(span.name, \"y\")']}]";
    assert_eq!(groups(by_condition)[0].context, Context::SpanEvent);
    assert!(groups("{}").is_empty());
}

#[test]
fn wrong_statements_are_named_with_what_was_meant() {
    let wrong = |transform: &str| errors(&["traces"], "transform", transform).join("; ");
    let unknown = wrong("trace_statements: [{context: span, statements: ['sett(name, 1)']}]");
    assert!(unknown.contains("undefined function \"sett\""), "{unknown}");
    let mixed = wrong("trace_statements: ['set(span.name, \"x\")', {context: span, statements: []}]");
    assert!(mixed.contains("configuring multiple configuration styles is not supported"), "{mixed}");
    let context = wrong("trace_statements: [{context: spam, statements: ['set(name, \"x\")']}]");
    assert!(context.contains("unknown context \"spam\""), "{context}");
    let signal = wrong("trace_statements: [{context: log, statements: ['set(body, \"x\")']}]");
    assert!(signal.contains("\"traces\" has no context \"log\""), "{signal}");
    let filtered = "metric_conditions: [{context: exemplar, conditions: ['int_value == 1']}]";
    let filtered = errors(&["metrics"], "filter", filtered).join("; ");
    assert!(filtered.contains("\"metrics\" has no context \"exemplar\""), "{filtered}");
    let inferred = wrong("trace_statements: ['set(attributes[\"a\"], 1)']");
    assert!(inferred.contains("unable to infer context from statements"), "{inferred}");
    let mode = wrong("error_mode: stop");
    assert!(mode.ends_with("unknown error mode \"stop\""), "{mode}");
}

#[test]
fn filters_are_read_in_every_spelling_but_not_in_two_at_once() {
    let filter = |text: &str| {
        let loaded = read(&["traces", "metrics", "logs"], "filter", text);
        match loaded.unwrap_or_else(|errors| panic!("{errors}")).settings.processors.values().next() {
            Some(Processor::Edit(config)) => match &**config {
                Config::Filter(filter) => (**filter).clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(filter("").traces, Default::default(), "null is fine");
    assert_eq!(filter("trace_conditions: ['span.name == \"x\"']").traces.conditions.len(), 1);
    assert_eq!(
        filter("traces: {span: ['name == \"x\"'], spanevent: ['name == \"y\"']}").traces.conditions.len(),
        2
    );
    assert!(filter("metrics: {exclude: {match_type: strict, metric_names: [a]}}").metrics.exclude.is_some());
    let logs =
        filter("logs: {include: {match_type: regexp, bodies: [a], severity_number: {min: WARN2}}}").logs;
    assert_eq!(logs.include.unwrap().log_severity_number.unwrap().min, 14);
    let wrong = |text: &str| errors(&["traces"], "filter", text).join("; ");
    for two in [
        "{trace_conditions: ['span.name == \"x\"'], traces: {span: ['name == \"x\"']}}",
        "{traces: {span: ['name == \"x\"']}, spans: {exclude: {match_type: strict, span_names: [a]}}}",
        "{metrics: {metric: ['name == \"x\"'], include: {match_type: strict, metric_names: [a]}}}",
    ] {
        assert!(wrong(two).ends_with("at the same time"), "{two}");
    }
    assert!(wrong("traces: {span: ['nme == \"x\"']}").contains("nme"));
    let severity = "logs: {include: {match_type: strict, bodies: [a], severity_number: {min: LOUD}}}";
    assert!(wrong(severity).ends_with("'LOUD' is not a valid severity"));
}

#[test]
fn semconv_is_one_key_in_whatever_looks_at_attributes_by_name() {
    use ringtail::edit::Filter;
    use ringtail::semconv::Names;
    let read = |id: &str, processor: &str| {
        let loaded = read(&["traces"], id, processor).unwrap_or_else(|errors| panic!("{errors}"));
        match loaded.settings.processors.into_values().next().unwrap() {
            Processor::Edit(config) => *config,
            other => panic!("{other:?}"),
        }
    };
    for (key, names) in
        [("semconv: true, ", Names::Either), ("semconv: false, ", Names::Written), ("", Names::Written)]
    {
        let actions = "{key: http.url, action: delete}";
        let include = "{match_type: strict, attributes: [{key: http.url}]}";
        match read("resource", &format!("{{{key}attributes: [{actions}]}}")) {
            Config::Resource(actions) => assert_eq!(actions.names, names),
            other => panic!("{other:?}"),
        }
        match read("attributes", &format!("{{{key}actions: [{actions}], include: {include}}}")) {
            Config::Attributes { actions, include, .. } => {
                assert_eq!((actions.names, include.unwrap().names), (names, names));
            }
            other => panic!("{other:?}"),
        }
        match read("redaction", &format!("{{{key}allow_all_keys: true}}")) {
            Config::Redaction(redaction) => assert_eq!(redaction.names, names),
            other => panic!("{other:?}"),
        }
        match read("filter", &format!("{{{key}spans: {{exclude: {include}}}}}")) {
            Config::Filter(filters) => {
                let Filter { exclude, .. } = filters.traces;
                assert_eq!(exclude.unwrap().names, names);
            }
            other => panic!("{other:?}"),
        }
    }
}
