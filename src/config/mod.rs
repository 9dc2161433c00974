//! From YAML to typed settings.
//!
//! Owns: nothing that lives longer than one load.
//! Takes: files, directories, `yaml:` texts, `--set` pairs, the environment.
//! Gives: typed settings and warnings, or every error with file, line and column.
//! Bounds: 8 MiB a file, 200,000 values, 1000 expansions, nesting of 100.
//! Loses: nothing; an invalid configuration changes nothing.

mod catalog;
mod decode;
mod diagnostic;
mod duration;
mod expand;
mod gates;
mod parse;
mod print;
mod settings;
mod source;
mod tree;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

pub use catalog::components;
pub use decode::{Key, KeyKind};
pub use diagnostic::{Diagnostic, Errors, Severity};
pub use gates::Gates;
pub use print::{Format, Mode};
pub use settings::{
    ComponentId, Exporter, FileStorage, Front, HealthCheck, HealthForm, HealthListener, Pipeline, Processor,
    PushReader, PushTarget, Settings, TailSampling,
};

use decode::Context;
use print::Printed;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub settings: Settings,
    /// What is not as it looks, in the order it was found.
    pub warnings: Vec<Diagnostic>,
    /// Every file that was read, those of `${file:…}` too: what to watch.
    pub files: Vec<PathBuf>,
    /// Every key the decoder asked for, by `section.type.key`, and whether it was given.
    pub keys: BTreeMap<String, Key>,
    printed: Printed,
}

impl Loaded {
    /// The merged and defaulted configuration.
    pub fn print(&self, mode: Mode, format: Format) -> String {
        self.printed.render(mode, format)
    }
}

/// How a configuration is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Feature gates of the Collector that are on.
    pub gates: Gates,
    /// Components that exist in the Collector but not here are left out with a warning, instead of being errors.
    pub skip_unavailable: bool,
}

/// Reads, merges, expands, decodes and checks a configuration. Without sources the embedded default is used.
///
/// `sources` are `--config` values (a path, `file:PATH`, a directory, `yaml:TEXT`, `env:NAME`), `sets` are `a.b=value`.
pub fn load(
    sources: &[String],
    sets: &[String],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Errors> {
    load_with(sources, sets, Options::default(), env)
}

/// [`load`] with options.
pub fn load_with(
    sources: &[String],
    sets: &[String],
    options: Options,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Errors> {
    let (loaded, errors) = read(sources, sets, options, env)?;
    if errors.0.is_empty() {
        return Ok(loaded);
    }
    Err(errors)
}

/// What [`Loaded::print`] gives, of a configuration that need not be valid, only readable.
pub fn print_unchecked(
    sources: &[String],
    sets: &[String],
    options: Options,
    env: &dyn Fn(&str) -> Option<String>,
    mode: Mode,
    format: Format,
) -> Result<String, Errors> {
    read(sources, sets, options, env).map(|(loaded, _)| loaded.print(mode, format))
}

/// The configuration as far as it can be understood, and what is wrong with it. Fails when a source cannot be read:
/// what is missing would only cause further errors.
fn read(
    sources: &[String],
    sets: &[String],
    options: Options,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Loaded, Errors), Errors> {
    let mut found = Vec::new();
    let (mut root, mut files) = source::read(sources, sets, env, &mut found);
    if !found.is_empty() {
        return Err(Errors(found));
    }
    files.extend(expand::expand(&mut root, env, &mut found));
    let failed: Vec<Diagnostic> = found.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    let unset: Vec<Diagnostic> = found.iter().filter(|d| d.severity == Severity::Warning).cloned().collect();
    let Options { gates, skip_unavailable } = options;
    let context = Context { gates, skip_unavailable, ..Context::default() };
    let (settings, printed) = decode::decode(&root, &context);
    for mut diagnostic in context.found.take() {
        // Warnings are not shown beside errors, but here one is the reason of the other.
        if let Some(reason) = unset.iter().find(|known| known.path == diagnostic.path) {
            diagnostic.help = Some(reason.message.clone());
        }
        // A reference that failed left null behind: what decoding says of that key is only a consequence.
        let caused = failed.iter().any(|known| {
            let key = known.path.split('[').next().unwrap_or_default();
            diagnostic.path.starts_with(key)
        });
        if !caused {
            found.push(diagnostic);
        }
    }
    let (errors, warnings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
    let loaded = Loaded { settings, warnings: in_order(warnings), files, keys: context.keys.take(), printed };
    Ok((loaded, Errors(in_order(errors))))
}

/// By file, as first met, and by place in it; the same finding once.
fn in_order(mut errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut names: Vec<String> = Vec::new();
    for error in &errors {
        if !names.contains(&error.file) {
            names.push(error.file.clone());
        }
    }
    let rank = |file: &str| names.iter().position(|name| name == file);
    errors.sort_by_key(|error| (rank(&error.file), error.line, error.column));
    let mut seen = HashSet::new();
    errors.retain(|error| seen.insert((error.file.clone(), error.line, error.column, error.message.clone())));
    errors
}
