//! A name whose A and AAAA records are the members.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use tokio::time::Instant;

use super::{Dns, MEMBERS_MAX, Rejection, address};
use crate::route::{Member, Membership};

/// Asks for one name, again and again.
pub(super) struct DnsSource {
    config: Dns,
    name_servers: Vec<SocketAddr>,
    resolver: Option<TokioResolver>,
    due: Instant,
    last: BTreeSet<IpAddr>,
}

/// What one question gave: addresses, or why it failed; that no such record exists is an answer.
type Answer = Result<BTreeSet<IpAddr>, String>;

impl DnsSource {
    pub(super) fn new(config: Dns, name_servers: Vec<SocketAddr>) -> Self {
        let due = Instant::now() + config.interval;
        Self { config, name_servers, resolver: None, due, last: BTreeSet::new() }
    }

    /// Waits until the name should be asked for again.
    pub(super) async fn due(&mut self) {
        tokio::time::sleep_until(self.due).await;
    }

    /// The addresses as a membership. An address leaves only when two answers in a row lack it, so a shorter answer
    /// is confirmed by a second question soon after.
    pub(super) async fn read(&mut self) -> Result<Option<Membership>, Rejection> {
        let found = self.confirmed().await;
        self.due = Instant::now() + self.config.interval;
        let found = found?;
        if found.len() > MEMBERS_MAX {
            let (name, count) = (&self.config.hostname, found.len());
            return Err(Rejection::Invalid(format!(
                "{name}: {count} addresses; at most {MEMBERS_MAX} are allowed"
            )));
        }
        let members = found.iter().map(|ip| {
            let id = address::resolved(*ip, self.config.port);
            Member { address: address::with_port(&id), ..Member::new(id) }
        });
        let membership = Membership::new(None, 0, members.collect());
        self.last = found;
        Ok(Some(membership))
    }

    async fn confirmed(&mut self) -> Result<BTreeSet<IpAddr>, Rejection> {
        let first = self.look_up().await?;
        if self.last.is_subset(&first) {
            return Ok(first);
        }
        let soon = (self.config.interval / 5).clamp(Duration::from_millis(20), Duration::from_millis(500));
        tokio::time::sleep(soon).await;
        let second = self.look_up().await?;
        Ok(first.union(&second).copied().collect())
    }

    /// Both families. Where one fails and the other answers, the last addresses of the failed one stay.
    async fn look_up(&mut self) -> Result<BTreeSet<IpAddr>, Rejection> {
        let name = self.config.hostname.clone();
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok([ip].into());
        }
        let timeout = self.config.timeout;
        let resolver = self.resolver()?;
        let (v4, v6) = tokio::join!(
            ask(resolver, &name, RecordType::A, timeout),
            ask(resolver, &name, RecordType::AAAA, timeout)
        );
        let fault = v4.as_ref().err().or(v6.as_ref().err());
        let mut found: BTreeSet<IpAddr> = [&v4, &v6].into_iter().flatten().flatten().copied().collect();
        if found.is_empty() {
            return Err(Rejection::Unresolved(match fault {
                Some(fault) => format!("{name}: {fault}"),
                None => format!("{name}: the name has no A or AAAA record"),
            }));
        }
        let stays = |ip: &IpAddr| if ip.is_ipv4() { v4.is_err() } else { v6.is_err() };
        found.extend(self.last.iter().copied().filter(stays));
        Ok(found)
    }

    fn resolver(&mut self) -> Result<&TokioResolver, Rejection> {
        let resolver = match self.resolver.take() {
            Some(resolver) => resolver,
            None => build(&self.name_servers, self.config.timeout).map_err(|error| {
                Rejection::Unresolved(format!("the system's resolver configuration cannot be used: {error}"))
            })?,
        };
        Ok(self.resolver.insert(resolver))
    }
}

async fn ask(resolver: &TokioResolver, name: &str, record_type: RecordType, timeout: Duration) -> Answer {
    let lookup = tokio::time::timeout(timeout, resolver.lookup(name, record_type));
    match lookup.await {
        Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()),
        Ok(Err(error)) if error.is_no_records_found() => Ok(BTreeSet::new()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {timeout:?}")),
    }
}

fn build(name_servers: &[SocketAddr], timeout: Duration) -> Result<TokioResolver, NetError> {
    let mut builder = if name_servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = name_servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    // The interval decides how old an answer may be, so none is kept.
    options.cache_size = 0;
    // One lost packet must not fail a look-up.
    options.timeout = timeout / 3;
    options.attempts = 2;
    builder.build()
}
