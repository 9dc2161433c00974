//! When is a sender answered, and what happens when one owner of many refuses?
//!
//! Without a `sending_queue` a sender gets success when every owner of its request has answered. With one, it gets
//! success once the queue has the request; then a crash or an exhausted retry loses it, under a counted reason.
//! Unlike the Collector's balancer, whose queue is on by default, ours is off until the file asks for it.
//!
//! A part that fails in a way that passes stays in its lane and is tried again at the same owner, with the Collector's
//! backoff; another owner would split the trace. An unreachable backend is also probed by connecting, so that its return
//! need not wait for the backoff. The wait is bounded by bytes (`hold.max_bytes_per_backend`, `hold.max_bytes`) and by
//! age (`hold.max_age`, or the sender's own `grpc-timeout` if that ends earlier); after that the sender gets
//! UNAVAILABLE with RetryInfo, or 503 with Retry-After.
//!
//! OTLP cannot say "these owners have it, send only the rest again": a refused sender sends the same bytes again. The
//! balancer therefore remembers, for ten minutes and 16,384 requests, which owners had taken their part of a
//! request that was refused (by a digest of its bytes), and leaves those parts out of the resend. Nothing is hashed
//! while nothing is remembered.
//!
//! When some owners took their parts and another refused *for good*, sending again would help nobody: the answer is
//! success with `partial_success`, naming the number of rejected items and the backend's message.
//!
//! Every receiver and every exporter keeps a ledger per signal: taken = delivered + held + refused + dropped, the last
//! two by reason. `ringtail_conservation_imbalance` is zero at all times.
