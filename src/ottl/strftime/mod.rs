//! Times by `strftime` formats, read and written as the Collector does: through the layouts of Go's `time`.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A directive that is several; of those that differ, as it is written.
fn spelled_out(directive: char) -> Option<&'static str> {
    Some(match directive {
        'D' | 'x' => "%m/%d/%Y",
        'F' => "%Y-%m-%d",
        'T' | 'X' => "%H:%M:%S",
        'r' => "%I:%M:%S %P",
        'R' => "%H:%M",
        'c' => "%a %b %d %H:%M:%S %Y",
        _ => return None,
    })
}

/// Whether a format is one.
pub(super) fn check(format: &str) -> Result<(), String> {
    if format.is_empty() {
        return Err("format cannot be nil".into());
    }
    if format.contains(|c: char| c.is_ascii_digit()) {
        return Err("format string should not contain decimals".into());
    }
    let mut chars = format.chars();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        if c == '%' {
            match chars.next() {
                Some(directive @ ('L' | 'f' | 's')) if !matches!(before, '.' | ',') => {
                    return Err(format!(
                        "invalid fractional seconds directive: '{before}%{directive}'. must be preceded with '.' or ','"
                    ));
                }
                Some(directive) if is_known(directive) => {}
                Some(directive) => {
                    return Err(format!("invalid strptime format: unsupported directive: %{directive}"));
                }
                None => {}
            }
        }
        before = c;
    }
    Ok(())
}

fn is_known(directive: char) -> bool {
    "YymoqbhBdegaAHlIpPMSLfsZzwijkDxFTXrRnt%c".contains(directive)
}

/// Parts of a format: directives, and the text between them. A fraction of seconds takes the sign before it along.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part<'f> {
    Text(&'f str),
    Directive(char),
    /// After `.` or `,`, this many digits at most.
    Fraction(char, usize),
}

fn parts(format: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (text, after) = rest.split_at(at);
        let mut chars = after[1..].chars();
        let directive = chars.next().unwrap_or('%');
        let digits = match directive {
            'L' => 3,
            'f' => 6,
            's' => 9,
            _ => 0,
        };
        let sign = text.chars().next_back().filter(|sign| digits > 0 && matches!(sign, '.' | ','));
        let text = sign.map_or(text, |_| &text[..text.len() - 1]);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        parts.push(match (directive, sign) {
            ('n', _) => Part::Text("\n"),
            ('t', _) => Part::Text("\t"),
            ('%', _) => Part::Text("%"),
            (_, Some(sign)) => Part::Fraction(sign, digits),
            _ => Part::Directive(directive),
        });
        rest = chars.as_str();
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}
