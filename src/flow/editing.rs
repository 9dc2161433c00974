//! Processors that change requests: the shell around [`crate::edit`], which hands the changed request on and counts.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::held::Quiet;
use super::{Answer, Consumer, Request};
use crate::edit::{Around, Config, Edited, Editor, Failure, Walker};
use crate::observe::{self, Counter, Ledger, ProcessorMetrics, Registry};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

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
    name: String,
    config: Config,
    errors: Quiet,
    tools: Mutex<Vec<Tools>>, // one for each request that is edited at the same time
    next: Arc<dyn Consumer>,
    ledger: Ledger,
    metrics: ProcessorMetrics,
    filtered: Option<Counter>,
    sampled: Vec<[Counter; 2]>, // by what decides
}

/// What an edit needs, with memory that is reused.
struct Tools {
    walker: Walker,
    editors: Vec<Box<dyn Editor>>, // one after the other
}

impl EditProcessor {
    /// A processor in front of `next`.
    pub fn new(parts: EditParts<'_>) -> Self {
        let EditParts { name, signal, config, next, registry } = parts;
        let filtered = matches!(config, Config::Filter(_)).then(|| observe::filtered(registry, name, signal));
        let sampled = match &config {
            Config::Sampler(sampling) => {
                sampling.deciders().map(|decider| observe::sampled(registry, signal, decider)).into()
            }
            _ => Vec::new(),
        };
        Self(Arc::new(Inner {
            filtered,
            sampled,
            name: name.to_owned(),
            config,
            errors: Quiet::default(),
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

    fn is_destination(&self) -> bool {
        self.0.next.is_destination()
    }

    fn give_up(&self, signal: Signal, items: u64, refusal: &Refusal) {
        self.0.next.give_up(signal, items, refusal);
    }
}

impl Inner {
    /// The books are written with the answer, so that a sender that tries again is not counted twice.
    async fn pass(&self, request: Request) -> Answer {
        let items = request.items;
        self.metrics.incoming.add(items);
        let edited = match self.edit(&request) {
            Ok(edited) => edited,
            Err(failure) => {
                let refusal = refusal(&failure);
                self.ledger.taken(items);
                self.ledger.refused(refusal.reason, items);
                return Err(refusal);
            }
        };
        let left = items.saturating_sub(edited.dropped);
        self.metrics.outgoing.add(left);
        self.filtered.iter().for_each(|filtered| filtered.add(edited.dropped));
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

    fn edit(&self, request: &Request) -> Result<Edited, Failure> {
        let tools = self.tools.lock().pop();
        let mut tools = tools.unwrap_or_else(|| Tools {
            walker: Walker::default(),
            editors: self.config.editors(request.signal),
        });
        let edited = self.run(request, &mut tools);
        for editor in &mut tools.editors {
            for (counters, counts) in self.sampled.iter().zip(editor.take_counts().into_iter().flatten()) {
                counters
                    .iter()
                    .zip(counts)
                    .filter(|(_, count)| *count > 0)
                    .for_each(|(counter, n)| counter.add(n));
            }
            if let Some((error, count)) = editor.take_errors()
                && let Some(more) = self.errors.may_say()
            {
                let (processor, more) = (&self.name, more + count - 1);
                tracing::warn!(processor, error, more, "a statement failed and was left out");
            }
        }
        self.tools.lock().push(tools);
        edited
    }

    fn run(&self, request: &Request, tools: &mut Tools) -> Result<Edited, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let around = Around {
            signal: request.signal,
            origin: request.origin.as_ref(),
            now_unix_nanos: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            random: || fastrand::u128(..),
        };
        let mut edited = Edited { body: request.body.clone(), dropped: 0 };
        for editor in &mut tools.editors {
            let next = tools.walker.edit(&edited.body, &around, &mut **editor)?;
            edited = Edited { dropped: edited.dropped + next.dropped, ..next };
        }
        Ok(edited)
    }
}

fn refusal(failure: &Failure) -> Refusal {
    let (fault, reason) = match failure {
        Failure::Malformed(_) => (Fault::Sender, Reason::Malformed),
        Failure::Statement(_) => (Fault::Ours, Reason::StatementFailed),
    };
    Refusal { fault, reason, message: failure.to_string().into(), retry_after: None }
}
