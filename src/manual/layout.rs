//! Which modules are not in the design's table, and why are they here?
//!
//! * `outcome` holds the words that every stage shares: signals, reasons, faults, refusals. Without it each pair of
//!   neighbours would translate.
//! * `workers` and `stream` are the ground that receivers and exporters both stand on: threads, and corked byte streams.
//! * `compress` and `tls` are used on both sides of the line and belong to neither.
//! * `flow` holds what travels and the fan-out; the graph itself is built in `app::build`, since only `app` may know
//!   every kind of component.
