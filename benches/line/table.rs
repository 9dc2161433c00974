//! What is printed: one row for each peer in each scenario, medians over the rounds.

use crate::common::text;
use crate::peer::Kind;
use crate::scenario::Outcome;

/// A row: who, in which scenario, and what came of it.
pub struct Row {
    /// The scenario's name.
    pub scenario: String,
    /// The peer.
    pub kind: Kind,
    /// The outcome of each round, where there is one.
    pub rounds: Vec<Option<Outcome>>,
    /// Their medians; counts of things that must not happen are summed.
    pub outcome: Outcome,
}

const HEAD: [&str; 23] = [
    "spans×backends",
    "peer",
    "cpu µs/span",
    "×envoy",
    "least–most",
    "×otelcol",
    "spans/s",
    "out/in",
    "RSS MB",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "+p50 µs",
    "+p99 µs",
    "split",
    "lost",
    "dup",
    "foreign",
    "failed",
    "conns",
    "gen µs/span",
    "sink µs/span",
    "others",
];

impl Row {
    /// Of the outcomes of all rounds; nothing if there are none.
    pub fn new(scenario: String, kind: Kind, rounds: Vec<Option<Outcome>>) -> Option<Self> {
        let known: Vec<_> = rounds.iter().flatten().collect();
        let outcome = (!known.is_empty()).then(|| combined(&known))?;
        Some(Self { scenario, kind, rounds, outcome })
    }

    /// CPU as a multiple of another peer's, round by round, since these ran in the same minute: median, least, most.
    pub fn times(&self, other: &Self) -> Option<[f64; 3]> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let mut ratios: Vec<_> =
            pairs.filter_map(|(this, other)| Some(this.as_ref()?.cpu / other.as_ref()?.cpu)).collect();
        ratios.sort_by(f64::total_cmp);
        Some([text::median(ratios.clone()), *ratios.first()?, *ratios.last()?])
    }
}

fn combined(rounds: &[&Outcome]) -> Outcome {
    let of =
        |field: &dyn Fn(&Outcome) -> f64| text::median(rounds.iter().map(|outcome| field(outcome)).collect());
    let sum = |field: &dyn Fn(&Outcome) -> u64| rounds.iter().map(|outcome| field(outcome)).sum();
    Outcome {
        cpu: of(&|o| o.cpu),
        generator_cpu: of(&|o| o.generator_cpu),
        sink_cpu: of(&|o| o.sink_cpu),
        load_share: (of(&|o| o.load_share.0), of(&|o| o.load_share.1)),
        others: of(&|o| o.others),
        rate: of(&|o| o.rate),
        fan: of(&|o| o.fan),
        rss_mb: of(&|o| o.rss_mb),
        latency: [0, 1, 2].map(|i| of(&|o| o.latency[i])),
        split: sum(&|o| o.split),
        lost: sum(&|o| o.lost),
        duplicates: sum(&|o| o.duplicates),
        foreign: sum(&|o| o.foreign),
        failed: sum(&|o| o.failed),
        reconnects: sum(&|o| o.reconnects),
        connections: rounds.iter().map(|o| o.connections).max().unwrap_or(0),
        reason: rounds.iter().find_map(|o| o.reason.clone()),
    }
}

/// The table as text or as Markdown.
pub fn render(rows: &[Row], markdown: bool) -> String {
    text::table(&HEAD, rows.iter().map(|row| line(row, rows)).collect(), 2, markdown)
}

/// Another peer's row of the same scenario.
pub fn beside<'a>(rows: &'a [Row], row: &Row, kind: Kind) -> Option<&'a Row> {
    rows.iter().find(|other| other.kind == kind && other.scenario == row.scenario)
}

fn line(row: &Row, rows: &[Row]) -> Vec<String> {
    let o = &row.outcome;
    let carried = row.kind != Kind::Null;
    let times = |kind| beside(rows, row, kind).filter(|_| carried).and_then(|other| row.times(other));
    let envoy = times(Kind::Envoy);
    let dash = || "-".to_owned();
    let added = |quantile: usize| match beside(rows, row, Kind::Null) {
        Some(null) if carried => format!("{:.0}", o.latency[quantile] - null.outcome.latency[quantile]),
        _ => dash(),
    };
    vec![
        row.scenario.clone(),
        row.kind.name().to_owned(),
        if carried { format!("{:.3}", o.cpu) } else { dash() },
        envoy.map_or_else(dash, |[median, ..]| format!("{median:.2}")),
        envoy.map_or_else(dash, |[_, least, most]| format!("{least:.2}–{most:.2}")),
        times(Kind::Otelcol).map_or_else(dash, |[median, ..]| format!("{median:.3}")),
        format!("{:.0}", o.rate),
        format!("{:.2}", o.fan),
        if carried { format!("{:.0}", o.rss_mb) } else { dash() },
        format!("{:.0}", o.latency[0]),
        format!("{:.0}", o.latency[1]),
        format!("{:.0}", o.latency[2]),
        added(0),
        added(1),
        if carried { o.split.to_string() } else { dash() },
        o.lost.to_string(),
        o.duplicates.to_string(),
        o.foreign.to_string(),
        o.failed.to_string(),
        o.connections.to_string(),
        format!("{:.3}", o.generator_cpu),
        format!("{:.3}", o.sink_cpu),
        format!("{:.2}", o.others),
    ]
}
