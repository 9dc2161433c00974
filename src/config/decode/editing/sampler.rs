//! `probabilistic_sampler`.

use crate::config::decode::Section;
use crate::edit::{Mode, Sampling};

pub(super) fn sampling(section: &mut Section<'_>) -> Sampling {
    let percentage = section.get("sampling_percentage", 0.0) as f32;
    let wrong = match percentage / 100.0 {
        ratio if ratio < 0.0 => Some(format!("sampling rate is negative: {percentage:.6}%")),
        ratio if ratio > 0.0 && f64::from(percentage) / 100.0 < LEAST => {
            Some(format!("sampling rate is too small: {percentage}%"))
        }
        _ => None,
    };
    if let Some(wrong) = wrong {
        section.error("sampling_percentage", wrong, None);
    }
    let words = [
        ("hash_seed", Mode::HashSeed),
        ("equalizing", Mode::Equalizing),
        ("proportional", Mode::Proportional),
    ];
    let mode = section.choice("mode", "hash_seed", &words, "unsupported sampler mode");
    let precision = section.get("sampling_precision", 4u32);
    match precision {
        0 => {
            section.error("sampling_precision", "invalid sampling precision: 0", Some("write 1 to 14".into()))
        }
        1..=14 => {}
        _ => {
            let message = format!("sampling precision is too great, should be <= 14: {precision}");
            section.error("sampling_precision", message, None);
        }
    }
    let source = section.get("attribute_source", "traceID".to_owned());
    if !matches!(source.as_str(), "" | "traceID" | "record") {
        let shown = if section.is_expanded("attribute_source") { "(not shown)" } else { &source };
        let message = format!("invalid attribute source: {shown}. Expected: traceID or record");
        section.error("attribute_source", message, None);
    }
    Sampling {
        percentage,
        mode: mode.unwrap_or(Mode::HashSeed),
        hash_seed: section.get("hash_seed", 0u32),
        fail_closed: section.get("fail_closed", true),
        precision,
        by_attribute: source != "traceID",
        from_attribute: section.get("from_attribute", String::new()),
        priority: section.get("sampling_priority", String::new()),
        names: super::names(section),
    }
}

/// The least share that a threshold of 56 bits can say.
const LEAST: f64 = 1.0 / (1u64 << 56) as f64;
