//! Another configuration for an exporter that runs. What waits, what is in flight and what was counted stays; what leaves
//! next leaves as the new one says, which may be to another backend.

use std::sync::Arc;

use super::backends::Backend;
use super::bound::Bound;
use super::durable::Durable;
use super::exporter::{Manner, OtlpError, OtlpExporter, Whole};
use super::reach::{backend, labels, watch};
use crate::change::Change;
use crate::export::config::Otlp;
use crate::journal;

/// What becomes of the queue on disk.
enum Disk {
    /// It stays where it is, or there is none.
    Stays(Option<journal::Config>),
    /// Another takes what comes, or none does. What waits in the old one is sent from there.
    Another(Option<Taken>),
}

/// A queue on disk that takes nothing yet. Given back where nothing comes of it.
struct Taken {
    queue: Option<Arc<Durable>>,
    config: journal::Config,
    was_retired: bool,
    whole: Arc<Whole>,
}

impl OtlpExporter {
    /// Checks another configuration: certificates, addresses, headers; a queue on disk is opened. Changes nothing yet.
    ///
    /// Made, the change leaves what waits, and what is in flight is finished. What waits for a retry is tried again at
    /// once, and as if for the first time: the old backend may have been the wrong one. A queue on disk that moves takes
    /// nothing more, and is closed when it is empty; what is left in it at the end of the process waits there for a
    /// configuration with that directory.
    pub fn prepare(&self, config: Otlp) -> Result<Change, OtlpError> {
        let whole = &self.0;
        config.check()?;
        let other = {
            let current = whole.config.lock();
            !is_same_backend(&current, &config) || config.protocol.reads_files()
        };
        let other = other.then(|| backend(&config, whole.signal, &whole.workers)).transpose()?;
        let disk = whole.disk(config.queue.journal.as_ref())?;
        let whole = Arc::clone(whole);
        Ok(Change::new(move || whole.change(config, other, disk)))
    }

    /// Prepares and makes a change at once.
    pub fn reconfigure(&self, config: Otlp) -> Result<(), OtlpError> {
        self.prepare(config).map(Change::make)
    }
}

impl Whole {
    fn change(self: &Arc<Self>, config: Otlp, other: Option<Arc<Backend>>, disk: Disk) {
        let inner = &self.direct.0;
        let line = &inner.line;
        line.retry.store(Arc::new(config.retry.clone()));
        if let Some(backend) = other {
            self.metrics.set_server(&labels(&backend.reach));
            line.backend.swap(Arc::clone(&backend)).replaced.cancel();
            watch(line, backend, &self.workers);
        }
        line.pauses.renew();
        inner.manner.store(Arc::new(Manner::of(&config.queue)));
        inner.room.resize(&config.queue);
        let bound = Bound::of(&config.queue);
        let mut current = self.config.lock();
        if current.queue.batch != config.queue.batch {
            line.queue.lock().rebatch(self.signal, config.queue.batch.as_ref());
        }
        line.employ(config.queue.consumers.max(1), &self.workers);
        *current = config;
        drop(current);
        self.change_disk(disk);
        self.durable.load().iter().for_each(|queue| queue.rebound(bound));
    }

    /// What has to become of the queue on disk, with what can fail done.
    fn disk(self: &Arc<Self>, wanted: Option<&journal::Config>) -> Result<Disk, OtlpError> {
        let current = self.durable.load();
        let here = current.as_ref().map(|queue| queue.directory());
        Ok(match wanted {
            None if here.is_none() => Disk::Stays(None),
            None => Disk::Another(None),
            Some(wanted) if here == Some(wanted.directory.as_deref()) => Disk::Stays(Some(wanted.clone())),
            Some(wanted) => Disk::Another(Some(self.take(wanted.clone())?)),
        })
    }

    /// A queue at another place: one that was left a moment ago, or one that is opened.
    fn take(self: &Arc<Self>, config: journal::Config) -> Result<Taken, OtlpError> {
        let mut retired = self.retired.lock();
        let known = retired.iter().position(|queue| queue.directory() == config.directory.as_deref());
        let was_retired = known.is_some();
        let queue = match known {
            Some(at) => retired.remove(at),
            None => {
                let exporter = Arc::new(self.direct.clone());
                let name = &self.direct.0.name;
                Arc::new(Durable::open(
                    name,
                    self.signal,
                    &config,
                    Bound::default(),
                    exporter,
                    &self.registry,
                )?)
            }
        };
        Ok(Taken { queue: Some(queue), config, was_retired, whole: Arc::clone(self) })
    }

    fn change_disk(self: &Arc<Self>, disk: Disk) {
        let next = match disk {
            Disk::Stays(config) => {
                if let Some((queue, config)) = self.durable.load().as_ref().zip(config) {
                    queue.reconfigure(config);
                }
                return;
            }
            Disk::Another(taken) => taken.and_then(|mut taken| {
                let queue = taken.queue.take()?;
                queue.reconfigure(taken.config.clone());
                queue.resume();
                Some(queue)
            }),
        };
        if let Some(old) = self.durable.swap(next) {
            self.retire(old);
        }
    }

    /// Closes a queue that takes nothing more once it is empty, unless it is wanted again before.
    fn retire(self: &Arc<Self>, queue: Arc<Durable>) {
        self.retired.lock().push(Arc::clone(&queue));
        let whole = Arc::clone(self);
        self.workers.handle(0).spawn(async move {
            loop {
                queue.emptied().await;
                {
                    let mut retired = whole.retired.lock();
                    let Some(at) = retired.iter().position(|other| Arc::ptr_eq(other, &queue)) else {
                        return;
                    };
                    retired.remove(at);
                }
                if queue.end_if_empty().await {
                    return;
                }
                whole.retired.lock().push(Arc::clone(&queue));
            }
        });
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take().filter(|_| self.was_retired) {
            self.whole.retire(queue);
        }
    }
}

/// Whether both speak to the same backend in the same way.
fn is_same_backend(one: &Otlp, other: &Otlp) -> bool {
    let Otlp { address, paths, protocol, encoding, timeout, round_robin, retry: _, queue: _ } = one;
    *address == other.address
        && *paths == other.paths
        && *protocol == other.protocol
        && *encoding == other.encoding
        && *timeout == other.timeout
        && *round_robin == other.round_robin
}
