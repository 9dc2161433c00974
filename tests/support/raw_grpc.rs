//! gRPC by hand on h2, for what no proper client would send.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// One connection.
#[derive(Clone)]
pub struct RawGrpc {
    pub send: SendRequest<Bytes>,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub http: u16,
    pub headers: HeaderMap,
    pub code: Option<i32>,
    pub message: String,
    pub body: Bytes,
}

/// A message with its prefix.
pub fn framed(compressed: bool, message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.extend_from_slice(&[u8::from(compressed)]);
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
    out.freeze()
}

impl RawGrpc {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, address).await.unwrap()
    }

    /// Over a stream that is connected already.
    pub async fn over<S>(stream: S, address: SocketAddr) -> Result<Self, h2::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Self { send, address })
    }

    pub fn request(&self, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::post(format!("http://{}{path}", self.address)).header("te", "trailers");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/grpc");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// Sends the bytes as they are and ends the stream.
    pub async fn call(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, h2::Error> {
        let mut send = self.send.clone().ready().await?;
        let (response, mut stream) = send.send_request(self.request(path, headers), false)?;
        stream.send_data(body, true)?;
        let (head, mut incoming) = response.await?.into_parts();
        let mut body = BytesMut::new();
        while let Some(data) = incoming.data().await {
            let data = data?;
            incoming.flow_control().release_capacity(data.len())?;
            body.extend_from_slice(&data);
        }
        let trailers = incoming.trailers().await?.unwrap_or_default();
        let find = |name: &str| {
            trailers.get(name).or(head.headers.get(name)).map(|v| v.to_str().unwrap().to_owned())
        };
        Ok(Answer {
            http: head.status.as_u16(),
            code: find("grpc-status").map(|code| code.parse().unwrap()),
            message: find("grpc-message").unwrap_or_default(),
            headers: head.headers,
            body: body.freeze(),
        })
    }
}
