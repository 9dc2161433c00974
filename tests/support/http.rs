//! A small HTTP client on hyper: one connection a request unless kept.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request with its whole body.
pub type Posted = Request<Full<Bytes>>;

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Posted {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body.into())).unwrap()
}

/// Sends over HTTP/1.1 on a connection of its own.
pub async fn send(address: SocketAddr, request: Posted) -> Result<Answer, String> {
    send_over(TcpStream::connect(address).await.map_err(|e| e.to_string())?, request).await
}

/// Sends over HTTP/1.1 on a stream that is connected already.
pub async fn send_over<S>(stream: S, mut request: Posted) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    request.headers_mut().entry("host").or_insert("localhost".parse().unwrap());
    answer(sender.send_request(request).await.map_err(|e| e.to_string())?).await
}

/// Sends over HTTP/2 without TLS on a connection of its own.
pub async fn send_h2c(address: SocketAddr, mut request: Posted) -> Result<Answer, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    *request.uri_mut() = format!("http://{address}{}", request.uri().path()).parse().unwrap();
    answer(sender.send_request(request).await.map_err(|e| e.to_string())?).await
}

async fn answer(response: Response<hyper::body::Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

pub async fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    send(address, request("GET", path, &[], "")).await
}

pub async fn post(address: SocketAddr, path: &str, media: &str, body: impl Into<Bytes>) -> Answer {
    send(address, request("POST", path, &[("content-type", media)], body)).await.unwrap()
}
