//! Listening sockets: bound before anything starts, so that a taken port is an error and not a log line.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::config::Endpoint;
use crate::stream::Stream;
use crate::tls;

/// A bound listener of either kind.
pub enum Listener {
    /// `host:port`.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

/// An accepted connection that is not yet tied to a runtime.
pub enum Accepted {
    /// From a TCP listener.
    Tcp(std::net::TcpStream),
    /// From a Unix listener.
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Binds `endpoint`. A host name that stands for several addresses is bound at the first that works, IPv4 first, as
    /// the Collector does for `localhost`.
    pub fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix(path) => Ok(Self::Unix(UnixListener::bind(path)?)),
            Endpoint::Tcp(address) => {
                let address =
                    if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.clone() };
                let mut found: Vec<_> = address.to_socket_addrs()?.collect();
                found.sort_by_key(std::net::SocketAddr::is_ipv6);
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
                for address in found {
                    match bind_tcp(address) {
                        Ok(listener) => return Ok(Self::Tcp(listener)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// The address in force, for logs and for tests that bind port 0.
    pub fn local_addr(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|a| a.to_string()).unwrap_or_default(),
            Self::Unix(listener) => format!("{:?}", listener.local_addr().ok()),
        }
    }

    /// The next connection. Running out of file descriptors pauses instead of spinning.
    pub async fn accept(&self) -> Accepted {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => {
                    listener.accept().await.and_then(|(s, _)| s.into_std()).map(Accepted::Tcp)
                }
                Self::Unix(listener) => {
                    listener.accept().await.and_then(|(s, _)| s.into_std()).map(Accepted::Unix)
                }
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Accepted {
    /// Ties the connection to the current runtime and, with TLS, shakes hands.
    pub async fn open(self, tls: Option<&Arc<tls::Acceptor>>) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(stream) => Ok(Box::new(tokio::net::UnixStream::from_std(stream)?)),
            Self::Tcp(stream) => {
                let stream = TcpStream::from_std(stream)?;
                stream.set_nodelay(true)?;
                match tls {
                    None => Ok(Box::new(stream)),
                    Some(tls) => Ok(Box::new(tls.accept(stream).await.map_err(io::Error::other)?)),
                }
            }
        }
    }
}

fn bind_tcp(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
