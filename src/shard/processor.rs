//! The processor as the pipeline sees it: divides requests by trace and shard, waits for the shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use futures_util::future::{BoxFuture, join_all};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::clock;
use super::open::{Opening, folder_of, same_shards};
use super::reconfigure::Fixed;
use super::run::{Ask, Left, run};
use super::state::{Counters, Shard};
use super::turn::{Offer, RETRY_AFTER, closing, malformed};
use crate::flow::{Answer, Consumer, Quiet, Request, Stage};
use crate::journal;
use crate::lane::Budget;
use crate::observe::{Ledger, Registry, SamplerMetrics, SamplerSeries};
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::sample::Config;
use crate::sample::facts::{Arrival, Failures, Plan, Portion};
use crate::workers::Workers;

/// What a processor is made of.
pub struct Parts<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// What stands after the slash of its name.
    pub component: &'a str,
    /// The pipeline that it is in.
    pub pipeline: &'a str,
    /// What it judges by.
    pub sampling: Config,
    /// Where open traces are kept.
    pub journal: journal::Config,
    /// Which optional series it has.
    pub series: SamplerSeries,
    /// What comes behind it.
    pub next: Arc<dyn Consumer>,
    /// Where it runs.
    pub workers: &'a Workers,
    /// Where it counts.
    pub registry: &'a Registry,
}

/// A `tail_sampling` processor in one pipeline. Clones are the same.
#[derive(Clone)]
pub struct TailSampling(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) fixed: Fixed,
    pub(super) plan: ArcSwap<Plan>,
    pub(super) shards: Vec<Handle>,
    budget: Arc<Budget>,
    closing: AtomicBool,
    pub(super) drop_pending: AtomicBool,
    failures: Quiet,
    ledger: Ledger,
}

pub(super) struct Handle {
    offers: mpsc::Sender<Offer>,
    pub(super) asks: mpsc::Sender<Ask>,
}

impl TailSampling {
    /// Opens the journals and reads back what they hold, then starts the shards. Errors name the key.
    pub fn start(parts: Parts<'_>) -> Result<Self, String> {
        let Parts { name, component, pipeline, sampling, journal, series, next, workers, registry } = parts;
        let policies: Vec<String> = sampling.policies.iter().map(|policy| policy.name.clone()).collect();
        let metrics = SamplerMetrics::new(registry, name, component, &policies, series);
        let ledger = Ledger::new(registry, "processor", name, Signal::Traces);
        let plan = Arc::new(Plan::new(&sampling));
        let count = sampling.num_shards.max(1);
        let folder = folder_of(pipeline, name);
        same_shards(&journal, &folder, count)?;
        let mut shards = Vec::new();
        for index in 0..count {
            let counters = Counters::new(metrics.clone(), &sampling);
            let opening = Opening {
                sampling: &sampling,
                journal: &journal,
                folder: folder.join(index.to_string()),
                index,
                plan: &plan,
                next: &next,
                ledger: &ledger,
            };
            let shard = opening.open(counters).map_err(|error| format!("journal: {error}"))?;
            shards.push(
                spawn(shard, index, workers, journal.sync)
                    .map_err(|error| format!("cannot start a shard: {error}"))?,
            );
        }
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            fixed: Fixed::new(&sampling, &journal, component, registry),
            plan: ArcSwap::new(plan),
            shards,
            budget: Budget::new(WAITING_BYTES_MAX),
            closing: AtomicBool::new(false),
            failures: Quiet::default(),
            drop_pending: AtomicBool::new(sampling.drop_pending_on_shutdown),
            ledger,
        })))
    }

    /// The conservation sum.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// What is known of a trace.
    pub async fn explain(&self, trace_id: [u8; 16]) -> Option<Value> {
        let shard = &self.0.shards[shard_of(&trace_id, self.0.shards.len())];
        let (tell, told) = oneshot::channel();
        shard.asks.send(Ask::Explain(trace_id, tell)).await.ok()?;
        told.await.ok().flatten()
    }
}

impl Consumer for TailSampling {
    fn consume(&self, request: Request) -> BoxFuture<'static, Answer> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.take(request).await })
    }
}

impl Stage for TailSampling {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn end(&self, deadline: Instant) -> BoxFuture<'static, u64> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.end(deadline).await })
    }
}

impl Inner {
    async fn take(&self, request: Request) -> Answer {
        let refuse = |refusal: Refusal| {
            self.ledger.taken(request.items);
            self.ledger.refused(refusal.reason, request.items);
            Err(refusal)
        };
        if self.closing.load(Ordering::Relaxed) {
            return refuse(closing());
        }
        let bytes = request.body.len();
        let plan = self.plan.load_full();
        let Arrival { source, portions, spans, failures } =
            match plan.read_at(request.body.clone(), clock::unix_nanos()) {
                Ok(arrival) => arrival,
                Err(error) => return refuse(malformed(&error.to_string())),
            };
        self.tell(failures);
        if spans == 0 {
            return Ok(Accepted::default());
        }
        let mut waiting = Vec::new();
        for (handle, portions) in self.shards.iter().zip(divide(portions, self.shards.len())) {
            if portions.is_empty() {
                continue;
            }
            let spans = portions.iter().map(|portion| u64::from(portion.facts.spans)).sum();
            let Some(permit) = self.budget.try_take(bytes) else {
                waiting.push(Err((busy(), spans)));
                continue;
            };
            let (answer, answered) = oneshot::channel();
            let (source, plan) = (Arc::clone(&source), Arc::clone(&plan));
            let offer = Offer { source, plan, portions, answer, _permit: permit };
            waiting.push(match handle.offers.send(offer).await {
                Ok(()) => Ok(answered),
                Err(_) => Err((closing(), spans)),
            });
        }
        let answers = waiting.into_iter().map(|one| async {
            match one {
                Ok(answered) => answered.await.unwrap_or_else(|_| Err(closing())),
                Err((refusal, spans)) => {
                    self.ledger.taken(spans);
                    self.ledger.refused(refusal.reason, spans);
                    Err(refusal)
                }
            }
        });
        let answers = join_all(answers).await;
        answers.into_iter().find(Result::is_err).unwrap_or(Ok(Accepted::default()))
    }

    /// Says now and then what conditions could not be evaluated.
    fn tell(&self, failures: Failures) {
        if let Some(error) = failures.first
            && let Some(more) = self.failures.may_say()
        {
            let (processor, more) = (&self.name, more + failures.count - 1);
            tracing::warn!(processor, error, more, "a condition of a policy failed and does not match");
        }
    }

    async fn end(&self, deadline: Instant) -> u64 {
        self.closing.store(true, Ordering::Relaxed);
        let mut told = Vec::new();
        for shard in &self.shards {
            let (tell, answer) = oneshot::channel();
            let drop_pending = self.drop_pending.load(Ordering::Relaxed);
            if shard.asks.send(Ask::End(deadline, drop_pending, tell)).await.is_ok() {
                told.push(answer);
            }
        }
        let mut sum = Left::default();
        for left in join_all(told).await.into_iter().flatten() {
            sum.traces += left.traces;
            sum.spans += left.spans;
            sum.kept += left.kept;
            sum.lost += left.lost;
            sum.judged_early += left.judged_early;
        }
        let name = &self.name;
        if sum.traces > 0 || sum.kept > 0 {
            tracing::info!(
                processor = name,
                traces = sum.traces,
                spans = sum.spans,
                kept_spans = sum.kept,
                "undecided traces and kept spans stay in the journal for the next start"
            );
        }
        if sum.judged_early > 0 {
            tracing::info!(
                processor = name,
                traces = sum.judged_early,
                "traces were judged early, because of the end"
            );
        }
        sum.lost
    }
}

/// Starts a shard. It lives on a worker, where a request of one of the worker's own connections costs no wake-up of
/// another thread; but a disk that is forced takes its time, and then the shard gets a thread of its own.
fn spawn(shard: Shard, index: u32, workers: &Workers, sync: journal::Sync) -> std::io::Result<Handle> {
    let (offers, taken) = mpsc::channel(WAITING_MAX);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    if sync == journal::Sync::Never {
        workers.handle(index as usize % workers.count()).spawn(run(shard, taken, asked));
        return Ok(Handle { offers, asks });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(format!("shard-{index}"))
        .spawn(move || runtime.block_on(run(shard, taken, asked)))?;
    Ok(Handle { offers, asks })
}

/// The Collector's shard of a trace: the two halves of its id, mixed by the finalizer of splitmix64.
pub fn shard_of(trace_id: &[u8; 16], count: usize) -> usize {
    let value = u128::from_le_bytes(*trace_id);
    let mut mixed = value as u64 ^ (value >> 64) as u64;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed % count as u64) as usize
}

fn divide(portions: Vec<Portion>, count: usize) -> Vec<Vec<Portion>> {
    if count == 1 {
        return vec![portions];
    }
    let mut divided: Vec<Vec<Portion>> = (0..count).map(|_| Vec::new()).collect();
    for portion in portions {
        divided[shard_of(&portion.trace_id, count)].push(portion);
    }
    divided
}

fn busy() -> Refusal {
    Refusal {
        fault: Fault::Load,
        reason: Reason::Busy,
        message: "too many bytes wait for the sampler".into(),
        retry_after: Some(RETRY_AFTER),
    }
}

/// Bytes of requests that wait for shards.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Requests that wait for one shard; then their workers wait.
const WAITING_MAX: usize = 1024;
/// Questions that wait for one shard.
const ASKS_MAX: usize = 16;
