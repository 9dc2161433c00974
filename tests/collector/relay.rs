//! Collectors behind ringtail take what it routes, and ringtail takes what collectors send.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde_json::Value;

use crate::peers::attribute;
use crate::peers::backends::Backends;
use crate::peers::process::{Process, metric};
use crate::{Balancer, Ids, collector, request, span};

const TRACES: usize = 500;
const SPANS: usize = 4;
const TEXT: &str = "q\"uo\\te 日本語 🦝";

/// What came where: by span, the backends; each should be one.
type Arrived = BTreeMap<(String, String), Vec<usize>>;

#[test]
fn three_collectors_take_every_trace_whole() {
    let Some(collector) = collector() else { return };
    let behind: Vec<_> = (0..3).map(|_| Process::start(&collector, 1, file_backend)).collect();
    let hosts: Vec<_> = behind.iter().map(|one| format!("'127.0.0.1:{}'", one.ports[0])).collect();
    let hosts = format!("[{}]", hosts.join(", "));
    let telemetry = "{metrics: {level: none}}";
    let balancer = Balancer { hosts: &hosts, keys: "", telemetry, ours: true };
    let mut ringtail = Process::ringtail(2, |ports, _| balancer.config(ports[0], ports[1]));
    let sender = Backends::start(0);
    sender.send(ringtail.ports[0], &scattered("gzip"));
    ringtail.stop();

    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let arrived = from_files(&behind);
        if arrived.len() == TRACES * SPANS {
            whole(&arrived, 3);
            return;
        }
        assert!(Instant::now() < patience, "{} spans of {}", arrived.len(), TRACES * SPANS);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn collectors_send_over_grpc_and_http_with_every_compression() {
    let Some(collector) = collector() else { return };
    let backends = Backends::start(3);
    let hosts = backends.hosts();
    let ringtail = Process::ringtail(3, |ports, _| {
        let reader =
            format!("{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}}}}}}}}}", ports[2]);
        let telemetry = format!("{{metrics: {{readers: [{reader}]}}}}");
        Balancer { hosts: &hosts, keys: "", telemetry: &telemetry, ours: true }.config(ports[0], ports[1])
    });
    let ways: Vec<_> = ["none", "gzip", "zstd", "snappy"]
        .into_iter()
        .flat_map(|compression| [("otlp_grpc", compression), ("otlp_http", compression)])
        .chain([("otlp_http", "zlib"), ("otlp_http", "deflate"), ("otlp_http", "json")])
        .collect();
    let front = Process::start(&collector, ways.len(), |ports, _| {
        front(ports, &ways, ringtail.ports[0], ringtail.ports[1])
    });
    for (port, (exporter, compression)) in front.ports.iter().zip(&ways) {
        // Without a queue its answer is ringtail's.
        backends.send(*port, &scattered(&format!("{exporter} {compression}")));
        let mut arrived = Arrived::new();
        for (backend, request) in backends.traces() {
            for resource in request.resource_spans {
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    assert_eq!(crate::peers::text(&span.attributes, "text"), Some(TEXT));
                    let key = (hex(&span.trace_id), hex(&span.span_id));
                    arrived.entry(key).or_default().push(backend);
                }
            }
        }
        assert_eq!(arrived.len(), TRACES * SPANS, "{exporter} {compression}");
        whole(&arrived, 3);
    }
    let accepted = metric(ringtail.ports[2], "otelcol_receiver_accepted_spans", &[]);
    assert_eq!(accepted, (ways.len() * TRACES * SPANS) as f64);
    assert_eq!(metric(ringtail.ports[2], "otelcol_receiver_refused_spans", &[]), 0.0);
}

/// Traces whose spans are in different requests.
fn scattered(seed: &str) -> Vec<ExportTraceServiceRequest> {
    let mut ids = Ids::new();
    let ids: Vec<_> = (0..TRACES).map(|_| ids.next()).collect();
    (0..SPANS)
        .map(|index| {
            let one = |id: &Vec<u8>| {
                let mut span = span(id, seed);
                span.span_id[0] = index as u8 + 1;
                span.attributes = vec![attribute("text", TEXT)];
                span
            };
            request(ids.iter().map(one).collect())
        })
        .collect()
}

/// Every span once, each trace at one backend, and all backends used.
fn whole(arrived: &Arrived, backends: usize) {
    let mut owners: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for ((trace, span), at) in arrived {
        assert_eq!(at.len(), 1, "the span {span} came to {at:?}");
        owners.entry(trace).or_default().extend(at);
    }
    assert_eq!(owners.len(), TRACES);
    assert!(owners.values().all(|at| at.len() == 1), "a trace was split");
    assert_eq!(owners.into_values().flatten().collect::<BTreeSet<_>>().len(), backends);
}

fn file_backend(ports: &[u16], folder: &Path) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{}'}}}}}}}}
exporters: {{file: {{path: '{}/traces', flush_interval: 50ms}}}}
service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}}}
",
        ports[0],
        folder.display()
    )
}

fn from_files(collectors: &[Process]) -> Arrived {
    let mut arrived = Arrived::new();
    for (index, collector) in collectors.iter().enumerate() {
        let text = std::fs::read_to_string(collector.folder().join("traces")).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in complete.lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
            for resource in list(&request, "resourceSpans") {
                for span in list(&resource, "scopeSpans").iter().flat_map(|scope| list(scope, "spans")) {
                    assert_eq!(span["attributes"][0]["value"]["stringValue"], TEXT);
                    let id = |name: &str| span[name].as_str().unwrap().to_owned();
                    arrived.entry((id("traceId"), id("spanId"))).or_default().push(index);
                }
            }
        }
    }
    arrived
}

/// One collector with a pipeline for every way to send.
fn front(ports: &[u16], ways: &[(&str, &str)], grpc: u16, http: u16) -> String {
    let (mut receivers, mut exporters, mut pipelines) = (String::new(), String::new(), String::new());
    for (index, (port, (exporter, way))) in ports.iter().zip(ways).enumerate() {
        let endpoint = match *exporter {
            "otlp_grpc" => format!("127.0.0.1:{grpc}"),
            _ => format!("http://127.0.0.1:{http}"),
        };
        let how = match *way {
            "json" => "encoding: json".to_owned(),
            compression => format!("compression: {compression}"),
        };
        receivers += &format!("  otlp/{index}: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}\n");
        exporters += &format!(
            "  {exporter}/{index}: {{endpoint: '{endpoint}', {how}, tls: {{insecure: true}}, \
             sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}\n"
        );
        pipelines +=
            &format!("    traces/{index}: {{receivers: [otlp/{index}], exporters: [{exporter}/{index}]}}\n");
    }
    format!(
        "receivers:\n{receivers}exporters:\n{exporters}service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
         pipelines:\n{pipelines}"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
