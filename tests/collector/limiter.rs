//! A `memory_limiter` among the middlewares of a receiver: what senders are told when there is too little memory.

use std::process::Command;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;

use crate::peers::process::{Process, http};
use crate::peers::skipped;
use crate::{Ids, collector, request, span};

/// Status, content type and body over HTTP for each of [`ASKED`]; status and message over gRPC.
type Told = (Vec<(u16, Option<String>, Vec<u8>)>, (tonic::Code, String));

/// Method, path, content type: what is asked for makes no difference.
const ASKED: [(&str, &str, &str); 5] = [
    ("POST", "/v1/traces", "application/json"),
    ("POST", "/v1/traces", "application/x-protobuf"),
    ("POST", "/v1/traces", "text/plain"),
    ("GET", "/v1/traces", ""),
    ("POST", "/elsewhere", "application/json"),
];

#[test]
fn senders_are_told_the_same_when_memory_is_short() {
    let Some(collector) = collector() else { return };
    let components = Command::new(&collector).arg("components").output().unwrap();
    let components = String::from_utf8(components.stdout).unwrap();
    if !components.contains("memorylimiterextension") {
        skipped("the collector has no memory_limiter extension");
        return;
    }
    let theirs = told(&Process::start(&collector, 2, |ports, _| limited(ports, "", "")));
    assert_eq!(theirs.0[0].0, 429, "the collector refuses");
    let ours = Process::ringtail(2, |ports, _| limited(ports, "  admin: {enabled: false}\n", "admin, "));
    assert_eq!(told(&ours), theirs);
}

/// With a limit that is always reached.
fn limited(ports: &[u16], extension: &str, listed: &str) -> String {
    let server = |port| format!("{{endpoint: '127.0.0.1:{port}', middlewares: [{{id: memory_limiter}}]}}");
    format!(
        "extensions:
{extension}  memory_limiter: {{check_interval: 20ms, limit_mib: 1}}
receivers: {{otlp: {{protocols: {{grpc: {}, http: {}}}}}}}
exporters: {{nop: }}
service:
  extensions: [{listed}memory_limiter]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
",
        server(ports[0]),
        server(ports[1]),
    )
}

fn told(process: &Process) -> Told {
    let asked = |(method, path, content_type)| {
        let answer = http(process.ports[1], method, path, &[("content-type", content_type)], b"{");
        let content_type = answer.header("content-type").map(str::to_owned);
        (answer.status, content_type, answer.body)
    };
    // The collector looks for the first time after an interval.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while asked(ASKED[0]).0 != 429 {
        assert!(std::time::Instant::now() < patience, "it never refuses");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async {
        let mut client =
            TraceServiceClient::connect(format!("http://127.0.0.1:{}", process.ports[0])).await.unwrap();
        client.export(request(vec![span(&Ids::new().next(), "s")])).await.unwrap_err()
    });
    (ASKED.map(asked).to_vec(), (status.code(), status.message().to_owned()))
}
