//! `transform`.

use super::script::{Compiler, error_mode, groups};
use crate::config::decode::{KeyKind, Section};
use crate::edit::{ErrorMode, Group, PerSignal};
use crate::ottl::Dialect;
use crate::outcome::Signal;

pub(super) fn transform(section: &mut Section<'_>) -> PerSignal<Vec<Group>> {
    let mode = error_mode(section, ErrorMode::Ignore);
    let dialect = Dialect { semconv: section.get("semconv", false) };
    section.find("profile_statements", KeyKind::Ignored);
    section.without_effect::<bool>("flatten_data", "records are not taken apart");
    let mut read = |key, signal| {
        let groups = groups(section, key, "statements", mode);
        let compiler = Compiler { section, key, signal, dialect };
        let compile = |group: super::script::Group| {
            let context = compiler.context(&group, false)?;
            Some(Group {
                context,
                conditions: compiler.conditions(&group.conditions, context),
                statements: compiler.statements(&group.texts, context),
                error_mode: group.error_mode,
            })
        };
        groups.into_iter().filter(|group| !group.texts.is_empty()).filter_map(compile).collect()
    };
    PerSignal {
        traces: read("trace_statements", Signal::Traces),
        metrics: read("metric_statements", Signal::Metrics),
        logs: read("log_statements", Signal::Logs),
    }
}
