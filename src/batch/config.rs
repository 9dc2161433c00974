//! What the `batch` processor can be told.

use std::time::Duration;

/// `batch`, with the Collector's keys and defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `send_batch_size`, 8192 items: a batch this large leaves at once. 0 = every request leaves at once.
    pub send_batch_size: u64,
    /// `send_batch_max_size`, 0 = no limit: larger batches are divided.
    pub send_batch_max_size: u64,
    /// `timeout`, 200 ms: an incomplete batch leaves after. 0 = at once.
    pub timeout: Duration,
    /// `metadata_keys`: one batch per distinct set of values of these request headers; lower case.
    pub metadata_keys: Vec<String>,
    /// `metadata_cardinality_limit`, 1000 sets; more are refused. 0 = no limit.
    pub metadata_cardinality_limit: u64,
    /// `send_batch_max_bytes` (ours), 3 MiB: a batch leaves before it would get larger; backends take 4 MiB.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            send_batch_size: 8192,
            send_batch_max_size: 0,
            timeout: Duration::from_millis(200),
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1000,
            max_bytes: 3 << 20,
        }
    }
}
