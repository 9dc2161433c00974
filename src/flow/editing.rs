//! Processors that change requests: the shell around [`crate::edit`], which hands the changed request on and counts.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{Answer, Consumer, Request};
use crate::edit::{Config, Edited, Editor, Walker};
use crate::observe::{Ledger, ProcessorMetrics, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::wire::Malformed;

/// A processor of one pipeline that edits. It holds nothing: a request is edited where it is polled.
#[derive(Clone)]
pub struct EditProcessor(Arc<Inner>);

/// What a processor is made of.
pub struct EditParts<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// The signal of its pipeline.
    pub signal: Signal,
    /// What it was told.
    pub config: Config,
    /// What follows in its pipeline.
    pub next: Arc<dyn Consumer>,
    /// Where it counts.
    pub registry: &'a Registry,
}

struct Inner {
    config: Config,
    tools: Mutex<Vec<Tools>>, // one for each request that is edited at the same time
    next: Arc<dyn Consumer>,
    ledger: Ledger,
    metrics: ProcessorMetrics,
}

/// What an edit needs, with memory that is reused.
struct Tools {
    walker: Walker,
    editor: Box<dyn Editor>,
}

impl EditProcessor {
    /// A processor in front of `next`.
    pub fn new(parts: EditParts<'_>) -> Self {
        let EditParts { name, signal, config, next, registry } = parts;
        Self(Arc::new(Inner {
            config,
            tools: Mutex::default(),
            next,
            ledger: Ledger::new(registry, "processor", name, signal),
            metrics: ProcessorMetrics::new(registry, name, signal),
        }))
    }
}

impl Consumer for EditProcessor {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.pass(request).await })
    }
}

impl Inner {
    /// The books are written with the answer, so that a sender that tries again is not counted twice.
    async fn pass(&self, request: Request) -> Answer {
        let items = request.items;
        self.metrics.incoming.add(items);
        let edited = match self.edit(&request) {
            Ok(edited) => edited,
            Err(error) => {
                self.ledger.taken(items);
                self.ledger.refused(Reason::Malformed, items);
                return Err(malformed(error));
            }
        };
        let left = items.saturating_sub(edited.dropped);
        self.metrics.outgoing.add(left);
        let answer = match left {
            0 if items > 0 => Ok(Accepted::default()),
            _ => self.next.consume(Request { body: edited.body, items: left, ..request }).await,
        };
        self.ledger.taken(items);
        match &answer {
            Ok(_) => {
                self.ledger.dropped(self.config.reason(), items - left);
                self.ledger.delivered(left);
            }
            Err(refusal) => self.ledger.refused(refusal.reason, items),
        }
        answer
    }

    fn edit(&self, request: &Request) -> Result<Edited, Malformed> {
        let tools = self.tools.lock().pop();
        let mut tools =
            tools.unwrap_or_else(|| Tools { walker: Walker::default(), editor: self.config.editor() });
        let headers = request.metadata.as_deref().map(Vec::as_slice);
        let edited = tools.walker.edit(request.signal, &request.body, headers, &mut *tools.editor);
        self.tools.lock().push(tools);
        edited
    }
}

fn malformed(error: Malformed) -> Refusal {
    Refusal {
        fault: Fault::Sender,
        reason: Reason::Malformed,
        message: format!("the request cannot be read: {error}").into(),
        retry_after: None,
    }
}
