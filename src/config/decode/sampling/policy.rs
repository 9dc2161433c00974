//! One policy: its name, its type, the block named after the type, and what may stand in what.

use std::collections::HashSet;

use super::combinators::{and, composite, drop, not};
use super::dynamic::{dynamic, ema_dynamic, ema_throughput, windowed_throughput};
use super::leaf;
use crate::config::decode::{KeyKind, Section};
use crate::config::diagnostic::nearest;
use crate::config::tree::Typed;
use crate::sample::{Policy, Rule, Strategy};

/// Where a policy stands; it says which types are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Top,
    /// In `and` or `drop`.
    All,
    Not,
    Composite,
}

/// What the readers of a policy's block must know.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub level: Level,
    /// The policy at the top, as errors show it.
    pub name: &'p str,
    /// False in a block that the type does not name: its values are read, and not looked at any further.
    pub active: bool,
    pub compat: bool,
}

impl Place<'_> {
    /// An error that the Collector finds at the start, when it builds the policy.
    pub(super) fn fail(&self, section: &Section<'_>, key: &str, reason: &str, help: Option<&str>) {
        if self.active {
            let message = format!("failed to create policy evaluator for {}: {reason}", self.name);
            section.error(key, message, help.map(str::to_owned));
        }
    }
}

/// Reads the block of a type.
type Read = for<'s, 'a, 'p> fn(&'s mut Section<'a>, &'p Place<'p>) -> Option<Rule>;

/// Types that may stand anywhere.
const LEAVES: &[(&str, Read)] = &[
    ("always_sample", |_, _| Some(Rule::AlwaysSample)),
    ("latency", leaf::latency),
    ("numeric_attribute", leaf::numeric),
    ("probabilistic", leaf::probabilistic),
    ("status_code", leaf::status_code),
    ("string_attribute", leaf::string),
    ("boolean_attribute", leaf::boolean),
    ("rate_limiting", leaf::rate_limiting),
    ("bytes_limiting", leaf::bytes_limiting),
    ("span_count", leaf::span_count),
    ("trace_state", leaf::trace_state),
    ("ottl_condition", leaf::ottl_condition),
    ("trace_flags", |_, _| Some(Rule::TraceFlags)),
    ("dynamic", dynamic),
    ("ema_dynamic", ema_dynamic),
    ("ema_throughput", ema_throughput),
    ("windowed_throughput", windowed_throughput),
];
const COMBINATORS: &[(&str, Read)] = &[("and", and), ("not", not), ("drop", drop), ("composite", composite)];
/// Types without keys: their block, which nobody needs to write, is taken as it is.
const WITHOUT_KEYS: [&str; 2] = ["always_sample", "trace_flags"];

impl Level {
    fn types(self) -> impl Iterator<Item = &'static (&'static str, Read)> {
        let allowed = move |name: &str| match self {
            Self::Top => true,
            Self::All => name == "not",
            Self::Not => false,
            Self::Composite => name == "and",
        };
        LEAVES.iter().chain(COMBINATORS.iter().filter(move |(name, _)| allowed(name)))
    }
}

/// `policies`: at the top every one has a name of its own.
pub(super) fn policies(section: &mut Section<'_>, compat: bool, strategy: Strategy) -> Vec<Policy> {
    let mut names = HashSet::new();
    let read = section.list("policies", |part| {
        let policy = policy(part, &Place { level: Level::Top, name: "", active: true, compat });
        let name = part.text_of("name").unwrap_or_default();
        let shown = shown_name(part);
        if name.is_empty() {
            part.error("name", "policy name cannot be empty", Some("write name: …".into()));
        } else if !names.insert(name) {
            part.error("name", format!("duplicate policy name {shown}"), Some("rename one".into()));
        }
        if strategy == Strategy::SpanIngest && policy.as_ref().is_some_and(Policy::is_stateful)
        {
            let message = format!(
                "sampling_strategy \"span-ingest\" requires all policies to be stateless, but policy {shown} is \
                 stateful"
            );
            part.error("type", message, Some("write sampling_strategy: trace-complete".into()));
        }
        policy
    });
    let policies: Vec<Policy> = read.into_iter().flatten().collect();
    let silent = match () {
        () if !section.has("policies") || policies.is_empty() => "no policies: nothing is sampled",
        () if policies.iter().all(|policy| matches!(policy.rule, Rule::Drop(_))) => {
            "every policy is a drop: nothing is sampled"
        }
        () => return policies,
    };
    let help = "add one, such as {name: all, type: always_sample}".to_owned();
    section.warn(&section.mark_of("policies"), "policies", silent, Some(help));
    policies
}

/// The name in quotes, unless it must not be shown.
fn shown_name(section: &Section<'_>) -> String {
    match section.text_of("name") {
        _ if section.is_expanded("name") => "(not shown)".to_owned(),
        name => format!("{:?}", name.unwrap_or_default()),
    }
}

/// Reads a policy. `None` when its type is not available here; the reason is reported.
pub(super) fn policy(section: &mut Section<'_>, place: &Place<'_>) -> Option<Policy> {
    section.shared_as("policy");
    section.maps_are_ignored();
    let name = section.get("name", String::new());
    let kind = section.get("type", String::new());
    let top = if place.level == Level::Top { shown_name(section) } else { place.name.to_owned() };
    let place = Place { name: &top, ..*place };
    let mut rule = None;
    for (key, read) in place.level.types() {
        if *key == kind {
            rule = block(section, key, *read, &place);
        } else if !section.has(key) {
            section.find(key, kind_of(key));
        } else {
            without_effect(section, key, &kind);
            block(section, key, *read, &Place { active: false, ..place });
        }
    }
    if !place.level.types().any(|(known, _)| *known == kind) {
        unknown(section, &kind, &place);
    }
    Some(Policy { name, rule: rule? })
}

fn block(section: &mut Section<'_>, key: &'static str, read: Read, place: &Place<'_>) -> Option<Rule> {
    if !WITHOUT_KEYS.contains(&key) {
        return section.section(key, |part| {
            part.shared_as(&format!("policy {key}"));
            read(part, place)
        });
    }
    if let Some(entry) = section.find(key, kind_of(key))
        && !matches!(entry.value.typed(), Typed::Map(_) | Typed::Null)
    {
        section.error(key, format!("'{key}' expected a map, got {}", entry.value.typed().name()), None);
    }
    read(section, place)
}

fn kind_of(key: &str) -> KeyKind {
    if WITHOUT_KEYS.contains(&key) { KeyKind::Ignored } else { KeyKind::Live }
}

fn without_effect(section: &Section<'_>, key: &str, kind: &str) {
    let Some(entry) = section.entry(key).filter(|entry| !entry.value.is_null()) else { return };
    let kind = if section.is_expanded("type") { "another" } else { kind };
    let help = format!("remove it, or write type: {key}");
    section.warn(&entry.mark, key, format!("'{key}' has no effect: the type is {kind}"), Some(help));
}

fn unknown(section: &Section<'_>, kind: &str, place: &Place<'_>) {
    let names = || place.level.types().map(|(name, _)| *name);
    let help = match nearest(kind, names()) {
        _ if Level::Top.types().any(|(known, _)| *known == kind) => {
            format!("{kind} cannot stand here; valid types: {}", names().collect::<Vec<_>>().join(", "))
        }
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("valid types: {}", names().collect::<Vec<_>>().join(", ")),
    };
    let shown = match kind {
        _ if section.is_expanded("type") => "(not shown)",
        "" => "\"\"",
        kind => kind,
    };
    place.fail(section, "type", &format!("unknown sampling policy type {shown}"), Some(&help));
}
