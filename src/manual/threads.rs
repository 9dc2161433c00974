//! Why single-threaded workers, and why do few connections share one?
//!
//! Each worker is a thread with a runtime of its own; tasks never move between threads, and data passes between them
//! only when a membership changes. A small call costs about a third of what it costs on a work-stealing runtime.
//!
//! Each worker has its own lanes, hence its own connections to every backend: requests can only gather with others on
//! the same worker. So a new connection goes to the first worker while that has fewer than four, and connections
//! spread evenly from there on ([`crate::workers::CONNECTIONS_PER_WORKER`]). One sender's connection can use at most
//! one core in any case.
//!
//! The main thread accepts connections, follows members, serves `/metrics` and the admin API; it never touches spans.
