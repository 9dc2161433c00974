//! Scraping `/metrics`, and the conservation sum in it.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape(Vec<(String, BTreeMap<String, String>, f64)>);

impl Scrape {
    pub fn parse(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(lines.map(|line| parse_line(line).unwrap_or_else(|| panic!("not a sample: {line}"))).collect())
    }

    /// The sum of the series of this name that carry these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|(_, value)| value).sum()
    }

    /// The series of this name that carry these labels.
    pub fn series<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = (&'a BTreeMap<String, String>, f64)> {
        self.0.iter().filter_map(move |(own, has, value)| {
            let all = labels.iter().all(|(k, v)| has.get(*k).is_some_and(|own| own == v));
            (own == name && all).then_some((has, *value))
        })
    }

    /// What a component's ledger says, for one signal.
    pub fn ledger(&self, component: &str, signal: &str) -> Sums {
        let who = [("component", component), ("signal", signal)];
        let state = |state| self.sum("ringtail_ledger_items", &[&who[..], &[("state", state)]].concat());
        Sums {
            taken: state("taken") as u64,
            recovered: self.sum("ringtail_journal_recovered_spans", &[("processor", component)]) as u64,
            delivered: state("delivered") as u64,
            refused: state("refused") as u64,
            dropped: state("dropped") as u64,
            held: self.sum("ringtail_held_items", &who) as u64,
        }
    }

    /// Items that ended in a component for a reason, refused or dropped.
    pub fn reason(&self, component: &str, reason: &str) -> u64 {
        self.sum("ringtail_ledger_items", &[("component", component), ("reason", reason)]) as u64
    }

    /// Items held anywhere.
    pub fn held(&self) -> f64 {
        self.sum("ringtail_held_items", &[])
    }

    /// Panics unless every component says that its sum closes. The series of a scrape are read one after the other, so
    /// while items move only what was summed up in one go can be asked for.
    pub fn assert_closes(&self) {
        let mut said = self.series("ringtail_conservation_imbalance", &[]).peekable();
        assert!(said.peek().is_some(), "there are no ledgers");
        for (who, value) in said {
            assert_eq!(value, 0.0, "the sum of {who:?} does not close");
        }
    }

    /// Panics unless every component's sum closes, number by number, as it must when nothing moves.
    pub fn assert_balanced(&self) {
        self.assert_closes();
        for (who, _) in self.series("ringtail_conservation_imbalance", &[]) {
            let sums = self.ledger(&who["component"], &who["signal"]);
            let named = sums.delivered + sums.refused + sums.dropped + sums.held;
            assert_eq!(sums.taken, named, "the sum of {who:?}: {sums:?}");
        }
    }
}

/// A ledger at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub taken: u64,
    /// Of those taken, found in a journal at the start.
    pub recovered: u64,
    pub delivered: u64,
    pub refused: u64,
    pub dropped: u64,
    pub held: u64,
}

/// `name{key="value",…} number`; values here hold no quotes or commas inside quotes but `\"`.
fn parse_line(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else {
        return Some((series.to_owned(), BTreeMap::new(), value));
    };
    let labels = labels.strip_suffix('}')?;
    let labels = labels.strip_suffix('"').unwrap_or(labels);
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once("=\"").map(|(k, v)| (k.to_owned(), v.to_owned())));
    Some((name.to_owned(), pairs.collect::<Option<_>>()?, value))
}
