//! Where members come from.

use std::path::PathBuf;
use std::time::Duration;

/// `resolver`: exactly one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// `static.hostnames`, sorted; duplicates are one member.
    Static(Vec<String>),
    /// `dns`: A and AAAA records of one name.
    Dns(Dns),
    /// `file`: our members file.
    File(MembersFile),
}

impl Config {
    /// The `resolver` label of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Dns(_) => "dns",
            Self::File(_) => "file",
        }
    }
}

/// `resolver.dns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The name to resolve.
    pub hostname: String,
    /// Appended to every address. Zero when none is given: 4317 is dialled then, but the collectors' rings hash the
    /// bare address.
    pub port: u16,
    /// Time between look-ups, 5 s.
    pub interval: Duration,
    /// Longest look-up, 1 s.
    pub timeout: Duration,
}

/// `resolver.file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersFile {
    /// YAML or JSON: `epoch`, `seed`, `members: [{id, address, weight, labels}]`.
    pub path: PathBuf,
    /// The content is read and compared this often whatever the watch says, 5 s.
    pub poll_interval: Duration,
    /// Quiet time after a change before the file is read, 250 ms.
    pub debounce: Duration,
    /// Largest share of the members that one change may remove, in thousandths: 500 is half, 1000 switches the check off.
    pub max_shrink: u32,
}
