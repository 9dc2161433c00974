//! From OTLP to series: names, labels and types, and the count of what was taken and what was left out.

use std::time::Instant;

use parking_lot::Mutex;

use super::config::Prometheus;
use super::labels::{Labels, Making};
use super::names::{Names, Suffix};
use super::read::{self, Metric, Resource, Scope, Shape, Temporality};
use super::store::{About, Store, Type};
use crate::outcome::Reason;

/// Translates requests.
#[derive(Debug)]
pub(super) struct Translator {
    config: Prometheus,
    names: Names,
    const_labels: Vec<(String, String)>,
}

/// What became of the points of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Points in their series.
    pub(super) points: u64,
    /// Points that are not.
    pub(super) left_out: Vec<(Reason, u64)>,
    /// Names that are known as another type, each once.
    pub(super) clashes: Vec<String>,
}

/// Resource attributes that are `job` and `instance`.
const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

impl Taken {
    fn leave_out(&mut self, reason: Reason, points: u64) {
        if points == 0 {
            return;
        }
        match self.left_out.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, known)) => *known += points,
            None => self.left_out.push((reason, points)),
        }
    }
}

impl Translator {
    pub(super) fn new(config: Prometheus) -> Self {
        let names = Names::new(config.translation, &config.namespace);
        let const_labels =
            config.const_labels.iter().map(|(name, value)| (names.label(name), value.clone())).collect();
        Self { config, names, const_labels }
    }

    /// The name resources are shown under.
    pub(super) fn target_info(&self) -> String {
        self.names.target_info()
    }

    /// Takes an encoded request of `items` points into `store`, which is locked a metric at a time, and not while bytes
    /// are read.
    pub(super) fn take(&self, request: &[u8], items: u64, store: &Mutex<Store>, now: Instant) -> Taken {
        let mut taken = Taken::default();
        let mut shown = None;
        store.lock().tidy(now);
        read::metrics(request, |resource, scope, metric| {
            let before = taken.points;
            self.metric(resource, scope, metric, store, now, &mut taken);
            if taken.points > before && shown != Some(resource.place) {
                shown = Some(resource.place);
                if let Some((key, labels)) = self.target(resource) {
                    store.lock().target(key, labels, now);
                }
            }
        });
        let told: u64 = taken.left_out.iter().map(|(_, points)| points).sum();
        taken.leave_out(Reason::Malformed, items.saturating_sub(taken.points + told));
        taken
    }

    fn metric(
        &self,
        resource: &Resource,
        scope: &Scope,
        metric: &Metric<'_>,
        store: &Mutex<Store>,
        now: Instant,
        taken: &mut Taken,
    ) {
        let Some((kind, suffix)) = shown_as(metric) else {
            return taken.leave_out(Reason::UnsupportedTemporality, metric.len() as u64);
        };
        let Some(name) = self.names.metric(&metric.name, &metric.unit, suffix) else {
            return taken.leave_out(Reason::InvalidName, metric.len() as u64);
        };
        let delta = metric.temporality == Temporality::Delta;
        let about = About { name: &name, help: &metric.description, kind, delta };
        let mut points = Vec::new();
        for point in metric.points() {
            let Ok(mut point) = point else {
                taken.leave_out(Reason::Malformed, 1);
                continue;
            };
            let labels = self.labels(resource, scope, kind, std::mem::take(&mut point.attributes));
            points.push((labels, point));
        }
        let mut store = store.lock();
        for (labels, point) in points {
            match store.put(&about, labels, point, now) {
                Ok(()) => taken.points += 1,
                Err(left_out) => {
                    taken.leave_out(left_out.reason, 1);
                    taken.clashes.extend(left_out.first.then(|| name.clone()));
                }
            }
        }
    }

    /// The labels of a point. What the operator wrote wins, then what the resource and the scope are.
    fn labels(&self, resource: &Resource, scope: &Scope, kind: Type, mut pairs: read::Pairs) -> Labels {
        let mut making = Making::default();
        for (key, value) in &resource.attributes {
            if self.config.resource_labels.has(key) {
                pairs.retain(|(known, _)| known != key);
                pairs.push((key.clone(), value.clone()));
            }
        }
        making.attributes(&self.names, "", pairs);
        match kind {
            Type::Histogram => making.reserve("le"),
            Type::Summary => making.reserve("quantile"),
            Type::Counter | Type::Gauge => {}
        }
        if !self.config.without_scope_info {
            making.attributes(&self.names, "otel_scope_", scope.attributes.clone());
            making.set("otel_scope_name", &scope.name);
            making.set("otel_scope_version", &scope.version);
            making.set("otel_scope_schema_url", &scope.schema_url);
        }
        let (job, instance) = who(resource);
        job.iter().for_each(|job| making.set("job", job));
        instance.iter().for_each(|instance| making.set("instance", instance));
        self.const_labels.iter().for_each(|(name, value)| making.set(name, value));
        making.finish()
    }

    /// The key and labels of a resource's `target_info`; none where nothing says which it is.
    fn target(&self, resource: &Resource) -> Option<(Labels, Labels)> {
        let (job, instance) = who(resource);
        let mut key = Making::default();
        job.iter().for_each(|job| key.set("job", job));
        instance.iter().for_each(|instance| key.set("instance", instance));
        let key = key.finish();
        key.pairs().next()?;
        let own = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];
        let others = resource.attributes.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let mut labels = Making::default();
        labels.attributes(&self.names, "", others.cloned().collect());
        key.pairs().for_each(|(name, value)| labels.set(name, value));
        Some((key, labels.finish()))
    }
}

/// `job` and `instance`.
fn who(resource: &Resource) -> (Option<String>, Option<String>) {
    let find = |key: &str| resource.attributes.iter().rev().find(|(known, _)| known == key).map(|(_, v)| v);
    let job = find(SERVICE_NAME).map(|name| match find(SERVICE_NAMESPACE) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.clone(),
    });
    (job, find(SERVICE_INSTANCE).cloned())
}

/// What Prometheus has for a metric; nothing for points that cannot be added up or have no temporality.
fn shown_as(metric: &Metric<'_>) -> Option<(Type, Suffix)> {
    let counts = metric.temporality != Temporality::Unspecified;
    match (metric.shape, metric.monotonic) {
        (Shape::Gauge, _) => Some((Type::Gauge, Suffix::Gauge)),
        (Shape::Sum, true) => counts.then_some((Type::Counter, Suffix::Counter)),
        (Shape::Sum, false) => {
            (metric.temporality == Temporality::Cumulative).then_some((Type::Gauge, Suffix::Other))
        }
        (Shape::Histogram | Shape::Exponential, _) => counts.then_some((Type::Histogram, Suffix::Other)),
        (Shape::Summary, _) => Some((Type::Summary, Suffix::Other)),
    }
}
