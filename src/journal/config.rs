//! What a journal can be told.

use std::path::PathBuf;
use std::time::Duration;

/// `journal` of `tail_sampling`, and of a `sending_queue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `directory`; `None` = anonymous memory, which dies with the process.
    pub directory: Option<PathBuf>,
    /// `max_size`, 10 GiB: bytes on disk, all shards together. Only with a directory.
    pub max_size: u64,
    /// `max_memory`, half of the machine's (or its cgroup's) memory when not written: bytes in memory, the index
    /// included, all shards together.
    pub max_memory: Option<u64>,
    /// `segment_size`, 64 MiB with a directory, 4 MiB in memory: bytes a segment.
    pub segment_size: u64,
    /// `sync`.
    pub sync: Sync,
    /// `compression`.
    pub compression: Compression,
}

/// `sync`: when the disk is forced. Whatever it says, what was acknowledged survives a kill of the process; it matters
/// when the machine dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// `never`: the operating system decides.
    Never,
    /// An interval such as `1s`.
    Interval(Duration),
    /// `always`: before each acknowledgement.
    Always,
}

/// `compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `none`.
    None,
    /// `lz4`, per block.
    Lz4,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: None,
            max_size: 10 << 30,
            max_memory: None,
            segment_size: 4 << 20,
            sync: Sync::Never,
            compression: Compression::None,
        }
    }
}
