//! A small decoding layer over the tree: reads keys by name, collects every error, knows what it was asked for.

mod auth;
mod backend;
mod batch;
mod build;
mod calls;
mod connectors;
mod editing;
mod exporters;
mod extensions;
mod file;
mod forwarding;
mod groupbytrace;
mod health;
mod journal;
mod memory;
mod middlewares;
mod net;
mod order;
mod otlp;
mod pages;
mod pipelines;
mod prometheus;
mod readers;
mod resilience;
mod resolver;
mod sampling;
mod scalars;
mod section;
mod service;
mod skip;
mod storage;
mod telemetry;
mod tls;
mod values;
mod views;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Diagnostic;
use super::gates::Gates;
use super::settings::FileStorage;
use crate::auth::Kind as AuthKind;

pub(super) use build::decode;
pub(super) use scalars::{Count, Cut, Scalar, Size, Wait};
pub(super) use section::Section;

/// Most findings of one load; whoever has so many mistakes starts with the first.
const FOUND_MAX: usize = 1000;
/// Most components in a section, pipelines, and names in a pipeline.
const COMPONENTS_MAX: usize = 1000;

/// What a key does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// It changes something.
    Live,
    /// Accepted and checked, without effect here.
    Ignored,
    /// An older spelling, accepted with a warning.
    Deprecated,
    /// An error when set: it would change security or behaviour, and this version does not have it.
    Refused,
}

/// A key that the decoder asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it does.
    pub kind: KeyKind,
    /// Whether the configuration has it.
    pub given: bool,
}

/// What other components can name of the extensions, by id.
#[derive(Default)]
pub(super) struct Extensions {
    /// Authenticators; `None` stands for one with mistakes.
    pub authenticators: BTreeMap<String, Option<AuthKind>>,
    pub storages: BTreeMap<String, FileStorage>,
    /// All that are configured, and of them those of types that are not here.
    pub defined: BTreeSet<String>,
    pub unknown: BTreeSet<String>,
    /// Those of type `memory_limiter`.
    pub limiters: BTreeSet<String>,
    /// Those in `service.extensions`.
    pub listed: BTreeSet<String>,
}

impl Extensions {
    fn is_unknown(&self, id: &str) -> bool {
        self.unknown.contains(id)
    }
}

/// What all sections of one load share.
#[derive(Default)]
pub(super) struct Context {
    pub gates: Gates,
    pub skip_unavailable: bool,
    /// The extensions, which are read before what names them.
    pub extensions: RefCell<Extensions>,
    /// Whether a pipeline or `service.extensions` names the component that is being read.
    pub wanted: Cell<bool>,
    pub found: RefCell<Vec<Diagnostic>>,
    pub keys: RefCell<BTreeMap<String, Key>>,
}

impl Context {
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if found.len() < FOUND_MAX {
            found.push(diagnostic);
        }
    }

    fn register(&self, schema: String, kind: KeyKind, given: bool) {
        let mut keys = self.keys.borrow_mut();
        let key = keys.entry(schema).or_insert(Key { kind, given });
        key.given |= given;
    }
}
