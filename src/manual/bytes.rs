//! What is looked at, and what is never decoded?
//!
//! A request is walked once to count its items and check its framing, and once to find each item's owner: resource
//! entries, scope entries, items, and of each item the trace id at its front. The walk costs a few nanoseconds a span;
//! decoding it would cost two microseconds. A slice is a list of byte ranges of the request; gathering copies those
//! ranges once into the call. Unknown fields, odd field orders, invalid UTF-8 and the scopes of senders from before
//! 2022 (field 1000) travel through.
//!
//! The insides of spans are not validated: a backend that refuses them is heard, and the sender is told (see
//! [`super::calls`]).
//!
//! A slice keeps its request's buffer alive. A slice that has to wait for a slow or dead backend is copied out first, so
//! that one such backend cannot hold everybody's memory.
//!
//! JSON is not on this path: it is turned into protobuf at the edge, by a table of OTLP's messages.
