//! The text of a statement as tokens.

use super::error::ParseError;

/// A token and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Begins in lower case: a path segment, an editor, a keyword.
    Lower(String),
    /// Begins in upper case: a converter, an enum.
    Upper(String),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Int(u64),
    Float(f64),
    /// Brackets, commas, operators.
    Sign(&'static str),
    End,
}

/// Longest first, so that `<=` is not `<`.
const SIGNS: &[&str] = &[
    "=>", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "<", ">", "+", "-", "*",
    "/",
];

/// The tokens of a text; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, len) =
            one(&text[at..], c).map_err(|(inside, message)| ParseError::new(at + inside, message))?;
        tokens.push(Token { at, end: at + len, kind });
        at += len;
    }
    tokens.push(Token { at, end: at, kind: Kind::End });
    Ok(tokens)
}

type Fault = (usize, String);

fn one(text: &str, first: char) -> Result<(Kind, usize), Fault> {
    if first == '"' {
        let (bytes, len) = unquote(text)?;
        return Ok((Kind::Text(bytes), len));
    }
    if first.is_ascii_digit() || (first == '.' && text[1..].starts_with(|c: char| c.is_ascii_digit())) {
        return number(text);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let word = text[..len].to_owned();
        let kind = if first.is_ascii_lowercase() { Kind::Lower(word) } else { Kind::Upper(word) };
        return Ok((kind, len));
    }
    let sign = SIGNS.iter().find(|sign| text.starts_with(**sign));
    let sign = sign.ok_or_else(|| (0, format!("invalid input text {:?}", shorten(text))))?;
    Ok((Kind::Sign(sign), sign.len()))
}

fn shorten(text: &str) -> &str {
    text.char_indices().nth(16).map_or(text, |(end, _)| &text[..end])
}

fn number(text: &str) -> Result<(Kind, usize), Fault> {
    if let Some(digits) = text.strip_prefix("0x") {
        let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let bytes = unhex(&digits[..len])
            .ok_or((0, format!("odd number of hex digits in {:?}", &text[..len + 2])))?;
        return Ok((Kind::Bytes(bytes), len + 2));
    }
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    let mut len = whole;
    if text[len..].starts_with('.') && digits(len + 1) > 0 {
        len += 1 + digits(len + 1);
    }
    if text[len..].starts_with(['e', 'E']) {
        let signed = usize::from(text[len + 1..].starts_with(['+', '-']));
        let exponent = digits(len + 1 + signed);
        if exponent > 0 {
            len += 1 + signed + exponent;
        }
    }
    let invalid = |_| (0, format!("{:?} is out of range", &text[..len]));
    if len == whole {
        let value: u64 = text[..len].parse().map_err(|_| invalid(()))?;
        return Ok((Kind::Int(value), len));
    }
    let value: f64 = text[..len].parse().map_err(|_| invalid(()))?;
    Ok((Kind::Float(value), len))
}

/// Bytes of hex digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| (pair.len() == 2).then(|| hex_value(pair)).flatten().map(|value| value as u8)).collect()
}

fn hex_value(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    if plain { u32::from_str_radix(text, 16).ok() } else { None }
}

/// A string as Go's `strconv.Unquote` reads it: its bytes, and the length of the literal.
fn unquote(text: &str) -> Result<(Vec<u8>, usize), Fault> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        match bytes.get(at) {
            None => return Err((0, "a string is not closed".into())),
            Some(b'"') => return Ok((out, at + 1)),
            Some(b'\n') => return Err((at, "a string reaches over the end of the line".into())),
            Some(b'\\') => {
                let wrong =
                    || (at, format!("invalid escape sequence {:?} in a string", escape_text(&text[at..])));
                at += escape(&bytes[at + 1..], &mut out).ok_or_else(wrong)? + 1;
            }
            Some(byte) => {
                out.push(*byte);
                at += 1;
            }
        }
    }
}

fn escape_text(text: &str) -> &str {
    text.char_indices().nth(2).map_or(text, |(end, _)| &text[..end])
}

/// Reads what follows a backslash; gives how much was read.
fn escape(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let simple = |byte: u8| Some((vec![byte], 1));
    let (bytes, len) = match *rest.first()? {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(11),
        b'\\' => simple(b'\\'),
        b'"' => simple(b'"'),
        b'x' => Some((vec![hex_value(rest.get(1..3)?)? as u8], 3)),
        b'u' => scalar(rest, 4),
        b'U' => scalar(rest, 8),
        b'0'..=b'3' => {
            let digits = rest.get(..3).filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)))?;
            Some((vec![digits.iter().fold(0u8, |value, digit| (value << 3) | (digit - b'0'))], 3))
        }
        _ => None,
    }?;
    out.extend(bytes);
    Some(len)
}

fn scalar(rest: &[u8], digits: usize) -> Option<(Vec<u8>, usize)> {
    let c = char::from_u32(hex_value(rest.get(1..=digits)?)?)?;
    Some((c.to_string().into_bytes(), digits + 1))
}
