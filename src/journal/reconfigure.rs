//! Another configuration for a journal that is in use.

use super::segment::Layout;
use super::{Compression, Config, Journal, Sync, open};

impl Journal {
    /// What is appended from now on is kept as `config` says; where it is kept stays as it was opened. A size that is
    /// smaller takes nothing back.
    pub fn reconfigure(&mut self, config: &Config, share: u32) {
        self.limit_bytes = open::limit(config, self.folder.is_some(), share);
        self.segment_bytes = open::segment_bytes(config, self.limit_bytes);
        self.spare.clear(); // of the old size
        let layout = Layout::of(config.compression, self.folder.is_some());
        if layout != self.layout {
            self.close_block();
            self.layout = layout;
            self.seal = true; // a segment has one layout
        }
        let forced = config.sync != Sync::Never;
        if let Some(folder) = &mut self.folder {
            // Nobody knows what the disk was not forced to hold while that was not asked for.
            self.sync.due |= forced;
            folder.set_forced(forced);
        }
        self.sync.when = config.sync;
    }
}

impl Layout {
    /// How segments are written.
    pub(super) fn of(compression: Compression, on_disk: bool) -> Self {
        match (compression, on_disk) {
            (Compression::Lz4, _) => Self::Blocks,
            (Compression::None, true) => Self::Frames,
            (Compression::None, false) => Self::Raw,
        }
    }
}
