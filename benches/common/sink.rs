//! The counting backends: K gRPC servers in a process of their own, which the bench starts from its own binary.
//!
//! The process prints its ports, then answers each line on its input with a line on its output, and ends with its
//! input, so it never outlives the bench.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};

use super::dense::{Ports, Seen, Spans};
use super::histogram::Histogram;
use super::shape::Shape;
use super::{ids, payload, scan};

/// The largest request that is read; the receivers before it take 64 MiB too.
const BODY_MAX: usize = 64 << 20;
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How the backends behave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Backends, each on a port.
    pub ports: u16,
    /// What the generator sends, by which ids are read.
    pub shape: Shape,
    /// Threads that serve.
    pub threads: usize,
    /// Of the first ports, how many answer late.
    pub slow: u16,
    /// How late these answer.
    pub delay_ms: u64,
    /// After the slow ones, how many ports nobody listens on.
    pub dead: u16,
    /// Share of requests that are answered UNAVAILABLE, of 100.
    pub fail_percent: u64,
    /// Share of requests that are answered OK and forgotten, of 100.
    pub forget_percent: u64,
}

/// What the backends have seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Requests answered OK.
    pub requests: u64,
    /// Spans in these.
    pub spans: u64,
    /// Spans that had come before.
    pub duplicates: u64,
    /// Traces that came to more than one port.
    pub split: u64,
    /// Spans whose ids nobody sent, and requests that could not be read.
    pub foreign: u64,
    /// Spans of traces without an error, where some traces have one.
    pub unwanted: u64,
    /// Connections taken.
    pub connections: u64,
}

/// A question to the sink.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// The counts; answered with `Stats`.
    Stats,
    /// Spans of acknowledged requests, in traces with an error, that never came; answered with a number.
    Missing {
        /// Requests numbered from zero.
        requests: u64,
        /// Requests whose spans were not acknowledged.
        except: Vec<u64>,
    },
    /// From now on, notes how long spans were under way; answered with `null`.
    Follow(Timetable),
    /// How long they were, in microseconds: p50, p99; answered with both.
    UnderWay,
}

/// When spans were sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timetable {
    /// When request zero fell due, in nanoseconds since 1970: a clock that two processes share.
    pub start_nanos: u64,
    /// Requests a second.
    pub rate: f64,
    /// What a trace is meant to wait, in nanoseconds, counted from its first span.
    pub wait_nanos: u64,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    spans: AtomicU64,
    duplicates: AtomicU64,
    split: AtomicU64,
    foreign: AtomicU64,
    unwanted: AtomicU64,
    connections: AtomicU64,
}

struct Sink {
    options: Options,
    counters: Counters,
    ports: Ports,
    seen: Spans,
    timetable: OnceLock<Timetable>,
    under_way: Histogram,
}

/// The whole life of the sink process.
pub fn run(options: Options) -> anyhow::Result<()> {
    let threads = options.threads.max(1);
    let dead = options.slow..options.slow + options.dead;
    let mut lists: Vec<Vec<(u16, std::net::TcpListener)>> = (0..threads).map(|_| Vec::new()).collect();
    let mut ports = Vec::new();
    for index in 0..options.ports {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("a port for the sink")?;
        ports.push(listener.local_addr()?.port());
        if !dead.contains(&index) {
            listener.set_nonblocking(true)?;
            lists[usize::from(index) % threads].push((index, listener));
        }
    }
    let sink = Arc::new(Sink {
        options,
        counters: Counters::default(),
        ports: Ports::new(),
        seen: Spans::new(),
        timetable: OnceLock::new(),
        under_way: Histogram::new(),
    });
    for listeners in lists {
        let sink = Arc::clone(&sink);
        std::thread::spawn(move || serve(&sink, listeners));
    }
    println!("{}", serde_json::to_string(&ports)?);
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Ask::Stats => serde_json::to_string(&sink.stats())?,
            Ask::Missing { requests, except } => sink.missing(requests, &except).to_string(),
            Ask::Follow(timetable) => serde_json::to_string(&sink.timetable.set(timetable).ok())?,
            Ask::UnderWay => serde_json::to_string(&[0.5, 0.99].map(|q| sink.under_way.quantile(q)))?,
        };
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn serve(sink: &Arc<Sink>, listeners: Vec<(u16, std::net::TcpListener)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (port, listener) in listeners {
            let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
            let sink = Arc::clone(sink);
            tokio::spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((socket, _)) => drop(tokio::spawn(connection(Arc::clone(&sink), port, socket))),
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
            });
        }
        std::future::pending::<()>().await;
    });
}

async fn connection(sink: Arc<Sink>, port: u16, socket: TcpStream) {
    sink.counters.connections.fetch_add(1, Relaxed);
    let _ = socket.set_nodelay(true);
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(1_000)
        .handshake::<_, Bytes>(socket);
    let Ok(mut connection) = handshake.await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(call(Arc::clone(&sink), port, request, respond));
    }
}

/// Reads one call and answers it. An error means that the caller is gone, and so is the need to answer.
async fn call(
    sink: Arc<Sink>,
    port: u16,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Option<()> {
    let message = read(request.into_body()).await?;
    let options = &sink.options;
    if options.delay_ms > 0 && port < options.slow {
        tokio::time::sleep(Duration::from_millis(options.delay_ms)).await;
    }
    let happens = |percent| percent > 0 && fastrand::u64(0..100) < percent;
    let status = match () {
        () if happens(options.fail_percent) => "14",
        () if happens(options.forget_percent) => "0",
        () if sink.count(port, &message).is_none() => "13",
        () => "0",
    };
    let headers = Response::builder().header("content-type", "application/grpc");
    let mut stream = respond.send_response(headers.body(()).ok()?, false).ok()?;
    if status == "0" {
        stream.send_data(Bytes::from_static(&[0; payload::PREFIX]), false).ok()?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static(status));
    stream.send_trailers(trailers).ok()
}

/// The whole body; one frame is taken as it is, more are put together in a buffer of the length that the gRPC
/// prefix announces, so that it does not grow by copying.
async fn read(mut body: RecvStream) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        if whole.is_empty() {
            if body.is_end_stream() {
                return Some(chunk);
            }
            whole.reserve(announced(&chunk).unwrap_or(0).min(BODY_MAX));
        }
        if whole.len() + chunk.len() > BODY_MAX {
            return None;
        }
        whole.extend_from_slice(&chunk);
    }
    Some(whole.freeze())
}

/// The length of a message with its gRPC prefix.
fn announced(start: &[u8]) -> Option<usize> {
    let length = start.get(1..payload::PREFIX)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()?.checked_add(payload::PREFIX)
}

impl Sink {
    /// Counts a message with its gRPC prefix; nothing if it cannot be read.
    fn count(&self, port: u16, message: &[u8]) -> Option<()> {
        let counters = &self.counters;
        let mut spans = 0;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let read = match message.split_at_checked(payload::PREFIX) {
            Some(([0, ..], body)) => scan::spans(body, |at| {
                spans += 1;
                self.see(port, now, &body[at.trace..at.trace + 16], &body[at.span..at.span + 8]);
            }),
            _ => None,
        };
        if read.is_none() {
            counters.foreign.fetch_add(1, Relaxed);
        }
        counters.spans.fetch_add(spans, Relaxed);
        counters.requests.fetch_add(1, Relaxed);
        read
    }

    fn see(&self, port: u16, now: Duration, trace: &[u8], span: &[u8]) {
        let counters = &self.counters;
        let shape = &self.options.shape;
        let count = |seen: Option<Seen>, odd: &AtomicU64| match seen {
            Some(Seen::Fine | Seen::Known) => {}
            Some(Seen::Odd) => drop(odd.fetch_add(1, Relaxed)),
            Some(Seen::Foreign) | None => drop(counters.foreign.fetch_add(1, Relaxed)),
        };
        let trace = ids::trace_number(shape.seed, trace);
        count(trace.map(|number| self.ports.see(number, port)), &counters.split);
        if let Some(number) = trace {
            counters.unwanted.fetch_add(u64::from(!shape.has_error(number)), Relaxed);
            self.time(number, now);
        }
        let span = ids::span_number(shape.seed, span);
        count(span.map(|number| self.seen.see(number)), &counters.duplicates);
    }

    fn stats(&self) -> Stats {
        let counters = &self.counters;
        Stats {
            requests: counters.requests.load(Relaxed),
            spans: counters.spans.load(Relaxed),
            duplicates: counters.duplicates.load(Relaxed),
            split: counters.split.load(Relaxed),
            foreign: counters.foreign.load(Relaxed),
            unwanted: counters.unwanted.load(Relaxed),
            connections: counters.connections.load(Relaxed),
        }
    }

    /// Notes how long after its due time a span came; one that came before it, as zero.
    fn time(&self, trace: u64, now: Duration) {
        let Some(timetable) = self.timetable.get() else { return };
        let request = self.options.shape.first_request(trace) as f64;
        let sent =
            Duration::from_nanos(timetable.start_nanos) + Duration::from_secs_f64(request / timetable.rate);
        self.under_way.record(now.saturating_sub(sent + Duration::from_nanos(timetable.wait_nanos)));
    }

    fn missing(&self, requests: u64, except: &[u64]) -> usize {
        let except: std::collections::HashSet<_> = except.iter().copied().collect();
        let shape = &self.options.shape;
        let spans = shape.spans as u64;
        let acknowledged = |request: &u64| *request < requests && !except.contains(request);
        let numbers = (0..requests)
            .filter(acknowledged)
            .flat_map(|request| (0..spans).map(move |index| (request, index)));
        let wanted = numbers.filter(|(request, index)| {
            let trace = shape.trace_of(*request, *index);
            shape.has_error(trace) && shape.error_request(trace).is_none_or(|request| acknowledged(&request))
        });
        wanted.filter(|(request, index)| !self.seen.holds(request * spans + index)).count()
    }
}
