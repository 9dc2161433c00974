//! `/metrics`, for each reader of `service.telemetry.metrics`.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::config::PrometheusReader;
use super::exposition::Style;
use super::metrics::{CONTENT_TYPE, Registry};
use super::page::{Answers, Asked, Page};
use super::series::label_name;
use super::serve::{BindError, Listening, Manner, Server};

struct Metrics {
    registry: Registry,
    reader: PrometheusReader,
}

impl Metrics {
    fn style(&self) -> Style {
        let constant = self.reader.constant_labels.as_ref();
        let resource = self.registry.resource();
        let named = resource.iter().filter(|(name, _)| constant.is_some_and(|names| names.has(name)));
        let constant_labels = named.map(|(name, value)| (label_name(name), value.clone())).collect();
        Style { suffixes: self.reader.suffixes, scope_info: self.reader.scope_info, constant_labels }
    }
}

/// Listens for scrapes of `registry`; see [`Server::bind`] for `leaving`.
pub async fn metrics_server(
    reader: &PrometheusReader,
    registry: &Registry,
    leaving: &[&Listening],
) -> Result<Server, BindError> {
    let host = reader.host.trim_start_matches('[').trim_end_matches(']');
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let answers = Metrics { registry: registry.clone(), reader: reader.clone() };
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
            let (registry, style) = (self.registry.clone(), self.style());
            // Off the workers: a scrape may read files and write thousands of lines.
            match tokio::task::spawn_blocking(move || registry.render_as(&style)).await {
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
    use super::super::config::Names;
    use super::super::serve::tests::exchange;
    use super::*;

    async fn scrape(host: &str, suffixes: bool, path: &str) -> String {
        let registry = Registry::new();
        registry.counter("calls", "Calls", &[]).inc();
        let reader = PrometheusReader { host: host.into(), port: 0, suffixes, ..PrometheusReader::default() };
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
        let reader = PrometheusReader { host: "127.0.0.1".into(), port: 0, ..PrometheusReader::default() };
        let server = metrics_server(&reader, &registry, &[]).await.unwrap();
        let answer = exchange(server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }

    #[tokio::test]
    async fn attributes_of_the_resource_are_labels_where_the_reader_wants_them() {
        let registry = Registry::new();
        registry.counter("calls", "Calls", &[("zone", "z")]).inc();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        registry.set_resource(vec![pair("service.name", "x"), pair("team", "blue")]);
        let names = Names { excluded: vec!["team".into()], ..Names::default() };
        let reader = PrometheusReader {
            host: "127.0.0.1".into(),
            port: 0,
            constant_labels: Some(names),
            ..PrometheusReader::default()
        };
        let server = metrics_server(&reader, &registry, &[]).await.unwrap();
        let answer = exchange(server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.contains("\ncalls{service_name=\"x\",zone=\"z\"} 1\n"), "{answer}");
        assert!(answer.contains("\ntarget_info{service_name=\"x\",team=\"blue\"} 1\n"), "{answer}");
    }
}
