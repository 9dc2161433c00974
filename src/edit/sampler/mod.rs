//! `probabilistic_sampler`: a share of spans or log records, chosen by randomness that all parts of a trace share.

mod log;
mod span;
mod threshold;

use super::attributes::Attributes;
use super::message::Message;
use super::walk::{Around, Editor, Failure, Fate, Parents};
use crate::outcome::Signal;
use crate::semconv::Names;
use crate::trace_state::{NEVER, Ot};

/// What to sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// `sampling_percentage`; above 100 is 100.
    pub percentage: f32,
    /// `mode`.
    pub mode: Mode,
    /// `hash_seed`.
    pub hash_seed: u32,
    /// `fail_closed`: what cannot be judged is dropped.
    pub fail_closed: bool,
    /// `sampling_precision`: significant hexadecimal digits of thresholds.
    pub precision: u32,
    /// `attribute_source: record`: log records are chosen by `from_attribute` even when they have a trace id.
    pub by_attribute: bool,
    /// `from_attribute` of log records.
    pub from_attribute: String,
    /// `sampling_priority`: an attribute of log records with a percentage of its own.
    pub priority: String,
    /// `semconv`: which attributes these two mean.
    pub names: Names,
}

/// How it is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By a hash of the trace id, whatever was sampled before.
    HashSeed,
    /// By the trace's randomness; the share is of what was before any sampling.
    Equalizing,
    /// By the trace's randomness; the share is of what arrives.
    Proportional,
}

/// `mode` and percentage together: what is asked of an item.
#[derive(Clone, Copy, Debug)]
enum Method {
    Never,
    Hash(u64),       // threshold
    Equalizing(u64), // threshold
    Proportional(f64),
}

/// Leaves out what is not chosen, and writes into the rest how it was chosen.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    method: Method,
    signal: Signal,
    list: Attributes,
    out: Vec<u8>,
    counts: Counts,
}

/// What decided about items; of each the number of those that were left out and of those that were kept.
pub type Counts = [[u64; 2]; 6];

/// Where the randomness came from that decided, by its place in [`Counts`].
#[derive(Clone, Copy, Debug)]
enum Decider {
    TraceIdHash,
    Attribute,
    SamplingRandomness,
    TraceIdW3c,
    Priority,
    Missing,
}

/// What an item says of itself, or that it cannot be judged.
#[derive(Clone, Copy, Debug)]
struct Judged {
    randomness: Option<u64>,
    /// What it carries, with randomness that is new in it. `None`: it is not to be changed.
    carried: Option<Ot>,
    /// Something about it does not fit the mode or cannot be read.
    odd: bool,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug)]
struct Decided {
    kept: bool,
    /// What it has to carry, if that is to be written.
    carried: Option<Ot>,
    /// The threshold in that is this sampler's, and not a stricter one from before.
    sets: bool,
}

/// Randomness of which every threshold is met.
const ALL: u64 = NEVER - 1;

impl Sampler {
    /// A sampler of its own.
    pub fn new(sampling: Sampling) -> Self {
        let method = sampling.method();
        let (list, out) = (Attributes::default(), Vec::new());
        Self { sampling, method, signal: Signal::Traces, list, out, counts: Counts::default() }
    }

    /// What becomes of an item. `priority` is the threshold that it asks for itself.
    fn decide(&self, judged: Judged, priority: Option<u64>) -> Decided {
        let Judged { randomness, mut carried, mut odd } = judged;
        odd |= randomness.is_none();
        let randomness = randomness.unwrap_or(ALL);
        if let (false, Some(ot)) = (odd, &mut carried)
            && ot.threshold.is_some_and(|threshold| threshold > randomness)
        {
            ot.threshold = None; // it should not have come so far: what it says of itself is not true
            odd = true;
        }
        let threshold = match (odd, self.sampling.fail_closed) {
            (true, true) => NEVER,
            (true, false) => 0,
            (false, _) => self.threshold(carried.and_then(|ot| ot.threshold)),
        };
        let threshold = priority.unwrap_or(threshold);
        if threshold > randomness {
            return Decided { kept: false, carried: None, sets: false };
        }
        let mut sets = false;
        if let Some(ot) = &mut carried
            && ot.threshold.is_none_or(|before| before <= threshold)
        {
            ot.threshold = Some(threshold);
            sets = true;
        }
        Decided { kept: true, carried, sets }
    }

    fn threshold(&self, arriving: Option<u64>) -> u64 {
        match self.method {
            Method::Never => NEVER,
            Method::Hash(threshold) => threshold,
            Method::Equalizing(threshold) => threshold.max(arriving.unwrap_or(0)),
            Method::Proportional(ratio) => {
                let before = arriving.map_or(1.0, threshold::probability);
                threshold::of_probability(before * ratio, self.sampling.precision).unwrap_or(NEVER)
            }
        }
    }

    /// What the method makes of an item that carries `read` and has this randomness by the method and by its trace id.
    fn judge(&self, read: Option<Ot>, hashed: impl FnOnce() -> Option<u64>, by_id: Option<u64>) -> Judged {
        let Some(ot) = read else {
            let randomness = match self.method {
                Method::Never => Some(ALL),
                Method::Hash(_) => hashed(),
                _ => None,
            };
            return Judged { randomness, carried: None, odd: true };
        };
        match self.method {
            Method::Never => Judged { randomness: Some(ALL), carried: Some(ot), odd: false },
            Method::Hash(_) if ot.randomness.is_some() || ot.threshold.is_some() => {
                Judged { randomness: hashed(), carried: None, odd: true }
            }
            Method::Hash(_) => {
                let randomness = hashed();
                let written = randomness.or(Some(ALL)); // what is kept without any has the most there is
                Judged { randomness, carried: Some(Ot { randomness: written, ..ot }), odd: false }
            }
            _ => Judged { randomness: ot.randomness.or(by_id), carried: Some(ot), odd: false },
        }
    }
}

impl Sampler {
    /// Counts a decision by what it was made with.
    fn count(
        &mut self,
        judged: Judged,
        read: Option<Ot>,
        has_priority: bool,
        by_attribute: bool,
        kept: bool,
    ) {
        let decider = match self.method {
            _ if has_priority => Decider::Priority,
            Method::Never => Decider::Priority, // the Collector's name where nothing is asked
            _ if judged.randomness.is_none() => Decider::Missing,
            Method::Hash(_) if by_attribute => Decider::Attribute,
            Method::Hash(_) => Decider::TraceIdHash,
            _ if read.is_some_and(|ot| ot.randomness.is_some()) => Decider::SamplingRandomness,
            _ => Decider::TraceIdW3c,
        };
        self.counts[decider as usize][usize::from(kept)] += 1;
    }
}

impl Sampling {
    /// The Collector's names of what decides, in the order of [`Counts`].
    pub fn deciders(&self) -> [&str; 6] {
        [
            "trace_id_hash",
            &self.from_attribute,
            "sampling_randomness",
            "trace_id_w3c",
            "sampling_priority",
            "missing_randomness",
        ]
    }

    fn method(&self) -> Method {
        let percentage = self.percentage.min(100.0);
        if percentage <= 0.0 {
            return Method::Never;
        }
        let ratio = (f64::from(percentage) / 100.0).max(threshold::LEAST);
        match self.mode {
            Mode::Equalizing => {
                Method::Equalizing(threshold::of_probability(ratio, self.precision).unwrap_or(NEVER))
            }
            Mode::Proportional => Method::Proportional(ratio),
            Mode::HashSeed => match threshold::of_buckets(percentage) {
                Some(threshold) => Method::Hash(threshold),
                None => Method::Never,
            },
        }
    }
}

impl Editor for Sampler {
    fn begin(&mut self, around: &Around<'_>) {
        self.signal = around.signal;
    }

    fn take_counts(&mut self) -> Option<Counts> {
        Some(std::mem::take(&mut self.counts))
    }

    fn item(&mut self, item: &mut Message<'_>, _: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        match self.signal {
            Signal::Traces => Ok(self.span(item)?),
            Signal::Logs => Ok(self.log(item)?),
            Signal::Metrics => Ok(Fate::Keep),
        }
    }
}
