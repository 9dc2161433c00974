//! The loads: the plain one of the budgets, and those that vary one thing of it.

use std::time::Duration;

use crate::Arguments;
use crate::common::payload::Payload;
use crate::common::shape::Shape;

/// Policies of the plain load: errors and latency.
pub const PLAIN_POLICIES: usize = 2;

/// What all kinds meet alike.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// As it stands in the table.
    pub name: String,
    /// The requests.
    pub shape: Shape,
    /// Spans a second.
    pub rate: f64,
    /// How long a trace waits.
    pub wait: Duration,
    /// Time between the first verdicts and measuring.
    pub settle: Duration,
    /// Time measured.
    pub measured: Duration,
    /// How many policies there are.
    pub policies: usize,
    /// The founding pipeline instead: edits in front, its three policies, a log of what is kept.
    pub founding: bool,
    /// Whether the collector always takes part.
    pub beside: bool,
}

impl Scenario {
    /// Errors and latency.
    pub fn plain(arguments: &Arguments) -> Self {
        let shape = Shape {
            spans: 128,
            per_trace: 10,
            spread: 5,
            seed: arguments.seed,
            errors_one_in: 32,
            padding: 0,
            urls: false,
        };
        Self {
            name: "errors+latency".into(),
            shape,
            rate: arguments.rate,
            wait: Duration::from_secs_f64(arguments.wait),
            settle: Duration::from_secs_f64(arguments.settle),
            measured: Duration::from_secs_f64(arguments.seconds),
            policies: PLAIN_POLICIES,
            founding: false,
            beside: true,
        }
    }

    /// The founding pipeline, to a backend without TLS.
    pub fn founding(&self) -> Self {
        let shape = Shape { urls: true, ..self.shape };
        Self { name: "founding".into(), shape, founding: true, ..self.clone() }
    }

    /// So many traces of two spans wait at any time; only the wait makes the difference, not the load.
    pub fn live(&self, traces: u64) -> Self {
        let shape = Shape { per_trace: 2, spread: 2, ..self.shape };
        let wait = traces as f64 * shape.per_trace as f64 / self.rate;
        Self {
            name: format!("{} k live", traces / 1_000),
            shape,
            wait: Duration::from_secs_f64(wait),
            beside: false,
            ..self.clone()
        }
    }

    /// So many policies, of which only the first keeps anything.
    pub fn policies(&self, policies: usize) -> Self {
        Self { name: format!("{policies} policies"), policies, beside: false, ..self.clone() }
    }

    /// 100 traces a second of 100 spans, 50 KB in all, 30 s each.
    pub fn sizing(&self) -> Self {
        Self {
            name: "sizing ÷ 100".into(),
            shape: Shape { per_trace: 100, spread: 25, ..self.shape },
            rate: 10_000.0,
            wait: Duration::from_secs(30),
            beside: false,
            ..self.clone()
        }
    }

    /// Bytes of a span as it is sent, its share of the rest of the request included.
    pub fn bytes_per_span(&self) -> usize {
        Payload::new(self.shape).bytes_per_span()
    }
}
