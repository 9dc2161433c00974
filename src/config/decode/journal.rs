//! `journal`: where what waits is kept, in files or in memory.

use std::time::Duration;

use super::scalars::Bad;
use super::{Scalar, Section, Size};
use crate::config::duration;
use crate::config::print::Printed;
use crate::config::tree::{Node, Typed};
use crate::journal::{Compression, Config, Sync};

const COMPRESSIONS: &[(&str, Compression)] = &[("none", Compression::None), ("lz4", Compression::Lz4)];
/// Segments smaller than this are all headers.
const SEGMENT_BYTES_MIN: usize = 64 << 10;
/// Segments a shard needs: one that is written, one that is emptied, and room between.
const SEGMENTS_MIN: u64 = 4;
pub(super) const SEGMENT_BYTES_OF_FILES: usize = 64 << 20;

/// Reads `journal` of something that has so many shards, which divide its limit among them.
pub(super) fn journal(section: &mut Section<'_>, shards: u32) -> Config {
    section.shared_as("journal");
    let default = Config::default();
    let directory = section.get("directory", String::new());
    let on_disk = !directory.is_empty();
    let max_size = section.get("max_size", Size(default.max_size as usize)).0 as u64;
    let max_memory = section.opt("max_memory").map(|Size(bytes)| bytes as u64);
    let limit = if on_disk { Some(max_size) } else { max_memory };
    let usual = if on_disk { SEGMENT_BYTES_OF_FILES } else { default.segment_size as usize };
    let segment_size = segment_size(section, usual, limit, shards);
    let sync = section.get("sync", default.sync);
    for key in ["max_size", "sync"] {
        if !on_disk && section.entry(key).is_some_and(|entry| !entry.value.is_null()) {
            let message = format!("'{key}' has no effect without a directory");
            let help = "write directory: PATH, or limit the memory with max_memory";
            section.warn(&section.mark_of(key), key, message, Some(help.into()));
        }
    }
    let compression = section
        .choice("compression", "none", COMPRESSIONS, "unknown compression")
        .unwrap_or(default.compression);
    Config {
        directory: on_disk.then(|| directory.into()),
        max_size,
        max_memory,
        segment_size: segment_size as u64,
        sync,
        compression,
    }
}

/// As written, or the usual size, halved until enough of them fit the limit.
fn segment_size(section: &mut Section<'_>, usual: usize, limit: Option<u64>, shards: u32) -> usize {
    let share = limit.map(|limit| limit / u64::from(shards.max(1)) / SEGMENTS_MIN);
    let fits = |size: usize| share.is_none_or(|share| size as u64 <= share);
    let mut bent = usual;
    while !fits(bent) && bent > SEGMENT_BYTES_MIN {
        bent /= 2;
    }
    let size = section.get("segment_size", Size(bent)).0;
    if size < SEGMENT_BYTES_MIN {
        section.error("segment_size", "'segment_size' must be at least 64KiB", None);
    } else if !fits(size) {
        let least = (size as u64).saturating_mul(SEGMENTS_MIN).saturating_mul(u64::from(shards.max(1)));
        let shards = if shards > 1 { format!(" in each of {shards} shards") } else { String::new() };
        let size = duration::print_size(size as u64);
        let message =
            format!("the limit of the journal has no room for {SEGMENTS_MIN} segments of {size}{shards}");
        let key = ["segment_size", "max_size", "max_memory"].into_iter().find(|key| section.has(key));
        let help = format!("lower segment_size, or allow {} at least", duration::print_size(least));
        section.error(key.unwrap_or(""), message, Some(help));
    }
    size
}

impl Scalar for Sync {
    fn zero() -> Result<Self, Bad> {
        Ok(Self::Never)
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        match node.typed() {
            Typed::Text("never") => Ok(Self::Never),
            Typed::Text("always") => Ok(Self::Always),
            Typed::Text(text) if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                Err(Bad::Form("must be never, always or a duration such as 1s".into()))
            }
            Typed::Text(_) => match Duration::read(node)? {
                Duration::ZERO => Err(Bad::Form("must be longer than zero; write always".into())),
                interval => Ok(Self::Interval(interval)),
            },
            _ => Err(Bad::Type("string (never, always or a duration such as 1s)")),
        }
    }

    fn print(&self) -> Printed {
        match self {
            Self::Never => Printed::Text("never".into()),
            Self::Always => Printed::Text("always".into()),
            Self::Interval(interval) => interval.print(),
        }
    }
}
