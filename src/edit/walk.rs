//! The walk over a request that asks an editor about each resource, scope, item and data point.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::message::Message;
use super::splice::{Opened, Splices};
use super::value::write_field;
use crate::origin::Origin;
use crate::outcome::Signal;
use crate::split::count_item;
use crate::wire::{Field, Fields, Malformed, otlp, read_varint, write_varint};

/// Changes the parts of a request. Each is asked about after those around it.
pub trait Editor: Send {
    /// Whether it looks at what is inside resources; if not, only `resource` is called.
    fn looks_inside(&self) -> bool {
        true
    }

    /// Whether it looks at the data points of metrics.
    fn looks_at_points(&self) -> bool {
        false
    }

    /// A request begins.
    fn begin(&mut self, _around: &Around<'_>) {}

    /// A resource entry begins. The message may still be changed by later calls, through [`Parents`].
    fn resource(&mut self, _resource: &mut Message<'_>) -> Result<Fate, Failure> {
        Ok(Fate::Keep)
    }

    /// A scope entry of that resource begins.
    fn scope(&mut self, _scope: &mut Message<'_>, _resource: &mut Message<'_>) -> Result<Fate, Failure> {
        Ok(Fate::Keep)
    }

    /// A span, log record or metric.
    fn item(&mut self, _item: &mut Message<'_>, _parents: &mut Parents<'_, '_, '_>) -> Result<Fate, Failure> {
        Ok(Fate::Keep)
    }

    /// Whether it changes metrics when it is asked about their data points.
    fn edits_metrics_of_points(&self) -> bool {
        false
    }

    /// A data point of that metric. `kind` is the metric's field that holds it.
    fn point(
        &mut self,
        _point: &mut Message<'_>,
        _metric: &mut Message<'_>,
        _kind: u32,
        _parents: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        Ok(Fate::Keep)
    }

    /// What a sampler has decided since this was last asked, and with what.
    fn take_counts(&mut self) -> Option<super::Counts> {
        None
    }

    /// What went wrong since this was last asked without failing the request: the first error, and how many.
    fn take_errors(&mut self) -> Option<(String, u64)> {
        None
    }
}

/// What is around a request.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// What it carries.
    pub signal: Signal,
    /// Who sent it, if that is known.
    pub origin: Option<&'a Arc<Origin>>,
    /// The time.
    pub now_unix_nanos: u64,
    /// Random bits.
    pub random: fn() -> u128,
}

/// Why a request cannot be edited; it then goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It is not OTLP.
    #[error("the request cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// A statement failed whose error mode is `propagate`.
    #[error("{0}")]
    Statement(String),
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, changed or not.
    Keep,
    /// It is left out.
    Drop,
}

/// The messages around an item; an editor may change them still.
#[derive(Debug)]
pub struct Parents<'p, 'a, 'b> {
    /// The resource, empty when the request has none.
    pub resource: &'p mut Message<'a>,
    /// The instrumentation scope, likewise.
    pub scope: &'p mut Message<'b>,
    /// Metrics that were made of those of the scope, and follow them.
    pub made: &'p mut Vec<Vec<u8>>,
}

/// A request after its edit.
#[derive(Debug)]
pub struct Edited {
    /// The body; the same buffer when nothing changed.
    pub body: Bytes,
    /// Items that were left out: spans, log records, data points.
    pub dropped: u64,
}

/// Edits requests; its memory is reused from one to the next.
#[derive(Debug, Default)]
pub struct Walker {
    pub(super) splices: Splices,
    pub(super) inner: Splices,       // of one metric
    pub(super) memory: [Vec<u8>; 4], // of resource, scope, item, point
    dropped: u64,
}

impl Walker {
    /// Runs `editor` over an export request. What fails, fails whole.
    pub fn edit(
        &mut self,
        body: &Bytes,
        around: &Around<'_>,
        editor: &mut dyn Editor,
    ) -> Result<Edited, Failure> {
        self.splices.clear();
        self.dropped = 0;
        editor.begin(around);
        let signal = around.signal;
        let mut walk = Walk { signal, body, editor, of: self };
        for field in Fields::new(body) {
            let field = field?;
            if field.number == otlp::REQUEST_RESOURCES {
                walk.resource(&field)?;
            }
        }
        let body = if self.splices.is_empty() { body.clone() } else { self.splices.apply(body).into() };
        Ok(Edited { body, dropped: self.dropped })
    }
}

/// One request.
pub(super) struct Walk<'w> {
    signal: Signal,
    body: &'w [u8],
    pub(super) editor: &'w mut dyn Editor,
    pub(super) of: &'w mut Walker,
}

/// The fields that describe an entry; more than one only from odd senders, whose later parts are merged into the first.
type Parts = SmallVec<[Range<usize>; 1]>;

/// What is left of an entry.
#[derive(Clone, Copy, Default)]
pub(super) struct Left {
    kept: bool,
    dropped: bool,
}

impl Left {
    pub(super) fn add(&mut self, fate: Fate) {
        self.kept |= fate == Fate::Keep;
        self.dropped |= fate == Fate::Drop;
    }

    /// An entry that became empty by what was dropped goes with it.
    pub(super) fn fate(self) -> Fate {
        if self.dropped && !self.kept { Fate::Drop } else { Fate::Keep }
    }
}

impl Walk<'_> {
    fn resource(&mut self, entry: &Field) -> Result<(), Failure> {
        let body = self.body;
        let range = entry.bytes()?;
        let opened = self.of.splices.open();
        let (mut parts, mut urls) = (Parts::new(), Parts::new());
        let mut scopes = SmallVec::<[Field; 8]>::new();
        let mut has_scopes = false;
        for field in Fields::within(body, range.clone()) {
            let field = field?;
            match field.number {
                otlp::ENTRY_RESOURCE => parts.push(field.bytes().map(|_| field.whole)?),
                otlp::ENTRY_SCHEMA_URL => urls.push(field.bytes().map(|_| field.whole)?),
                otlp::ENTRY_SCOPES | otlp::ENTRY_SCOPES_DEPRECATED => {
                    has_scopes |= field.number == otlp::ENTRY_SCOPES;
                    scopes.push(field);
                }
                _ => {}
            }
        }
        let joined = join(body, &parts)?;
        let mut resource =
            Message::new(&joined, std::mem::take(&mut self.of.memory[0])).beside(last(body, &urls)?);
        if self.editor.resource(&mut resource)? == Fate::Drop {
            for scope in scopes.iter().filter(|scope| !has_scopes || scope.number == otlp::ENTRY_SCOPES) {
                self.count_all(scope.bytes()?)?;
            }
            self.of.memory[0] = resource.into_memory();
            self.end(opened, entry, &range, Fate::Drop);
            return Ok(());
        }
        let mut left = Left::default();
        let looks_inside = self.editor.looks_inside();
        for scope in scopes.iter().filter(|_| looks_inside) {
            // Older scopes beside today's are not counted on arrival, and so not when they are dropped.
            let counted = !has_scopes || scope.number == otlp::ENTRY_SCOPES;
            left.add(self.scope(scope, &mut resource, counted)?);
        }
        self.describe(otlp::ENTRY_RESOURCE, [&parts, &urls], range.start, &resource);
        self.of.memory[0] = resource.into_memory();
        self.end(opened, entry, &range, left.fate());
        Ok(())
    }

    fn scope(&mut self, entry: &Field, resource: &mut Message<'_>, counted: bool) -> Result<Fate, Failure> {
        let body = self.body;
        let range = entry.bytes()?;
        let opened = self.of.splices.open();
        let (mut parts, mut urls) = (Parts::new(), Parts::new());
        for field in Fields::within(body, range.clone()) {
            let field = field?;
            match field.number {
                otlp::SCOPE_SCOPE => parts.push(field.bytes().map(|_| field.whole)?),
                otlp::ENTRY_SCHEMA_URL => urls.push(field.bytes().map(|_| field.whole)?),
                _ => {}
            }
        }
        let joined = join(body, &parts)?;
        let mut scope =
            Message::new(&joined, std::mem::take(&mut self.of.memory[1])).beside(last(body, &urls)?);
        if self.editor.scope(&mut scope, resource)? == Fate::Drop {
            if counted {
                self.count_all(range.clone())?;
            }
            self.of.memory[1] = scope.into_memory();
            self.end(opened, entry, &range, Fate::Drop);
            return Ok(Fate::Drop);
        }
        let mut left = Left::default();
        let mut made = Vec::new();
        for field in Fields::within(body, range.clone()) {
            let field = field?;
            if field.number == otlp::SCOPE_ITEMS {
                let mut parents = Parents { resource, scope: &mut scope, made: &mut made };
                left.add(self.item(&field, &mut parents, counted)?);
            }
        }
        if !made.is_empty() {
            self.made(made, range.end, resource, &mut scope, &mut left)?;
        }
        self.describe(otlp::SCOPE_SCOPE, [&parts, &urls], range.start, &scope);
        self.of.memory[1] = scope.into_memory();
        let fate = left.fate();
        self.end(opened, entry, &range, fate);
        Ok(fate)
    }

    /// Every item of a scope entry is dropped.
    fn count_all(&mut self, scope: Range<usize>) -> Result<(), Failure> {
        for field in Fields::within(self.body, scope) {
            let field = field?;
            if field.number == otlp::SCOPE_ITEMS {
                self.of.dropped += count_item(self.signal, &self.body[field.bytes()?]);
            }
        }
        Ok(())
    }

    /// Asks about an item and what is in it.
    #[inline]
    pub(super) fn look(
        &mut self,
        item: &mut Message<'_>,
        parents: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        let fate = self.editor.item(item, parents)?;
        if fate == Fate::Keep && self.signal == Signal::Metrics && self.editor.looks_at_points() {
            return self.points(item, parents);
        }
        Ok(fate)
    }

    #[inline]
    fn item(
        &mut self,
        entry: &Field,
        parents: &mut Parents<'_, '_, '_>,
        counted: bool,
    ) -> Result<Fate, Failure> {
        let range = entry.bytes()?;
        let original = &self.body[range.clone()];
        let mut item = Message::new(original, std::mem::take(&mut self.of.memory[2]));
        let fate = self.look(&mut item, parents)?;
        if fate == Fate::Drop {
            let opened = self.of.splices.open();
            self.of.splices.remove(opened, entry.whole.clone());
        } else if item.is_edited() {
            let length = length_of(self.body, entry, &range);
            self.of.splices.put(length.start..range.end, |out| write_bytes(out, item.bytes()));
        }
        if counted && (fate == Fate::Drop || (item.is_edited() && self.signal == Signal::Metrics)) {
            let left = if fate == Fate::Drop { 0 } else { count_item(self.signal, item.bytes()) };
            self.of.dropped += count_item(self.signal, original).saturating_sub(left);
        }
        self.of.memory[2] = item.into_memory();
        Ok(fate)
    }

    /// A resource or scope was looked at: if it was edited, it is one field now, in place of the first of its parts.
    fn describe(&mut self, number: u32, places: [&Parts; 2], entry_start: usize, message: &Message<'_>) {
        let edited = message.is_edited().then(|| message.bytes());
        let fields = [(number, edited), (otlp::ENTRY_SCHEMA_URL, message.new_schema_url())];
        for ((number, bytes), parts) in fields.into_iter().zip(places) {
            let Some(bytes) = bytes else { continue };
            let place = parts.first().cloned().unwrap_or(entry_start..entry_start);
            self.of.splices.put(place, |out| write_field(number, bytes, out));
            for part in parts.iter().skip(1) {
                self.of.splices.put(part.clone(), |_| {});
            }
        }
    }

    fn end(&mut self, opened: Opened, entry: &Field, range: &Range<usize>, fate: Fate) {
        match fate {
            Fate::Keep => self.of.splices.close(opened, length_of(self.body, entry, range), range.len()),
            Fate::Drop => self.of.splices.remove(opened, entry.whole.clone()),
        }
    }
}

/// The message that came in these fields.
fn join<'a>(body: &'a [u8], parts: &Parts) -> Result<Cow<'a, [u8]>, Malformed> {
    let mut joined = Cow::Borrowed(&body[0..0]);
    for part in parts {
        for field in Fields::within(body, part.clone()) {
            let bytes = &body[field?.bytes()?];
            if joined.is_empty() {
                joined = Cow::Borrowed(bytes);
            } else {
                joined.to_mut().extend_from_slice(bytes); // which is how protobuf merges messages
            }
        }
    }
    Ok(joined)
}

/// The payload of the last of these fields.
fn last<'a>(body: &'a [u8], parts: &Parts) -> Result<&'a [u8], Malformed> {
    let mut found = &body[0..0];
    for part in parts {
        for field in Fields::within(body, part.clone()) {
            found = &body[field?.bytes()?];
        }
    }
    Ok(found)
}

/// Where the length of a field with `payload` stands.
pub(super) fn length_of(body: &[u8], field: &Field, payload: &Range<usize>) -> Range<usize> {
    let tag_end = read_varint(body, field.whole.start).map_or(field.whole.start, |(_, end)| end);
    tag_end..payload.start
}

pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
