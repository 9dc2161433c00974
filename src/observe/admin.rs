//! `extensions.admin`: what ringtail does and with whom, as JSON, and a page that shows it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use http::Method;

use super::condition::Condition;
use super::config::Admin;
use super::health::timestamp;
use super::page::{Answers, Asked, Page};
use super::serve::{BindError, Listening, Manner, Server};

/// Longest trace id asked for; a valid one has 32 digits.
const TRACE_ID_MAX: usize = 128;
const ROUTES: [&str; 7] = ["/", "/config", "/healthz", "/membership", "/readyz", "/reload", "/trace/{id}"];
const HTML: &str = include_str!("admin.html");

/// What the application knows, for the pages.
pub trait Pages: Send + Sync + 'static {
    /// The configuration in use, with secrets hidden.
    fn config(&self) -> Page;
    /// The same alone, as JSON.
    fn configuration(&self) -> Page;
    /// How everything is.
    fn condition(&self) -> Condition;
    /// The members, their shares and the last changes.
    fn membership(&self) -> Page;
    /// Where a trace goes, what its verdict is, and why; `id` is as asked and may be anything.
    fn trace<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Page>;
    /// Reads the configuration again.
    fn reload(&self) -> BoxFuture<'_, Page>;
    /// Whether requests can be taken; if not, why.
    fn ready(&self) -> Result<(), String>;
    /// Whether the process should go on living; if not, why.
    fn alive(&self) -> Result<(), String> {
        Ok(())
    }
    /// Since when requests can be taken.
    fn up_since(&self) -> SystemTime;
}

struct AdminPages {
    pages: Arc<dyn Pages>,
    /// Whether only this machine can reach the address. Known once it is bound.
    local_only: OnceLock<bool>,
}

/// Listens for the admin API; see [`Server::bind`] for `leaving`.
pub async fn admin_server(
    admin: &Admin,
    pages: Arc<dyn Pages>,
    leaving: &[&Listening],
) -> Result<Server, BindError> {
    let answers = Arc::new(AdminPages { pages, local_only: OnceLock::new() });
    let server =
        Server::bind("extensions.admin.endpoint", &admin.endpoint, Manner::new(answers.clone()), leaving)
            .await?;
    answers.local_only.get_or_init(|| server.local_addr().ip().is_loopback());
    Ok(server)
}

impl Answers for AdminPages {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        Box::pin(async move {
            let local_only = self.local_only.get().copied().unwrap_or(true);
            if let Err(refusal) = same_site(asked, local_only) {
                return Page::error(403, refusal);
            }
            if let Err(page) = method_fits(asked) {
                return page;
            }
            match asked.path.as_str() {
                "/" => Page { content_type: "text/html; charset=utf-8", ..Page::text(200, HTML) },
                "/config" => self.pages.config(),
                "/membership" => self.pages.membership(),
                "/reload" => self.pages.reload().await,
                "/healthz" => verdict(self.pages.alive(), None),
                "/readyz" => verdict(self.pages.ready(), Some(self.pages.up_since())),
                path => match path.strip_prefix("/trace/") {
                    Some(id) if id.len() > TRACE_ID_MAX => {
                        Page::error(400, "a trace id has 32 hexadecimal digits")
                    }
                    Some(id) if !id.is_empty() => self.pages.trace(id).await,
                    _ => not_found(),
                },
            }
        })
    }
}

/// Refuses what a foreign web page makes a browser send. A page cannot choose the `Origin` header, so a request that
/// names another origin than the one it was sent to is not from our own page. A name of its own that a page points
/// at 127.0.0.1 (DNS rebinding) makes origin and host equal, but then the host is that name: on an address only
/// this machine can reach, an IP literal or localhost is all that anybody needs. Health checks change and tell
/// nothing, and come with the strangest hosts.
fn same_site(asked: &Asked, local_only: bool) -> Result<(), &'static str> {
    if matches!(asked.path.as_str(), "/healthz" | "/readyz") {
        return Ok(());
    }
    if let Some(origin) = &asked.origin {
        let site = origin.split_once("://").map(|(_, authority)| authority);
        let host = asked.host.as_deref();
        if site.is_none() || !site.zip(host).is_some_and(|(site, host)| site.eq_ignore_ascii_case(host)) {
            return Err("the request comes from a web page of another origin");
        }
    }
    if local_only && asked.host.as_deref().is_some_and(|host| !local_name(host)) {
        return Err("the Host header is neither an IP address nor localhost; use one of them, or bind \
                    extensions.admin.endpoint to an address that is not local");
    }
    Ok(())
}

/// Whether a `Host` header is an IP literal or localhost, with or without a port.
fn local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn method_fits(asked: &Asked) -> Result<(), Page> {
    let (wanted, allow) =
        if asked.path == "/reload" { (Method::POST, "POST") } else { (Method::GET, "GET, HEAD") };
    if asked.method == wanted {
        return Ok(());
    }
    let message = format!("{} takes {allow}", asked.path);
    Err(Page { allow: Some(allow), ..Page::error(405, &message) })
}

fn verdict(state: Result<(), String>, since: Option<SystemTime>) -> Page {
    match state {
        Ok(()) => {
            let mut body = serde_json::json!({ "status": "ok" });
            if let Some(since) = since {
                body["since"] = timestamp(since).into();
            }
            Page::json(200, body.to_string())
        }
        Err(reason) => {
            Page::json(503, serde_json::json!({ "status": "unavailable", "reason": reason }).to_string())
        }
    }
}

fn not_found() -> Page {
    let body = serde_json::json!({ "error": "there is no such page", "routes": ROUTES });
    Page::json(404, body.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::condition::Status;
    use super::super::serve::tests::exchange;
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// Pages that say who they are.
    pub(in super::super) struct Fixed {
        ready: bool,
    }

    impl Fixed {
        pub(in super::super) fn new(ready: bool) -> Self {
            Self { ready }
        }
    }

    impl Pages for Fixed {
        fn config(&self) -> Page {
            Page::json(200, r#"{"page":"config"}"#)
        }
        fn configuration(&self) -> Page {
            Page::json(200, r#"{"receivers":{}}"#)
        }
        fn condition(&self) -> Condition {
            let status = if self.ready { Status::Ok } else { Status::Starting };
            let of = |parts| Condition::of(status, self.up_since()).with_parts(parts);
            let component = ("exporter:nop".to_owned(), of(BTreeMap::new()));
            of([("pipeline:traces/a".to_owned(), of([component].into()))].into())
        }
        fn membership(&self) -> Page {
            Page::json(200, r#"{"page":"membership"}"#)
        }
        fn trace<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Page> {
            Box::pin(async move { Page::json(200, format!(r#"{{"trace":"{id}"}}"#)) })
        }
        fn reload(&self) -> BoxFuture<'_, Page> {
            Box::pin(async { Page::json(200, r#"{"page":"reload"}"#) })
        }
        fn ready(&self) -> Result<(), String> {
            if self.ready { Ok(()) } else { Err("no members yet".into()) }
        }
        fn up_since(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(1)
        }
    }

    async fn ask(endpoint: &str, first_line: &str, headers: &str) -> String {
        let admin = Admin { endpoint: endpoint.into() };
        let server = admin_server(&admin, Arc::new(Fixed::new(false)), &[]).await.unwrap();
        exchange(server, &format!("{first_line} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn local(first_line: &str, headers: &str) -> String {
        ask("127.0.0.1:0", first_line, headers).await
    }

    const HOST: &str = "Host: localhost:4319\r\n";

    #[tokio::test]
    async fn every_route_answers() {
        for (line, start, end) in [
            ("GET /", "HTTP/1.1 200 ", "</html>\n"),
            ("GET /config", "HTTP/1.1 200 ", r#"{"page":"config"}"#),
            ("GET /membership", "HTTP/1.1 200 ", r#"{"page":"membership"}"#),
            ("GET /trace/4bf9", "HTTP/1.1 200 ", r#"{"trace":"4bf9"}"#),
            ("POST /reload", "HTTP/1.1 200 ", r#"{"page":"reload"}"#),
            ("GET /healthz", "HTTP/1.1 200 ", r#"{"status":"ok"}"#),
            ("GET /readyz", "HTTP/1.1 503 ", r#"{"reason":"no members yet","status":"unavailable"}"#),
        ] {
            let answer = local(line, HOST).await;
            assert!(answer.starts_with(start) && answer.ends_with(end), "{line}: {answer}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_lists_what_is() {
        let answer = local("GET /metrics", HOST).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains(r#""/trace/{id}""#), "{answer}");
        assert!(local("GET /trace/", HOST).await.starts_with("HTTP/1.1 404 "));
        let long = format!("GET /trace/{}", "a".repeat(TRACE_ID_MAX + 1));
        assert!(local(&long, HOST).await.starts_with("HTTP/1.1 400 "));
    }

    #[tokio::test]
    async fn reload_is_for_post_only() {
        let answer = local("GET /reload", HOST).await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("\r\nallow: POST\r\n"), "{answer}");
        assert!(local("POST /config", HOST).await.starts_with("HTTP/1.1 405 "));
    }

    #[tokio::test]
    async fn a_foreign_page_cannot_reload() {
        for headers in [
            "Host: localhost:4319\r\nOrigin: https://evil.example\r\n",
            "Host: localhost:4319\r\nOrigin: null\r\n",
            "Host: rebound.example:4319\r\nOrigin: http://rebound.example:4319\r\n",
            "Host: rebound.example:4319\r\n",
            "Host: localhost.evil.example\r\n",
        ] {
            let answer = local("POST /reload", headers).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{headers}: {answer}");
        }
        assert!(local("GET /config", "Host: rebound.example\r\n").await.starts_with("HTTP/1.1 403 "));
        assert!(local("GET /healthz", "Host: probe.example\r\n").await.starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn our_own_page_and_local_tools_can_reload() {
        for headers in [
            "Host: localhost:4319\r\nOrigin: http://localhost:4319\r\n",
            "Host: [::1]:4319\r\nOrigin: http://[::1]:4319\r\n",
            "Host: 127.0.0.1:4319\r\n",
            "Host: LOCALHOST\r\n",
        ] {
            assert!(local("POST /reload", headers).await.starts_with("HTTP/1.1 200 "), "{headers}");
        }
    }

    #[tokio::test]
    async fn an_address_for_others_takes_their_names() {
        let named = "Host: ringtail.svc:4319\r\n";
        assert!(ask("0.0.0.0:0", "POST /reload", named).await.starts_with("HTTP/1.1 200 "));
        let foreign = format!("{named}Origin: https://evil.example\r\n");
        assert!(ask("0.0.0.0:0", "POST /reload", &foreign).await.starts_with("HTTP/1.1 403 "));
    }
}
