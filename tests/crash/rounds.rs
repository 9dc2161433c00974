//! kill -9 and SIGTERM at random moments under load, fifty rounds in all, restarted at once.

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::process::Ringtail;
use crate::support::sampling::{ERRORS, Sampling};
use crate::traffic::{Senders, recount};

const SENDERS: usize = 4;
/// Longest orderly end: the senders wait for the restart.
const END: Duration = Duration::from_secs(10);

/// What differs between the tests.
struct Plan {
    seed: u64,
    rounds: usize,
    decision_wait: Duration,
    keys: &'static str,
    journal: &'static str,
    batch: &'static str,
    /// The backend is away, stalls and refuses, too.
    trouble: bool,
}

struct Scene {
    backend: Backend,
    ringtail: Ringtail,
    random: fastrand::Rng,
    trouble: bool,
    kills: usize,
    slowest_start: Duration,
}

/// Another number in `RINGTAIL_SEED` means other moments.
fn seed(plan: &Plan) -> u64 {
    let more: u64 = std::env::var("RINGTAIL_SEED").map_or(0, |seed| seed.parse().unwrap());
    plan.seed + 1000 * more
}

impl Scene {
    async fn new(plan: &Plan) -> Self {
        let backend = Backend::grpc().await;
        if plan.trouble {
            let mut random = fastrand::Rng::with_seed(seed(plan) + 100);
            backend.answer(move |_| match random.u32(..10) {
                0 => Reply::Refuse(Code::Unavailable, None),
                1 => Reply::Refuse(Code::ResourceExhausted, Some(Duration::from_millis(20))),
                _ => Reply::Take,
            });
        }
        let keys = format!("decision_wait: {:?}, policies: [{ERRORS}]{}", plan.decision_wait, plan.keys);
        let sampling = Sampling::to(&backend, &keys).on_disk(plan.journal).batch(plan.batch);
        let ringtail = sampling.start().await;
        let random = fastrand::Rng::with_seed(seed(plan));
        Self { backend, ringtail, random, trouble: plan.trouble, kills: 0, slowest_start: Duration::ZERO }
    }

    /// Runs for a while, then dies one way or the other, and is started again.
    async fn round(&mut self) {
        if self.random.u32(..5) > 0 {
            let start = Instant::now();
            self.ringtail.ready().await;
            self.slowest_start = self.slowest_start.max(start.elapsed());
            self.pause(100..700).await;
        } else {
            self.pause(0..100).await; // perhaps while it reads its journal
        }
        if self.trouble {
            self.trouble().await;
        }
        let gone = self.ringtail.exited();
        assert!(gone.is_none(), "it ended by itself: {gone:?}");
        if self.random.u32(..3) > 0 {
            self.kills += 1;
            self.ringtail.kill();
        } else {
            let start = Instant::now();
            self.ringtail.terminate();
            self.ringtail.ended().await;
            assert!(start.elapsed() < END, "an orderly end took {:?}", start.elapsed());
        }
        self.ringtail.respawn();
    }

    async fn trouble(&mut self) {
        match self.random.u32(..4) {
            0 => self.backend.stop(),
            1 => self.backend.close_gate(),
            _ => self.mend().await,
        }
        self.pause(0..200).await;
    }

    async fn mend(&self) {
        self.backend.open_gate();
        if !self.backend.is_running() {
            self.backend.restart().await;
        }
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.random.u64(ms))).await;
    }
}

/// Rounds of deaths under load, then the recount.
async fn survive(name: &str, plan: Plan) {
    let mut scene = Scene::new(&plan).await;
    let late_after = plan.decision_wait + Duration::from_millis(400);
    let senders = Senders::start(&scene.ringtail, SENDERS, late_after);
    for _ in 0..plan.rounds {
        scene.round().await;
    }
    scene.ringtail.ready().await;
    scene.mend().await;
    scene.backend.answer(|_| Reply::Take);
    let groups = senders.finish().await;
    let scrape = scene.ringtail.settled().await;
    let count = recount(&groups, plan.decision_wait, &scene.backend.spans());
    let (rounds, kills, start) = (plan.rounds, scene.kills, scene.slowest_start);
    let twice = count.duplicates;
    let report = format!(
        "{name}: {rounds} rounds, {kills} kills, slowest start {start:?}; {count:?}; {twice} spans came twice\n"
    );
    stderr().write_all(report.as_bytes()).unwrap();
    assert!(count.traces > 20 * rounds, "too little load: {count:?}");
    assert!(count.kept > count.traces / 5, "too few can be told: {count:?}");
    assert!(count.open < count.kept / 2, "too few can be told: {count:?}");
    let sums = scrape.ledger("tail_sampling", "traces");
    assert_eq!(sums.held, 0);
    assert!(sums.taken > 0, "{sums:?}");
}

/// Scenario: twenty deaths; verdicts at the deadline; small segments, uncompressed.
/// Guarantee: every acknowledged span of a trace with an error arrives, no other does, no trace is cut, sums close.
#[tokio::test]
async fn kills_lose_nothing_and_change_no_verdict() {
    let plan = Plan {
        seed: 1,
        rounds: 20,
        decision_wait: Duration::from_secs(1),
        keys: ", early_verdicts: off",
        journal: ", segment_size: 256KiB",
        batch: "timeout: 50ms",
        trouble: false,
    };
    survive("deadline", plan).await;
}

/// Scenario: fifteen deaths; verdicts as early as can be; compressed segments; several shards.
/// Guarantee: the same.
#[tokio::test]
async fn kills_lose_nothing_when_verdicts_are_early() {
    let plan = Plan {
        seed: 2,
        rounds: 15,
        decision_wait: Duration::from_secs(2),
        keys: ", num_shards: 3, early_verdicts: all",
        journal: ", segment_size: 1MiB, compression: lz4",
        batch: "timeout: 100ms, send_batch_size: 500",
        trouble: false,
    };
    survive("early", plan).await;
}

/// Scenario: fifteen deaths while the backend refuses, stalls, dies and returns, so that exports are unfinished.
/// Guarantee: the same.
#[tokio::test]
async fn kills_lose_nothing_while_the_backend_is_in_trouble() {
    let plan = Plan {
        seed: 3,
        rounds: 15,
        decision_wait: Duration::from_secs(1),
        keys: ", early_verdicts: not_kept, when_full: refuse",
        journal: ", sync: always, max_size: 1MiB, segment_size: 64KiB",
        batch: "timeout: 50ms",
        trouble: true,
    };
    survive("trouble", plan).await;
}
