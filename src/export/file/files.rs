//! The open files of an exporter, and what becomes of them under another configuration.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::config::File;
use super::output::Output;

/// Open files, the one used last at the end.
pub(super) struct Files {
    pub(super) config: File,
    open: Vec<(String, Output)>,
    /// Hashes of paths that were opened before: they are continued, not emptied again.
    known: HashSet<u64>,
}

impl Files {
    pub(super) fn new(config: File) -> Self {
        Self { config, open: Vec::new(), known: HashSet::new() }
    }

    pub(super) fn append(&mut self, path: &str, record: &[u8]) -> io::Result<()> {
        self.of(path)?.write(record)
    }

    pub(super) fn of(&mut self, path: &str) -> io::Result<&mut Output> {
        if let Some(at) = self.open.iter().position(|(known, _)| known == path) {
            let used = self.open.remove(at);
            self.open.push(used);
        } else {
            let one = self.open(path)?;
            if self.open.len() >= self.most() {
                self.open.remove(0);
            }
            self.open.push((path.to_owned(), one));
        }
        match self.open.last_mut() {
            Some((_, output)) => Ok(output),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn open(&mut self, path: &str) -> io::Result<Output> {
        create_folder(path, &self.config)?;
        let mut output = Output::look(Path::new(path))?;
        self.begin(path, &mut output)?;
        Ok(output)
    }

    /// Empties a file where that is asked for, and it is the first time.
    fn begin(&mut self, path: &str, output: &mut Output) -> io::Result<()> {
        let hash = xxhash_rust::xxh3::xxh3_64(path.as_bytes());
        let first = !self.known.contains(&hash) && self.known.len() < KNOWN_MAX;
        output.begin(self.config.append || !first, self.config.rotation)?;
        self.known.extend(first.then_some(hash));
        Ok(())
    }

    /// Puts another configuration in force. Files that it has too are continued.
    pub(super) fn change(&mut self, next: Next) {
        let Next { config, opened } = next;
        if config.path != self.config.path {
            self.open.clear();
        }
        self.config = config;
        let most = self.most();
        self.open.drain(..self.open.len().saturating_sub(most));
        for (_, output) in &mut self.open {
            output.set_rotation(self.config.rotation);
        }
        if let Some(mut output) = opened {
            let path = self.config.path.clone();
            if let Err(error) = self.begin(&path, &mut output) {
                tracing::warn!(path, %error, "the file cannot be emptied; it is continued");
            }
            self.open = vec![(path, output)];
        }
    }

    fn most(&self) -> usize {
        self.config.group_by.as_ref().map_or(1, |group_by| group_by.max_open_files)
    }
}

/// Another configuration, with the file opened that it begins with.
pub(super) struct Next {
    config: File,
    opened: Option<Output>, // as it is
}

impl Next {
    /// Opens what `config` has and `current` has not. Nothing is emptied.
    pub(super) fn prepare(config: File, current: &File) -> io::Result<Self> {
        let is_open = config.path == current.path && current.group_by.is_none();
        let opened = if is_open || config.group_by.is_some() {
            None
        } else {
            create_folder(&config.path, &config)?;
            Some(Output::look(Path::new(&config.path))?)
        };
        Ok(Self { config, opened })
    }
}

fn create_folder(path: &str, config: &File) -> io::Result<()> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if config.create_directory || config.group_by.is_some() => {
            DirBuilder::new().recursive(true).mode(config.directory_permissions).create(folder)
        }
        _ => Ok(()),
    }
}

/// Paths remembered; beyond, files that are there are continued.
const KNOWN_MAX: usize = 100_000;
