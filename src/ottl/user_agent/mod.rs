//! What a `User-Agent` header says of the program and the operating system that sent it, by the list of the ua-parser
//! project that the Collector reads too (`regexes.yaml` beside this file).

use std::sync::LazyLock;

use regex::Captures;
use regex_filtered::{Builder, Regexes};

use crate::pattern;

const LIST: &str = include_str!("regexes.yaml");

/// How much of a header is looked at; real ones are shorter.
const LOOKED_AT_BYTES_MAX: usize = 8 << 10;

/// Some 35 MB when compiled, so it is only where a statement asks for it, and once.
static KNOWN: LazyLock<Result<Known, String>> = LazyLock::new(|| Known::of(LIST));

/// Program and system, each with its version as far as it is known.
#[derive(Debug, PartialEq)]
pub(super) struct UserAgent {
    pub(super) program: Product,
    pub(super) system: Product,
}

/// A name, `Other` if it is not known, and a version such as `17.1`.
#[derive(Debug, PartialEq)]
pub(super) struct Product {
    pub(super) name: String,
    pub(super) version: String,
}

/// Makes the list ready, which takes a moment.
pub(super) fn prepare() -> Result<(), String> {
    KNOWN.as_ref().map(|_| ()).map_err(Clone::clone)
}

/// Reads a header.
pub(super) fn read(header: &str) -> Result<UserAgent, String> {
    let known = KNOWN.as_ref().map_err(Clone::clone)?;
    let header = &header[..header.floor_char_boundary(LOOKED_AT_BYTES_MAX)];
    Ok(UserAgent { program: known.programs.product(header), system: known.systems.product(header) })
}

struct Known {
    programs: Products,
    systems: Products,
}

/// Patterns of which the first that matches decides.
struct Products {
    patterns: Regexes,
    templates: Vec<Templates>,
}

/// What name and parts of the version are made of: references to groups.
struct Templates {
    name: &'static str,
    version: Vec<&'static str>,
}

impl Known {
    fn of(list: &'static str) -> Result<Self, String> {
        let (programs, systems) = list.split_once("\nos_parsers:").ok_or("no os_parsers")?;
        Ok(Self {
            programs: Products::of(programs, "family_replacement", &["v1_", "v2_", "v3_"])?,
            systems: Products::of(systems, "os_replacement", &["os_v1_", "os_v2_", "os_v3_", "os_v4_"])?,
        })
    }
}

impl Products {
    /// Of entries in the one layout they are written in: `- regex: '…'`, then lines of `key: '…'`.
    fn of(list: &'static str, name: &str, parts: &[&str]) -> Result<Self, String> {
        const GROUPS: [&str; 5] = ["$1", "$2", "$3", "$4", "$5"];
        let mut builder = Builder::new();
        let mut templates: Vec<Templates> = Vec::new();
        for line in list.lines() {
            let Some((key, value)) = line.split_once(": '") else { continue };
            let (key, value) = (key.trim_start(), value.strip_suffix('\'').ok_or(line)?);
            if key == "- regex" {
                let pattern = pattern::translated(value)?;
                builder = builder.push(&pattern).map_err(|error| error.to_string())?;
                templates.push(Templates { name: GROUPS[0], version: GROUPS[1..=parts.len()].to_vec() });
                continue;
            }
            let of = templates.last_mut().ok_or(line)?;
            if key == name {
                of.name = value;
            } else if let Some(at) =
                parts.iter().position(|part| key.strip_suffix("replacement") == Some(part))
            {
                of.version[at] = value;
            }
        }
        Ok(Self { patterns: builder.build().map_err(|error| error.to_string())?, templates })
    }

    fn product(&self, header: &str) -> Product {
        let mut version = String::new();
        for (at, pattern) in self.patterns.matching(header) {
            let Some(groups) = pattern.captures(header) else { continue };
            let templates = &self.templates[at];
            version = templates.version(&groups);
            let mut name = String::new();
            groups.expand(templates.name, &mut name);
            if !name.is_empty() {
                return Product { name, version };
            }
        }
        Product { name: "Other".to_owned(), version }
    }
}

impl Templates {
    fn version(&self, groups: &Captures<'_>) -> String {
        let mut version = String::new();
        for (at, part) in self.version.iter().enumerate() {
            let mut text = String::new();
            groups.expand(part, &mut text);
            if at > 0 && !text.is_empty() {
                version.push('.');
            }
            version.push_str(&text);
        }
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_systems_are_told_from_headers() {
        let read = |header: &str| {
            let UserAgent { program, system } = read(header).unwrap();
            [program.name, program.version, system.name, system.version]
        };
        for (header, expected) in [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.1 Mobile/15E148 Safari/604.1",
                ["Mobile Safari", "17.1", "iOS", "17.1"],
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:15.0) Gecko/20100101 Firefox/15.0.1",
                ["Firefox", "15.0.1", "Ubuntu", ""],
            ),
            ("curl/7.81.0", ["curl", "7.81.0", "Other", ""]),
            ("", ["Other", "", "Other", ""]),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
        assert_eq!(read(&"é".repeat(LOOKED_AT_BYTES_MAX)), ["Other", "", "Other", ""]);
    }

    #[test]
    fn every_line_of_the_list_is_understood() {
        let keys = ["family_", "v1_", "v2_", "v3_", "os_", "os_v1_", "os_v2_", "os_v3_", "os_v4_"];
        for line in LIST.lines().filter(|line| line.starts_with(' ')) {
            let (key, value) = line.trim_start().split_once(": '").unwrap();
            let known = keys.iter().any(|known| key.strip_suffix("replacement") == Some(known));
            assert!(known || key == "- regex", "{line}");
            assert!(value.ends_with('\'') && value.matches('\'').count() == 1, "{line}");
        }
    }
}
