//! Reloads under load: a file every 0.7 s, each third one wrong, while senders send and traces are open.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

use crate::config::{Config, put};
use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{failing, hex, span, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::wait;

const SENDERS: u64 = 3;
/// Traces that each sender begins in a tick.
const TRACES_EACH: u64 = 4;
const TICK: Duration = Duration::from_millis(40);
/// The second half of a trace comes so many ticks after the first: about a second, with a reload or two between.
const LATER: u64 = 25;
const RELOADS: usize = 24;
const EVERY: Duration = Duration::from_millis(700);

/// The configuration number `n`: something else is different in each, and what is kept is the same in all.
fn variant(base: &Config, [kept, all, extra]: [&Backend; 3], n: usize) -> Config {
    let errors = match n % 2 {
        0 => "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}",
        _ => {
            "{name: never, type: latency, latency: {threshold_ms: 1000000}}, \
             {name: by-hand, type: ottl_condition, ottl_condition: {span: ['status.code == STATUS_CODE_ERROR']}}"
        }
    };
    let compression = ["gzip", "none", "zstd"][n % 3];
    let mut config = base
        .clone()
        .processor(&format!(
            "tail_sampling: {{decision_wait: {}ms, num_traces: {}, tracestate: false, policies: [{errors}]}}",
            2000 + 100 * (n % 2),
            50_000 + n,
        ))
        .processor(&format!("transform: {{trace_statements: ['set(span.attributes[\"n\"], {n})']}}"))
        .processor(&format!("batch: {{timeout: {}ms, send_batch_size: {}}}", 100 + n % 4, 50 + n % 5))
        .to(
            "kept",
            kept,
            &format!(", timeout: {}s, sending_queue: {{num_consumers: {}}}", 5 + n % 2, 1 + n % 3),
        )
        .to("all", all, "");
    config.exporters[0] =
        config.exporters[0].replace("compression: none", &format!("compression: {compression}"));
    config.receiver = format!("max_connections: {}, max_in_flight_mib: {}, ", 1000 + n % 3, 100 + n % 2);
    let line = match n % 4 {
        0 => "[transform, tail_sampling, batch]",
        1 => "[tail_sampling, transform, batch]",
        2 => "[transform, tail_sampling]",
        _ => "[tail_sampling, batch, transform]",
    };
    config = config
        .pipeline(&format!("traces: {{receivers: [otlp], processors: {line}, exporters: [otlp/kept]}}"))
        .pipeline("traces/all: {receivers: [otlp], processors: [batch], exporters: [otlp/all]}");
    match n % 3 {
        0 => config,
        1 => config
            .to("extra", extra, "")
            .pipeline("traces/extra: {receivers: [otlp], processors: [batch], exporters: [otlp/extra]}"),
        _ => config
            .connectors("{forward: }")
            .to("extra", extra, ", sending_queue: {queue_size: 2000}")
            .pipeline("traces/in: {receivers: [otlp], exporters: [forward]}")
            .pipeline("traces/extra: {receivers: [forward], exporters: [otlp/extra]}"),
    }
}

/// Whether a trace is kept, by all configurations.
fn is_kept(trace: u64) -> bool {
    trace.is_multiple_of(3)
}

/// Sends until `until` on one connection, which must not end; every answer must be good. Returns the traces sent.
async fn send(ringtail: &Ringtail, first: u64, until: Instant) -> Vec<u64> {
    let sender = RawGrpc::connect(ringtail.ports.grpc).await;
    let mut ticks = interval(TICK);
    let mut begun: Vec<u64> = Vec::new();
    let mut next = first;
    let mut done = 0;
    while done < begun.len() || Instant::now() < until {
        ticks.tick().await;
        let mut spans = Vec::new();
        if Instant::now() < until {
            for trace in next..next + TRACES_EACH {
                let root = span(trace, 0);
                spans.extend([if is_kept(trace) { failing(root) } else { root }, span(trace, 1)]);
                begun.push(trace);
            }
            next += TRACES_EACH;
        }
        let ripe =
            (begun.len() as u64).saturating_sub(if spans.is_empty() { 0 } else { TRACES_EACH * LATER });
        for &trace in begun.get(done..ripe as usize).unwrap_or_default() {
            spans.extend([span(trace, 2), span(trace, 3)]);
        }
        done = done.max(ripe as usize);
        let answer = sender.call(TRACES, &[], framed(false, &traces(spans).encode_to_vec())).await;
        let answer = answer.unwrap_or_else(|error| panic!("the connection ended: {error}"));
        assert_eq!(answer.code, Some(0), "{}", answer.message);
    }
    begun
}

/// Spans of each trace by their number; panics when one came twice.
fn arrived(backend: &Backend) -> BTreeMap<String, Vec<u64>> {
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in backend.spans() {
        let n: u64 = one.span.name.rsplit('/').next().unwrap().parse().unwrap();
        let spans = arrived.entry(hex(&one.span.trace_id)).or_default();
        assert!(!spans.contains(&n), "{} came twice", one.span.name);
        spans.push(n);
    }
    arrived.values_mut().for_each(|spans| spans.sort_unstable());
    arrived
}

/// Every counter that there was before is there, and not less.
fn assert_counts_on(before: &Scrape, after: &Scrape) {
    for name in ["ringtail_ledger_items", "otelcol_receiver_accepted_spans", "otelcol_exporter_sent_spans"] {
        for (labels, value) in before.series(name, &[]) {
            let labels: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let now = after.sum(name, &labels);
            assert!(now >= value, "{name} {labels:?} fell from {value} to {now}");
        }
    }
}

/// Scenario: three senders on a connection each; traces whose halves come a second apart; every 0.7 s another file, of
/// which each third is wrong: policies, statements, their order, exporters, batches, pipelines, a connector change.
/// Guarantee: every request is accepted on the same connections, nothing is lost, no kept trace is cut or comes twice,
/// no counter falls, every wrong file is told once.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_nothing_and_cut_no_trace() {
    let [kept, all, extra] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let backends = [&kept, &all, &extra];
    let base = Config::new();
    let ringtail = std::sync::Arc::new(variant(&base, backends, 0).start().await);
    let begin = Instant::now();
    let until = begin + EVERY * RELOADS as u32;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let ringtail = std::sync::Arc::clone(&ringtail);
        senders.spawn(async move { send(&ringtail, sender * 1_000_000, until).await });
    }
    let (mut wrong, mut last) = (0, ringtail.scrape().await);
    for n in 1..=RELOADS {
        sleep_until(begin + EVERY * n as u32).await;
        let text = variant(&base, backends, n).text();
        if n % 3 == 0 {
            wrong += 1;
            put(&ringtail, &text.replace("num_traces", "num_trace"));
        } else {
            put(&ringtail, &text);
        }
        let scrape = ringtail.scrape().await;
        assert_counts_on(&last, &scrape);
        last = scrape;
    }
    let mut sent: Vec<u64> = Vec::new();
    while let Some(traces) = senders.join_next().await {
        sent.extend(traces.unwrap());
    }
    let spans = 4 * sent.len() as u64;
    let wanted: BTreeMap<String, Vec<u64>> = sent
        .iter()
        .filter(|trace| is_kept(**trace))
        .map(|trace| (hex(&trace_id(*trace)), vec![0, 1, 2, 3]))
        .collect();
    wait::until("all kept spans have arrived", || kept.spans().len() >= 4 * wanted.len()).await;
    wait::until("all spans have arrived", || all.spans().len() as u64 >= spans).await;
    let scrape = ringtail.settled().await;
    assert!(arrived(&kept) == wanted, "kept traces arrive whole, and no others");
    let everything = arrived(&all);
    assert_eq!(everything.len(), sent.len());
    assert!(everything.values().all(|spans| *spans == [0, 1, 2, 3]));
    arrived(&extra);
    assert_eq!(scrape.sum("otelcol_receiver_accepted_spans", &[]) as u64, spans);
    assert_eq!(scrape.sum("otelcol_receiver_refused_spans", &[]), 0.0);
    assert_eq!(scrape.ledger("tail_sampling", "traces").taken, spans);
    let sampled = "otelcol_processor_tail_sampling_global_count_traces_sampled";
    assert_eq!(scrape.sum(sampled, &[]) as usize, sent.len());
    let reloads = |result| scrape.sum("ringtail_config_reloads", &[("result", result)]);
    assert_eq!((reloads("applied"), reloads("refused")), ((RELOADS - wrong) as f64, wrong as f64));
}
