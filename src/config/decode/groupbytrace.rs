//! `groupbytrace`: accepted, without effect.

use std::time::Duration;

use super::{Cut, Section};

pub(super) fn keys(section: &mut Section<'_>) {
    section.ignored::<Duration>("wait_duration");
    section.ignored::<Cut>("num_traces");
    section.ignored::<Cut>("num_workers");
    section.ignored::<bool>("discard_orphans");
    section.ignored::<bool>("store_on_disk");
    let message =
        "groupbytrace has no effect here: tail_sampling brings the spans of a trace together itself";
    section.warn(&section.mark, "", message, Some("remove it".into()));
}
