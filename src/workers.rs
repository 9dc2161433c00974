//! The threads that move data: one single-threaded runtime each, nothing stolen between them.
//!
//! A call costs about three times as much CPU on a work-stealing runtime, so a connection lives on one worker for good,
//! and each worker has its own lanes to the backends. Few connections share a worker on purpose: what arrives on one
//! worker gathers into fewer calls. From [`CONNECTIONS_PER_WORKER`] connections a worker on, they spread evenly.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Connections that one worker takes before the next is used as well.
pub const CONNECTIONS_PER_WORKER: usize = 4;

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    next: AtomicUsize,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The index of the worker whose thread this is; zero elsewhere.
#[inline]
pub fn current() -> usize {
    CURRENT.get()
}

impl Workers {
    /// Starts `count` workers, at least one.
    pub fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut workers = Vec::new();
        for index in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let stop = stop.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                CURRENT.set(index);
                runtime.block_on(stop.cancelled());
            })?;
            workers.push(Worker { handle, connections: Arc::default(), thread: Some(thread) });
        }
        Ok(Self { workers, next: AtomicUsize::new(0), stop })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// The runtime of worker `index`.
    pub fn handle(&self, index: usize) -> &Handle {
        &self.workers[index].handle
    }

    /// A worker for a stage that lives on one; they take turns.
    pub fn next(&self) -> &Handle {
        self.handle(self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len())
    }

    /// Chooses the worker of a new connection, which counts there until the place is dropped.
    pub fn place(&self) -> Place {
        let total: usize = self.workers.iter().map(|w| w.connections.load(Ordering::Relaxed)).sum();
        let open = (total / CONNECTIONS_PER_WORKER + 1).min(self.workers.len());
        let least = |index: &usize| self.workers[*index].connections.load(Ordering::Relaxed);
        let index = (0..open).min_by_key(least).unwrap_or(0);
        let connections = Arc::clone(&self.workers[index].connections);
        connections.fetch_add(1, Ordering::Relaxed);
        Place { index, connections }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                let _ = thread.join(); // a panic there has been reported by its own hook
            }
        }
    }
}

/// Where a connection lives.
#[derive(Debug)]
pub struct Place {
    /// Index of the worker.
    pub index: usize,
    connections: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_share_a_worker_and_many_spread() {
        let workers = Workers::start(3).unwrap();
        let places: Vec<_> = (0..24).map(|_| workers.place()).collect();
        assert!(places[..4].iter().all(|place| place.index == 0));
        for index in 0..3 {
            assert_eq!(places.iter().filter(|place| place.index == index).count(), 8);
        }
        drop(places);
        assert_eq!(workers.place().index, 0);
    }

    #[test]
    fn tasks_know_their_worker() {
        let workers = Workers::start(2).unwrap();
        let (tx, rx) = std::sync::mpsc::channel();
        workers.handle(1).spawn(async move { tx.send(current()) });
        assert_eq!(rx.recv().unwrap(), 1);
    }
}
