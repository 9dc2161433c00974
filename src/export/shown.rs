//! The shell of the `debug` exporter: formatted text to standard output, in order, from one thread.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::config::{Debug, Verbosity};
use super::debug::{Sampler, format};
use crate::flow::{Answer, Consumer, Request};
use crate::observe::{ExporterMetrics, Ledger, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

/// A `debug` exporter; clones show through the same thread.
#[derive(Clone)]
pub struct DebugExporter(Arc<Inner>);

struct Inner {
    shows: Mutex<(Verbosity, Sampler)>,
    lines: mpsc::Sender<String>,
    ledgers: [Ledger; 3],
    metrics: ExporterMetrics,
}

impl DebugExporter {
    /// Starts the thread that writes to `out`. It ends with the last clone of the exporter.
    pub fn start(
        name: &str,
        config: Debug,
        registry: &Registry,
        mut out: impl Write + Send + 'static,
    ) -> std::io::Result<Self> {
        let (lines, mut written) = mpsc::channel::<String>(LINES_WAITING_MAX);
        std::thread::Builder::new().name("debug-exporter".into()).spawn(move || {
            while let Some(text) = written.blocking_recv() {
                // Standard output may be closed (a pipe into `head`); requests are then still accepted.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
        })?;
        Ok(Self(Arc::new(Inner {
            shows: Mutex::new(shows(&config)),
            lines,
            ledgers: Signal::ALL.map(|signal| Ledger::new(registry, "exporter", name, signal)),
            metrics: ExporterMetrics::new(registry, name, None),
        })))
    }

    /// Shows what comes next as `config` says.
    pub fn reconfigure(&self, config: &Debug) {
        *self.0.shows.lock() = shows(config);
    }
}

fn shows(config: &Debug) -> (Verbosity, Sampler) {
    (config.verbosity, Sampler::new(config.sampling_initial, config.sampling_thereafter))
}

impl Consumer for DebugExporter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let ledger = &inner.ledgers[request.signal as usize];
            let shown = {
                let (verbosity, sampler) = &mut *inner.shows.lock();
                sampler.admits(Instant::now()).then_some(*verbosity)
            };
            if let Some(verbosity) = shown {
                // The wait for room comes first: nothing is counted for a sender that leaves meanwhile.
                let Ok(room) = inner.lines.reserve().await else { return Err(writer_gone()) };
                let mut text = String::new();
                format(request.signal, &request.body, verbosity, &mut text);
                room.send(text);
            }
            ledger.taken(request.items);
            ledger.delivered(request.items);
            inner.metrics.sent(request.signal, request.items);
            Ok(Accepted::default())
        })
    }
}

/// The `nop` exporter: takes everything, keeps nothing.
#[derive(Clone)]
pub struct NopExporter {
    ledgers: Arc<[Ledger; 3]>,
}

impl NopExporter {
    /// A nop exporter called `name`.
    pub fn new(name: &str, registry: &Registry) -> Self {
        Self { ledgers: Arc::new(Signal::ALL.map(|signal| Ledger::new(registry, "exporter", name, signal))) }
    }
}

impl Consumer for NopExporter {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let ledger = &self.ledgers[request.signal as usize];
        ledger.taken(request.items);
        ledger.delivered(request.items);
        Box::pin(std::future::ready(Ok(Accepted::default())))
    }
}

fn writer_gone() -> Refusal {
    Refusal {
        fault: Fault::Ours,
        reason: Reason::Internal,
        message: "the thread that writes for the debug exporter has ended".into(),
        retry_after: None,
    }
}

/// Requests that wait to be written; then senders wait.
const LINES_WAITING_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::io;

    /// What was written, in the order it was.
    #[derive(Clone)]
    struct Screen(std::sync::mpsc::Sender<String>);

    impl Write for Screen {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(text).into_owned()).map_err(io::Error::other)?;
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_comes_next_is_shown_as_it_was_told_last() {
        let (screen, shown) = std::sync::mpsc::channel();
        let registry = Registry::new();
        let told = |sampling_initial, sampling_thereafter| Debug {
            sampling_initial,
            sampling_thereafter,
            ..Debug::default()
        };
        let exporter = DebugExporter::start("debug", told(0, 0), &registry, Screen(screen)).unwrap();
        let send = async || {
            let request = Request::new(Signal::Logs, Bytes::new(), 1);
            exporter.clone().consume(request).await.unwrap();
        };
        send().await;
        exporter.reconfigure(&told(9, 1));
        send().await;
        exporter.reconfigure(&told(0, 0));
        send().await;
        let delivered = Ledger::new(&registry, "exporter", "debug", Signal::Logs).snapshot().delivered;
        assert_eq!(delivered, 3, "what is not shown counts as well");
        drop(exporter);
        assert_eq!(shown.iter().count(), 1);
    }
}
