//! Orders of processors that are known to be wrong, and the right ones beside them.

#![allow(clippy::unwrap_used)]

use ringtail::config::load;

/// `line:column message = help` of every warning of a pipeline with these processors in this order.
fn warnings(signal: &str, processors: &str, order: &str) -> Vec<String> {
    let text = format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\n\
         exporters: {{nop: }}\n\
         processors: {{{processors}}}\n\
         service:\n  pipelines:\n    {signal}:\n      receivers: [otlp]\n      exporters: [nop]\n      processors: [{order}]\n"
    );
    let variables = |name: &str| match name {
        "C" => Some(text.clone()),
        "SECRET" => Some("hunter2".to_owned()),
        _ => None,
    };
    let loaded = load(&["env:C".to_owned()], &[], &variables);
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let shown = |w: &ringtail::config::Diagnostic| {
        assert_eq!(w.path, format!("service::pipelines::{signal}::processors"), "{w}");
        format!("{}:{} {} = {}", w.line, w.column, w.message, w.help.clone().unwrap_or_default())
    };
    loaded.warnings.iter().filter(|w| w.line == 9).map(shown).collect()
}

const LIMITER: &str = "memory_limiter: {check_interval: 1s, limit_mib: 4000}";
const SAMPLER: &str = "tail_sampling: {policies: [{name: all, type: always_sample}]}";

fn sampling(policy: &str, edit: &str) -> String {
    format!("tail_sampling: {{policies: [{{name: p, {policy}}}]}}, {edit}")
}

#[test]
fn the_usual_order_is_right() {
    let processors = format!(
        "{LIMITER}, batch: , groupbytrace: , probabilistic_sampler: {{sampling_percentage: 9}}, {SAMPLER}, \
         resource: {{attributes: [{{key: a, value: b, action: insert}}]}}"
    );
    let order = "memory_limiter, resource, groupbytrace, probabilistic_sampler, tail_sampling, batch";
    assert_eq!(warnings("traces", &processors, order), [""; 0]);
}

#[test]
fn what_stands_behind_batch_and_should_not() {
    let all = format!(
        "{LIMITER}, batch: , groupbytrace: , probabilistic_sampler: {{sampling_percentage: 9}}, {SAMPLER}"
    );
    for (behind, said, help) in [
        ("tail_sampling", "batch stands before tail_sampling", "put batch after tail_sampling"),
        ("memory_limiter", "batch stands before memory_limiter", "put memory_limiter first"),
        ("groupbytrace", "groupbytrace stands behind batch", "remove groupbytrace"),
        ("probabilistic_sampler", "batch stands before probabilistic_sampler", "put batch after"),
    ] {
        let found = warnings("traces", &all, &format!("batch, {behind}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("9:27 {said}")) && found[0].contains(help), "{found:?}");
        assert_eq!(warnings("traces", &all, &format!("{behind}, batch")), [""; 0]);
    }
}

#[test]
fn a_memory_limiter_stands_first() {
    let all = format!("{LIMITER}, {SAMPLER}, resource: {{attributes: [{{key: a, action: delete}}]}}");
    let found = warnings("traces", &all, "resource, memory_limiter");
    assert!(found.len() == 1 && found[0].starts_with("9:30 memory_limiter is not the first"), "{found:?}");
}

#[test]
fn two_samplers_are_one_too_many() {
    let all = format!("{SAMPLER}, {}", SAMPLER.replace("tail_sampling", "tail_sampling/2"));
    let found = warnings("traces", &all, "tail_sampling, tail_sampling/2");
    assert!(found.len() == 1 && found[0].starts_with("9:35 tail_sampling stands here twice"), "{found:?}");
}

#[test]
fn an_edit_that_a_policy_depends_on_stands_before_the_sampler() {
    let text = |statement: &str| format!("transform: {{trace_statements: ['{statement}']}}");
    let attributes = |action: &str| format!("attributes: {{actions: [{{key: tier, {action}}}]}}");
    let tier = "type: string_attribute, string_attribute: {key: tier, values: [gold]}";
    let slow = "type: latency, latency: {threshold_ms: 5}";
    let errors = "type: status_code, status_code: {status_codes: [ERROR]}";
    let condition = "type: ottl_condition, ottl_condition: {span: ['attributes[\"tier\"] == \"gold\"']}";
    let nested = "type: and, and: {and_sub_policy: [{name: q, type: boolean_attribute, boolean_attribute: {key: tier, value: true}}]}";
    for (policy, edit, name, field) in [
        (tier, attributes("value: gold, action: upsert"), "attributes", "span attribute \"tier\""),
        (
            tier,
            "resource: {attributes: [{key: tier, value: gold, action: insert}]}".into(),
            "resource",
            "resource attribute \"tier\"",
        ),
        (
            tier,
            "attributes: {actions: [{key: url, pattern: \"^(?P<tier>.*)$\", action: extract}]}".into(),
            "attributes",
            "span attribute \"tier\"",
        ),
        (
            tier,
            text("set(span.attributes[\"tier\"], \"gold\") where span.name == \"a\""),
            "transform",
            "span attribute \"tier\"",
        ),
        (nested, attributes("converted_type: int, action: convert"), "attributes", "span attribute \"tier\""),
        (condition, attributes("value: gold, action: insert"), "attributes", "span attribute \"tier\""),
        (errors, text("set(span.status.code, 2)"), "transform", "span.status.code"),
        (slow, text("set(span.end_time, span.start_time)"), "transform", "span.end_time_unix_nano"),
    ] {
        let all = sampling(policy, &edit);
        let found = warnings("traces", &all, &format!("tail_sampling, {name}"));
        let expected = format!(
            "9:35 policy \"p\" of \"tail_sampling\" reads {field}, which \"{name}\" behind it writes: it sees what was \
             there before = put \"{name}\" before \"tail_sampling\""
        );
        assert_eq!(found, [expected], "{all}");
        assert_eq!(warnings("traces", &all, &format!("{name}, tail_sampling")), [""; 0], "{all}");
    }
}

#[test]
fn what_a_policy_does_not_depend_on_may_stand_behind_it() {
    let tier = "type: string_attribute, string_attribute: {key: tier, values: [gold]}";
    let condition =
        "type: ottl_condition, ottl_condition: {span: ['resource.attributes[\"tier\"] == \"gold\"']}";
    for (policy, edit, name) in [
        (tier, "attributes: {actions: [{key: other, value: 1, action: insert}]}", "attributes"),
        (tier, "attributes: {actions: [{key: tier, action: delete}]}", "attributes"),
        (tier, "attributes: {actions: [{key: tier, action: hash}]}", "attributes"),
        (tier, "transform: {trace_statements: ['delete_key(span.attributes, \"tier\")']}", "transform"),
        (
            tier,
            "transform: {trace_statements: ['merge_maps(span.attributes, resource.attributes, \"upsert\")']}",
            "transform",
        ),
        (tier, "transform: {log_statements: ['set(log.attributes[\"tier\"], 1)']}", "transform"),
        (condition, "attributes: {actions: [{key: tier, value: 1, action: insert}]}", "attributes"),
        (tier, "filter: {trace_conditions: ['span.attributes[\"tier\"] == nil']}", "filter"),
    ] {
        let all = sampling(policy, edit);
        assert_eq!(warnings("traces", &all, &format!("tail_sampling, {name}")), [""; 0], "{all}");
    }
}

#[test]
fn spans_are_counted_before_they_are_dropped_only_by_mistake() {
    let count = "type: span_count, span_count: {min_spans: 3}";
    let all = sampling(count, "filter: {traces: {span: ['name == \"health\"']}}");
    let found = warnings("traces", &all, "tail_sampling, filter");
    assert_eq!(
        found,
        ["9:35 policy \"p\" of \"tail_sampling\" counts spans that \"filter\" behind it may drop = \
          put \"filter\" before \"tail_sampling\""]
    );
    let all = sampling(count, "filter: {traces: {spanevent: ['name == \"health\"']}}");
    assert_eq!(warnings("traces", &all, "tail_sampling, filter"), [""; 0]);
}

#[test]
fn a_probabilistic_sampler_reads_attributes_too() {
    let all = "probabilistic_sampler: {sampling_percentage: 9, sampling_priority: urgency}, \
               attributes: {actions: [{key: urgency, value: 100, action: insert}]}, \
               attributes/p: {actions: [{key: sampling.priority, value: 1, action: insert}]}";
    let found = warnings("logs", all, "probabilistic_sampler, attributes, attributes/p");
    assert!(
        found.len() == 1 && found[0].starts_with("9:43 \"probabilistic_sampler\" reads log attribute"),
        "{found:?}"
    );
    let found = warnings("traces", all, "probabilistic_sampler, attributes, attributes/p");
    assert!(
        found.len() == 1 && found[0].starts_with("9:55 \"probabilistic_sampler\" reads span attribute"),
        "{found:?}"
    );
}

#[test]
fn what_came_from_outside_the_file_is_not_repeated() {
    let tier = "type: string_attribute, string_attribute: {key: \"${env:SECRET}\", values: [gold]}";
    let all = sampling(tier, "attributes: {actions: [{key: \"${env:SECRET}\", value: 1, action: insert}]}");
    let found = warnings("traces", &all, "tail_sampling, attributes");
    assert!(
        found.len() == 1 && found[0].contains("(not shown)") && !found[0].contains("hunter2"),
        "{found:?}"
    );
}

#[test]
fn request_headers_end_at_a_sampler() {
    let all = format!(
        "{SAMPLER}, batch: {{metadata_keys: [X-Tenant]}}, batch/other: {{metadata_keys: [x-tenant, y]}}, \
         attributes: {{actions: [{{key: a, from_context: metadata.x-tenant, action: insert}}]}}"
    );
    for name in ["batch", "attributes"] {
        let found = warnings("traces", &all, &format!("tail_sampling, {name}"));
        assert!(found.len() == 1 && found[0].contains("never sees them"), "{found:?}");
        assert!(found[0].starts_with(&format!("9:35 \"{name}\" asks for request headers")), "{found:?}");
        assert_eq!(warnings("traces", &all, name), [""; 0]);
    }
    assert_eq!(warnings("traces", &all, "batch, attributes"), [""; 0], "batch keeps its own keys");
    let found = warnings("traces", &all, "batch, batch/other");
    assert!(found.len() == 1 && found[0].contains("keeps only its own metadata_keys"), "{found:?}");
}

#[test]
fn senders_are_forgotten_where_requests_are_put_together() {
    let all = format!(
        "{SAMPLER}, batch: , batch/kept: {{metadata_keys: [x-tenant]}}, \
         attributes: {{actions: [{{key: a, from_context: client.address, action: insert}}]}}, \
         resource: {{attributes: [{{key: a, from_context: auth.username, action: insert}}]}}, \
         filter: {{trace_conditions: ['otelcol.grpc.metadata[\"a\"] == nil and span.name == \"a\"']}}, \
         transform: {{trace_statements: ['set(span.name, otelcol.client.addr)']}}, \
         transform/headers: {{trace_statements: ['set(span.name, otelcol.client.metadata[\"x-tenant\"][0])']}}"
    );
    for loser in ["tail_sampling", "batch", "batch/kept"] {
        for name in ["attributes", "resource", "filter", "transform"] {
            let found = warnings("traces", &all, &format!("{loser}, {name}"));
            let asked = format!("\"{name}\" asks who sent a request, but stands behind \"{loser}\", which");
            assert!(found.iter().any(|one| one.contains(&asked)), "{found:?}");
            assert!(
                warnings("traces", &all, &format!("{name}, {loser}")).iter().all(|one| !one.contains("asks"))
            );
        }
        let found = warnings("traces", &all, &format!("{loser}, transform/headers"));
        let lost = found.iter().any(|one| one.contains("asks for request headers"));
        assert_eq!(lost, loser != "batch/kept", "{found:?}");
    }
    let found = warnings("logs", &all, "batch, transform");
    assert_eq!(found, [""; 0], "it asks about requests of traces only");
}
