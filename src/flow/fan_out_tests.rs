//! A fan-out over exporters that are told how to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::super::{Consumer, Outlets};
use super::*;
use crate::outcome::{Refusal, Signal};

/// Refuses as listed, then takes; holds what it takes until it may answer.
struct Choosy {
    refusals: Mutex<Vec<Fault>>,
    destination: bool,
    queues: bool, // drops the share at once, as one with a queue of its own
    answers: Arc<Semaphore>,
    offered: AtomicUsize,
    taken: AtomicUsize,
    given_up: AtomicUsize,
}

impl Choosy {
    fn new(refusals: &[Fault]) -> Self {
        Self {
            refusals: Mutex::new(refusals.to_vec()),
            destination: true,
            queues: true,
            answers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            offered: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
        }
    }

    /// Never answers.
    fn dead() -> Self {
        Self { answers: Arc::new(Semaphore::new(0)), ..Self::new(&[]) }
    }

    fn counts(&self) -> [usize; 3] {
        [&self.offered, &self.taken, &self.given_up].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Consumer for Choosy {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        self.offered.fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = self.refusals.lock().pop() {
            let reason = if fault == Fault::Load { Reason::QueueFull } else { Reason::RetryExhausted };
            let refusal = Refusal { fault, reason, message: "no".into(), retry_after: None };
            return Box::pin(std::future::ready(Err(refusal)));
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        let held = (!self.queues).then_some(request);
        let answers = Arc::clone(&self.answers);
        Box::pin(async move {
            answers.acquire_owned().await.unwrap().forget();
            drop(held);
            Ok(Accepted::default())
        })
    }

    fn is_destination(&self) -> bool {
        self.destination
    }

    fn give_up(&self, _: Signal, _: u64, _: &Refusal) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request of a stage with a window, and how many requests have left that window.
fn counted() -> (Request, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(0));
    let leaving = Arc::clone(&left);
    let window = Window::Counted(Arc::new(move || {
        leaving.fetch_add(1, Ordering::Relaxed);
    }));
    (Request { window, kept: true, ..at_the_door() }, left)
}

fn at_the_door() -> Request {
    Request::new(Signal::Traces, Bytes::new(), 1)
}

fn to(exporters: &[&Arc<Choosy>]) -> Outlets {
    let mut outlets = Outlets::default();
    exporters.iter().for_each(|one| outlets.add(Signal::Traces, Arc::clone(one) as Arc<dyn Consumer>));
    outlets
}

async fn settle_down() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

const FOR_EVER: [Fault; 100] = [Fault::Load; 100];

#[tokio::test(start_paused = true)]
async fn each_has_it_once_however_often_another_refuses() {
    let slow = Arc::new(Choosy::new(&[Fault::Load, Fault::Peer, Fault::Load]));
    let quick = Arc::new(Choosy { destination: false, ..Choosy::new(&[]) });
    to(&[&slow, &quick]).consume(counted().0).await.unwrap();
    assert_eq!((slow.counts(), quick.counts()), ([4, 1, 0], [1, 1, 0]), "a printer is no reason to give up");
}

#[tokio::test(start_paused = true)]
async fn a_full_one_gives_up_what_another_has() {
    let (full, quick) = (Arc::new(Choosy::new(&FOR_EVER)), Arc::new(Choosy::new(&[])));
    let (request, left) = counted();
    to(&[&full, &quick]).consume(request).await.unwrap();
    assert_eq!((full.counts(), quick.counts()), ([1, 0, 1], [1, 1, 0]));
    assert_eq!(left.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_up_what_nobody_has() {
    let (one, other) = (Arc::new(Choosy::new(&[Fault::Load; 3])), Arc::new(Choosy::new(&[Fault::Peer; 5])));
    let (request, left) = counted();
    let answer = tokio::spawn(to(&[&one, &other]).consume(request));
    settle_down().await;
    assert_eq!((left.load(Ordering::Relaxed), answer.is_finished()), (0, false), "senders are held back");
    answer.await.unwrap().unwrap();
    assert_eq!((one.counts()[1], other.counts()[1] + other.counts()[2]), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_one_does_not_hold_back_the_stages_before() {
    let (dead, quick) = (Arc::new(Choosy::dead()), Arc::new(Choosy::new(&[])));
    let (request, left) = counted();
    let answer = tokio::spawn(to(&[&dead, &quick]).consume(request));
    settle_down().await;
    assert_eq!(left.load(Ordering::Relaxed), 1, "what is left waits in the dead one's queue");
    assert!(!answer.is_finished(), "and whoever keeps it keeps it until that one has it");
    dead.answers.add_permits(1);
    answer.await.unwrap().unwrap();
    assert_eq!(left.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn only_dead_ones_hold_back_the_stages_before() {
    let (dead, other) = (Arc::new(Choosy::dead()), Arc::new(Choosy::dead()));
    let (request, left) = counted();
    let answer = tokio::spawn(to(&[&dead, &other]).consume(request));
    settle_down().await;
    assert_eq!(left.load(Ordering::Relaxed), 0);
    other.answers.add_permits(1);
    settle_down().await;
    assert_eq!((left.load(Ordering::Relaxed), answer.is_finished()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn one_without_a_queue_of_its_own_holds_back_the_stages_before() {
    let waits = Arc::new(Choosy { queues: false, ..Choosy::dead() });
    let (request, left) = counted();
    let _answer = tokio::spawn(to(&[&waits, &Arc::new(Choosy::new(&[]))]).consume(request));
    settle_down().await;
    assert_eq!(left.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_the_answer_only_where_nobody_has_it() {
    let strict = || Arc::new(Choosy::new(&[Fault::PeerRefused(3)]));
    let refusal = to(&[&strict(), &strict()]).consume(counted().0).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::PeerRefused(3));
    let one = strict();
    to(&[&one, &Arc::new(Choosy::new(&[Fault::Load]))]).consume(counted().0).await.unwrap();
    assert_eq!(one.counts(), [1, 0, 1], "counted as dropped there");
}

#[tokio::test(start_paused = true)]
async fn nobody_insists_when_the_end_is_near() {
    let (ending, never) = (Arc::new(Choosy::new(&[Fault::Closing])), Arc::new(Choosy::new(&FOR_EVER)));
    let refusal = to(&[&never, &ending]).consume(counted().0).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Closing);
}

#[tokio::test(start_paused = true)]
async fn a_sender_at_the_door_hears_of_a_full_queue_only_when_nobody_has_the_request() {
    let full = || Arc::new(Choosy::new(&FOR_EVER));
    let (one, quick) = (full(), Arc::new(Choosy::new(&[])));
    to(&[&one, &quick]).consume(at_the_door()).await.unwrap();
    assert_eq!((one.counts(), quick.counts()), ([1, 0, 1], [1, 1, 0]));
    let (one, other) = (full(), full());
    assert!(to(&[&one, &other]).consume(at_the_door()).await.unwrap_err().passes());
    assert_eq!((one.counts(), other.counts()), ([1, 0, 0], [1, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_sender_at_the_door_hears_of_a_backend_that_failed() {
    let (failed, quick) = (Arc::new(Choosy::new(&[Fault::Peer])), Arc::new(Choosy::new(&[])));
    let refusal = to(&[&failed, &quick]).consume(at_the_door()).await.unwrap_err();
    assert_eq!((refusal.fault, failed.counts()), (Fault::Peer, [1, 0, 0]));
}
