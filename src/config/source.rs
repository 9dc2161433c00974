//! Where configuration text comes from: files, directories, texts, variables, `--set`; merged into one tree.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::diagnostic::{Diagnostic, Severity};
use super::expand::is_variable;
use super::parse::parse;
use super::tree::{Entry, Mark, Node, Value, merge};

/// Largest file.
pub(super) const FILE_BYTES_MAX: usize = 8 << 20;
/// Most levels that one key can nest.
const NESTED_MAX: usize = 50;
/// Most such keys in one map.
const FOLDED_MAX: usize = 1000;
/// Used when no `--config` is given.
const DEFAULT: &str = include_str!("../../config/default.yaml");

/// Reads and merges every source, later over earlier, `--set` last. Returns the tree and the files it came from.
pub(super) fn read(
    sources: &[String],
    sets: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    found: &mut Vec<Diagnostic>,
) -> (Node, Vec<PathBuf>) {
    let mut reader = Reader { env, found, files: Vec::new(), trees: Vec::new() };
    if sources.is_empty() {
        reader.text(DEFAULT, "embedded default.yaml");
    }
    for source in sources {
        reader.source(source);
    }
    for set in sets {
        reader.set(set);
    }
    let Reader { files, trees, .. } = reader;
    let mut trees = trees.into_iter();
    let mut root =
        trees.next().unwrap_or_else(|| Node::map(Mark::start_of(&"configuration".into()), Vec::new()));
    trees.for_each(|tree| merge(&mut root, tree));
    (root, files)
}

struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    found: &'a mut Vec<Diagnostic>,
    files: Vec<PathBuf>,
    trees: Vec<Node>,
}

impl Reader<'_> {
    fn source(&mut self, source: &str) {
        match source.split_once(':') {
            Some(("file", path)) => self.path(Path::new(path)),
            Some(("yaml", text)) => self.text(text, &format!("yaml:{}", shortened(text))),
            Some(("env", name)) => self.variable(name),
            Some(("http" | "https", _)) => self.fail(
                format!("configuration over http is not available: {source}"),
                "download it to a file and pass --config PATH",
            ),
            Some((scheme, _)) if is_scheme(scheme) && !Path::new(source).exists() => self.fail(
                format!("unsupported scheme on URI {source:?}"),
                "pass a path, file:PATH, yaml:TEXT or env:NAME",
            ),
            _ => self.path(Path::new(source)),
        }
    }

    fn fail(&mut self, message: String, help: &str) {
        self.found.push(Diagnostic::global(message, Some(help.to_owned())));
    }

    fn path(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.file(path);
        }
        let mut inside: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => return self.unreadable(path, &error.to_string()),
        };
        inside.retain(|file| file.extension().is_some_and(|e| e == "yaml" || e == "yml") && file.is_file());
        inside.sort();
        if inside.is_empty() {
            self.fail(
                format!("the directory {} holds no .yaml or .yml file", path.display()),
                "pass a directory with configuration files, or a file",
            );
        }
        inside.iter().for_each(|file| self.file(file));
    }

    fn file(&mut self, path: &Path) {
        self.files.push(path.to_path_buf());
        match read_file(path) {
            Ok(text) => self.text(&text, &path.display().to_string()),
            Err(reason) => self.unreadable(path, &reason),
        }
    }

    fn unreadable(&mut self, path: &Path, reason: &str) {
        let mut diagnostic = Diagnostic::global(
            format!("unable to read the file {}: {reason}", path.display()),
            Some("check the path and the permissions".into()),
        );
        diagnostic.file = path.display().to_string();
        self.found.push(diagnostic);
    }

    fn variable(&mut self, name: &str) {
        if !is_variable(name) {
            return self.fail(
                format!("environment variable {name:?} has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"),
                "env: takes the name of a variable that holds YAML",
            );
        }
        match (self.env)(name) {
            Some(text) => self.text(&text, &format!("env:{name}")),
            None => self.fail(
                format!("environment variable {name:?} is not set"),
                "set it to the configuration's YAML text",
            ),
        }
    }

    /// `--set a.b.c=value`: the same as `yaml:a::b::c: value`.
    fn set(&mut self, set: &str) {
        let Some((key, value)) = set.split_once('=') else {
            return self.fail(
                format!("invalid argument {set:?} for \"--set\" flag: missing equal sign"),
                "write --set exporters.debug.verbosity=detailed",
            );
        };
        let text = format!("{}: {value}", key.trim().replace('.', "::"));
        self.text(&text, &format!("--set {}", shortened(key)));
    }

    fn text(&mut self, text: &str, name: &str) {
        if text.len() > FILE_BYTES_MAX {
            return self.fail(format!("{name} is larger than 8 MiB"), "split it, or is it the wrong file?");
        }
        let source: Rc<str> = name.into();
        let before = self.found.len();
        match parse(text, &source) {
            Ok(None) => self.trees.push(Node::map(Mark::start_of(&source), Vec::new())),
            Ok(Some(Node { value: Value::Map(entries), mark, .. })) => {
                let mut root = Node::map(mark, entries);
                unfold(&mut root);
                self.trees.push(root);
            }
            Ok(Some(node)) if node.is_null() => self.trees.push(Node::map(node.mark, Vec::new())),
            Ok(Some(node)) => {
                let kind = node.typed().name();
                let help = "the top level is a map with receivers, exporters and service".to_owned();
                let message = format!("a {kind} cannot be used as a configuration");
                self.found.push(node.mark.error("", message, Some(help)));
            }
            Err(errors) => self.found.extend(errors),
        }
        debug_assert!(self.found[before..].iter().all(|d| d.severity == Severity::Error));
    }
}

/// `a::b: c` nests, at every level. A map with more such keys than anyone writes keeps the rest as they are.
fn unfold(node: &mut Node) {
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::List(items) => items.iter_mut().for_each(unfold),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| unfold(&mut entry.value));
            let folded = entries.extract_if(.., |entry| entry.key.contains("::")).take(FOLDED_MAX);
            let mut over = Node::map(node.mark.clone(), Vec::new());
            for entry in folded.collect::<Vec<_>>() {
                merge(&mut over, Node::map(node.mark.clone(), vec![nested(entry, 0)]));
            }
            merge(node, over);
        }
    }
}

/// One key with `::` in it, unfolded; deeper than any key of ours it stays as it is.
fn nested(entry: Entry, depth: usize) -> Entry {
    let Some((first, rest)) = entry.key.split_once("::").filter(|_| depth < NESTED_MAX) else { return entry };
    let inner = Entry { key: rest.to_owned(), mark: entry.mark.clone(), value: entry.value };
    let inner = nested(inner, depth + 1);
    Entry { key: first.to_owned(), mark: entry.mark.clone(), value: Node::map(entry.mark, vec![inner]) }
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
}

/// The first word of a text, to name a source by; values, which may be secrets, come later.
fn shortened(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    let head: String = word.chars().take(60).collect();
    if head.len() < text.trim().len() { format!("{head}…") } else { head }
}

/// Reads a text file of bounded size. The error is a reason without the path.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() > FILE_BYTES_MAX {
        return Err("larger than 8 MiB".into());
    }
    String::from_utf8(text).map_err(|_| "not UTF-8 text".into())
}
