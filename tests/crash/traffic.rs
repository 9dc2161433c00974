//! Senders that never give up, and what has to become of each trace they sent.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::load::{Seen, failing, hex, seen, span, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::{Traces, wait};

/// Traces whose spans travel together.
const GROUP: u64 = 10;
/// Requests over which the spans of a group are spread, each on a connection of its own.
const PARTS: u64 = 3;
/// Spans of a trace in each of them.
const SPANS: u64 = 2;
/// One group in this many has spans that come after the decision.
const LATE: u64 = 5;
/// Pause of a sender between two groups.
const PAUSE: Duration = Duration::from_millis(25);
/// How exactly a deadline is kept.
const GRAIN: Duration = Duration::from_millis(20);
/// Pause before a request is sent again.
const AGAIN: Duration = Duration::from_millis(15);

/// Traces that were sent together, all of them acknowledged.
pub struct Group {
    first: u64,
    /// When the first of its requests was first sent: no verdict is due sooner than `decision_wait` after.
    sent: Instant,
    /// When each part was acknowledged.
    acknowledged: Vec<Instant>,
    late: bool,
}

/// What has to become of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    NotKept,
    /// Its error came when the verdict may have been taken: all of it or nothing.
    Either,
}

/// One trace of a [`Group`].
pub struct Sent {
    pub trace: u64,
    pub spans: u64,
    pub fate: Fate,
}

/// Whether a trace has an error, and in which part.
fn error_in(trace: u64) -> Option<u64> {
    trace.is_multiple_of(3).then_some(trace / 3 % PARTS)
}

/// The spans of the group that travel in `part`; part [`PARTS`] is the late one.
fn part(first: u64, part: u64) -> Traces {
    traces((first..first + GROUP).flat_map(|trace| {
        (part * SPANS..(part + 1) * SPANS).map(move |n| match error_in(trace) {
            Some(with) if n == with * SPANS => failing(span(trace, n)),
            _ => span(trace, n),
        })
    }))
}

impl Group {
    pub fn traces(&self, decision_wait: Duration) -> impl Iterator<Item = Sent> + '_ {
        (self.first..self.first + GROUP).map(move |trace| {
            let spans = SPANS * (PARTS + u64::from(self.late));
            let fate = match error_in(trace) {
                None => Fate::NotKept,
                Some(part) if self.acknowledged[part as usize] + GRAIN < self.sent + decision_wait => {
                    Fate::Kept
                }
                Some(_) => Fate::Either,
            };
            Sent { trace, spans, fate }
        })
    }
}

/// Senders at work until [`Senders::finish`].
pub struct Senders {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Group>>>,
}

impl Senders {
    /// `count` senders over as many connections; late spans follow `late_after` the rest of their trace.
    pub fn start(ringtail: &Ringtail, count: usize, late_after: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..count).map(|_| ringtail.traces()).collect();
        let tasks = (0..count).map(|own| {
            let clients: Vec<_> = (0..count).map(|n| clients[(own + n) % count].clone()).collect();
            tokio::spawn(work(clients, Arc::clone(&stop), Arc::clone(&next), late_after))
        });
        Self { tasks: tasks.collect(), stop }
    }

    /// Lets them finish what they began: then everything is acknowledged.
    pub async fn finish(self) -> Vec<Group> {
        self.stop.store(true, Ordering::Relaxed);
        join_all(self.tasks).await.into_iter().flat_map(Result::unwrap).collect()
    }
}

type Client = TraceServiceClient<Channel>;

async fn work(
    clients: Vec<Client>,
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    late_after: Duration,
) -> Vec<Group> {
    let (mut groups, mut late) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let first = number * GROUP;
        let sent = Instant::now();
        let parts = (0..PARTS).map(|n| send(clients[n as usize % clients.len()].clone(), part(first, n)));
        let acknowledged = join_all(parts).await;
        let is_late = number.is_multiple_of(LATE);
        if is_late {
            let client = clients[number as usize % clients.len()].clone();
            late.push(tokio::spawn(async move {
                tokio::time::sleep(late_after).await;
                send(client, part(first, PARTS)).await
            }));
        }
        groups.push(Group { first, sent, acknowledged, late: is_late });
        tokio::time::sleep(PAUSE).await;
    }
    for sent in join_all(late).await {
        sent.unwrap();
    }
    groups
}

/// Sends the same bytes again and again until they are acknowledged; says when they were.
pub async fn send(mut client: Client, request: Traces) -> Instant {
    let start = Instant::now();
    loop {
        match tokio::time::timeout(wait::DEADLINE, client.export(request.clone())).await {
            Ok(Ok(answer)) => {
                assert_eq!(answer.into_inner().partial_success, None);
                return Instant::now();
            }
            Ok(Err(status)) => {
                assert!(passes(&status), "not retryable: {status:?}");
                assert!(start.elapsed() < 2 * wait::DEADLINE, "never acknowledged: {status:?}");
                tokio::time::sleep(AGAIN).await;
            }
            Err(_) => panic!("neither acknowledged nor refused in {:?}", wait::DEADLINE),
        }
    }
}

/// A broken connection, or an answer after which senders send again.
fn passes(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Unavailable
}

/// What became of everything that was sent, in traces; panics where it is not what has to be.
#[derive(Debug, Default)]
pub struct Count {
    pub traces: usize,
    pub kept: usize,
    /// Could have been kept or not.
    pub open: usize,
    pub spans: u64,
    /// Spans that came to the backend more than once.
    pub duplicates: usize,
}

pub fn recount(groups: &[Group], decision_wait: Duration, arrived: &[Seen]) -> Count {
    let unique: HashSet<_> = arrived.iter().map(Seen::key).collect();
    let mut count = Count { duplicates: arrived.len() - unique.len(), ..Count::default() };
    let (mut lost, mut cut, mut leaked) = (Vec::new(), Vec::new(), Vec::new());
    let mut expected = 0;
    for sent in groups.iter().flat_map(|group| group.traces(decision_wait)) {
        let there = (0..sent.spans).map(|n| span(sent.trace, n));
        let there =
            there.filter(|s| unique.contains(&(s.trace_id.clone(), s.span_id.clone()))).count() as u64;
        expected += there as usize;
        count.traces += 1;
        count.spans += sent.spans;
        count.kept += usize::from(there > 0);
        count.open += usize::from(sent.fate == Fate::Either);
        match sent.fate {
            Fate::Kept if there == 0 => lost.push(sent.trace),
            Fate::NotKept if there > 0 => leaked.push(sent.trace),
            _ if there > 0 && there < sent.spans => cut.push((sent.trace, there, sent.spans)),
            _ => {}
        }
    }
    let id = |trace: &u64| hex(&trace_id(*trace));
    assert!(lost.is_empty(), "{} traces lost whole, first {:?} {}", lost.len(), lost[0], id(&lost[0]));
    assert!(leaked.is_empty(), "{} traces kept without reason, first {:?}", leaked.len(), leaked[0]);
    assert!(cut.is_empty(), "{} traces cut, first (trace, arrived, sent) {:?}", cut.len(), cut[0]);
    assert_eq!(expected, unique.len(), "spans arrived that nobody sent");
    count
}

/// A group that was acknowledged at once, and everything of it that is to be kept.
fn example() -> (Vec<Group>, Vec<Seen>) {
    let now = Instant::now();
    let group = Group { first: 0, sent: now, acknowledged: vec![now; PARTS as usize], late: true };
    let arrived = (0..=PARTS).flat_map(|n| seen(&part(0, n)));
    let arrived =
        arrived.filter(|one| (0..GROUP).step_by(3).any(|trace| one.span.trace_id == trace_id(trace)));
    (vec![group], arrived.collect())
}

#[test]
fn a_recount_closes_when_everything_is_there() {
    let (groups, mut arrived) = example();
    arrived.push(arrived[0].clone());
    let count = recount(&groups, Duration::from_secs(1), &arrived);
    assert_eq!((count.traces, count.kept, count.open, count.duplicates), (10, 4, 0, 1));
}

#[test]
#[should_panic(expected = "1 traces cut")]
fn a_recount_notices_a_span_that_is_missing() {
    let (groups, mut arrived) = example();
    arrived.pop();
    recount(&groups, Duration::from_secs(1), &arrived);
}

#[test]
#[should_panic(expected = "1 traces lost whole")]
fn a_recount_notices_a_trace_that_is_missing() {
    let (groups, mut arrived) = example();
    arrived.retain(|one| one.span.trace_id != trace_id(3));
    recount(&groups, Duration::from_secs(1), &arrived);
}

#[test]
#[should_panic(expected = "1 traces kept without reason")]
fn a_recount_notices_what_should_not_have_been_kept() {
    let (groups, mut arrived) = example();
    arrived.extend(seen(&traces([span(1, 0)])));
    recount(&groups, Duration::from_secs(1), &arrived);
}
