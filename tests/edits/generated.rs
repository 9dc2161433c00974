//! Configurations that nobody wrote: each follows from a number, and every one is valid in a collector.

use serde_json::{Value, json};

use crate::cases::{ALL, Case, LOGS, METRICS, SAMPLED, TRACES};
use crate::traffic::Dice;
use crate::wild::{KEYS, NAMES, SCOPES, TEXTS};

const PATTERNS: &[&str] = &[
    "^a",
    "b$",
    "",
    ".*",
    "(?i)^A",
    "[[:alpha:]]",
    "\\w\\d",
    "^$",
    "a|u",
    "\\.",
    "\\pL",
    "^[^a]",
    "(?s)^.{2}$",
    "^1",
    "e",
    "\\bhost\\b",
    "inf|NaN",
    "^0?\\.[0-9]+$",
    "http",
    "^\\{",
    "\\d{4,}",
];
const EXTRACTS: &[&str] = &[
    "^(?P<scheme>[a-z]+)://(?P<host>[^/]+)(?P<rest>/\\w+)?",
    "(?P<a>.)(?P<b>.*)",
    "(?P<url>x)?(?P<number>\\d*)",
    "^(?P<whole>.*)$",
    "(?s)(?P<aa>.+)",
    "(?<short>[a-z])",
];

/// The case of a number.
pub fn case(number: u64) -> Case {
    let mut roll = Roll(Dice(number.wrapping_mul(104_729) + 17));
    let (signals, kind, body) = match roll.of(8) {
        0..=2 => {
            let signals = roll.one(&[TRACES, LOGS, METRICS, ALL]);
            let body = roll.attributes(signals);
            (signals, "attributes", body)
        }
        3 => {
            let actions = roll.actions();
            (ALL, "resource", json!({"attributes": actions}))
        }
        4 | 5 => {
            let body = roll.sampler();
            (SAMPLED, "probabilistic_sampler", body)
        }
        _ => {
            let body = roll.filter();
            (ALL, "filter", body)
        }
    };
    // JSON is YAML, and quoted text in it is text.
    let body = body.to_string();
    Case {
        name: format!("number {number}, {kind} {body}"),
        signals,
        processors: vec![(kind, body)],
        wild: Some(number),
        requests: None,
        statements: Vec::new(),
    }
}

/// Whether keys may come twice: the Collector deletes and hashes the first of them only, ringtail all.
pub fn takes_twice(case: &Case) -> bool {
    let (kind, body) = &case.processors[0];
    let body = body.to_lowercase();
    *kind != "probabilistic_sampler" && !body.contains("\"delete\"") && !body.contains("\"hash\"")
}

struct Roll(Dice);

impl Roll {
    fn of(&mut self, sides: u64) -> u64 {
        self.0.roll(sides)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        self.0.one(of)
    }

    fn some(&mut self, of: &[&str], most: u64) -> Vec<String> {
        (0..1 + self.of(most)).map(|_| self.one(of).to_owned()).collect()
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.of(if depth > 1 { 5 } else { 7 }) {
            0 | 1 => json!(self.one(TEXTS)),
            2 => json!(self.of(2) == 0),
            3 => json!(self.one(&[0i64, 1, -1, 12, i64::MAX, i64::MIN, 100])),
            4 => json!(self.one(&[0.1, 12.0, 12.7, -1.9, 1e21, 1e-7, 0.5, -0.0])),
            5 => (0..self.of(3)).map(|_| self.value(depth + 1)).collect(),
            _ => {
                let pairs = (0..self.of(4)).map(|_| (self.one(KEYS).to_owned(), self.value(depth + 1)));
                Value::Object(pairs.collect())
            }
        }
    }

    fn action(&mut self) -> Value {
        let word = self.one(&[
            "insert", "update", "upsert", "insert", "upsert", "delete", "hash", "extract", "convert",
            "convert",
        ]);
        let shown = if self.of(5) == 0 { word.to_uppercase() } else { word.to_owned() };
        let mut action = json!({"key": self.one(KEYS), "action": shown});
        match word {
            "insert" | "update" | "upsert" => {
                match self.of(4) {
                    0 | 1 => action["value"] = self.value(0),
                    2 => action["from_attribute"] = json!(self.one(KEYS)),
                    _ => {
                        let asked = [
                            "metadata.x-tenant",
                            "x-tenant",
                            "metadata.X-Tenant",
                            "metadata.absent",
                            "client.address",
                            "auth.username",
                        ];
                        action["from_context"] = json!(self.one(&asked));
                    }
                }
                if self.of(4) == 0 {
                    action["default_value"] = self.value(0);
                }
            }
            "delete" | "hash" if self.of(2) == 0 => {
                action["pattern"] = json!(self.one(&PATTERNS[..3]));
                if action["pattern"] != "" && self.of(2) == 0 {
                    action["key"] = json!("");
                }
            }
            "extract" => action["pattern"] = json!(self.one(EXTRACTS)),
            "convert" => action["converted_type"] = json!(self.one(&["string", "int", "double"])),
            _ => {}
        }
        action
    }

    fn actions(&mut self) -> Value {
        (0..1 + self.of(6)).map(|_| self.action()).collect()
    }

    fn attributes(&mut self, signals: &[&str]) -> Value {
        let mut body = json!({"actions": self.actions()});
        for key in ["include", "exclude"] {
            if signals.len() == 1 && self.of(2) == 0 {
                body[key] = self.properties(signals[0]);
            }
        }
        body
    }

    /// One of the properties that a signal has, or several.
    fn properties(&mut self, signal: &str) -> Value {
        let kind = self.one(&["strict", "regexp"]);
        let mut found = json!({"match_type": kind});
        let texts = |roll: &mut Self, strict: &[&str]| match kind {
            "strict" => roll.some(strict, 2),
            _ => roll.some(PATTERNS, 2),
        };
        let keys: &[&str] = match signal {
            "traces" => &["services", "span_names", "span_kinds", "attributes", "resources", "libraries"],
            "logs" => &[
                "log_bodies",
                "log_severity_texts",
                "log_severity_number",
                "attributes",
                "resources",
                "libraries",
            ],
            _ => &["metric_names", "resources"],
        };
        for key in self.some(keys, 2) {
            found[&key] = match key.as_str() {
                "attributes" | "resources" => self.pairs(kind),
                "libraries" => {
                    let (name, version) = self.one(SCOPES);
                    let mut library =
                        json!({"name": if kind == "strict" { name } else { self.one(PATTERNS) }});
                    if self.of(2) == 0 {
                        library["version"] = json!(version);
                    }
                    json!([library])
                }
                "log_severity_number" => {
                    json!({"min": self.one(&[0, 1, 9, 17, 24]), "match_undefined": self.of(2) == 0})
                }
                "span_kinds" => {
                    let kinds = ["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_INTERNAL"];
                    let patterns = ["SERVER$", "^$", "UNSPECIFIED", "SPAN", "(?i)client"];
                    json!(self.some(if kind == "strict" { &kinds } else { &patterns }, 2))
                }
                "span_names" => json!(texts(self, NAMES)),
                "metric_names" => json!(texts(self, &["gauge", "sum", "", "имя"])),
                "log_severity_texts" => json!(texts(self, &["", "INFO"])),
                _ => json!(texts(self, TEXTS)),
            };
        }
        found
    }

    fn pairs(&mut self, kind: &str) -> Value {
        let pair = |roll: &mut Self| {
            let mut pair = json!({"key": roll.one(KEYS)});
            match (roll.of(4), kind) {
                (0, _) => {}
                (_, "strict") => pair["value"] = roll.value(0),
                _ => pair["value"] = json!(roll.one(PATTERNS)),
            }
            pair
        };
        (0..1 + self.of(2)).map(|_| pair(self)).collect()
    }

    fn sampler(&mut self) -> Value {
        let percentages = [100.0, 150.0, 50.0, 33.3, 99.99, 0.01, 40.0, 12.5, 66.7, 1.0, 80.0];
        // Not zero: there the Collector writes over trace states that it could not read.
        json!({
            "sampling_percentage": self.one(&percentages),
            "mode": self.one(&["hash_seed", "equalizing", "proportional", ""]),
            "hash_seed": self.one(&[0, 22, u32::MAX]),
            "fail_closed": self.of(2) == 0,
            "sampling_precision": 1 + self.of(14),
            "attribute_source": self.one(&["traceID", "record"]),
            "from_attribute": self.one(&["", "a", "number", "url", "b"]),
            "sampling_priority": self.one(&["", "share", "share", "a"]),
        })
    }

    fn filter(&mut self) -> Value {
        let mut body = json!({});
        for side in ["include", "exclude"] {
            if self.of(3) == 0 {
                body["spans"][side] = self.properties("traces");
            }
            if self.of(3) == 0 {
                body["metrics"][side] = self.of_metrics();
            }
            if self.of(3) == 0 {
                body["logs"][side] = self.of_logs();
            }
        }
        if body == json!({}) {
            body["spans"]["exclude"] = self.properties("traces");
        }
        body
    }

    fn of_metrics(&mut self) -> Value {
        let kind = self.one(&["strict", "regexp"]);
        let mut found = json!({"match_type": kind});
        if self.of(2) == 0 {
            let names = if kind == "strict" { &["gauge", "sum", "", "имя"][..] } else { PATTERNS };
            found["metric_names"] = json!(self.some(names, 2));
        }
        if self.of(2) == 0 {
            found["resource_attributes"] = self.pairs(kind);
        }
        found
    }

    fn of_logs(&mut self) -> Value {
        let kind = self.one(&["strict", "regexp"]);
        let mut found = json!({"match_type": kind});
        for key in self.some(
            &["resource_attributes", "record_attributes", "severity_texts", "bodies", "severity_number"],
            2,
        ) {
            found[&key] = match (key.as_str(), kind) {
                ("resource_attributes" | "record_attributes", _) => self.pairs(kind),
                ("severity_number", _) => {
                    json!({"min": self.one(&["INFO", "warn", "DEBUG2", "FATAL4"]), "match_undefined": self.of(2) == 0})
                }
                (_, "regexp") => json!(self.some(PATTERNS, 2)),
                ("severity_texts", _) => json!(self.some(&["", "INFO"], 2)),
                _ => json!(self.some(TEXTS, 2)),
            };
        }
        found
    }
}
