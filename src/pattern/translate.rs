//! One pattern, read as Go reads it and written as the engine here reads it.

use super::class::{self, literal};

/// An error as Go's `regexp` words it.
pub(super) fn error_of(what: &str, expression: &str) -> String {
    format!("error parsing regexp: {what}: `{expression}`")
}

/// A pattern being read.
struct Translator<'a> {
    whole: &'a str,
    rest: &'a str,
    out: String,
    depth: usize,
    repeatable: bool,          // something stands before that can be repeated
    repeated: Option<&'a str>, // the last thing read was this repetition (and what follows it)
    captures: bool,
    names: Vec<&'a str>, // of the groups that capture; empty for those without a name
}

/// Puts one pattern into the syntax here. With `captures`, groups capture; the second part is their names.
pub(super) fn translate(pattern: &str, captures: bool) -> Result<(String, Vec<&str>), String> {
    let mut translator = Translator {
        whole: pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        depth: 0,
        repeatable: false,
        repeated: None,
        captures,
        names: Vec::new(),
    };
    while let Some(c) = translator.rest.chars().next() {
        translator.step(c)?;
    }
    if translator.depth > 0 {
        return Err(error_of("missing closing )", pattern));
    }
    Ok((translator.out, translator.names))
}

impl<'a> Translator<'a> {
    fn step(&mut self, c: char) -> Result<(), String> {
        let before = self.repeated.take();
        match c {
            '(' if self.rest.starts_with("(?") => return self.perl_group(),
            '(' => {
                self.names.push("");
                self.open(1, "");
            }
            ')' if self.depth == 0 => return Err(error_of("unexpected )", self.whole)),
            ')' => {
                self.depth -= 1;
                self.emit(1, ")", true);
            }
            '|' => self.emit(1, "|", false),
            '^' => self.emit(1, "(?:^)", true),
            '$' => self.emit(1, "(?:$)", true),
            '.' => self.emit(1, ".", true),
            '[' => {
                self.rest = class::translate(self.rest, &mut self.out)?;
                self.repeatable = true;
            }
            '*' | '+' | '?' => return self.repeat(1, before),
            '{' => match repetition(self.rest) {
                Some((len, sane)) => {
                    if !sane {
                        return Err(error_of("invalid repeat count", &self.rest[..len]));
                    }
                    return self.repeat(len, before);
                }
                None => self.literal(c),
            },
            '\\' => return self.escape(),
            _ => self.literal(c),
        }
        Ok(())
    }

    /// A group that captures begins.
    fn open(&mut self, read: usize, name: &str) {
        self.depth += 1;
        match name.chars().next() {
            _ if !self.captures => self.emit(read, "(?:", false),
            // A name that starts with a digit is none for the engine here.
            Some('0'..='9') | None => self.emit(read, "(", false),
            Some(_) => self.emit(read, &format!("(?P<{name}>"), false),
        }
    }

    fn emit(&mut self, read: usize, written: &str, repeatable: bool) {
        self.rest = &self.rest[read..];
        self.out.push_str(written);
        self.repeatable = repeatable;
    }

    fn literal(&mut self, c: char) {
        literal(c, &mut self.out);
        self.rest = &self.rest[c.len_utf8()..];
        self.repeatable = true;
    }

    /// A repetition of `len` bytes, perhaps a lazy one. `before` is the repetition that it stands on.
    fn repeat(&mut self, len: usize, before: Option<&'a str>) -> Result<(), String> {
        let lazy = usize::from(self.rest[len..].starts_with('?'));
        let (operator, rest) = self.rest.split_at(len + lazy);
        if let Some(before) = before {
            return Err(error_of("invalid nested repetition operator", &before[..before.len() - rest.len()]));
        }
        if !self.repeatable {
            return Err(error_of("missing argument to repetition operator", operator));
        }
        self.out.push_str(operator);
        self.repeated = Some(self.rest);
        self.rest = rest;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let mut chars = self.rest[1..].chars();
        match chars.next() {
            Some('A') => self.emit(2, "\\A", true),
            Some('z') => self.emit(2, "\\z", true),
            Some('b') => self.emit(2, "(?-u:\\b)", true),
            Some('B') => self.emit(2, "(?-u:\\B)", true),
            Some('Q') => {
                let quoted = &self.rest[2..];
                let end = quoted.find("\\E");
                for c in quoted[..end.unwrap_or(quoted.len())].chars() {
                    literal(c, &mut self.out);
                    self.repeatable = true;
                }
                self.rest = end.map_or("", |end| &quoted[end + 2..]);
            }
            _ => {
                if let Some(rest) = class::group(self.rest, &mut self.out, false)? {
                    self.rest = rest;
                } else {
                    let (c, rest) = class::escaped(self.rest)?;
                    literal(c, &mut self.out);
                    self.rest = rest;
                }
                self.repeatable = true;
            }
        }
        Ok(())
    }

    /// `(?flags)`, `(?flags:`, `(?P<name>` or `(?<name>`.
    fn perl_group(&mut self) -> Result<(), String> {
        let named = ["(?P<", "(?<"].into_iter().find(|open| self.rest.starts_with(open));
        if let Some(open) = named {
            let Some(end) = self.rest.find('>') else {
                return Err(error_of("invalid named capture", self.rest));
            };
            let name = &self.rest[open.len()..end];
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(error_of("invalid named capture", &self.rest[..=end]));
            }
            if self.names.contains(&name) {
                return Err(error_of("duplicate capture group name", name));
            }
            self.names.push(name);
            self.open(end + 1, name);
            return Ok(());
        }
        self.flags()
    }

    fn flags(&mut self) -> Result<(), String> {
        let mut set: Vec<(char, bool)> = Vec::new();
        let (mut on, mut seen) = (true, false);
        for (at, c) in self.rest.char_indices().skip(2) {
            match c {
                'i' | 'm' | 's' | 'U' => {
                    set.retain(|(flag, _)| *flag != c);
                    set.push((c, on));
                    seen = true;
                }
                '-' if on => (on, seen) = (false, false),
                ':' | ')' if on || seen => {
                    let flags =
                        |wanted| set.iter().filter(move |(_, on)| *on == wanted).map(|(flag, _)| *flag);
                    let mut text = String::from("(?");
                    text.extend(flags(true));
                    if flags(false).next().is_some() {
                        text.push('-');
                        text.extend(flags(false));
                    }
                    text.push(c);
                    let nothing = text == "(?)";
                    self.depth += usize::from(c == ':');
                    let repeatable = self.repeatable && c == ')';
                    self.emit(at + 1, if nothing { "" } else { &text }, repeatable);
                    return Ok(());
                }
                _ => {
                    let read = &self.rest[..at + c.len_utf8()];
                    return Err(error_of("invalid or unsupported Perl syntax", read));
                }
            }
        }
        Err(error_of("missing closing )", self.whole))
    }
}

/// `{n}`, `{n,}` or `{n,m}` at the start of `text`: its length, and whether Go takes the counts. `None` = plain text.
fn repetition(text: &str) -> Option<(usize, bool)> {
    let inside = text[1..].split_once('}')?.0;
    let (min, max) = inside.split_once(',').map_or((inside, None), |(min, max)| (min, Some(max)));
    let count = |digits: &str| {
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        plain.then(|| digits.parse::<u32>().unwrap_or(u32::MAX))
    };
    let min = count(min)?;
    let max = match max {
        Some("") | None => min,
        Some(max) => count(max)?,
    };
    Some((inside.len() + 2, min <= 1000 && max <= 1000 && min <= max))
}
