//! Listening sockets, also at an address that its owner is about to give up.
//!
//! A change of configuration binds what is new before it closes what is old, so that a failure changes nothing. Where
//! the new address is the old one, the socket changes hands, with the connections that wait in it. Where they overlap
//! (`localhost:4317` becomes `0.0.0.0:4317`) both listen until the old one is closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Listens at the first of `addresses` that works. The sockets `leaving` are about to be closed.
pub fn listen(addresses: &[SocketAddr], leaving: &[BorrowedFd<'_>]) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in addresses {
        match listen_at(*address, leaving) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Where a TCP socket listens.
pub fn address_of(socket: BorrowedFd<'_>) -> Option<SocketAddr> {
    SockRef::from(&socket).local_addr().ok()?.as_socket()
}

/// A connection that waits to be accepted, if there is one: also where the runtime has not heard of it yet.
pub fn accept_now(socket: BorrowedFd<'_>) -> Option<OwnedFd> {
    let (accepted, _) = SockRef::from(&socket).accept().ok()?;
    accepted.set_nonblocking(true).ok()?;
    Some(accepted.into())
}

fn listen_at(address: SocketAddr, leaving: &[BorrowedFd<'_>]) -> io::Result<TcpListener> {
    if let Some(same) = leaving.iter().find(|socket| address_of(**socket) == Some(address)) {
        return same.try_clone_to_owned().map(TcpListener::from);
    }
    match bind(address, false) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let overlaps = |socket: &&BorrowedFd<'_>| {
                address_of(**socket).is_some_and(|other| other.port() == address.port())
            };
            let beside: Vec<SockRef<'_>> = leaving.iter().filter(overlaps).map(SockRef::from).collect();
            if beside.is_empty() { Err(error) } else { bind_beside(address, &beside) }
        }
        other => other,
    }
}

/// Nobody else can join afterwards: the sockets share the port for this moment only.
fn bind_beside(address: SocketAddr, beside: &[SockRef<'_>]) -> io::Result<TcpListener> {
    let share = |on: bool| beside.iter().try_for_each(|socket| socket.set_reuse_port(on));
    let bound = share(true).and_then(|()| bind(address, true));
    share(false)?;
    let bound = bound?;
    SockRef::from(&bound).set_reuse_port(false)?;
    Ok(bound)
}

fn bind(address: SocketAddr, shares: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::fd::AsFd;

    fn at(ip: [u8; 4], port: u16) -> SocketAddr {
        (ip, port).into()
    }

    #[test]
    fn a_taken_address_is_an_error_unless_its_owner_leaves() {
        let old = listen(&[at([127, 0, 0, 1], 0)], &[]).unwrap();
        let address = old.local_addr().unwrap();
        assert_eq!(listen(&[address], &[]).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let waiting = TcpStream::connect(address).unwrap();
        let new = listen(&[address], &[old.as_fd()]).unwrap();
        drop(old);
        new.set_nonblocking(false).unwrap();
        let (mut accepted, from) = new.accept().unwrap();
        assert_eq!(from, waiting.local_addr().unwrap(), "what waited in the socket goes with it");
        accepted.write_all(b"x").unwrap();
        let mut byte = [0];
        (&waiting).read_exact(&mut byte).unwrap();
    }

    #[test]
    fn an_address_that_overlaps_is_bound_beside_the_old_one() {
        let old = listen(&[at([127, 0, 0, 1], 0)], &[]).unwrap();
        let port = old.local_addr().unwrap().port();
        let wide = at([0, 0, 0, 0], port);
        assert!(listen(&[wide], &[]).is_err());
        let new = listen(&[wide], &[old.as_fd()]).unwrap();
        assert!(listen(&[wide], &[]).is_err(), "nobody else can join");
        drop(old);
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        new.set_nonblocking(false).unwrap();
        new.accept().unwrap();
    }
}
