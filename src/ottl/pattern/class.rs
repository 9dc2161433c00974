//! Classes and escapes of Go's pattern syntax.

use super::error_of;

/// Writes a character that means itself.
pub(super) fn literal(c: char, out: &mut String) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
    }
}

/// Translates the bracketed class at the start of `text`; gives what follows it.
pub(super) fn translate<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let mut rest = &text[1..];
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true; // a bracket in first place means itself
    while first || !rest.starts_with(']') {
        first = false;
        if let Some(after) = posix(rest, out)? {
            rest = after;
            continue;
        }
        if let Some(after) = group(rest, out, true)? {
            rest = after;
            continue;
        }
        let start = rest;
        let (low, after) = character(rest, text)?;
        rest = after;
        let mut high = low;
        if let Some(after) =
            rest.strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']'))
        {
            (high, rest) = character(after, text)?;
            if high < low {
                let range = &start[..start.len() - rest.len()];
                return Err(error_of("invalid character class range", range));
            }
        }
        literal(low, out);
        if high != low {
            out.push('-');
            literal(high, out);
        }
    }
    out.push(']');
    Ok(&rest[1..])
}

fn character<'a>(text: &'a str, class: &str) -> Result<(char, &'a str), String> {
    match text.chars().next() {
        None => Err(error_of("missing closing ]", class)),
        Some('\\') => escaped(text),
        Some(c) => Ok((c, &text[c.len_utf8()..])),
    }
}

/// `[:name:]` inside a class.
fn posix<'a>(text: &'a str, out: &mut String) -> Result<Option<&'a str>, String> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    let Some(inside) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some(end) = inside.find(":]") else {
        return Ok(None);
    };
    let (name, whole) = (&inside[..end], &text[..end + 4]);
    if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(error_of("invalid character class range", whole));
    }
    out.push_str(whole);
    Ok(Some(&text[whole.len()..]))
}

/// `\d` and its like, `\p{..}`: classes that stand alone or in brackets.
pub(super) fn group<'a>(text: &'a str, out: &mut String, inside: bool) -> Result<Option<&'a str>, String> {
    const DIGITS: &str = "0-9";
    const SPACES: &str = "\\t\\n\\x0c\\r\\x20";
    const WORDS: &str = "0-9A-Za-z_";
    let mut chars = text.chars();
    if chars.next() != Some('\\') {
        return Ok(None);
    }
    let (set, negated) = match chars.next() {
        Some('d') => (DIGITS, false),
        Some('D') => (DIGITS, true),
        Some('s') => (SPACES, false),
        Some('S') => (SPACES, true),
        Some('w') => (WORDS, false),
        Some('W') => (WORDS, true),
        Some('p' | 'P') => return unicode(text, out).map(Some),
        _ => return Ok(None),
    };
    match (inside, negated) {
        (true, false) => out.push_str(set),
        (_, true) => out.push_str(&format!("[^{set}]")),
        (false, false) => out.push_str(&format!("[{set}]")),
    }
    Ok(Some(&text[2..]))
}

fn unicode<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let wrong = |expression| error_of("invalid character class range", expression);
    let mut negated = text.starts_with("\\P");
    let after = &text[2..];
    let (name, rest) = match after.chars().next() {
        None => return Err(wrong(text)),
        Some('{') => after[1..].split_once('}').ok_or_else(|| wrong(text))?,
        Some(letter) => after.split_at(letter.len_utf8()),
    };
    let name = name.strip_prefix('^').map_or(name, |name| {
        negated = !negated;
        name
    });
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(wrong(&text[..text.len() - rest.len()]));
    }
    out.push_str(&format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }));
    Ok(rest)
}

/// The character that an escape at the start of `text` means, and what follows.
pub(super) fn escaped(text: &str) -> Result<(char, &str), String> {
    let rest = &text[1..];
    let Some(c) = rest.chars().next() else {
        return Err(error_of("trailing backslash at end of expression", ""));
    };
    let after = &rest[c.len_utf8()..];
    let octal = |text: &str| text.bytes().take_while(|b| (b'0'..=b'7').contains(b)).count();
    let found = match c {
        '0'..='7' if c == '0' || octal(after) > 0 => {
            let len = (1 + octal(after)).min(3);
            number(&rest[..len], 8).map(|c| (c, &rest[len..]))
        }
        'x' => hexadecimal(after),
        'a' => Some(('\u{7}', after)),
        'f' => Some(('\u{c}', after)),
        'n' => Some(('\n', after)),
        'r' => Some(('\r', after)),
        't' => Some(('\t', after)),
        'v' => Some(('\u{b}', after)),
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some((c, after)),
        _ => None,
    };
    found.ok_or_else(|| error_of("invalid escape sequence", &text[..1 + c.len_utf8()]))
}

fn hexadecimal(text: &str) -> Option<(char, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (digits, rest) = braced.split_once('}')?;
        return number(digits, 16).map(|c| (c, rest));
    }
    let digits = text.get(..2)?;
    number(digits, 16).map(|c| (c, &text[2..]))
}

fn number(digits: &str, radix: u32) -> Option<char> {
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten().and_then(char::from_u32)
}
