//! When does a slice leave, and why do calls out stay fewer than calls in?
//!
//! A gRPC call costs as much CPU as hundreds of spans, so the number of calls decides the cost of the line. Splitting
//! each request among four owners naively turns one call into four. Here one lane per backend and worker gathers:
//!
//! * A lane sends at the end of its worker's *turn*: once every request that had arrived was read. What arrived
//!   together leaves together. With nothing else to read, a turn ends after one look at the sockets.
//! * While a call is in flight, what arrives gathers and leaves as one call when that ends.
//! * A further call starts beside it when a full one has gathered (`gather.max_items`, `gather.max_bytes`), or when
//!   the oldest slice has waited for `gather.max_age`; at most `gather.max_calls` at once. So a distant backend is not
//!   limited to one call per round trip.
//! * A turn of 64 calls or more waits about as long as those calls will cost (at most 5 ms) for more to ride along.
//!
//! Equal resource and scope descriptions of different requests are written once per call.
//!
//! Below the lanes, HTTP/2 is spoken with the `h2` crate directly: a unary call needs neither stubs nor codecs. Since
//! that crate flushes after each DATA frame, connections are *corked* ([`crate::stream`]): what one turn of a
//! connection's task writes leaves in one system call.
//!
//! A merged call can be spoiled by the data of one sender. When a backend refuses a call in a way that may be about
//! its data, the parts are tried apart, by halves, until only the guilty sender is refused.
