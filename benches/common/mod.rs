//! What the benches of whole processes share: the load, the counting backends, the processes between them.

#![allow(dead_code)] // each bench uses its part

pub mod client;
pub mod dense;
pub mod generator;
pub mod histogram;
pub mod ids;
pub mod payload;
pub mod peer;
pub mod process;
pub mod scan;
pub mod shape;
pub mod sink;
pub mod sink_process;
pub mod text;
