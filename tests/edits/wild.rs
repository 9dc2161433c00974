//! Traffic that no sender should send but some do: every type of value in every place, odd keys, odd ids, missing parts.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::support::{Content, Logs, Metrics, Traces};
use crate::traffic::{Dice, any, text};

/// Requests of each signal.
const REQUESTS: u64 = 3;

/// Keys that configurations name too.
pub const KEYS: &[&str] =
    &["a", "b", "a.b", "aa", "ключ", "url", "number", "service.name", "host", "k 1", "A"];
pub const TEXTS: &[&str] = &[
    "",
    "a",
    "ab",
    "http://host/a?b=c",
    "12",
    "-7",
    "+5",
    "1_000",
    "0x1F",
    "1e3",
    "1e999",
    "-1e-400",
    "nan",
    "+nan",
    "-Inf",
    "infinity",
    "9223372036854775807",
    "9223372036854775808",
    " 12",
    "0.1",
    ".5",
    "1.",
    "true",
    "T",
    "<b>&\"\\\u{2028}\t\u{1}",
    "двa",
    "line\nline",
    "\u{0}",
    "\u{fffd}",
    "shop",
    "false",
    "1e21",
    "NaN",
    "100000000000000000000000",
];
pub const NAMES: &[&str] = &["GET /a", "POST /b", "", "work", "имя", "GET /a\n"];
pub const SCOPES: &[(&str, &str)] = &[("lib", "1"), ("lib", "2"), ("other", ""), ("", "1")];

pub fn requests(seed: u64, signals: &[&str], twice: bool) -> Vec<Content> {
    let mut wild = Wild { dice: Dice(seed.wrapping_mul(7919) + 1), twice };
    let mut all = Vec::new();
    for _ in 0..REQUESTS {
        if signals.contains(&"traces") {
            all.push(Content::Traces(wild.traces()));
        }
        if signals.contains(&"metrics") {
            all.push(Content::Metrics(wild.metrics()));
        }
        if signals.contains(&"logs") {
            all.push(Content::Logs(wild.logs()));
        }
    }
    all
}

struct Wild {
    dice: Dice,
    /// Whether a key may come twice.
    twice: bool,
}

impl Wild {
    fn value(&mut self, depth: u64) -> Any {
        let dice = &mut self.dice;
        match dice.roll(if depth > 2 { 6 } else { 10 }) {
            0..=2 => text(dice.one(TEXTS)),
            3 => Any::BoolValue(dice.roll(2) == 0),
            4 => Any::IntValue(dice.one(&[0, 1, -1, 12, i64::MAX, i64::MIN, 1 << 53, 100])),
            5 => Any::DoubleValue(dice.one(&[
                0.0,
                -0.0,
                0.1,
                12.0,
                12.7,
                -1.9,
                1e21,
                123_456_789e15,
                1e-7,
                -2.5e-9,
                1e300,
                5e-324,
                0.5,
                1e-5,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
            ])),
            6 => Any::BytesValue((0..dice.roll(5)).map(|_| self.dice.roll(256) as u8).collect()),
            7 => Any::ArrayValue(ArrayValue {
                values: (0..self.dice.roll(4)).map(|_| self.any(depth + 1)).collect(),
            }),
            8 => Any::KvlistValue(KeyValueList { values: self.pairs(3, depth + 1) }),
            _ => Any::IntValue(dice.roll(20) as i64),
        }
    }

    fn any(&mut self, depth: u64) -> AnyValue {
        if self.dice.roll(12) == 0 { AnyValue { value: None } } else { any(self.value(depth)) }
    }

    fn pairs(&mut self, most: u64, depth: u64) -> Vec<KeyValue> {
        let count = self.dice.roll(most + 1);
        let mut pairs: Vec<KeyValue> = Vec::new();
        for _ in 0..count {
            let key = if self.dice.roll(25) == 0 { "" } else { self.dice.one(KEYS) };
            if !self.twice && pairs.iter().any(|pair| pair.key == key) {
                continue;
            }
            pairs.push(KeyValue { key: key.into(), value: Some(self.any(depth)), ..KeyValue::default() });
        }
        pairs
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        self.pairs(8, 0)
    }

    fn resource(&mut self) -> Option<Resource> {
        let some = self.dice.roll(6) > 0;
        some.then(|| Resource { attributes: self.attributes(), ..Resource::default() })
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        let (name, version) = self.dice.one(SCOPES);
        let some = self.dice.roll(6) > 0;
        some.then(|| InstrumentationScope {
            name: name.into(),
            version: version.into(),
            attributes: self.attributes(),
            ..InstrumentationScope::default()
        })
    }

    fn many<T>(&mut self, most: u64, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = self.dice.roll(most + 1);
        (0..count).map(|_| one(self)).collect()
    }

    fn trace_id(&mut self) -> Vec<u8> {
        match self.dice.roll(10) {
            0 => Vec::new(),
            1 => [vec![1; 8], vec![0; 8]].concat(),
            2 => [vec![0; 8], vec![255; 8]].concat(),
            _ => self.dice.id::<16>(),
        }
    }

    fn state(&mut self) -> String {
        // As samplers write them: what the Collector rewrites it writes so, and leaves the rest as it came.
        const DIGITS: &[&str] = &["0", "8", "c", "fd70a", "ffffffffffffff", "", "g", "123456789abcdef", "1"];
        let dice = &mut self.dice;
        let rv =
            dice.one(&["c0000000000000", "10000000000000", "ffffffffffffff", "00000000000000", "8", "zz"]);
        let th = dice.one(DIGITS);
        let forms = [
            String::new(),
            String::new(),
            "a=b".into(),
            format!("ot=th:{th}"),
            format!("ot=rv:{rv}"),
            format!("ot=rv:{rv};th:{th}"),
            format!("ot=th:{th};rv:{rv},a=b,c=d"),
            format!("a=b,ot=th:{th};k:v"),
            format!("x=y , ot=th:{th}"),
            format!("ot=th:{th},ot=rv:{rv}"),
            format!("ot=th:{th};th:{th}"),
            "ot=".into(),
            "=".into(),
            "ot=;".into(),
            "a=b,,c=d".into(),
            "ot=zz:x;th:8".into(),
            "A=b".into(),
            format!("ot=th:{th}; rv:{rv}"),
            "ot".into(),
            "a@b=c,ot=th:0".into(),
            "a=b,".repeat(31),
            format!("{}ot=th:8", "a=b,".repeat(30)),
            format!("{}ot=th:8", "a=b,".repeat(31)),
            format!("{}ot=th:8", ",".repeat(31)),
            format!("ot=th:8,a={}", "x".repeat(256)),
            format!("ot=th:8,a={}", "x".repeat(257)),
            format!("ot=th:8,{}=x", "a".repeat(257)),
            format!("ot=th:8;a:{}", "x".repeat(250)),
            format!("ot=th:8,{}", "a=bcdefghijklmnopqrstuvwxyz,".repeat(28)),
            format!("ot=th:8,{}", "a=bcdefghijklmnopqrstuvwxyzabcdefghij,".repeat(28)),
        ];
        dice.one(&forms)
    }

    fn span(&mut self) -> Span {
        let mut span = Span {
            trace_id: self.trace_id(),
            span_id: self.dice.id::<8>(),
            trace_state: self.state(),
            name: self.dice.one(NAMES).into(),
            kind: self.dice.one(&[0, 1, 2, 3, 4, 5, 2, 3, 6, 99, -1]),
            start_time_unix_nano: 1,
            attributes: self.attributes(),
            ..Span::default()
        };
        if self.dice.roll(4) == 0 {
            let value = self.dice.one(&[
                Any::IntValue(0),
                Any::IntValue(1),
                Any::IntValue(-3),
                Any::DoubleValue(0.0),
                Any::DoubleValue(0.5),
                text("0"),
                text("1"),
                text("0.0"),
                text("x"),
                text("-1"),
                text("0x1"),
                text("1_0"),
                text("nan"),
                text("+0"),
                text("1e999"),
                text(""),
                Any::BoolValue(true),
                Any::DoubleValue(f64::NAN),
                Any::BytesValue(vec![1]),
            ]);
            span.attributes.push(KeyValue {
                key: "sampling.priority".into(),
                value: Some(any(value)),
                ..KeyValue::default()
            });
        }
        if self.dice.roll(3) == 0 {
            span.events = self.many(2, |wild| Event {
                name: wild.dice.one(NAMES).into(),
                attributes: wild.attributes(),
                ..Event::default()
            });
            span.links = self.many(1, |wild| Link {
                trace_id: wild.dice.id::<16>(),
                attributes: wild.attributes(),
                ..Link::default()
            });
        }
        if self.dice.roll(3) == 0 {
            span.status = Some(Status { message: "m".into(), code: self.dice.roll(3) as i32 });
        }
        span
    }

    fn traces(&mut self) -> Traces {
        let resource_spans = self.many(3, |wild| ResourceSpans {
            resource: wild.resource(),
            scope_spans: wild.many(2, |wild| ScopeSpans {
                scope: wild.scope(),
                spans: wild.many(8, Self::span),
                ..ScopeSpans::default()
            }),
            ..ResourceSpans::default()
        });
        Traces { resource_spans }
    }

    fn record(&mut self) -> LogRecord {
        let mut record = LogRecord {
            severity_number: self.dice.one(&[0, 1, 5, 9, 13, 17, 24, 99, -1]),
            severity_text: self.dice.one(&["", "INFO", "warn"]).into(),
            body: (self.dice.roll(6) > 0).then(|| self.any(0)),
            attributes: self.attributes(),
            trace_id: self.trace_id(),
            ..LogRecord::default()
        };
        for key in ["sampling.randomness", "sampling.threshold", "share"] {
            if self.dice.roll(5) == 0 {
                let value = self.dice.one(&[
                    text("c0000000000000"),
                    text("8"),
                    text("zz"),
                    text(""),
                    text("+8"),
                    text("FF"),
                    text("0"),
                    text("123456789abcdef0"),
                    Any::IntValue(8),
                    Any::IntValue(100),
                    Any::IntValue(0),
                    Any::DoubleValue(0.5),
                    Any::DoubleValue(150.0),
                    Any::DoubleValue(1e-20),
                    Any::IntValue(-5),
                    Any::DoubleValue(f64::NAN),
                    text("50"),
                    Any::BoolValue(true),
                ]);
                let value = Some(any(value));
                record.attributes.push(KeyValue { key: key.into(), value, ..KeyValue::default() });
            }
        }
        record
    }

    fn logs(&mut self) -> Logs {
        let resource_logs = self.many(3, |wild| ResourceLogs {
            resource: wild.resource(),
            scope_logs: wild.many(2, |wild| ScopeLogs {
                scope: wild.scope(),
                log_records: wild.many(8, Self::record),
                ..ScopeLogs::default()
            }),
            ..ResourceLogs::default()
        });
        Logs { resource_logs }
    }

    fn number(&mut self) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes(),
            value: Some(number_data_point::Value::AsInt(self.dice.roll(9) as i64)),
            ..NumberDataPoint::default()
        }
    }

    fn metric(&mut self) -> Metric {
        let name = self.dice.one(&["gauge", "sum", "histogram", "", "имя", "http.requests"]);
        let data = match self.dice.roll(6) {
            0 => None,
            1 => Some(Data::Gauge(Gauge { data_points: self.many(3, Self::number) })),
            2 => Some(Data::Sum(Sum { data_points: self.many(3, Self::number), ..Sum::default() })),
            3 => Some(Data::Histogram(Histogram {
                data_points: self.many(2, |wild| HistogramDataPoint {
                    attributes: wild.attributes(),
                    count: 1,
                    ..HistogramDataPoint::default()
                }),
                aggregation_temporality: 2,
            })),
            4 => Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.many(2, |wild| ExponentialHistogramDataPoint {
                    attributes: wild.attributes(),
                    ..ExponentialHistogramDataPoint::default()
                }),
                aggregation_temporality: 2,
            })),
            _ => Some(Data::Summary(Summary {
                data_points: self.many(2, |wild| SummaryDataPoint {
                    attributes: wild.attributes(),
                    ..SummaryDataPoint::default()
                }),
            })),
        };
        Metric { name: name.into(), data, ..Metric::default() }
    }

    fn metrics(&mut self) -> Metrics {
        let resource_metrics = self.many(3, |wild| ResourceMetrics {
            resource: wild.resource(),
            scope_metrics: wild.many(2, |wild| ScopeMetrics {
                scope: wild.scope(),
                metrics: wild.many(5, Self::metric),
                ..ScopeMetrics::default()
            }),
            ..ResourceMetrics::default()
        });
        Metrics { resource_metrics }
    }
}
