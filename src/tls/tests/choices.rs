//! Suites, curves and authorities that the configuration chooses, and verdicts that come late.

use std::fs;
use std::time::Duration;

use tokio::io::{AsyncReadExt, duplex};

use super::*;

fn suites(names: &[&str]) -> Choice {
    let here = |name: &&str| match suite(name) {
        Named::Here(suite) => suite,
        other => panic!("{name}: {other:?}"),
    };
    Choice { suites: names.iter().map(here).collect(), ..Choice::default() }
}

fn curves(names: &[&str]) -> Choice {
    let here = |name: &&str| match curve(name) {
        Named::Here(curve) => curve,
        other => panic!("{name}: {other:?}"),
    };
    Choice { curves: names.iter().map(here).collect(), ..Choice::default() }
}

#[tokio::test]
async fn only_what_is_listed_is_offered_and_both_sides_say_which_key_to_compare() {
    let authority = authority();
    let (small, large) =
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    let there = ServerConfig { choice: suites(&[small]), ..server(pair(&authority, "a.test")) };
    let old = ClientConfig { max_version: Some(Version::V12), ..client(&authority) };
    let here = ClientConfig { choice: suites(&[large, small]), ..old.clone() };
    let (_, stream) = between(&there, &here, "a.test").await;
    let used = stream.unwrap().get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(used, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    let here = ClientConfig { choice: suites(&[large]), ..old };
    let (refused, refusing) = between(&there, &here, "a.test").await;
    assert!(said(refused).contains("compare tls.cipher_suites"));
    assert!(said(refusing).contains("compare tls.cipher_suites"));
    // As in Go, TLS 1.3 has its own whatever is listed.
    let newer = ClientConfig { choice: suites(&[large]), ..client(&authority) };
    between(&there, &newer, "a.test").await.1.unwrap();
}

#[tokio::test]
async fn curves_are_kept_to() {
    let authority = authority();
    let there = ServerConfig { choice: curves(&["X25519", "P384"]), ..server(pair(&authority, "a.test")) };
    let here = |names| ClientConfig { choice: curves(names), ..client(&authority) };
    let (_, stream) = between(&there, &here(&["P256", "P384"]), "a.test").await;
    let used = stream.unwrap().get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(used, rustls::NamedGroup::secp384r1);
    let (refused, _) = between(&there, &here(&["P256"]), "a.test").await;
    assert!(said(refused).contains("compare tls.curve_preferences"));
}

#[tokio::test(start_paused = true)]
async fn new_authorities_of_clients_are_taken_only_where_that_is_asked_for() {
    let (first, second) = (named_authority("first"), named_authority("second"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clients.pem");
    for watched in [true, false] {
        fs::write(&path, first.pem()).unwrap();
        let there = ServerConfig {
            client_ca: Some(Pem::File(path.clone())),
            client_ca_reload: watched,
            ..server(pair(&first, "a.test"))
        };
        let acceptor = acceptor(&there, &[b"h2"]).unwrap();
        let (cert, key) = pair(&second, "client");
        let shown = ClientConfig { cert: Some(Pem::Text(cert)), key: Some(Pem::Text(key)), ..client(&first) };
        let connector = connector(&shown, &[b"h2"]).unwrap().unwrap();
        assert!(handshake(&acceptor, &connector, "a.test").await.0.is_err());
        fs::write(&path, second.pem()).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(handshake(&acceptor, &connector, "a.test").await.0.is_ok(), watched);
        fs::write(&path, "no certificate").unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(handshake(&acceptor, &connector, "a.test").await.0.is_ok(), watched);
    }
}

#[tokio::test]
async fn a_verdict_that_comes_after_the_handshake_is_explained() {
    let authority = authority();
    let there =
        ServerConfig { client_ca: Some(Pem::Text(authority.pem())), ..server(pair(&authority, "a.test")) };
    let acceptor = acceptor(&there, &[b"h2"]).unwrap();
    let connector = connector(&client(&authority), &[b"h2"]).unwrap().unwrap();
    let (near, far) = duplex(1 << 16);
    let (refused, read) = tokio::join!(acceptor.accept(near), async {
        let stream = connector.connect(far, "a.test").await.unwrap();
        Explained::new(stream, Side::Client).read_u8().await
    });
    assert!(refused.err().unwrap().is_verdict());
    assert!(read.unwrap_err().to_string().contains("set tls.cert_file and tls.key_file"));
}
