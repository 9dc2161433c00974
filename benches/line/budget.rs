//! The budgets of the design, stated: what ringtail may cost as a multiple of a peer in the same run.

use crate::peer::Kind;
use crate::table::{Row, beside};

/// One budget.
struct Budget {
    spans: usize,
    backends: u16,
    peer: Kind,
    at_most: f64,
    goal: f64,
}

const BUDGETS: [Budget; 3] = [
    Budget { spans: 128, backends: 4, peer: Kind::Envoy, at_most: 1.5, goal: 1.0 },
    Budget { spans: 16, backends: 4, peer: Kind::Envoy, at_most: 1.0, goal: 0.6 },
    Budget { spans: 128, backends: 4, peer: Kind::Otelcol, at_most: 1.0 / 9.0, goal: 1.0 / 14.0 },
];

/// The most that the cost of a span may differ between the flat scenarios, beyond what noise explains.
const FLAT: f64 = 1.15;

/// A line for every budget that these rows can judge.
pub fn judge(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for budget in &BUDGETS {
        let name = format!("{}×{}", budget.spans, budget.backends);
        let ringtail = rows.iter().find(|row| row.kind == Kind::Ringtail && row.scenario == name);
        let Some([ratio, ..]) = ringtail.and_then(|row| row.times(beside(rows, row, budget.peer)?)) else {
            continue;
        };
        let verdict = match ratio {
            _ if ratio <= budget.goal => "goal met",
            _ if ratio <= budget.at_most => "met",
            _ => "MISSED",
        };
        lines.push(format!(
            "budget {name}: {ratio:.3} × {}, at most {:.3}, goal {:.3}: {verdict}",
            budget.peer.name(),
            budget.at_most,
            budget.goal
        ));
    }
    lines
}

/// The line for the flat scenarios: the dearest span against that of the fewest backends.
pub fn judge_flat(rows: &[Row]) -> Option<String> {
    let (first, rest) = rows.split_first()?;
    let most = rest.iter().map(|row| row.outcome.cpu / first.outcome.cpu).fold(f64::MIN, f64::max);
    let verdict = if most <= FLAT { "met" } else { "MISSED" };
    (!rest.is_empty()).then(|| {
        format!("budget flat: a span costs {most:.3} × that of {}, at most {FLAT}: {verdict}", first.scenario)
    })
}
