//! TLS on both sides: certificates that are shown, wanted, trusted, or missing.

use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use crate::support::backend::Backend;
use crate::support::certs::Certs;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::{Traces, http, wait};

fn request(n: u64) -> Traces {
    traces([span(n, 0), span(n, 1)])
}

fn post(n: u64) -> http::Posted {
    http::request(
        "POST",
        "/v1/traces",
        &[("content-type", "application/x-protobuf")],
        request(n).encode_to_vec(),
    )
}

/// Scenario: both ports with a certificate, a backend with one of the same authority.
/// Guarantee: spans travel encrypted on both sides; plaintext on these ports is refused.
#[tokio::test]
async fn tls_is_spoken_on_both_sides() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::write(dir.path());
    let backend = Backend::tls(certs.server()).await;
    let shown =
        format!("tls: {{cert_file: '{}', key_file: '{}'}}", certs.cert.display(), certs.key.display());
    let protocol = format!("{{otlp: {{tls: {{ca_file: '{}'}}}}}}", certs.ca.display());
    let ringtail = Setup::over(&[&backend]).grpc(&shown).http(&shown).protocol(&protocol).start().await;
    let stream = certs.connect(ringtail.ports.grpc, b"h2", false).await.unwrap();
    let grpc = RawGrpc::over(stream, ringtail.ports.grpc).await.unwrap();
    let answer = grpc.call(TRACES, &[], framed(false, &request(1).encode_to_vec())).await.unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.message);
    let stream = certs.connect(ringtail.ports.http, b"http/1.1", false).await.unwrap();
    assert_eq!(http::send_over(stream, post(2)).await.unwrap().status, 200);
    ringtail.export(request(3)).await.unwrap_err();
    assert!(http::send(ringtail.ports.http, post(4)).await.is_err());
    assert_arrived_once(&[request(1), request(2)], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: `client_ca_file` on both ports; clients with and without a certificate.
/// Guarantee: only the former are served.
#[tokio::test]
async fn a_client_without_a_certificate_is_refused_where_one_is_wanted() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::write(dir.path());
    let backend = Backend::grpc().await;
    let Certs { ca, cert, key } = &certs;
    let tls = format!(
        "tls: {{cert_file: '{}', key_file: '{}', client_ca_file: '{}'}}",
        cert.display(),
        key.display(),
        ca.display()
    );
    let ringtail = Setup::over(&[&backend]).grpc(&tls).http(&tls).start().await;
    for show in [false, true] {
        // Under TLS 1.3 the client learns of the refusal with its first read.
        let grpc = async {
            let stream = certs.connect(ringtail.ports.grpc, b"h2", show).await.ok()?;
            let grpc = RawGrpc::over(stream, ringtail.ports.grpc).await.ok()?;
            grpc.call(TRACES, &[], framed(false, &request(1).encode_to_vec())).await.ok()
        };
        assert_eq!(grpc.await.map(|answer| answer.code), show.then_some(Some(0)));
        let over_http = async {
            let stream = certs.connect(ringtail.ports.http, b"http/1.1", show).await.ok()?;
            http::send_over(stream, post(2)).await.ok()
        };
        assert_eq!(over_http.await.map(|answer| answer.status), show.then_some(200));
    }
    assert_arrived_once(&[request(1), request(2)], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: TLS to a backend that speaks plaintext, and to one whose authority is unknown.
/// Guarantee: the sender is told which key to look at: `tls.insecure`, `ca_file`.
#[tokio::test]
async fn tls_errors_name_the_key_to_change() {
    let dir = TempDir::new().unwrap();
    let (ours, others) = (Certs::write(dir.path()), TempDir::new().unwrap());
    let plain = Backend::grpc().await;
    let foreign = Backend::tls(Certs::write(others.path()).server()).await;
    let protocol = format!("{{otlp: {{tls: {{ca_file: '{}'}}}}}}", ours.ca.display());
    for (backend, key) in [(&plain, "tls.insecure"), (&foreign, "ca_file")] {
        let setup = Setup::over(&[backend]).protocol(&protocol).with("hold: {max_age: 200ms}");
        let ringtail = setup.start().await;
        let refusal = ringtail.export(request(1)).await.unwrap_err();
        assert_eq!(refusal.code(), Code::Unavailable);
        assert!(refusal.message().contains(key), "{refusal:?}");
        assert!(backend.spans().is_empty());
        ringtail.settled().await;
    }
}

/// Scenario: a certificate nobody can verify, and `insecure_skip_verify`.
/// Guarantee: the backend is spoken to, encrypted.
#[tokio::test]
async fn verification_can_be_skipped() {
    let dir = TempDir::new().unwrap();
    let backend = Backend::tls(Certs::write(dir.path()).server()).await;
    let protocol = "{otlp: {tls: {insecure_skip_verify: true}}}";
    let ringtail = Setup::over(&[&backend]).protocol(protocol).start().await;
    ringtail.export(request(1)).await.unwrap();
    assert_arrived_once(&[request(1)], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: the files of the server's certificate are replaced by those of another authority while a client is connected.
/// Guarantee: the open connection goes on; new connections see the new certificate, and nothing is lost.
#[tokio::test]
async fn a_certificate_is_replaced_without_a_dropped_connection() {
    let (dir, next) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (certs, newer) = (Certs::write(dir.path()), Certs::write(next.path()));
    let backend = Backend::grpc().await;
    let tls = format!(
        "tls: {{cert_file: '{}', key_file: '{}', reload_interval: 100ms}}",
        certs.cert.display(),
        certs.key.display()
    );
    let ringtail = Setup::over(&[&backend]).grpc(&tls).start().await;
    let stream = certs.connect(ringtail.ports.grpc, b"h2", false).await.unwrap();
    let open = RawGrpc::over(stream, ringtail.ports.grpc).await.unwrap();
    let call = async |grpc: &RawGrpc, n| {
        let answer = grpc.call(TRACES, &[], framed(false, &request(n).encode_to_vec())).await.unwrap();
        assert_eq!(answer.code, Some(0), "{}", answer.message);
    };
    call(&open, 1).await;
    for (old, new) in [(&certs.key, &newer.key), (&certs.cert, &newer.cert)] {
        let aside = old.with_extension("new");
        std::fs::copy(new, &aside).unwrap();
        std::fs::rename(&aside, old).unwrap();
    }
    // Only the new authority signed what is shown now.
    let stream = wait::until_some("the new certificate is shown", || async {
        newer.connect(ringtail.ports.grpc, b"h2", false).await.ok()
    })
    .await;
    call(&RawGrpc::over(stream, ringtail.ports.grpc).await.unwrap(), 2).await;
    call(&open, 3).await;
    assert!(ringtail.stderr().contains("a new certificate is in use"), "{}", ringtail.stderr());
    assert_arrived_once(&[request(1), request(2), request(3)], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: clients that ringtail cannot let in: in plaintext, and without the certificate that is wanted.
/// Guarantee: the log names the key to look at once, and a metric counts them.
#[tokio::test]
async fn who_cannot_connect_is_in_the_log_and_counted() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::write(dir.path());
    let backend = Backend::grpc().await;
    let Certs { ca, cert, key } = &certs;
    let (cert, key, ca) = (cert.display(), key.display(), ca.display());
    let tls = format!("tls: {{cert_file: '{cert}', key_file: '{key}', client_ca_file: '{ca}'}}");
    let ringtail = Setup::over(&[&backend]).grpc(&tls).start().await;
    for _ in 0..3 {
        ringtail.export(request(1)).await.unwrap_err();
    }
    let stderr = || ringtail.stderr();
    wait::until("the log says so", || stderr().contains("the client does not speak TLS")).await;
    assert_eq!(stderr().matches("a client could not connect").count(), 1, "{}", stderr());
    let metrics = http::get(ringtail.ports.metrics, "/metrics").await.unwrap().text();
    assert!(metrics.contains("ringtail_receiver_failed_handshakes{receiver=\"otlp\"}"), "{metrics}");
    ringtail.settled().await;
}

/// Scenario: `tls.insecure: true` to a backend that speaks TLS, and no certificate for one that wants one.
/// Guarantee: the sender is told which key to change.
#[tokio::test]
async fn what_a_backend_wants_is_said_with_its_key() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::write(dir.path());
    let encrypted = Backend::tls(certs.server()).await;
    let wanting = Backend::tls(certs.server_for_clients()).await;
    let ca = format!("{{otlp: {{tls: {{ca_file: '{}'}}}}}}", certs.ca.display());
    for (backend, protocol, key) in [
        (&encrypted, "{otlp: {tls: {insecure: true}}}", "remove `tls.insecure: true`"),
        (&wanting, &ca, "set tls.cert_file and tls.key_file"),
    ] {
        let setup = Setup::over(&[backend]).protocol(protocol).with("hold: {max_age: 200ms}");
        let ringtail = setup.start().await;
        let refusal = ringtail.export(request(1)).await.unwrap_err();
        assert!(refusal.message().contains(key), "{refusal:?}");
        ringtail.settled().await;
    }
}
