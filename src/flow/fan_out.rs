//! A request to several exporters: each has its share once and at its own pace, whatever another does.
//!
//! A stage that keeps what it sends (a sampler, a batch processor) insists: each exporter is offered its share until it
//! takes it, and may give it up only when another destination has the request, so that a backend that is away loses no
//! more than its own queue and retries allow, and nothing while there is nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use super::held::RETRY_HINT;
use super::{Answer, Consumer, Request, Window, combine};
use crate::outcome::{Accepted, Fault, Reason};
use crate::retry::{self, Backoff};

/// Whether a destination has the request.
#[derive(Default)]
struct Taken {
    yet: AtomicBool,
    now: Notify,
}

impl Taken {
    fn set(&self) {
        self.yet.store(true, Ordering::Release);
        self.now.notify_waiters();
    }

    async fn until(&self) {
        let now = self.now.notified();
        if !self.yet.load(Ordering::Acquire) {
            now.await;
        }
    }
}

/// Offers every exporter its share until it has it or gives it up; then there is one answer. The stages before are held
/// back until one destination has the request and the other shares wait in queues of their exporters. When an exporter
/// is about to stop, there is no point in insisting.
pub async fn insist(exporters: Vec<Arc<dyn Consumer>>, mut request: Request) -> Answer {
    let share = std::mem::take(&mut request.window).shared();
    let (signal, items) = (request.signal, request.items);
    let taken = Arc::new(Taken::default());
    let mut offers: FuturesUnordered<_> = exporters
        .into_iter()
        .map(|exporter| {
            let request = Request { window: Window::Share(Arc::clone(&share)), ..request.clone() };
            offer(exporter, request, Arc::clone(&taken))
        })
        .collect();
    drop(request);
    let mut held_back = Some(share);
    let mut answers = Vec::with_capacity(offers.len());
    let mut refused = Vec::new();
    while let Some((exporter, answer)) = offers.next().await {
        match answer {
            Ok(accepted) => {
                if exporter.is_destination() {
                    taken.set();
                    held_back = None;
                }
                answers.push(Ok(accepted));
            }
            Err(refusal) if refusal.fault == Fault::Closing => return Err(refusal),
            Err(refusal) if exporter.is_destination() => refused.push((exporter, refusal)),
            Err(refusal) => answers.push(Err(refusal)),
        }
        if held_back.is_none() {
            for (exporter, refusal) in refused.drain(..) {
                exporter.give_up(signal, items, &refusal);
            }
        }
    }
    answers.extend(refused.into_iter().map(|(_, refusal)| Err(refusal)));
    combine(answers)
}

/// Offers a request from a sender at the door to every exporter at once. One whose queue is full gives up its share if
/// another has the request: an error would only make the sender send all of it again to the other one.
pub async fn offer_once(exporters: Vec<Arc<dyn Consumer>>, request: Request) -> Answer {
    let (signal, items) = (request.signal, request.items);
    let answers = futures_util::future::join_all(exporters.iter().map(|one| one.consume(request.clone())));
    drop(request);
    let mut answers = answers.await;
    let taken =
        exporters.iter().zip(&answers).any(|(exporter, answer)| answer.is_ok() && exporter.is_destination());
    for (exporter, answer) in exporters.iter().zip(&mut answers).filter(|_| taken) {
        if let Err(refusal) = answer
            && exporter.is_destination()
            && refusal.reason == Reason::QueueFull
        {
            exporter.give_up(signal, items, refusal);
            *answer = Ok(Accepted::default());
        }
    }
    combine(answers)
}

/// Offers a share until it is taken or refused for good, or, once a destination has the request, refused at all.
async fn offer(
    exporter: Arc<dyn Consumer>,
    mut request: Request,
    taken: Arc<Taken>,
) -> (Arc<dyn Consumer>, Answer) {
    let config = offers();
    let mut series = Backoff::new(&config, Instant::now());
    // Only who has the share in hand holds the stages before back.
    let mut window = std::mem::take(&mut request.window);
    let others = match &window {
        Window::Share(share) => Arc::downgrade(share),
        _ => std::sync::Weak::new(),
    };
    loop {
        let answer = exporter.consume(Request { window, ..request.clone() }).await;
        let refusal = match &answer {
            Err(refusal) if refusal.passes() && refusal.fault != Fault::Closing => refusal,
            _ => return (exporter, answer),
        };
        let wait = series.after_failure(&config, Instant::now(), refusal.retry_after, fastrand::f64());
        let wait = wait.unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
        let refused = tokio::time::Instant::now();
        tokio::select! {
            biased;
            () = taken.until(), if exporter.is_destination() => {
                // Backends that were away together come back together: what it said long ago it may not say now.
                if refused.elapsed() < STALE {
                    return (exporter, answer);
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
        window = Window::again(&others);
    }
}

/// Between offers; they never end by themselves.
fn offers() -> retry::Config {
    retry::Config {
        initial_interval: RETRY_HINT,
        max_interval: PAUSE_MAX,
        max_elapsed_time: Duration::ZERO,
        ..retry::Config::default()
    }
}

/// A refusal so old says nothing any more.
const STALE: Duration = Duration::from_millis(500);
/// The longest pause, whatever the exporter asks for.
const PAUSE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "fan_out_tests.rs"]
mod tests;
