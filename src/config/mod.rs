//! From YAML to typed settings.
//!
//! Owns: nothing that lives longer than one load.
//! Takes: files, directories, `yaml:` texts, `--set` pairs, the environment.
//! Gives: typed settings and warnings, or every error with file, line and column.
//! Bounds: 8 MiB a file, 1000 expansions, nesting of 100.
//! Loses: nothing; an invalid configuration changes nothing.

mod settings;

pub use settings::{ComponentId, Exporter, Pipeline, Settings};
