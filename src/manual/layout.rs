//! Which modules are not in the design's table, and why are they here?
//!
//! * `outcome` holds the words that every stage shares: signals, reasons, faults, refusals. Without it each pair of
//!   neighbours would translate.
//! * `workers` and `stream` are the ground that receivers and exporters both stand on: threads, and corked byte streams.
//! * `compress` and `tls` are used on both sides of the line and belong to neither.
//! * `flow` holds what travels and the fan-out; the graph itself is built in `app::graph`, since only `app` may know
//!   every kind of component.
//! * `client` is one backend as the balancer and the OTLP exporters see it: connections, and how a call ended.
//! * `flow` also has the shells of what is pure elsewhere and no exporter's own: the `batch` processor, and the fan-out
//!   that gives a kept request to each exporter once.
//! * The sampler's time is `sample::Moment`, not `Instant`: see [`super::sampler`].
//! * `ottl`, `pattern`, `pii`, `digest`, `semconv` and `trace_state` belong to no one verb: conditions are asked by `sample` and
//!   `edit`, Go's patterns by both and by `ottl`, the tracestate's `ot` entry by `shard` and the probabilistic sampler.
