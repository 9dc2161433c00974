//! `--skip-unavailable`: what this version has not is left out of pipelines and of `service.extensions`, with a
//! warning each.

use std::collections::BTreeSet;

use super::Section;
use super::service::{Defined, Reference, Wanted};
use crate::config::catalog::Kind;
use crate::config::settings::ComponentId;
use crate::config::tree::{Entry, Mark, Node, Typed, Value};

/// All components of the file, by section.
type Definitions<'a> = [(Kind, Vec<Defined<'a>>)];

/// What was left out.
pub(super) type Skipped = BTreeSet<(&'static str, ComponentId)>;

/// Leaves out receivers, exporters, connectors and extensions that do not exist here; a pipeline with such a processor,
/// or without a receiver or exporter, as a whole.
pub(super) fn leave_out(
    section: &Section<'_>,
    defined: &Definitions<'_>,
    pipelines: &mut Vec<Wanted>,
    extensions: &mut Vec<Reference>,
) -> Skipped {
    let mut work = Work { section, defined, skipped: Skipped::new(), gone: Vec::new() };
    work.extensions(extensions);
    pipelines.retain_mut(|pipeline| work.keeps(pipeline));
    // A connector whose other side has gone neither gives nor takes.
    loop {
        let before = pipelines.len();
        let links = Links::of(pipelines);
        pipelines.retain_mut(|pipeline| work.keeps_without(&links, pipeline));
        if pipelines.len() == before {
            break;
        }
    }
    if pipelines.is_empty() && !work.gone.is_empty() {
        let message = "no pipeline is left: each has a component that is not in this version of ringtail";
        let help = format!("left out: {}", work.gone.join("; "));
        section.error("pipelines", message, Some(help));
    }
    work.skipped
}

struct Work<'w> {
    section: &'w Section<'w>,
    defined: &'w Definitions<'w>,
    skipped: Skipped,
    gone: Vec<String>, // pipelines, each with why
}

impl<'w> Work<'w> {
    fn find(&self, kind: Kind, id: &ComponentId) -> Option<&'w Defined<'w>> {
        let (_, all) = self.defined.iter().find(|(known, _)| *known == kind)?;
        all.iter().find(|one| one.id == *id)
    }

    fn warn(&self, mark: &Mark, path: &str, message: String) {
        self.section.context().push(mark.warning(path, message, None));
    }

    fn extensions(&mut self, extensions: &mut Vec<Reference>) {
        extensions.retain(|reference| {
            let Some(why) = self.missing(Kind::Extension, reference) else { return true };
            let message = format!("{why}: it is left out of service.extensions");
            self.warn(&reference.mark, "service::extensions", message);
            self.skipped.insert((Kind::Extension.name(), reference.id.clone()));
            false
        });
    }

    /// Leaves out of a pipeline what is not here. False when nothing of it can run.
    fn keeps(&mut self, pipeline: &mut Wanted) -> bool {
        for reference in &pipeline.processors {
            if let Some(why) = self.missing(Kind::Processor, reference) {
                self.skipped.insert((Kind::Processor.name(), reference.id.clone()));
                self.leave(pipeline, &reference.mark, Kind::Processor, &why);
                return false;
            }
        }
        let (path, id) = (pipeline.path.clone(), pipeline.id.clone());
        for (kind, list) in
            [(Kind::Receiver, &mut pipeline.receivers), (Kind::Exporter, &mut pipeline.exporters)]
        {
            list.retain(|reference| {
                let Some(why) = self.missing(kind, reference).or_else(|| self.locked_out(kind, reference))
                else {
                    return true;
                };
                let path = format!("{path}::{}", kind.section());
                self.warn(&reference.mark, &path, format!("{why}: it is left out of pipeline \"{id}\""));
                self.skipped.insert((kind.name(), reference.id.clone()));
                self.skipped.insert((Kind::Connector.name(), reference.id.clone()));
                false
            });
        }
        self.has_both_ends(pipeline)
    }

    /// Leaves out the connectors whose other side is in no pipeline any more.
    fn keeps_without(&mut self, links: &Links, pipeline: &mut Wanted) -> bool {
        if self.gone.is_empty() {
            return true; // then a connector without its other side is the file's own mistake
        }
        let id = pipeline.id.clone();
        for (kind, list, others) in [
            (Kind::Receiver, &mut pipeline.receivers, &links.exporters),
            (Kind::Exporter, &mut pipeline.exporters, &links.receivers),
        ] {
            list.retain(|reference| {
                let alone = self.find(Kind::Connector, &reference.id).is_some()
                    && !others.contains(&reference.id);
                if alone {
                    let message = format!(
                        "connector {}: the pipelines on its other side are left out, and so it is left out of \
                         pipeline \"{id}\"",
                        reference.shown()
                    );
                    self.warn(&reference.mark, &format!("{}::{}", pipeline.path, kind.section()), message);
                }
                !alone
            });
        }
        self.has_both_ends(pipeline)
    }

    fn has_both_ends(&mut self, pipeline: &Wanted) -> bool {
        for (kind, list) in [(Kind::Receiver, &pipeline.receivers), (Kind::Exporter, &pipeline.exporters)] {
            if list.is_empty() {
                let why = format!("it has no {} left", kind.name());
                self.leave(pipeline, &pipeline.mark, kind, &why);
                return false;
            }
        }
        true
    }

    fn leave(&mut self, pipeline: &Wanted, mark: &Mark, kind: Kind, why: &str) {
        let message = format!("pipeline \"{}\" is left out whole: {why}", pipeline.id);
        self.warn(mark, &format!("{}::{}", pipeline.path, kind.section()), message);
        self.gone.push(format!("{} ({why})", pipeline.id));
    }

    /// Why a component that is configured cannot be here. What is not configured at all is an error elsewhere.
    fn missing(&self, kind: Kind, reference: &Reference) -> Option<String> {
        let connector = matches!(kind, Kind::Receiver | Kind::Exporter)
            && self.find(Kind::Connector, &reference.id).is_some();
        let kind = if connector { Kind::Connector } else { kind };
        self.find(kind, &reference.id)?;
        let type_of = reference.id.kind.as_str();
        if kind.available().contains(&type_of) {
            return None;
        }
        let (name, id) = (kind.name(), reference.shown());
        Some(match kind.in_collector(type_of) {
            true => format!("{name} {id} exists in the Collector, but not in this version of ringtail"),
            false => format!("{name} {id} has a type that neither ringtail nor the Collector knows"),
        })
    }

    /// A component whose authenticator is not here: without it, it would send in vain, or receive from anyone.
    fn locked_out(&self, kind: Kind, reference: &Reference) -> Option<String> {
        let extensions = &self.defined.iter().find(|(known, _)| *known == Kind::Extension)?.1;
        let lacks = |id: &str| {
            let known = extensions.iter().find(|one| one.id.to_string() == id);
            known.is_some_and(|one| !Kind::Extension.available().contains(&one.id.kind.as_str()))
        };
        let entry = self.find(kind, &reference.id)?.entry;
        let lacking = authenticators(entry).into_iter().find(|id| lacks(id))?;
        let (name, id) = (kind.name(), reference.shown());
        Some(format!(
            "{name} {id} needs the authenticator {lacking:?}, which is not in this version of ringtail"
        ))
    }
}

/// Every `auth: {authenticator: …}` in a component.
fn authenticators(entry: &Entry) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open: Vec<(&str, &Node)> = vec![(&entry.key, &entry.value)];
    while let Some((key, node)) = open.pop() {
        for inner in node.entries() {
            match inner.value.typed() {
                Typed::Text(text) if key == "auth" && inner.key == "authenticator" => found.push(text),
                _ if matches!(inner.value.value, Value::Map(_)) => open.push((&inner.key, &inner.value)),
                _ => {}
            }
        }
    }
    found
}

/// What all pipelines name at their two ends.
struct Links {
    receivers: BTreeSet<ComponentId>,
    exporters: BTreeSet<ComponentId>,
}

impl Links {
    fn of(pipelines: &[Wanted]) -> Self {
        let ids = |list: fn(&Wanted) -> &Vec<Reference>| {
            pipelines.iter().flat_map(list).map(|reference| reference.id.clone()).collect()
        };
        Self { receivers: ids(|one| &one.receivers), exporters: ids(|one| &one.exporters) }
    }
}
