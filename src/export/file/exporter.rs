//! The shell of the `file` exporter: a thread that writes, and senders that wait for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::config::File;
use super::files::{Files, Next};
use super::{group, record};
use crate::change::Change;
use crate::flow::{Answer, Consumer, RETRY_HINT, Request};
use crate::observe::{ExporterMetrics, Ledger, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// A `file` exporter; clones write through the same thread.
#[derive(Clone)]
pub struct FileExporter {
    jobs: mpsc::Sender<Job>,
    changes: Arc<Mutex<Changes>>,
    ledgers: [Ledger; 3],
}

/// What the thread is to do next.
enum Job {
    Write {
        request: Request,
        answer: oneshot::Sender<Answer>,
    },
    /// There is a change.
    Change,
}

/// Configurations that the thread has not seen yet.
struct Changes {
    last: File, // of them, or in force
    next: VecDeque<Next>,
}

impl FileExporter {
    /// Opens the file and starts the thread. It ends with the last clone of the exporter.
    pub fn start(name: &str, config: File, registry: &Registry) -> io::Result<Self> {
        let ledgers = Signal::ALL.map(|signal| Ledger::new(registry, "exporter", name, signal));
        let mut writer = Writer {
            name: name.to_owned(),
            ledgers: ledgers.clone(),
            metrics: ExporterMetrics::new(registry, name, None),
            files: Files::new(config.clone()),
            failing: false,
        };
        if config.group_by.is_none() {
            writer.files.of(&config.path).map_err(|error| in_context(&config, &error))?;
        }
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_MAX);
        let changes = Arc::new(Mutex::new(Changes { last: config, next: VecDeque::new() }));
        let seen = Arc::clone(&changes);
        std::thread::Builder::new().name("file-exporter".into()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                for next in std::mem::take(&mut seen.lock().next) {
                    writer.files.change(next);
                }
                if let Job::Write { request, answer } = job {
                    let _ = answer.send(writer.take(&request)); // nobody waits: it is written all the same
                }
            }
        })?;
        Ok(Self { jobs, changes, ledgers })
    }

    /// Checks another configuration: a path that changed is opened. Nothing that is there is emptied before the change.
    ///
    /// Made, the change finishes the record that is being written; a path that stays is continued, and so is one that
    /// was written to before.
    pub fn prepare(&self, config: File) -> io::Result<Change> {
        let next = Next::prepare(config.clone(), &self.changes.lock().last);
        let next = next.map_err(|error| in_context(&config, &error))?;
        let (changes, jobs) = (Arc::clone(&self.changes), self.jobs.clone());
        Ok(Change::new(move || {
            let mut changes = changes.lock();
            changes.last = config;
            changes.next.push_back(next);
            drop(changes);
            let _ = jobs.try_send(Job::Change); // where it is full, the thread looks anyway
        }))
    }

    /// Prepares and makes a change at once.
    pub fn reconfigure(&self, config: File) -> io::Result<()> {
        self.prepare(config).map(Change::make)
    }
}

fn in_context(config: &File, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", config.path))
}

impl Consumer for FileExporter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let jobs = self.jobs.clone();
        Box::pin(async move {
            let (answer, written) = oneshot::channel();
            if jobs.send(Job::Write { request, answer }).await.is_err() {
                return Err(thread_gone());
            }
            written.await.unwrap_or_else(|_| Err(thread_gone()))
        })
    }

    fn is_destination(&self) -> bool {
        true
    }

    fn give_up(&self, signal: Signal, items: u64, refusal: &Refusal) {
        let ledger = &self.ledgers[signal as usize];
        ledger.taken(items);
        ledger.dropped(refusal.reason, items);
    }
}

/// What the thread has.
struct Writer {
    name: String,
    ledgers: [Ledger; 3],
    metrics: ExporterMetrics,
    files: Files,
    /// The file could not be written to, and the log says so.
    failing: bool,
}

impl Writer {
    /// Writes a request and counts it.
    fn take(&mut self, request: &Request) -> Answer {
        let (signal, items) = (request.signal, request.items);
        let written = self.write(request);
        let ledger = &self.ledgers[signal as usize];
        ledger.taken(items);
        match written {
            Ok(without) => {
                let without = without.min(items);
                ledger.dropped(Reason::NoDestination, without);
                ledger.delivered(items - without);
                self.metrics.sent(signal, items - without);
                self.failing = false;
                Ok(Accepted::default())
            }
            Err(refusal) => {
                ledger.refused(refusal.reason, items);
                self.metrics.send_failed(signal, items);
                // A request that cannot be written at all is its sender's to mend, who is told.
                if refusal.passes() && !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(exporter = self.name, error = %refusal.message, "a request cannot be written");
                }
                Err(refusal)
            }
        }
    }

    /// Writes a request; says how many items had no file to go to.
    fn write(&mut self, request: &Request) -> Result<u64, Refusal> {
        let Request { signal, body, .. } = request;
        let config = &self.files.config;
        let (format, zstd) = (config.format, config.zstd);
        let encode = |plain: &[u8]| {
            let mut bytes = Vec::new();
            record::push(&mut bytes, *signal, plain, format, zstd).map_err(malformed)?;
            Ok::<_, Refusal>(bytes)
        };
        let Some(group_by) = &config.group_by else {
            let (path, bytes) = (config.path.clone(), encode(body)?);
            return self.files.append(&path, &bytes).map(|()| 0).map_err(|error| failed(&path, &error));
        };
        let divided = group::divide(*signal, body, &group_by.attribute).map_err(malformed)?;
        let mut without = divided.without;
        let mut records = Vec::new();
        for (value, plain, items) in &divided.groups {
            records.push((group::path(&config.path, value), encode(plain)?, *items));
        }
        for (path, bytes, items) in records {
            match self.files.append(&path, &bytes) {
                Ok(()) => {}
                Err(error) if can_be_no_file(error.kind()) => {
                    tracing::warn!(exporter = self.name, path, %error, "telemetry is dropped: this cannot be a file");
                    without += items;
                }
                Err(error) => return Err(failed(&path, &error)),
            }
        }
        Ok(without)
    }
}

/// The value of the attribute makes a name that no file can have.
fn can_be_no_file(kind: ErrorKind) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory};
    matches!(kind, InvalidFilename | InvalidInput | IsADirectory | NotADirectory)
}

fn failed(path: &str, error: &io::Error) -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::DiskFull,
        message: format!("{path}: {error}").into(),
        retry_after: Some(RETRY_HINT),
    }
}

fn malformed(error: impl std::fmt::Display) -> Refusal {
    Refusal {
        fault: Fault::Sender,
        reason: Reason::Malformed,
        message: format!("cannot be written to a file: {error}").into(),
        retry_after: None,
    }
}

fn thread_gone() -> Refusal {
    Refusal {
        fault: Fault::Ours,
        reason: Reason::Internal,
        message: "the thread that writes for the file exporter has ended".into(),
        retry_after: None,
    }
}

/// Requests that wait to be written; then senders wait.
const WAITING_MAX: usize = 64;

#[cfg(test)]
#[path = "exporter_tests.rs"]
mod tests;
