//! Globs of the `*_match` editors: `*`, `?`, `[a-z]`, `[!a]`, `{a,b}`, over the whole text.

use regex::bytes::{Regex, RegexBuilder};

/// Compiled globs may take this much memory.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Compiles a glob.
pub(super) fn compile(glob: &str) -> Result<Regex, String> {
    let wrong = |what: &str| format!("the pattern {glob:?} is not a valid pattern: {what}");
    let mut out = String::from(r"(?s)\A(?:");
    let mut depth = 0;
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            '[' => class(&mut chars, &mut out).ok_or_else(|| wrong("unexpected end of input"))?,
            '\\' => literal(chars.next().ok_or_else(|| wrong("unexpected end of input"))?, &mut out),
            _ => literal(c, &mut out),
        }
    }
    if depth > 0 {
        return Err(wrong("unexpected end of input"));
    }
    out.push_str(r")\z");
    let built = RegexBuilder::new(&out).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|_| wrong("invalid range or too large"))
}

fn class(chars: &mut std::str::Chars<'_>, out: &mut String) -> Option<()> {
    out.push('[');
    let mut first = true;
    loop {
        match chars.next()? {
            '!' | '^' if first => out.push('^'),
            ']' if !first => break,
            '-' if !first => out.push('-'),
            '\\' => literal(chars.next()?, out),
            c => literal(c, out),
        }
        first = false;
    }
    out.push(']');
    Some(())
}

fn literal(c: char, out: &mut String) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}
