//! Configurations that are compared.

use crate::support::Content;

/// Processors in order, for pipelines of these signals, and what is sent through them.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub signals: &'static [&'static str],
    pub processors: Vec<(&'static str, String)>,
    /// The number that its own traffic follows from; none for the traffic that all share.
    pub wild: Option<u64>,
    /// What is sent instead of all that.
    pub requests: Option<Vec<Content>>,
    /// Statements that run on one scope entry each.
    pub statements: Vec<String>,
}

pub const ALL: &[&str] = &["traces", "metrics", "logs"];
pub const TRACES: &[&str] = &["traces"];
pub const METRICS: &[&str] = &["metrics"];
pub const LOGS: &[&str] = &["logs"];
pub const SAMPLED: &[&str] = &["traces", "logs"];

pub fn cases() -> Vec<Case> {
    let case = |name: &str, signals, processors: &[(&'static str, &str)]| Case {
        name: name.to_owned(),
        signals,
        processors: processors.iter().map(|(kind, body)| (*kind, (*body).to_owned())).collect(),
        wild: None,
        requests: None,
        statements: Vec::new(),
    };
    vec![
        case("nothing", ALL, &[]),
        case(
            "resource",
            ALL,
            &[(
                "resource",
                "attributes:
  - {key: environment, value: production, action: insert}
  - {key: service.name, action: UPDATE, value: renamed}
  - {key: absent, action: update, value: x}
  - {key: tenant, action: upsert, from_context: metadata.x-tenant}
  - {key: copy, action: insert, from_attribute: host}
  - {key: nobody, action: insert, from_attribute: absent, default_value: [1, {a: b}, true, 0.5]}
  - {key: host, action: hash}
  - {key: count, action: convert, converted_type: string}",
            )],
        ),
        case(
            "attributes",
            ALL,
            &[(
                "attributes",
                "actions:
  - {key: url, action: extract, pattern: '^(?P<scheme>[a-z]+)://(?P<host>[^/]+)(?P<rest>/\\w+)?'}
  - {key: number, action: convert, converted_type: int}
  - {key: ratio, action: convert, converted_type: string}
  - {key: flag, action: convert, converted_type: double}
  - {key: list, action: convert, converted_type: string}
  - {key: map, action: convert, converted_type: string}
  - {key: bytes, action: convert, converted_type: string}
  - {key: secret, action: delete, pattern: '^secret\\.'}
  - {key: user, action: hash, pattern: '^id'}
  - {key: added, action: insert, value: {deep: [1, 2]}}",
            )],
        ),
        case(
            "attributes of some spans",
            TRACES,
            &[(
                "attributes",
                "actions: [{key: hit, value: true, action: insert}]
include: {match_type: regexp, services: ['^sh'], span_names: ['^GET', 'POST'], attributes: [{key: number, value: '^1'}]}
exclude: {match_type: regexp, span_kinds: [SPAN_KIND_CLIENT], resources: [{key: host}]}",
            )],
        ),
        case(
            "attributes of some records",
            LOGS,
            &[(
                "attributes",
                "actions: [{key: hit, value: 1, action: insert}]
include: {match_type: strict, log_severity_number: {min: 9, match_undefined: true}}
exclude: {match_type: regexp, log_bodies: ['^\\{'], attributes: [{key: flag, value: 'true'}]}",
            )],
        ),
        case(
            "attributes of some metrics",
            METRICS,
            &[(
                "attributes",
                "actions: [{key: hit, value: 1, action: insert}]
include: {match_type: regexp, metric_names: ['^h', 'sum']}",
            )],
        ),
        case(
            "hash_seed",
            SAMPLED,
            &[("probabilistic_sampler", "{sampling_percentage: 40, hash_seed: 22, from_attribute: user}")],
        ),
        case(
            "equalizing",
            SAMPLED,
            &[("probabilistic_sampler", "{sampling_percentage: 40, mode: equalizing, sampling_precision: 3}")],
        ),
        case(
            "proportional and open",
            SAMPLED,
            &[("probabilistic_sampler", "{sampling_percentage: 33.3, mode: proportional, fail_closed: false}")],
        ),
        case(
            "records by attribute",
            LOGS,
            &[(
                "probabilistic_sampler",
                "{sampling_percentage: 30, attribute_source: record, from_attribute: number, sampling_priority: share}",
            )],
        ),
        case(
            "the founding transform",
            TRACES,
            &[(
                "transform",
                "trace_statements:
  - context: span
    statements:
      - replace_pattern(attributes[\"url\"], \"password=.*\", \"password=REDACTED\")",
            )],
        ),
        case(
            "transform in all contexts",
            ALL,
            &[(
                "transform",
                "trace_statements:
  - context: resource
    statements: ['set(attributes[\"one\"], 1)', 'delete_key(attributes, \"host\")']
  - context: scope
    statements: ['set(name, Concat([name, \"x\"], \"-\"))']
  - context: span
    conditions: ['kind == SPAN_KIND_SERVER', 'attributes[\"flag\"] == true']
    statements:
      - set(status.code, STATUS_CODE_ERROR) where IsMatch(name, \"^GET\")
      - set(attributes[\"upper\"], ConvertCase(name, \"upper\"))
      - keep_keys(attributes, [\"upper\", \"number\", \"url\"])
      - set(resource.attributes[\"last\"], name)
  - context: spanevent
    statements: ['set(attributes[\"of\"], span.name) where name != \"tick\"']
metric_statements:
  - context: metric
    statements: ['set(description, \"d\") where name == \"sum\"']
  - context: datapoint
    statements: ['set(attributes[\"metric\"], metric.name)', 'delete_key(attributes, \"user\")']
log_statements:
  - set(log.attributes[\"text\"], log.body) where IsString(log.body)
  - set(resource.attributes[\"logs\"], true)
  - truncate_all(log.attributes, 4)",
            )],
        ),
        case(
            "filter",
            ALL,
            &[(
                "filter",
                "traces:
  span: ['attributes[\"number\"] == 12', 'IsMatch(name, \"^POST\")']
  spanevent: ['name == \"tick\"']
metrics:
  metric: ['name == \"sum\"']
  datapoint: ['attributes[\"number\"] == 12']
logs:
  log_record: ['severity_number < SEVERITY_NUMBER_WARN']",
            )],
        ),
        case(
            "filter by data points of metrics",
            METRICS,
            &[(
                "filter",
                "metrics: {metric: ['HasAttrKeyOnDatapoint(\"secret.key\")', 'HasAttrOnDatapoint(\"user\", \"ann\")']}",
            )],
        ),
        case(
            "filter by expressions that exclude",
            METRICS,
            &[(
                "filter",
                "metrics: {exclude: {match_type: expr, expressions: ['MetricName startsWith \"g\" && Label(\"user\") in [\"ann\", \"\"]', 'MetricType == \"Sum\" and not HasLabel(\"flag\")']}}",
            )],
        ),
        case(
            "filter by expressions that include",
            METRICS,
            &[(
                "filter",
                "metrics: {include: {match_type: expr, expressions: ['MetricType matches \"^(S|H)\" ? HasLabel(\"list\") : Label(\"user\") != \"joe\"'], metric_names: [none]}, \
                 exclude: {match_type: strict, resource_attributes: [{key: host, value: h1}]}}",
            )],
        ),
        case(
            "metadata of requests",
            ALL,
            &[
                (
                    "transform",
                    "trace_statements: ['set(span.attributes[\"tenant\"], otelcol.client.metadata[\"X-Tenant\"][0])']
metric_statements: ['set(datapoint.attributes[\"tenant\"], otelcol.client.metadata[\"x-tenant\"])']
log_statements: ['set(log.attributes[\"tenant\"], otelcol.client.metadata[\"none\"]) where otelcol.client.metadata[\"none\"] == nil']",
                ),
                ("filter", "trace_conditions: ['span.name == \"work\" and otelcol.client.metadata[\"x-tenant\"][0] == \"blue\"']"),
            ],
        ),
        case(
            "contexts by functions",
            TRACES,
            &[(
                "transform",
                "trace_statements: ['set(resource.attributes[\"has.root\"], true) where IsRootSpan()']",
            )],
        ),
        case(
            "filter by inferred contexts",
            ALL,
            &[(
                "filter",
                "trace_conditions: ['span.attributes[\"flag\"] == true']
metric_conditions: ['metric.type == METRIC_DATA_TYPE_GAUGE']
log_conditions: [{context: resource, conditions: ['attributes[\"host\"] == \"h1\"']}]",
            )],
        ),
        case(
            "filter by properties",
            ALL,
            &[(
                "filter",
                "spans: {exclude: {match_type: strict, span_names: [GET /a]}}
metrics: {include: {match_type: regexp, metric_names: ['^h', '^g']}, exclude: {match_type: strict, resource_attributes: [{key: host, value: h1}]}}
logs: {exclude: {match_type: strict, severity_number: {min: WARN}, bodies: [plain]}}",
            )],
        ),
        case(
            "one after the other",
            ALL,
            &[
                ("memory_limiter", "{check_interval: 1s, limit_mib: 4000}"),
                ("resource", "attributes: [{key: environment, value: production, action: insert}]"),
                ("attributes", "actions: [{key: user, action: delete}]"),
                ("filter", "{traces: {span: ['name == \"GET /a\"']}}"),
            ],
        ),
    ]
}
