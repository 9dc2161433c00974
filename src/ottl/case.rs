//! The case of letters: of the whole, and of the words of an identifier.

/// Lower case, letter by letter.
pub(super) fn lower(text: &str) -> String {
    let one = |c: char| c.to_lowercase().next().unwrap_or(c);
    text.chars().map(one).collect()
}

/// Upper case, letter by letter: a letter without a single upper one, such as `ß`, stays.
pub(super) fn upper(text: &str) -> String {
    let one = |c: char| {
        let mut upper = c.to_uppercase();
        if upper.len() == 1 { upper.next().unwrap_or(c) } else { c }
    };
    text.chars().map(one).collect()
}

/// `someName` as `some_name`. Only ASCII letters and digits make words, as in the library of the Collector.
pub(super) fn snake(text: &str) -> String {
    let bytes = text.trim().as_bytes();
    let mut out = Vec::with_capacity(bytes.len() + 2);
    for (at, byte) in bytes.iter().enumerate() {
        let lower = byte.to_ascii_lowercase();
        if let Some(next) = bytes.get(at + 1).filter(|next| changes(*byte, **next)) {
            let before_is_upper = at > 0 && bytes[at - 1].is_ascii_uppercase();
            if byte.is_ascii_uppercase() && next.is_ascii_lowercase() && before_is_upper {
                out.push(b'_');
            }
            out.push(lower);
            if !byte.is_ascii_uppercase() || next.is_ascii_digit() {
                out.push(b'_');
            }
        } else {
            out.push(if b" _-.".contains(byte) { b'_' } else { lower });
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether one of three kinds, upper, lower and digit, is followed by another.
fn changes(byte: u8, next: u8) -> bool {
    let kind = |byte: u8| match byte {
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    kind(byte) != 0 && kind(next) != 0 && kind(byte) != kind(next)
}

/// `some_name` as `SomeName`; letters beyond ASCII are left out, as the library of the Collector does.
pub(super) fn camel(text: &str) -> String {
    let mut out = String::new();
    let (mut begins, mut after_upper) = (true, false);
    for byte in text.trim().bytes() {
        let is_upper = byte.is_ascii_uppercase();
        if byte.is_ascii_alphabetic() {
            out.push(char::from(match (begins, after_upper && is_upper) {
                (true, _) => byte.to_ascii_uppercase(),
                (false, true) => byte.to_ascii_lowercase(),
                (false, false) => byte,
            }));
            begins = false;
        } else if byte.is_ascii_digit() {
            out.push(char::from(byte));
            begins = true;
        } else {
            begins = b"_ -.".contains(&byte);
        }
        after_upper = is_upper;
    }
    out
}
