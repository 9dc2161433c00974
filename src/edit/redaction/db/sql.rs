//! Statements in SQL: literals become `?`, digits in names too; comments and everything else stay as they are.
//!
//! No parser: a lexer that takes tokens apart as the Collector's does, so that the same text comes out of both. A text
//! ends at a zero byte.

use std::ops::Range;

use super::trimmed;

/// Words that are no names, so that what follows their dot is a token of its own. (`VACCUM` is how it is spelled there.)
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "ADD", "ALL", "ALTER", "ANALYZE", "AND", "ANY", "AS", "ASC", "ASSERTION", "BEGIN", "BETWEEN", "BY",
    "CASE", "CHECK", "CLONE", "CLUSTER", "COLUMN", "COMMIT", "CONSTRAINT", "COPY", "CREATE", "CUBE",
    "DATABASE", "DECLARE", "DEFAULT", "DELETE", "DESC", "DISTINCT", "DOMAIN", "DROP", "ELSE", "END", "ESCAPE",
    "EXEC", "EXECUTE", "EXISTS", "EXPLAIN", "FALSE", "FOREIGN", "FROM", "GRANT", "GROUP", "HAVING", "IF",
    "ILIKE", "IN", "INDEX", "INNER", "INSERT", "INTO", "IS", "JOIN", "KEY", "LEFT", "LIKE", "LIMIT",
    "LITERAL", "MERGE", "NOT", "NULL", "OF", "OFFSET", "ON", "ONLY", "OR", "ORDER", "OUT", "OUTER", "PLPGSQL",
    "PRIMARY", "PROC", "PROCEDURE", "RECURSIVE", "REPLACE", "RETURNING", "RETURNS", "REVOKE", "RIGHT",
    "ROLLBACK", "ROLLUP", "ROWNUM", "SELECT", "SET", "SKIP", "SOME", "STRAIGHT_JOIN", "TABLE", "TEMPORARY",
    "TOP", "TRIGGER", "TRUE", "TRUNCATE", "UNION", "UNIQUE", "UNLOGGED", "UPDATE", "USE", "USING", "VACCUM",
    "VALUES", "VIEW", "WHERE", "WINDOW", "WITH",
];

/// Words that stand for values.
const VALUES: [&str; 3] = ["FALSE", "NULL", "TRUE"];

/// What is done with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kept,
    Literal,
    /// A name, of which digits are hidden.
    Name,
    /// A text between `$func$`, which is SQL itself.
    Function,
}

/// The statement without its literals.
pub(super) fn hide(text: &[u8], is_mysql: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut lexer = Lexer { text, at: 0, is_mysql };
    while let Some((kind, token)) = lexer.token() {
        let token = &text[token];
        match kind {
            Kind::Kept => out.extend_from_slice(token),
            Kind::Literal => out.push(b'?'),
            Kind::Name => hide_digits(token, &mut out),
            Kind::Function => {
                // There is no such mark inside, so this goes no deeper than one level.
                out.extend_from_slice(FUNCTION);
                out.extend_from_slice(&hide(&token[FUNCTION.len()..token.len() - FUNCTION.len()], is_mysql));
                out.extend_from_slice(FUNCTION);
            }
        }
    }
    trimmed(&out).to_vec()
}

const FUNCTION: &[u8] = b"$func$";

/// Each run of digits becomes one `?`.
fn hide_digits(name: &[u8], out: &mut Vec<u8>) {
    for (at, byte) in name.iter().enumerate() {
        if !byte.is_ascii_digit() {
            out.push(*byte);
        } else if at == 0 || !name[at - 1].is_ascii_digit() {
            out.push(b'?');
        }
    }
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    is_mysql: bool,
}

impl Lexer<'_> {
    fn token(&mut self) -> Option<(Kind, Range<usize>)> {
        let start = self.at;
        let kind = match (self.ahead(0), self.ahead(1)) {
            ('\0', _) => return None,
            (first, _) if is_letter(first) => self.word(first),
            ('"', _) if !self.is_mysql => self.quoted_name(b'"'),
            ('`', _) if self.is_mysql => self.quoted_name(b'`'),
            (quote @ ('"' | '\''), _) => self.string(quote),
            ('-', '-') => self.line_comment(),
            ('#', _) if self.is_mysql => self.line_comment(),
            ('/', '*') => self.comment(),
            ('+' | '-', next) if next == '.' || next.is_ascii_digit() => self.decimal(),
            ('0', 'x' | 'X') => self.number_of(|next| next.is_ascii_hexdigit()),
            ('0', '0'..='7') => self.number_of(|next| matches!(next, '0'..='7')),
            ('0'..='9', _) => self.decimal(),
            ('$', next) => self.dollar(next),
            ('@', next) => self.at_sign(next),
            ('*', _) => self.step(1),
            (first, _) if is_operator(first) => self.operator(first),
            _ => self.step(1),
        };
        Some((kind, start..self.at))
    }

    /// The character that begins so many bytes ahead; zero at the end.
    fn ahead(&self, bytes: usize) -> char {
        match self.text.get(self.at + bytes..) {
            None | Some([]) => '\0',
            Some([first, ..]) if first.is_ascii() => char::from(*first),
            Some(rest) => {
                let chunk = rest[..rest.len().min(4)].utf8_chunks().next();
                chunk.and_then(|chunk| chunk.valid().chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        }
    }

    fn step(&mut self, bytes: usize) -> Kind {
        self.at += bytes;
        Kind::Kept
    }

    /// Moves on byte by byte, to the end at most.
    fn skip_while(&mut self, is_part: impl Fn(char) -> bool) {
        while self.at < self.text.len() && is_part(self.ahead(0)) {
            self.at += 1;
        }
    }

    fn word(&mut self, first: char) -> Kind {
        let start = self.at;
        if first.is_ascii() {
            self.skip_while(|next| next.is_ascii_alphabetic() || next == '_');
            let word = &self.text[start..self.at];
            let is = |one: &&str| one.as_bytes().eq_ignore_ascii_case(word);
            let next = self.ahead(0);
            if next == '\0' || is_space(next) || is_punctuation(next) {
                if VALUES.iter().any(is) {
                    return Kind::Literal;
                }
                if KEYWORDS.iter().any(is) {
                    return Kind::Kept;
                }
            }
        }
        while is_in_names(self.ahead(0)) {
            self.at += self.ahead(0).len_utf8();
        }
        if first.is_ascii() && self.ahead(0) == '(' { Kind::Kept } else { Kind::Name }
    }

    fn string(&mut self, quote: char) -> Kind {
        self.at += 1;
        let mut is_escaped = false;
        loop {
            match self.ahead(0) {
                '\0' => return Kind::Literal,
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                next if next == quote => {
                    self.at += 1;
                    return Kind::Literal;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// A name in quotes, with further ones after dots; kept whole when it does not end.
    fn quoted_name(&mut self, quote: u8) -> Kind {
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None | Some(0) => return Kind::Kept,
                Some(byte) if *byte != quote => self.at += 1,
                Some(_) if self.text[self.at..].starts_with(&[quote, b'.', quote]) => self.at += 3,
                Some(_) => break,
            }
        }
        self.at += 1;
        Kind::Name
    }

    fn line_comment(&mut self) -> Kind {
        self.skip_while(|next| !matches!(next, '\n' | '\0'));
        Kind::Kept
    }

    /// Kept whole too when it does not end.
    fn comment(&mut self) -> Kind {
        self.at += 2;
        while !matches!((self.ahead(0), self.ahead(1)), ('\0', _) | ('*', '/')) {
            self.at += 1;
        }
        self.step(if self.ahead(0) == '*' { 2 } else { 0 })
    }

    fn decimal(&mut self) -> Kind {
        self.at += 1;
        loop {
            match self.ahead(0) {
                '0'..='9' | '.' => self.at += 1,
                'e' | 'E' => self.at += if matches!(self.ahead(1), '+' | '-') { 2 } else { 1 },
                _ => return Kind::Literal,
            }
        }
    }

    /// A number after a prefix of two characters.
    fn number_of(&mut self, is_digit: fn(char) -> bool) -> Kind {
        self.at += 2;
        self.skip_while(is_digit);
        Kind::Literal
    }

    /// `$1`, or a text between two marks such as `$tag$`; kept whole when it does not end.
    fn dollar(&mut self, next: char) -> Kind {
        if next.is_ascii_digit() {
            return self.number_of(|next| next.is_ascii_digit());
        }
        let rest = &self.text[self.at..];
        let Some(mark) = rest[1..].iter().position(|byte| *byte == b'$').map(|end| &rest[..end + 2]) else {
            return self.step(rest.len());
        };
        // A mark has dollars at its ends only, so that the search is linear.
        let inside = rest[mark.len()..].windows(mark.len()).position(|window| window == mark);
        let Some(inside) = inside else { return self.step(rest.len()) };
        self.at += inside + 2 * mark.len();
        if mark == FUNCTION { Kind::Function } else { Kind::Literal }
    }

    /// A variable, with all its digits, or an operator.
    fn at_sign(&mut self, next: char) -> Kind {
        let is_global = next == '@';
        if is_in_variables(self.ahead(if is_global { 2 } else { 1 })) {
            self.at += 2;
            self.skip_while(is_in_variables);
            Kind::Kept
        } else if is_global || matches!(next, '?' | '>') {
            self.step(2)
        } else {
            self.operator('@')
        }
    }

    fn operator(&mut self, first: char) -> Kind {
        self.at += 1;
        match (first, self.ahead(0), self.ahead(1)) {
            ('-' | '#', '>', '>') => return self.step(2),
            ('-' | '#', '>', _) | ('#', '-', _) | ('?', '|' | '&', _) | ('<', '@', _) => return self.step(1),
            _ => {}
        }
        let mut last = first;
        loop {
            let next = self.ahead(0);
            if !is_operator(next) || last == '=' && matches!(next, '?' | '@') {
                return Kind::Kept;
            }
            last = next;
            self.at += 1;
        }
    }
}

fn is_letter(one: char) -> bool {
    one == '_' || one.is_alphabetic()
}

fn is_in_variables(one: char) -> bool {
    is_letter(one) || one.is_ascii_digit() || !one.is_ascii() && one.is_numeric()
}

fn is_in_names(one: char) -> bool {
    is_letter(one) || one.is_ascii_digit() || "\".?$#/@!".contains(one)
}

fn is_space(one: char) -> bool {
    matches!(one, ' ' | '\t' | '\n' | '\r')
}

fn is_operator(one: char) -> bool {
    "+-*/=<>!&|^%~?@:#".contains(one)
}

fn is_punctuation(one: char) -> bool {
    "(),;.:[]{}".contains(one)
}
