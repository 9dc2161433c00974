//! What happens to a span between its acknowledgement and its verdict, and what does a restart change?
//!
//! **One walk.** A worker reads an arriving request once: it finds each span, the trace it belongs to, and answers the
//! questions that the configured policies ask ([`crate::sample::facts`]). Nothing else of a span is looked at, and a
//! policy that is not configured asks nothing. The verdict reads these facts only.
//!
//! **One owner.** A shard is a thread that owns an index, a journal and the policies' state, so nothing is locked. It
//! takes all requests that have come, appends their bytes, commits once, tells the sampler, and answers: an answer
//! means that the spans are in the journal. With a directory, a kill at any later moment loses none of them.
//!
//! **Verdicts before deeds.** A verdict is written to a log of its own, forty bytes, before anything leaves because of
//! it. So no verdict is taken twice, and after a restart late spans still follow the one that was. A segment of that
//! log goes when newer ones hold as many verdicts as may be remembered and no span that it decides is in the journal
//! any more.
//!
//! **By reference.** What is kept stays where it lies. The outbox holds places; a request is put together from the
//! journal when it can leave: pieces of many traces, each description once. It travels with `kept` set: every stage on
//! the way then answers with what really became of it, so a queue or a batch in memory never stands between a kept
//! trace and the journal. When the answer comes, a record says so and the places are let go. A refusal that passes puts
//! them back in front. A crash between the answer and its record sends them once more: at least once.
//!
//! **Stragglers.** A segment goes when no open and no kept trace needs it. When a backend is down for long, kept
//! traces would hold segments that are nearly all dead; once the journal is half full they are copied forward, ready to
//! leave, and those segments go. When it is full, new spans are refused, or the oldest traces are judged early
//! (`when_full`); nothing acknowledged is let go silently.
//!
//! **Copies.** A sender that was not answered sends everything again. Spans of a trace that are byte for byte the same
//! leave once, counted as `duplicate`. By id alone they could not be told apart from the shared ids of Zipkin clients.
//!
//! **Early verdicts** (`early_verdicts`). A verdict that no further span can change need not wait. One that ends a trace
//! frees its bytes at once. One that keeps it lets its spans leave as they come, in several requests; `not_kept` leaves
//! kept traces whole. In `compat` every verdict waits for its deadline.
//!
//! **Second chance.** A trace that was not kept stays in the journal for another `decision_wait`, or until its room is
//! needed; an error that comes meanwhile has it judged again, whole. Until then its spans count as held.
//!
//! **Time** is wall time that a shard keeps from going back, because deadlines have to mean the same after a restart. In
//! `compat` they fall on whole seconds, as the Collector's ticks do; otherwise verdicts that are due within five
//! milliseconds are taken together.
//!
//! **Reconfiguration.** Policies and limits change in a running shard between two turns of its loop. An open trace is
//! judged by the policies in force at its deadline. Facts are answers to questions of the policies that were there when
//! the spans came; if others are asked now, its portions are read again from the journal: before anything else happens
//! to the trace, and otherwise in the background, oldest first, a millisecond at a time. A trace of very many portions
//! is read in parts and waits alone. When the questions are the same (another threshold of `latency`, another rate),
//! nothing is read. A request that was divided by earlier policies and still waits for its shard is read anew.
//!
//! - Waits: a deadline is derived from when the wait began, so a new `decision_wait` counts from the first span and
//!   `decision_wait_after_root_received` from the root, for open traces too; no deadline moves before the change.
//! - State: a policy of the same name and rule keeps its tokens, rates or allocations, wherever it stands; another begins
//!   anew.
//! - Names: verdicts are remembered with a number of the policy that outlives its place in the list, and on disk with a
//!   hash of its name; so late spans, explanations and series never name another policy.
//! - Smaller limits: `num_traces` judges the oldest (`limit_traces`), a few a turn, or refuses new ones, as `when_full`
//!   says; memories of verdicts forget their oldest; a journal that has become too large judges what its oldest segment
//!   holds (`limit_journal`), unless `when_full` refuses. `maximum_trace_size_bytes` and `maximum_spans_per_trace` count when a
//!   trace's next portion comes.
//! - `num_shards` (it says which shard owns a trace) and the journal's `directory` and `compression` need a restart, and
//!   `sync` does between `never` and the others, which need a thread a shard.
//! - When `compat` comes or goes, remembered verdicts are keyed anew in one go, about 0.1 s for a million.
//!
//! **`compat: collector`** reproduces the Collector's verdicts trace for trace, quirks included. Outside of it a verdict
//! depends neither on the order of policies nor on that of arrival: latency is that of the whole trace, limits are not
//! charged for traces that are kept anyway, an exhausted share of a composite falls through to the next, and bounds of
//! zero are bounds.
