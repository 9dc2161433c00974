//! Patterns in Go's RE2 syntax, as written for the Collector, put into the syntax of the engine here.
//!
//! The engines agree; the notations do not: `\d`, `\w`, `\s` and `\b` are ASCII in Go, `\Q..\E` and octal escapes exist,
//! classes do not nest, `{` may stand for itself, repetitions do not stack. What Go refuses is refused, in its words.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

mod class;

use class::literal;

/// Compiled patterns may take this much memory, all of a policy together.
const COMPILED_BYTES_MAX: usize = 64 << 20;

/// Compiles a list of which any may match, searched unanchored. The error is the Collector's text.
pub fn compile_any(patterns: &[String]) -> Result<RegexSet, String> {
    let mut translated = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let one = translate(pattern, false).and_then(|one| {
            // Alone first, so that an error names the pattern that has it.
            let alone = RegexSetBuilder::new([&one]).size_limit(COMPILED_BYTES_MAX).build();
            alone.map(|_| one).map_err(|error| error_of("invalid or too large", &first_line(&error)))
        });
        translated.push(one.map_err(|error| format!("invalid regex `{pattern}`: {error}"))?);
    }
    let set = RegexSetBuilder::new(translated).size_limit(COMPILED_BYTES_MAX).build();
    set.map_err(|error| format!("invalid regex list: {}", first_line(&error)))
}

fn first_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().to_owned()
}

/// An error as Go's `regexp` words it.
fn error_of(what: &str, expression: &str) -> String {
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
    names: Vec<&'a str>,
    captures: bool, // whether groups can be referred to; they cost memory and time
}

/// Compiles one pattern whose groups can be referred to. The error is the Collector's text.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern, true)?;
    let built = RegexBuilder::new(&translated).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| error_of("invalid or too large", &first_line(&error)))
}

/// Puts one pattern into the syntax here.
fn translate(pattern: &str, captures: bool) -> Result<String, String> {
    let mut translator = Translator {
        whole: pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        depth: 0,
        repeatable: false,
        repeated: None,
        names: Vec::new(),
        captures,
    };
    while let Some(c) = translator.rest.chars().next() {
        translator.step(c)?;
    }
    if translator.depth > 0 {
        return Err(error_of("missing closing )", pattern));
    }
    Ok(translator.out)
}

impl<'a> Translator<'a> {
    fn step(&mut self, c: char) -> Result<(), String> {
        let before = self.repeated.take();
        match c {
            '(' if self.rest.starts_with("(?") => return self.perl_group(),
            '(' => {
                self.depth += 1;
                self.emit(1, if self.captures { "(" } else { "(?:" }, false);
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
            self.depth += 1;
            let open = match (self.captures, name.starts_with(|c: char| c.is_ascii_digit())) {
                (false, _) => "(?:",
                (true, true) => "(", // the engine here has no such names, and `$1x` finds none
                (true, false) => &format!("(?P<{name}>"),
            };
            self.emit(end + 1, open, false);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile_any(&[pattern.to_owned()]).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        let cases = [
            ("[cm]", "acme", true),
            ("[^cm$]", "cm", false),
            (".*", "", true),
            (r"^\d+$", "٣", false),
            (r"^\d+$", "12", true),
            (r"^\s$", "\u{b}", false),
            (r"^\w$", "é", false),
            (r"^[\w-]+$", "a-b_c", true),
            (r"^[\D]$", "é", true),
            (r"\bfoo\b", "éfooé", true),
            (r"^\Qa.b\E+$", "a.bb", true),
            (r"\Qa.b", "a.b", true),
            ("a{,2}", "a{,2}", true),
            ("a{,2}", "aa", false),
            ("x{2}", "xx", true),
            ("{", "{", true),
            ("[a&&b]", "&", true),
            ("[[a]", "[", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[--/]", ".", true),
            ("[[:alpha:]]", "9", false),
            ("[[:^alpha:]]", "9", true),
            (r"^\101\x42\x{43}$", "ABC", true),
            (r"\_\-\/", "_-/", true),
            ("a.b", "a\nb", false),
            ("(?s)a.b", "a\nb", true),
            ("a$", "a\n", false),
            ("(?m)a$", "a\n", true),
            ("(?i)ACME", "acme", true),
            ("(?i:A)b", "aB", false),
            ("(?P<x>a)(?<y>b)", "ab", true),
            (r"^\p{Greek}\pL$", "αz", true),
            (r"^\p{^Greek}$", "α", false),
            (r"^\P{Greek}$", "z", true),
            ("^*a", "a", true),
            ("(|a)b", "b", true),
            ("(?i)(?-i)A", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        let cases = [
            ("(", "missing closing ): `(`"),
            ("a)b", "unexpected ): `a)b`"),
            ("[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+?", "missing argument to repetition operator: `+?`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("a(?=b)", "invalid or unsupported Perl syntax: `(?=`"),
            ("a(?!b)", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            (r"(a)\1", r"invalid escape sequence: `\1`"),
            (r"\Z", r"invalid escape sequence: `\Z`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("[b-a]", "invalid character class range: `b-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"[a-\d]", r"invalid escape sequence: `\d`"),
        ];
        for (pattern, error) in cases {
            let expected = format!("invalid regex `{pattern}`: error parsing regexp: {error}");
            assert_eq!(compile_any(&[pattern.to_owned()]).unwrap_err(), expected, "{pattern}");
        }
        assert!(compile_any(&[r"\p{Nonsense}".into()]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_panics(pattern in r"[a-z(){}\[\]\\?*+|^$.:,<>PQE0-9-]{0,24}") {
            let _ = compile_any(&[pattern]);
        }
    }
}
