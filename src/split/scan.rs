//! The walk that finds where every item starts and ends, and asks whose it is.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::count::count_points;
use super::slice::{Fragments, Run, ScopeHead, Slice, Source};
use crate::outcome::Signal;
use crate::wire::{Fields, Malformed, otlp};

/// Names the owner of each item. `resource` and `scope` are called before the items they describe.
pub trait Chooser {
    /// Whether `resource` and `scope` look at what they are given; walking scopes twice is saved otherwise.
    const READS_HEADS: bool = false;

    /// A resource entry begins.
    fn resource(&mut self, _fields: &Fragments, _body: &[u8]) {}

    /// A scope entry of that resource begins.
    fn scope(&mut self, _fields: &Fragments, _body: &[u8]) {}

    /// An encoded span, log record or metric.
    fn item(&mut self, item: &[u8]) -> Choice;
}

/// A chooser's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The index of the owner.
    Owner(u16),
    /// Nobody's: counted, and left out of every slice.
    Reject,
}

/// A request, divided.
#[derive(Debug)]
pub struct Split {
    /// One slice per owner, in the order the owners were first seen.
    pub slices: Vec<(u16, Slice)>,
    /// Items in the request: spans, log records, metric data points.
    pub items: u64,
    /// Items the chooser rejected.
    pub rejected: u64,
}

/// Divides requests; keep one per thread, its memory is reused.
#[derive(Debug, Default)]
pub struct Splitter {
    slot_of_owner: Vec<u32>, // index + 1 into `open`; zero for owners not seen in this request
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    owner: u16,
    runs: SmallVec<[Run; 2]>,
    items: u32,
    bytes: usize,
}

/// What a walk has gathered so far.
struct Walk {
    signal: Signal,
    resources: Vec<Fragments>,
    scopes: Vec<ScopeHead>,
    items: u64,
    rejected: u64,
    left_out: bool, // rejected, perhaps a metric without points, which counts as none
}

impl Splitter {
    /// Divides `body`, an export request of `signal`, by the chooser's answers. Malformed framing refuses the request
    /// whole; the insides of items are not looked at beyond what the chooser reads.
    pub fn split<C: Chooser>(
        &mut self,
        signal: Signal,
        body: Bytes,
        chooser: &mut C,
    ) -> Result<Split, Malformed> {
        if u32::try_from(body.len()).is_err() {
            return Err(Malformed { at: 0, what: "a request of 4 GiB or more" });
        }
        let (resources, scopes) = (Vec::new(), Vec::new());
        let mut walk = Walk { signal, resources, scopes, items: 0, rejected: 0, left_out: false };
        let walked = self.walk(&body, chooser, &mut walk);
        let open = std::mem::take(&mut self.open);
        for slot in &open {
            self.slot_of_owner[usize::from(slot.owner)] = 0;
        }
        walked?;
        let Walk { resources, scopes, items, rejected, left_out, .. } = walk;
        let source = Arc::new(Source { signal, body, resources, scopes });
        let whole = open.len() == 1 && !left_out;
        let slices = open.into_iter().map(|slot| (slot.owner, slot.close(&source, whole))).collect();
        Ok(Split { slices, items, rejected })
    }

    fn walk<C: Chooser>(&mut self, body: &[u8], chooser: &mut C, walk: &mut Walk) -> Result<(), Malformed> {
        for field in Fields::new(body) {
            let field = field?;
            if field.number == otlp::REQUEST_RESOURCES {
                self.walk_resource(body, field.bytes()?, chooser, walk)?;
            }
        }
        Ok(())
    }

    fn walk_resource<C: Chooser>(
        &mut self,
        body: &[u8],
        entry: Range<usize>,
        chooser: &mut C,
        walk: &mut Walk,
    ) -> Result<(), Malformed> {
        let mut fields = Fragments::default();
        let mut scopes = SmallVec::<[Range<usize>; 8]>::new();
        let mut deprecated = SmallVec::<[Range<usize>; 1]>::new();
        for field in Fields::within(body, entry) {
            let field = field?;
            match field.number {
                otlp::ENTRY_SCOPES => scopes.push(field.bytes()?),
                otlp::ENTRY_SCOPES_DEPRECATED => deprecated.push(field.bytes()?),
                _ => fields.push(field.whole),
            }
        }
        fields.seal(body);
        if C::READS_HEADS {
            chooser.resource(&fields, body);
        }
        walk.resources.push(fields);
        if scopes.is_empty() {
            scopes.extend(deprecated); // as the Collector does: only when there are no scopes of today's kind
        }
        for scope in scopes {
            self.walk_scope(body, scope, chooser, walk)?;
        }
        Ok(())
    }

    fn walk_scope<C: Chooser>(
        &mut self,
        body: &[u8],
        entry: Range<usize>,
        chooser: &mut C,
        walk: &mut Walk,
    ) -> Result<(), Malformed> {
        let scope = walk.scopes.len() as u32;
        let mut fields = Fragments::default();
        if C::READS_HEADS {
            for field in Fields::within(body, entry.clone()) {
                let field = field?;
                if field.number != otlp::SCOPE_ITEMS {
                    fields.push(field.whole);
                }
            }
            fields.seal(body);
            chooser.scope(&fields, body);
        }
        for field in Fields::within(body, entry) {
            let field = field?;
            if field.number != otlp::SCOPE_ITEMS {
                if !C::READS_HEADS {
                    fields.push(field.whole);
                }
                continue;
            }
            let item = field.bytes()?;
            let count = match walk.signal {
                Signal::Traces | Signal::Logs => 1,
                Signal::Metrics => count_points(body, item.clone())?,
            };
            walk.items += count;
            match chooser.item(&body[item]) {
                Choice::Owner(owner) => self.take(owner, scope, field.whole, count as u32),
                Choice::Reject => {
                    walk.rejected += count;
                    walk.left_out = true;
                }
            }
        }
        if !C::READS_HEADS {
            fields.seal(body);
        }
        walk.scopes.push(ScopeHead { resource: walk.resources.len() as u32 - 1, fields });
        Ok(())
    }

    #[inline]
    fn take(&mut self, owner: u16, scope: u32, item: Range<usize>, count: u32) {
        let index = usize::from(owner);
        if index >= self.slot_of_owner.len() {
            self.slot_of_owner.resize(index + 1, 0);
        }
        if self.slot_of_owner[index] == 0 {
            self.open.push(Open { owner, runs: SmallVec::new(), items: 0, bytes: 0 });
            self.slot_of_owner[index] = self.open.len() as u32;
        }
        let slot = &mut self.open[self.slot_of_owner[index] as usize - 1];
        slot.items += count;
        slot.bytes += item.len();
        let (start, end) = (item.start as u32, item.end as u32);
        match slot.runs.last_mut() {
            Some(last) if last.end == start && last.scope == scope => last.end = end,
            _ => slot.runs.push(Run { scope, start, end }),
        }
    }
}

impl Open {
    fn close(self, source: &Arc<Source>, whole: bool) -> Slice {
        let mut bytes = self.bytes;
        if whole {
            bytes = source.body.len();
        } else {
            let mut last = None;
            for run in &self.runs {
                if last != Some(run.scope) {
                    last = Some(run.scope);
                    let head = &source.scopes[run.scope as usize];
                    bytes += head.fields.len + source.resources[head.resource as usize].len + LENGTHS_MAX;
                }
            }
        }
        Slice { source: Arc::clone(source), runs: self.runs, items: self.items, bytes, whole }
    }
}

/// Tags and lengths of a resource and a scope entry, at most.
const LENGTHS_MAX: usize = 12;
