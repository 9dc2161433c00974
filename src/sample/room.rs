//! How much a shard holds and remembers at most.

use super::Config;

/// How much there is room for in one shard.
pub(super) struct Room {
    pub traces: usize,
    pub sampled: u64,
    pub not_sampled: u64,
    pub explanations: u64,
}

impl Room {
    pub(super) fn new(config: &Config) -> Self {
        let shards = u64::from(config.num_shards.max(1));
        let share = |total: u64| if total == 0 { 0 } else { (total / shards).max(1) };
        let cache = |written: Option<u64>, ours: u64| match (written, config.compat) {
            (Some(size), _) => share(size),
            (None, true) => 0,
            (None, false) => share(ours),
        };
        Self {
            traces: usize::try_from((config.num_traces / shards).max(1)).unwrap_or(usize::MAX),
            sampled: cache(config.decision_cache.sampled, SAMPLED),
            not_sampled: cache(config.decision_cache.not_sampled, NOT_SAMPLED),
            explanations: share(config.explain_traces),
        }
    }
}

/// Verdicts remembered of each kind, where the file does not say: about 45 bytes each, used as they come.
const SAMPLED: u64 = 1_000_000;
const NOT_SAMPLED: u64 = 1_000_000;
