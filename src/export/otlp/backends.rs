//! A backend as configured: the addresses behind its name, and a client for each on the worker that uses it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::auth::Credentials;
use crate::client::{Client, HttpForm, Protocol, Target};
use crate::outcome::Signal;
use crate::tls;

/// How the backend is reached.
pub struct Reach {
    /// The name, with its port.
    pub address: String,
    /// TLS to it.
    pub tls: Option<tls::Connector>,
    /// Who we say we are.
    pub auth: Option<Credentials>,
    /// What is sent.
    pub signal: Signal,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Path and encoding over HTTP.
    pub form: HttpForm,
    /// Longest call.
    pub timeout: Duration,
}

/// The addresses of the name, shared by all workers.
#[derive(Default)]
pub struct Addresses {
    found: ArcSwap<Vec<SocketAddr>>, // empty where the name has one address only, which connecting looks up
    next: AtomicUsize,
    down: Mutex<HashMap<SocketAddr, Instant>>, // not tried until then while there are others
}

/// A backend as it is configured now. Its connections end with it, once the last call that uses them has.
pub struct Backend {
    /// How it is reached.
    pub reach: Arc<Reach>,
    /// Where its name is looked up, when calls take turns among its addresses.
    pub addresses: Option<Arc<Addresses>>,
    /// Sees whether it is back.
    pub probing: Client,
    /// Another one has taken its place.
    pub replaced: CancellationToken,
    on_worker: Vec<Clients>,
}

/// The clients of one worker.
pub struct Clients {
    reach: Arc<Reach>,
    addresses: Arc<Addresses>,
    open: Mutex<HashMap<Option<SocketAddr>, Arc<Client>>>, // at most one per address found
}

impl Reach {
    /// A client of one address of the name, or of whichever answers first.
    pub fn client(&self, at: Option<SocketAddr>) -> Result<Client, String> {
        let target =
            Target { address: self.address.clone(), at, tls: self.tls.clone(), auth: self.auth.clone() };
        Client::new(target, self.signal, &self.protocol, &self.form, self.timeout)
    }

    /// Whether the name may have several addresses.
    pub fn is_name(&self) -> bool {
        self.address.parse::<SocketAddr>().is_err()
    }
}

impl Backend {
    /// Checks address, path and headers; no connection is made before the first call.
    pub fn new(reach: Reach, round_robin: bool, workers: usize) -> Result<Self, String> {
        let (reach, addresses) = (Arc::new(reach), Arc::new(Addresses::default()));
        let probing = reach.client(None)?;
        let clients = |_| Clients::new(Arc::clone(&reach), Arc::clone(&addresses));
        let on_worker = (0..workers).map(clients).collect();
        let addresses = (round_robin && reach.is_name()).then_some(addresses);
        Ok(Self { reach, addresses, probing, replaced: CancellationToken::new(), on_worker })
    }

    /// The clients of a worker.
    pub fn clients(&self, worker: usize) -> &Clients {
        &self.on_worker[worker % self.on_worker.len()]
    }
}

impl Addresses {
    /// Looks the name up again. A name that is not found keeps its last addresses.
    pub async fn look_up(&self, reach: &Reach) {
        let Ok(found) = tokio::net::lookup_host(&reach.address).await else { return };
        let mut found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        found.sort_unstable();
        found.dedup();
        if found.len() < 2 {
            found.clear();
        }
        self.down.lock().retain(|address, _| found.contains(address));
        if **self.found.load() != found {
            self.found.store(Arc::new(found));
        }
    }

    /// Whose turn it is: the next address that is not known to be down.
    fn turn(&self, now: Instant) -> Option<SocketAddr> {
        let found = self.found.load();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let down = self.down.lock();
        let order = (0..found.len()).map(|step| found[(first.wrapping_add(step)) % found.len()]);
        let mut order = order.peekable();
        let fallback = order.peek().copied();
        order.find(|address| down.get(address).is_none_or(|until| *until <= now)).or(fallback)
    }

    /// Calls avoid the address for a while. Says whether there is another to try at once.
    fn set_down(&self, address: SocketAddr, now: Instant) -> bool {
        let mut down = self.down.lock();
        down.insert(address, now + DOWN_TIME);
        self.found.load().iter().any(|other| down.get(other).is_none_or(|until| *until <= now))
    }

    fn set_up(&self, address: SocketAddr) {
        self.down.lock().remove(&address);
    }
}

/// The client whose turn it is, and which address it stands for.
pub struct Turn {
    /// What to call.
    pub client: Arc<Client>,
    at: Option<SocketAddr>,
}

impl Clients {
    /// No connection is made before the first call.
    pub fn new(reach: Arc<Reach>, addresses: Arc<Addresses>) -> Self {
        Self { reach, addresses, open: Mutex::default() }
    }

    /// Who is called next.
    pub fn turn(&self) -> Result<Turn, String> {
        let at = self.addresses.turn(Instant::now());
        let mut open = self.open.lock();
        if let Some(client) = open.get(&at) {
            return Ok(Turn { client: Arc::clone(client), at });
        }
        let found = self.addresses.found.load();
        open.retain(|address, _| address.is_none_or(|address| found.contains(&address)));
        let client = Arc::new(self.reach.client(at)?);
        open.insert(at, Arc::clone(&client));
        Ok(Turn { client, at })
    }

    /// A call found nobody there. Says whether there is another address to try at once.
    pub fn unreachable(&self, turn: &Turn) -> bool {
        turn.at.is_some_and(|at| self.addresses.set_down(at, Instant::now()))
    }

    /// A call was answered.
    pub fn reached(&self, turn: &Turn) {
        if let Some(at) = turn.at {
            self.addresses.set_up(at);
        }
    }
}

/// Addresses of a name that are used.
const ADDRESSES_MAX: usize = 64;
/// How long an address that could not be reached is passed over.
const DOWN_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(ports: &[u16]) -> (Addresses, Vec<SocketAddr>) {
        let found: Vec<SocketAddr> = ports.iter().map(|port| ([127, 0, 0, 1], *port).into()).collect();
        let addresses = Addresses::default();
        addresses.found.store(Arc::new(found.clone()));
        (addresses, found)
    }

    #[test]
    fn addresses_take_turns() {
        let (addresses, found) = addresses(&[1, 2, 3]);
        let now = Instant::now();
        let turns: Vec<_> = (0..6).filter_map(|_| addresses.turn(now)).collect();
        assert_eq!(turns, [&found[..], &found[..]].concat());
    }

    #[test]
    fn one_that_is_down_is_passed_over_for_a_while() {
        let (addresses, found) = addresses(&[1, 2]);
        let now = Instant::now();
        assert!(addresses.set_down(found[0], now));
        assert!((0..4).all(|_| addresses.turn(now) == Some(found[1])));
        assert!(!addresses.set_down(found[1], now), "nobody is left to try at once");
        assert!(addresses.turn(now).is_some(), "but somebody is tried");
        let later = now + DOWN_TIME;
        assert_ne!(addresses.turn(later), addresses.turn(later));
    }

    #[test]
    fn a_name_with_one_address_is_looked_up_by_connecting() {
        assert_eq!(Addresses::default().turn(Instant::now()), None);
    }
}
