//! The configuration of `tail_sampling`: defaults, what the Collector refuses and how, our keys.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use ringtail::config::{Errors, Gates, Loaded, Options, Processor, TailSampling, load_with};
use ringtail::journal::{Compression, Sync};
use ringtail::sample::{
    Config, Dynamic, Early, Method, Number, Policy, Rule, StatusCodes, Strategy, WhenFull,
};

/// A whole configuration around these keys of the processor.
fn whole(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{nop: }}\n\
         service: {{pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}\n\
         processors:\n  tail_sampling:\n{keys}"
    )
}

fn read_with(keys: &str, gates: Gates) -> Result<Loaded, Errors> {
    let text = whole(keys);
    let options = Options { gates, ..Options::default() };
    load_with(&["env:C".to_owned()], &[], options, &|name| match name {
        "C" => Some(text.clone()),
        "SECRET" => Some("hunter2(".to_owned()),
        _ => None,
    })
}

fn read(keys: &str) -> Result<Loaded, Errors> {
    read_with(keys, Gates::default())
}

fn sampler(loaded: &Loaded) -> TailSampling {
    match loaded.settings.processors.values().next() {
        Some(Processor::TailSampling(sampler)) => (**sampler).clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn config(keys: &str) -> Config {
    sampler(&read(keys).unwrap_or_else(|errors| panic!("{errors}\n{keys}"))).sampling
}

#[track_caller]
fn errors(keys: &str) -> Vec<String> {
    let errors = read(keys).err().unwrap_or_else(|| panic!("this should not load:\n{keys}"));
    errors.0.iter().map(|error| error.message.clone()).collect()
}

#[track_caller]
fn warnings(keys: &str) -> Vec<String> {
    let loaded = read(keys).unwrap_or_else(|errors| panic!("{errors}\n{keys}"));
    loaded.warnings.iter().map(|warning| warning.message.clone()).collect()
}

/// The rule of one policy, written in a line.
#[track_caller]
fn rule(policy: &str) -> Rule {
    config(&format!("policies: [{{name: x, {policy}}}]")).policies.remove(0).rule
}

/// The errors of one policy, without what precedes the reason.
#[track_caller]
fn refused(policy: &str) -> Vec<String> {
    let prefix = "failed to create policy evaluator for \"x\": ";
    errors(&format!("policies: [{{name: x, {policy}}}]"))
        .iter()
        .map(|error| error.strip_prefix(prefix).unwrap_or_else(|| panic!("{error}")).to_owned())
        .collect()
}

const ALL: &str = "policies: [{name: all, type: always_sample}]";

#[test]
fn the_defaults_are_the_collectors_and_ours() {
    let loaded = read(ALL).unwrap();
    assert_eq!(loaded.warnings, []);
    let all = Policy { name: "all".into(), rule: Rule::AlwaysSample };
    assert_eq!(sampler(&loaded).sampling, Config { policies: vec![all], ..Config::default() });
    assert_eq!(sampler(&loaded).journal, ringtail::journal::Config::default());
    assert!(!sampler(&loaded).count_spans_sampled && !sampler(&loaded).count_bytes_sampled);
}

#[test]
fn the_collectors_mode_changes_the_defaults_of_our_keys_only() {
    let compat = config(&format!("compat: collector\n{ALL}"));
    let expected = Config {
        policies: compat.policies.clone(),
        compat: true,
        tracestate: false,
        early: Early::Off,
        max_spans: None,
        ..Config::default()
    };
    assert_eq!(compat, expected);
    let written = config(&format!(
        "compat: collector\ntracestate: true\nearly_verdicts: not_kept\nmaximum_spans_per_trace: 7\n{ALL}"
    ));
    assert!(written.tracestate && written.early == Early::NotKept && written.max_spans == Some(7));
    assert_eq!(errors(&format!("compat: refinery\n{ALL}")), ["unknown compat \"refinery\""]);
}

#[test]
fn gates_change_what_is_not_written() {
    let mut gates = Gates::default();
    let prefix = "processor.tailsamplingprocessor.";
    for gate in
        ["recordpolicy", "usetracestate", "metricstatcountspanssampled", "metricstatcountbytessampled"]
    {
        assert!(gates.switch(&format!("{prefix}{gate}"), true), "{gate}");
    }
    assert!(!gates.switch("processor.tailsamplingprocessor.tailstorageextension", true));
    let gated = sampler(&read_with(&format!("compat: collector\n{ALL}"), gates).unwrap());
    assert!(gated.sampling.record_policy && gated.sampling.tracestate);
    assert!(gated.count_spans_sampled && gated.count_bytes_sampled);
    let written = read_with(&format!("record_policy: false\ntracestate: false\n{ALL}"), gates).unwrap();
    assert!(!sampler(&written).sampling.record_policy && !sampler(&written).sampling.tracestate);
}

#[test]
fn every_key_is_read() {
    let config = config(
        "sampling_strategy: span-ingest\ndecision_wait: 10s\ndecision_wait_after_root_received: 500ms\n\
         num_traces: 100\nexpected_new_traces_per_sec: 1000\ndecision_cache: {sampled_cache_size: 5, \
         non_sampled_cache_size: -1}\nsample_on_first_match: true\ndrop_pending_traces_on_shutdown: true\n\
         maximum_trace_size_bytes: 64\nnum_shards: 256\nrecord_policy: true\nsecond_chance: true\n\
         when_full: decide_largest\nexplain_traces: 0\npolicies: [{name: all, type: always_sample}]",
    );
    assert_eq!(config.strategy, Strategy::SpanIngest);
    assert_eq!(config.decision_wait, Duration::from_secs(10));
    assert_eq!(config.decision_wait_after_root, Duration::from_millis(500));
    assert_eq!((config.num_traces, config.num_shards), (100, 256));
    assert_eq!((config.decision_cache.sampled, config.decision_cache.not_sampled), (Some(5), Some(0)));
    assert!(config.sample_on_first_match && config.drop_pending_on_shutdown);
    assert!(config.record_policy && config.second_chance);
    assert_eq!((config.maximum_trace_size_bytes, config.explain_traces), (Some(64), 0));
    assert_eq!(config.when_full, WhenFull::DecideLargest);
}

#[test]
fn null_is_zero_and_a_negative_wait_is_none() {
    let null = config(&format!("decision_wait: \nnum_traces: \nmaximum_spans_per_trace: \n{ALL}"));
    assert_eq!((null.decision_wait, null.num_traces, null.max_spans), (Duration::ZERO, 1, None));
    assert_eq!(config(&format!("decision_wait: -5s\n{ALL}")).decision_wait, Duration::ZERO);
    assert_eq!(config(&format!("num_shards: 0\n{ALL}")).num_shards, 1);
    let found = warnings(&format!("decision_wait: 10\nnum_traces: 0\n{ALL}"));
    assert_eq!(
        found,
        [
            "'decision_wait' is a bare number, which means nanoseconds",
            "num_traces: 0 means 1, as in the Collector"
        ]
    );
}

#[test]
fn what_the_collector_refuses_at_parse_is_refused_in_its_words() {
    for (keys, expected) in [
        (
            "sampling_strategy: x",
            "invalid sampling_strategy \"x\", expected one of \"trace-complete\" or \"span-ingest\"",
        ),
        (
            "sampling_strategy: ",
            "invalid sampling_strategy \"\", expected one of \"trace-complete\" or \"span-ingest\"",
        ),
        ("num_shards: 257", "num_shards (257) must not exceed 256"),
        ("num_traces: -1", "'num_traces' cannot parse value as 'uint64': -1 overflows uint"),
        ("num_traces: many", "'num_traces' expected type 'uint64', got unconvertible type 'string'"),
        (
            "tail_storage: x",
            "'tail_storage' is not available in this version: no storage extensions exist here",
        ),
        ("foo: 1", "'tail_sampling' has invalid keys: foo"),
        ("policy: []", "'tail_sampling' has invalid keys: policy"),
        ("decision_wait: 10x", "'decision_wait' time: unknown unit in duration: \"10x\""),
        ("when_full: drop", "unknown when_full \"drop\""),
        ("early_verdicts: \"on\"", "unknown early_verdicts \"on\""),
        (
            "block_on_overflow: true\nwhen_full: decide_oldest",
            "block_on_overflow: true and when_full contradict each other",
        ),
    ] {
        assert_eq!(errors(&format!("{keys}\n{ALL}")), [expected], "{keys}");
    }
    for (policy, expected) in [
        ("type: latency, latency: {threshold: 1}", "'latency' has invalid keys: threshold"),
        (
            "type: probabilistic, probabilistic: {sampling_percentage: ten}",
            "'sampling_percentage' expected type 'float64', got unconvertible type 'string'",
        ),
        ("type: always_sample, threshold_ms: 5", "'policies[0]' has invalid keys: threshold_ms"),
        ("type: always_sample, always_sample: 5", "'always_sample' expected a map, got int"),
        (
            "type: string_attribute, string_attribute: {key: k, values: [7]}",
            "'values' expected type 'list of strings', got unconvertible type 'list'",
        ),
    ] {
        assert_eq!(errors(&format!("policies: [{{name: x, {policy}}}]")), [expected], "{policy}");
    }
}

#[test]
fn what_the_collector_refuses_at_the_start_is_refused_by_validate() {
    assert_eq!(errors("policies: [{type: always_sample}, ]"), ["policy name cannot be empty"]);
    assert_eq!(
        errors("policies: [{name: al, type: always_sample}, {name: al, type: trace_flags}]"),
        ["duplicate policy name \"al\""]
    );
    for (policy, expected) in [
        ("type: foo", "unknown sampling policy type foo"),
        ("type: always_on", "unknown sampling policy type always_on"),
        ("x: {}", "unknown sampling policy type \"\""),
        ("type: status_code", "expected at least one status code to filter on"),
        (
            "type: status_code, status_code: {status_codes: [error]}",
            "unknown status code \"error\", supported: OK, ERROR, UNSET",
        ),
        (
            "type: string_attribute, string_attribute: {key: k, values: [\"(\"], enabled_regex_matching: true}",
            "invalid regex `(`: error parsing regexp: missing closing ): `(`",
        ),
        ("type: ottl_condition", "expected at least one OTTL condition to filter on"),
        (
            "type: ottl_condition, ottl_condition: {span: ['Foo() == 1']}",
            "unable to parse OTTL condition \"Foo() == 1\": undefined function \"Foo\"",
        ),
        (
            "type: ottl_condition, ottl_condition: {spanevent: ['name ==']}",
            "condition has invalid syntax: 1:8: unexpected token \"<EOF>\" (expected a value)",
        ),
        ("type: numeric_attribute", "at least one of min_value or max_value must be set"),
        (
            "type: and, and: {and_sub_policy: [{type: and, and: {and_sub_policy: []}}]}",
            "unknown sampling policy type and",
        ),
        ("type: and, and: {and_sub_policy: [{type: drop}]}", "unknown sampling policy type drop"),
        ("type: not, not: {not_sub_policy: {type: not}}", "unknown sampling policy type not"),
        ("type: not", "unknown sampling policy type \"\""),
        (
            "type: composite, composite: {composite_sub_policy: [{type: not}]}",
            "unknown sampling policy type not",
        ),
    ] {
        assert_eq!(refused(policy), [expected], "{policy}");
    }
}

#[test]
fn an_error_says_where_and_what_to_write() {
    let found = read("policies:\n  - {name: a, type: allways_sample}\n").unwrap_err().0.remove(0);
    assert_eq!((found.line, found.column), (7, 25));
    assert_eq!(found.path, "processors::tail_sampling::policies[0]::type");
    assert_eq!(found.help.as_deref(), Some("did you mean \"always_sample\"?"));
    let found =
        read("policies: [{name: a, type: and, and: {and_sub_policy: [{type: composite}]}}]").unwrap_err();
    assert!(found.0[0].help.as_deref().unwrap().starts_with("composite cannot stand here; valid types: "));
    assert_eq!(found.0[0].path, "processors::tail_sampling::policies[0]::and::and_sub_policy[0]::type");
}

#[test]
fn all_mistakes_come_at_once() {
    let found = errors(
        "policies:\n  - {name: a, type: foo}\n  - {name: a, type: status_code}\n  - {type: latency, latency: {x: 1}}\n\
         num_shards: 300\n",
    );
    assert_eq!(found.len(), 6, "{found:?}");
}

#[test]
fn values_from_outside_are_not_shown() {
    let text = "policies: [{name: x, type: string_attribute, string_attribute: {key: k, values: [\"${env:SECRET}\"], \
                enabled_regex_matching: true}}, {name: \"${env:SECRET}\", type: \"${env:SECRET}\"}]";
    let errors = read(text).unwrap_err().to_string();
    assert!(errors.contains("invalid regex") && !errors.contains("hunter2"), "{errors}");
}

#[test]
fn only_stateless_policies_are_judged_at_arrival() {
    for (policy, stateful) in [
        ("type: always_sample", false),
        ("type: latency, latency: {threshold_ms: 5}", false),
        ("type: latency, latency: {upper_threshold_ms: 5}", true),
        ("type: span_count, span_count: {min_spans: 5}", false),
        ("type: span_count, span_count: {max_spans: 5}", true),
        ("type: rate_limiting", true),
        ("type: bytes_limiting", true),
        ("type: not, not: {not_sub_policy: {type: rate_limiting}}", true),
        ("type: composite, composite: {composite_sub_policy: [{type: always_sample}]}", false),
        ("type: drop, drop: {drop_sub_policy: [{type: bytes_limiting}]}", true),
    ] {
        let keys = format!("sampling_strategy: span-ingest\npolicies: [{{name: x, {policy}}}]");
        if stateful {
            let expected = "sampling_strategy \"span-ingest\" requires all policies to be stateless, but policy \"x\" is stateful";
            assert_eq!(errors(&keys), [expected], "{policy}");
        } else {
            assert!(read(&keys).is_ok(), "{policy}");
        }
    }
}

#[test]
fn odd_but_accepted_policies_are_warnings() {
    for (keys, expected) in [
        ("policies: ", "no policies: nothing is sampled"),
        ("policies: []", "no policies: nothing is sampled"),
        ("num_traces: 5", "no policies: nothing is sampled"),
        (
            "policies: [{name: d, type: drop, drop: {drop_sub_policy: [{type: trace_flags}]}}]",
            "every policy is a drop: nothing is sampled",
        ),
        ("policies: [{name: a, type: and}]", "'and_sub_policy' is empty: every trace is sampled"),
        (
            "policies: [{name: a, type: always_sample, foo: {bar: 1}}]",
            "'policies[0]' has no key \"foo\"; it is ignored",
        ),
        (
            "policies: [{name: a, type: always_sample, latency: {threshold_ms: 5}}]",
            "'latency' has no effect: the type is always_sample",
        ),
        (
            "policies: [{name: a, type: always_sample, status_code: {status_codes: [nope]}}]",
            "'status_code' has no effect: the type is always_sample",
        ),
        (
            "policies: [{name: a, type: span_count, span_count: {min_spans: 3000000000}}]",
            "'min_spans' does not fit 32 bits; 2147483647 is used",
        ),
        (
            "policies: [{name: a, type: composite, composite: {composite_sub_policy: [{name: s, type: always_sample}], \
             rate_allocation: [{policy: t, percent: 200}]}}]",
            "'rate_allocation' names \"t\", which is no sub-policy",
        ),
    ] {
        assert_eq!(warnings(keys), [expected], "{keys}");
    }
    assert_eq!(
        warnings("policies: [{name: a, type: always_sample, always_sample: {}, trace_flags: }]"),
        [""; 0]
    );
}

#[test]
fn numbers_of_policies_are_cut_as_the_collector_cuts_them() {
    assert_eq!(
        rule("type: latency, latency: {threshold_ms: 1.9, upper_threshold_ms: -2}"),
        Rule::Latency { threshold_ms: 1, upper_threshold_ms: -2 }
    );
    let numeric =
        |bounds: &str| match rule(&format!("type: numeric_attribute, numeric_attribute: {{{bounds}}}")) {
            Rule::Numeric { min, max, .. } => (min, max),
            other => panic!("{other:?}"),
        };
    assert_eq!(numeric("min_value: 0"), (Some(Number::Int(0)), None));
    assert_eq!(numeric("min_value: 1.5, max_value: 2.0"), (Some(Number::Double(1.5)), Some(Number::Int(2))));
    assert_eq!(numeric("min_value: , max_value: -3"), (None, Some(Number::Int(-3))));
    let zero = "compat: collector\npolicies: [{name: x, type: numeric_attribute, numeric_attribute: {min_value: 0}}]";
    assert_eq!(errors(zero).len(), 1);
    let wrapped = config(
        "compat: collector\npolicies: [{name: x, type: span_count, span_count: {min_spans: 3000000000}}]",
    );
    assert_eq!(wrapped.policies[0].rule, Rule::SpanCount { min: -1_294_967_296, max: 0 });
}

#[test]
fn the_blocks_become_rules() {
    let codes = StatusCodes { error: true, unset: true, ok: false };
    assert_eq!(
        rule("type: status_code, status_code: {status_codes: [ERROR, UNSET]}"),
        Rule::StatusCode { codes }
    );
    assert_eq!(
        rule("type: rate_limiting, rate_limiting: {spans_per_second: 5}"),
        Rule::RateLimiting { spans_per_second: 5, burst: None }
    );
    assert_eq!(
        rule("type: bytes_limiting, bytes_limiting: {bytes_per_second: 5, burst_capacity: 9}"),
        Rule::BytesLimiting { bytes_per_second: 5, burst: Some(9) }
    );
    assert_eq!(
        rule(
            "type: string_attribute, string_attribute: {key: k, values: one, invert_match: true, cache_max_size: 9}"
        ),
        Rule::StringAttribute { key: "k".into(), values: vec!["one".into()], regex: false, invert: true }
    );
    match rule(
        "type: composite, composite: {max_total_spans_per_second: 10, policy_order: [s], composite_sub_policy: \
                [{name: s, type: and, and: {and_sub_policy: [{type: not, not: {not_sub_policy: {type: trace_flags}}}]}}], \
                rate_allocation: [{policy: s, percent: 15.5}]}",
    ) {
        Rule::Composite(composite) => {
            assert_eq!((composite.max_total, composite.order), (10, vec!["s".to_owned()]));
            assert_eq!(composite.allocation, [("s".to_owned(), 15)]);
            assert!(
                matches!(&composite.policies[0].rule, Rule::And(inner) if matches!(inner[0].rule, Rule::Not(_)))
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn policies_with_a_rate_per_key_are_checked() {
    let by_key = |method| {
        Rule::Dynamic(Dynamic { fields: vec!["f".into()], use_trace_length: false, max_keys: 500, method })
    };
    assert_eq!(
        rule("type: dynamic, dynamic: {sample_rate: 5, fields: [f]}"),
        by_key(Method::Window { sample_rate: 5, clear_frequency: Duration::from_secs(30) })
    );
    assert_eq!(
        rule(
            "type: windowed_throughput, windowed_throughput: {goal_throughput_per_sec: 5, update_frequency: 2s, fields: [f]}"
        ),
        by_key(Method::WindowedThroughput {
            goal_throughput_per_sec: 5,
            update_frequency: Duration::from_secs(2),
            lookback_frequency: Duration::from_secs(60),
        })
    );
    match rule(
        "type: ema_throughput, ema_throughput: {goal_throughput_per_sec: 5, weight: 0.25, fields: [f]}",
    ) {
        Rule::Dynamic(Dynamic { method: Method::EmaThroughput { initial_sample_rate, ema, .. }, .. }) => {
            assert_eq!((initial_sample_rate, ema.age_out_value, ema.burst_detection_delay), (10, 0.25, 3));
        }
        other => panic!("{other:?}"),
    }
    for (policy, expected) in [
        ("type: dynamic, dynamic: {fields: [f]}", "sample_rate must be at least 1"),
        ("type: dynamic, dynamic: {sample_rate: 5}", "expected at least one field to make the key of"),
        ("type: dynamic, dynamic: {sample_rate: 5, fields: [f, \"\"]}", "a field is empty"),
        (
            "type: dynamic, dynamic: {sample_rate: 5, fields: [f], clear_frequency: 0s}",
            "clear_frequency must be longer than zero",
        ),
        (
            "type: ema_dynamic, ema_dynamic: {goal_sample_rate: 5, fields: [f], weight: 1}",
            "weight must be between 0 and 1",
        ),
        (
            "type: ema_dynamic, ema_dynamic: {goal_sample_rate: 5, fields: [f], burst_multiple: 1}",
            "burst_multiple must be greater than 1",
        ),
        (
            "type: windowed_throughput, windowed_throughput: {goal_throughput_per_sec: 5, fields: [f], \
             update_frequency: 2s, lookback_frequency: 3s}",
            "lookback_frequency must be a multiple of update_frequency",
        ),
    ] {
        assert_eq!(refused(policy), [expected], "{policy}");
    }
}

#[test]
fn a_journal_is_in_memory_until_it_has_a_directory() {
    let journal =
        |keys: &str| sampler(&read(&format!("{keys}\n{ALL}")).unwrap_or_else(|e| panic!("{e}"))).journal;
    assert_eq!(journal("journal: "), ringtail::journal::Config::default());
    let files = journal("journal: {directory: /var/lib/x, sync: 1s, compression: lz4}");
    assert_eq!(files.directory.as_deref(), Some(Path::new("/var/lib/x")));
    assert_eq!((files.segment_size, files.max_size), (64 << 20, 10 << 30));
    assert_eq!((files.sync, files.compression), (Sync::Interval(Duration::from_secs(1)), Compression::Lz4));
    assert_eq!(journal("journal: {directory: x, sync: always}").sync, Sync::Always);
    let small = journal("journal: {directory: x, max_size: 64MiB}\nnum_shards: 4");
    assert_eq!(small.segment_size, 4 << 20);
    assert_eq!(journal("journal: {max_memory: 1GiB}").max_memory, Some(1 << 30));
}

#[test]
fn a_journal_that_cannot_work_is_refused() {
    for (journal, expected) in [
        ("{segment_size: 1KiB}", "'segment_size' must be at least 64KiB"),
        (
            "{directory: x, max_size: 100MiB, segment_size: 64MiB}",
            "the limit of the journal has no room for 4 segments of 64MiB",
        ),
        ("{max_memory: 1KiB}", "the limit of the journal has no room for 4 segments of 64KiB"),
        (
            "{directory: x, max_size: 1GiB, segment_size: 128MiB}\nnum_shards: 8",
            "the limit of the journal has no room for 4 segments of 128MiB in each of 8 shards",
        ),
        ("{sync: sometimes}", "'sync' must be never, always or a duration such as 1s: \"sometimes\""),
        ("{directory: x, sync: 0s}", "'sync' must be longer than zero; write always: \"0s\""),
        ("{compression: gzip}", "unknown compression \"gzip\""),
        ("{max_size: 0}", "'max_size' must be positive: \"0\""),
        ("{directry: x}", "'journal' has invalid keys: directry"),
    ] {
        assert_eq!(errors(&format!("journal: {journal}\n{ALL}")), [expected], "{journal}");
    }
    assert_eq!(
        warnings(&format!("journal: {{sync: always}}\n{ALL}")),
        ["'sync' has no effect without a directory"]
    );
}
