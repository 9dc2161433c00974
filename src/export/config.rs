//! What the exporters that end a line here can be told.

/// The `debug` exporter (alias `logging`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debug {
    /// How much of each request is shown.
    pub verbosity: Verbosity,
    /// Messages shown in each second before sampling starts, 2.
    pub sampling_initial: u64,
    /// Then one in this many, 1.
    pub sampling_thereafter: u64,
}

/// `verbosity`. `trace` is ours: a readable line a trace on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// A line a request: counts.
    Basic,
    /// A line an item.
    Normal,
    /// Every field.
    Detailed,
    /// A line a trace, for people; what the embedded default uses.
    Trace,
}

impl Default for Debug {
    fn default() -> Self {
        Self { verbosity: Verbosity::Basic, sampling_initial: 2, sampling_thereafter: 1 }
    }
}
