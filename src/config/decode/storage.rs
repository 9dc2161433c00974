//! `file_storage`, and `storage` of a `sending_queue`.

use std::path::Path;
use std::time::Duration;

use super::{KeyKind, Section};
use crate::config::settings::FileStorage;
use crate::journal;

const HERE: &str = "what is stored is in segments, which are recycled as they empty";

/// `file_storage`.
pub(super) fn file_storage(section: &mut Section<'_>) -> FileStorage {
    let directory = section.get("directory", "/var/lib/otelcol/file_storage".to_owned());
    let create = section.get("create_directory", false);
    let permissions = permissions(section, create);
    let max_size = section.get("max_size", 0i64);
    if max_size < 0 {
        section.error("max_size", "max size cannot be less than 0", None);
    }
    section.ignored::<Duration>("timeout"); // to wait for a lock on the file, which only this process takes
    section.ignored::<bool>("recreate"); // damage never stops a start here
    section.find("compaction", KeyKind::Ignored);
    if let Some(entry) = section.when_written("compaction", compaction).flatten() {
        let message = format!("'compaction' has no effect here: {HERE}");
        section.warn(&entry, "compaction", message, Some("remove it".into()));
    }
    if section.context().wanted.get() {
        exists(section, &directory, create);
    }
    FileStorage {
        directory: directory.into(),
        create: create.then_some(permissions),
        max_size: u64::try_from(max_size).ok().filter(|size| *size > 0),
        sync: section.get("fsync", false),
    }
}

/// Checks the keys; gives their place when they ask for something.
fn compaction(section: &mut Section<'_>) -> Option<crate::config::tree::Mark> {
    let asks = |section: &mut Section<'_>, key: &'static str| {
        section.ignored::<bool>(key);
        section.entry(key).is_some_and(|entry| section.value(&entry.value, key) == Some(true))
    };
    let wanted = [asks(section, "on_start"), asks(section, "on_rebound"), asks(section, "cleanup_on_start")];
    section.ignored::<String>("directory");
    section.ignored::<Duration>("check_interval");
    for key in ["max_transaction_size", "rebound_needed_threshold_mib", "rebound_trigger_threshold_mib"] {
        section.ignored::<i64>(key);
    }
    wanted.contains(&true).then(|| section.mark.clone())
}

fn permissions(section: &mut Section<'_>, create: bool) -> u32 {
    let word = section.get("directory_permissions", "0750".to_owned());
    let wrong = match u32::from_str_radix(&word, 8) {
        _ if !create => return 0o750,
        Err(_) => "directory_permissions value must be a valid octal representation",
        Ok(bits) if bits & 0o777 != bits => "directory_permissions contain invalid bits for file access",
        Ok(bits) => return bits,
    };
    section.error("directory_permissions", wrong, Some("such as \"0750\"".into()));
    0o750
}

/// As in the Collector, a directory that nobody will create has to be there.
fn exists(section: &Section<'_>, directory: &str, create: bool) {
    let shown = if section.is_expanded("directory") { "(not shown)" } else { directory };
    match std::fs::metadata(Path::new(directory)) {
        Ok(found) if !found.is_dir() => {
            section.error("directory", format!("{shown} is not a directory"), None);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !create => {
            let help = "write create_directory: true, or create it".to_owned();
            section.error("directory", format!("directory must exist: {shown}: {error}"), Some(help));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            section.error(
                "directory",
                format!("problem accessing configured directory: {shown}: {error}"),
                None,
            );
        }
        _ => {}
    }
}

/// `storage`: the journal of a queue, in the directory of the extension that it names.
pub(super) fn storage(section: &mut Section<'_>) -> Option<journal::Config> {
    let id = section.opt::<String>("storage").filter(|id| !id.is_empty())?;
    if !section.context().wanted.get() {
        return None;
    }
    let shown = if section.is_expanded("storage") { "(not shown)" } else { &id };
    let known = section.context().extensions.borrow();
    if !known.listed.contains(&id) {
        if section.context().skip_unavailable && known.is_unknown(&id) {
            let message = format!("the storage {shown:?} is left out: what waits is kept in memory");
            section.warn(&section.mark_of("storage"), "storage", message, None);
            return None;
        }
        let help = match known.defined.contains(&id) {
            true => "add it to service.extensions",
            false => "configure file_storage under extensions, and add it to service.extensions",
        };
        let message = format!("no storage client extension found: {shown:?}");
        section.error("storage", message, Some(help.into()));
        return None;
    }
    if known.is_unknown(&id) {
        return None; // reported where it is listed
    }
    let Some(found) = known.storages.get(&id) else {
        let help = "write storage: file_storage";
        section.error(
            "storage",
            format!("wrong extension type: {shown:?} stores nothing"),
            Some(help.into()),
        );
        return None;
    };
    let default = journal::Config::default();
    Some(journal::Config {
        directory: Some(found.directory.clone()),
        max_size: found.max_size.unwrap_or(default.max_size),
        segment_size: super::journal::SEGMENT_BYTES_OF_FILES as u64,
        sync: if found.sync { journal::Sync::Always } else { journal::Sync::Never },
        ..default
    })
}
