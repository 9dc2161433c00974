//! `/metrics`, for each reader of `service.telemetry.metrics`.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::config::PrometheusReader;
use super::metrics::{CONTENT_TYPE, Registry};
use super::page::{Answers, Asked, Page};
use super::serve::{BindError, Listening, Manner, Server};

struct Metrics {
    registry: Registry,
    type_suffix: bool,
}

/// Listens for scrapes of `registry`; see [`Server::bind`] for `leaving`.
pub async fn metrics_server(
    reader: &PrometheusReader,
    registry: &Registry,
    leaving: &[&Listening],
) -> Result<Server, BindError> {
    let host = reader.host.trim_start_matches('[').trim_end_matches(']');
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let answers = Metrics { registry: registry.clone(), type_suffix: reader.type_suffix };
    Server::bind(
        "service.telemetry.metrics.readers",
        &format!("{bracketed}:{}", reader.port),
        Manner::new(Arc::new(answers)),
        leaving,
    )
    .await
}

impl Answers for Metrics {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        Box::pin(async move {
            if asked.path != "/metrics" {
                return Page::text(404, "404 page not found: the metrics are at /metrics\n");
            }
            let (registry, type_suffix) = (self.registry.clone(), self.type_suffix);
            // Off the workers: a scrape may read files and write thousands of lines.
            match tokio::task::spawn_blocking(move || registry.render(type_suffix)).await {
                Ok(text) => Page { content_type: CONTENT_TYPE, ..Page::text(200, text) },
                Err(error) => {
                    self.registry.gathering_failed();
                    tracing::error!(%error, "the metrics cannot be gathered: a bug");
                    Page::text(500, "the metrics cannot be gathered: a bug of ringtail's, see its log\n")
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::serve::tests::exchange;
    use super::*;

    async fn scrape(host: &str, type_suffix: bool, path: &str) -> String {
        let registry = Registry::new();
        registry.counter("calls", "Calls", &[]).inc();
        let reader = PrometheusReader { host: host.into(), port: 0, type_suffix };
        let server = metrics_server(&reader, &registry, &[]).await.unwrap();
        exchange(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn a_scrape_gives_the_text_format() {
        let answer = scrape("localhost", false, "/metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{answer}");
        assert!(answer.contains("\ncalls 1\n"), "{answer}");
        assert!(scrape("127.0.0.1", true, "/metrics").await.contains("\ncalls_total 1\n"));
        assert!(scrape("127.0.0.1", false, "/").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn a_reader_may_panic_a_computation_without_taking_the_listener_down() {
        let registry = Registry::new();
        registry
            .computed_gauge("bad", "Bad", &[], || None::<f64>.map(|_| 0.0).or_else(|| panic!("on purpose")));
        let reader = PrometheusReader { host: "127.0.0.1".into(), port: 0, type_suffix: false };
        let server = metrics_server(&reader, &registry, &[]).await.unwrap();
        let answer = exchange(server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
}
