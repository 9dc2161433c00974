//! `extensions.health_check`: 200 when ready, else 503, with the Collector's bodies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

use super::admin::Pages;
use super::config::HealthCheck;
use super::page::{Answers, Asked, Page};
use super::serve::Manner;

struct Health {
    check: HealthCheck,
    pages: Arc<dyn Pages>,
}

/// What health checks are answered, wherever that listens.
pub fn health_pages(check: &HealthCheck, pages: Arc<dyn Pages>) -> Manner {
    Manner::new(Arc::new(Health { check: check.clone(), pages }))
}

impl Answers for Health {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        Box::pin(async move {
            // A path that ends in a slash answers for all below it; any method will do.
            let (path, asked) = (&self.check.path, &asked.path);
            if asked != path && !(path.ends_with('/') && asked.starts_with(path)) {
                return Page::text(404, "404 page not found\n");
            }
            let ready = self.pages.ready().is_ok();
            let status = if ready { 200 } else { 503 };
            let configured = if ready { &self.check.body_healthy } else { &self.check.body_unhealthy };
            match configured {
                Some(body) => Page::text(status, body.clone()),
                None => Page::json(status, body(ready.then(|| self.pages.up_since()))),
            }
        })
    }
}

fn body(since: Option<SystemTime>) -> String {
    match since {
        Some(since) => {
            let uptime = SystemTime::now().duration_since(since).unwrap_or_default();
            let (since, uptime) = (timestamp(since), duration(uptime));
            format!(r#"{{"status":"Server available","upSince":"{since}","uptime":"{uptime}"}}"#)
        }
        None => {
            r#"{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}"#.to_owned()
        }
    }
}

/// RFC 3339 in UTC, with as many digits of the fraction as there are.
pub fn timestamp(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = fraction(since.subsec_nanos());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The Gregorian date of a day counted from 1970. Years are taken to begin in March, so that the leap day is their
/// last and months follow one formula; 400 years always have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Hours, minutes and seconds as Go writes a duration of a second or more: `1h2m3.5s`.
fn duration(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let tail = format!("{}{}s", seconds % 60, fraction(uptime.subsec_nanos()));
    match (hours, minutes) {
        (0, 0) => tail,
        (0, _) => format!("{minutes}m{tail}"),
        _ => format!("{hours}h{minutes}m{tail}"),
    }
}

fn fraction(nanos: u32) -> String {
    if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::admin::tests::Fixed;
    use super::super::serve::Server;
    use super::super::serve::tests::exchange;
    use super::*;

    async fn check(check: HealthCheck, ready: bool, path: &str) -> String {
        let check = HealthCheck { endpoint: "127.0.0.1:0".into(), ..check };
        let pages = health_pages(&check, Arc::new(Fixed::new(ready)));
        let server = Server::bind("test", &check.endpoint, pages, &[]).await.unwrap();
        exchange(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn ready_is_200_and_not_ready_503() {
        let answer = check(HealthCheck::default(), true, "/").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{answer}");
        assert!(answer.contains("{\"status\":\"Server available\",\"upSince\":\""), "{answer}");
        let answer = check(HealthCheck::default(), false, "/any/path").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("{\"status\":\"Server not available\","), "{answer}");
    }

    #[tokio::test]
    async fn path_and_bodies_can_be_configured() {
        let custom = HealthCheck {
            path: "/health".into(),
            body_healthy: Some("fine".into()),
            body_unhealthy: Some("ill".into()),
            ..HealthCheck::default()
        };
        assert!(check(custom.clone(), true, "/health").await.ends_with("\r\n\r\nfine"));
        assert!(check(custom.clone(), false, "/health").await.ends_with("\r\n\r\nill"));
        assert!(check(custom, true, "/").await.starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn times_are_written_as_the_collector_does() {
        let at = |seconds, nanos| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        assert_eq!(timestamp(at(0, 0)), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(at(951_782_400, 0)), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(at(1_795_373_521, 500_000_000)), "2026-11-22T18:52:01.5Z");
        assert_eq!(timestamp(at(4_107_542_399, 1)), "2100-02-28T23:59:59.000000001Z");
        assert_eq!(duration(Duration::from_millis(2876)), "2.876s");
        assert_eq!(duration(Duration::from_secs(62)), "1m2s");
        assert_eq!(duration(Duration::from_secs(3600)), "1h0m0s");
    }
}
