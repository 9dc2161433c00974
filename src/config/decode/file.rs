//! The `file` exporter.

use std::time::Duration;

use super::Section;
use crate::export::{File, FileFormat, GroupBy, Rotation};

const FORMATS: &[(&str, FileFormat)] = &[("json", FileFormat::Json), ("proto", FileFormat::Proto)];
/// What directories are created with.
const PERMISSIONS: u32 = 0o755;
const MEGABYTE: u64 = 1 << 20;
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn file(section: &mut Section<'_>) -> File {
    let path = section.get("path", String::new());
    if path.is_empty() {
        section.error("path", "path must be non-empty", Some("write path: FILE".into()));
    }
    let append = section.get("append", false);
    let rotation = section.when_written("rotation", rotation);
    if append && rotation.is_some() {
        let help = "rotation goes on with the file that is there; remove append".to_owned();
        let message = "append and rotation enabled at the same time is not supported";
        section.error("append", message, Some(help));
    }
    let format = format(section);
    section.refused("encoding", "no encoding extensions exist here", "write format: json or proto");
    let group_by = section.section("group_by", group_by);
    if group_by.is_some() {
        grouped_path(section, &path);
    }
    let create = section.get("create_directory", false);
    let permissions = permissions(section, create);
    section.ignored::<Duration>("flush_interval"); // every answer waits until the system has the bytes
    File {
        path,
        format,
        append,
        rotation,
        zstd: compression(section),
        group_by,
        create_directory: create,
        directory_permissions: permissions,
    }
}

fn format(section: &mut Section<'_>) -> FileFormat {
    let word = section.get("format", "json".to_owned());
    let found = FORMATS.iter().find(|(known, _)| *known == word).map(|(_, format)| *format);
    found.unwrap_or_else(|| {
        section.error("format", "format type is not supported", Some("valid values: json, proto".into()));
        FileFormat::Json
    })
}

fn compression(section: &mut Section<'_>) -> bool {
    let word = section.get("compression", String::new());
    if !word.is_empty() && word != "zstd" {
        section.error("compression", "compression is not supported", Some("valid values: zstd".into()));
    }
    section.when_written("compression_params", |params| {
        params.without_effect::<i64>("level", "one level, the fastest, is used");
    });
    word == "zstd"
}

fn rotation(section: &mut Section<'_>) -> Rotation {
    let mut number = |key: &'static str, default: i64| {
        let value = section.get(key, default);
        if value < 0 {
            section.error(key, format!("'{key}' must not be negative"), None);
        }
        u64::try_from(value).unwrap_or(0)
    };
    let megabytes = match number("max_megabytes", 100) {
        0 => 100,
        megabytes => megabytes,
    };
    let days = number("max_days", 0);
    let backups = number("max_backups", 100);
    section.ignored::<bool>("localtime");
    if section.entry("localtime").and_then(|entry| section.value(&entry.value, "localtime")) == Some(true) {
        let message = "'localtime' has no effect here: the times in names of files are UTC";
        section.warn(&section.mark_of("localtime"), "localtime", message, Some("remove it".into()));
    }
    Rotation {
        max_bytes: megabytes.saturating_mul(MEGABYTE),
        max_age: u32::try_from(days).ok().filter(|days| *days > 0).map(|days| DAY * days),
        max_backups: usize::try_from(backups).unwrap_or(usize::MAX),
    }
}

fn group_by(section: &mut Section<'_>) -> Option<GroupBy> {
    let enabled = section.get("enabled", false);
    let attribute = section.get("resource_attribute", "fileexporter.path_segment".to_owned());
    let max_open_files = section.get("max_open_files", 100i64);
    if !enabled {
        return None;
    }
    if attribute.is_empty() {
        let message = "resource_attribute must not be empty when group_by is enabled";
        section.error("resource_attribute", message, None);
    }
    if max_open_files <= 0 {
        section.error("max_open_files", "'max_open_files' must be positive", None);
    }
    Some(GroupBy { attribute, max_open_files: usize::try_from(max_open_files).unwrap_or(1).max(1) })
}

fn grouped_path(section: &Section<'_>, path: &str) {
    let help = "such as /var/log/otel/*.json".to_owned();
    if path.matches('*').count() != 1 {
        section.error("path", "path must contain exactly one * when group_by is enabled", Some(help));
    } else if path.starts_with('*') {
        section.error("path", "path must not start with * when group_by is enabled", Some(help));
    }
}

/// `directory_permissions`, an octal number in quotes.
fn permissions(section: &mut Section<'_>, create: bool) -> u32 {
    let word = section.get("directory_permissions", String::new());
    if word.is_empty() {
        return PERMISSIONS;
    }
    let wrong = match u32::from_str_radix(&word, 8) {
        _ if !create => "directory_permissions requires create_directory to be true",
        Err(_) => "directory_permissions value must be a valid octal representation",
        Ok(bits) if bits & 0o777 != bits => "directory_permissions contain invalid bits for file access",
        Ok(bits) => return bits,
    };
    section.error("directory_permissions", wrong, Some("such as \"0755\"".into()));
    PERMISSIONS
}
