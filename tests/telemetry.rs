//! What a process says of itself beside its own pages: pushed metrics, health checks of the Collector's second form.

#![allow(clippy::unwrap_used)]

mod peers;
mod support;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use peers::process::Process;
use support::Content;
use support::backend::{Backend, Reply};
use support::load::{span, traces};
use support::process::{Ports, Ringtail, free_address};
use support::{http, wait};

/// What takes spans and keeps none, with this telemetry beside the endpoint to scrape.
fn config(ports: &Ports, readers: &str, telemetry: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{grpc}'}}}}}}}}
exporters: {{nop: }}
extensions: {{admin: {{endpoint: '{admin}'}}}}
service:
  extensions: [admin]
  telemetry:
    metrics:
      readers:
        - pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}
{readers}
    {telemetry}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
",
        grpc = ports.grpc,
        admin = ports.admin,
        metrics = ports.metrics.port(),
    )
}

fn pushing_to(protocol: &str, backend: &Backend, rest: &str) -> String {
    format!(
        "        - periodic: {{interval: 100, exporter: {{otlp: {{protocol: {protocol}, endpoint: 'http://{}'{rest}}}}}}}\n",
        backend.address()
    )
}

fn pushed(backend: &Backend) -> Vec<ExportMetricsServiceRequest> {
    let metrics = backend.taken().into_iter().filter_map(|content| match content {
        Content::Metrics(request) => Some(request),
        _ => None,
    });
    metrics.collect()
}

/// The sum of a counter's points in a request.
fn count(request: &ExportMetricsServiceRequest, name: &str) -> i64 {
    let scopes = request.resource_metrics.iter().flat_map(|one| &one.scope_metrics);
    let found = scopes.flat_map(|scope| &scope.metrics).filter(|metric| metric.name == name);
    let points = found.flat_map(|metric| match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.clone(),
        _ => panic!("{name} is no sum"),
    });
    points
        .map(|point| match point.value {
            Some(Value::AsInt(value)) => value,
            other => panic!("{name}: {other:?}"),
        })
        .sum()
}

const ACCEPTED: &str = "otelcol_receiver_accepted_spans";

/// Scenario: readers push over gRPC and HTTP beside one that is scraped, one of them in deltas.
/// Guarantee: each says what the page says; the last push at the end has what came since; none of it is traffic.
#[tokio::test]
async fn our_own_metrics_are_pushed_until_the_end() {
    let [grpc, http] = [Backend::grpc().await, Backend::http().await];
    let readers = pushing_to("grpc", &grpc, ", headers: [{name: x-key, value: secret}]")
        + &pushing_to("http/protobuf", &http, ", temporality_preference: delta, compression: gzip");
    let ports = Ports::free();
    let telemetry = "resource: {service.name: gateway, team: blue}";
    let config = config(&ports, &readers, telemetry);
    let ringtail = Ringtail::start(&config, ports, tempfile::tempdir().unwrap()).await;
    ringtail.export(traces([span(1, 0), span(1, 1)])).await.unwrap();
    wait::until("both have it", || {
        pushed(&grpc).iter().any(|request| count(request, ACCEPTED) == 2)
            && pushed(&http).iter().any(|request| count(request, ACCEPTED) == 2)
    })
    .await;
    assert_eq!(grpc.last_header("x-key").as_deref(), Some("secret"));
    let scrape = ringtail.settled().await;
    let traffic = scrape.sum("ringtail_ledger_items", &[("signal", "metrics")]);
    assert_eq!(traffic, 0.0, "what is pushed is no traffic");
    ringtail.export(traces([span(2, 0)])).await.unwrap();
    ringtail.terminate();
    assert_eq!(ringtail.ended().await, 0);
    let last = pushed(&grpc).pop().unwrap();
    assert_eq!(count(&last, ACCEPTED), 3, "the last push has everything");
    assert_eq!(pushed(&http).iter().map(|request| count(request, ACCEPTED)).sum::<i64>(), 3);
    let resource = last.resource_metrics[0].resource.clone().unwrap();
    let names: BTreeMap<String, String> =
        resource.attributes.into_iter().map(|one| (one.key, format!("{:?}", one.value))).collect();
    for (name, value) in [
        ("service.name", "gateway"),
        ("team", "blue"),
        ("service.instance.id", "-4"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(names.get(name).is_some_and(|found| found.contains(value)), "{name}: {names:?}");
    }
}

/// Scenario: the backend of a reader is down, comes back, and a reload names another.
/// Guarantee: one warning, spans are taken all the same, and pushes go where the file says now.
#[tokio::test]
async fn a_reader_whose_backend_is_down_harms_nothing_and_can_be_led_elsewhere() {
    let [first, second] = [Backend::grpc().await, Backend::grpc().await];
    first.answer(|_| Reply::Refuse(tonic::Code::InvalidArgument, None));
    let ports = Ports::free();
    let before = config(&ports, &pushing_to("grpc", &first, ""), "");
    let after = config(&ports, &pushing_to("grpc", &second, ""), "");
    let ringtail = Ringtail::start(&before, ports, tempfile::tempdir().unwrap()).await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    wait::until("several pushes have failed", || first.calls() > 5).await;
    let told = ringtail.stderr().matches("our own metrics cannot be pushed").count();
    assert_eq!(told, 1, "{}", ringtail.stderr());
    std::fs::write(ringtail.dir.path().join("ringtail.yaml"), after).unwrap();
    assert_eq!(ringtail.reload().await.status, 200);
    wait::until("the other has it", || pushed(&second).iter().any(|request| count(request, ACCEPTED) == 1))
        .await;
}

/// Checks over gRPC, as any client does.
mod grpc_health {
    use tonic::codegen::tokio_stream::StreamExt;
    use tonic::transport::Channel;
    use tonic::{Request, Status, Streaming};

    #[derive(Clone, PartialEq, prost::Message)]
    struct Asked {
        #[prost(string, tag = "1")]
        service: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Answer {
        #[prost(int32, tag = "1")]
        status: i32,
    }

    async fn call(
        at: std::net::SocketAddr,
        method: &str,
        service: &str,
    ) -> Result<Streaming<Answer>, Status> {
        let channel = Channel::from_shared(format!("http://{at}")).unwrap().connect().await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let path = format!("/grpc.health.v1.Health/{method}").parse().unwrap();
        let codec = tonic_prost::ProstCodec::<Asked, Answer>::default();
        let asked = Request::new(Asked { service: service.to_owned() });
        client.server_streaming(asked, path, codec).await.map(tonic::Response::into_inner)
    }

    pub async fn check(at: std::net::SocketAddr, service: &str) -> Result<i32, Status> {
        let mut answers = call(at, "Check", service).await?;
        let first = answers.next().await.ok_or_else(|| Status::internal("no answer"))??;
        Ok(first.status)
    }

    pub async fn watch(at: std::net::SocketAddr, service: &str) -> impl FnMut() -> Next {
        let answers = call(at, "Watch", service).await.unwrap();
        let answers = std::sync::Arc::new(tokio::sync::Mutex::new(answers));
        move || {
            let answers = std::sync::Arc::clone(&answers);
            Box::pin(async move { answers.lock().await.next().await.map(|one| one.map(|one| one.status)) })
        }
    }

    pub type Next = std::pin::Pin<Box<dyn Future<Output = Option<Result<i32, Status>>> + Send>>;
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

/// Scenario: health checks over HTTP and gRPC while the backend of an exporter is away, then while the process ends.
/// Guarantee: the exporter is told of as a recoverable error, which counts where it is included; the end is told too.
#[tokio::test]
async fn health_checks_of_the_second_form_know_pipelines_and_components() {
    let (ports, at, grpc, gone) = (Ports::free(), free_address(), free_address(), free_address());
    let config = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{}'}}}}}}}}
exporters:
  nop:
  otlp: {{endpoint: '{gone}', tls: {{insecure: true}}, sending_queue: {{queue_size: 10}}}}
extensions:
  admin: {{endpoint: '{}'}}
  healthcheckv2:
    use_v2: true
    component_health: {{include_recoverable_errors: true, recovery_duration: 0s}}
    http: {{endpoint: '{at}', config: {{enabled: true}}}}
    grpc: {{endpoint: '{grpc}'}}
service:
  extensions: [admin, healthcheckv2]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
    traces/fine: {{receivers: [otlp], exporters: [nop]}}
",
        ports.grpc, ports.admin,
    );
    let ringtail = Ringtail::start(&config, ports, tempfile::tempdir().unwrap()).await;
    let get = async |path: &str| http::get(at, path).await.unwrap();
    assert_eq!((get("/status").await.status, grpc_health::check(grpc, "").await.unwrap()), (200, SERVING));
    assert!(get("/config").await.json()["exporters"]["otlp"].is_object());
    assert_eq!(get("/status?pipeline=nope").await.status, 404);
    assert_eq!(grpc_health::check(grpc, "nope").await.unwrap_err().code(), tonic::Code::NotFound);
    let mut whole = grpc_health::watch(grpc, "").await;
    assert_eq!(whole().await.unwrap().unwrap(), SERVING);
    let mut unknown = grpc_health::watch(grpc, "nope").await;
    assert_eq!(unknown().await.unwrap().unwrap(), SERVICE_UNKNOWN);
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_eq!(whole().await.unwrap().unwrap(), NOT_SERVING);
    let status = get("/status?verbose").await;
    let (told, json) = (status.status, status.json());
    assert_eq!(
        (told, &json["status"], &json["healthy"]),
        (500, &"StatusRecoverableError".into(), &false.into())
    );
    let exporter = &json["components"]["pipeline:traces"]["components"]["exporter:otlp"];
    assert_eq!(exporter["error"], "the backend cannot be reached");
    assert_eq!(json["components"]["pipeline:traces/fine"]["status"], "StatusOK");
    assert_eq!(get("/status?pipeline=traces/fine").await.status, 200);
    assert_eq!(grpc_health::check(grpc, "traces/fine").await.unwrap(), SERVING);
    let mut fine = grpc_health::watch(grpc, "traces/fine").await;
    assert_eq!(fine().await.unwrap().unwrap(), SERVING);
    ringtail.terminate();
    assert_eq!(fine().await.unwrap().unwrap(), NOT_SERVING);
}

/// Kind by name, and the labels of series that every process has, of what the Collector names too.
fn named(process: &Process) -> BTreeMap<String, String> {
    let body = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"x"}]}]}]}"#;
    let answer = peers::process::http(
        process.ports[0],
        "POST",
        "/v1/traces",
        &[("content-type", "application/json")],
        body,
    );
    assert_eq!(answer.status, 200);
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let page = loop {
        let page = peers::process::metrics_page(process.ports[1]);
        if page.lines().any(|line| line.starts_with("otelcol_processor_batch_timeout_trigger_send")) {
            break page;
        }
        assert!(std::time::Instant::now() < patience, "no batch left:\n{page}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let mut named = BTreeMap::new();
    for line in
        page.lines().filter(|line| line.starts_with("otelcol_") || line.starts_with("# TYPE otelcol_"))
    {
        let (name, said) = match line.strip_prefix("# TYPE ") {
            Some(kind) => kind.split_once(' ').unwrap(),
            None if line.contains("le=") => continue, // buckets are everyone's own
            None => line
                .rsplit_once(' ')
                .unwrap()
                .0
                .split_once('{')
                .unwrap_or((line.split(' ').next().unwrap(), "")),
        };
        *named.entry(name.to_owned()).or_insert_with(String::new) += said;
    }
    named
}

/// Scenario: each of the keys that make names and labels longer, alone and all together, beside a Collector.
/// Guarantee: what both count has the same names, kinds and labels, those of scopes too.
#[test]
fn units_kinds_and_scopes_are_written_as_the_collector_writes_them() {
    let Some(collector) = peers::program("RINGTAIL_OTELCOL") else { return };
    for keys in [
        "without_units: true",
        "without_units: false",
        "without_type_suffix: false",
        "without_scope_info: false",
        "without_units: false, without_type_suffix: false, without_scope_info: false",
    ] {
        let config = |ports: &[u16], extension: &str| {
            format!(
                "{extension}
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{}'}}}}}}}}
processors: {{memory_limiter: {{check_interval: 1s, limit_mib: 4000}}, batch: {{timeout: 50ms}}}}
exporters: {{nop: }}
service:
  telemetry: {{metrics: {{level: detailed, readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}, {keys}}}}}}}}}]}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [memory_limiter, batch], exporters: [nop]}}}}
",
                ports[0], ports[1]
            )
        };
        let theirs = named(&Process::start(&collector, 2, |ports, _| config(ports, "")));
        let ours =
            named(&Process::ringtail(2, |ports, _| config(ports, "extensions: {admin: {enabled: false}}")));
        for family in
            ["process_uptime", "process_memory_rss", "receiver_accepted_spans", "batch_send_size_bytes"]
        {
            assert!(theirs.keys().any(|name| name.contains(family)), "{family}: {theirs:#?}");
        }
        // The Collector shows these from their first count on.
        let zero =
            |name: &str| name.contains("batch_size_trigger_send") || name.contains("limiter_refused_spans");
        let odd = ours.iter().filter(|(name, said)| !zero(name) && theirs.get(*name) != Some(said));
        let odd: Vec<_> = odd.collect();
        assert!(odd.is_empty(), "{keys}: {odd:#?} of {theirs:#?}");
    }
}
