//! One of `num_consumers`: takes what leaves as a call, and stays with it until it is settled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::backends::{Backend, Clients};
use super::pause::Pauses;
use super::queue::{Next, Part, Queue};
use crate::batch::joined;
use crate::client::{CallEnd, Called, Client, HttpEncoding};
use crate::flow::{Books, RETRY_HINT, cancelled, closing};
use crate::observe::Gauge;
use crate::outcome::{Accepted, Fault, Reason, Refusal, Signal};
use crate::retry::{self, Backoff};
use crate::wire::json;
use crate::wire::status::Code;
use crate::workers::Workers;

/// What the consumers of one exporter share.
pub struct Line {
    /// What waits.
    pub queue: Mutex<Queue>,
    /// Told when something comes.
    pub work: Notify,
    /// What they wait for.
    pub pauses: Pauses,
    /// Where ends are written.
    pub books: Arc<Books>,
    /// Calls on their way or waiting for a retry.
    pub in_flight: Gauge,
    /// When to try again.
    pub retry: ArcSwap<retry::Config>,
    /// Whom to call.
    pub backend: ArcSwap<Backend>,
    /// Who calls.
    pub crew: Mutex<Crew>,
}

/// The consumers, by their numbers.
#[derive(Default)]
pub struct Crew {
    wanted: usize,
    there: BTreeSet<usize>, // those over `wanted` leave as soon as they are free
}

impl Line {
    /// So many consumers from now on, on the workers in turns. What is in flight is finished by whoever began it.
    pub fn employ(self: &Arc<Self>, wanted: usize, workers: &Workers) {
        let mut crew = self.crew.lock();
        crew.wanted = wanted;
        for number in 0..wanted {
            if crew.there.insert(number) {
                let worker = number % workers.count();
                workers.handle(worker).spawn(run(Arc::clone(self), number, worker));
            }
        }
        drop(crew);
        self.work.notify_waiters();
        self.work.notify_one();
    }

    /// Whether a consumer should leave; it is not there any more then.
    fn lets_go(&self, number: usize) -> bool {
        let mut crew = self.crew.lock();
        number >= crew.wanted && crew.there.remove(&number)
    }
}

/// How sending ended.
enum End {
    Taken(Accepted),
    Refused {
        refusal: Refusal,
        apart: bool,
    },
    /// Every sender has gone.
    Abandoned,
}

/// Sends what waits until the end, or until one less is wanted.
async fn run(line: Arc<Line>, number: usize, worker: usize) {
    while let Some(parts) = next(&line, number).await {
        line.in_flight.add(1);
        deliver(&line, worker, parts).await;
        line.in_flight.sub(1);
        line.queue.lock().done();
    }
}

async fn next(line: &Line, number: usize) -> Option<Vec<Part>> {
    loop {
        if line.pauses.stop.is_cancelled() {
            return None;
        }
        if line.lets_go(number) {
            line.work.notify_one(); // what it was woken for is there for another
            return None;
        }
        let work = line.work.notified();
        let found = {
            let mut queue = line.queue.lock();
            let now = Instant::now();
            let found = queue.take(now);
            if queue.has_more(now) {
                line.work.notify_one();
            }
            found
        };
        let at = match found {
            Next::Call(parts) => return Some(parts),
            Next::At(at) => Some(at),
            Next::Idle => None,
        };
        tokio::select! {
            () = work => {}
            () = sleep_to(at), if at.is_some() => {}
            () = line.pauses.stop.cancelled() => return None,
        }
    }
}

/// A refusal that may be about one request only is tried again by halves.
async fn deliver(line: &Line, worker: usize, parts: Vec<Part>) {
    let mut calls = vec![parts];
    while let Some(mut parts) = calls.pop() {
        let gone: Vec<Part> = parts.extract_if(.., |part| part.owner.is_abandoned()).collect();
        line.books.refuse(gone, &cancelled());
        if parts.is_empty() {
            continue;
        }
        match send(line, worker, &parts).await {
            End::Taken(accepted) => {
                if accepted != Accepted::default() {
                    line.books.partial(&accepted);
                }
                line.books.delivered(parts, &accepted);
            }
            End::Refused { apart: true, .. } if parts.len() > 1 => {
                let rest = parts.split_off(parts.len() / 2);
                calls.push(rest);
                calls.push(parts);
            }
            End::Refused { refusal, .. } => line.books.refuse(parts, &refusal),
            End::Abandoned => line.books.refuse(parts, &cancelled()),
        }
    }
}

/// A call in the making, as the configuration in force says.
struct Draft {
    generation: u64,
    backend: Arc<Backend>,
    plain: Bytes,
    message: Option<Bytes>, // compressed and framed
    series: Backoff,
}

impl Draft {
    fn new(line: &Line, parts: &[Part]) -> Result<Self, Refusal> {
        let (generation, backend) = (line.pauses.generation(), line.backend.load_full());
        let plain = encode(line.books.signal, backend.reach.form.encoding, parts)?;
        let series = Backoff::new(&line.retry.load(), Instant::now());
        Ok(Self { generation, backend, plain, message: None, series })
    }
}

/// One call, again and again until it is taken, refused for good, or given up. With another configuration it begins
/// anew: the backend of the last one may have been the wrong one.
async fn send(line: &Line, worker: usize, parts: &[Part]) -> End {
    let mut draft: Option<Draft> = None;
    loop {
        if let Err(end) = may_call(line, parts).await {
            return end;
        }
        let mut drafted = match draft.take().filter(|draft| draft.generation == line.pauses.generation()) {
            Some(current) => current,
            None => match Draft::new(line, parts) {
                Ok(anew) => anew,
                Err(refusal) => return End::Refused { refusal, apart: true },
            },
        };
        let clients = drafted.backend.clients(worker);
        let called = tokio::select! {
            called = call(clients, &drafted.plain, &mut drafted.message) => called,
            () = line.pauses.stop.cancelled() => return given_up(closing()),
            () = line.books.deserted(parts) => return End::Abandoned,
        };
        line.pauses.heard(called.unreachable, drafted.generation);
        let (delay, said) = match called.end {
            CallEnd::Taken => return End::Taken(taken(called.rejected_items, called.message)),
            CallEnd::ForGood { .. } if drafted.generation != line.pauses.generation() => continue,
            CallEnd::ForGood { apart, code, message } => {
                return End::Refused { refusal: for_good(code, message), apart };
            }
            CallEnd::Passing { delay, message } => (delay, message),
        };
        let now = Instant::now();
        let wait = drafted.series.after_failure(&line.retry.load(), now, delay, fastrand::f64());
        if called.throttled {
            line.pauses.throttle(now + delay.or(wait).unwrap_or(RETRY_HINT), drafted.generation);
        }
        match again(line, parts, now, wait, delay, said) {
            Err(_) if drafted.generation != line.pauses.generation() && !line.books.is_closing() => {}
            Err(end) => return end,
            Ok(until) => line.pauses.wait(until, called.unreachable, drafted.generation).await,
        }
        draft = Some(drafted);
    }
}

/// Waits while the backend has too much to do, unless the senders would not.
async fn may_call(line: &Line, parts: &[Part]) -> Result<(), End> {
    loop {
        if line.pauses.stop.is_cancelled() {
            return Err(given_up(closing()));
        }
        if parts.iter().all(|part| part.owner.is_abandoned()) {
            return Err(End::Abandoned);
        }
        let generation = line.pauses.generation();
        let Some(until) = line.pauses.throttled_until() else { return Ok(()) };
        if latest(parts).is_some_and(|latest| until > latest) {
            let hint = until.saturating_duration_since(Instant::now()).max(RETRY_HINT);
            let said = "the backend asked for a pause".to_owned();
            return Err(given_up(passing(Reason::HoldExpired, said, hint)));
        }
        line.pauses.wait(until, false, generation).await;
    }
}

/// One call to each address that can be reached, until one answers.
async fn call(clients: &Clients, plain: &Bytes, message: &mut Option<Bytes>) -> Called {
    loop {
        let turn = match clients.turn() {
            Ok(turn) => turn,
            Err(error) => return Called::unreachable(error),
        };
        let sealed = message.get_or_insert_with(|| seal(&turn.client, plain)).clone();
        let called = turn.client.call(sealed).await;
        if !called.unreachable {
            clients.reached(&turn);
            return called;
        }
        if !clients.unreachable(&turn) {
            return called;
        }
    }
}

/// When the last of the senders should be told; `None` where one waits as long as it takes.
fn latest(parts: &[Part]) -> Option<Instant> {
    let untils = parts.iter().map(|part| part.owner.until);
    untils.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten()
}

/// When a failed call is tried again, or why it is not.
fn again(
    line: &Line,
    parts: &[Part],
    now: Instant,
    wait: Option<Duration>,
    delay: Option<Duration>,
    said: String,
) -> Result<Instant, End> {
    if line.books.is_closing() && !parts.iter().any(|part| part.owner.promised) {
        // Whoever sends it still has it.
        return Err(given_up(closing()));
    }
    let hint = delay.unwrap_or_default().max(RETRY_HINT);
    let Some(wait) = wait else {
        return Err(given_up(passing(Reason::RetryExhausted, said, hint)));
    };
    if latest(parts).is_some_and(|latest| now + wait > latest) {
        return Err(given_up(passing(Reason::HoldExpired, said, hint.max(wait))));
    }
    line.books.retrying(&said, wait);
    Ok(now + wait)
}

/// The body before compression.
fn encode(signal: Signal, encoding: HttpEncoding, parts: &[Part]) -> Result<Bytes, Refusal> {
    let plain = joined(parts);
    match encoding {
        HttpEncoding::Protobuf => Ok(plain),
        HttpEncoding::Json => match json::from_protobuf(signal, &plain) {
            Ok(text) => Ok(Bytes::from(text)),
            Err(error) => {
                let message = format!("can't be written as JSON: {error}");
                Err(for_good(Code::InvalidArgument.number(), message))
            }
        },
    }
}

fn seal(client: &Client, plain: &Bytes) -> Bytes {
    if client.takes_bare() { plain.clone() } else { client.seal(|out| out.extend_from_slice(plain)) }
}

fn taken(rejected_items: u64, message: String) -> Accepted {
    let reason = (rejected_items > 0).then_some(Reason::BackendRejected);
    Accepted { rejected_items, reason, message: message.into() }
}

fn given_up(refusal: Refusal) -> End {
    End::Refused { refusal, apart: false }
}

fn passing(reason: Reason, message: String, retry_after: Duration) -> Refusal {
    Refusal { fault: Fault::Peer, reason, message: message.into(), retry_after: Some(retry_after) }
}

fn for_good(code: u8, message: String) -> Refusal {
    Refusal {
        fault: Fault::PeerRefused(code),
        reason: Reason::BackendRefused,
        message: message.into(),
        retry_after: None,
    }
}

async fn sleep_to(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at.into()).await;
    }
}
