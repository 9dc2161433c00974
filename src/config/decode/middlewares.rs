//! `middlewares`: extensions that see every request. Here there is one kind, `memory_limiter`, and it stands before servers.

use super::auth::Side;
use super::{KeyKind, Section};
use crate::config::print::Printed;
use crate::config::tree::Typed;

/// Those of a receiver's protocol: the ids of `memory_limiter` extensions, in order.
pub(super) fn of_receiver(section: &mut Section<'_>, side: Side) -> Vec<String> {
    let found = read(section, KeyKind::Live, side);
    let ids = found.iter().map(|id| Printed::Map(vec![("id".into(), Printed::Text(id.clone()))]));
    section.show("middlewares", Printed::List(ids.collect()));
    found
}

/// Those of another server: its pages are small, and looked at when memory is short above all.
pub(super) fn of_pages(section: &mut Section<'_>, side: Side) {
    if !read(section, KeyKind::Ignored, side).is_empty() {
        let message = "'middlewares' has no effect here: these pages take no telemetry";
        section.warn(&section.mark_of("middlewares"), "middlewares", message, Some("remove it".into()));
    }
}

/// Those of a client, before which no extension can stand.
pub(super) fn of_client(section: &mut Section<'_>, side: Side) {
    read(section, KeyKind::Refused, side);
}

fn read(section: &mut Section<'_>, kind: KeyKind, side: Side) -> Vec<String> {
    let Some(entry) = section.find("middlewares", kind) else { return Vec::new() };
    let items = match entry.value.typed() {
        Typed::List(items) => items,
        Typed::Null => return Vec::new(),
        other => {
            let got = other.name();
            let message = format!("'middlewares' expected type 'list', got unconvertible type '{got}'");
            section.error("middlewares", message, None);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for item in items {
        let id = item.entries().iter().find(|entry| entry.key == "id");
        let odd = item.entries().iter().any(|entry| entry.key != "id");
        let id = id.filter(|_| !odd).and_then(|id| section.value::<String>(&id.value, "id"));
        let Some(id) = id else {
            let help = "write middlewares: [{id: memory_limiter}]".to_owned();
            section.error("middlewares", "each of 'middlewares' is a map with an id", Some(help));
            continue;
        };
        found.extend(resolved(section, id, side));
    }
    found
}

/// The extension of this name, for a component that is in use.
fn resolved(section: &Section<'_>, id: String, side: Side) -> Option<String> {
    let context = section.context();
    if !context.wanted.get() {
        return None;
    }
    let known = context.extensions.borrow();
    let listed = known.listed.contains(&id);
    if listed && known.limiters.contains(&id) && side.is_server() {
        return Some(id);
    }
    let shown = if section.is_expanded("middlewares") { "(not shown)" } else { &id };
    let (message, help) = if listed && !known.is_unknown(&id) {
        let message = format!("{shown:?}: requested extension is not a {} middleware", side.wanted());
        (message, "memory_limiter is the one that is here, before receivers; remove the other")
    } else {
        let message = format!("failed to resolve middleware {shown:?}: middleware not found");
        let help = match known.defined.contains(&id) {
            true => "add it to service.extensions",
            false => "configure it under extensions, and add it to service.extensions",
        };
        (message, help)
    };
    match context.skip_unavailable && !known.limiters.contains(&id) {
        true => section.warn(&section.mark_of("middlewares"), "middlewares", message, None),
        false => section.error("middlewares", message, Some(help.to_owned())),
    }
    None
}
