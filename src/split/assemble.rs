//! A slice put together from pieces that come from elsewhere, such as a journal.

use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;

use super::slice::{Fragments, Run, ScopeHead, Slice, Source};
use crate::outcome::Signal;

/// A request in the making: descriptions first, then the items that they describe.
#[derive(Debug)]
pub struct Assembler {
    signal: Signal,
    body: Vec<u8>,
    resources: Vec<Fragments>,
    scopes: Vec<ScopeHead>,
    runs: SmallVec<[Run; 2]>,
    items: u32,
}

impl Assembler {
    /// Nothing yet.
    pub fn new(signal: Signal) -> Self {
        Self {
            signal,
            body: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            runs: SmallVec::new(),
            items: 0,
        }
    }

    /// Adds a resource entry by its own fields (resource, schema URL, …), encoded; gives its index.
    pub fn resource(&mut self, fields: &[u8]) -> u32 {
        let fields = self.description(fields);
        self.resources.push(fields);
        (self.resources.len() - 1) as u32
    }

    /// Adds a scope entry of a resource by its own fields; gives its index.
    pub fn scope(&mut self, resource: u32, fields: &[u8]) -> u32 {
        let fields = self.description(fields);
        self.scopes.push(ScopeHead { resource, fields });
        (self.scopes.len() - 1) as u32
    }

    /// Adds `count` items of a scope, as encoded fields of the scope entry, tags included.
    pub fn items(&mut self, scope: u32, fields: &[u8], count: u32) {
        let start = self.body.len() as u32;
        self.body.extend_from_slice(fields);
        let end = self.body.len() as u32;
        self.items += count;
        match self.runs.last_mut() {
            Some(last) if last.end == start && last.scope == scope => last.end = end,
            _ => self.runs.push(Run { scope, start, end }),
        }
    }

    /// Bytes so far; stay below 4 GiB.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Items so far.
    pub fn count(&self) -> u32 {
        self.items
    }

    /// The slice; [`super::gather`] writes it as a request in which equal descriptions stand once.
    pub fn finish(self) -> Slice {
        let bytes = self.body.len();
        let source = Source {
            signal: self.signal,
            body: Bytes::from(self.body),
            resources: self.resources,
            scopes: self.scopes,
        };
        Slice { source: Arc::new(source), runs: self.runs, items: self.items, bytes, whole: false }
    }

    fn description(&mut self, fields: &[u8]) -> Fragments {
        let start = self.body.len();
        self.body.extend_from_slice(fields);
        let mut fragments = Fragments::default();
        if !fields.is_empty() {
            fragments.push(start..self.body.len());
        }
        fragments.seal(&self.body);
        fragments
    }
}
