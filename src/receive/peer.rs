//! The other end of a connection, as each protocol shows it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::origin::Peer;

/// An address of a connection.
#[derive(Clone, Debug)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A path; `@` where it has none, and before a name that is none.
    Unix(String),
    /// It has gone already.
    Gone,
}

impl Address {
    /// As gRPC shows it.
    pub fn grpc(&self) -> Arc<Peer> {
        Arc::new(match self {
            Self::Tcp(at) => {
                let at = SocketAddr::new(at.ip().to_canonical(), at.port());
                Peer { shown: Some(at.to_string()), address: at.ip().to_string() }
            }
            Self::Unix(path) => Peer { shown: Some(path.clone()), address: path.clone() },
            Self::Gone => Peer::default(),
        })
    }

    /// As HTTP shows it: an address only, and nothing of a Unix socket.
    pub fn http(&self) -> Arc<Peer> {
        Arc::new(match self {
            Self::Tcp(at) => {
                let address = IpAddr::to_canonical(&at.ip()).to_string();
                Peer { shown: Some(address.clone()), address }
            }
            Self::Unix(_) | Self::Gone => Peer::default(),
        })
    }
}

impl From<std::io::Result<SocketAddr>> for Address {
    fn from(at: std::io::Result<SocketAddr>) -> Self {
        at.map_or(Self::Gone, Self::Tcp)
    }
}

impl From<std::io::Result<std::os::unix::net::SocketAddr>> for Address {
    fn from(at: std::io::Result<std::os::unix::net::SocketAddr>) -> Self {
        at.map_or(Self::Gone, |at| {
            let path = at.as_pathname().map(|path| path.display().to_string());
            let name = || {
                use std::os::linux::net::SocketAddrExt;
                let name = at.as_abstract_name().unwrap_or_default();
                format!("@{}", String::from_utf8_lossy(name))
            };
            Self::Unix(path.unwrap_or_else(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(address: &Address) -> [(Option<String>, String); 2] {
        [address.grpc(), address.http()].map(|peer| (peer.shown.clone(), peer.address.clone()))
    }

    #[test]
    fn ports_are_shown_by_grpc_only_and_mapped_addresses_are_plain() {
        for (at, with_port, address) in [
            ("10.0.0.7:99", "10.0.0.7:99", "10.0.0.7"),
            ("[::1]:99", "[::1]:99", "::1"),
            ("[::ffff:10.0.0.7]:99", "10.0.0.7:99", "10.0.0.7"),
        ] {
            let shown = both(&Address::Tcp(at.parse().unwrap()));
            let expected = |shown: &str| (Some(shown.to_owned()), address.to_owned());
            assert_eq!(shown, [expected(with_port), expected(address)]);
        }
    }

    #[test]
    fn unix_sockets_have_paths_or_names_and_http_shows_neither() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let unnamed = Address::from(one.peer_addr());
        assert_eq!(both(&unnamed), [(Some("@".into()), "@".into()), (None, String::new())]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let named = Address::from(listener.local_addr());
        assert_eq!(both(&named)[0].0.as_deref(), path.to_str());
    }
}
