//! Extensions: `health_check` and `admin`, and those that are accepted without effect.

use std::collections::BTreeSet;

use super::net::check_address;
use super::service::{Defined, Reference};
use super::storage::file_storage;
use super::{Context, KeyKind, Section};
use super::{auth, health, memory};
use crate::config::catalog::Kind;
use crate::config::settings::{ComponentId, Settings};
use crate::observe;

/// What of the extensions is known before they are read.
pub(super) fn note(context: &Context, defined: &[Defined<'_>], listed: &[Reference]) {
    let mut known = context.extensions.borrow_mut();
    for one in defined {
        known.defined.insert(one.id.to_string());
        if !Kind::Extension.available().contains(&one.id.kind.as_str()) {
            known.unknown.insert(one.id.to_string());
        }
        if one.id.kind == "memory_limiter" {
            known.limiters.insert(one.id.to_string());
        }
    }
    known.listed.extend(listed.iter().map(|reference| reference.id.to_string()));
}

/// Those of `service.extensions` that run, `admin` aside.
pub(super) fn listed(listed: &[Reference]) -> BTreeSet<ComponentId> {
    let ids = listed.iter().map(|reference| reference.id.clone());
    ids.filter(|id| id.kind != "admin").collect()
}

/// An extension other than `admin`, by the name of its type.
pub(super) fn read(name: &str, id: &ComponentId, section: &mut Section<'_>, settings: &mut Settings) {
    let (context, wanted) = (section.context(), section.context().wanted.get());
    let note = |kind| context.extensions.borrow_mut().authenticators.insert(id.to_string(), kind);
    match name {
        "health_check" => {
            let (first, second) = health::health_check(section);
            settings.health_checks.extend(first.filter(|_| wanted).map(|config| (id.clone(), config)));
            settings.health_listeners.extend(second.into_iter().filter(|_| wanted));
        }
        "file_storage" => {
            let config = file_storage(section);
            context.extensions.borrow_mut().storages.insert(id.to_string(), config.clone());
            settings.file_storages.extend(wanted.then(|| (id.clone(), config)));
        }
        "memory_limiter" => {
            let limit = memory::limiter(section);
            settings.memory_limiters.extend(wanted.then(|| (id.clone(), limit)));
        }
        "bearertokenauth" => drop(note(Some(auth::bearer(section)))),
        "basicauth" => drop(note(auth::basic(section))),
        "pprof" => pprof(section),
        _ => zpages(section),
    }
}

/// `None` when `enabled: false`.
pub(super) fn admin(section: &mut Section<'_>) -> Option<observe::Admin> {
    let enabled = section.get("enabled", true);
    let endpoint = section.get("endpoint", observe::Admin::default().endpoint);
    if enabled {
        check_address(section, "endpoint", &endpoint);
    }
    enabled.then_some(observe::Admin { endpoint })
}

/// `pprof`, which profiles the Go runtime: its keys are checked.
fn pprof(section: &mut Section<'_>) {
    for key in ["endpoint", "save_to_file"] {
        section.ignored::<String>(key);
    }
    for key in ["block_profile_fraction", "mutex_profile_fraction"] {
        section.ignored::<i64>(key);
    }
    section.find("dialer", KeyKind::Ignored);
    idle(section, "it profiles the Go runtime; profile this process with perf");
}

/// `zpages`, whose place the admin page has: its keys are checked.
fn zpages(section: &mut Section<'_>) {
    section.ignored::<String>("endpoint");
    if section.text_of("endpoint").is_some_and(|endpoint| endpoint.is_empty()) {
        section.error("endpoint", "\"endpoint\" is required when using the \"zpages\" extension", None);
    }
    section.find("expvar", KeyKind::Ignored);
    section.ignored::<String>("transport");
    for key in [
        "tls",
        "cors",
        "auth",
        "response_headers",
        "compression_algorithms",
        "keepalive",
        "middlewares",
        "max_request_body_size",
        "include_metadata",
        "read_timeout",
        "read_header_timeout",
        "write_timeout",
        "idle_timeout",
        "keep_alives_enabled",
    ] {
        section.find(key, KeyKind::Ignored);
    }
    idle(section, "the admin page shows what this process does (extensions.admin, localhost:4319)");
}

/// Says once what has no meaning here, of an extension that is in use.
fn idle(section: &Section<'_>, why: &str) {
    if section.context().wanted.get() {
        let name = section.path.rsplit("::").next().unwrap_or_default();
        let message = format!("extension {name:?} has no effect here: {why}");
        section.warn(&section.mark.clone(), "", message, Some("remove it".into()));
    }
}
