//! The registry: hands out instruments by name and labels, and writes them in the Prometheus text format.
//!
//! Names and labels are looked up under a lock, so callers keep the handles; the handles themselves take no lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::config::{Resource, View};
use super::exposition::{self, Style};
use super::families::{Family, Kind};
use super::instruments::{Counter, FloatGauge, Gauge, Histogram};
use super::series::{Store, Value, label_name};
use super::views;

/// The content type of [`Registry::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// The series that shows the resource to scrapers.
pub(super) const TARGET_INFO: &str = "target_info";
/// What only a scrape can cause.
pub(super) const SCRAPE_ERRORS: &str = "promhttp_metric_handler_errors_total";

type Hook = Arc<dyn Fn() + Send + Sync>;

/// All series of the process. A clone is the same registry.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    resource: ArcSwap<Resource>,
    views: ArcSwap<Vec<View>>,
    hooks: Mutex<Vec<Hook>>,
    encoding_errors: Counter,
    gathering_errors: Counter,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// An empty registry, but for what it says of itself.
    pub fn new() -> Self {
        let store = Arc::new(Store::default());
        let errors = |cause| {
            let help = "Total number of internal errors encountered while answering a scrape.";
            let counter = Counter::default();
            let value = Value::Counter(counter.clone());
            store.put(SCRAPE_ERRORS, help, &[("cause", cause)], Kind::Counter, value);
            counter
        };
        let (encoding_errors, gathering_errors) = (errors("encoding"), errors("gathering"));
        let help = "Series that are counted and not shown: over the bound, or a name used for two kinds.";
        let unexposed = Value::Counter(store.unexposed());
        store.put("ringtail_unexposed_series", help, &[], Kind::Counter, unexposed);
        let hooks = Mutex::default();
        let (resource, views) = (ArcSwap::default(), ArcSwap::default());
        Self(Arc::new(Inner { store, resource, views, hooks, encoding_errors, gathering_errors }))
    }

    /// A counter; the same name and labels give the same counter.
    pub fn counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        self.counter_with(name, help, labels, false)
    }

    /// A counter that was made before.
    pub fn find_counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<Counter> {
        match self.0.store.find(name, labels)? {
            Value::Counter(counter) => Some(counter),
            _ => None,
        }
    }

    /// A counter that is shown from its first count on: for labels with many values of which few occur.
    pub fn sparse_counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        self.counter_with(name, help, labels, true)
    }

    fn counter_with(&self, name: &str, help: &str, labels: &[(&str, &str)], sparse: bool) -> Counter {
        let make = || Value::Counter(Counter::default());
        match self.0.store.take(name, help, labels, Kind::Counter, make, sparse) {
            Value::Counter(counter) => counter,
            _ => self.0.store.clash(name, Counter::default()),
        }
    }

    /// A gauge of whole numbers; the same name and labels give the same gauge.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        let make = || Value::Gauge(Gauge::default());
        match self.0.store.take(name, help, labels, Kind::Gauge, make, false) {
            Value::Gauge(gauge) => gauge,
            _ => self.0.store.clash(name, Gauge::default()),
        }
    }

    /// The sum of all gauges of a name.
    pub fn sum_of_gauges(&self, name: &str) -> f64 {
        self.0.store.sum(name)
    }

    /// A gauge of fractions; the same name and labels give the same gauge.
    pub fn float_gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> FloatGauge {
        let make = || Value::Float(FloatGauge::default());
        match self.0.store.take(name, help, labels, Kind::Gauge, make, false) {
            Value::Float(gauge) => gauge,
            _ => self.0.store.clash(name, FloatGauge::default()),
        }
    }

    /// A histogram with ascending `bounds`; the same name and labels give the same histogram.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        bounds: &'static [f64],
    ) -> Histogram {
        let make = || Value::Histogram(Histogram::new(bounds));
        match self.0.store.take(name, help, labels, Kind::Histogram, make, false) {
            Value::Histogram(histogram) => histogram,
            _ => self.0.store.clash(name, Histogram::new(bounds)),
        }
    }

    /// A gauge computed at each scrape; `None` hides it. The same name and labels replace the computation.
    pub fn computed_gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        compute: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        let value = Value::Computed(Arc::new(compute));
        self.0.store.put(name, help, labels, Kind::Gauge, value);
    }

    /// A counter read at each scrape from something that only grows; otherwise as [`Registry::computed_gauge`].
    pub fn computed_counter(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        compute: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        let value = Value::Computed(Arc::new(compute));
        self.0.store.put(name, help, labels, Kind::Counter, value);
    }

    /// A series that is always 1 and says something in its labels: `info` is what is said, and replaces what was
    /// said before under the same name and `key`.
    pub fn info(&self, name: &str, help: &str, key: &[(&str, &str)], info: &[(&str, &str)]) {
        let all: Vec<(&str, &str)> = key.iter().chain(info).copied().collect();
        self.0.store.remove(name, key);
        let one = Gauge::default();
        one.set(1);
        self.0.store.put(name, help, &all, Kind::Gauge, Value::Gauge(one));
    }

    /// The resource of this process from now on, which readers that push send along and `target_info` shows. There
    /// attribute names become label names; where two become one their values are joined.
    pub fn set_resource(&self, resource: Resource) {
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &resource {
            labels
                .entry(label_name(name))
                .and_modify(|old| {
                    old.push(';');
                    old.push_str(value);
                })
                .or_insert_with(|| value.clone());
        }
        let info: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.info(TARGET_INFO, "Target metadata", &[], &info);
        self.0.resource.store(Arc::new(resource));
    }

    /// How what is read is shown from now on.
    pub fn set_views(&self, views: Vec<View>) {
        self.0.views.store(Arc::new(views));
    }

    /// The resource of this process.
    pub fn resource(&self) -> Arc<Resource> {
        self.0.resource.load_full()
    }

    /// Forgets the series that carry all these labels, of a backend that departed: each goes from the exposition
    /// once nobody holds its handle, so what a last answer counts is not lost, and whoever else counts on the same
    /// series keeps it.
    pub fn forget(&self, labels: &[(&str, &str)]) {
        self.0.store.forget(labels);
    }

    /// Runs `hook` before each scrape, for gauges that are only worth computing when somebody looks. It may use
    /// the registry.
    pub fn on_scrape(&self, hook: Box<dyn Fn() + Send + Sync>) {
        self.0.hooks.lock().push(Arc::from(hook));
    }

    /// What all series are now. Takes a while: it may read files.
    pub fn collect(&self) -> Vec<Family> {
        let hooks = self.0.hooks.lock().clone();
        for hook in hooks {
            hook();
        }
        views::apply(&self.0.views.load(), self.0.store.collect())
    }

    /// The Prometheus text format. `suffixes` adds units and `_total` to names; the Collector's default reader does not.
    pub fn render(&self, suffixes: bool) -> String {
        self.render_as(&Style { suffixes, ..Style::default() })
    }

    pub(super) fn render_as(&self, style: &Style) -> String {
        exposition::text(self.collect(), style, |family, error| {
            self.0.encoding_errors.inc();
            tracing::warn!(family, error, "a metric cannot be written");
        })
    }

    /// A scrape failed before there was anything to write.
    pub fn gathering_failed(&self) {
        self.0.gathering_errors.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::SERIES_MAX;
    use super::*;

    #[test]
    fn the_same_name_and_labels_give_the_same_counter() {
        let registry = Registry::new();
        registry.counter("c", "Help", &[("a", "1"), ("b", "2")]).add(3);
        let again = registry.clone().counter("c", "Help", &[("b", "2"), ("a", "1")]);
        again.inc();
        assert_eq!(again.get(), 4);
        assert!(registry.render(false).contains("\nc{a=\"1\",b=\"2\"} 4\n"));
    }

    #[test]
    fn a_family_is_announced_once() {
        let registry = Registry::new();
        registry.counter("calls", "Calls", &[("who", "a")]).inc();
        registry.counter("calls", "Calls", &[("who", "b")]).inc();
        let text = registry.render(false);
        let family = "# HELP calls Calls\n# TYPE calls counter\ncalls{who=\"a\"} 1\ncalls{who=\"b\"} 1\n";
        assert!(text.contains(family), "{text}");
        assert_eq!(text.matches("# TYPE calls ").count(), 1);
    }

    #[test]
    fn counters_end_in_total_only_when_asked() {
        let registry = Registry::new();
        registry.counter("calls", "Calls", &[]).inc();
        registry.gauge("level", "Level", &[]).set(-2);
        assert!(registry.render(false).contains("\ncalls 1\n"));
        let text = registry.render(true);
        assert!(text.contains("# TYPE calls_total counter\ncalls_total 1\n"), "{text}");
        assert!(text.contains("\nlevel -2\n"), "{text}");
        assert!(text.contains("\npromhttp_metric_handler_errors_total{cause=\"gathering\"} 0\n"), "{text}");
    }

    #[test]
    fn label_values_cannot_forge_lines() {
        let registry = Registry::new();
        registry.gauge("g", "Help", &[("x", "a\"b\\c\nevil 1")]).set(1);
        registry.gauge("bad name\n", "Help", &[("bad-label", "v")]).set(1);
        let text = registry.render(false);
        assert!(text.contains("g{x=\"a\\\"b\\\\c\\nevil 1\"} 1\n"), "{text}");
        assert!(text.contains("\nbad_name_{bad_label=\"v\"} 1\n"), "{text}");
    }

    #[test]
    fn a_histogram_is_cumulative() {
        let registry = Registry::new();
        let histogram = registry.histogram("h", "Help", &[], &[1.0, 2.5]);
        [0.5, 2.0, 9.0].iter().for_each(|value| histogram.observe(*value));
        let text = registry.render(false);
        let lines =
            "h_bucket{le=\"1\"} 1\nh_bucket{le=\"2.5\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 11.5\nh_count 3\n";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn series_beyond_the_bound_count_but_are_not_shown() {
        let registry = Registry::new();
        for n in 0..SERIES_MAX {
            registry.counter("many", "Many", &[("n", &n.to_string())]).inc();
        }
        let late = registry.counter("late", "Late", &[]);
        late.inc();
        assert_eq!(late.get(), 1);
        let text = registry.render(false);
        assert!(!text.contains("\nlate"), "over the bound");
        assert_eq!(text.matches("\nmany{").count(), SERIES_MAX - 3, "three series are the registry's own");
        assert!(text.contains("\nringtail_unexposed_series 4\n"));
        registry.forget(&[("n", "7")]);
        registry.counter("late", "Late", &[]).inc();
        assert!(registry.render(false).contains("\nlate 1\n"), "there is room again");
    }

    #[test]
    fn a_name_used_for_two_kinds_is_not_mixed() {
        let registry = Registry::new();
        registry.counter("x", "Counter", &[]).add(2);
        registry.gauge("x", "Gauge", &[("a", "b")]).set(9);
        registry.float_gauge("f", "Float", &[]).set(0.25);
        registry.gauge("f", "Whole", &[]).set(9);
        let text = registry.render(false);
        assert!(text.contains("\nx 2\n") && text.contains("\nf 0.25\n"), "{text}");
        assert!(!text.contains(" 9\n"), "{text}");
    }

    #[test]
    fn hooks_and_computations_run_at_each_scrape_and_may_use_the_registry() {
        let registry = Registry::new();
        let (inner, within) = (Arc::downgrade(&registry.0), Arc::downgrade(&registry.0));
        registry.on_scrape(Box::new(move || {
            if let Some(inner) = inner.upgrade() {
                Registry(inner).counter("scrapes", "Scrapes", &[]).inc();
            }
        }));
        registry.computed_gauge("seen", "Seen", &[], move || {
            let registry = Registry(within.upgrade()?);
            Some(registry.counter("scrapes", "Scrapes", &[]).get() as f64 * 10.0)
        });
        registry.computed_gauge("hidden", "Hidden", &[], || None);
        registry.render(false);
        let text = registry.render(false);
        assert!(text.contains("\nscrapes 2\n") && text.contains("\nseen 20\n"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }

    #[test]
    fn target_info_is_replaced_and_its_names_made_legal() {
        let registry = Registry::new();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        registry.set_resource(vec![pair("service.name", "old")]);
        registry.set_resource(vec![
            pair("service.name", "ringtail"),
            pair("service_name", "x"),
            pair("9a", "y"),
        ]);
        let text = registry.render(false);
        assert!(text.contains("\ntarget_info{_9a=\"y\",service_name=\"ringtail;x\"} 1\n"), "{text}");
        assert!(!text.contains("old"), "{text}");
    }
}
