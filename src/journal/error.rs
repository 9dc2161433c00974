//! What a journal refuses, and whose turn it is then.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be opened. Nothing was changed in the folder.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else writes there.
    #[error(
        "journal {}: in use by another process, or by another component of this one; stop it, or give each its own \
         directory",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Another version wrote there.
    #[error(
        "journal {}: written in format {found}, and this version knows {known}; start the version that wrote it to \
         empty it, or move it away, or name another directory",
        path.display()
    )]
    Version {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format of this version.
        known: u32,
    },
    /// The folder is used for something else.
    #[error("journal {}: not a file of a journal; name a directory that nothing else uses", path.display())]
    Foreign {
        /// The file that is not ours.
        path: PathBuf,
    },
    /// A folder that leads elsewhere.
    #[error("journal: `{}` is not a folder below the directory; use plain names", path.display())]
    Folder {
        /// What was asked for.
        path: PathBuf,
    },
    /// The system refused.
    #[error("journal {}: cannot {what}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// Why a record was not appended. What was appended before stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The limit is reached: release something, or refuse.
    #[error("the journal is full: {used_bytes} of {limit_bytes} bytes are held")]
    Limit {
        /// Bytes held.
        used_bytes: u64,
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// A record that cannot fit, however empty the journal is.
    #[error("a record of {bytes} bytes is larger than a journal takes: {max_bytes}")]
    Record {
        /// Bytes of the record.
        bytes: u64,
        /// Bytes allowed.
        max_bytes: u64,
    },
    /// Writing failed since the last commit; the next commit says why and takes everything since the last one back.
    #[error("the journal cannot be written; the commit says why")]
    Failed,
}

/// Why nothing since the last commit was kept: all of it is taken back as if it had never been appended, and its
/// positions mean nothing any more.
#[derive(Debug, thiserror::Error)]
#[error("journal {}: cannot write: {source}", path.display())]
pub struct CommitError {
    /// The disk, or the quota, is full: it may work again when something was released.
    pub disk_full: bool,
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl CommitError {
    pub(super) fn new(path: PathBuf, source: io::Error) -> Self {
        let disk_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        Self { disk_full, path, source }
    }
}

/// Why a piece of a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its segment was released.
    #[error("segment {segment} of the journal was released")]
    Released {
        /// The number of the segment.
        segment: u32,
    },
    /// There is no record there.
    #[error("no record of the journal reaches from byte {offset} of segment {segment} over {length} bytes")]
    OutOfRange {
        /// The number of the segment.
        segment: u32,
        /// Where in it.
        offset: u32,
        /// How many bytes were asked for.
        length: usize,
    },
    /// The record does not match its checksum.
    #[error("the record at byte {offset} of segment {segment} of the journal is corrupt")]
    Corrupt {
        /// The number of the segment.
        segment: u32,
        /// Where in it.
        offset: u32,
    },
    /// The system refused.
    #[error("cannot read segment {segment} of the journal: {source}")]
    Io {
        /// The number of the segment.
        segment: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
