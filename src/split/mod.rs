//! One request into slices, one per owner, and slices back into one request, without decoding.
//!
//! Owns: scratch memory of one splitter.
//! Takes: encoded export requests of any signal; a chooser that names each item's owner.
//! Gives: slices that share the request's buffer; one encoded request from many slices.
//! Bounds: a request of 4 GiB; memory linear in the items of one request.
//! Loses: nothing; what the chooser rejects is counted. Entries without items carry nothing and are left out.

mod assemble;
mod count;
mod gather;
mod scan;
mod slice;

pub use assemble::Assembler;
pub use count::{count_item, count_items};
pub use gather::{gather, gather_into};
pub use scan::{Choice, Chooser, Split, Splitter};
pub use slice::{Fragments, Run, ScopeHead, Slice, Source};

#[cfg(test)]
mod tests;
