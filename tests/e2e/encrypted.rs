//! TLS on both sides: certificates that are shown, wanted, trusted, or missing.

use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use crate::support::backend::Backend;
use crate::support::certs::Certs;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::setup::Setup;
use crate::support::{Traces, http};

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
