//! `url_sanitizer`: what tells one URL of a route from the next becomes `*`.
//!
//! Owns: which segments of a path stay.
//! Takes: a text; the name of a span may have a method before its path.
//! Gives: the text without its query, with `*` for segments that are no words.
//! Bounds: ten segments; linear in the text.
//! Loses: what comes after the tenth slash, as in the Collector.

mod pairs;

use pairs::is_wordy;

/// Slashes up to which a path is read.
const SLASHES_MAX: usize = 10;

/// The text with what varies in it replaced.
pub(super) fn cluster(text: &[u8]) -> Vec<u8> {
    let query = text.iter().position(|byte| matches!(byte, b'?' | b'&' | b'#'));
    let path = &text[..query.unwrap_or(text.len())];
    let (mut out, mut segments) =
        (Vec::with_capacity(path.len()), path.split(|byte| *byte == b'/').peekable());
    for slash in 1.. {
        let Some(segment) = segments.next() else { break };
        let is_last = segments.peek().is_none();
        // Before a query the Collector does not ask for words.
        let stays =
            segment.is_empty() || is_plain(segment) && (is_last && query.is_some() || is_wordy(segment));
        out.extend_from_slice(if stays { segment } else { b"*" });
        if slash == SLASHES_MAX && !is_last {
            out.extend_from_slice(if stays { b"" } else { looked_at_again(segment) });
            break;
        }
        if !is_last {
            out.push(b'/');
        }
    }
    out
}

/// Where it stops reading, the Collector looks once more at what is behind the first byte of a replaced segment.
fn looked_at_again(segment: &[u8]) -> &[u8] {
    let rest = &segment[1..];
    if is_plain(segment) && is_wordy(rest) { rest } else { b"*" }
}

/// Whether a segment has nothing but letters and what joins words; its second byte may be anything, as in `v1`.
fn is_plain(segment: &[u8]) -> bool {
    let joins = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.' | b' ');
    segment.iter().enumerate().all(|(at, byte)| at == 1 || joins(byte))
}
