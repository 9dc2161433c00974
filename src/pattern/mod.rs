//! Patterns in Go's RE2 syntax, as written for the Collector, put into the syntax of the engine here.
//!
//! Owns: the rules of both notations.
//! Takes: patterns from the configuration; texts as Go's engine reads them.
//! Gives: compiled patterns that search bytes; errors in Go's words; whether a name fits one with wildcards.
//! Bounds: 64 MiB for what one list compiles to.
//! Loses: nothing.
//!
//! The engines agree; the notations do not: `\d`, `\w`, `\s` and `\b` are ASCII in Go, `\Q..\E` and octal escapes exist,
//! classes do not nest, `{` may stand for itself, repetitions do not stack. What Go refuses is refused, in its words.

mod class;
mod read;
mod translate;
mod wildcard;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

pub use read::{Read, is_match};
use translate::{error_of, translate};
pub use wildcard::wildcard;

/// Compiled patterns may take this much memory, all of a list together.
const COMPILED_BYTES_MAX: usize = 64 << 20;

/// One pattern and the names of its groups.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The engine's form. Groups whose names start with a digit have only numbers there.
    pub regex: Regex,
    /// Names of the groups from the first on; empty where there is none.
    pub groups: Vec<String>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str() && self.groups == other.groups
    }
}

impl Pattern {
    /// Compiles a pattern whose groups are wanted. The error is Go's text.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let (text, groups) = translate(pattern, true)?;
        let regex = RegexBuilder::new(&text).size_limit(COMPILED_BYTES_MAX).build();
        let regex = regex.map_err(|error| error_of("invalid or too large", &first_line(&error)))?;
        Ok(Self { regex, groups: groups.into_iter().map(str::to_owned).collect() })
    }
}

/// A pattern in the engine's notation, for what compiles patterns itself. The error is Go's text.
pub fn translated(pattern: &str) -> Result<String, String> {
    translate(pattern, true).map(|(text, _)| text)
}

/// Compiles one pattern whose groups can be referred to. The error is Go's text.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    Pattern::new(pattern).map(|pattern| pattern.regex)
}

/// Compiles a list of which any may match, searched unanchored. The error is the Collector's text.
pub fn compile_any(patterns: &[String]) -> Result<RegexSet, String> {
    let mut translated = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let one = translate(pattern, false).and_then(|(one, _)| {
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
    fn groups_capture_by_number_and_keep_their_names() {
        let pattern = Pattern::new(r"^/(?P<1st>\w+)/(?:x)(\d+)/(?<b>.*)$").unwrap();
        assert_eq!(pattern.groups, ["1st", "", "b"]);
        let found = pattern.regex.captures(b"/a/x12/c").unwrap();
        assert_eq!((&found[1], &found[2], &found[3]), (&b"a"[..], &b"12"[..], &b"c"[..]));
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
