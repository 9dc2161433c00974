//! `${env:NAME}`, `${file:path}`, `${yaml:text}` in values: replaced on the tree, so that places stay true.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::diagnostic::Diagnostic;
use super::source::{FILE_BYTES_MAX, read_file};
use super::tree::{Mark, Node, Value};

/// Most replacements in one configuration: stops references that feed on themselves.
const EXPANSIONS_MAX: usize = 1000;
/// Longest reference, and deepest nesting of references in one another.
const REFERENCE_MAX: usize = 64 << 10;
const DEPTH_MAX: usize = 50;
/// Longest text that replacements may grow to.
const TEXT_MAX: usize = FILE_BYTES_MAX;

/// Replaces every reference in the tree. Returns the files that were read.
pub(super) fn expand(
    root: &mut Node,
    env: &dyn Fn(&str) -> Option<String>,
    found: &mut Vec<Diagnostic>,
) -> Vec<PathBuf> {
    let mut expander = Expander { env, found, files: Vec::new(), count: 0, depth: 0 };
    expander.node(root, "");
    expander.files
}

struct Expander<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    found: &'a mut Vec<Diagnostic>,
    files: Vec<PathBuf>,
    count: usize,
    depth: usize,
}

/// What a reference stands for: the text as it was found, and what it reads as.
struct Replacement {
    original: String,
    node: Node,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{path}[{index}]"));
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let joined = match path {
                        "" => entry.key.clone(),
                        _ => format!("{path}::{}", entry.key),
                    };
                    self.node(&mut entry.value, &joined);
                }
            }
            Value::Scalar { text, .. } if text.contains('$') => {
                let text = std::mem::take(text);
                match self.scalar(&text, &node.mark, path) {
                    Ok(replaced) => {
                        let secret = node.expanded.is_some() || replaced.expanded.is_some();
                        *node = replaced;
                        if secret && node.expanded.is_none() {
                            node.expanded = Some(String::new());
                        }
                    }
                    Err(diagnostic) => {
                        self.found.push(diagnostic);
                        *node = Node::null(node.mark.clone());
                    }
                }
            }
            Value::Scalar { .. } => {}
        }
    }

    /// The value of a text with references in it.
    fn scalar(&mut self, text: &str, mark: &Mark, path: &str) -> Result<Node, Diagnostic> {
        let whole = text.strip_prefix("${").and_then(|rest| {
            closing(rest).filter(|close| close + 1 == rest.len()).map(|close| &rest[..close])
        });
        if let Some(reference) = whole {
            let reference = self.text(reference, mark, path)?.0;
            let replacement = self.resolve(&reference, mark, path)?;
            let mut node = replacement.node;
            if let Value::Scalar { text, .. } = &node.value
                && text.contains('$')
            {
                let text = text.clone();
                let again = self.deeper(mark, path, |inner| inner.scalar(&text, mark, path))?;
                let original = match &again.value {
                    Value::Scalar { text, .. } => again.expanded.clone().unwrap_or_else(|| text.clone()),
                    _ => String::new(),
                };
                return Ok(Node { expanded: Some(original), ..again });
            }
            if !matches!(node.value, Value::Scalar { .. }) {
                self.deeper(mark, path, |inner| {
                    inner.node(&mut node, path);
                    Ok(())
                })?;
            }
            return Ok(Node { expanded: Some(replacement.original), ..node });
        }
        let (joined, replaced) = self.text(text, mark, path)?;
        let mut node = Node::text(mark.clone(), joined.clone());
        node.expanded = replaced.then_some(joined);
        Ok(node)
    }

    /// Replaces the references inside a text, from left to right. Says whether there were any.
    fn text(&mut self, text: &str, mark: &Mark, path: &str) -> Result<(String, bool), Diagnostic> {
        self.deeper(mark, path, |inner| inner.pieces(text, mark, path))
    }

    fn deeper<T>(
        &mut self,
        mark: &Mark,
        path: &str,
        read: impl FnOnce(&mut Self) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        if self.depth > DEPTH_MAX {
            return Err(mark.error(path, "references are nested too deep; does one contain itself?", None));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn pieces(&mut self, text: &str, mark: &Mark, path: &str) -> Result<(String, bool), Diagnostic> {
        let (mut out, mut rest, mut replaced) = (String::new(), text, false);
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let Some((reference, close)) =
                rest.strip_prefix('{').and_then(|inner| closing(inner).map(|close| (&inner[..close], close)))
            else {
                if rest.starts_with('{') {
                    self.count(mark, path)?; // looking for the brace took time
                }
                out.push('$');
                continue;
            };
            rest = &rest[close + 2..];
            let reference = self.text(reference, mark, path)?.0;
            let replacement = self.resolve(&reference, mark, path)?;
            let again = self.text(&replacement.original, mark, path)?.0;
            out.push_str(&again);
            replaced = true;
            if out.len() > TEXT_MAX {
                return Err(mark.error(path, "references make this text longer than 8 MiB", None));
            }
        }
        out.push_str(rest);
        Ok((out, replaced))
    }

    fn count(&mut self, mark: &Mark, path: &str) -> Result<(), Diagnostic> {
        self.count += 1;
        if self.count > EXPANSIONS_MAX {
            let message = format!("more than {EXPANSIONS_MAX} references; does one contain itself?");
            return Err(mark.error(path, message, None));
        }
        Ok(())
    }

    fn resolve(&mut self, reference: &str, mark: &Mark, path: &str) -> Result<Replacement, Diagnostic> {
        self.count(mark, path)?;
        match scheme(reference) {
            None => self.variable(reference, mark, path),
            Some(("env", rest)) => self.variable(rest, mark, path),
            Some(("yaml", rest)) => read_as(rest.to_owned(), mark).map_err(|e| e.into_at(mark, path)),
            Some(("file", rest)) => self.file(rest, mark, path),
            Some(("http" | "https", _)) => {
                let help = "put the content into a file and write ${file:PATH}";
                Err(mark.error(path, "configuration over http is not available", Some(help.into())))
            }
            Some((name, _)) if name.len() == 1 => {
                let help = format!("a default is written ${{env:{name}:-VALUE}}");
                Err(mark.error(path, format!("invalid uri: {reference:?}"), Some(help)))
            }
            Some((name, _)) => {
                let help =
                    format!("schemes are env, file, yaml; a default is written ${{env:{name}:-VALUE}}");
                let message = format!("scheme {name:?} is not supported for uri {reference:?}");
                Err(mark.error(path, message, Some(help)))
            }
        }
    }

    fn variable(&mut self, reference: &str, mark: &Mark, path: &str) -> Result<Replacement, Diagnostic> {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_variable(name) {
            let message = format!(
                "environment variable {name:?} has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"
            );
            let help = match name.bytes().all(|b| b.is_ascii_digit()) {
                true => format!("for the text itself, write $${{{name}}}"),
                false => "a default is written ${env:NAME:-VALUE}".to_owned(),
            };
            return Err(mark.error(path, message, Some(help)));
        }
        match ((self.env)(name), default) {
            (Some(value), _) => read_as(value, mark).map_err(|e| e.into_at(mark, path)),
            (None, Some(default)) => read_as(default.to_owned(), mark).map_err(|e| e.into_at(mark, path)),
            (None, None) => {
                let help = format!("set it, or give a default: ${{env:{name}:-VALUE}}");
                let message = format!("environment variable {name:?} is not set; the value is empty");
                self.found.push(mark.warning(path, message, Some(help)));
                Ok(Replacement { original: String::new(), node: Node::null(mark.clone()) })
            }
        }
    }

    fn file(&mut self, name: &str, mark: &Mark, path: &str) -> Result<Replacement, Diagnostic> {
        let file = Path::new(name);
        self.files.push(file.to_path_buf());
        let mut text = read_file(file)
            .map_err(|reason| mark.error(path, format!("cannot read file {name}: {reason}"), None))?;
        if text.ends_with('\n') {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
        }
        read_as(text, mark).map_err(|e| e.into_at(mark, path))
    }
}

/// A replacement that cannot be used.
struct Unusable;

impl Unusable {
    fn into_at(self, mark: &Mark, path: &str) -> Diagnostic {
        mark.error(path, "what is referenced here is too large or too deep", None)
    }
}

/// Reads a text as YAML; text that is not YAML is itself. All marks become the place of the reference.
fn read_as(original: String, mark: &Mark) -> Result<Replacement, Unusable> {
    if original.len() > FILE_BYTES_MAX {
        return Err(Unusable);
    }
    let source: Rc<str> = mark.source.clone();
    let node = match super::parse::parse(&original, &source) {
        Ok(Some(mut node)) => {
            hide(&mut node, mark);
            node
        }
        Ok(None) => Node::null(mark.clone()),
        Err(_) => Node::text(mark.clone(), original.clone()),
    };
    Ok(Replacement { original, node })
}

/// Everything below came from outside: its place is the reference, and no message may show it.
fn hide(node: &mut Node, mark: &Mark) {
    node.mark = mark.clone();
    match &mut node.value {
        Value::Scalar { text, .. } => node.expanded = Some(text.clone()),
        Value::List(items) => {
            node.expanded = Some(String::new());
            items.iter_mut().for_each(|item| hide(item, mark));
        }
        Value::Map(entries) => {
            node.expanded = Some(String::new());
            for entry in entries {
                entry.mark = mark.clone();
                hide(&mut entry.value, mark);
            }
        }
    }
}

/// Where the brace closes that opened just before `text`, other references inside it skipped.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, bytes) = (0usize, &text.as_bytes()[..text.len().min(REFERENCE_MAX)]);
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if index > 0 && bytes[index - 1] == b'$' => depth += 1,
            b'}' if depth == 0 => return Some(index),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits `scheme:rest`.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b));
    valid.then_some((name, rest))
}

/// What the environment can hold: `^[a-zA-Z_][a-zA-Z0-9_]*$`.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
