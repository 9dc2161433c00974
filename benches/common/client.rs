//! One gRPC connection on bare HTTP/2, so that the load costs less than what it loads; reopened when it ends.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;

use super::{payload, scan};

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Between two attempts to connect.
const REDIAL: Duration = Duration::from_millis(20);

/// How a call ended.
pub enum Answer {
    /// The spans are delivered, but for the rejected ones.
    Ok {
        /// Spans that the answer says are rejected.
        rejected: u64,
    },
    /// None is known to be delivered.
    Failed(String),
}

/// A connection.
pub struct Link {
    request: Request<()>,
    target: SocketAddr,
    current: RefCell<Option<SendRequest<Bytes>>>,
    generation: Cell<u64>,
    reconnects: Cell<u64>,
    dialing: tokio::sync::Mutex<()>,
}

impl Link {
    /// Not yet connected.
    pub fn new(target: SocketAddr) -> Self {
        let request = Request::post(format!(
            "http://{target}/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "ringtail-bench")
        .body(())
        .expect("constant headers");
        Self {
            request,
            target,
            current: RefCell::default(),
            generation: Cell::new(0),
            reconnects: Cell::new(0),
            dialing: tokio::sync::Mutex::default(),
        }
    }

    /// How often the connection was opened again since the last time this was asked.
    pub fn take_reconnects(&self) -> u64 {
        self.reconnects.take()
    }

    /// Sends a message with its gRPC prefix and waits for the answer.
    pub async fn call(&self, message: Bytes) -> Answer {
        self.attempt(message).await.unwrap_or_else(|error| Answer::Failed(error.to_string()))
    }

    async fn attempt(&self, message: Bytes) -> Result<Answer, h2::Error> {
        let mut sender = self.sender().await;
        let (response, mut stream) = sender.send_request(self.request.clone(), false)?;
        stream.send_data(message, true)?;
        let (head, mut body) = response.await?.into_parts();
        let mut answer = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            answer.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await?;
        let from = trailers.as_ref().unwrap_or(&head.headers);
        let text = |name| from.get(name).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
        if text("grpc-status") != "0" {
            return Ok(Answer::Failed(format!(
                "HTTP {}, gRPC status {}: {}",
                head.status.as_u16(),
                text("grpc-status"),
                text("grpc-message")
            )));
        }
        match answer.get(payload::PREFIX..).and_then(scan::rejected) {
            Some(rejected) => Ok(Answer::Ok { rejected }),
            None => Ok(Answer::Failed("the answer is no export response".into())),
        }
    }

    /// A sender of a connection that takes requests: after a GOAWAY or an error, that of a new one.
    async fn sender(&self) -> SendRequest<Bytes> {
        loop {
            let generation = self.generation.get();
            let current = self.current.borrow().clone();
            if let Some(sender) = current
                && let Ok(sender) = sender.ready().await
            {
                return sender;
            }
            let _alone = self.dialing.lock().await;
            if self.generation.get() != generation {
                continue;
            }
            match self.dial().await {
                Some(sender) => {
                    self.generation.set(generation + 1);
                    self.reconnects.set(self.reconnects.get() + u64::from(generation > 0));
                    self.current.replace(Some(sender));
                }
                None => tokio::time::sleep(REDIAL).await,
            }
        }
    }

    async fn dial(&self) -> Option<SendRequest<Bytes>> {
        let socket = TcpStream::connect(self.target).await.ok()?;
        let _ = socket.set_nodelay(true);
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(socket)
            .await
            .ok()?;
        tokio::task::spawn_local(connection);
        Some(sender)
    }
}
