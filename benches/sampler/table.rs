//! What is printed: one row for each kind in each scenario, medians over the rounds.

use crate::common::text;
use crate::run::Outcome;
use crate::setup::Kind;

/// A row: who, in which scenario, and what came of it.
pub struct Row {
    /// The scenario's name.
    pub scenario: String,
    /// Who.
    pub kind: Kind,
    /// The outcome of each round, where there is one.
    pub rounds: Vec<Option<Outcome>>,
    /// Their medians; counts of things that must not happen are summed.
    pub outcome: Outcome,
}

const HEAD: [&str; 24] = [
    "scenario",
    "who",
    "cpu µs/span",
    "otelcol ÷",
    "spans/s",
    "batch",
    "live",
    "held MB",
    "idle MB",
    "steady MB",
    "peak MB",
    "index MB",
    "steady×",
    "peak×",
    "lag p50 ms",
    "p99",
    "late p50 ms",
    "p99",
    "lost",
    "unwanted",
    "dup",
    "failed",
    "sum",
    "others",
];

impl Row {
    /// Of the outcomes of all rounds; nothing if there are none.
    pub fn new(scenario: String, kind: Kind, rounds: Vec<Option<Outcome>>) -> Option<Self> {
        let known: Vec<_> = rounds.iter().flatten().collect();
        let outcome = (!known.is_empty()).then(|| combined(&known))?;
        Some(Self { scenario, kind, rounds, outcome })
    }

    /// CPU as a multiple of another's, round by round, since these ran in the same minute: the median.
    pub fn times(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        text::median(
            pairs.filter_map(|(this, other)| Some(this.as_ref()?.cpu / other.as_ref()?.cpu)).collect(),
        )
    }
}

impl Outcome {
    /// Memory beyond the idle process, steady and at most, as a multiple of the bytes held.
    pub fn memory(&self) -> [f64; 2] {
        [self.steady_mb, self.peak_mb].map(|mb| (mb - self.idle_mb) / self.held_mb)
    }
}

fn combined(rounds: &[&Outcome]) -> Outcome {
    let of = |field: &dyn Fn(&Outcome) -> f64| text::median(rounds.iter().map(|o| field(o)).collect());
    let sum = |field: &dyn Fn(&Outcome) -> u64| rounds.iter().map(|outcome| field(outcome)).sum();
    let lag = |index: usize| text::median(rounds.iter().filter_map(|o| Some(o.lag_ms?[index])).collect());
    Outcome {
        cpu: of(&|o| o.cpu),
        rate: of(&|o| o.rate),
        batch: of(&|o| o.batch),
        live: of(&|o| o.live),
        held_mb: of(&|o| o.held_mb),
        idle_mb: of(&|o| o.idle_mb),
        steady_mb: of(&|o| o.steady_mb),
        peak_mb: of(&|o| o.peak_mb),
        index_mb: of(&|o| o.index_mb),
        lag_ms: rounds.iter().any(|o| o.lag_ms.is_some()).then(|| [lag(0), lag(1)]),
        late_ms: [0, 1].map(|index| of(&|o| o.late_ms[index])),
        lost: sum(&|o| o.lost),
        unwanted: sum(&|o| o.unwanted),
        duplicates: sum(&|o| o.duplicates),
        foreign: sum(&|o| o.foreign),
        failed: sum(&|o| o.failed),
        imbalance: rounds.iter().map(|o| o.imbalance).sum(),
        load_share: (of(&|o| o.load_share.0), of(&|o| o.load_share.1)),
        others: of(&|o| o.others),
        reason: rounds.iter().find_map(|o| o.reason.clone()),
    }
}

/// The collector's row of the same scenario.
pub fn collector<'a>(rows: &'a [Row], row: &Row) -> Option<&'a Row> {
    rows.iter().find(|other| other.kind == Kind::Otelcol && other.scenario == row.scenario)
}

/// The table as text or as Markdown.
pub fn render(rows: &[Row], markdown: bool) -> String {
    text::table(&HEAD, rows.iter().map(|row| line(row, rows)).collect(), 2, markdown)
}

fn line(row: &Row, rows: &[Row]) -> Vec<String> {
    let o = &row.outcome;
    let own = row.kind != Kind::Otelcol;
    let if_own = |text: String| if own { text } else { "-".to_owned() };
    let [steady, peak] = o.memory();
    let lag = |index: usize| o.lag_ms.map_or("-".to_owned(), |lag| format!("{:.1}", lag[index]));
    vec![
        row.scenario.clone(),
        row.kind.name().to_owned(),
        format!("{:.3}", o.cpu),
        collector(rows, row).map_or("-".to_owned(), |other| format!("{:.1}", 1.0 / row.times(other))),
        format!("{:.0}", o.rate),
        format!("{:.0}", o.batch),
        if_own(format!("{:.0}", o.live)),
        format!("{:.0}", o.held_mb),
        format!("{:.0}", o.idle_mb),
        format!("{:.0}", o.steady_mb),
        format!("{:.0}", o.peak_mb),
        if_own(format!("{:.1}", o.index_mb)),
        format!("{steady:.2}"),
        format!("{peak:.2}"),
        lag(0),
        lag(1),
        format!("{:.0}", o.late_ms[0]),
        format!("{:.0}", o.late_ms[1]),
        o.lost.to_string(),
        o.unwanted.to_string(),
        o.duplicates.to_string(),
        o.failed.to_string(),
        if_own(format!("{}", o.imbalance)),
        format!("{:.2}", o.others),
    ]
}
