//! What the `file` exporter can be told.

use std::time::Duration;

/// The `file` exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it writes; with `group_by`, `*` stands for the attribute's value.
    pub path: String,
    /// How requests are written.
    pub format: FileFormat,
    /// A file that is there is continued, not emptied.
    pub append: bool,
    /// When a file is put aside.
    pub rotation: Option<Rotation>,
    /// Each record is compressed by itself (`compression: zstd`).
    pub zstd: bool,
    /// A file for each value of a resource attribute.
    pub group_by: Option<GroupBy>,
    /// The directory is created where it is missing.
    pub create_directory: bool,
    /// With these permissions, 0755.
    pub directory_permissions: u32,
}

/// `format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// OTLP JSON, a line a request.
    Json,
    /// OTLP protobuf.
    Proto,
}

/// `rotation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// `max_megabytes`, 100: a file that would get larger is put aside first.
    pub max_bytes: u64,
    /// `max_days`: files put aside longer ago are removed; `None` = never.
    pub max_age: Option<Duration>,
    /// `max_backups`, 100: the latest that are kept; 0 = all.
    pub max_backups: usize,
}

/// `group_by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// `resource_attribute`, `fileexporter.path_segment`.
    pub attribute: String,
    /// `max_open_files`, 100.
    pub max_open_files: usize,
}
