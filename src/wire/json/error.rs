//! What is wrong with a document, and where.

use std::fmt;

/// A place in a document: keys and indexes from the root.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A document that is not OTLP/JSON: the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where in the message, as `resourceSpans[0].scopeSpans[0].spans[3].traceId`; empty at the root.
    pub path: String,
    /// Line, from one; 0 where the whole document is meant.
    pub line: usize,
    /// Byte of the line, from one.
    pub column: usize,
    /// Byte of the document, from zero.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

/// Bytes that are not OTLP in protobuf, or nested too deep to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// Not the protobuf of an export request.
    #[error("not an OTLP message in protobuf")]
    Malformed,
    /// Nested deeper than [`DEPTH_MAX`](super::DEPTH_MAX).
    #[error("nested more than {} levels deep", super::DEPTH_MAX)]
    TooDeep,
}

impl From<super::proto::Malformed> for ProtobufError {
    fn from(_: super::proto::Malformed) -> Self {
        Self::Malformed
    }
}

/// The longest message: what a parser quotes of a document may be as long as the document.
const MESSAGE_CHARS_MAX: usize = 200;

impl JsonError {
    /// What the parser said of `document`, at `path`.
    pub(super) fn at(error: &serde_json::Error, path: &[Step], document: &[u8]) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        let message = text.strip_suffix(&place).unwrap_or(&text).chars().take(MESSAGE_CHARS_MAX).collect();
        Self { path: show(path), line, column, offset: offset(document, line, column), message }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not OTLP/JSON: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} (line {}, column {}, byte {})", self.message, self.line, self.column, self.offset)
    }
}

impl std::error::Error for JsonError {}

fn show(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

fn offset(document: &[u8], line: usize, column: usize) -> usize {
    let start: usize =
        document.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (start + column.saturating_sub(1)).min(document.len())
}
