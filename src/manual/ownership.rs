//! Which member owns a trace, and why a table of slots?
//!
//! Ownership is weighted rendezvous hashing over the members' *stable ids*: every member gets a score for a key, the
//! best score owns it. It needs no order, no history and no agreement but the list itself, and a change of members
//! moves exactly the keys that must move. The score uses integers only (a fixed-point logarithm from a table), because
//! two proxies whose `libm` differ in the last bit would split traces.
//!
//! Scoring all members costs time linear in their number, 0.9 µs at 300, which would make a span dearer in larger
//! fleets. So the key space has 2^20 *slots*: a trace belongs to the slot of the upper bits of its keyed hash, and
//! rendezvous hashing decides per slot. A slot's owner is computed when it is first asked for and kept in a table that
//! belongs to one membership, so there is no build step, and a lookup costs a few nanoseconds at any size. The slots
//! are part of the algorithm, hence of the fingerprint: proxies with equal fingerprints choose equal owners.
//!
//! The price is granularity: with 1,000 members each owns about 1,050 slots, and shares scatter by 3 %.
//!
//! The key is the *low* 64 bits of the trace id, or the high ones where the low are zero, hashed with the fleet's
//! seed: 64-bit and 128-bit views of one trace meet, and nobody without the seed can aim traces at one member.
//!
//! `ring: collector` is the other function: the hash ring of the OpenTelemetry Collector's load balancer, in the
//! generation of its versions 0.157 to 0.160 or of mid 2025 and before, for fleets that mix both during a migration.
