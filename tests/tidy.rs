//! The house rules, as a test: the layout, the import table, the lengths of pages, purity, front pages.
//!
//! A rule that fails names the file, the line and what to do instead.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules may be imported by which: the import law of the design. Imports go down only; a module may always
/// import itself. `app` may import everything; `main.rs` imports only `app`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("trace_id", &[]),
    ("outcome", &[]),
    ("wire", &["trace_id", "outcome"]),
    ("origin", &["wire"]),
    ("ottl", &["trace_id", "wire", "outcome", "origin", "pattern", "pii", "digest", "semconv"]),
    ("split", &["trace_id", "wire", "outcome"]),
    ("route", &["trace_id"]),
    ("retry", &[]),
    ("compress", &[]),
    ("tls", &[]),
    ("auth", &["wire", "origin"]),
    ("trace_state", &["wire"]),
    ("pattern", &[]),
    ("pii", &[]),
    ("digest", &[]),
    ("semconv", &[]),
    ("sample", &["trace_id", "wire", "outcome", "ottl", "split", "pattern", "trace_state", "semconv"]),
    (
        "edit",
        &["wire", "outcome", "origin", "ottl", "split", "pattern", "pii", "digest", "trace_state", "semconv"],
    ),
    ("batch", &["wire", "outcome", "split"]),
    ("lane", &[]),
    ("change", &[]),
    ("socket", &[]),
    ("workers", &[]),
    ("stream", &[]),
    ("client", &["outcome", "wire", "compress", "tls", "auth", "stream"]),
    ("observe", &["outcome", "socket", "wire", "pattern"]),
    ("journal", &["observe"]),
    ("discover", &["route", "observe"]),
    ("flow", &["outcome", "origin", "observe", "workers", "lane", "retry", "split", "batch", "wire", "edit"]),
    (
        "receive",
        &[
            "change", "socket", "outcome", "origin", "wire", "split", "compress", "tls", "auth", "lane",
            "workers", "stream", "observe", "flow",
        ],
    ),
    (
        "forward",
        &[
            "change", "trace_id", "outcome", "wire", "split", "route", "retry", "tls", "auth", "lane",
            "workers", "client", "observe", "discover", "flow", "semconv",
        ],
    ),
    (
        "shard",
        &[
            "trace_id",
            "trace_state",
            "outcome",
            "wire",
            "split",
            "lane",
            "workers",
            "observe",
            "flow",
            "journal",
            "sample",
        ],
    ),
    (
        "export",
        &[
            "change", "trace_id", "outcome", "wire", "split", "retry", "compress", "tls", "auth", "lane",
            "workers", "client", "observe", "flow", "journal", "batch", "pattern",
        ],
    ),
    (
        "config",
        &[
            "outcome", "route", "retry", "compress", "tls", "auth", "client", "observe", "discover",
            "receive", "forward", "export", "sample", "batch", "journal", "edit", "pattern", "pii", "ottl",
            "digest", "flow", "wire", "semconv",
        ],
    ),
    ("manual", &[]),
];

/// Modules that know no runtime, socket, file, clock or ambient randomness.
const PURE: &[&str] = &[
    "trace_id",
    "outcome",
    "origin",
    "wire",
    "ottl",
    "split",
    "route",
    "retry",
    "sample",
    "batch",
    "pattern",
    "pii",
    "digest",
    "semconv",
    "trace_state",
    "edit",
];

/// What a pure module may not say, and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "pure modules know no runtime"),
    ("hyper", "pure modules know no transport"),
    ("std::net", "pure modules know no sockets"),
    ("std::fs", "pure modules read no files; take bytes"),
    ("Instant::now", "time is an argument"),
    ("SystemTime::now", "time is an argument"),
    ("fastrand", "randomness is an argument"),
    ("std::thread", "pure modules start no threads"),
];

/// Longest file, test modules (`#[cfg(test)]` to the end of the file) set aside.
const FILE_LINES_MAX: usize = 400;
/// Longest function.
const FUNCTION_LINES_MAX: usize = 80;
/// What may stand at the top level, beside dot files.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "config",
    "tests",
    "benches",
    "docker-compose.yml",
    "README.md",
    "LICENSE",
    "Dockerfile",
    "fuzz",
    "target",
];

#[test]
fn top_level_is_what_the_design_lists() {
    let odd: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert!(odd.is_empty(), "not at the top level: {odd:?}; the design lists {TOP_LEVEL:?}");
}

#[test]
fn links_of_the_readme_lead_somewhere() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let broken: Vec<_> =
        links.filter(|link| !link.starts_with("http") && !root().join(link).exists()).collect();
    assert!(broken.is_empty(), "the README links to what is not there: {broken:?}");
}

#[test]
fn imports_go_down_only() {
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    for (user, uses) in MAY_IMPORT {
        for used in *uses {
            assert!(
                !reaches(&table, used, user),
                "the table itself has a cycle: {user} may import {used}, which may reach {user}"
            );
        }
    }
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if module == "app" || module == "lib" {
            continue;
        }
        let allowed = match (module.as_str(), table.get(module.as_str())) {
            ("main", _) => &["app"][..],
            (_, Some(allowed)) => allowed,
            (_, None) => {
                broken.push(format!("{}: module `{module}` is not in the import table", path.display()));
                continue;
            }
        };
        for (number, line) in production(&text) {
            for used in imported(line) {
                if used != module && !allowed.contains(&used.as_str()) {
                    broken.push(format!(
                        "{}:{number}: `{module}` may not import `{used}`: imports go down only",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn pure_modules_stay_pure() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if !PURE.contains(&module_of(&path).as_str()) {
            continue;
        }
        for (number, line) in production(&text) {
            for (word, instead) in IMPURE {
                if line.contains(word) {
                    broken.push(format!("{}:{number}: `{word}`: {instead}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn folders_open_with_their_front_page() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let depth = path.components().count();
        if path.file_name().unwrap() != "mod.rs" || depth != 3 || module_of(&path) == "manual" {
            continue; // only first-level folders: src/<folder>/mod.rs
        }
        for word in ["Owns:", "Takes:", "Gives:", "Bounds:", "Loses:"] {
            if !text.lines().take(20).any(|line| line.starts_with("//!") && line.contains(word)) {
                broken.push(format!("{}: the front page lacks `{word}`", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_and_functions_fit() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let lines = production(&text).count();
        if lines > FILE_LINES_MAX {
            broken.push(format!(
                "{}: {lines} lines; over {FILE_LINES_MAX} there is a second idea in it",
                path.display()
            ));
        }
        for (start, length) in functions(&text) {
            if length > FUNCTION_LINES_MAX {
                broken.push(format!(
                    "{}:{start}: a function of {length} lines does not fit a screen",
                    path.display()
                ));
            }
        }
        if !text.starts_with("//!") {
            broken
                .push(format!("{}: does not open with a line that says what it is (`//!`)", path.display()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `src`, with its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root()).unwrap().to_path_buf(), text)
        })
        .collect()
}

/// The first-level module a file belongs to: `src/wire/reader.rs` and `src/wire.rs` are `wire`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The lines before the test module, without comments, numbered from one.
fn production(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// First-level modules that a line names by `crate::x` or `use crate::{x, y}`.
fn imported(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in line.split("crate::").skip(1) {
        if let Some(list) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(part.to_owned());
        }
    }
    found
        .iter()
        .map(|path| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| name.chars().next().is_some_and(char::is_lowercase))
        .collect()
}

fn reaches(table: &BTreeMap<&str, &[&str]>, from: &str, to: &str) -> bool {
    from == to || table.get(from).is_some_and(|next| next.iter().any(|n| reaches(table, n, to)))
}

/// Where functions start and how many lines they have, by indentation: rustfmt closes them at the column they opened.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let opens =
            ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "pub async fn ", "const fn "];
        if !opens.iter().any(|open| trimmed.starts_with(open))
            || trimmed.ends_with(';')
            || trimmed.ends_with('}')
        {
            continue;
        }
        let indent = line.len() - trimmed.len();
        let close = format!("{}}}", " ".repeat(indent));
        if let Some(end) = lines[index + 1..].iter().position(|l| *l == close) {
            found.push((index + 1, end + 2));
        }
    }
    found
}

#[test]
fn imported_names_are_found() {
    assert_eq!(imported("use crate::{discover, retry, tls};"), ["discover", "retry", "tls"]);
    assert_eq!(imported("use crate::{route::{Ring, X}, tls::Y};"), ["route", "tls"]);
    assert_eq!(imported("let x = crate::wire::varint(1);"), ["wire"]);
    assert!(imported("use super::x;").is_empty());
}
