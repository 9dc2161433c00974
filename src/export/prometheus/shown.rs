//! What a `prometheus` exporter shows: points go in, scrapes come out.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::config::Prometheus;
use super::negotiate::{content_type, style, takes_gzip};
use super::page::Exposition;
use super::store::{Limits, Store};
use super::text::Style;
use super::translate::{Taken, Translator};
use crate::compress::{self, Compression};
use crate::flow::Request;
use crate::observe::{Answers, Asked, ExporterMetrics, Ledger, Page, Registry};
use crate::outcome::Signal;

/// What requests are written to and scrapes are read from.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) desk: ArcSwap<Desk>,
    /// One exposition is written at a time.
    writing: Arc<tokio::sync::Mutex<()>>,
    ledger: Ledger,
    metrics: ExporterMetrics,
}

/// The configuration in force, and the series under it.
pub(super) struct Desk {
    pub(super) config: Prometheus,
    translator: Translator,
    store: Arc<Mutex<Store>>,
}

impl Desk {
    /// Without series.
    pub(super) fn new(config: Prometheus) -> Self {
        let translator = Translator::new(config.clone());
        let store = Arc::new(Mutex::new(Store::new(limits(&config), translator.target_info())));
        Self { config, translator, store }
    }

    /// Under another configuration: with the same series, where they have the same names and labels there.
    pub(super) fn changed(&self, config: Prometheus) -> Self {
        if !self.config.names_as(&config) {
            return Self::new(config);
        }
        let store = Arc::clone(&self.store);
        store.lock().set_limits(limits(&config));
        Self { translator: Translator::new(config.clone()), config, store }
    }
}

fn limits(config: &Prometheus) -> Limits {
    let Prometheus { max_series: series, max_series_bytes: bytes, metric_expiration: expiration, .. } =
        config;
    Limits { series: *series, bytes: *bytes, expiration: *expiration }
}

impl Shown {
    /// Nothing yet.
    pub(super) fn new(name: &str, config: Prometheus, registry: &Registry) -> Arc<Self> {
        let shown = Arc::new(Self {
            name: name.to_owned(),
            desk: ArcSwap::from_pointee(Desk::new(config)),
            writing: Arc::default(),
            ledger: Ledger::new(registry, "exporter", name, Signal::Metrics),
            metrics: ExporterMetrics::new(registry, name, None),
        });
        shown.expose(registry);
        shown
    }

    /// Its own size, as metrics.
    fn expose(self: &Arc<Self>, registry: &Registry) {
        let who = [("exporter", self.name.as_str())];
        for (name, help, which) in [
            ("ringtail_prometheus_series", "Series kept for scrapes, targets included", 0),
            ("ringtail_prometheus_bytes", "Bytes the series take, about", 1),
        ] {
            let shown = Arc::downgrade(self);
            registry.computed_gauge(name, help, &who, move || {
                let (series, bytes) = shown.upgrade()?.desk.load().store.lock().size();
                Some([series, bytes][which] as f64)
            });
        }
    }

    /// Takes a request and counts its points.
    pub(super) fn take(&self, request: &Request) -> Taken {
        let now = Instant::now();
        let desk = self.desk.load();
        let taken = desk.translator.take(&request.body, request.items, &desk.store, now);
        self.ledger.taken(request.items);
        // The sum is of the items counted on arrival, whatever is found in the bytes.
        let mut left = request.items;
        for (reason, points) in &taken.left_out {
            let points = (*points).min(left);
            left -= points;
            self.ledger.dropped(*reason, points);
            self.metrics.send_failed(Signal::Metrics, points);
        }
        self.ledger.delivered(left);
        self.metrics.sent(Signal::Metrics, left);
        taken
    }
}

impl Desk {
    fn exposition(&self, style: Style) -> Vec<u8> {
        self.store.lock().expire(Instant::now());
        let mut page = Exposition::new(style);
        {
            let store = self.store.lock();
            let (name, targets) = store.targets();
            page.targets(name, targets);
        }
        let mut last: Option<String> = None;
        loop {
            // Not locked for longer than a family takes: requests come in between.
            let store = self.store.lock();
            let Some((name, family)) = store.next(last.as_deref()) else { break };
            page.family(name, family);
            last = Some(name.to_owned());
        }
        page.finish()
    }
}

impl Answers for Shown {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        Box::pin(async move {
            if asked.path != "/metrics" {
                return Page::text(404, "404 page not found: the metrics are at /metrics\n");
            }
            let desk = self.desk.load_full();
            let style = style(asked.accept.as_deref(), desk.config.enable_open_metrics);
            let style = Style { timestamps: desk.config.send_timestamps, ..style };
            let gzip = takes_gzip(asked.accept_encoding.as_deref());
            let turn = Arc::clone(&self.writing).lock_owned().await;
            // Off the workers: a scrape may write a million lines.
            let written = tokio::task::spawn_blocking(move || {
                let _turn = turn; // to the end, also where the scraper has gone
                let page = desk.exposition(style);
                if !gzip {
                    return page;
                }
                let mut packed = Vec::new();
                compress::deflate(Compression::Gzip, &page, &mut packed);
                packed
            });
            match written.await {
                Ok(body) => Page {
                    content_type: content_type(style),
                    encoding: gzip.then_some("gzip"),
                    ..Page::text(200, body)
                },
                Err(error) => {
                    tracing::error!(%error, "the metrics cannot be written: a bug");
                    Page::text(500, "the metrics cannot be written: a bug of ringtail's, see its log\n")
                }
            }
        })
    }
}
