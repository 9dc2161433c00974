//! The tokens of an expression.

use super::ExpressionError;

/// A token, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name, or an operator that is a word.
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 32] = [
    "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "..", "**", "(", ")", "[", "]", "{", "}", "!", "<", ">",
    "?", ":", ",", ".", "+", "-", "*", "/", "%", "^", "|", ";", "#",
];

impl Token {
    /// The token as it is shown.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            Kind::Word(word) => format!("{word:?}"),
            Kind::Text(text) => format!("the text {text:?}"),
            Kind::Number(number) => format!("the number {number}"),
            Kind::Sign(sign) => format!("{sign:?}"),
            Kind::End => "the end".to_owned(),
        }
    }
}

/// Takes a text apart; the last token is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = match first {
            '\'' | '"' => quoted(rest, first, at)?,
            '`' => raw(rest, at)?,
            '0'..='9' => number(rest, at)?,
            _ if is_in_word(first) => {
                let length = rest.find(|one| !is_in_word(one)).unwrap_or(rest.len());
                (Kind::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| error(at, format!("unexpected {first:?}")))?;
                (Kind::Sign(sign), sign.len())
            }
        };
        tokens.push(Token { at, kind });
        at += length;
    }
    tokens.push(Token { at, kind: Kind::End });
    Ok(tokens)
}

pub(super) fn error(at: usize, message: impl Into<String>) -> ExpressionError {
    ExpressionError { at, message: message.into() }
}

fn is_in_word(one: char) -> bool {
    one == '_' || one == '$' || one.is_alphanumeric()
}

fn number(rest: &str, at: usize) -> Result<(Kind, usize), ExpressionError> {
    let length = rest.find(|one: char| !is_in_word(one) && one != '.').unwrap_or(rest.len());
    let number = rest[..length].replace('_', "").parse().ok();
    let number = number.ok_or_else(|| error(at, format!("{:?} is no number", &rest[..length])))?;
    Ok((Kind::Number(number), length))
}

/// A text as it stands between backticks, of which two mean one.
fn raw(rest: &str, at: usize) -> Result<(Kind, usize), ExpressionError> {
    let (mut out, mut length) = (String::new(), 1);
    while let Some(end) = rest[length..].find('`') {
        out.push_str(&rest[length..length + end]);
        length += end + 1;
        if !rest[length..].starts_with('`') {
            return Ok((Kind::Text(out), length));
        }
        out.push('`');
        length += 1;
    }
    Err(error(at, "the text does not end"))
}

fn quoted(rest: &str, quote: char, at: usize) -> Result<(Kind, usize), ExpressionError> {
    let mut out = String::new();
    let mut signs = rest.char_indices().skip(1);
    while let Some((place, one)) = signs.next() {
        match one {
            '\n' => break,
            '\\' => {
                let wrong = || error(at + place, "no such escape in a text");
                let (_, escaped) = signs.next().ok_or_else(wrong)?;
                let digits = match escaped {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                if digits > 0 {
                    let digits: String = signs.by_ref().take(digits).map(|(_, one)| one).collect();
                    let code = u32::from_str_radix(&digits, 16).ok();
                    out.push(code.and_then(char::from_u32).ok_or_else(wrong)?);
                } else {
                    out.push(simple(escaped, quote).ok_or_else(wrong)?);
                }
            }
            one if one == quote => return Ok((Kind::Text(out), place + 1)),
            one => out.push(one),
        }
    }
    Err(error(at, "the text does not end"))
}

fn simple(escaped: char, quote: char) -> Option<char> {
    Some(match escaped {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        _ if escaped == quote => quote,
        _ => return None,
    })
}
