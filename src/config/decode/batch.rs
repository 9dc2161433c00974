//! The `batch` processor.

use super::resilience::no_duplicates;
use super::{Section, Size};
use crate::batch::Config;

pub(super) fn batch(section: &mut Section<'_>) -> Config {
    let default = Config::default();
    let size = section.get("send_batch_size", default.send_batch_size as u32);
    let max = section.get("send_batch_max_size", default.send_batch_max_size as u32);
    if max > 0 && max < size {
        let message = "send_batch_max_size must be greater or equal to send_batch_size";
        let help = format!("raise it to {size}, or lower send_batch_size (8192 when not written)");
        section.error("send_batch_max_size", message, Some(help));
    }
    let timeout = section.get("timeout", default.timeout);
    let mut metadata_keys = section.get("metadata_keys", default.metadata_keys);
    no_duplicates(section, &metadata_keys);
    metadata_keys.iter_mut().for_each(|key| key.make_ascii_lowercase());
    let limit = section.get("metadata_cardinality_limit", default.metadata_cardinality_limit as u32);
    Config {
        send_batch_size: size.into(),
        send_batch_max_size: max.into(),
        timeout,
        metadata_keys,
        metadata_cardinality_limit: limit.into(),
        max_bytes: section.get("send_batch_max_bytes", Size(default.max_bytes as usize)).0 as u64,
    }
}
