//! The Collector's series of `tail_sampling`, with the values that its dashboards expect, and ours.

use crate::mixed;
use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{failing, span, text, traces};
use crate::support::sampling::{ERRORS, Sampling};

const HEALTH: &str = "{name: veto, type: drop, drop: {drop_sub_policy: [{name: h, type: string_attribute, \
                      string_attribute: {key: health, values: ['yes']}}]}}";
const PREFIX: &str = "otelcol_processor_tail_sampling_";

/// Scenario: kept, not kept and vetoed traces, late spans of each.
/// Guarantee: every counter of the Collector has its name, labels and value.
#[tokio::test]
async fn the_collectors_series_have_their_values() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, early_verdicts: off, policies: [{ERRORS}, {HEALTH}]");
    let ringtail = Sampling::to(&backend, &keys).start().await;
    let vetoed = |trace| {
        let mut span = span(trace, 0);
        span.attributes.push(text("health", "yes"));
        span
    };
    let first = (0..30).flat_map(|trace| [mixed(trace, 0), span(trace, 1)]);
    ringtail.export(traces(first.chain((30..34).map(vetoed)))).await.unwrap();
    let memory = format!("{PREFIX}sampling_traces_on_memory");
    ringtail.scrape_until("34 traces are open", |s| s.sum(&memory, &[]) == 34.0).await;
    ringtail.settled().await;
    ringtail.export(traces((0..34).map(|trace| span(trace, 2)))).await.unwrap();
    ringtail.settled().await;
    let cached = format!("{PREFIX}early_releases_from_cache_decision"); // sizes and counts are published ten times a second
    let scrape = ringtail.scrape_until("late spans are published", |s| s.sum(&cached, &[]) == 34.0).await;
    let sum = |name: &str, labels: &[(&str, &str)]| scrape.sum(&format!("{PREFIX}{name}"), labels);
    assert_eq!(sum("sampling_traces_on_memory", &[]), 0.0);
    assert_eq!(sum("new_trace_id_received", &[]), 34.0);
    for (sampled, decision, count) in
        [("true", "sampled", 10.0), ("false", "not_sampled", 20.0), ("false", "dropped", 4.0)]
    {
        let labels = [("sampled", sampled), ("decision", decision)];
        assert_eq!(sum("global_count_traces_sampled", &labels), count, "{decision}");
    }
    let errors = |sampled, decision| {
        sum("count_traces_sampled", &[("policy", "errors"), ("sampled", sampled), ("decision", decision)])
    };
    assert_eq!((errors("true", "sampled"), errors("false", "not_sampled")), (10.0, 20.0));
    let veto = [("policy", "veto"), ("sampled", "false"), ("decision", "dropped")];
    assert_eq!(sum("count_traces_sampled", &veto), 4.0);
    let of_cache = |sampled| sum("early_releases_from_cache_decision", &[("sampled", sampled)]);
    assert_eq!((of_cache("true"), of_cache("false")), (10.0, 24.0));
    assert_eq!(sum("sampling_trace_removal_age_count", &[]), 34.0);
    assert_eq!(sum("sampling_trace_dropped_too_early", &[]), 0.0);
    assert_eq!(sum("sampling_policy_evaluation_error", &[]), 0.0);
    assert!(sum("sampling_decision_timer_latency_count", &[]) > 0.0);
    assert!(sum("sampling_policy_execution_count", &[("policy", "errors")]) > 0.0);
    assert_eq!(scrape.sum("otelcol_exporter_sent_spans", &[("exporter", "otlp")]), 30.0);
    assert_eq!(scrape.sum("otelcol_receiver_accepted_spans", &[]), 98.0);
}

/// Scenario: two samplers, of which one has a name, in pipelines of one receiver.
/// Guarantee: the named one's policies carry its name, as in the Collector.
#[tokio::test]
async fn policies_of_a_named_sampler_carry_its_name() {
    let backend = Backend::grpc().await;
    let setup = Sampling::to(&backend, &format!("decision_wait: 1s, policies: [{ERRORS}]"));
    let ringtail = setup
        .processors(&format!("  tail_sampling/named: {{decision_wait: 1s, policies: [{ERRORS}]}}"))
        .pipelines(
            "{traces/a: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp]},
              traces/b: {receivers: [otlp], processors: [tail_sampling/named], exporters: [otlp]}}",
        )
        .start()
        .await;
    ringtail.export(traces([failing(span(1, 0))])).await.unwrap();
    let scrape = ringtail.settled().await;
    for policy in ["errors", "named.errors"] {
        let labels = [("policy", policy), ("sampled", "true")];
        assert_eq!(scrape.sum(&format!("{PREFIX}count_traces_sampled"), &labels), 1.0, "{policy}");
    }
}

/// Scenario: a journal in a directory that holds something.
/// Guarantee: its bytes and segments, the oldest span, verdicts by policy and trigger and their lag are there.
#[tokio::test]
async fn our_own_series_tell_of_the_journal_and_the_verdicts() {
    let backend = Backend::grpc().await;
    let keys = format!("decision_wait: 1s, early_verdicts: off, policies: [{ERRORS}]");
    let ringtail = Sampling::to(&backend, &keys).on_disk("").start().await;
    ringtail.export(traces((0..30).map(|trace| mixed(trace, 0)))).await.unwrap();
    let written = |s: &Scrape| s.sum("ringtail_journal_bytes", &[]) > 30.0 * 100.0;
    let open = ringtail.scrape_until("thirty spans are in the journal", written).await;
    assert!(open.sum("ringtail_journal_segments", &[]) >= 1.0);
    assert!(open.sum("ringtail_journal_limit_bytes", &[]) > 1e9);
    assert!(open.sum("ringtail_sampler_index_bytes", &[]) > 0.0);
    let scrape = ringtail.settled().await;
    let verdicts = |labels: &[(&str, &str)]| scrape.sum("ringtail_sampler_verdicts", labels);
    assert_eq!(verdicts(&[("trigger", "deadline"), ("policy", "errors"), ("decision", "sampled")]), 10.0);
    assert_eq!(verdicts(&[("trigger", "deadline"), ("decision", "not_sampled")]), 20.0);
    assert_eq!(scrape.sum("ringtail_sampler_verdict_lag_seconds_count", &[]), 30.0);
}
