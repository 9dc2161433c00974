//! What statements take from outside: the time and randomness.

/// The time and randomness of an evaluation.
#[derive(Clone, Copy)]
pub struct Env<'e> {
    /// What `Now()` gives: nanoseconds since 1970.
    pub now_unix_nanos: u64,
    /// Headers of the request, names in lower case, where the receiver keeps them.
    pub metadata: &'e [(String, String)],
    /// Random bits for `UUID()`; called once for each.
    pub random: &'e (dyn Fn() -> u128 + Sync),
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now_unix_nanos", &self.now_unix_nanos).finish_non_exhaustive()
    }
}
