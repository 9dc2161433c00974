//! Policies made of policies: `and`, `not`, `drop`, `composite`.

use super::policy::{Level, Place, policy};
use crate::config::decode::{Cut, Section};
use crate::sample::{Composite, Policy, Rule};

fn several(
    section: &mut Section<'_>,
    key: &'static str,
    level: Level,
    place: &Place<'_>,
    empty: &str,
) -> Vec<Policy> {
    let read = section.list(key, |part| policy(part, &Place { level, ..*place }));
    if read.is_empty() && place.active {
        let message = format!("'{key}' is empty: {empty}");
        section.warn(&section.mark_of(key), key, message, Some("as in the Collector".into()));
    }
    read.into_iter().flatten().collect()
}

pub(super) fn and(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let empty = "every trace is sampled";
    Some(Rule::And(several(section, "and_sub_policy", Level::All, place, empty)))
}

pub(super) fn drop(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let empty = "every trace is dropped";
    Some(Rule::Drop(several(section, "drop_sub_policy", Level::All, place, empty)))
}

pub(super) fn not(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let place = Place { level: Level::Not, ..*place };
    let inner = section.section("not_sub_policy", |part| policy(part, &place))?;
    Some(Rule::Not(Box::new(inner)))
}

pub(super) fn composite(section: &mut Section<'_>, place: &Place<'_>) -> Option<Rule> {
    let max_total = section.get("max_total_spans_per_second", Cut(0)).0;
    let order: Vec<String> = section.get("policy_order", Vec::new());
    let empty = "no trace is sampled by it";
    let policies = several(section, "composite_sub_policy", Level::Composite, place, empty);
    let allocation = section.list("rate_allocation", |part| {
        let name = part.get("policy", String::new());
        (name, part.get("percent", Cut(0)).0)
    });
    let known = |name: &str| policies.iter().any(|policy| policy.name == name);
    let stray = |key: &str, name: &str| {
        if place.active && !known(name) {
            let shown = if section.is_expanded(key) { "(not shown)".into() } else { format!("{name:?}") };
            let message = format!("'{key}' names {shown}, which is no sub-policy");
            section.warn(&section.mark_of(key), key, message, None);
        }
    };
    order.iter().for_each(|name| stray("policy_order", name));
    allocation.iter().for_each(|(name, _)| stray("rate_allocation", name));
    Some(Rule::Composite(Composite { max_total, order, policies, allocation }))
}
