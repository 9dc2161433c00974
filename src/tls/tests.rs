//! Handshakes between our acceptor and our connector, over memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

mod choices;

type Authority = CertifiedIssuer<'static, KeyPair>;
type Streams = (Result<ServerStream<DuplexStream>, TlsError>, Result<ClientStream<DuplexStream>, TlsError>);

fn authority() -> Authority {
    named_authority("authority")
}

fn named_authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key for `name`.
fn pair(authority: &Authority, name: &str) -> (String, String) {
    signed(authority, CertificateParams::new([name.to_owned()]).unwrap())
}

fn signed(authority: &Authority, mut params: CertificateParams) -> (String, String) {
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

fn server((cert, key): (String, String)) -> ServerConfig {
    ServerConfig {
        cert: Pem::Text(cert),
        key: Pem::Text(key),
        client_ca: None,
        client_ca_reload: false,
        choice: Choice::default(),
        min_version: Version::V12,
        max_version: None,
        reload_interval: None,
    }
}

fn client(authority: &Authority) -> ClientConfig {
    ClientConfig { ca: Some(Pem::Text(authority.pem())), ..ClientConfig::default() }
}

/// The server says a byte, so that the client has read the session tickets and any late refusal.
async fn handshake(acceptor: &Acceptor, connector: &Connector, host: &str) -> Streams {
    let (near, far) = duplex(1 << 16);
    let serve = async {
        let mut stream = acceptor.accept(near).await?;
        stream.write_all(b"!").await.unwrap();
        stream.flush().await.unwrap();
        Ok(stream)
    };
    let connect = async {
        let mut stream = connector.connect(far, host).await?;
        let read = stream.read_u8().await;
        read.map_err(|source| TlsError::Handshake { side: Side::Client, source })?;
        Ok(stream)
    };
    tokio::join!(serve, connect)
}

async fn between(server: &ServerConfig, client: &ClientConfig, host: &str) -> Streams {
    let acceptor = acceptor(server, &[b"h2", b"http/1.1"]).unwrap();
    let connector = connector(client, &[b"h2"]).unwrap().unwrap();
    handshake(&acceptor, &connector, host).await
}

fn said<T>(result: Result<T, TlsError>) -> String {
    result.err().unwrap().to_string()
}

#[tokio::test]
async fn a_server_of_the_given_authority_is_believed() {
    let authority = authority();
    let (there, here) = between(&server(pair(&authority, "a.test")), &client(&authority), "a.test").await;
    let (_, state) = here.as_ref().unwrap().get_ref();
    assert_eq!(state.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(state.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(there.unwrap().get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (_, by_address) = between(&server(pair(&authority, "::1")), &client(&authority), "[::1]").await;
    by_address.unwrap();
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_with_the_key_to_set() {
    let mine = authority();
    // Also one made again under its old name, which differs by its signatures only.
    for other in [named_authority("other"), authority()] {
        let (there, here) = between(&server(pair(&other, "a.test")), &client(&mine), "a.test").await;
        let text = said(here);
        assert!(text.contains("set tls.ca_file"), "{text}");
        let text = said(there);
        assert!(text.contains("does not trust the certificate"), "{text}");
    }
    let other = authority();
    let anyone = ClientConfig { insecure_skip_verify: true, ..client(&mine) };
    between(&server(pair(&other, "b.test")), &anyone, "a.test").await.1.unwrap();
}

#[tokio::test]
async fn the_name_can_be_overridden() {
    let authority = authority();
    let server = server(pair(&authority, "a.test"));
    let (_, here) = between(&server, &client(&authority), "10.0.0.1").await;
    assert!(said(here).contains("set tls.server_name_override"));
    let named = ClientConfig { server_name_override: Some("a.test".into()), ..client(&authority) };
    between(&server, &named, "10.0.0.1").await.1.unwrap();
    let wrong = ClientConfig { server_name_override: Some("no name".into()), ..client(&authority) };
    assert!(said(connector(&wrong, &[])).contains("`no name` is no host name"));
}

#[tokio::test]
async fn a_client_certificate_is_required_and_verified() {
    let (authority, again) = (authority(), authority());
    let strict =
        ServerConfig { client_ca: Some(Pem::Text(authority.pem())), ..server(pair(&authority, "a.test")) };
    let (there, here) = between(&strict, &client(&authority), "a.test").await;
    assert!(said(there).contains("tls.client_ca_file asks clients for a certificate"));
    assert!(said(here).contains("set tls.cert_file and tls.key_file"));
    let with = |authority_of_client: &Authority| {
        let (cert, key) = pair(authority_of_client, "client");
        ClientConfig { cert: Some(Pem::Text(cert)), key: Some(Pem::Text(key)), ..client(&authority) }
    };
    for other in [named_authority("other"), again] {
        let (there, here) = between(&strict, &with(&other), "a.test").await;
        assert!(said(there).contains("not signed by an authority of tls.client_ca_file"));
        assert!(said(here).contains("does not accept the certificate of our tls.cert_file"));
    }
    let good = with(&authority);
    let (acceptor, connector) = (acceptor(&strict, &[]).unwrap(), connector(&good, &[]).unwrap().unwrap());
    for _ in 0..2 {
        let (there, here) = handshake(&acceptor, &connector, "a.test").await;
        assert_eq!(there.unwrap().get_ref().1.peer_certificates().unwrap().len(), 1);
        assert_eq!(here.unwrap().get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "never resumed");
    }
}

#[tokio::test]
async fn a_listed_certificate_is_believed_even_when_marked_as_an_authority() {
    let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let sign = |params: &CertificateParams| params.self_signed(&key).unwrap().pem();
    let config =
        |cert: &str| ClientConfig { ca: Some(Pem::Text(cert.to_owned())), ..ClientConfig::default() };
    let cert = sign(&params);
    let server_config = server((cert.clone(), key.serialize_pem()));
    between(&server_config, &config(&cert), "a.test").await.1.unwrap();
    let (_, here) = between(&server_config, &config(&cert), "b.test").await;
    assert!(said(here).contains("server_name_override"));
    let (_, here) = between(&server_config, &client(&authority()), "a.test").await;
    assert!(here.is_err(), "not listed");
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let old = sign(&params);
    let (_, here) = between(&server((old.clone(), key.serialize_pem())), &config(&old), "a.test").await;
    assert!(said(here).contains("needs a new certificate"));
}

#[tokio::test]
async fn a_listed_client_is_believed_even_when_marked_as_an_authority() {
    let authority = authority();
    let mut params = CertificateParams::new(["client".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let strict =
        |ca: String| ServerConfig { client_ca: Some(Pem::Text(ca)), ..server(pair(&authority, "a.test")) };
    let with = ClientConfig {
        cert: Some(Pem::Text(cert.clone())),
        key: Some(Pem::Text(key.serialize_pem())),
        ..client(&authority)
    };
    between(&strict(cert), &with, "a.test").await.0.unwrap();
    assert!(between(&strict(authority.pem()), &with, "a.test").await.0.is_err(), "not listed");
}

#[tokio::test(start_paused = true)]
async fn a_client_follows_its_certificate_too() {
    let authority = authority();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &pair(&authority, "first"));
    let strict =
        ServerConfig { client_ca: Some(Pem::Text(authority.pem())), ..server(pair(&authority, "a.test")) };
    let config = ClientConfig {
        cert: Some(Pem::File(folder.path().join("cert.pem"))),
        key: Some(Pem::File(folder.path().join("key.pem"))),
        reload_interval: Some(Duration::from_secs(5)),
        ..client(&authority)
    };
    let (acceptor, connector) = (acceptor(&strict, &[]).unwrap(), connector(&config, &[]).unwrap().unwrap());
    let shown = async || {
        let (there, _) = handshake(&acceptor, &connector, "a.test").await;
        there.unwrap().get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown().await;
    write(folder.path(), &pair(&authority, "second"));
    assert_eq!(shown().await, first);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_ne!(shown().await, first);
}

#[tokio::test]
async fn plaintext_peers_are_told_apart_and_the_key_is_named() {
    let authority = authority();
    let connector = connector(&client(&authority), &[b"h2"]).unwrap().unwrap();
    // An HTTP/1.1 answer, an HTTP/2 SETTINGS frame, and a peer that hangs up.
    for answer in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100], &[]]
    {
        let (mut near, far) = duplex(1 << 16);
        near.write_all(answer).await.unwrap();
        near.shutdown().await.unwrap();
        let text = said(connector.connect(far, "a.test").await);
        assert!(text.contains("`tls.insecure: true`"), "{answer:?}: {text}");
    }
    let acceptor = acceptor(&server(pair(&authority, "a.test")), &[]).unwrap();
    for request in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST /v1/traces HTTP/1.1\r\n\r\n"] {
        let (mut near, far) = duplex(1 << 16);
        near.write_all(request.as_bytes()).await.unwrap();
        let text = said(acceptor.accept(far).await);
        assert!(text.contains("the client does not speak TLS"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_let_go() {
    let authority = authority();
    let acceptor = acceptor(&server(pair(&authority, "a.test")), &[]).unwrap();
    let (_near, far) = duplex(64);
    assert!(said(acceptor.accept(far).await).contains("within 10 s"));
}

/// A server whose files are in a directory, and a client that remembers its sessions.
struct OnDisk {
    folder: tempfile::TempDir,
    acceptor: Acceptor,
    connector: Connector,
}

impl OnDisk {
    fn new(authority: &Authority, interval: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pair(authority, "a.test"));
        let file = |name| Pem::File(folder.path().join(name));
        let config = ServerConfig {
            cert: file("cert.pem"),
            key: file("key.pem"),
            reload_interval: Some(interval),
            ..server(Default::default())
        };
        let acceptor = acceptor(&config, &[]).unwrap();
        let connector = connector(&client(authority), &[]).unwrap().unwrap();
        Self { folder, acceptor, connector }
    }

    /// The certificate of the server, and whether the session was resumed.
    async fn seen(&self) -> (Vec<u8>, bool) {
        let (_, here) = handshake(&self.acceptor, &self.connector, "a.test").await;
        let stream = here.unwrap();
        let state = stream.get_ref().1;
        let resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
        (state.peer_certificates().unwrap()[0].to_vec(), resumed)
    }
}

fn write(folder: &Path, (cert, key): &(String, String)) {
    fs::write(folder.join("cert.pem"), cert).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_reaches_clients_that_resume() {
    let authority = authority();
    let disk = OnDisk::new(&authority, Duration::from_secs(60));
    let (first, _) = disk.seen().await;
    assert_eq!(disk.seen().await, (first.clone(), true), "sessions are resumed while nothing changes");
    write(disk.folder.path(), &pair(&authority, "a.test"));
    assert_eq!(disk.seen().await.0, first, "not before the interval");
    tokio::time::advance(Duration::from_secs(61)).await;
    let (second, resumed) = disk.seen().await;
    assert_ne!(second, first);
    assert!(!resumed);
    assert_eq!(disk.seen().await, (second.clone(), true));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(disk.seen().await, (second, true), "reading the same again disturbs nobody");
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_does_not_match_or_has_expired_is_not_taken() {
    let authority = authority();
    let disk = OnDisk::new(&authority, Duration::from_secs(3600));
    let (first, _) = disk.seen().await;
    let next = pair(&authority, "a.test");
    fs::write(disk.folder.path().join("cert.pem"), &next.0).unwrap();
    tokio::time::advance(Duration::from_secs(3601)).await;
    assert_eq!(disk.seen().await.0, first, "the key is still the old one");
    let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    write(disk.folder.path(), &signed(&authority, params));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(disk.seen().await.0, first, "expired");
    fs::remove_file(disk.folder.path().join("key.pem")).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(disk.seen().await.0, first, "gone");
    write(disk.folder.path(), &next);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_ne!(disk.seen().await.0, first, "a failure is tried again long before the interval");
}

#[test]
fn mistakes_name_their_key() {
    let authority = authority();
    let (cert, key) = pair(&authority, "a.test");
    let (_, other) = pair(&authority, "a.test");
    let with =
        |cert: Pem, key: Pem| said(acceptor(&ServerConfig { cert, key, ..server(Default::default()) }, &[]));
    let text = |text: &str| Pem::Text(text.to_owned());
    for (said, wanted) in [
        (with(Pem::File("/no/such".into()), text(&key)), "tls.cert_file: cannot read /no/such: No such file"),
        (with(text(&cert), Pem::File("/no/such".into())), "tls.key_file: cannot read /no/such"),
        (with(text(&key), text(&key)), "tls.cert_pem: holds no certificate"),
        (with(text(&cert), text(&cert)), "tls.key_pem: holds no private key"),
        (with(text(&cert), text(&other)), "tls.cert_pem and tls.key_pem: the private key does not belong"),
        (
            with(
                text(&cert),
                text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----"),
            ),
            "tls.key_pem: holds an encrypted key",
        ),
    ] {
        assert!(said.starts_with(wanted), "{said}");
    }
    let versions =
        ClientConfig { min_version: Version::V13, max_version: Some(Version::V12), ..client(&authority) };
    assert!(said(connector(&versions, &[])).starts_with("tls.max_version: "));
    let alone = ClientConfig { cert: Some(text(&cert)), ..client(&authority) };
    assert!(said(connector(&alone, &[])).contains("give both cert_file and key_file"));
    let ca = ClientConfig { ca: Some(Pem::File("/no/such".into())), ..ClientConfig::default() };
    assert!(said(connector(&ca, &[])).starts_with("tls.ca_file: cannot read /no/such"));
}

#[test]
fn insecure_means_plaintext_only_without_an_authority() {
    let plain = ClientConfig { insecure: true, ..ClientConfig::default() };
    assert!(connector(&plain, &[]).unwrap().is_none());
    let both = ClientConfig { insecure: true, ..client(&authority()) };
    assert!(connector(&both, &[]).unwrap().is_some());
}

#[tokio::test]
async fn versions_are_kept_to() {
    let authority = authority();
    let old = ServerConfig { max_version: Some(Version::V12), ..server(pair(&authority, "a.test")) };
    let (_, here) = between(&old, &client(&authority), "a.test").await;
    assert_eq!(here.unwrap().get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    let new = ClientConfig { min_version: Version::V13, ..client(&authority) };
    let (there, here) = between(&old, &new, "a.test").await;
    assert!(there.is_err());
    assert!(said(here).contains("tls.min_version"));
}
