//! Several exporters behind one sampler, one batch processor or one receiver, of which one is dead or slow.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use support::backend::{Backend, Reply};
use support::ledger::Scrape;
use support::load::{assert_arrived_once, metrics_of, seen, span, text, traces};
use support::process::Ringtail;
use support::sampling::{ALL, Sampling, otlp};
use support::{Content, Traces, wait};

/// Traces of one span of 64 KiB, sixteen a request.
fn heavy(request: u64) -> Traces {
    let one = |trace| {
        let mut span = span(trace, 0);
        span.attributes.push(text("payload", &"x".repeat(64 << 10)));
        span
    };
    traces((request * 16..request * 16 + 16).map(one))
}

/// Which spans a backend took, and how often; their bytes are forgotten.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<Vec<u8>, u32>>>);

impl Tally {
    fn of(backend: &Backend) -> Self {
        let tally = Self::default();
        let counts = Arc::clone(&tally.0);
        backend.answer(move |content| {
            if let Content::Traces(traces) = content {
                seen(traces)
                    .iter()
                    .for_each(|one| *counts.lock().entry(one.span.span_id.clone()).or_default() += 1);
            }
            Reply::Take
        });
        tally
    }

    fn spans(&self) -> usize {
        self.0.lock().len()
    }

    fn assert_each_once(&self) {
        let more: Vec<_> =
            self.0.lock().iter().filter(|(_, count)| **count > 1).map(|(id, _)| id.clone()).collect();
        assert!(more.is_empty(), "{} spans came more than once", more.len());
    }
}

/// Sends `requests` heavy ones, one after the other; each must be taken.
async fn send(ringtail: &Ringtail, requests: std::ops::Range<u64>) {
    for request in requests {
        ringtail.export(heavy(request)).await.unwrap();
    }
}

fn dropped(scrape: &Scrape, exporter: &str, reason: &str) -> u64 {
    let labels = [("component", exporter), ("state", "dropped"), ("reason", reason)];
    scrape.sum("ringtail_ledger_items", &labels) as u64
}

const RETRY: &str = "retry_on_failure: {initial_interval: 50ms, randomization_factor: 0, multiplier: 1, max_interval: 100ms, max_elapsed_time: 0s}";

fn exporter(name: &str, backend: &Backend, queue: &str) -> String {
    format!("  otlp/{name}: {{{}, {RETRY}, sending_queue: {{{queue}}}}}\n", otlp(&backend.address()))
}

fn keep_all() -> String {
    format!("decision_wait: 200ms, num_traces: 100000, policies: [{ALL}]")
}

fn line(processors: &str, exporters: &str) -> String {
    format!("{{traces: {{receivers: [otlp], processors: [{processors}], exporters: [{exporters}]}}}}")
}

/// Scenario: 160 MiB of kept traces go to a healthy backend, a slow one and a dead one, with and without a batch
/// processor; the dead one comes back.
/// Guarantee: the healthy one has everything, each once, while the others have not; memory stays within the queues;
/// what the queues of the others had no room for is dropped by name and counted, the rest arrives there once.
#[tokio::test]
async fn dead_and_slow_backends_do_not_hold_up_a_healthy_one() {
    const REQUESTS: u64 = 160;
    const SPANS: u64 = REQUESTS * 16;
    for processors in ["tail_sampling", "tail_sampling, batch", "batch"] {
        let [healthy, slow, dead] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
        let [all, some, few] = [&healthy, &slow, &dead].map(Tally::of);
        dead.stop();
        slow.take_long(Duration::from_secs(1));
        let queue = "queue_size: 16, num_consumers: 2";
        let ringtail = Sampling::to(&healthy, &keep_all())
            .batch("timeout: 50ms, send_batch_size: 16")
            .exporters(&format!("{}{}", exporter("slow", &slow, queue), exporter("dead", &dead, queue)))
            .pipelines(&line(processors, "otlp, otlp/slow, otlp/dead"))
            .start()
            .await;
        let begun = std::time::Instant::now();
        send(&ringtail, 0..REQUESTS).await;
        wait::until("the healthy one has everything", || {
            healthy.forget();
            all.spans() as u64 == SPANS
        })
        .await;
        all.assert_each_once();
        println!("{processors}: healthy after {:?}", begun.elapsed());
        let scrape = ringtail.scrape_until("the dead one has given up", |s| {
            let ledger = s.ledger("otlp/dead", "traces");
            ledger.dropped + ledger.held == SPANS
        });
        let scrape = scrape.await;
        println!(
            "{processors}: {:?}, rss {}",
            begun.elapsed(),
            scrape.sum("otelcol_process_memory_rss", &[])
        );
        assert!(
            scrape.sum("otelcol_process_memory_rss", &[]) < 450e6,
            "{:?}",
            scrape.sum("otelcol_process_memory_rss", &[])
        );
        let ledger = scrape.ledger("otlp/dead", "traces");
        assert!(ledger.dropped > 0 && ledger.held > 0, "{ledger:?}");
        assert_eq!(dropped(&scrape, "otlp/dead", "queue_full"), ledger.dropped);
        let failed = scrape.sum("otelcol_exporter_enqueue_failed_spans", &[("exporter", "otlp/dead")]);
        assert_eq!(failed as u64, ledger.dropped);
        dead.restart().await;
        slow.take_long(Duration::ZERO);
        let scrape = ringtail.settled().await;
        for (name, tally) in [("otlp/slow", &some), ("otlp/dead", &few)] {
            tally.assert_each_once();
            let dropped = dropped(&scrape, name, "queue_full");
            assert_eq!(tally.spans() as u64 + dropped, SPANS, "{name}: all is there or dropped by name");
        }
        assert!(few.spans() > 0, "the dead one gets what its queue holds");
        all.assert_each_once();
        if processors != "batch" {
            assert_eq!(scrape.ledger("tail_sampling", "traces").delivered, SPANS);
        }
    }
}

/// Scenario: the same, but the dead one's queue is to block.
/// Guarantee: the others wait for it, as asked; when it is back, everything is everywhere, once.
#[tokio::test]
async fn a_queue_that_blocks_holds_up_the_others_as_asked() {
    let [healthy, dead] = [Backend::grpc().await, Backend::grpc().await];
    let [all, late] = [&healthy, &dead].map(Tally::of);
    dead.stop();
    let ringtail = Sampling::to(&healthy, &keep_all())
        .exporters(&exporter("dead", &dead, "queue_size: 4, num_consumers: 1, block_on_overflow: true"))
        .pipelines(&line("tail_sampling", "otlp, otlp/dead"))
        .start()
        .await;
    send(&ringtail, 0..120).await;
    let held = |s: &Scrape| {
        s.sum("ringtail_sampler_outbox_spans", &[]) > 0.0 && s.sum("ringtail_journal_bytes", &[]) > 1e8
    };
    ringtail.scrape_until("traces wait in the journal", held).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(all.spans() < 120 * 16, "the window is as large as it is");
    dead.restart().await;
    wait::until("everything is there", || {
        healthy.forget();
        dead.forget();
        late.spans() == 120 * 16
    })
    .await;
    let scrape = ringtail.settled().await;
    assert_eq!((all.spans(), scrape.ledger("otlp/dead", "traces").dropped), (120 * 16, 0));
    [all, late].iter().for_each(Tally::assert_each_once);
}

/// Scenario: all backends are away for longer than their retries last; a debug exporter prints meanwhile.
/// Guarantee: while nobody has a trace nobody gives it up, whatever the queues and retries say; it waits in the journal.
#[tokio::test]
async fn nothing_is_given_up_while_no_backend_has_it() {
    let [one, other] = [Backend::grpc().await, Backend::grpc().await];
    let retry = "{initial_interval: 50ms, randomization_factor: 0, multiplier: 1, max_interval: 50ms, max_elapsed_time: 200ms}";
    let of = |name: &str, backend: &Backend| {
        format!(
            "  otlp/{name}: {{{}, retry_on_failure: {retry}, sending_queue: {{queue_size: 2}}}}\n",
            otlp(&backend.address())
        )
    };
    for exporters in ["otlp/one, debug", "otlp/one, otlp/other, debug"] {
        [&one, &other].iter().for_each(|backend| backend.forget());
        one.stop();
        other.stop();
        let ringtail = Sampling::to(&one, &keep_all())
            .exporters(&format!("{}{}  debug:\n", of("one", &one), of("other", &other)))
            .pipelines(&line("tail_sampling", exporters))
            .start()
            .await;
        let sent: Vec<_> = (0..20).map(|n| traces([span(n, 0), span(n, 1)])).collect();
        for request in &sent {
            ringtail.export(request.clone()).await.unwrap();
        }
        ringtail.scrape_until("retries have ended", |s| s.reason("otlp/one", "retry_exhausted") > 4).await;
        let scrape = ringtail.scrape().await;
        assert_eq!(scrape.ledger("tail_sampling", "traces").held, 40);
        assert_eq!(
            scrape.ledger("otlp/one", "traces").dropped + scrape.ledger("otlp/other", "traces").dropped,
            0
        );
        one.restart().await;
        other.restart().await;
        let scrape = ringtail.settled().await;
        let given_up = scrape.ledger("otlp/one", "traces").dropped;
        assert_eq!(one.spans().len() as u64 + given_up, 40);
        if exporters == "otlp/one, debug" {
            assert_arrived_once(&sent, &[&one]);
        }
    }
}

/// Scenario: a backend is away for longer than its retries last, while another takes everything.
/// Guarantee: its share is given up under that name.
#[tokio::test]
async fn a_share_is_given_up_when_retries_end() {
    let [healthy, dead] = [Backend::grpc().await, Backend::grpc().await];
    dead.stop();
    let retry = "{initial_interval: 50ms, max_interval: 50ms, max_elapsed_time: 200ms}";
    let ringtail = Sampling::to(&healthy, &keep_all())
        .exporters(&format!("  otlp/dead: {{{}, retry_on_failure: {retry}}}\n", otlp(&dead.address())))
        .pipelines(&line("tail_sampling", "otlp, otlp/dead"))
        .start()
        .await;
    let sent = traces((0..10).map(|trace| span(trace, 0)));
    ringtail.export(sent.clone()).await.unwrap();
    let scrape = ringtail.settled().await;
    assert_arrived_once(&[sent], &[&healthy]);
    assert_eq!(dropped(&scrape, "otlp/dead", "retry_exhausted"), 10);
    assert_eq!(scrape.sum("otelcol_exporter_send_failed_spans", &[("exporter", "otlp/dead")]), 10.0);
    assert_eq!(scrape.ledger("tail_sampling", "traces").delivered, 10);
}

/// Scenario: a receiver sends to two backends that answer from their queues; one is dead and its queue full.
/// Guarantee: senders are not told to send again what the other one has; the dead one's share is dropped by name. Only
/// when nobody has room are they refused.
#[tokio::test]
async fn senders_do_not_hear_of_one_full_queue() {
    let [healthy, dead] = [Backend::grpc().await, Backend::grpc().await];
    dead.stop();
    let queue = "queue_size: 2, num_consumers: 1";
    let ringtail = Sampling::to(&healthy, &keep_all())
        .exporters(&format!("{}{}", exporter("a", &healthy, queue), exporter("dead", &dead, queue)))
        .pipelines(&line("", "otlp/a, otlp/dead"))
        .start()
        .await;
    let sent: Vec<_> = (0..20).map(|n| traces([span(n, 0)])).collect();
    for (n, request) in sent.iter().enumerate() {
        ringtail.export(request.clone()).await.unwrap();
        wait::until("the healthy one has it", || healthy.spans().len() == n + 1).await;
    }
    assert_arrived_once(&sent, &[&healthy]);
    let scrape = ringtail.scrape().await;
    assert_eq!(dropped(&scrape, "otlp/dead", "queue_full"), 18);
    assert_eq!(scrape.sum("otelcol_exporter_enqueue_failed_spans", &[]), 18.0);
    healthy.close_gate();
    for n in 20..22 {
        ringtail.export(traces([span(n, 0)])).await.unwrap();
    }
    let refused = ringtail.export(traces([span(22, 0)])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    healthy.open_gate();
    dead.restart().await;
    let scrape = ringtail.settled().await;
    assert_eq!((healthy.spans().len(), dead.spans().len()), (22, 2));
    scrape.assert_balanced();
}

/// Scenario: a sampler with a journal on disk, a healthy backend, and a dead one whose queue is on disk too; the process
/// is killed.
/// Guarantee: the healthy one gets nothing again, the dead one gets everything.
#[tokio::test]
async fn a_queue_on_disk_spares_the_others_after_a_crash() {
    let [healthy, dead] = [Backend::grpc().await, Backend::grpc().await];
    dead.stop();
    let setup = Sampling::to(&healthy, &keep_all()).on_disk("");
    let queue = format!("journal: {{directory: '{}'}}", setup.dir.path().join("queue").display());
    let ringtail = setup
        .exporters(&exporter("dead", &dead, &queue))
        .pipelines(&line("tail_sampling", "otlp, otlp/dead"))
        .start()
        .await;
    let sent = traces((0..50).map(|trace| span(trace, 0)));
    ringtail.export(sent.clone()).await.unwrap();
    ringtail
        .scrape_until("the sampler is done with them", |s| {
            s.ledger("tail_sampling", "traces").delivered == 50
        })
        .await;
    ringtail.kill();
    ringtail.respawn();
    ringtail.ready().await;
    dead.restart().await;
    wait::until("the dead one has everything", || dead.spans().len() >= 50).await;
    ringtail.settled().await;
    assert_arrived_once(std::slice::from_ref(&sent), &[&healthy]);
    assert_arrived_once(&[sent], &[&dead]);
}

/// Scenario: the same with the dead one's queue in memory.
/// Guarantee: the sampler's journal has kept what the dead one did not get.
#[tokio::test]
async fn the_journal_keeps_what_only_waits_in_memory() {
    let [healthy, dead] = [Backend::grpc().await, Backend::grpc().await];
    dead.stop();
    let ringtail = Sampling::to(&healthy, &keep_all())
        .on_disk("")
        .exporters(&exporter("dead", &dead, "queue_size: 1000"))
        .pipelines(&line("tail_sampling", "otlp, otlp/dead"))
        .start()
        .await;
    let sent = traces((0..50).map(|trace| span(trace, 0)));
    ringtail.export(sent.clone()).await.unwrap();
    wait::until("the healthy one has everything", || healthy.spans().len() == 50).await;
    ringtail.kill();
    ringtail.respawn();
    ringtail.ready().await;
    dead.restart().await;
    wait::until("the dead one has everything", || dead.spans().len() >= 50).await;
    ringtail.settled().await;
    assert_arrived_once(&[sent], &[&dead]);
}

/// Scenario: a journal that is small beside what goes through it, and a dead backend that holds some of it for ever.
/// Guarantee: what the dead one's queue holds does not fill the journal: senders are never refused.
#[tokio::test]
async fn a_dead_backend_does_not_fill_the_journal() {
    let [healthy, dead] = [Backend::grpc().await, Backend::grpc().await];
    let [all, few] = [&healthy, &dead].map(Tally::of);
    dead.stop();
    let ringtail = Sampling::to(&healthy, &keep_all())
        .on_disk(", max_size: 64MiB, segment_size: 4MiB")
        .exporters(&exporter("dead", &dead, "queue_size: 8, num_consumers: 1"))
        .pipelines(&line("tail_sampling", "otlp, otlp/dead"))
        .start()
        .await;
    for request in 0..160 {
        ringtail.export(heavy(request)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await; // a rate that one core can judge and send
    }
    wait::until("the healthy one has everything", || {
        healthy.forget();
        all.spans() == 160 * 16
    })
    .await;
    let scrape = ringtail.scrape().await;
    assert!(
        scrape.sum("ringtail_journal_bytes", &[]) < 6.4e7,
        "{}",
        scrape.sum("ringtail_journal_bytes", &[])
    );
    ringtail.kill();
    ringtail.respawn();
    ringtail.ready().await;
    dead.restart().await;
    ringtail.settled().await;
    assert!(few.spans() > 0, "copies in the journal are read back");
    few.assert_each_once();
}

/// Scenario: a dead OTLP backend beside a file, a load balancer and a printer.
/// Guarantee: those have everything.
#[tokio::test]
async fn exporters_of_other_kinds_are_not_held_up_either() {
    let [dead, member] = [Backend::grpc().await, Backend::grpc().await];
    let balanced = Tally::of(&member);
    dead.stop();
    let setup = Sampling::to(&dead, &keep_all());
    let path = setup.dir.path().join("out.json");
    let ringtail = setup
        .exporters(&format!(
            "{}  debug: {{sampling_initial: 100000}}\n  file: {{path: '{}'}}\n  load_balancing: {{protocol: {{otlp: {{tls: {{insecure: true}}}}}}, \
             resolver: {{static: {{hostnames: ['{}']}}}}}}\n",
            exporter("dead", &dead, "queue_size: 4, num_consumers: 1"),
            path.display(),
            member.address()
        ))
        .pipelines(&line("tail_sampling", "otlp/dead, debug, file, load_balancing"))
        .start()
        .await;
    send(&ringtail, 0..100).await;
    wait::until("the load balancer's member has everything", || {
        member.forget();
        balanced.spans() == 1600
    })
    .await;
    balanced.assert_each_once();
    let scrape = ringtail
        .scrape_until("all have it", |s| {
            ["debug", "file", "load_balancing"].iter().all(|one| s.ledger(one, "traces").delivered == 1600)
        })
        .await;
    assert!(dropped(&scrape, "otlp/dead", "queue_full") > 0);
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.matches("\"spanId\"").count(), 1600);
}

/// Scenario: a dead OTLP backend beside Prometheus, with and without a batch processor between.
/// Guarantee: Prometheus sees every point as it comes; the dead one's share is dropped by name.
#[tokio::test]
async fn prometheus_sees_what_a_dead_backend_does_not_take() {
    for processors in ["", "batch"] {
        let dead = Backend::grpc().await;
        dead.stop();
        let page = support::process::free_address();
        let ringtail = Sampling::to(&dead, &keep_all())
            .batch("timeout: 0s")
            .exporters(&format!(
                "{}  prometheus: {{endpoint: '{page}'}}\n",
                exporter("dead", &dead, "queue_size: 2, num_consumers: 1")
            ))
            .pipelines(&format!(
                "{{metrics: {{receivers: [otlp], processors: [{processors}], exporters: [otlp/dead, prometheus]}}}}"
            ))
            .start()
            .await;
        for n in 0..30 {
            let mut request = metrics_of("shop", 1);
            request.resource_metrics[0].scope_metrics[0].metrics[0].name = format!("queue_{n}");
            ringtail.metrics().export(request).await.unwrap();
        }
        let sees = || async {
            let page = support::http::get(page, "/metrics").await.ok()?.text();
            (0..30).all(|n| page.contains(&format!("\nqueue_{n}{{"))).then_some(())
        };
        wait::until_some("Prometheus sees all", sees).await;
        let given_up = |s: &Scrape| s.ledger("otlp/dead", "metrics").dropped == 28;
        let scrape = ringtail.scrape_until("the dead one has given up", given_up).await;
        assert_eq!(dropped(&scrape, "otlp/dead", "queue_full"), 28, "{processors}");
    }
}
