//! Components and pipelines put together: every reference has a definition, every used type exists here.

use std::collections::{BTreeMap, BTreeSet};

use super::service::{Defined, Reference, Service, Wanted, definitions, service};
use super::{
    Context, Section, backend, batch, connectors, editing, exporters, extensions, file, forwarding, order,
    otlp, pipelines, prometheus, sampling,
};
use super::{groupbytrace, memory};
use crate::config::catalog::{Kind, canonical};
use crate::config::diagnostic::nearest;
use crate::config::print::Printed;
use crate::config::settings::{ComponentId, Exporter, Pipeline, Processor, Settings};
use crate::config::tree::Node;
use crate::observe;
use crate::outcome::Signal;

/// Reads the whole tree. The settings are `None` when something essential is missing; the reasons are in `context`.
pub(in crate::config) fn decode(root: &Node, context: &Context) -> (Settings, Printed) {
    let mut top = Section::new(context, root, "", "");
    if root.entries().is_empty() {
        let help = "write receivers, exporters and service: {pipelines: …}";
        top.error("", "empty configuration file", Some(help.into()));
    }
    let defined: Vec<(Kind, Vec<Defined<'_>>)> =
        Kind::ALL.into_iter().map(|kind| (kind, definitions(&mut top, kind))).collect();
    let service = top.section("service", |section| service(section, &defined));
    let mut build = Build { context, defined, service };
    build.check_references();
    let settings = build.components(&mut top);
    build.check_order(&settings);
    (settings, top.finish())
}

struct Build<'a> {
    context: &'a Context,
    defined: Vec<(Kind, Vec<Defined<'a>>)>,
    service: Service,
}

impl<'a> Build<'a> {
    fn definitions(&self, kind: Kind) -> &[Defined<'a>] {
        self.defined.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, defined)| defined)
    }

    fn find(&self, kind: Kind, id: &ComponentId) -> Option<&Defined<'a>> {
        self.definitions(kind).iter().find(|defined| defined.id == *id)
    }

    fn check_references(&self) {
        for pipeline in &self.service.pipelines {
            self.check_list(Kind::Receiver, &pipeline.path, &pipeline.receivers);
            self.check_list(Kind::Processor, &pipeline.path, &pipeline.processors);
            self.check_list(Kind::Exporter, &pipeline.path, &pipeline.exporters);
            pipelines::check(self.context, pipeline);
        }
        self.check_list(Kind::Extension, "service::extensions", &self.service.extensions);
        self.check_ids();
        let ids: Vec<_> = self.definitions(Kind::Connector).iter().map(|defined| &defined.id).collect();
        connectors::check(self.context, &ids, &self.service.pipelines);
    }

    /// An id stands for one thing in a pipeline.
    fn check_ids(&self) {
        for one in self.definitions(Kind::Connector) {
            for kind in [Kind::Exporter, Kind::Receiver] {
                if self.find(kind, &one.id).is_none() {
                    continue;
                }
                let (name, id) = (kind.name(), one.id.to_string());
                let message = format!(
                    "ambiguous ID: Found both {id:?} {name} and {id:?} connector. Change one of the components' IDs to eliminate ambiguity"
                );
                let help = format!("rename the connector {:?}", format!("{id}/connector"));
                self.context.push(one.entry.mark.error(&format!("connectors::{id}"), message, Some(help)));
            }
        }
    }

    fn check_order(&self, settings: &Settings) {
        let from_outside = |reference: &Reference| {
            let defined = self.find(Kind::Processor, &reference.id);
            defined.is_some_and(|defined| defined.entry.value.is_from_outside())
        };
        for pipeline in &self.service.pipelines {
            order::check(self.context, pipeline, settings, from_outside);
        }
    }

    fn check_list(&self, kind: Kind, path: &str, list: &[Reference]) {
        for (index, reference) in list.iter().enumerate() {
            let id = reference.shown();
            let path =
                if kind == Kind::Extension { path.to_owned() } else { format!("{path}::{}", kind.section()) };
            let fail = |message: String, help: Option<String>| {
                self.context.push(reference.mark.error(&path, message, help));
            };
            if list[..index].iter().any(|known| known.id == reference.id) {
                let message = format!("references {} {id} multiple times", kind.name());
                if kind == Kind::Processor {
                    fail(message, None);
                } else {
                    let help = "it is used once; remove the others".to_owned(); // as in the Collector
                    self.context.push(reference.mark.warning(&path, message, Some(help)));
                }
                continue;
            }
            let connector = matches!(kind, Kind::Receiver | Kind::Exporter)
                && self.find(Kind::Connector, &reference.id).is_some();
            let really = if connector { Kind::Connector } else { kind };
            let built_in =
                kind == Kind::Extension && reference.id.kind == "admin" && reference.id.name.is_empty();
            if self.find(really, &reference.id).is_none() && !built_in {
                fail(
                    format!("references {} {id} which is not configured", kind.name()),
                    self.similar(kind, &reference.id.to_string()),
                );
            } else if !really.available().contains(&reference.id.kind.as_str()) {
                self.unavailable(really, kind, reference, &path);
            }
        }
    }

    /// A name in use of which this version knows no such type.
    fn unavailable(&self, really: Kind, kind: Kind, reference: &Reference, path: &str) {
        let (id, name) = (reference.shown(), really.name());
        let available = format!("{} available: {}", really.section(), really.available().join(", "));
        let place = if kind == Kind::Extension { "service.extensions" } else { "the pipeline" };
        if really.in_collector(&reference.id.kind) {
            let message = format!("{name} {id} exists in the Collector, but not in this version of ringtail");
            let help = format!("leave it out of {place}, or start with --skip-unavailable; {available}");
            self.context.push(reference.mark.error(path, message, Some(help)));
        } else if let Some(defined) = self.find(really, &reference.id) {
            let section = really.section();
            let valid = really.available().join(" ");
            let message = format!(
                "'{section}' unknown type: {:?} for id: {id} (valid values: [{valid}])",
                reference.id.kind
            );
            let help = match nearest(&reference.id.kind, really.available().iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("remove it from {place}, or start with --skip-unavailable"),
            };
            let path = format!("{section}::{}", defined.id);
            self.context.push(defined.entry.mark.error(&path, message, Some(help)));
        }
    }

    fn similar(&self, kind: Kind, id: &str) -> Option<String> {
        let known: Vec<String> =
            self.definitions(kind).iter().map(|defined| defined.id.to_string()).collect();
        match nearest(id, known.iter().map(String::as_str)) {
            Some(near) => Some(format!("did you mean {near:?}?")),
            None if known.is_empty() => Some(format!("no {} are configured", kind.section())),
            None => Some(format!("configured: {}", known.join(", "))),
        }
    }

    fn components(&mut self, top: &mut Section<'a>) -> Settings {
        let mut settings = Settings {
            receivers: BTreeMap::new(),
            processors: BTreeMap::new(),
            exporters: BTreeMap::new(),
            connectors: BTreeSet::new(),
            health_checks: BTreeMap::new(),
            health_listeners: Vec::new(),
            memory_limiters: BTreeMap::new(),
            extensions: extensions::listed(&self.service.extensions),
            file_storages: BTreeMap::new(),
            admin: Some(observe::Admin::default()),
            pipelines: self.service.pipelines.iter().map(pipeline).collect(),
            telemetry: self.service.telemetry.clone(),
            pushing: self.service.pushing.clone(),
        };
        let used = self.used();
        extensions::note(self.context, self.definitions(Kind::Extension), &self.service.extensions);
        let mut shown = BTreeMap::new();
        // Extensions first: what names them is then checked against them.
        for (kind, defined) in self.defined.iter().rev() {
            let mut printed = Vec::new();
            let mut ordered: Vec<&Defined<'_>> = defined.iter().collect();
            ordered.sort_by_key(|one| !canonical(*kind, &one.id.kind).ends_with("auth")); // others may name them
            for one in ordered {
                let wanted = used.contains(&(kind.name(), one.id.clone()));
                self.context.wanted.set(wanted);
                if kind.available().contains(&one.id.kind.as_str()) {
                    let part = self.component(*kind, one, wanted, &mut settings);
                    printed.push((one.id.to_string(), part));
                } else if !wanted && !self.service.skipped.contains(&(kind.name(), one.id.clone())) {
                    self.unused(*kind, one);
                }
            }
            if *kind == Kind::Extension && !defined.iter().any(|one| one.id.kind == "admin") {
                let endpoint = Printed::Text(observe::Admin::default().endpoint);
                let entries = vec![("enabled".into(), Printed::Bool(true)), ("endpoint".into(), endpoint)];
                printed.push(("admin".into(), Printed::Map(entries)));
            }
            shown.insert(kind.section(), Printed::Map(printed));
        }
        for kind in Kind::ALL {
            if let Some(printed) = shown.remove(kind.section()) {
                top.show(kind.section(), printed);
            }
        }
        settings
    }

    /// Every component that a pipeline or `service.extensions` names.
    fn used(&self) -> BTreeSet<(&'static str, ComponentId)> {
        let mut used = BTreeSet::new();
        let mut add = |kind: Kind, list: &[Reference]| {
            used.extend(list.iter().map(|reference| (kind.name(), reference.id.clone())));
        };
        for pipeline in &self.service.pipelines {
            add(Kind::Receiver, &pipeline.receivers);
            add(Kind::Processor, &pipeline.processors);
            add(Kind::Exporter, &pipeline.exporters);
            add(Kind::Connector, &pipeline.receivers);
            add(Kind::Connector, &pipeline.exporters);
        }
        add(Kind::Extension, &self.service.extensions);
        used
    }

    fn unused(&self, kind: Kind, one: &Defined<'_>) {
        let path = format!("{}::{}", kind.section(), one.id);
        let message = match kind.in_collector(&one.id.kind) {
            true => format!(
                "{} \"{}\" is not used; this version of ringtail has no such type",
                kind.name(),
                one.id
            ),
            false => format!("{} \"{}\" is not used; its type is unknown", kind.name(), one.id),
        };
        let help = match nearest(&one.id.kind, kind.available().iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "remove it".to_owned(),
        };
        self.context.push(one.entry.mark.warning(&path, message, Some(help)));
    }

    fn component(&self, kind: Kind, one: &Defined<'a>, wanted: bool, settings: &mut Settings) -> Printed {
        let path = format!("{}::{}", kind.section(), one.id);
        let name = canonical(kind, &one.id.kind);
        if name != one.id.kind && kind != Kind::Extension {
            let message = format!("{:?} alias is deprecated; use {name:?} instead", one.id.kind);
            self.context.push(one.entry.mark.warning(&path, message, None));
        }
        let schema = match one.id.kind.as_str() {
            "logging" => "exporters.logging".to_owned(), // has defaults and keys of its own
            _ => format!("{}.{name}", kind.section()),
        };
        let mut section = Section::under(self.context, one.entry, &path, &schema);
        match (kind, one.id.kind.as_str()) {
            (Kind::Receiver, _) => {
                let config = otlp::receiver(&mut section);
                settings.receivers.extend(wanted.then(|| (one.id.clone(), config)));
            }
            (Kind::Processor, _) => {
                let config = self.processor(one, &mut section);
                settings.processors.extend(config.filter(|_| wanted).map(|config| (one.id.clone(), config)));
            }
            (Kind::Exporter, _) => {
                let config = self.exporter(one, &mut section);
                settings.exporters.extend(config.filter(|_| wanted).map(|config| (one.id.clone(), config)));
            }
            (Kind::Connector, _) => settings.connectors.extend(wanted.then(|| one.id.clone())),
            (_, "admin") => {
                if !one.id.name.is_empty() {
                    section.error("", "there is one admin extension; it has no name", None);
                }
                settings.admin = extensions::admin(&mut section);
            }
            _ => extensions::read(name, &one.id, &mut section, settings),
        }
        section.finish()
    }

    fn processor(&self, one: &Defined<'a>, section: &mut Section<'a>) -> Option<Processor> {
        let signals = self.signals(one, |pipeline| &pipeline.processors);
        match one.id.kind.as_str() {
            "batch" => Some(Processor::Batch(batch::batch(section))),
            "tail_sampling" => Some(Processor::TailSampling(Box::new(sampling::tail_sampling(section)))),
            "memory_limiter" => Some(Processor::MemoryLimiter(memory::limiter(section))),
            "groupbytrace" => {
                groupbytrace::keys(section);
                Some(Processor::GroupByTrace)
            }
            kind => {
                editing::processor(kind, section, &signals).map(|config| Processor::Edit(Box::new(config)))
            }
        }
    }

    /// The signals of the pipelines that name a component in one of their lists.
    fn signals(&self, one: &Defined<'a>, list: impl Fn(&Wanted) -> &Vec<Reference>) -> Vec<Signal> {
        let uses = |signal: &Signal| {
            self.service.pipelines.iter().any(|pipeline| {
                pipeline.signal == *signal && list(pipeline).iter().any(|reference| reference.id == one.id)
            })
        };
        Signal::ALL.into_iter().filter(uses).collect()
    }

    fn exporter(&self, one: &Defined<'a>, section: &mut Section<'a>) -> Option<Exporter> {
        let signals = self.signals(one, |pipeline| &pipeline.exporters);
        match canonical(Kind::Exporter, &one.id.kind) {
            "otlp_grpc" => Some(Exporter::Otlp(Box::new(backend::otlp_grpc(section)))),
            "otlp_http" => Some(Exporter::Otlp(Box::new(backend::otlp_http(section, &signals)))),
            "load_balancing" => forwarding::load_balancing(section, &signals)
                .map(|config| Exporter::LoadBalancing(Box::new(config))),
            _ if one.id.kind == "logging" => Some(Exporter::Debug(exporters::logging(section))),
            "debug" => Some(Exporter::Debug(exporters::debug(section))),
            "prometheus" => Some(Exporter::Prometheus(Box::new(prometheus::prometheus(section)))),
            "file" => Some(Exporter::File(Box::new(file::file(section)))),
            _ => Some(Exporter::Nop),
        }
    }
}

fn pipeline(wanted: &Wanted) -> Pipeline {
    let ids = |list: &[Reference]| {
        let mut ids: Vec<ComponentId> = Vec::new();
        for reference in list {
            if !ids.contains(&reference.id) {
                ids.push(reference.id.clone());
            }
        }
        ids
    };
    Pipeline {
        id: wanted.id.clone(),
        signal: wanted.signal,
        receivers: ids(&wanted.receivers),
        processors: ids(&wanted.processors),
        exporters: ids(&wanted.exporters),
    }
}
