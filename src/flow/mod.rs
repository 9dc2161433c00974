//! What travels between stages, how it fans out, is changed and batched: pipelines as built from `service.pipelines`.
//!
//! Owns: the list of exporters behind each receiver and signal, and the joints where a reload changes it; what waits in
//! a `batch` processor.
//! Takes: encoded requests from receivers and samplers.
//! Gives: the same request to every exporter at once; batches to what follows; one answer back.
//! Bounds: 64 MiB in each `batch` processor, what only exporters' own queues hold set aside; otherwise a request lives as
//! long as its slowest exporter.
//! Loses: what processors drop: `filtered`, `sampled_out`, and, where nobody can send it again, `statement_failed`.
//! What one of several exporters has no room for, or gives up, while another has it: by that exporter's reason.
//! Nothing else of requests that their senders keep: an exporter's refusal is the answer. Of others, what a `batch`
//! processor took and an exporter then refuses for good, or the end cuts off: `shutdown` and the exporter's own reason.

mod batching;
mod editing;
mod fan_out;
mod front;
mod held;
mod link;
mod memory;
mod ticket;
mod window;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::origin::Origin;
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};

pub use batching::{BatchParts, BatchProcessor};
pub use editing::{EditParts, EditProcessor};
pub use front::Front;
pub use held::{Books, Held, Part, Quiet, RETRY_HINT, cancelled, closing};
pub use link::{Former, Link};
pub use memory::{Amount, MemoryGate, MemoryLimit, MemoryLimiter};
pub use window::Window;

/// An encoded OTLP export request on its way.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it carries.
    pub signal: Signal,
    /// The encoded request, plain protobuf.
    pub body: Bytes,
    /// Spans, metric points or log records in it, as counted on arrival.
    pub items: u64,
    /// When its last byte arrived.
    pub arrived: Instant,
    /// When the sender stops waiting, if it said so.
    pub deadline: Option<Instant>,
    /// Whoever sends this keeps a copy until it is answered and does not mind waiting (a journal does so): then the
    /// answer must come from where the request ends, and no stage on the way may promise what it only holds in memory.
    pub kept: bool,
    /// A `batch` before made it: it leaves as large as it is.
    pub batched: bool,
    /// Who sent it, with which headers; `None` when a stage has put it together.
    pub origin: Option<Arc<Origin>>,
    /// How it counts in the windows of the stages that it came through.
    pub window: Window,
}

impl Request {
    /// One that has just arrived, from a sender that waits and has said nothing more.
    pub fn new(signal: Signal, body: Bytes, items: u64) -> Self {
        Self {
            signal,
            body,
            items,
            arrived: Instant::now(),
            deadline: None,
            kept: false,
            batched: false,
            origin: None,
            window: Window::None,
        }
    }
}

/// The values of these headers, in lower case, in their order; a header may come several times. What is batched
/// together has them in common.
pub fn header_values(names: &[String], origin: Option<&Origin>) -> Vec<Vec<String>> {
    let headers = origin.map_or(&[][..], Origin::headers);
    let values = |wanted: &String| {
        let named = headers.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.clone()).collect()
    };
    names.iter().map(values).collect()
}

/// What became of a request.
pub type Answer = Result<Accepted, Refusal>;

/// Anything that takes whole requests: exporters, and fan-outs of them. Dropping the future means that the sender has
/// gone; what was not handed on yet is then counted as cancelled.
pub trait Consumer: Send + Sync {
    /// Takes one request and answers once it is where the configuration promises.
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer>;

    /// Whether a request that it takes has arrived somewhere: then other destinations of the same request may give up
    /// their shares. A `debug` exporter is none.
    fn is_destination(&self) -> bool {
        false
    }

    /// A share that it refused does not come again, since another destination has the request: to be counted as dropped.
    fn give_up(&self, _signal: Signal, _items: u64, _refusal: &Refusal) {}
}

/// A consumer that holds something, and has to be ended in the order of the line.
pub trait Stage: Consumer {
    /// Its name in the configuration, for logs.
    fn name(&self) -> &str;

    /// Takes nothing more, hands on what it holds until `deadline`; then says how many items it gave up.
    fn end(&self, deadline: Instant) -> BoxFuture<'static, u64>;

    /// Stops waiting for what is not urgent: the end is near.
    fn hurry(&self) {}

    /// Ready when nothing waits in it that it has promised to hand on. More may come while somebody still gives it some.
    fn emptied(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Everything behind one receiver, per signal.
#[derive(Clone, Default)]
pub struct Outlets {
    traces: Vec<Arc<dyn Consumer>>,
    metrics: Vec<Arc<dyn Consumer>>,
    logs: Vec<Arc<dyn Consumer>>,
}

impl Outlets {
    /// Adds an exporter for `signal`.
    pub fn add(&mut self, signal: Signal, consumer: Arc<dyn Consumer>) {
        match signal {
            Signal::Traces => self.traces.push(consumer),
            Signal::Metrics => self.metrics.push(consumer),
            Signal::Logs => self.logs.push(consumer),
        }
    }

    /// Whether any pipeline takes `signal`.
    pub fn takes(&self, signal: Signal) -> bool {
        !self.of(signal).is_empty()
    }

    fn of(&self, signal: Signal) -> &[Arc<dyn Consumer>] {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }
}

impl Consumer for Outlets {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        match self.of(request.signal) {
            [] => Box::pin(std::future::ready(Err(no_pipeline(request.signal)))),
            [only] => only.consume(request),
            all if matches!(request.window, Window::None) => {
                Box::pin(fan_out::offer_once(all.to_vec(), request))
            }
            all => Box::pin(fan_out::insist(all.to_vec(), request)),
        }
    }

    fn is_destination(&self) -> bool {
        Signal::ALL.into_iter().flat_map(|signal| self.of(signal)).any(|one| one.is_destination())
    }

    fn give_up(&self, signal: Signal, items: u64, refusal: &Refusal) {
        let destinations = self.of(signal).iter().filter(|one| one.is_destination());
        destinations.for_each(|one| one.give_up(signal, items, refusal));
    }
}

fn no_pipeline(signal: Signal) -> Refusal {
    Refusal {
        fault: Fault::Unhandled,
        reason: Reason::NoPipeline,
        message: format!("no pipeline takes {}; add one under service.pipelines", signal.name()).into(),
        retry_after: None,
    }
}

/// One answer from several exporters: a refusal that passes outranks one for good, since a retry then has a point;
/// success needs all of them, and reports the largest number of rejected items.
fn combine(answers: Vec<Answer>) -> Answer {
    let mut accepted = Accepted::default();
    let mut refusal: Option<Refusal> = None;
    for answer in answers {
        match answer {
            Ok(part) if part.rejected_items >= accepted.rejected_items => accepted = part,
            Ok(_) => {}
            Err(part) => {
                let outranks = refusal.as_ref().is_none_or(|worst| !worst.passes() && part.passes());
                if outranks {
                    refusal = Some(part);
                }
            }
        }
    }
    refusal.map_or(Ok(accepted), Err)
}

#[cfg(test)]
mod batching_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(fault: Fault) -> Refusal {
        Refusal { fault, reason: Reason::Internal, message: "x".into(), retry_after: None }
    }

    #[test]
    fn a_refusal_that_passes_outranks_one_for_good() {
        let answers =
            vec![Ok(Accepted::default()), Err(refusal(Fault::PeerRefused(13))), Err(refusal(Fault::Load))];
        assert_eq!(combine(answers).unwrap_err().fault, Fault::Load);
    }

    #[test]
    fn success_reports_the_largest_rejection() {
        let part = |n| Ok(Accepted { rejected_items: n, reason: None, message: "m".into() });
        assert_eq!(combine(vec![part(1), part(3), part(2)]).unwrap().rejected_items, 3);
    }
}
