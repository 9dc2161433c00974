//! Without a configuration: errors, slow traces and a tenth of the rest are shown, a line each.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;

use crate::support::load::{failing, hex, lasting, span, trace_id, traces};
use crate::support::process::Ports;
use crate::support::{http, wait};

/// The embedded default, on ports of its own.
struct Embedded {
    child: Child,
    ports: Ports,
    shown: Arc<Mutex<Vec<String>>>,
}

impl Embedded {
    async fn start() -> Self {
        let ports = Ports::free();
        let sets = [
            format!("receivers.otlp.protocols.grpc.endpoint={}", ports.grpc),
            format!("receivers.otlp.protocols.http.endpoint={}", ports.http),
            format!("extensions.admin.endpoint={}", ports.admin),
            "service.telemetry.metrics.level=none".to_owned(),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringtail"));
        command.args(sets.iter().flat_map(|set| ["--set", set]));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (out, shown) = (child.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let sink = Arc::clone(&shown);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                sink.lock().push(line);
            }
        });
        let embedded = Self { child, ports, shown };
        let ready = || async { http::get(ports.admin, "/readyz").await.ok().filter(|a| a.status == 200) };
        wait::until_some("the embedded default is ready", ready).await;
        embedded
    }

    /// The lines about a trace.
    fn lines(&self, trace: u64) -> Vec<String> {
        let (id, lines) = (hex(&trace_id(trace)), self.shown.lock());
        lines.iter().filter(|line| line.contains(&id[..8])).cloned().collect()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Scenario: a failing trace, a slow one and a hundred others.
/// Guarantee: a line for each kept trace, with the reason; about a tenth of the others has one.
#[tokio::test]
async fn the_embedded_default_shows_each_kept_trace_and_why() {
    let embedded = Embedded::start().await;
    let mut client = TraceServiceClient::connect(format!("http://{}", embedded.ports.grpc)).await.unwrap();
    let others = (10..110).map(|trace| span(trace, 0));
    let request = traces([failing(span(0, 0)), lasting(span(1, 0), 2500)].into_iter().chain(others));
    client.export(request).await.unwrap();
    wait::until("the failing one is shown", || !embedded.lines(0).is_empty()).await;
    wait::until("the slow one is shown", || !embedded.lines(1).is_empty()).await;
    let (failed, slow) = (embedded.lines(0), embedded.lines(1));
    assert_eq!((failed.len(), slow.len()), (1, 1), "{failed:?} {slow:?}");
    assert!(failed[0].contains("operation 0/0") && failed[0].contains("errors"), "{failed:?}");
    assert!(slow[0].contains("operation 1/0") && slow[0].contains("slow"), "{slow:?}");
    let shown = || (10..110).map(|trace| embedded.lines(trace).len()).sum::<usize>();
    wait::until("some of the rest are shown", || shown() > 0).await;
    assert!((2..=25).contains(&shown()), "{} of 100 is not a tenth", shown());
}
