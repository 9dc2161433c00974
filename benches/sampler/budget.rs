//! The budgets of the design, stated.

use crate::setup::Kind;
use crate::table::{Row, collector};

/// CPU of a span as a share of the collector's.
const CPU: [f64; 2] = [1.0 / 9.0, 1.0 / 16.0];
/// Memory as a multiple of the bytes held.
const MEMORY: [f64; 2] = [1.3, 1.1];
/// Verdict lag, p99, in milliseconds.
const LAG_MS: [f64; 2] = [50.0, 50.0];
/// What a span may cost with the most live traces, as a multiple of what it costs with the fewest.
const LIVE: f64 = 1.25;

/// A line for every budget that these rows can judge.
pub fn judge(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows.iter().filter(|row| row.kind != Kind::Otelcol) {
        let mut say = |what: &str, value: f64, bounds: [f64; 2]| {
            lines.push(line(&format!("{}, {}: {what}", row.scenario, row.kind.name()), value, bounds));
        };
        let other = collector(rows, row);
        if let Some(other) = other {
            say("CPU of a span × otelcol's", row.times(other), CPU);
        }
        if other.is_some() || row.scenario.starts_with("sizing") {
            say("memory × bytes held, steady", row.outcome.memory()[0], MEMORY);
            say("memory × bytes held, at most", row.outcome.memory()[1], MEMORY);
        }
        if let Some([_, p99]) = row.outcome.lag_ms {
            say("verdict lag p99, ms", p99, LAG_MS);
        }
    }
    for kind in [Kind::Memory, Kind::Files, Kind::Lz4, Kind::Held] {
        lines.extend(growth(rows, kind, " live", |_| LIVE));
        lines.extend(growth(rows, kind, " policies", |times| times));
    }
    lines
}

/// What a span costs in the last scenario of a sweep beside the first; `bound` makes the most of how far they are apart.
fn growth(rows: &[Row], kind: Kind, sweep: &str, bound: impl Fn(f64) -> f64) -> Option<String> {
    let size = |row: &Row| row.scenario.split(' ').next()?.parse::<f64>().ok();
    let swept: Vec<_> = rows.iter().filter(|row| row.kind == kind && row.scenario.ends_with(sweep)).collect();
    let (first, last) = (swept.first()?, swept.last()?);
    let bound = bound(size(last)? / size(first)?);
    let name = format!("{}: CPU of a span with {} × with {}", kind.name(), last.scenario, first.scenario);
    (swept.len() > 1).then(|| line(&name, last.outcome.cpu / first.outcome.cpu, [bound, bound]))
}

fn line(name: &str, value: f64, [at_most, goal]: [f64; 2]) -> String {
    let verdict = match value {
        _ if value <= goal => "goal met",
        _ if value <= at_most => "met",
        _ => "MISSED",
    };
    format!("budget {name}: {value:.3}, at most {at_most:.3}, goal {goal:.3}: {verdict}")
}
