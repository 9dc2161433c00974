//! The second form of the Collector's health check, over HTTP: `/status` and `/config`.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;

use super::admin::Pages;
use super::condition::ComponentHealth;
use super::page::{Answers, Asked, Page};
use super::serve::Manner;

/// `http` of the second form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPaths {
    /// `status.path`, unless it is off.
    pub status: Option<String>,
    /// `config.path`, unless it is off.
    pub config: Option<String>,
}

struct Health {
    paths: HealthPaths,
    components: ComponentHealth,
    pages: Arc<dyn Pages>,
}

/// What is answered, wherever that listens.
pub fn status_pages(paths: &HealthPaths, components: &ComponentHealth, pages: Arc<dyn Pages>) -> Manner {
    Manner::new(Arc::new(Health { paths: paths.clone(), components: components.clone(), pages }))
}

impl Answers for Health {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        let path = Some(asked.path.as_str());
        let page = match () {
            () if self.paths.status.as_deref() == path => self.status(asked.query.as_deref().unwrap_or("")),
            () if self.paths.config.as_deref() == path => self.pages.configuration(),
            () => Page::text(404, "404 page not found\n"),
        };
        Box::pin(std::future::ready(page))
    }
}

impl Health {
    fn status(&self, query: &str) -> Page {
        let value = |wanted: &str| {
            let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let verbose = value("verbose").is_some_and(|value| value != "false");
        let whole = self.pages.condition();
        let scope = percent_decoded(value("pipeline").unwrap_or_default());
        let Some(condition) = whole.scope(&scope) else { return Page::text(404, "") };
        let now = SystemTime::now();
        let body = self.components.json(condition, Some(self.pages.up_since()), verbose, now);
        Page::json(self.components.code(condition, now), body.to_string())
    }
}

/// A value of a query. What is no escape stays as it is: no pipeline has such a name.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::admin::tests::Fixed;
    use super::super::serve::Server;
    use super::super::serve::tests::exchange;
    use super::*;

    async fn ask(ready: bool, target: &str) -> String {
        let paths = HealthPaths { status: Some("/status".into()), config: Some("/config".into()) };
        let pages = status_pages(&paths, &ComponentHealth::default(), Arc::new(Fixed::new(ready)));
        let server = Server::bind("test", "127.0.0.1:0", pages, &[]).await.unwrap();
        exchange(server, &format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn the_status_is_told_of_the_whole_and_of_pipelines() {
        let short = ask(true, "/status").await;
        assert!(short.starts_with("HTTP/1.1 200 ") && !short.contains("components"), "{short}");
        let whole = ask(true, "/status?verbose").await;
        assert!(whole.contains("\"pipeline:traces/a\":{") && whole.contains("\"exporter:nop\":{"), "{whole}");
        let one = ask(true, "/status?pipeline=traces%2Fa&verbose=true").await;
        assert!(one.contains("\"exporter:nop\":{") && !one.contains("pipeline:"), "{one}");
        assert!(ask(true, "/status?pipeline=nope").await.starts_with("HTTP/1.1 404 "));
        assert!(ask(false, "/status").await.starts_with("HTTP/1.1 503 "));
        assert!(ask(true, "/config").await.contains("\"receivers\""));
        assert!(ask(true, "/").await.ends_with("404 page not found\n"));
    }
}
