//! What statements take from outside: the time, randomness, and where the request comes from.

use crate::origin::Origin;

/// What an evaluation takes from outside.
#[derive(Clone, Copy)]
pub struct Env<'e> {
    /// What `Now()` gives: nanoseconds since 1970.
    pub now_unix_nanos: u64,
    /// Who sent the request; `None` where that is not known (any more).
    pub origin: Option<&'e Origin>,
    /// Random bits for `UUID()`; called once for each.
    pub random: &'e (dyn Fn() -> u128 + Sync),
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now_unix_nanos", &self.now_unix_nanos).finish_non_exhaustive()
    }
}
