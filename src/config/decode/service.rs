//! What is defined, and what `service` wants: ids, pipelines, extensions.

use super::skip::{self, Skipped};
use super::{COMPONENTS_MAX, KeyKind, Section, telemetry};
use crate::config::catalog::Kind;
use crate::config::print::Printed;
use crate::config::settings::{ComponentId, PushReader};
use crate::config::tree::{Entry, Mark, Node, Typed, Value};
use crate::observe;
use crate::outcome::Signal;

/// A component in its section.
pub(super) struct Defined<'a> {
    pub id: ComponentId,
    pub entry: &'a Entry,
}

/// A name in a pipeline or in `service.extensions`.
pub(super) struct Reference {
    pub id: ComponentId,
    pub mark: Mark,
    hidden: bool, // it came from outside the file
}

impl Reference {
    /// The name in quotes, unless it must not be shown.
    pub(super) fn shown(&self) -> String {
        if self.hidden { "(not shown)".to_owned() } else { format!("{:?}", self.id.to_string()) }
    }
}

/// What `service` says.
pub(super) struct Service {
    pub pipelines: Vec<Wanted>,
    pub extensions: Vec<Reference>,
    pub telemetry: observe::Telemetry,
    pub pushing: Vec<PushReader>,
    /// What `--skip-unavailable` left out.
    pub skipped: Skipped,
}

/// A pipeline as written.
pub(super) struct Wanted {
    pub id: ComponentId,
    pub signal: Signal,
    pub path: String,
    pub mark: Mark,
    pub receivers: Vec<Reference>,
    pub processors: Vec<Reference>,
    pub exporters: Vec<Reference>,
}

/// The components of one section.
pub(super) fn definitions<'a>(top: &mut Section<'a>, kind: Kind) -> Vec<Defined<'a>> {
    let key = kind.section();
    let entry = top.find(key, KeyKind::Live);
    let entries = entry.map_or(&[][..], |entry| entry.value.entries());
    if entries.is_empty() && matches!(kind, Kind::Receiver | Kind::Exporter) && !top.all().is_empty() {
        top.error(key, format!("no {} configuration specified in config", kind.name()), None);
    }
    if let Some(entry) = entry
        && !entry.value.is_null()
        && !matches!(entry.value.value, Value::Map(_))
    {
        top.error(key, format!("'{key}' expected a map, got {}", entry.value.typed().name()), None);
    }
    let mut defined = Vec::new();
    for entry in bounded(top, key, entries) {
        match parse_id(&entry.key) {
            Ok(id) => defined.push(Defined { id, entry }),
            Err(reason) => {
                let path = format!("{key}::{}", entry.key);
                top.context().push(entry.mark.error(&path, format!("in {:?} id: {reason}", entry.key), None));
            }
        }
    }
    defined
}

/// The first so many, and an error when there are more.
fn bounded<'i, T>(section: &Section<'_>, key: &str, items: &'i [T]) -> &'i [T] {
    if items.len() > COMPONENTS_MAX {
        section.error(key, format!("more than {COMPONENTS_MAX} entries in '{key}'"), None);
    }
    &items[..items.len().min(COMPONENTS_MAX)]
}

/// `type[/name]`.
fn parse_id(text: &str) -> Result<ComponentId, String> {
    let (kind, name) = match text.split_once('/') {
        Some((kind, name)) => (kind.trim(), Some(name.trim())),
        None => (text.trim(), None),
    };
    if kind.is_empty() {
        return Err("id must not be empty".into());
    }
    let valid = kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && kind.len() <= 63
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !valid {
        return Err(format!("invalid character(s) in type {kind:?}"));
    }
    match name {
        Some("") => Err("the part after / should not be empty".into()),
        Some(name)
            if name.chars().count() > 1024
                || name.contains(|c: char| c.is_whitespace() || c.is_control() || is_symbol(c)) =>
        {
            Err(format!("invalid character(s) in name {name:?}"))
        }
        name => Ok(ComponentId { kind: kind.to_owned(), name: name.unwrap_or_default().to_owned() }),
    }
}

/// The ASCII characters that Unicode calls symbols.
fn is_symbol(c: char) -> bool {
    "$+<=>^`|~".contains(c)
}

/// Reads `service`. Of what is `defined`, what this version has not is left out where the command line allows it.
pub(super) fn service(section: &mut Section<'_>, defined: &[(Kind, Vec<Defined<'_>>)]) -> Service {
    let mut extensions = references(section, "extensions");
    let (telemetry, pushing) = section.section("telemetry", telemetry::telemetry);
    let mut pipelines = pipelines(section);
    let mut skipped = Skipped::new();
    if section.context().skip_unavailable {
        skipped = skip::leave_out(section, defined, &mut pipelines, &mut extensions);
        if section.has("extensions") {
            section.show("extensions", printed(&extensions));
        }
    }
    let shown = pipelines.iter().map(|pipeline| {
        let lists = [
            ("receivers", &pipeline.receivers),
            ("processors", &pipeline.processors),
            ("exporters", &pipeline.exporters),
        ];
        let filled = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let map = filled.map(|(key, list)| (key.to_owned(), printed(list))).collect();
        (pipeline.id.to_string(), Printed::Map(map))
    });
    section.show("pipelines", Printed::Map(shown.collect()));
    pipelines.sort_by(|a, b| a.id.cmp(&b.id));
    Service { pipelines, extensions, telemetry, pushing, skipped }
}

/// `service.pipelines` as written.
fn pipelines(section: &mut Section<'_>) -> Vec<Wanted> {
    let mut pipelines = Vec::new();
    let entries = section.find("pipelines", KeyKind::Live).map_or(&[][..], |entry| entry.value.entries());
    if entries.is_empty() {
        let help = "write pipelines: {traces: {receivers: [otlp], exporters: [load_balancing]}}";
        section.error("pipelines", "service must have at least one pipeline", Some(help.into()));
    }
    for entry in bounded(section, "pipelines", entries) {
        let path = section.path_of(&format!("pipelines::{}", entry.key));
        let named = parse_id(&entry.key).and_then(|id| Ok((signal(&id.kind)?, id)));
        let (signal, id) = match named {
            Ok(named) => named,
            Err(reason) => {
                unreadable(section, entry, &path, &reason);
                continue;
            }
        };
        let mut part = Section::under(section.context(), entry, &path, "service.pipelines");
        let wanted = Wanted {
            receivers: references(&mut part, "receivers"),
            processors: references(&mut part, "processors"),
            exporters: references(&mut part, "exporters"),
            mark: entry.mark.clone(),
            id,
            signal,
            path,
        };
        for (key, list) in [("receiver", &wanted.receivers), ("exporter", &wanted.exporters)] {
            if list.is_empty() {
                part.error(&format!("{key}s"), format!("must have at least one {key}"), None);
            }
        }
        part.finish();
        pipelines.push(wanted);
    }
    pipelines
}

/// A pipeline of a signal that is not here, or of none.
fn unreadable(section: &Section<'_>, entry: &Entry, path: &str, reason: &str) {
    let skipped = section.context().skip_unavailable && entry.key.split('/').next() == Some("profiles");
    if skipped {
        let message = format!("pipeline {:?} is left out whole: {reason}", entry.key);
        section.context().push(entry.mark.warning(path, message, None));
        return;
    }
    let message = format!("'service.pipelines' in {:?} id: {reason}", entry.key);
    let help = "a pipeline is named traces, metrics or logs, with /NAME for more than one";
    section.context().push(entry.mark.error(path, message, Some(help.into())));
}

fn signal(name: &str) -> Result<Signal, String> {
    match Signal::ALL.into_iter().find(|signal| signal.name() == name) {
        Some(signal) => Ok(signal),
        None if name == "profiles" => {
            Err("profiles exist in the Collector, but not in this version of ringtail".into())
        }
        None => Err(format!("unknown pipeline signal: {name:?}")),
    }
}

fn references(section: &mut Section<'_>, key: &'static str) -> Vec<Reference> {
    let Some(entry) = section.find(key, KeyKind::Live) else { return Vec::new() };
    let items: &[Node] = match entry.value.typed() {
        Typed::List(items) => items,
        Typed::Null => &[],
        other => {
            let message = format!("'{key}' expected type 'list', got unconvertible type '{}'", other.name());
            section.error(key, message, Some(format!("write {key}: [ID]")));
            &[]
        }
    };
    let mut found: Vec<Reference> = Vec::new();
    for item in bounded(section, key, items) {
        let Some(text) = section.value::<String>(item, key) else { continue };
        match parse_id(&text) {
            Ok(id) => found.push(Reference { id, mark: item.mark.clone(), hidden: item.is_from_outside() }),
            Err(reason) => {
                let message = match item.is_from_outside() {
                    true => "what is referenced here is not a component id".to_owned(),
                    false => format!("in {text:?} id: {reason}"),
                };
                section.context().push(item.mark.error(&section.path_of(key), message, None));
            }
        }
    }
    section.show(key, printed(&found));
    found
}

fn printed(list: &[Reference]) -> Printed {
    Printed::List(list.iter().map(|reference| Printed::Text(reference.id.to_string())).collect())
}
