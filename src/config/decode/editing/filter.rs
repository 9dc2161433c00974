//! `filter`: conditions in OTTL in two spellings, and the older `include` and `exclude`.

use super::condition::{condition, log_condition, metric_condition};
use super::script::{Compiler, error_mode, groups};
use crate::config::decode::{KeyKind, Section};
use crate::edit::{Compiled, ErrorMode, Filter, PerSignal};
use crate::ottl::{self, Context, Dialect};
use crate::outcome::Signal;
use crate::semconv::Names;

pub(super) fn filter(section: &mut Section<'_>) -> PerSignal<Filter> {
    let mode = error_mode(section, ErrorMode::Ignore);
    let dialect = Dialect { semconv: section.get("semconv", false) };
    section.find("profile_conditions", KeyKind::Ignored);
    section.find("profiles", KeyKind::Ignored);
    let mut read = Reader { section, mode, dialect };
    let mut filters = PerSignal {
        traces: read.grouped("trace_conditions", Signal::Traces),
        metrics: read.grouped("metric_conditions", Signal::Metrics),
        logs: read.grouped("log_conditions", Signal::Logs),
    };
    read.older_traces(&mut filters.traces);
    read.older_metrics(&mut filters.metrics);
    read.older_logs(&mut filters.logs);
    filters
}

type Conditions = Vec<(Context, Compiled<ottl::Condition>, ErrorMode)>;

struct Reader<'s, 'a> {
    section: &'s mut Section<'a>,
    mode: ErrorMode,
    dialect: Dialect,
}

impl Reader<'_, '_> {
    fn grouped(&mut self, key: &'static str, signal: Signal) -> Filter {
        let mut conditions = Conditions::new();
        for group in groups(self.section, key, "conditions", self.mode) {
            let compiler = Compiler { section: self.section, key, signal, dialect: self.dialect };
            let Some(context) = compiler.context(&group, true).filter(|_| !group.texts.is_empty()) else {
                continue;
            };
            let compiled = compiler.conditions(&group.texts, context);
            conditions.extend(compiled.into_iter().map(|one| (context, one, group.error_mode)));
        }
        Filter { conditions, ..Filter::default() }
    }

    fn older_traces(&mut self, filter: &mut Filter) {
        const KEYS: [(&str, Context); 3] =
            [("resource", Context::Resource), ("span", Context::Span), ("spanevent", Context::SpanEvent)];
        let older = self.lists("traces", Signal::Traces, &KEYS, |_, _| {});
        let (mut include, mut exclude) = (None, None);
        let names = Names::of(self.dialect.semconv);
        self.section.section("spans", |section| {
            include = condition(section, "include", &[Signal::Traces], names);
            exclude = condition(section, "exclude", &[Signal::Traces], names);
        });
        let listed = "\"traces.resource\", \"traces.span\", \"traces.spanevent\"";
        let both = |what: &str| format!("cannot use {what} at the same time");
        if !older.is_empty() && (include.is_some() || exclude.is_some()) {
            let what = format!("{listed} and the span settings \"spans.include\", \"spans.exclude\"");
            self.section.error("spans", both(&what), None);
        }
        if !older.is_empty() && !filter.conditions.is_empty() {
            let what =
                format!("context inferred trace conditions \"trace_conditions\" and the settings {listed}");
            self.section.error("traces", both(&what), None);
        }
        filter.conditions.extend(older);
        (filter.include, filter.exclude) = (include, exclude);
    }

    fn older_metrics(&mut self, filter: &mut Filter) {
        const KEYS: [(&str, Context); 3] =
            [("resource", Context::Resource), ("metric", Context::Metric), ("datapoint", Context::DataPoint)];
        let (mut include, mut exclude) = (None, None);
        let names = Names::of(self.dialect.semconv);
        let older = self.lists("metrics", Signal::Metrics, &KEYS, |section, _| {
            include = metric_condition(section, "include", names);
            exclude = metric_condition(section, "exclude", names);
            section.find("regexp", KeyKind::Ignored);
        });
        let listed = "\"metrics.resource\", \"metrics.metric\", \"metrics.datapoint\"";
        self.together("metrics", "metric", listed, filter, &older, include.is_some() || exclude.is_some());
        filter.conditions.extend(older);
        (filter.include, filter.exclude) = (include, exclude);
    }

    fn older_logs(&mut self, filter: &mut Filter) {
        const KEYS: [(&str, Context); 2] = [("resource", Context::Resource), ("log_record", Context::Log)];
        let (mut include, mut exclude) = (None, None);
        let names = Names::of(self.dialect.semconv);
        let older = self.lists("logs", Signal::Logs, &KEYS, |section, _| {
            include = log_condition(section, "include", names);
            exclude = log_condition(section, "exclude", names);
        });
        let listed = "\"logs.resource\", \"logs.log\"";
        self.together("logs", "log", listed, filter, &older, include.is_some() || exclude.is_some());
        filter.conditions.extend(older);
        (filter.include, filter.exclude) = (include, exclude);
    }

    /// The spellings of one signal exclude each other.
    fn together(
        &self,
        key: &str,
        one: &str,
        listed: &str,
        filter: &Filter,
        older: &Conditions,
        oldest: bool,
    ) {
        let properties = format!("\"{key}.include\", \"{key}.exclude\"");
        let wrong = if !older.is_empty() && oldest {
            format!("{listed} and the settings {properties}")
        } else if !filter.conditions.is_empty() && (!older.is_empty() || oldest) {
            format!(
                "context inferred {one} conditions \"{one}_conditions\" and the settings {listed}, {properties}"
            )
        } else {
            return;
        };
        self.section.error(key, format!("cannot use {wrong} at the same time"), None);
    }

    /// Conditions by what they are asked of, and what else `rest` reads there.
    fn lists(
        &mut self,
        key: &'static str,
        signal: Signal,
        keys: &[(&'static str, Context)],
        mut rest: impl FnMut(&mut Section<'_>, Signal),
    ) -> Conditions {
        let (mode, dialect) = (self.mode, self.dialect);
        self.section.section(key, |section| {
            let mut conditions = Conditions::new();
            for (key, context) in keys {
                let texts: Vec<String> = section.get(key, Vec::new());
                let compiler = Compiler { section, key, signal, dialect };
                let compiled = compiler.conditions(&texts, *context);
                conditions.extend(compiled.into_iter().map(|one| (*context, one, mode)));
            }
            rest(section, signal);
            conditions
        })
    }
}
