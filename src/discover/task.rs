//! The task of a source: read, compare, publish, wait.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use super::dns::DnsSource;
use super::file::FileSource;
use super::{Change, Config, Context, Discovery, Event, MEMBERS_MAX, Rejection, Status, address};
use crate::route::{Member, Membership};

/// Refreshes that may wait at once.
const REQUESTS_MAX: usize = 16;

/// Reads the source once and keeps following it.
///
/// A static list or a file that cannot be used is an error here. A name that does not resolve is not: it starts with
/// an empty membership and a warning, and keeps trying.
pub async fn start(config: Config, context: Context) -> Result<Discovery, Rejection> {
    let status = Status {
        kind: config.kind(),
        source: describe(&config),
        last_success: None,
        last_error: None,
        content_hash: 0,
    };
    let may_start_empty = matches!(config, Config::Dns(_));
    let source = Source::new(config, &context);
    let cancel = context.cancel.child_token();
    let (members, receiver) = watch::channel(Arc::default());
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let status = Arc::new(Mutex::new(status));
    let mut task = Task { source, members, status: Arc::clone(&status), on_event: context.on_event };
    match task.turn().await {
        Err(rejection) if !may_start_empty => return Err(rejection),
        _ => (),
    }
    let stop = cancel.clone().drop_guard();
    tokio::spawn(task.run(asked, cancel));
    Ok(Discovery { members: receiver, status, requests, _stop: stop })
}

fn describe(config: &Config) -> String {
    match config {
        Config::Static(hostnames) => format!("{} host names of the configuration", hostnames.len()),
        Config::Dns(dns) if dns.port == 0 => dns.hostname.clone(),
        Config::Dns(dns) => format!("{}, port {}", dns.hostname, dns.port),
        Config::File(file) => file.path.display().to_string(),
    }
}

enum Source {
    Static(Vec<String>),
    Dns(Box<DnsSource>),
    File(Box<FileSource>),
}

impl Source {
    fn new(config: Config, context: &Context) -> Self {
        match config {
            Config::Static(hostnames) => Self::Static(hostnames),
            Config::Dns(dns) => Self::Dns(Box::new(DnsSource::new(dns, context.name_servers.clone()))),
            Config::File(file) => Self::File(Box::new(FileSource::new(file))),
        }
    }

    async fn due(&mut self) {
        match self {
            Self::Static(_) => std::future::pending().await,
            Self::Dns(dns) => dns.due().await,
            Self::File(file) => file.due().await,
        }
    }

    async fn read(&mut self, current: &Membership) -> Result<Option<Membership>, Rejection> {
        match self {
            Self::Static(hostnames) => static_members(hostnames).map(Some),
            Self::Dns(dns) => dns.read().await,
            Self::File(file) => file.read(current).await,
        }
    }

    fn content_hash(&self, current: &Membership) -> u64 {
        match self {
            Self::File(file) => file.content_hash(),
            Self::Static(_) | Self::Dns(_) => {
                let mut hash = Xxh3::new();
                for member in &current.members {
                    hash.update(member.id.as_bytes());
                    hash.update(b"\n");
                }
                hash.digest()
            }
        }
    }
}

/// The string as written is the id, since the collectors' rings hash it; the port is added only for dialling.
fn static_members(hostnames: &[String]) -> Result<Membership, Rejection> {
    if hostnames.is_empty() {
        return Err(Rejection::Empty("no host names are given".to_owned()));
    }
    if hostnames.len() > MEMBERS_MAX {
        let count = hostnames.len();
        return Err(Rejection::Invalid(format!("{count} host names; at most {MEMBERS_MAX} are allowed")));
    }
    let mut members = Vec::with_capacity(hostnames.len());
    for written in hostnames {
        let dialled = address::with_port(written);
        if let Some(fault) = address::fault(&dialled) {
            return Err(Rejection::Invalid(format!("host name `{written}`: {fault}")));
        }
        members.push(Member { address: dialled, ..Member::new(written) });
    }
    Ok(Membership::new(None, 0, members))
}

struct Task {
    source: Source,
    members: watch::Sender<Arc<Membership>>,
    status: Arc<Mutex<Status>>,
    on_event: Box<dyn Fn(Event) + Send + Sync>,
}

impl Task {
    async fn run(
        mut self,
        mut asked: mpsc::Receiver<oneshot::Sender<Result<Change, Rejection>>>,
        cancel: CancellationToken,
    ) {
        let work = async {
            loop {
                let reply = tokio::select! {
                    () = self.source.due() => None,
                    reply = asked.recv() => match reply {
                        Some(reply) => Some(reply),
                        None => return,
                    },
                };
                let outcome = self.turn().await;
                if let Some(reply) = reply {
                    // Whoever asked may have gone.
                    let _ = reply.send(outcome);
                }
            }
        };
        cancel.run_until_cancelled(work).await;
    }

    /// One reading and its consequences.
    async fn turn(&mut self) -> Result<Change, Rejection> {
        let current = Arc::clone(&self.members.borrow());
        let outcome = self.source.read(&current).await;
        (self.on_event)(Event::Resolved { success: outcome.is_ok() });
        match outcome {
            Ok(new) => Ok(self.accept(&current, new)),
            Err(rejection) => {
                self.refuse(&rejection, current.members.len());
                Err(rejection)
            }
        }
    }

    fn accept(&mut self, current: &Membership, new: Option<Membership>) -> Change {
        let new = new.filter(|new| new != current);
        let change = Change::between(current, new.as_ref().unwrap_or(current));
        if let Some(new) = new {
            let (members, epoch) = (new.members.len(), new.epoch);
            self.members.send_replace(Arc::new(new));
            if !change.is_empty() {
                let source = self.status.lock().source.clone();
                tracing::info!(source, members, epoch, "members: {change}");
                (self.on_event)(Event::Updated { members });
            }
        }
        let hash = self.source.content_hash(&self.members.borrow());
        let mut status = self.status.lock();
        status.last_success = Some(SystemTime::now());
        status.content_hash = hash;
        if status.last_error.take().is_some() {
            tracing::info!(source = status.source, "members: the source is well again");
        }
        change
    }

    /// A reason is told once, not at every poll.
    fn refuse(&mut self, rejection: &Rejection, members: usize) {
        let reason = rejection.to_string();
        let mut status = self.status.lock();
        if status.last_error.as_ref() == Some(&reason) {
            return;
        }
        tracing::warn!(source = status.source, members, reason, "members: refused, the last good list stays");
        status.last_error = Some(reason);
        drop(status);
        (self.on_event)(Event::Refused { reason: rejection.kind() });
    }
}
