//! Listening sockets: bound before anything starts, so that a taken port is an error and not a log line.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::config::Endpoint;
use super::peer::Address;
use crate::socket;
use crate::stream::Stream;
use crate::tls;

/// A bound listener of either kind.
pub struct Listener {
    socket: Socket,
    handed_over: AtomicBool,
}

enum Socket {
    /// `host:port`.
    Tcp(TcpListener),
    /// A path, which goes with its listener.
    Unix(UnixListener, PathBuf),
}

/// An accepted connection that is not yet tied to a runtime.
pub enum Accepted {
    /// From a TCP listener.
    Tcp(std::net::TcpStream),
    /// From a Unix listener.
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Binds `endpoint`, also where one of `leaving` still listens. A host name that stands for several addresses is bound
    /// at the first that works, IPv4 first, as the Collector does for `localhost`.
    pub fn bind(endpoint: &Endpoint, leaving: &[Arc<Self>]) -> io::Result<Self> {
        let socket = match endpoint {
            Endpoint::Unix(path) => Socket::Unix(UnixListener::bind(path)?, path.into()),
            Endpoint::Tcp(address) => {
                let sockets: Vec<_> = leaving.iter().filter_map(|one| one.socket()).collect();
                Socket::Tcp(TcpListener::from_std(socket::listen(&addresses(address)?, &sockets)?)?)
            }
        };
        let listener = Self { socket, handed_over: AtomicBool::new(false) };
        let at = listener.socket().and_then(socket::address_of);
        let same = |other: &&Arc<Self>| at.is_some() && other.socket().and_then(socket::address_of) == at;
        leaving.iter().filter(same).for_each(|other| other.handed_over.store(true, Ordering::Release));
        Ok(listener)
    }

    /// Whether another listener has its socket as well, and accepts from it when this one does not any more.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Acquire)
    }

    /// Whether it is what binding `endpoint` would give.
    pub fn is_at(&self, endpoint: &Endpoint) -> bool {
        match (&self.socket, endpoint) {
            (Socket::Unix(_, bound), Endpoint::Unix(path)) => bound == Path::new(path),
            (Socket::Tcp(listener), Endpoint::Tcp(address)) => {
                let wanted = addresses(address).ok().and_then(|found| found.first().copied());
                wanted.is_some() && wanted == listener.local_addr().ok()
            }
            _ => false,
        }
    }

    /// The address in force, for logs and for tests that bind port 0.
    pub fn local_addr(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().map(|a| a.to_string()).unwrap_or_default(),
            Socket::Unix(_, path) => path.display().to_string(),
        }
    }

    /// A connection that waits to be accepted, if there is one.
    pub fn accept_now(&self) -> Option<Accepted> {
        match &self.socket {
            Socket::Tcp(listener) => {
                socket::accept_now(listener.as_fd()).map(|accepted| Accepted::Tcp(accepted.into()))
            }
            Socket::Unix(listener, _) => {
                socket::accept_now(listener.as_fd()).map(|accepted| Accepted::Unix(accepted.into()))
            }
        }
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.socket {
            Socket::Tcp(listener) => Some(listener.as_fd()),
            Socket::Unix(..) => None,
        }
    }

    /// The next connection. Running out of file descriptors pauses instead of spinning.
    pub async fn accept(&self) -> Accepted {
        loop {
            let accepted = match &self.socket {
                Socket::Tcp(listener) => {
                    listener.accept().await.and_then(|(s, _)| s.into_std()).map(Accepted::Tcp)
                }
                Socket::Unix(listener, _) => {
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
    /// The other end.
    pub fn address(&self) -> Address {
        match self {
            Self::Tcp(stream) => stream.peer_addr().into(),
            Self::Unix(stream) => stream.peer_addr().into(),
        }
    }

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

impl Drop for Listener {
    /// A path that stays behind could not be bound again.
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            let _ = std::fs::remove_file(path); // gone already
        }
    }
}

fn addresses(endpoint: &str) -> io::Result<Vec<SocketAddr>> {
    let endpoint = if endpoint.starts_with(':') { format!("0.0.0.0{endpoint}") } else { endpoint.to_owned() };
    let mut found: Vec<_> = endpoint.to_socket_addrs()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
