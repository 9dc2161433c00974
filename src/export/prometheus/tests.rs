//! Requests in, expositions out, without a shell.

mod expositions;
mod series;

use std::time::Instant;

use parking_lot::Mutex;

use super::config::Prometheus;
use super::page::Exposition;
use super::store::{Limits, Store};
use super::text::Style;
use super::translate::{Taken, Translator};
use crate::outcome::{Reason, Signal};
use crate::split::count_items;
use crate::wire::json::{Limits as JsonLimits, to_protobuf};

const PROTOBUF: Style = Style { open_metrics: false, protobuf: true, any_names: false, timestamps: true };

/// An exporter without its shell.
struct Desk {
    translator: Translator,
    store: Mutex<Store>,
    now: Instant,
}

const OPEN: Style = Style { open_metrics: true, protobuf: false, any_names: false, timestamps: false };

impl Desk {
    fn new(config: Prometheus) -> Self {
        let limits = Limits {
            series: config.max_series,
            bytes: config.max_series_bytes,
            expiration: config.metric_expiration,
        };
        let translator = Translator::new(config);
        let store = Mutex::new(Store::new(limits, translator.target_info()));
        Self { translator, store, now: Instant::now() }
    }

    fn bare() -> Self {
        Self::new(Prometheus::default())
    }

    /// Takes metrics of one resource and scope, in OTLP JSON.
    fn take(&mut self, resource: &str, scope: &str, metrics: &str) -> Taken {
        let text = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":{resource}}},
                "scopeMetrics":[{{"scope":{scope},"metrics":[{metrics}]}}]}}]}}"#
        );
        let body = to_protobuf(Signal::Metrics, text.as_bytes(), JsonLimits::default()).unwrap();
        let items = count_items(Signal::Metrics, &body).unwrap();
        self.translator.take(&body, items, &self.store, self.now)
    }

    fn metric(&mut self, metric: &str) -> Taken {
        self.take("[]", "{}", metric)
    }

    fn text(&mut self) -> String {
        self.styled(Style::default())
    }

    fn styled(&mut self, style: Style) -> String {
        String::from_utf8(self.page(style)).unwrap()
    }

    fn page(&mut self, style: Style) -> Vec<u8> {
        let mut store = self.store.lock();
        store.expire(self.now);
        let mut page = Exposition::new(style);
        let (name, targets) = store.targets();
        page.targets(name, targets);
        let mut last: Option<String> = None;
        while let Some((name, family)) = store.next(last.as_deref()) {
            page.family(name, family);
            last = Some(name.to_owned());
        }
        page.finish()
    }
}

fn taken(points: u64) -> Taken {
    Taken { points, ..Taken::default() }
}

fn left_out(reason: Reason) -> Taken {
    Taken { left_out: vec![(reason, 1)], ..Taken::default() }
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

/// A sum of one point: `temporality` 1 is delta, 2 cumulative.
fn sum(name: &str, temporality: u8, monotonic: bool, start: u64, time: u64, value: i64) -> String {
    format!(
        r#"{{"name":"{name}","description":"Help","sum":{{"aggregationTemporality":{temporality},
            "isMonotonic":{monotonic},"dataPoints":[{{"startTimeUnixNano":"{start}","timeUnixNano":"{time}",
            "asInt":"{value}"}}]}}}}"#
    )
}

fn gauge(name: &str, unit: &str, time: u64, value: f64) -> String {
    format!(
        r#"{{"name":"{name}","unit":"{unit}","gauge":{{"dataPoints":[{{"timeUnixNano":"{time}","asDouble":{value}}}]}}}}"#
    )
}

fn histogram(temporality: u8, start: u64, time: u64, counts: [u64; 3], sum: f64) -> String {
    let [a, b, c] = counts;
    format!(
        r#"{{"name":"d","unit":"s","histogram":{{"aggregationTemporality":{temporality},"dataPoints":[
            {{"startTimeUnixNano":"{start}","timeUnixNano":"{time}","count":"{}","sum":{sum},
            "bucketCounts":["{a}","{b}","{c}"],"explicitBounds":[0.5,1]}}]}}}}"#,
        a + b + c
    )
}
