//! The Common Log Format of web servers: `host ident user [time] "request" status bytes`, combined with `"referer" "agent"`.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;

/// A field between quotes, in which backslashes escape.
const QUOTED: &str = r#""((?:[^"\\]|\\.)*)""#;

static CLF: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(""));
static COMBINED: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!(" {QUOTED} {QUOTED}")));

fn pattern(more: &str) -> Option<Regex> {
    let word = r"([^\t\n\f\r ]+)";
    Regex::new(&format!(r"^{word} {word} {word} \[([^\]]+)\] {QUOTED} {word} {word}{more}$")).ok()
}

pub(super) fn parse(line: &str, combined: bool) -> Result<Found, EvalError> {
    let pattern = if combined { &*COMBINED } else { &*CLF };
    let format = if combined { "combined" } else { "clf" };
    let fields = pattern.as_ref().and_then(|pattern| pattern.captures(line.trim()));
    let fields =
        fields.ok_or_else(|| format!("invalid CLF message: does not match expected {format:?} format"))?;
    let field = |at: usize| fields.get(at).map_or("", |field| field.as_str());
    let mut found = Found::default();
    for (at, key) in
        ["clf.remote_host", "clf.rfc931", "clf.auth_user", "clf.timestamp"].into_iter().enumerate()
    {
        found.put_text(key, field(at + 1));
    }
    let request = unescaped(field(5));
    let mut parts = request.splitn(3, ' ');
    if let (Some(method), Some(uri), Some(protocol)) = (parts.next(), parts.next(), parts.next()) {
        found.put_text("clf.request", &*request);
        found.put_text("clf.method", method);
        found.put_text("clf.request_uri", uri);
        found.put_text("clf.protocol", protocol);
    } else {
        found.put_text("clf.request", request);
    }
    let number = |what: &str, text: &str| {
        text.parse().map(Value::Int).map_err(|_| EvalError::from(format!("invalid {what} {text:?}")))
    };
    found.put("clf.status", number("status code", field(6))?);
    if field(7) != "-" {
        found.put("clf.bytes", number("bytes value", field(7))?);
    }
    if combined {
        found.put_text("clf.referer", unescaped(field(8)));
        found.put_text("clf.user_agent", unescaped(field(9)));
    }
    Ok(found)
}

/// What Apache and nginx escape in quoted fields; other backslashes stand for themselves.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let meant = match (byte, after) {
            (b'\\', [next, after @ ..]) => match next {
                b'\\' | b'"' => Some((*next, after)),
                b'n' => Some((b'\n', after)),
                b't' => Some((b'\t', after)),
                b'r' => Some((b'\r', after)),
                b'b' => Some((8, after)),
                b'f' => Some((12, after)),
                b'v' => Some((11, after)),
                b'x' => hex(after),
                _ => None,
            },
            _ => None,
        };
        let (byte, after) = meant.unwrap_or((*byte, after));
        out.push(byte);
        rest = after;
    }
    // Bytes that together are no text are replaced, since what becomes of them must be a string.
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = digits.split_at_checked(2)?;
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    Some(((digit(0)? * 16 + digit(1)?) as u8, after))
}
