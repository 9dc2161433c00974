//! Opening a journal: the folder is taken, what survived is read back.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use super::folder::{self, Folder, Opening};
use super::read::Window;
use super::recover::{Replay, Survivor};
use super::segment::Layout;
use super::{Config, Journal, Mark, OpenError, Record, Recovery, Sync, Syncing};
use crate::observe::available_memory;

/// Smallest segment: a limit that is small is divided into some, so that something can be recycled.
const SEGMENT_BYTES_MIN: u64 = 16 << 10;
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// How many segments a limit is divided into, at least.
const SEGMENTS_MIN: u64 = 8;
/// What counts as the memory of a machine that does not say.
const MEMORY_UNKNOWN: u64 = 2 << 30;

impl Journal {
    /// Takes `folder`, a path of plain names below the directory of the configuration, and gives every record that
    /// survived to `replay`, in order. In memory there is no folder and nothing to replay. The limits are divided by
    /// `share`: so many journals have one configuration.
    ///
    /// A torn end is cut off. Nothing of what is there is changed by an opening that fails.
    pub fn open(
        config: &Config,
        folder: &Path,
        share: u32,
        replay: &mut dyn FnMut(Record<'_>),
    ) -> Result<(Self, Recovery), OpenError> {
        let root = config.directory.as_deref();
        let folder = root.map(|root| Folder::take(config, root, folder)).transpose()?;
        let limit = limit(config, folder.is_some(), share);
        let mut journal = Self {
            segments: VecDeque::new(),
            spare: Vec::new(),
            layout: Layout::of(config.compression, folder.is_some()),
            folder,
            pending: Vec::new(),
            block: Vec::new(),
            window: Window::default(),
            mark: Mark::default(),
            failure: None,
            seal: false,
            disk_full: false,
            next_number: 1,
            closed_bytes: 0,
            limit_bytes: limit,
            segment_bytes: segment_bytes(config, limit),
            sync: Syncing { when: config.sync, from: 1, due: false, last: None },
        };
        let recovery = journal.recover(replay)?;
        Ok((journal, recovery))
    }

    fn recover(&mut self, replay: &mut dyn FnMut(Record<'_>)) -> Result<Recovery, OpenError> {
        let found = match &self.folder {
            Some(folder) => survey(folder)?,
            None => Vec::new(),
        };
        let count = found.len();
        let mut replay = Replay::new(replay);
        for (index, file) in found.into_iter().enumerate() {
            let last = index + 1 == count;
            let mut segment = replay.read(file, last)?;
            if last {
                self.seal = segment.layout != self.layout || segment.start == 0;
            } else {
                segment.close_file();
                self.closed_bytes += u64::from(segment.length);
            }
            self.segments.push_back(segment);
        }
        match self.segments.back().map(|last| last.number) {
            None => {
                let path = self.folder.as_ref().map(|folder| folder.path.clone()).unwrap_or_default();
                self.add_segment(0).map_err(OpenError::io("create a segment in", &path))?;
            }
            Some(last) => {
                self.next_number = last.saturating_add(1);
                // Whether the process before us forced the disk is not known.
                self.sync.from = self.segments[0].number;
                self.sync.due = self.sync.when != Sync::Never;
            }
        }
        self.set_mark();
        Ok(Recovery { segments: count as u64, ..replay.recovery })
    }
}

/// Bytes of one of `share` journals.
pub(super) fn limit(config: &Config, on_disk: bool, share: u32) -> u64 {
    let half = || available_memory().unwrap_or(MEMORY_UNKNOWN) / 2;
    let all = if on_disk { config.max_size } else { config.max_memory.unwrap_or_else(half) };
    all / u64::from(share.max(1))
}

/// Bytes of a segment, so many of which fit the limit that something can be recycled.
pub(super) fn segment_bytes(config: &Config, limit: u64) -> u32 {
    config.segment_size.min(limit / SEGMENTS_MIN).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX) as u32
}

/// All segments of a folder, in order; refused as a whole when one is of another version.
fn survey(folder: &Folder) -> Result<Vec<Survivor>, OpenError> {
    let numbers = folder.numbers().map_err(OpenError::io("list the directory", &folder.path))?;
    let mut found = Vec::new();
    for number in numbers {
        let path = folder.segment_path(number);
        let opening = File::open(&path).and_then(|file| folder::opening(&file, number));
        let header = match opening.map_err(OpenError::io("read", &path))? {
            Opening::Version(version) => return Err(folder::other_version(path, version)),
            Opening::Ours { salt, layout } => Some((salt, layout)),
            Opening::Unreadable => None,
        };
        found.push(Survivor { number, path, header });
    }
    Ok(found)
}
