//! What does Prometheus see of OTLP metrics, and where is that not what the Collector shows?
//!
//! Names, units, labels, types and the rules for delta points are the Collector's, so dashboards go on working. Names are
//! translated when a point arrives, not at each scrape: a scrape only writes, family by family, and requests come in
//! between. Where the Collector loses a point or a scrape, ours does not:
//!
//! * Attributes whose keys become one label are joined with `;` on every series, as the specification has it. The Collector
//!   does that on `target_info` only and drops other series that have two.
//! * Two metrics that become one series are one series, the last point of both. The Collector shows one of them and logs
//!   an error at each scrape.
//! * A label that Prometheus keeps for itself (`__name__`) or the exposition needs (`le`, `quantile`) gets `key_` in front.
//! * An empty label is left out: to Prometheus it is the same as none. The Collector writes `otel_scope_version=""`.
//! * `target_info` of a job and instance is the last resource that sent something, not any of them.
//! * A histogram of unspecified temporality is never shown; the Collector shows its first point.
//! * Exponential histograms have classic buckets at powers of two in text and beside the native ones in protobuf. The
//!   Collector's text has their sum and count only. Scales below -4, which Prometheus has no native form for, are classic.
//! * Exemplars are in protobuf too, on counters and classic buckets.
//!
//! Nobody is told that a point was left out, since sending it again would not help and other exporters of the pipeline may
//! have taken it: it is a dropped item of the ledger under its reason, and a clash of types is a line in the log.
