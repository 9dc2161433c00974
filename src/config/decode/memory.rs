//! The `memory_limiter` processor.

use std::time::Duration;

use super::Section;
use crate::flow::{Amount, MemoryLimit};

pub(super) fn limiter(section: &mut Section<'_>) -> MemoryLimit {
    let check_interval = section.get("check_interval", Duration::ZERO);
    if check_interval.is_zero() {
        let help = "write check_interval: 1s";
        section.error("check_interval", "'check_interval' must be greater than zero", Some(help.into()));
    }
    let limit_mib = section.get("limit_mib", 0u32);
    let spike_mib = section.get("spike_limit_mib", 0u32);
    let limit_percentage = section.get("limit_percentage", 0u32);
    let spike_percentage = section.get("spike_limit_percentage", 0u32);
    let wrong = if limit_mib == 0 && limit_percentage == 0 {
        Some(("", "'limit_mib' or 'limit_percentage' must be greater than zero"))
    } else if limit_percentage > 100 || spike_percentage > 100 {
        Some((
            "limit_percentage",
            "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
        ))
    } else if limit_mib > 0 && limit_mib <= spike_mib {
        Some(("spike_limit_mib", "'spike_limit_mib' must be smaller than 'limit_mib'"))
    } else if limit_percentage > 0 && limit_percentage <= spike_percentage {
        Some(("spike_limit_percentage", "'spike_limit_percentage' must be smaller than 'limit_percentage'"))
    } else {
        None
    };
    if let Some((key, wrong)) = wrong {
        section.error(key, wrong, None);
    }
    for key in [
        "min_gc_interval_when_soft_limited",
        "min_gc_interval_when_hard_limited",
        "max_gc_interval_when_soft_limited",
        "max_gc_interval_when_hard_limited",
    ] {
        section.ignored::<Duration>(key);
    }
    let (limit, spike) = match limit_mib {
        0 => (Amount::Percent(limit_percentage), Amount::Percent(spike_percentage)),
        _ => (Amount::Mib(limit_mib), Amount::Mib(spike_mib)),
    };
    MemoryLimit { check_interval, limit, spike }
}
