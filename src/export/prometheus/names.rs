//! Names of metrics and labels as Prometheus has them, by the rules of the OpenTelemetry specification.

use super::config::Translation;

/// What decides about suffixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    /// `_ratio` where the unit is `1`.
    Gauge,
    /// `_total`.
    Counter,
    /// The unit only.
    Other,
}

/// Translates names.
#[derive(Clone, Debug)]
pub(super) struct Names {
    translation: Translation,
    namespace: String,
}

impl Names {
    pub(super) fn new(translation: Translation, namespace: &str) -> Self {
        let namespace = match translation.escapes {
            true => join_valid(namespace, |c| valid(c) || c == '_'),
            false => namespace.to_owned(),
        };
        Self { translation, namespace }
    }

    /// The name of a metric; none where nothing is left of it.
    pub(super) fn metric(&self, name: &str, unit: &str, suffix: Suffix) -> Option<String> {
        let built = match (self.translation.escapes, self.translation.suffixes) {
            (true, true) => self.escaped(name, unit, suffix),
            (true, false) => self.escaped_bare(name),
            (false, true) => self.with_suffixes(name, unit, suffix),
            (false, false) => self.spaced(name),
        };
        let says_something = built == name || built.chars().any(|c| c != '_');
        (!built.is_empty() && says_something).then_some(built)
    }

    /// The name of a label. It never begins with two underscores, which are Prometheus' own.
    pub(super) fn label(&self, key: &str) -> String {
        let name = if self.translation.escapes { escaped_label(key) } else { key.to_owned() };
        match name.trim_matches('_') {
            "" => "key_".to_owned(),
            _ if name.starts_with("__") => format!("key{name}"),
            _ if self.translation.escapes && name.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("key_{name}")
            }
            _ => name,
        }
    }

    /// `target_info` in this namespace.
    pub(super) fn target_info(&self) -> String {
        self.spaced("target_info")
    }

    fn escaped(&self, name: &str, unit: &str, suffix: Suffix) -> String {
        let (main, per) = units(unit);
        let (main, per) = (cleaned(&main), cleaned(&per));
        let mut words: Vec<&str> = name.split(|c| !valid(c)).filter(|word| !word.is_empty()).collect();
        let per = if per == "per_" { "" } else { per.strip_suffix('_').unwrap_or(&per) };
        let per = if words.contains(&per) { "" } else { per };
        let main = if words.contains(&main.as_str()) { "" } else { main.as_str() };
        let main = if per.is_empty() { main } else { main.strip_suffix('_').unwrap_or(main) };
        words.extend([main, per].into_iter().filter(|word| !word.is_empty()));
        let last = match suffix {
            Suffix::Counter => "total",
            Suffix::Gauge if unit == "1" => "ratio",
            _ => "",
        };
        if !last.is_empty() {
            words.retain(|word| *word != last);
            words.push(last);
        }
        if !self.namespace.is_empty() {
            words.insert(0, &self.namespace);
        }
        not_a_digit_first(words.join("_"))
    }

    fn escaped_bare(&self, name: &str) -> String {
        let name = join_valid(name, |c| valid(c) || c == '_');
        not_a_digit_first(self.spaced(&name))
    }

    fn with_suffixes(&self, name: &str, unit: &str, suffix: Suffix) -> String {
        let mut name = self.spaced(name);
        let last = match suffix {
            Suffix::Counter => "total",
            Suffix::Gauge if unit == "1" => "ratio",
            _ => "",
        };
        let (main, per) = units(unit);
        for end in [last, &per] {
            cut(&mut name, end);
        }
        if !name.ends_with(&main) {
            name.push('_');
            name.push_str(&main);
        }
        for end in [per.as_str(), last].into_iter().filter(|end| !end.is_empty()) {
            name.push('_');
            name.push_str(end);
        }
        name
    }

    fn spaced(&self, name: &str) -> String {
        if self.namespace.is_empty() { name.to_owned() } else { format!("{}_{name}", self.namespace) }
    }
}

/// What Prometheus servers before 3.0 take as a name of a metric.
pub(super) fn is_plain_metric(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| valid(c) || c == '_')
}

/// What Prometheus servers before 3.0 take as a name of a label.
pub(super) fn is_plain_label(name: &str) -> bool {
    is_plain_metric(name) && !name.contains(':')
}

/// A name for a server that does not take it as it is: each odd character is an underscore.
pub(super) fn with_underscores(name: &str, colons: bool) -> String {
    let keeps = |at: usize, c: char| {
        c == '_' || c.is_ascii_alphabetic() || (c == ':' && colons) || (c.is_ascii_digit() && at > 0)
    };
    name.char_indices().map(|(at, c)| if keeps(at, c) { c } else { '_' }).collect()
}

fn valid(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

fn join_valid(name: &str, keep: impl Fn(char) -> bool) -> String {
    let words: Vec<&str> = name.split(|c| !keep(c)).filter(|word| !word.is_empty()).collect();
    words.join("_")
}

fn not_a_digit_first(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// Cuts a word and the character before it off the end.
fn cut(name: &mut String, end: &str) {
    if end.is_empty() || !name.ends_with(end) || name.len() <= end.len() + 1 {
        return;
    }
    name.truncate(name.len() - end.len());
    name.pop();
}

/// Runs of anything but letters and digits are one underscore; `__x__` stays as it is.
fn escaped_label(key: &str) -> String {
    let inner = key.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    let mut out = String::with_capacity(key.len());
    for c in inner.unwrap_or(key).chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    if inner.is_some() { format!("__{out}__") } else { out }
}

/// The words of a unit: `By/s` is `bytes` and `per_second`. What is in braces is a note, not a unit.
fn units(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let known = |unit: &str, table: &[(&'static str, &'static str)]| {
        let unit = unit.trim();
        if unit.contains(['{', '}']) {
            return String::new();
        }
        let word = table.iter().find(|(short, _)| *short == unit).map(|(_, word)| *word);
        word.unwrap_or(unit).to_owned()
    };
    let per = known(per, PER);
    (known(main, UNITS), if per.is_empty() { per } else { format!("per_{per}") })
}

fn cleaned(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if valid(c) { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out.strip_prefix('_').map(str::to_owned).unwrap_or(out)
}

/// Units in the short forms of UCUM, and in words.
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// The same behind a slash.
const PER: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(escapes: bool, suffixes: bool, namespace: &str) -> Names {
        Names::new(Translation { escapes, suffixes }, namespace)
    }

    fn default_name(name: &str, unit: &str, suffix: Suffix) -> String {
        names(true, true, "").metric(name, unit, suffix).unwrap()
    }

    #[test]
    fn units_and_types_are_suffixes() {
        use Suffix::{Counter, Gauge, Other};
        for (name, unit, suffix, expected) in [
            ("http.server.duration", "s", Other, "http_server_duration_seconds"),
            ("system.io", "By", Counter, "system_io_bytes_total"),
            ("requests", "1", Counter, "requests_total"),
            ("requests", "{request}", Counter, "requests_total"),
            ("requests.total", "", Counter, "requests_total"),
            ("total.requests", "", Counter, "requests_total"),
            ("memory.usage", "1", Gauge, "memory_usage_ratio"),
            ("usage.ratio", "1", Gauge, "usage_ratio"),
            ("usage", "1", Other, "usage"),
            ("cpu", "%", Gauge, "cpu_percent"),
            ("speed", "m/s", Gauge, "speed_meters_per_second"),
            ("rate", "{packet}/s", Gauge, "rate_per_second"),
            ("rate", "By/{x}", Gauge, "rate_bytes"),
            ("rate.per_second", "1/s", Other, "rate_per_second_per_second"),
            ("d.seconds", "s", Other, "d_seconds"),
            ("d", "ms", Other, "d_milliseconds"),
            ("d", " s ", Other, "d_seconds"),
            ("d", "furlong", Other, "d_furlong"),
            ("d", "$/x y", Other, "d_per_x_y"),
            ("1st.place", "", Gauge, "_1st_place"),
            ("a..b__c--d", "", Gauge, "a_b_c_d"),
            ("a:b", "", Gauge, "a:b"),
            ("größe", "", Gauge, "gr_e"),
        ] {
            assert_eq!(default_name(name, unit, suffix), expected, "{name} {unit:?} {suffix:?}");
        }
    }

    #[test]
    fn each_strategy_has_its_names() {
        let all = |name: &str, unit: &str, suffix: Suffix| {
            [(true, true), (true, false), (false, true), (false, false)]
                .map(|(escapes, suffixes)| names(escapes, suffixes, "ns").metric(name, unit, suffix).unwrap())
        };
        assert_eq!(
            all("http.requests", "By/s", Suffix::Counter),
            [
                "ns_http_requests_bytes_per_second_total",
                "ns_http_requests",
                "ns_http.requests_bytes_per_second_total",
                "ns_http.requests"
            ]
        );
        assert_eq!(
            all("http.time_seconds_total", "s", Suffix::Counter),
            [
                "ns_http_time_seconds_total",
                "ns_http_time_seconds_total",
                "ns_http.time_seconds_total",
                "ns_http.time_seconds_total"
            ]
        );
        assert_eq!(names(true, false, "").metric("9 lives", "", Suffix::Gauge).unwrap(), "_9_lives");
        assert_eq!(names(true, true, "my ns").metric("x", "", Suffix::Gauge).unwrap(), "my_ns_x");
        assert_eq!(names(true, true, "ns").target_info(), "ns_target_info");
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_none() {
        assert_eq!(names(true, true, "").metric("", "", Suffix::Gauge), None);
        assert_eq!(names(true, true, "").metric("%%", "", Suffix::Gauge), None);
        assert_eq!(names(false, false, "").metric("", "", Suffix::Gauge), None);
    }

    #[test]
    fn labels_are_sanitised() {
        let escaping = names(true, true, "");
        for (key, expected) in [
            ("http.method", "http_method"),
            ("a--b", "a_b"),
            ("0a", "key_0a"),
            ("_a", "_a"),
            ("__name__", "key__name__"),
            ("", "key_"),
            ("__", "key_"),
            ("ü", "key_"),
            ("a:b", "a_b"),
        ] {
            assert_eq!(escaping.label(key), expected, "{key:?}");
        }
        let plain = names(false, true, "");
        assert_eq!(plain.label("http.method"), "http.method");
        assert_eq!(plain.label("__name__"), "key__name__");
    }

    proptest! {
        #[test]
        fn escaped_names_are_plain(name: String, unit: String, key: String, suffixes: bool) {
            let names = names(true, suffixes, "");
            if let Some(name) = names.metric(&name, &unit, Suffix::Counter) {
                prop_assert!(is_plain_metric(&name), "{}", name);
            }
            prop_assert!(is_plain_label(&names.label(&key)));
            let plain = is_plain_label(&with_underscores(&key, false));
            prop_assert!(plain || key.is_empty());
        }
    }
}
