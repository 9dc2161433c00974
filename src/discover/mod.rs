//! What the members are, now: static lists, a watched file, DNS.
//!
//! Owns: one task per source; the last good membership.
//! Takes: files, DNS answers.
//! Gives: memberships, one at a time, through a watch channel; why an update was refused.
//! Bounds: one membership; 1 MiB of members file.
//! Loses: nothing; a source that fails leaves the last good membership in force.

mod config;

pub use config::{Config, Dns, MembersFile};
