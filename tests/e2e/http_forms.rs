//! The forms that HTTP allows: chunks, expectations, connections used again and again, headers without end.

use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::backend::Backend;
use crate::support::load::{assert_arrived_once, span, traces};
use crate::support::process::Ringtail;
use crate::support::setup::Setup;

/// A connection on which bytes are written as they are.
struct Raw(TcpStream);

impl Raw {
    async fn connect(ringtail: &Ringtail) -> Self {
        Self(TcpStream::connect(ringtail.ports.http).await.unwrap())
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads until the text read ends with `end`, or the connection does.
    async fn read_to(&mut self, end: &str) -> String {
        let mut text = String::new();
        let reading = async {
            loop {
                let mut byte = [0];
                if text.ends_with(end) || !matches!(self.0.read(&mut byte).await, Ok(1)) {
                    return;
                }
                text.push(char::from(byte[0]));
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), reading).await.is_ok(), "no answer");
        text
    }
}

fn head(more: &str) -> String {
    format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n{more}\r\n")
}

async fn one() -> (Backend, Ringtail) {
    let backend = Backend::grpc().await;
    let ringtail = Setup::over(&[&backend]).http("read_header_timeout: 300ms").start().await;
    (backend, ringtail)
}

/// Scenario: a body in small chunks, and one that waits for `100 Continue`.
/// Guarantee: both are read.
#[tokio::test]
async fn chunked_and_expecting_requests_are_read() {
    let (backend, ringtail) = one().await;
    let mut raw = Raw::connect(&ringtail).await;
    raw.write(head("transfer-encoding: chunked\r\n").as_bytes()).await;
    let body = traces([span(1, 0)]).encode_to_vec();
    for chunk in body.chunks(7) {
        raw.write(format!("{:x}\r\n", chunk.len()).as_bytes()).await;
        raw.write(chunk).await;
        raw.write(b"\r\n").await;
    }
    raw.write(b"0\r\n\r\n").await;
    assert!(raw.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    let body = traces([span(2, 0)]).encode_to_vec();
    let expecting = format!("expect: 100-continue\r\ncontent-length: {}\r\n", body.len());
    raw.write(head(&expecting).as_bytes()).await;
    assert!(raw.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    raw.write(&body).await;
    assert!(raw.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    assert_arrived_once(&[traces([span(1, 0)]), traces([span(2, 0)])], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: good and bad requests by turns on one connection, two of them without waiting for the answer.
/// Guarantee: each gets its own answer, in order; the good ones arrive.
#[tokio::test]
async fn a_connection_serves_on_after_a_bad_request() {
    let (backend, ringtail) = one().await;
    let mut raw = Raw::connect(&ringtail).await;
    let good = |n| {
        let body = traces([span(n, 0)]).encode_to_vec();
        [head(&format!("content-length: {}\r\n", body.len())).into_bytes(), body].concat()
    };
    let garbage = [head("content-length: 3\r\n").as_bytes(), b"\xff\xff\xff"].concat();
    let media = good(9).as_slice().to_vec();
    let media = String::from_utf8_lossy(&media).find("x-protobuf").map(|at| {
        let mut media = media.clone();
        media[at..at + 10].copy_from_slice(b"x-nonsense");
        media
    });
    let steps = [(good(1), 200), (garbage, 400), (good(2), 200), (media.unwrap(), 415), (good(3), 200)];
    for (request, status) in steps {
        raw.write(&request).await;
        let answer = raw.read_to("\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let length = answer.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        raw.0.read_exact(&mut body).await.unwrap();
    }
    raw.write(&[good(4), good(5)].concat()).await;
    for _ in 0..2 {
        assert!(raw.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    }
    assert_arrived_once(&[traces((1..6).map(|n| span(n, 0)))], &[&backend]);
    ringtail.settled().await;
}

/// Scenario: headers that never end, that are too large, that are too many.
/// Guarantee: the connection is closed, with 431 where there is something to answer.
#[tokio::test]
async fn headers_have_bounds() {
    let (backend, ringtail) = one().await;
    let mut slow = Raw::connect(&ringtail).await;
    slow.write(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n").await;
    slow.read_to("never").await; // to the end of the connection
    let mut large = Raw::connect(&ringtail).await;
    large.write(head(&format!("x-large: {}\r\n", "a".repeat(40_000))).as_bytes()).await;
    assert!(large.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 431"));
    let mut many = Raw::connect(&ringtail).await;
    many.write(head(&(0..300).map(|n| format!("x-{n}: y\r\n")).collect::<String>()).as_bytes()).await;
    assert!(many.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 431"));
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    assert_arrived_once(&[traces([span(1, 0)])], &[&backend]);
    ringtail.settled().await;
}
