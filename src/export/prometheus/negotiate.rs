//! Which form of the exposition a scraper gets.

use super::text::Style;

/// What `Accept` asks for, best first; anything unknown gets the older text.
pub(super) fn style(accept: Option<&str>, open_metrics: bool) -> Style {
    let mut wanted: Vec<(f32, Style)> = Vec::new();
    let mut any_names = false;
    for range in accept.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut quality, mut version, mut encoding) = (1.0_f32, None, None);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match (name.trim(), value.trim().trim_matches('"')) {
                ("q", q) => quality = q.parse().unwrap_or(0.0),
                ("version", number) => version = Some(number),
                ("encoding", how) => encoding = Some(how),
                ("escaping", how) => any_names |= how == "allow-utf-8",
                _ => {}
            }
        }
        let mut style = Style::default();
        match (media.as_str(), version) {
            ("application/vnd.google.protobuf", _) if encoding == Some("delimited") => style.protobuf = true,
            ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) if open_metrics => {
                style.open_metrics = true;
            }
            ("text/plain", None | Some("0.0.4" | "1.0.0")) | ("*/*" | "text/*", _) => {}
            _ => continue,
        }
        if quality > 0.0 {
            wanted.push((quality, style));
        }
    }
    wanted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let style = wanted.first().map_or_else(Style::default, |(_, style)| *style);
    Style { any_names, ..style }
}

/// Its `Content-Type`.
pub(super) fn content_type(style: Style) -> &'static str {
    match (style.open_metrics, style.any_names) {
        (_, false) if style.protobuf => {
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
             escaping=underscores"
        }
        (_, true) if style.protobuf => {
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
             escaping=allow-utf-8"
        }
        (false, false) => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        (false, true) => "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
        (true, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        (true, true) => "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    }
}

/// Whether `Accept-Encoding` has gzip.
pub(super) fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    accept_encoding.unwrap_or_default().split(',').any(|token| {
        let (name, rest) = token.split_once(';').unwrap_or((token, ""));
        let refused = rest.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_prefers_of_what_is_on() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;\
            version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        let open = |accept: Option<&str>, on: bool| style(accept, on).open_metrics;
        assert!(open(Some(prometheus), true));
        assert!(!open(Some(prometheus), false), "off by default");
        assert!(!open(None, true) && !open(Some("*/*"), true) && !open(Some("text/html"), true));
        assert!(!open(Some("text/plain;q=0.9,application/openmetrics-text;q=0.1"), true));
        assert!(!open(Some("application/openmetrics-text; version=2.0.0"), true));
        let native =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        assert!(style(Some(&format!("{native},{prometheus}")), false).protobuf);
        assert!(!style(Some("application/vnd.google.protobuf;encoding=text"), false).protobuf);
        assert!(style(Some("text/plain;version=1.0.0;escaping=allow-utf-8"), false).any_names);
        assert!(!style(Some(prometheus), true).any_names);
    }

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        assert!(takes_gzip(Some("deflate, gzip;q=0.5")) && takes_gzip(Some("gzip")));
        assert!(!takes_gzip(None) && !takes_gzip(Some("gzip;q=0")) && !takes_gzip(Some("br")));
    }
}
