//! Slices back into one request: equal resources and scopes are written once, runs are copied once.

use std::borrow::Borrow;

use super::slice::{Fragments, Slice};
use crate::wire::{otlp, varint_len, write_varint};

/// Encodes the items of all slices, which must be of one signal, as one export request.
///
/// Slices that are whole requests and travel alone or with their like are copied as they came; concatenated export
/// requests are one export request. Otherwise entries are ordered by the hash of their descriptions, so that the same
/// resource coming from many requests is written once.
pub fn gather<S: Borrow<Slice>>(slices: &[S]) -> Vec<u8> {
    let mut out = Vec::new();
    gather_into(slices, &mut out);
    out
}

/// Like [`gather`], appending to `out`.
pub fn gather_into<S: Borrow<Slice>>(slices: &[S], out: &mut Vec<u8>) {
    let slices = &Slices(slices);
    if slices.iter().all(|slice| slice.whole) {
        out.reserve(slices.iter().map(|slice| slice.source.body.len()).sum::<usize>());
        for slice in slices.iter() {
            out.extend_from_slice(&slice.source.body);
        }
        return;
    }
    let mut pieces = pieces(slices);
    pieces.sort_unstable_by_key(|piece| (piece.resource_key, piece.scope_key, piece.slice, piece.scope));
    let plan = Plan::new(slices, &pieces);
    out.reserve(plan.len);
    plan.write(slices, &pieces, out);
}

/// Slices, however their owner keeps them.
struct Slices<'a, S>(&'a [S]);

impl<'a, S: Borrow<Slice>> Slices<'a, S> {
    fn iter(&self) -> impl Iterator<Item = &'a Slice> {
        self.0.iter().map(S::borrow)
    }

    fn at(&self, index: u32) -> &'a Slice {
        self.0[index as usize].borrow()
    }
}

/// The runs of one slice in one scope entry.
struct Piece {
    resource_key: u64,
    scope_key: u64,
    slice: u32,
    scope: u32,
    runs: (u32, u32), // first and behind the last
    bytes: usize,
}

fn pieces<S: Borrow<Slice>>(slices: &Slices<'_, S>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::with_capacity(slices.0.len() * 2);
    for (index, slice) in slices.iter().enumerate() {
        let first = pieces.len();
        for (at, run) in slice.runs.iter().enumerate() {
            let bytes = (run.end - run.start) as usize;
            if let Some(last) = pieces[first..].last_mut().filter(|piece| piece.scope == run.scope) {
                last.runs.1 = at as u32 + 1;
                last.bytes += bytes;
                continue;
            }
            let scope = &slice.source.scopes[run.scope as usize];
            pieces.push(Piece {
                resource_key: slice.source.resources[scope.resource as usize].key,
                scope_key: scope.fields.key,
                slice: index as u32,
                scope: run.scope,
                runs: (at as u32, at as u32 + 1),
                bytes,
            });
        }
    }
    pieces
}

/// How the sorted pieces form entries, and how long each is.
struct Plan {
    resources: Vec<Entry>,
    scopes: Vec<Entry>,
    len: usize,
}

/// A resource entry over scope entries, or a scope entry over pieces.
struct Entry {
    first: usize, // index of its first part
    end: usize,   // behind its last part
    piece: usize, // a piece whose source holds the description
    len: usize,   // of the message, without tag and length
}

impl Plan {
    fn new<S: Borrow<Slice>>(slices: &Slices<'_, S>, pieces: &[Piece]) -> Self {
        let mut plan = Self { resources: Vec::new(), scopes: Vec::with_capacity(pieces.len()), len: 0 };
        for (index, piece) in pieces.iter().enumerate() {
            let previous = index.checked_sub(1).map(|at| &pieces[at]);
            let same_resource =
                previous.is_some_and(|p| same(resource_of(slices, p), resource_of(slices, piece)));
            let same_scope =
                same_resource && previous.is_some_and(|p| same(scope_of(slices, p), scope_of(slices, piece)));
            if !same_resource {
                let len = resource_of(slices, piece).0.len;
                let first = plan.scopes.len();
                plan.resources.push(Entry { first, end: first, piece: index, len });
            }
            if !same_scope {
                let len = scope_of(slices, piece).0.len;
                plan.scopes.push(Entry { first: index, end: index, piece: index, len });
            }
            if let Some(scope) = plan.scopes.last_mut() {
                scope.end = index + 1;
                scope.len += piece.bytes;
            }
            if let Some(resource) = plan.resources.last_mut() {
                resource.end = plan.scopes.len();
            }
        }
        for resource in &mut plan.resources {
            let scopes = &plan.scopes[resource.first..resource.end];
            resource.len += scopes.iter().map(|scope| nested_len(scope.len)).sum::<usize>();
            plan.len += nested_len(resource.len);
        }
        plan
    }

    fn write<S: Borrow<Slice>>(&self, slices: &Slices<'_, S>, pieces: &[Piece], out: &mut Vec<u8>) {
        for resource in &self.resources {
            open_nested(otlp::REQUEST_RESOURCES, resource.len, out);
            copy_fragments(resource_of(slices, &pieces[resource.piece]), out);
            for scope in &self.scopes[resource.first..resource.end] {
                open_nested(otlp::ENTRY_SCOPES, scope.len, out);
                copy_fragments(scope_of(slices, &pieces[scope.piece]), out);
                for piece in &pieces[scope.first..scope.end] {
                    let slice = slices.at(piece.slice);
                    for &run in &slice.runs[piece.runs.0 as usize..piece.runs.1 as usize] {
                        out.extend_from_slice(slice.source.run(run));
                    }
                }
            }
        }
    }
}

type Described<'a> = (&'a Fragments, &'a [u8]);

fn resource_of<'a, S: Borrow<Slice>>(slices: &Slices<'a, S>, piece: &Piece) -> Described<'a> {
    let source = &slices.at(piece.slice).source;
    let scope = &source.scopes[piece.scope as usize];
    (&source.resources[scope.resource as usize], &source.body)
}

fn scope_of<'a, S: Borrow<Slice>>(slices: &Slices<'a, S>, piece: &Piece) -> Described<'a> {
    let source = &slices.at(piece.slice).source;
    (&source.scopes[piece.scope as usize].fields, &source.body)
}

fn same((a, a_body): Described<'_>, (b, b_body): Described<'_>) -> bool {
    a.same(a_body, b, b_body)
}

/// Tag, length and message; the tags here are one byte long.
fn nested_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

fn open_nested(number: u32, len: usize, out: &mut Vec<u8>) {
    out.push((number << 3 | 2) as u8);
    write_varint(out, len as u64);
}

fn copy_fragments((fields, body): Described<'_>, out: &mut Vec<u8>) {
    for part in fields.parts(body) {
        out.extend_from_slice(part);
    }
}
