//! The shell of the `file` exporter: a thread that writes, and senders that wait for it.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::config::File;
use super::output::Output;
use super::{group, record};
use crate::change::Change;
use crate::flow::{Answer, Consumer, RETRY_HINT, Request};
use crate::observe::{ExporterMetrics, Ledger, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// A `file` exporter; clones write through the same thread.
#[derive(Clone)]
pub struct FileExporter {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

impl FileExporter {
    /// Opens the file and starts the thread. It ends with the last clone of the exporter.
    pub fn start(name: &str, config: File, registry: &Registry) -> io::Result<Self> {
        let mut writer = Writer {
            name: name.to_owned(),
            ledgers: Signal::ALL.map(|signal| Ledger::new(registry, "exporter", name, signal)),
            metrics: ExporterMetrics::new(registry, name, None),
            files: Files::new(config.clone()),
            failing: false,
        };
        if config.group_by.is_none() {
            let in_context =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", config.path));
            writer.files.of(&config.path).map_err(in_context)?;
        }
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_MAX);
        std::thread::Builder::new().name("file-exporter".into()).spawn(move || {
            while let Some(Job { request, answer }) = waiting.blocking_recv() {
                let _ = answer.send(writer.take(&request)); // nobody waits: it is written all the same
            }
        })?;
        Ok(Self { jobs })
    }

    /// Checks another configuration: a path that changed is opened. Nothing that is there is emptied before the change.
    pub fn prepare(&self, _config: File) -> io::Result<Change> {
        Err(io::Error::other("cannot be changed in a running process yet"))
    }

    /// Prepares and makes a change at once.
    pub fn reconfigure(&self, config: File) -> io::Result<()> {
        self.prepare(config).map(Change::make)
    }
}

impl Consumer for FileExporter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let jobs = self.jobs.clone();
        Box::pin(async move {
            let (answer, written) = oneshot::channel();
            if jobs.send(Job { request, answer }).await.is_err() {
                return Err(thread_gone());
            }
            written.await.unwrap_or_else(|_| Err(thread_gone()))
        })
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

/// Open files, the one used last at the end.
struct Files {
    config: File,
    open: Vec<(String, Output)>,
    /// Hashes of paths that were opened before: they are continued, not emptied again.
    known: HashSet<u64>,
}

impl Files {
    fn new(config: File) -> Self {
        Self { config, open: Vec::new(), known: HashSet::new() }
    }

    fn append(&mut self, path: &str, record: &[u8]) -> io::Result<()> {
        self.of(path)?.write(record)
    }

    fn of(&mut self, path: &str) -> io::Result<&mut Output> {
        if let Some(at) = self.open.iter().position(|(known, _)| known == path) {
            let used = self.open.remove(at);
            self.open.push(used);
        } else {
            let one = self.open(path)?;
            let most = self.config.group_by.as_ref().map_or(1, |group_by| group_by.max_open_files);
            if self.open.len() >= most {
                self.open.remove(0);
            }
            self.open.push((path.to_owned(), one));
        }
        match self.open.last_mut() {
            Some((_, output)) => Ok(output),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn open(&mut self, path: &str) -> io::Result<Output> {
        let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder
            && (self.config.create_directory || self.config.group_by.is_some())
        {
            DirBuilder::new().recursive(true).mode(self.config.directory_permissions).create(folder)?;
        }
        let hash = xxhash_rust::xxh3::xxh3_64(path.as_bytes());
        let first = !self.known.contains(&hash) && self.known.len() < KNOWN_MAX;
        let output = Output::open(Path::new(path), self.config.append || !first, self.config.rotation)?;
        self.known.extend(first.then_some(hash));
        Ok(output)
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
/// Paths remembered; beyond, files that are there are continued.
const KNOWN_MAX: usize = 100_000;

#[cfg(test)]
#[path = "exporter_tests.rs"]
mod tests;
