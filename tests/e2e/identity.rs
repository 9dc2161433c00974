//! Authenticators: who may send here, who we say we are, and queues in a shared directory.

use prost::Message;
use tempfile::TempDir;

use crate::support::backend::Backend;
use crate::support::certs::Certs;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::process::{Ports, Ringtail, free_address};
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::{Traces, http, wait};

fn request(n: u64) -> Traces {
    traces([span(n, 0), span(n, 1)])
}

async fn status_over_http(
    ringtail: &Ringtail,
    path: &str,
    headers: &[(&str, &str)],
    n: u64,
) -> (u16, String) {
    let kind = [("content-type", "application/x-protobuf")];
    let headers = [&kind[..], headers].concat();
    let answer =
        http::send(ringtail.ports.http, http::request("POST", path, &headers, request(n).encode_to_vec()));
    let answer = answer.await.unwrap();
    (answer.status, answer.text())
}

async fn code_over_grpc(ringtail: &Ringtail, headers: &[(&str, &str)], n: u64) -> (Option<i32>, String) {
    let grpc = RawGrpc::connect(ringtail.ports.grpc).await;
    let answer = grpc.call(TRACES, headers, framed(false, &request(n).encode_to_vec())).await.unwrap();
    (answer.code, answer.message)
}

/// Scenario: a token on the gRPC port, name and password with bcrypt on the HTTP port.
/// Guarantee: who has them is served, all others are UNAUTHENTICATED or get 401 whatever they ask for, and are counted.
#[tokio::test]
async fn only_who_is_known_may_send() {
    let backend = Backend::grpc().await;
    let mut setup = Setup::over(&[&backend])
        .grpc("auth: {authenticator: bearertokenauth}")
        .http("auth: {authenticator: basicauth/server, request_params: [authorization]}");
    setup.extensions = "  bearertokenauth: {tokens: [one, two]}
  basicauth/server: {htpasswd: {inline: 'ann:$$2a$$04$$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi'}}"
        .into();
    setup.service_extensions = ", bearertokenauth, basicauth/server".into();
    let ringtail = setup.start().await;
    let two = [("authorization", "Bearer two")];
    assert_eq!(code_over_grpc(&ringtail, &two, 1).await.0, Some(0));
    let (code, said) = code_over_grpc(&ringtail, &[], 90).await;
    assert_eq!((code, said.as_str()), (Some(16), "missing or empty authorization header: authorization"));
    assert_eq!(code_over_grpc(&ringtail, &[("authorization", "Bearer three")], 91).await.0, Some(16));
    // ann:correctbatteryhorsestapler
    let ann = "Basic YW5uOmNvcnJlY3RiYXR0ZXJ5aG9yc2VzdGFwbGVy";
    for n in 2..4 {
        assert_eq!(status_over_http(&ringtail, "/v1/traces", &[("authorization", ann)], n).await.0, 200);
    }
    let query = format!("/v1/traces?authorization={}", ann.replace(' ', "+"));
    assert_eq!(status_over_http(&ringtail, &query, &[], 4).await.0, 200);
    for (path, headers) in [
        ("/v1/traces", &[("authorization", "Basic YW5uOndyb25n")][..]),
        ("/v1/traces", &[]),
        ("/nowhere", &[]),
    ] {
        let (status, said) = status_over_http(&ringtail, path, headers, 92).await;
        assert_eq!(status, 401, "{path}");
        assert!(said.contains("invalid credentials") || said.contains("no basic auth provided"), "{said}");
    }
    assert_arrived_once(&[request(1), request(2), request(3), request(4)], &[&backend]);
    let metrics = http::get(ringtail.ports.metrics, "/metrics").await.unwrap().text();
    for (transport, count) in [("grpc", 2), ("http", 3)] {
        let line = format!(
            "ringtail_receiver_unauthenticated_requests{{receiver=\"otlp\",transport=\"{transport}\"}} {count}"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    ringtail.settled().await;
}

/// Scenario: exporters with a token in a file and with name and password, over gRPC and HTTP; the token changes.
/// Guarantee: every call carries them; the new token is used soon after the change.
#[tokio::test]
async fn calls_say_who_we_are_and_follow_the_file() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::write(dir.path());
    let (balanced, over_grpc, over_http) =
        (Backend::tls(certs.server()).await, Backend::tls(certs.server()).await, Backend::http().await);
    let token = dir.path().join("token");
    std::fs::write(&token, "first # of today\n").unwrap();
    let ca = format!("tls: {{ca_file: '{}'}}", certs.ca.display());
    let protocol = format!("{{otlp: {{{ca}, auth: {{authenticator: basicauth}}}}}}");
    let mut setup = Setup::over(&[&balanced]).protocol(&protocol);
    let token_auth = "auth: {authenticator: bearertokenauth}";
    setup.more_exporters = format!(
        "  otlp: {{endpoint: '{}', {ca}, {token_auth}}}\n  otlphttp: {{endpoint: 'http://{}', {token_auth}}}",
        over_grpc.address(),
        over_http.address()
    );
    setup.extensions = format!(
        "  bearertokenauth: {{filename: '{}', scheme: Token, header: X-Key}}
  basicauth: {{client_auth: {{username: Aladdin, password: open sesame}}}}",
        token.display()
    );
    setup.service_extensions = ", bearertokenauth, basicauth".into();
    setup.pipelines = "{traces: {receivers: [otlp], exporters: [load_balancing, otlp, otlphttp]}}".into();
    let ringtail = setup.start().await;
    ringtail.export(request(1)).await.unwrap();
    let basic = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
    assert_eq!(balanced.last_header("authorization"), basic);
    for backend in [&over_grpc, &over_http] {
        assert_eq!(backend.last_header("x-key"), Some("Token first".into()));
    }
    let next = dir.path().join("next");
    std::fs::write(&next, "second").unwrap();
    std::fs::rename(&next, &token).unwrap();
    let mut n = 2;
    wait::until_some("the new token is used", || {
        n += 1;
        let sent = request(n);
        async {
            ringtail.export(sent).await.unwrap();
            let used =
                [&over_grpc, &over_http].map(|one| one.last_header("x-key") == Some("Token second".into()));
            (used == [true, true]).then_some(())
        }
    })
    .await;
    ringtail.settled().await;
}

/// Scenario: a token file that is not there at the start, with and without `retry_on_failure`.
/// Guarantee: without, the start fails and names the key; with, calls wait for the file and nothing is lost.
#[tokio::test]
async fn a_late_token_is_waited_for_where_that_is_allowed() {
    let dir = TempDir::new().unwrap();
    let token = dir.path().join("token");
    let backend = Backend::http().await;
    let setup = |retry: &str| {
        let mut setup = Setup::over(&[&backend]);
        setup.more_exporters = format!(
            "  otlphttp: {{endpoint: 'http://{}', auth: {{authenticator: bearertokenauth}}, \
             retry_on_failure: {{initial_interval: 50ms, max_interval: 50ms}}, sending_queue: {{}}}}",
            backend.address()
        );
        setup.extensions = format!("  bearertokenauth: {{filename: '{}'{retry}}}", token.display());
        setup.service_extensions = ", bearertokenauth".into();
        setup.pipelines = "{traces: {receivers: [otlp], exporters: [otlphttp]}}".into();
        setup
    };
    let refused = setup("").spawn(Ports::free());
    assert_eq!(refused.ended().await, 1);
    let said = refused.stderr();
    assert!(
        said.contains("exporters::otlphttp: extensions::bearertokenauth::filename: cannot read"),
        "{said}"
    );
    let ringtail = setup(", retry_on_failure: {enabled: true}").start().await;
    ringtail.export(request(1)).await.unwrap();
    std::fs::write(&token, "late").unwrap();
    wait::until("the request arrives", || !backend.spans().is_empty()).await;
    assert_eq!(backend.last_header("authorization"), Some("Bearer late".into()));
    ringtail.settled().await;
}

/// Scenario: the health check with a token, TLS and a header of its own; the `prometheus` exporter with a token.
/// Guarantee: 401 without it, the page with it.
#[tokio::test]
async fn pages_can_be_guarded() {
    let backend = Backend::grpc().await;
    let (health, scraped) = (free_address(), free_address());
    let mut setup = Setup::over(&[&backend]);
    let auth = "auth: {authenticator: bearertokenauth}";
    setup.more_exporters = format!("  prometheus: {{endpoint: '{scraped}', {auth}}}");
    setup.extensions = format!(
        "  bearertokenauth: {{token: sesame}}
  health_check: {{endpoint: '{health}', {auth}, response_headers: {{x-from: ringtail}}}}"
    );
    setup.service_extensions = ", bearertokenauth, health_check".into();
    setup.pipelines = "{traces: {receivers: [otlp], exporters: [load_balancing]}, \
                       metrics: {receivers: [otlp], exporters: [prometheus]}}"
        .into();
    let ringtail = setup.start().await;
    for (address, path) in [(health, "/"), (scraped, "/metrics")] {
        let refused = http::get(address, path).await.unwrap();
        assert_eq!(refused.status, 401, "{path}");
        let asked = http::request("GET", path, &[("authorization", "Bearer sesame")], "");
        assert_eq!(http::send(address, asked).await.unwrap().status, 200, "{path}");
    }
    assert_eq!(http::get(health, "/").await.unwrap().header("x-from"), Some("ringtail"));
    ringtail.settled().await;
}

/// Scenario: two exporters and two signals with one `file_storage`; the backend is away, the process is killed.
/// Guarantee: each has a folder of its own, and what was acknowledged arrives after the restart.
#[tokio::test]
async fn queues_share_a_storage_and_survive_a_kill() {
    let (one, other) = (Backend::grpc().await, Backend::grpc().await);
    let mut setup = Setup::over(&[&one]);
    let storage = setup.dir.path().join("storage");
    let exporter = |name: &str, backend: &Backend| {
        format!(
            "  {name}: {{endpoint: '{}', tls: {{insecure: true}}, sending_queue: {{storage: file_storage/q}}, \
             retry_on_failure: {{initial_interval: 50ms, max_interval: 50ms}}}}\n",
            backend.address()
        )
    };
    setup.more_exporters = exporter("otlp/a.b", &one) + &exporter("otlp/a/b", &other);
    setup.extensions = format!(
        "  file_storage/q: {{directory: '{}', create_directory: true, fsync: true, directory_permissions: '0700'}}",
        storage.display()
    );
    setup.service_extensions = ", file_storage/q".into();
    setup.pipelines = "{traces: {receivers: [otlp], exporters: [otlp/a.b, otlp/a/b]}, \
                       logs: {receivers: [otlp], exporters: [otlp/a.b]}}"
        .into();
    let ringtail = setup.start().await;
    one.stop();
    other.stop();
    ringtail.export(request(1)).await.unwrap();
    let mut folders: Vec<_> = std::fs::read_dir(&storage)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort_unstable();
    assert_eq!(folders, ["otlp~002Fa.b-logs", "otlp~002Fa.b-traces", "otlp~002Fa~002Fb-traces"]);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&storage).unwrap().permissions().mode() & 0o777, 0o700);
    ringtail.kill();
    one.restart().await;
    other.restart().await;
    ringtail.respawn();
    ringtail.ready().await;
    for backend in [&one, &other] {
        wait::until("what was acknowledged arrives", || !backend.spans().is_empty()).await;
        assert_arrived_once(&[request(1)], &[backend]);
    }
}
