//! What happens when one of several exporters is slow or away?
//!
//! Each exporter has its share of a request once and at its own pace. What waits for it is bounded by its own
//! `sending_queue`, how long it is tried by its own `retry_on_failure.max_elapsed_time`. Beyond that its share is
//! dropped under its own reason (`queue_full`, `retry_exhausted`), in its ledger and in
//! `otelcol_exporter_enqueue_failed_*` or `…_send_failed_*`, unless `block_on_overflow: true` asks to wait.
//!
//! **Nobody gives up what nobody has.** A share is given up only when another *destination* has the request: an OTLP
//! backend, a load balancer, a file, Prometheus. While all are away everything waits where it is, in the queues and
//! then in the sampler's journal, whatever the retries say. `debug` and `nop` are no destinations: that a trace was
//! printed is no reason to lose it, and so `[otlp, debug]` behaves as `[otlp]` alone.
//!
//! **Windows.** A sampler and a `batch` processor have 64 MiB on their way at once. With one exporter a request counts
//! until it is answered, so that a backend that is away holds up the stages before, and what is kept stays in the
//! journal. With several a request carries its place in those windows along ([`crate::flow::Window`]), which is given back
//! as soon as one destination has it and all other shares wait in their exporters' queues. So the pace is that of the
//! fastest destination. One whose queue is full but moves is waited for, a second at most, so that a backend that is
//! only a little slower than another does not lose what a moment's patience would save.
//!
//! **Crashes.** The sampler is answered when every exporter has taken its share, given it up, or has it in a queue on
//! disk (`sending_queue.journal`). Until then the journal keeps the trace, and a crash or a restart offers it to all
//! exporters again: with a queue in memory, at least once. A queue on disk spares the others. What has been on its way
//! for long is copied forward in a journal that fills, so a dead backend's share does not hold old segments; the
//! journal needs room for what the queues in memory may hold.
//!
//! **Senders at the door.** Without a sampler or a `batch` in between, a sender gets success when every exporter has
//! its request: in its queue, where `sending_queue` is written, or else at its backend. The Collector joins the errors,
//! and a sender that hears of one full queue sends all of it again, also to the exporter that has it. Here a full queue
//! gives up its share when another destination has the request, counted as above, and the sender gets success. When
//! nobody has it the sender is refused. A backend that failed a sender that waits for it is told to that sender, as in
//! the Collector; sent again, it comes twice to the other one.
//!
//! **Where requests come from** ([`crate::origin`]) ends at a sampler, as in the Collector: a trace is made of many
//! requests. Behind a `batch` only the headers in its `metadata_keys` are left, since requests that differ in them are
//! not put together. A processor that asks there for headers (`include_metadata`), for the sender's address or for who
//! the authenticator found it to be, is warned about at load.
