//! The last value of every series, in families of one name; what is kept, what is left out and why.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::labels::Labels;
use super::point::{Exemplar, Point, Value};
use crate::outcome::Reason;

/// What a family is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// What a point's metric says of its family.
#[derive(Clone, Debug)]
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) kind: Type,
    /// Its points count from the last one.
    pub(super) delta: bool,
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) series: usize,
    pub(super) bytes: usize,
    pub(super) expiration: Duration,
}

/// All series.
#[derive(Debug)]
pub(super) struct Store {
    limits: Limits,
    families: BTreeMap<String, Family>,
    targets: BTreeMap<Labels, Target>,
    target_info: String,
    series: usize,
    bytes: usize,
    swept: Option<Instant>,
}

/// The series of one name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) kind: Type,
    pub(super) help: String,
    pub(super) series: BTreeMap<Labels, Series>,
    /// A point of another type came and was told of.
    clashed: bool,
}

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) value: Value,
    pub(super) exemplars: Vec<Exemplar>,
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    start: u64,
    updated: Instant,
}

#[derive(Debug)]
struct Target {
    labels: Labels,
    updated: Instant,
}

/// Why a point is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) reason: Reason,
    /// It is the first of its family: worth a line in the log.
    pub(super) first: bool,
}

/// What a series costs beside its labels and values: nodes of trees and the fields of fixed size.
const SERIES_BYTES: usize = 192;
/// Longest time between two looks for what has expired, where nobody scrapes.
const SWEEP_TIME_MAX: Duration = Duration::from_secs(60);

impl Store {
    /// An empty store; `target_info` is the name that resources are shown under.
    pub(super) fn new(limits: Limits, target_info: String) -> Self {
        let (families, targets) = (BTreeMap::new(), BTreeMap::new());
        Self { limits, families, targets, target_info, series: 0, bytes: 0, swept: None }
    }

    /// Other limits. What is kept over them stays until it expires.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes a point.
    pub(super) fn put(
        &mut self,
        about: &About<'_>,
        labels: Labels,
        point: Point,
        now: Instant,
    ) -> Result<(), LeftOut> {
        let left_out = |reason| LeftOut { reason, first: false };
        if about.name == self.target_info {
            return Err(left_out(Reason::TypeConflict));
        }
        let Some(family) = self.families.get_mut(about.name) else {
            return if point.no_value { Ok(()) } else { self.begin(about, labels, point, now) };
        };
        if family.kind != about.kind {
            let first = !std::mem::replace(&mut family.clashed, true);
            return Err(LeftOut { reason: Reason::TypeConflict, first });
        }
        if point.no_value {
            if let Some(gone) = family.series.remove(&labels) {
                self.series -= 1;
                self.bytes -= cost(&labels, &gone);
            }
            self.prune(about.name);
            return Ok(());
        }
        let Some(series) = family.series.get_mut(&labels) else {
            return self.begin(about, labels, point, now);
        };
        let next = follow(series, about, point, now).map_err(left_out)?;
        self.bytes = self.bytes - cost(&labels, series) + cost(&labels, &next);
        *series = next;
        Ok(())
    }

    /// The first point of a series.
    fn begin(
        &mut self,
        about: &About<'_>,
        labels: Labels,
        point: Point,
        now: Instant,
    ) -> Result<(), LeftOut> {
        let series = Series::new(point, now);
        let mut bytes = cost(&labels, &series);
        if !self.families.contains_key(about.name) {
            bytes += about.name.len() + about.help.len();
        }
        if !self.has_room(bytes, now) {
            return Err(LeftOut { reason: Reason::SeriesFull, first: false });
        }
        let family = self.families.entry(about.name.to_owned()).or_insert_with(|| Family {
            kind: about.kind,
            help: about.help.to_owned(),
            series: BTreeMap::new(),
            clashed: false,
        });
        family.series.insert(labels, series);
        self.series += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// The resource of points that were taken: `key` are its job and instance.
    pub(super) fn target(&mut self, key: Labels, labels: Labels, now: Instant) {
        let cost = |target: &Target, key: &Labels| key.len() + target.labels.len() + SERIES_BYTES;
        let target = Target { labels, updated: now };
        let bytes = cost(&target, &key);
        if let Some(known) = self.targets.get_mut(&key) {
            self.bytes = self.bytes - cost(known, &key) + bytes;
            *known = target;
        } else if self.has_room(bytes, now) {
            self.series += 1;
            self.bytes += bytes;
            self.targets.insert(key, target);
        }
    }

    fn has_room(&mut self, bytes: usize, now: Instant) -> bool {
        let full = |store: &Self| {
            store.series >= store.limits.series || store.bytes.saturating_add(bytes) > store.limits.bytes
        };
        if full(self) {
            self.sweep_at_times(now, Duration::from_secs(1));
        }
        !full(self)
    }

    /// Lets go of what was not updated for too long, now and then.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.sweep_at_times(now, self.limits.expiration.min(SWEEP_TIME_MAX));
    }

    fn sweep_at_times(&mut self, now: Instant, every: Duration) {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= every) {
            self.expire(now);
        }
    }

    /// Lets go of what was not updated for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        self.swept = Some(now);
        let expiration = self.limits.expiration;
        let lives = |updated: Instant| now.saturating_duration_since(updated) <= expiration;
        let (mut series, mut bytes) = (0, 0);
        self.families.retain(|name, family| {
            family.series.retain(|_, series| lives(series.updated));
            if family.series.is_empty() {
                return false;
            }
            series += family.series.len();
            bytes += family.series.iter().map(|(labels, series)| cost(labels, series)).sum::<usize>();
            bytes += name.len() + family.help.len();
            true
        });
        self.targets.retain(|_, target| lives(target.updated));
        series += self.targets.len();
        bytes += self.targets.iter().map(|(key, t)| key.len() + t.labels.len() + SERIES_BYTES).sum::<usize>();
        (self.series, self.bytes) = (series, bytes);
    }

    /// A family that lost its last series is forgotten, its type and help with it.
    fn prune(&mut self, name: &str) {
        if self.families.get(name).is_some_and(|family| family.series.is_empty())
            && let Some(family) = self.families.remove(name)
        {
            self.bytes -= name.len() + family.help.len();
        }
    }

    /// The family that follows `after` in the order of names.
    pub(super) fn next(&self, after: Option<&str>) -> Option<(&str, &Family)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.families.range::<str, _>((from, Bound::Unbounded)).next().map(|(name, one)| (name.as_str(), one))
    }

    /// The name of `target_info`, and the labels of every target.
    pub(super) fn targets(&self) -> (&str, impl Iterator<Item = &Labels>) {
        (&self.target_info, self.targets.values().map(|target| &target.labels))
    }

    /// Series and bytes now.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.series, self.bytes)
    }
}

impl Series {
    fn new(point: Point, now: Instant) -> Self {
        let Point { start, time, value, exemplars, .. } = point;
        Self { value, exemplars: latest(exemplars), time, start, updated: now }
    }

    /// The latest exemplar above the one bound and up to the other.
    pub(super) fn exemplar_between(&self, below: f64, bound: f64) -> Option<&Exemplar> {
        self.exemplars.iter().rev().find(|one| one.value > below && one.value <= bound)
    }
}

/// What a series is after one more point, or why it stays as it is.
fn follow(series: &Series, about: &About<'_>, point: Point, now: Instant) -> Result<Series, Reason> {
    let mut next = Series::new(point, now);
    let histogram = about.kind == Type::Histogram;
    let follows = next.start == series.time;
    match about.delta {
        // A histogram that begins later is a restart; one that begins earlier overlaps what was counted.
        true if histogram && !follows && next.start <= series.time => return Err(Reason::OutOfOrder),
        _ if !histogram && next.time < series.time => return Err(Reason::OutOfOrder),
        false if next.time < series.time => return Err(Reason::OutOfOrder),
        true if follows => {
            if next.value.add(&series.value) {
                next.start = series.start;
            }
            next.time = next.time.max(series.time);
        }
        _ => {}
    }
    Ok(next)
}

/// Exemplars that are shown: the last ones of a point.
fn latest(mut exemplars: Vec<Exemplar>) -> Vec<Exemplar> {
    exemplars.sort_by_key(|exemplar| exemplar.time);
    exemplars.drain(..exemplars.len().saturating_sub(EXEMPLARS_MAX));
    exemplars
}

/// One a bucket is shown; few histograms have more.
const EXEMPLARS_MAX: usize = 32;

fn cost(labels: &Labels, series: &Series) -> usize {
    let exemplars = series.exemplars.len() * size_of::<Exemplar>();
    labels.len() + series.value.heap() + exemplars + SERIES_BYTES
}
