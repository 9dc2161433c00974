//! A kept request to several consumers: each has it once, however often another refuses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::held::RETRY_HINT;
use super::{Answer, Consumer, Request, combine};
use crate::outcome::Fault;
use crate::retry::{self, Backoff};

/// Offers the request to each consumer until it takes it or refuses it for good; then there is one answer. The sender
/// keeps its copy meanwhile. When a consumer is about to stop, there is no point in insisting.
pub async fn insist(consumers: Vec<Arc<dyn Consumer>>, request: Request) -> Answer {
    let mut offers: FuturesUnordered<_> =
        consumers.into_iter().map(|consumer| offer(consumer, request.clone())).collect();
    drop(request);
    let mut answers = Vec::with_capacity(offers.len());
    while let Some(answer) = offers.next().await {
        if answer.as_ref().is_err_and(|refusal| refusal.fault == Fault::Closing) {
            return answer;
        }
        answers.push(answer);
    }
    combine(answers)
}

async fn offer(consumer: Arc<dyn Consumer>, request: Request) -> Answer {
    let config = offers();
    let mut series = Backoff::new(&config, Instant::now());
    loop {
        let answer = consumer.consume(request.clone()).await;
        let Err(refusal) = &answer else { return answer };
        if !refusal.passes() || refusal.fault == Fault::Closing {
            return answer;
        }
        let wait = series.after_failure(&config, Instant::now(), refusal.retry_after, fastrand::f64());
        let Some(wait) = wait else { return answer };
        tokio::time::sleep(wait.min(PAUSE_MAX)).await;
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

/// The longest pause, whatever the consumer asks for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Accepted, Reason, Refusal, Signal};
    use bytes::Bytes;
    use futures_util::future::BoxFuture;
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Refuses as listed, then takes.
    #[derive(Default)]
    struct Choosy {
        faults: Mutex<Vec<Fault>>,
        offered: AtomicUsize,
        taken: AtomicUsize,
    }

    impl Choosy {
        fn new(faults: &[Fault]) -> Arc<Self> {
            Arc::new(Self { faults: Mutex::new(faults.to_vec()), ..Self::default() })
        }
    }

    impl Consumer for Choosy {
        fn consume(&self, _request: Request) -> BoxFuture<'static, Answer> {
            self.offered.fetch_add(1, Ordering::Relaxed);
            let answer = match self.faults.lock().pop() {
                Some(fault) => {
                    Err(Refusal { fault, reason: Reason::Busy, message: "no".into(), retry_after: None })
                }
                None => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    Ok(Accepted::default())
                }
            };
            Box::pin(std::future::ready(answer))
        }
    }

    fn request() -> Request {
        Request {
            signal: Signal::Traces,
            body: Bytes::new(),
            items: 1,
            arrived: Instant::now(),
            deadline: None,
            kept: true,
            batched: false,
            metadata: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_consumer_takes_it_once_however_often_another_refuses() {
        let (slow, quick) = (Choosy::new(&[Fault::Load, Fault::Peer, Fault::Load]), Choosy::new(&[]));
        insist(vec![slow.clone(), quick.clone()], request()).await.unwrap();
        assert_eq!((slow.offered.load(Ordering::Relaxed), slow.taken.load(Ordering::Relaxed)), (4, 1));
        assert_eq!((quick.offered.load(Ordering::Relaxed), quick.taken.load(Ordering::Relaxed)), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_for_good_is_the_answer_once_all_others_have_it() {
        let (strict, slow) = (Choosy::new(&[Fault::PeerRefused(3)]), Choosy::new(&[Fault::Load]));
        let refusal = insist(vec![strict.clone(), slow.clone()], request()).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::PeerRefused(3));
        assert_eq!(slow.taken.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_insists_when_the_end_is_near() {
        let (ending, never) = (Choosy::new(&[Fault::Closing]), Choosy::new(&[Fault::Load; 100]));
        let refusal = insist(vec![never, ending], request()).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Closing);
    }
}
