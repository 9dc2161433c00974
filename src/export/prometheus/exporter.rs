//! The shell of the `prometheus` exporter: requests into the store, scrapes out of it.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::config::Prometheus;
use super::negotiate::{content_type, style, takes_gzip};
use super::page::Exposition;
use super::store::{Limits, Store};
use super::text::Style;
use super::translate::{Taken, Translator};
use crate::change::Change;
use crate::compress::{self, Compression};
use crate::export::front::{Front, FrontError};
use crate::flow::{Answer, Consumer, Request};
use crate::observe::{Answers, Asked, BindError, ExporterMetrics, Ledger, Manner, Page, Registry, Server};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// A `prometheus` exporter. A clone is the same exporter.
#[derive(Clone)]
pub struct PrometheusExporter(Arc<Inner>);

struct Inner {
    name: String,
    translator: Translator,
    timestamps: bool,
    open_metrics: bool,
    store: Mutex<Store>,
    /// One exposition is written at a time.
    writing: Arc<tokio::sync::Mutex<()>>,
    ledger: Ledger,
    metrics: ExporterMetrics,
}

/// Why an exporter cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its TLS, authenticator or headers cannot be used.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// It cannot change into that.
    #[error("{0}")]
    Fixed(String),
}

impl PrometheusExporter {
    /// Listens, and serves scrapes until `stop`.
    pub async fn start(
        name: &str,
        config: Prometheus,
        registry: &Registry,
        stop: &CancellationToken,
    ) -> Result<Self, PrometheusError> {
        let endpoint = match config.endpoint.strip_prefix(':') {
            Some(port) => format!("0.0.0.0:{port}"),
            None => config.endpoint.clone(),
        };
        let limits = Limits {
            series: config.max_series,
            bytes: config.max_series_bytes,
            expiration: config.metric_expiration,
        };
        let (timestamps, open_metrics) = (config.send_timestamps, config.enable_open_metrics);
        let (tls, auth) = (config.tls.clone(), config.auth.clone());
        let response_headers = config.response_headers.clone();
        let translator = Translator::new(config);
        let store = Store::new(limits, translator.target_info());
        let exporter = Self(Arc::new(Inner {
            name: name.to_owned(),
            translator,
            timestamps,
            open_metrics,
            store: Mutex::new(store),
            writing: Arc::default(),
            ledger: Ledger::new(registry, "exporter", name, Signal::Metrics),
            metrics: ExporterMetrics::new(registry, name, None),
        }));
        exporter.expose(registry);
        let key = "endpoint"; // whoever starts it says whose
        let front = Front { tls: tls.as_ref(), auth: auth.as_ref(), response_headers: &response_headers };
        let manner = front.before(Manner::new(Arc::new(exporter.clone())))?;
        let server = Server::bind(key, &endpoint, manner, &[]).await?;
        tracing::info!(exporter = name, address = %server.local_addr(), "metrics are at /metrics");
        tokio::spawn(server.serve(stop.clone()));
        Ok(exporter)
    }

    /// Checks another configuration: certificate, headers, and an address that changed is bound. Series are kept where
    /// their names and labels stay the same.
    pub async fn prepare(&self, _config: Prometheus) -> Result<Change, PrometheusError> {
        Err(PrometheusError::Fixed("cannot be changed in a running process yet".into()))
    }

    /// Prepares and makes a change at once.
    pub async fn reconfigure(&self, config: Prometheus) -> Result<(), PrometheusError> {
        self.prepare(config).await.map(Change::make)
    }

    /// Stops listening. Ready when the address is free.
    pub async fn close(&self) {}

    /// Its own size, as metrics.
    fn expose(&self, registry: &Registry) {
        let who = [("exporter", self.0.name.as_str())];
        for (name, help, which) in [
            ("ringtail_prometheus_series", "Series kept for scrapes, targets included", 0),
            ("ringtail_prometheus_bytes", "Bytes the series take, about", 1),
        ] {
            let inner = Arc::downgrade(&self.0);
            registry.computed_gauge(name, help, &who, move || {
                let (series, bytes) = inner.upgrade()?.store.lock().size();
                Some([series, bytes][which] as f64)
            });
        }
    }
}

impl Inner {
    fn take(&self, request: &Request) -> Taken {
        let now = Instant::now();
        let taken = self.translator.take(&request.body, request.items, &self.store, now);
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

impl Consumer for PrometheusExporter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        if request.signal != Signal::Metrics {
            return Box::pin(std::future::ready(Err(unsupported())));
        }
        let taken = self.0.take(&request);
        for name in &taken.clashes {
            tracing::error!(
                exporter = self.0.name,
                metric = name,
                "points of this name come as another type than the first; they are dropped"
            );
        }
        Box::pin(std::future::ready(Ok(Accepted::default())))
    }
}

impl Answers for PrometheusExporter {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        Box::pin(async move {
            if asked.path != "/metrics" {
                return Page::text(404, "404 page not found: the metrics are at /metrics\n");
            }
            let inner = Arc::clone(&self.0);
            let style = style(asked.accept.as_deref(), inner.open_metrics);
            let style = Style { timestamps: inner.timestamps, ..style };
            let gzip = takes_gzip(asked.accept_encoding.as_deref());
            let turn = Arc::clone(&self.0.writing).lock_owned().await;
            // Off the workers: a scrape may write a million lines.
            let written = tokio::task::spawn_blocking(move || {
                let _turn = turn; // to the end, also where the scraper has gone
                let page = inner.exposition(style);
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

fn unsupported() -> Refusal {
    Refusal {
        fault: Fault::Unhandled,
        reason: Reason::Unsupported,
        message: "the prometheus exporter takes metrics only".into(),
        retry_after: None,
    }
}
