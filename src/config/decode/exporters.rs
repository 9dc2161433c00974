//! `debug` (and its older form `logging`) and `nop`.

use super::{KeyKind, Section};
use crate::export::{Debug, Verbosity};

const VERBOSITIES: &[(&str, Verbosity)] = &[
    ("basic", Verbosity::Basic),
    ("normal", Verbosity::Normal),
    ("detailed", Verbosity::Detailed),
    ("trace", Verbosity::Trace),
];

pub(super) fn debug(section: &mut Section<'_>) -> Debug {
    let default = Debug::default();
    sinks(section);
    Debug {
        verbosity: verbosity(section, "basic", default.verbosity),
        sampling_initial: section.get("sampling_initial", default.sampling_initial),
        sampling_thereafter: section.get("sampling_thereafter", default.sampling_thereafter),
    }
}

/// `logging`, with its own defaults and `loglevel` for `verbosity`.
pub(super) fn logging(section: &mut Section<'_>) -> Debug {
    sinks(section);
    let both = section.has("loglevel") && section.has("verbosity");
    if both {
        let help = "keep verbosity";
        section.error("loglevel", "'loglevel' and 'verbosity' cannot be used together", Some(help.into()));
    }
    let help = "write verbosity: detailed for debug, normal for info, basic for the others";
    let level = section
        .deprecated("loglevel", help)
        .and_then(|entry| section.value::<String>(&entry.value, "loglevel"));
    let default = match level.map(|level| level.to_ascii_lowercase()).as_deref() {
        None | Some("info" | "") => ("normal", Verbosity::Normal),
        Some("debug") => ("detailed", Verbosity::Detailed),
        Some("warn" | "warning" | "error" | "dpanic" | "panic" | "fatal") => ("basic", Verbosity::Basic),
        Some(_) => {
            let help = "valid values: debug, info, warn, error".to_owned();
            section.error("loglevel", "unrecognized level", Some(help));
            ("normal", Verbosity::Normal)
        }
    };
    Debug {
        verbosity: verbosity(section, default.0, default.1),
        sampling_initial: section.get("sampling_initial", 2),
        sampling_thereafter: section.get("sampling_thereafter", 500),
    }
}

fn verbosity(section: &mut Section<'_>, default: &'static str, otherwise: Verbosity) -> Verbosity {
    section.level("verbosity", default, VERBOSITIES, "unknown verbosity").unwrap_or(otherwise)
}

/// Where the text goes: always to standard output.
fn sinks(section: &mut Section<'_>) {
    section.ignored::<bool>("use_internal_logger");
    section.without_effect::<Vec<String>>("output_paths", "what is shown goes to standard output");
    no_queue(section, "nothing waits to be shown");
}

/// `sending_queue` where nothing is sent.
pub(super) fn no_queue(section: &mut Section<'_>, why: &str) {
    if let Some(entry) = section.find("sending_queue", KeyKind::Ignored)
        && !entry.value.is_null()
        && !section.is_switched_off("sending_queue")
    {
        let message = format!("'sending_queue' has no effect here: {why}");
        section.warn(&entry.mark, "sending_queue", message, None);
    }
}
