//! The queue of one backend under virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::config::Gather;
use super::part::Part;
use super::queue::{LaneQueue, Output, Why};
use super::ticket::{self, Opening, Waiting};
use crate::client::CallEnd;
use crate::outcome::{Fault, Reason, Signal};
use crate::retry;
use crate::split::{Choice, Chooser, Splitter};

struct One;
impl Chooser for One {
    fn item(&mut self, _item: &[u8]) -> Choice {
        Choice::Owner(0)
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn queue() -> LaneQueue {
    let gather =
        Gather { max_items: 10, max_bytes: 1 << 20, max_age: Duration::from_millis(20), max_calls: 2 };
    LaneQueue::new(gather, retry::Config::default())
}

/// A part of `items` spans that is held for eight seconds, and what its sender waits on.
fn part(items: usize, now: Instant) -> (Part, Waiting) {
    let spans = (0..items).map(|_| Span { trace_id: vec![1; 16], ..Default::default() }).collect();
    let scope = ScopeSpans { spans, ..Default::default() };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..Default::default() }],
    };
    let body = Bytes::from(request.encode_to_vec());
    let split = Splitter::default().split(Signal::Traces, body, &mut One).unwrap();
    let slice = split.slices.into_iter().next().unwrap().1;
    let (mut tickets, waiting) = ticket::open(Opening { parts: 1, ..Opening::default() });
    (Part::new(slice, tickets.pop().unwrap(), now, now + 8 * SECOND, [None, None]), waiting)
}

fn calls(queue: &mut LaneQueue) -> Vec<Vec<Part>> {
    let mut calls = Vec::new();
    while let Some(output) = queue.poll_output() {
        match output {
            Output::Call(parts) => calls.push(parts),
            Output::Refuse(refused) => panic!("refused: {:?}", refused.1),
        }
    }
    calls
}

fn refusals(queue: &mut LaneQueue) -> Vec<(u64, Reason, Fault)> {
    let mut refusals = Vec::new();
    while let Some(output) = queue.poll_output() {
        match output {
            Output::Call(_) => panic!("an unexpected call"),
            Output::Refuse(refused) => refusals.push((refused.0.items(), refused.1.reason, refused.1.fault)),
        }
    }
    refusals
}

fn bytes(parts: &[Part]) -> usize {
    parts.iter().map(Part::bytes).sum()
}

fn passing() -> CallEnd {
    CallEnd::Passing { delay: None, message: "down".into() }
}

// Scenario: parts arrive while a call is in flight.
// Guarantees: they wait for its end and leave as one call; a backend that is idle is called at once.
#[test]
fn what_arrives_during_a_call_leaves_as_one() {
    let (mut queue, now) = (queue(), Instant::now());
    let mut senders = Vec::new();
    for _ in 0..4 {
        let (part, sender) = part(1, now);
        assert!(!queue.accept(part));
        senders.push(sender);
        if senders.len() == 1 {
            queue.send(now);
        }
    }
    queue.send(now);
    let first = calls(&mut queue);
    assert_eq!((first.len(), first[0].len()), (1, 1));
    let held = bytes(&first[0]);
    queue.call_done(held, Vec::new(), &CallEnd::Taken, now, now, 0.5);
    queue.send(now);
    let second = calls(&mut queue);
    assert_eq!((second.len(), second[0].len()), (1, 3));
}

// Scenario: a call is in flight and does not end.
// Guarantees: a full call, or a part that waited for the gather age, leaves beside it, up to the limit of calls.
#[test]
fn a_slow_call_is_passed_by_full_or_aged_ones() {
    let (mut queue, now) = (queue(), Instant::now());
    let (first, _s1) = part(1, now);
    queue.accept(first);
    queue.send(now);
    assert_eq!(calls(&mut queue).len(), 1);
    let (second, _s2) = part(1, now);
    queue.accept(second);
    queue.send(now);
    assert!(calls(&mut queue).is_empty());
    let (at, why) = queue.poll_timeout().unwrap();
    assert_eq!((at, why), (now + Duration::from_millis(20), Why::GatherAge));
    queue.handle_timeout(at);
    assert_eq!(calls(&mut queue).len(), 1);
    let (third, _s3) = part(10, now);
    assert!(queue.accept(third), "a whole call has gathered");
    queue.send(at);
    assert!(calls(&mut queue).is_empty(), "two calls are the limit here");
}

// Scenario: the backend fails in a way that passes, again and again.
// Guarantees: the same parts are sent again after the Collector's backoff, one call at a time; at the hold's end the
// sender is refused with a hint.
#[test]
fn failures_are_retried_until_the_hold_ends() {
    let (mut queue, start) = (queue(), Instant::now());
    let (only, sender) = part(3, start);
    queue.accept(only);
    queue.send(start);
    let mut sent = calls(&mut queue).remove(0);
    let held = bytes(&sent);
    queue.call_done(held, std::mem::take(&mut sent), &passing(), start, start, 0.5);
    queue.send(start);
    assert!(calls(&mut queue).is_empty());
    let (at, why) = queue.poll_timeout().unwrap();
    assert_eq!((at, why), (start + 5 * SECOND, Why::Retry));
    queue.handle_timeout(at);
    let again = calls(&mut queue).remove(0);
    assert_eq!(again[0].items(), 3);
    queue.call_done(held, again, &passing(), at, at, 0.5);
    let (end, why) = queue.poll_timeout().unwrap();
    assert_eq!((end, why), (start + 8 * SECOND, Why::Expiry));
    queue.handle_timeout(end);
    let Some(Output::Refuse(refused)) = queue.poll_output() else { panic!("not refused") };
    assert_eq!((refused.1.reason, refused.1.fault), (Reason::HoldExpired, Fault::Peer));
    assert!(refused.1.retry_after.is_some());
    let (part, refusal) = *refused;
    part.ticket.refused(3, refusal, None);
    assert!(sender.now_or_never().unwrap().is_err());
    assert!(queue.is_idle());
}

#[test]
fn success_ends_the_backoff_and_a_reachable_backend_shortens_it() {
    let (mut queue, now) = (queue(), Instant::now());
    let (only, _sender) = part(1, now);
    queue.accept(only);
    queue.send(now);
    let sent = calls(&mut queue).remove(0);
    let held = bytes(&sent);
    queue.call_done(held, sent, &passing(), now, now, 0.5);
    assert!(queue.is_blocked());
    queue.unblock(now + SECOND);
    queue.send(now + SECOND);
    let sent = calls(&mut queue).remove(0);
    queue.call_done(held, Vec::new(), &CallEnd::Taken, now + SECOND, now + SECOND, 0.5);
    assert!(!queue.is_blocked());
    drop(sent);
}

// Scenario: a merged call is refused for good, because of the data of one of its senders.
// Guarantees: the parts are tried apart until only the guilty one is refused.
#[test]
fn one_bad_part_does_not_spoil_the_others() {
    let (mut queue, now) = (queue(), Instant::now());
    let mut senders = Vec::new();
    for items in [1, 2, 4] {
        let (part, sender) = part(items, now);
        queue.accept(part);
        senders.push(sender);
    }
    queue.send(now);
    let refused = CallEnd::ForGood { apart: true, code: 3, message: "bad data".into() };
    let (mut delivered, mut blamed) = (Vec::new(), Vec::new());
    let mut open = calls(&mut queue);
    while let Some(parts) = open.pop() {
        let held = bytes(&parts);
        if parts.iter().any(|part| part.items() == 2) {
            queue.call_done(held, parts, &refused, now, now, 0.5);
        } else {
            delivered.extend(parts.iter().map(Part::items));
            queue.call_done(held, Vec::new(), &CallEnd::Taken, now, now, 0.5);
        }
        queue.send(now);
        while let Some(output) = queue.poll_output() {
            match output {
                Output::Call(parts) => open.push(parts),
                Output::Refuse(refused) => blamed.push((refused.0.items(), refused.1.reason)),
            }
        }
    }
    delivered.sort_unstable();
    assert_eq!(delivered, [1, 4]);
    assert_eq!(blamed, [(2, Reason::BackendRefused)]);
}

#[test]
fn parts_of_senders_that_left_are_not_sent() {
    let (mut queue, now) = (queue(), Instant::now());
    let (gone, sender) = part(2, now);
    drop(sender);
    queue.accept(gone);
    queue.send(now);
    assert_eq!(refusals(&mut queue), [(2, Reason::Cancelled, Fault::Deadline)]);
    assert!(queue.is_idle());
}

#[test]
fn a_call_carries_no_more_items_than_allowed() {
    let (mut queue, now) = (queue(), Instant::now());
    let mut senders = Vec::new();
    for _ in 0..5 {
        let (part, sender) = part(4, now);
        queue.accept(part);
        senders.push(sender);
    }
    queue.send(now);
    let sizes: Vec<usize> = calls(&mut queue).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2], "ten items a call, two calls at once");
    assert_eq!(queue.drain().len(), 1);
}

#[test]
fn without_retries_a_failure_is_told_at_once() {
    let now = Instant::now();
    let retry = retry::Config { enabled: false, ..retry::Config::default() };
    let mut queue = LaneQueue::new(Gather::default(), retry);
    let (only, _sender) = part(1, now);
    queue.accept(only);
    queue.send(now);
    let sent = calls(&mut queue).remove(0);
    let held = bytes(&sent);
    queue.call_done(held, sent, &passing(), now, now, 0.5);
    assert_eq!(refusals(&mut queue), [(1, Reason::RetryExhausted, Fault::Peer)]);
    assert!(!queue.is_blocked());
}
