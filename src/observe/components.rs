//! The counters dashboards already know, by the Collector's names, and those of the load balancer that are ours.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::instruments::{Counter, FloatGauge, Gauge, Histogram};
use super::metrics::Registry;
use crate::outcome::Signal;

/// Upper bounds of `otelcol_loadbalancer_backend_latency`, in milliseconds.
const LATENCY_MS: &[f64] = &[5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];

/// `otelcol_receiver_*` of one receiver and transport. A signal's series appear with its first request.
#[derive(Clone)]
pub struct ReceiverMetrics(Arc<PerSignal<3>>);

/// `N` counters of each signal, under names that end in what the signal counts.
struct PerSignal<const N: usize> {
    registry: Registry,
    prefixes: [(&'static str, &'static str); N],
    labels: Vec<(&'static str, String)>,
    counters: [OnceLock<[Counter; N]>; Signal::ALL.len()],
}

impl<const N: usize> PerSignal<N> {
    fn new(
        registry: &Registry,
        prefixes: [(&'static str, &'static str); N],
        labels: Vec<(&'static str, String)>,
    ) -> Arc<Self> {
        Arc::new(Self { registry: registry.clone(), prefixes, labels, counters: Default::default() })
    }

    fn add(&self, signal: Signal, which: usize, n: u64) {
        let counters = self.counters[signal as usize].get_or_init(|| {
            let labels: Vec<(&str, &str)> = self.labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            self.prefixes.map(|(prefix, help)| {
                let name = format!("{prefix}_{}", signal.items());
                self.registry.counter(
                    &name,
                    &help.replace("{items}", &signal.items().replace('_', " ")),
                    &labels,
                )
            })
        });
        counters[which].add(n);
    }
}

impl ReceiverMetrics {
    /// For `receiver` by its name in the configuration and `transport`, `grpc` or `http`.
    pub fn new(registry: &Registry, receiver: &str, transport: &str) -> Self {
        let prefixes = [
            ("otelcol_receiver_accepted", "Number of {items} taken into the pipeline"),
            (
                "otelcol_receiver_refused",
                "Number of {items} refused because the pipeline could not take them",
            ),
            (
                "otelcol_receiver_failed",
                "Number of {items} that failed for an error of the receiver or its sender",
            ),
        ];
        let labels = vec![("receiver", receiver.to_owned()), ("transport", transport.to_owned())];
        Self(PerSignal::new(registry, prefixes, labels))
    }

    /// `n` items were taken.
    pub fn accepted(&self, signal: Signal, n: u64) {
        self.0.add(signal, 0, n);
    }

    /// `n` items were refused by what comes after the receiver.
    pub fn refused(&self, signal: Signal, n: u64) {
        self.0.add(signal, 1, n);
    }

    /// `n` items failed in the receiver.
    pub fn failed(&self, signal: Signal, n: u64) {
        self.0.add(signal, 2, n);
    }
}

/// Where an exporter sends, for the labels of what it sent. Leave it out where there are many backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerLabels {
    /// `server_address`.
    pub address: String,
    /// `server_port`.
    pub port: u16,
    /// `url_path`, for HTTP.
    pub url_path: Option<String>,
}

/// `otelcol_exporter_*` of one exporter. A signal's series appear with its first request.
#[derive(Clone)]
pub struct ExporterMetrics {
    registry: Registry,
    exporter: String,
    sent: Arc<ArcSwap<PerSignal<2>>>,
    enqueue: Arc<PerSignal<1>>,
}

/// The gauges of one exporter and signal.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    /// `otelcol_exporter_queue_size`.
    pub size: Gauge,
    /// `otelcol_exporter_queue_capacity`.
    pub capacity: Gauge,
}

impl ExporterMetrics {
    /// For `exporter` by its name in the configuration.
    pub fn new(registry: &Registry, exporter: &str, server: Option<&ServerLabels>) -> Self {
        Self {
            registry: registry.clone(),
            exporter: exporter.to_owned(),
            sent: Arc::new(ArcSwap::new(sent(registry, exporter, server))),
            enqueue: PerSignal::new(
                registry,
                [("otelcol_exporter_enqueue_failed", "Number of {items} the sending queue had no room for")],
                vec![("exporter", exporter.to_owned())],
            ),
        }
    }

    /// From now on, of all clones, it sends to `server`.
    pub fn set_server(&self, server: &ServerLabels) {
        self.sent.store(sent(&self.registry, &self.exporter, Some(server)));
    }

    /// `n` items were delivered.
    pub fn sent(&self, signal: Signal, n: u64) {
        self.sent.load().add(signal, 0, n);
    }

    /// `n` items were given up.
    pub fn send_failed(&self, signal: Signal, n: u64) {
        self.sent.load().add(signal, 1, n);
    }

    /// `n` items found no room in the queue.
    pub fn enqueue_failed(&self, signal: Signal, n: u64) {
        self.enqueue.add(signal, 0, n);
    }

    /// Queue size and capacity of `signal`; keep them.
    pub fn queue(&self, signal: Signal) -> QueueMetrics {
        let gauge = |name, help| self.gauge(signal, name, help);
        QueueMetrics {
            size: gauge("otelcol_exporter_queue_size", "Current size of the sending queue, in its own unit"),
            capacity: gauge(
                "otelcol_exporter_queue_capacity",
                "Capacity of the sending queue, in its own unit",
            ),
        }
    }

    /// Requests on their way or waiting for a retry, of `signal`; keep it.
    pub fn in_flight(&self, signal: Signal) -> Gauge {
        let help = "Number of export requests in flight, waiting for a retry included";
        self.gauge(signal, "otelcol_exporter_in_flight_requests", help)
    }

    fn gauge(&self, signal: Signal, name: &str, help: &str) -> Gauge {
        self.registry.gauge(name, help, &[("data_type", signal.name()), ("exporter", &self.exporter)])
    }
}

fn sent(registry: &Registry, exporter: &str, server: Option<&ServerLabels>) -> Arc<PerSignal<2>> {
    let prefixes = [
        ("otelcol_exporter_sent", "Number of {items} delivered to the destination"),
        ("otelcol_exporter_send_failed", "Number of {items} that could not be delivered"),
    ];
    let mut labels = vec![("exporter", exporter.to_owned())];
    if let Some(server) = server {
        labels.push(("server_address", server.address.clone()));
        labels.push(("server_port", server.port.to_string()));
        labels.extend(server.url_path.clone().map(|path| ("url_path", path)));
    }
    PerSignal::new(registry, prefixes, labels)
}

/// `otelcol_loadbalancer_*` and our own series of one load balancing exporter.
#[derive(Clone)]
pub struct LoadBalancerMetrics {
    registry: Registry,
    exporter: String,
    resolver: String,
    /// `otelcol_loadbalancer_num_backends`.
    pub num_backends: Gauge,
    /// `otelcol_loadbalancer_num_backend_updates`.
    pub num_backend_updates: Counter,
    /// `ringtail_moved_share`: part of all traces whose owner the last change of members changed.
    pub moved_share: FloatGauge,
    /// `ringtail_membership_epoch`.
    pub membership_epoch: Gauge,
    /// `ringtail_membership_last_success_timestamp_seconds`: when the members were last read.
    pub last_success: FloatGauge,
    /// `ringtail_calls_in`: requests that came in.
    pub calls_in: Counter,
    /// `ringtail_calls_out`: requests that went to backends.
    pub calls_out: Counter,
    /// `ringtail_rerouted_items`: items that went to another than their first owner.
    pub rerouted_items: Counter,
}

/// The series of one backend. When it departs: drop this and call [`LoadBalancerMetrics::forget_backend`].
#[derive(Clone)]
pub struct BackendMetrics {
    /// `otelcol_loadbalancer_backend_latency`, in milliseconds.
    pub latency_ms: Histogram,
    /// `ringtail_ring_share`: part of all traces this backend owns.
    pub ring_share: FloatGauge,
    success: Counter,
    failure: Counter,
}

impl LoadBalancerMetrics {
    /// For `exporter` by its name in the configuration and its `resolver`, `static`, `dns` or `file`.
    pub fn new(registry: &Registry, exporter: &str, resolver: &str) -> Self {
        let (by, own) = ([("resolver", resolver)], [("exporter", exporter)]);
        let counter = |name, help| registry.counter(name, help, &own);
        Self {
            registry: registry.clone(),
            exporter: exporter.to_owned(),
            resolver: resolver.to_owned(),
            num_backends: registry.gauge(
                "otelcol_loadbalancer_num_backends",
                "Current number of backends",
                &by,
            ),
            num_backend_updates: registry.counter(
                "otelcol_loadbalancer_num_backend_updates",
                "Number of times the list of backends changed",
                &by,
            ),
            moved_share: registry.float_gauge(
                "ringtail_moved_share",
                "Part of all traces whose owner the last change of members changed, 0 to 1",
                &own,
            ),
            membership_epoch: registry.gauge(
                "ringtail_membership_epoch",
                "Number of the members in use",
                &own,
            ),
            last_success: registry.float_gauge(
                "ringtail_membership_last_success_timestamp_seconds",
                "When the members were last read without an error, in seconds since 1970",
                &own,
            ),
            calls_in: counter("ringtail_calls_in", "Number of requests that came to the balancer"),
            calls_out: counter("ringtail_calls_out", "Number of requests the balancer sent to backends"),
            rerouted_items: counter("ringtail_rerouted_items", "Number of items that went to another owner"),
        }
    }

    /// The same balancer with another `resolver`; the number of backends moves along.
    pub fn with_resolver(&self, resolver: &str) -> Self {
        let other = Self::new(&self.registry, &self.exporter, resolver);
        if resolver != self.resolver {
            other.num_backends.set(self.num_backends.get());
            self.num_backends.set(0);
        }
        other
    }

    /// The resolver looked for members.
    pub fn resolved(&self, success: bool) {
        let labels = [("resolver", self.resolver.as_str()), ("success", truth(success))];
        let help = "Number of times the resolver looked for members";
        self.registry.counter("otelcol_loadbalancer_num_resolutions", help, &labels).inc();
    }

    /// A list of members was applied, found unchanged or refused (`outcome`), and why.
    pub fn membership_reload(&self, outcome: &str, reason: &str) {
        let labels = [("exporter", self.exporter.as_str()), ("outcome", outcome), ("reason", reason)];
        let help = "Number of times members were read, by what became of them";
        self.registry.counter("ringtail_membership_reloads", help, &labels).inc();
    }

    /// The fingerprint of the members in use, equal on replicas that route alike.
    pub fn membership_fingerprint(&self, fingerprint: &str) {
        let help = "Fingerprint of the members in use, in its label; replicas that route alike have the same";
        let key = [("exporter", self.exporter.as_str())];
        self.registry.info("ringtail_membership_fingerprint", help, &key, &[("fingerprint", fingerprint)]);
    }

    /// The series of `endpoint`; keep them.
    pub fn backend(&self, endpoint: &str) -> BackendMetrics {
        let outcome = |success| {
            let labels = [("endpoint", endpoint), ("success", truth(success))];
            let help = "Number of requests to each endpoint by success";
            self.registry.sparse_counter("otelcol_loadbalancer_backend_outcome", help, &labels)
        };
        BackendMetrics {
            latency_ms: self.registry.histogram(
                "otelcol_loadbalancer_backend_latency",
                "Time until a backend answered, in milliseconds",
                &[("endpoint", endpoint)],
                LATENCY_MS,
            ),
            ring_share: self.registry.float_gauge(
                "ringtail_ring_share",
                "Part of all traces this backend owns, 0 to 1",
                &[("exporter", &self.exporter), ("endpoint", endpoint)],
            ),
            success: outcome(true),
            failure: outcome(false),
        }
    }

    /// `endpoint` departed: its series go once nobody holds them.
    pub fn forget_backend(&self, endpoint: &str) {
        self.registry.forget(&[("endpoint", endpoint)]);
    }
}

impl BackendMetrics {
    /// A request was answered, with success or not.
    pub fn outcome(&self, success: bool) {
        if success { self.success.inc() } else { self.failure.inc() }
    }
}

fn truth(success: bool) -> &'static str {
    if success { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_and_exporters_use_the_collectors_names() {
        let registry = Registry::new();
        let receiver = ReceiverMetrics::new(&registry, "otlp/2", "grpc");
        receiver.accepted(Signal::Traces, 4);
        receiver.refused(Signal::Metrics, 2);
        let server = ServerLabels { address: "b".into(), port: 4317, url_path: None };
        let exporter = ExporterMetrics::new(&registry, "otlp", Some(&server));
        exporter.sent(Signal::Logs, 7);
        exporter.enqueue_failed(Signal::Logs, 1);
        exporter.queue(Signal::Traces).capacity.set(1000);
        exporter.in_flight(Signal::Traces).add(2);
        let text = registry.render(false);
        for line in [
            "otelcol_receiver_accepted_spans{receiver=\"otlp/2\",transport=\"grpc\"} 4",
            "otelcol_receiver_failed_spans{receiver=\"otlp/2\",transport=\"grpc\"} 0",
            "otelcol_receiver_refused_metric_points{receiver=\"otlp/2\",transport=\"grpc\"} 2",
            "otelcol_exporter_sent_log_records{exporter=\"otlp\",server_address=\"b\",server_port=\"4317\"} 7",
            "otelcol_exporter_enqueue_failed_log_records{exporter=\"otlp\"} 1",
            "otelcol_exporter_queue_capacity{data_type=\"traces\",exporter=\"otlp\"} 1000",
            "otelcol_exporter_in_flight_requests{data_type=\"traces\",exporter=\"otlp\"} 2",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
        assert!(!text.contains("receiver_accepted_log_records"), "a signal that never came is not shown");
    }

    #[test]
    fn a_departed_backend_leaves_the_exposition_once_let_go() {
        let registry = Registry::new();
        let balancer = LoadBalancerMetrics::new(&registry, "load_balancing", "dns");
        let (a, b) = (balancer.backend("a:1"), balancer.backend("b:1"));
        a.outcome(true);
        b.outcome(false);
        a.latency_ms.observe(3.0);
        a.ring_share.set(0.5);
        balancer.forget_backend("a:1");
        assert!(registry.render(false).contains("a:1"), "somebody may still count there");
        drop(a);
        let text = registry.render(false);
        assert!(!text.contains("a:1"), "{text}");
        assert!(text.contains("backend_outcome{endpoint=\"b:1\",success=\"false\"} 1"), "{text}");
    }

    #[test]
    fn only_the_last_fingerprint_is_shown() {
        let registry = Registry::new();
        let balancer = LoadBalancerMetrics::new(&registry, "lb", "file");
        balancer.membership_fingerprint("aa");
        balancer.membership_fingerprint("bb");
        balancer.resolved(true);
        balancer.membership_reload("refused", "empty");
        let text = registry.render(false);
        assert!(
            text.contains("ringtail_membership_fingerprint{exporter=\"lb\",fingerprint=\"bb\"} 1\n"),
            "{text}"
        );
        assert!(!text.contains("\"aa\""), "{text}");
        assert!(text.contains("num_resolutions{resolver=\"file\",success=\"true\"} 1\n"), "{text}");
        assert!(text.contains("reloads{exporter=\"lb\",outcome=\"refused\",reason=\"empty\"} 1\n"), "{text}");
    }
}
