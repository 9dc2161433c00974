//! The table of series behind the registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

use super::families::{Family, Kind, Labels, Number, Point};
use super::instruments::{Counter, FloatGauge, Gauge, Histogram};
use super::names::described;

/// Most series exposed at once. More can be asked for and used, but are not shown.
pub const SERIES_MAX: usize = 50_000;

/// What reads a computed series.
pub(super) type Compute = Arc<dyn Fn() -> Option<f64> + Send + Sync>;

#[derive(Default)]
pub(super) struct Store {
    families: Mutex<Families>,
    unexposed: Counter,
    warned: AtomicBool,
}

#[derive(Default)]
struct Families {
    by_name: BTreeMap<String, Table>,
    series: usize,
}

struct Table {
    help: String,
    kind: Kind,
    series: BTreeMap<Labels, Series>,
}

struct Series {
    value: Value,
    /// Not shown while zero.
    sparse: bool,
    /// Forgotten: goes when the last handle outside the registry does.
    departed: bool,
}

#[derive(Clone)]
pub(super) enum Value {
    Counter(Counter),
    Gauge(Gauge),
    Float(FloatGauge),
    Histogram(Histogram),
    Computed(Compute),
}

impl Store {
    /// The value under name and labels, made if it is not there. Past the bound, or when the name is in use for
    /// another kind, what is made is not kept.
    pub(super) fn take(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        kind: Kind,
        make: impl FnOnce() -> Value,
        sparse: bool,
    ) -> Value {
        let (name, labels) = (metric_name(name), sorted(labels));
        let mut families = self.families.lock();
        let room = families.series < SERIES_MAX;
        if let Some(family) = families.by_name.get_mut(&name) {
            if family.kind != kind {
                return self.refuse(&name, make());
            }
            if let Some(series) = family.series.get_mut(&labels) {
                series.departed = false;
                return series.value.clone();
            }
        }
        if !room {
            return self.refuse(&name, make());
        }
        let value = make();
        families.series += 1;
        let family = families.by_name.entry(name).or_insert_with(|| Table {
            help: help.to_owned(),
            kind,
            series: BTreeMap::new(),
        });
        family.series.insert(labels, Series { value: value.clone(), sparse, departed: false });
        value
    }

    /// The value under name and labels, if it is there.
    pub(super) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<Value> {
        let families = self.families.lock();
        let family = families.by_name.get(&metric_name(name))?;
        family.series.get(&sorted(labels)).map(|series| series.value.clone())
    }

    /// The sum of the gauges of a name.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let values: Vec<Value> = {
            let families = self.families.lock();
            let family = families.by_name.get(&metric_name(name));
            family
                .into_iter()
                .flat_map(|family| family.series.values())
                .map(|one| one.value.clone())
                .collect()
        };
        let one = |value: &Value| match value {
            Value::Gauge(gauge) => gauge.get() as f64,
            Value::Float(gauge) => gauge.get(),
            Value::Computed(compute) => compute().unwrap_or(0.0),
            Value::Counter(_) | Value::Histogram(_) => 0.0,
        };
        values.iter().map(one).sum()
    }

    /// Puts a value under name and labels, in place of what was there.
    pub(super) fn put(&self, name: &str, help: &str, labels: &[(&str, &str)], kind: Kind, value: Value) {
        self.take(name, help, labels, kind, || value.clone(), false);
        let (name, labels) = (metric_name(name), sorted(labels));
        let mut families = self.families.lock();
        let family = families.by_name.get_mut(&name).filter(|family| family.kind == kind);
        if let Some(series) = family.and_then(|family| family.series.get_mut(&labels)) {
            series.value = value;
        }
    }

    pub(super) fn remove(&self, name: &str, labels: &[(&str, &str)]) {
        let mut families = self.families.lock();
        let Some(family) = families.by_name.get_mut(&metric_name(name)) else { return };
        let before = family.series.len();
        family.series.retain(|own, _| !carries(own, labels));
        let gone = before - family.series.len();
        families.series -= gone;
        families.prune();
    }

    pub(super) fn forget(&self, labels: &[(&str, &str)]) {
        if labels.is_empty() {
            return;
        }
        let mut families = self.families.lock();
        for family in families.by_name.values_mut() {
            for (own, series) in &mut family.series {
                series.departed |= carries(own, labels);
            }
        }
        families.prune();
    }

    /// The count of series that are not shown.
    pub(super) fn unexposed(&self) -> Counter {
        self.unexposed.clone()
    }

    /// Two callers use one series as different instruments.
    pub(super) fn clash<T>(&self, name: &str, value: T) -> T {
        self.refuse(name, ());
        value
    }

    fn refuse<T>(&self, name: &str, value: T) -> T {
        self.unexposed.inc();
        if !self.warned.swap(true, Relaxed) {
            tracing::warn!(
                metric = name,
                limit = SERIES_MAX,
                "a metric series is counted but not shown: too many series, or its name is in use for another \
                 kind; see ringtail_unexposed_series"
            );
        }
        value
    }
}

impl Families {
    /// Lets go of departed series that nobody holds, and of families without series.
    fn prune(&mut self) {
        let mut gone = 0;
        self.by_name.retain(|_, family| {
            let before = family.series.len();
            family.series.retain(|_, series| !series.departed || series.value.held());
            gone += before - family.series.len();
            !family.series.is_empty()
        });
        self.series -= gone;
    }
}

impl Value {
    /// `None` where a computation hides it.
    fn now(&self) -> Option<Number> {
        Some(match self {
            Self::Counter(counter) => Number::Int(i64::try_from(counter.get()).unwrap_or(i64::MAX)),
            Self::Gauge(gauge) => Number::Int(gauge.get()),
            Self::Float(gauge) => Number::Float(gauge.get()),
            Self::Computed(compute) => Number::Float(compute()?),
            Self::Histogram(histogram) => Number::Histogram(histogram.snapshot()),
        })
    }

    fn is_zero(&self) -> bool {
        matches!(self, Self::Counter(counter) if counter.get() == 0)
    }

    /// Whether a handle exists outside the registry.
    fn held(&self) -> bool {
        let holders = match self {
            Self::Counter(counter) => counter.holders(),
            Self::Gauge(gauge) => gauge.holders(),
            Self::Float(gauge) => gauge.holders(),
            Self::Histogram(histogram) => histogram.holders(),
            Self::Computed(_) => 1,
        };
        holders > 1
    }
}

impl Store {
    /// What all series that are shown are now. Computations run outside the lock and may use the registry.
    pub(super) fn collect(&self) -> Vec<Family> {
        self.shown().into_iter().map(Shown::now).filter(|family| !family.points.is_empty()).collect()
    }

    fn shown(&self) -> Vec<Shown> {
        let mut families = self.families.lock();
        families.prune();
        let mut shown = Vec::with_capacity(families.by_name.len());
        for (name, family) in &families.by_name {
            let series = family.series.iter().filter(|(_, series)| !series.sparse || !series.value.is_zero());
            shown.push(Shown {
                name: name.clone(),
                help: family.help.clone(),
                kind: family.kind,
                series: series.map(|(labels, series)| (labels.clone(), series.value.clone())).collect(),
            });
        }
        shown
    }
}

/// A family with handles of its series.
struct Shown {
    name: String,
    help: String,
    kind: Kind,
    series: Vec<(Labels, Value)>,
}

impl Shown {
    fn now(self) -> Family {
        let points = self.series.into_iter();
        let points = points.filter_map(|(labels, value)| Some(Point { labels, value: value.now()? }));
        let about = described(&self.name);
        Family { name: self.name, help: self.help, kind: self.kind, about, points: points.collect() }
    }
}

fn carries(own: &Labels, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(name, value)| own.iter().any(|(n, v)| n == name && v == value))
}

fn sorted(labels: &[(&str, &str)]) -> Labels {
    let mut sorted: Labels =
        labels.iter().map(|(name, value)| (label_name(name), (*value).to_owned())).collect();
    sorted.sort();
    sorted.dedup_by(|later, first| later.0 == first.0);
    sorted
}

/// A name the text format can carry: anything else would make the whole page unreadable.
fn metric_name(name: &str) -> String {
    legal(name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// As for metrics, without the colon.
pub(super) fn label_name(name: &str) -> String {
    legal(name, |c| c.is_ascii_alphanumeric() || c == '_')
}

fn legal(name: &str, allowed: impl Fn(char) -> bool) -> String {
    let mut legal: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if legal.chars().next().is_none_or(|c| c.is_ascii_digit()) {
        legal.insert(0, '_');
    }
    legal
}
