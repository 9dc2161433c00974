//! The folder of a journal: who may use it, what is in it, the first bytes of its files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::frame::{Salt, word};
use super::segment::{self, Layout, Medium, Segment};
use super::{Config, OpenError, Sync};

/// The version of everything written here.
const FORMAT: u32 = 1;
/// The file that is locked, and says the version.
const FORMAT_FILE: &str = "format";
const FORMAT_TEXT: &str = "ringtail journal, format ";
const SUFFIX: &str = ".seg";
/// Digits of a segment's number in its name.
const DIGITS: usize = 10;
/// Bytes before the first frame: the same header twice, since the salt in it is what all frames hang on.
pub(super) const START: u32 = 2 * COPY_BYTES as u32;
const COPY_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"rtjournl";

/// A folder that nobody else uses.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Opened once, to force names to the disk.
    directory: File,
    /// Locked as long as it lives.
    lock: File,
    forced: bool,
    /// Names were added that the disk was not forced to hold.
    dirty: bool,
}

impl Folder {
    /// Creates what is missing, and takes the folder.
    pub(super) fn take(config: &Config, root: &Path, folder: &Path) -> Result<Self, OpenError> {
        if !folder.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(OpenError::Folder { path: folder.to_owned() });
        }
        let path = root.join(folder);
        let created = DirBuilder::new().recursive(true).mode(0o750).create(&path);
        created.map_err(OpenError::io("create the directory", &path))?;
        let directory = File::open(&path).map_err(OpenError::io("open the directory", &path))?;
        let lock = lock(&path)?;
        let forced = config.sync != Sync::Never;
        if forced {
            for part in path.ancestors().take(folder.components().count() + 2) {
                if !part.as_os_str().is_empty() {
                    let synced = File::open(part).and_then(|directory| directory.sync_all());
                    synced.map_err(OpenError::io("sync the directory", part))?;
                }
            }
        }
        Ok(Self { path, directory, lock, forced, dirty: false })
    }

    /// Whether the disk is forced to hold names of files from now on, those there are included.
    pub(super) fn set_forced(&mut self, forced: bool) {
        self.dirty |= forced && !self.forced;
        self.forced = forced;
    }

    /// The numbers of the segments, in order. Other files are nobody's business.
    pub(super) fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let digits =
                digits.filter(|digits| digits.len() == DIGITS && digits.bytes().all(|c| c.is_ascii_digit()));
            numbers.extend(digits.and_then(|digits| digits.parse::<u32>().ok()).filter(|number| *number > 0));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn segment_path(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number:0DIGITS$}{SUFFIX}"))
    }

    /// A new file, with its header. Nothing is left behind when that fails.
    pub(super) fn create(&mut self, number: u32, layout: Layout) -> io::Result<Segment> {
        let path = self.segment_path(number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(&path)?;
        let salt = Salt(fastrand::u32(..));
        let header = encode(number, layout, salt);
        if let Err(error) = segment::write_at(&file, &header, 0) {
            let _ = fs::remove_file(&path); // an empty file more is not what has gone wrong
            return Err(error);
        }
        self.dirty |= self.forced;
        let medium = Medium::File { file: Some(file), path, written: START };
        Ok(Segment {
            number,
            salt,
            layout,
            medium,
            start: START,
            length: START,
            space: START,
            chunks: Vec::new(),
        })
    }

    /// Forces the names of new files to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.directory.sync_all()?;
            self.dirty = false;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing does it too, unless a process that is being started still shares the descriptor.
        let _ = self.lock.unlock();
    }
}

/// What the first bytes of a segment say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Ours { salt: Salt, layout: Layout },
    Version(u32),
    Unreadable,
}

/// Reads the header of a segment; either copy of it will do.
pub(super) fn opening(file: &File, number: u32) -> io::Result<Opening> {
    let mut bytes = Vec::with_capacity(START as usize);
    let mut copies = [0; START as usize];
    while bytes.len() < copies.len() {
        match file.read_at(&mut copies, bytes.len() as u64)? {
            0 => break,
            read => bytes.extend_from_slice(&copies[..read.min(START as usize - bytes.len())]),
        }
    }
    let mut opening = Opening::Unreadable;
    for copy in bytes.chunks_exact(COPY_BYTES) {
        match decode(copy, number) {
            Opening::Unreadable => {}
            found => opening = found,
        }
    }
    Ok(opening)
}

fn encode(number: u32, layout: Layout, salt: Salt) -> [u8; START as usize] {
    let mut copy = [0; COPY_BYTES];
    copy[..8].copy_from_slice(MAGIC);
    copy[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    copy[12..16].copy_from_slice(&number.to_le_bytes());
    copy[16..20].copy_from_slice(&salt.0.to_le_bytes());
    copy[20] = u8::from(layout == Layout::Blocks);
    let sum = crc32fast::hash(&copy[..28]);
    copy[28..].copy_from_slice(&sum.to_le_bytes());
    let mut both = [0; START as usize];
    both[..COPY_BYTES].copy_from_slice(&copy);
    both[COPY_BYTES..].copy_from_slice(&copy);
    both
}

fn decode(copy: &[u8], number: u32) -> Opening {
    if &copy[..8] != MAGIC || word(copy, 28) != crc32fast::hash(&copy[..28]) {
        return Opening::Unreadable;
    }
    match (word(copy, 8), word(copy, 12)) {
        (FORMAT, found) if found != number => Opening::Unreadable, // renamed: its positions would be wrong
        (FORMAT, _) => Opening::Ours {
            salt: Salt(word(copy, 16)),
            layout: if copy[20] & 1 == 0 { Layout::Frames } else { Layout::Blocks },
        },
        (version, _) => Opening::Version(version),
    }
}

/// The refusal of a version that is not ours.
pub(super) fn other_version(path: PathBuf, found: u32) -> OpenError {
    OpenError::Version { path, found, known: FORMAT }
}

/// Locks the folder, and holds its version against ours.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(FORMAT_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o640);
    let mut file = options.open(&path).map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(OpenError::io("lock", &path)(error)),
    }
    let mut found = Vec::new();
    Read::by_ref(&mut file).take(256).read_to_end(&mut found).map_err(OpenError::io("read", &path))?;
    if found.iter().all(|byte| *byte == 0) {
        // New, or named but not filled when the machine died.
        file.set_len(0)
            .and_then(|()| file.write_all_at(format!("{FORMAT_TEXT}{FORMAT}\n").as_bytes(), 0))
            .and_then(|()| file.flush())
            .map_err(OpenError::io("write", &path))?;
        return Ok(file);
    }
    let text = std::str::from_utf8(&found).ok().and_then(|text| text.strip_prefix(FORMAT_TEXT));
    match text.and_then(|version| version.trim_end().parse::<u32>().ok()) {
        Some(FORMAT) => Ok(file),
        Some(version) => Err(other_version(path, version)),
        None => Err(OpenError::Foreign { path }),
    }
}
