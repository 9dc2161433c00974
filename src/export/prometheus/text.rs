//! The exposition: text 0.0.4 and OpenMetrics 1.0.

use std::fmt::Write;

use super::labels::{self, Labels};
use super::names::{is_plain_label, is_plain_metric, with_underscores};
use super::point::{Exemplar, Value};
use super::store::{Family, Series, Type};
use crate::wire::json::push_hex;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// OpenMetrics instead of the older text.
    pub(super) open_metrics: bool,
    /// Protobuf instead of text.
    pub(super) protobuf: bool,
    /// The reader takes names of any characters, in quotes.
    pub(super) any_names: bool,
    /// Samples carry times.
    pub(super) timestamps: bool,
}

/// Appends a family.
pub(super) fn family(out: &mut String, style: Style, name: &str, family: &Family) {
    let name = shown(style, name);
    head(out, style, &name, &family.help, family.kind);
    let mut sample = Sample { out, style, name: &name, pairs: Vec::new() };
    for (labels, series) in &family.series {
        sample.pairs = pairs(style, labels);
        sample.series(family.kind, series);
    }
}

/// Appends `target_info`.
pub(super) fn targets<'a>(out: &mut String, style: Style, name: &str, all: impl Iterator<Item = &'a Labels>) {
    let name = shown(style, name);
    let mut all = all.peekable();
    if all.peek().is_some() {
        head(out, style, &name, "Target metadata", Type::Gauge);
    }
    let mut sample = Sample { out, style, name: &name, pairs: Vec::new() };
    for labels in all {
        sample.pairs = pairs(style, labels);
        sample.line("", None, &sample.style.float(1.0), None, None);
    }
}

/// What stands at the end.
pub(super) fn end(out: &mut String, style: Style) {
    if style.open_metrics {
        out.push_str("# EOF\n");
    }
}

/// The name for this reader.
pub(super) fn shown(style: Style, name: &str) -> String {
    match style.any_names || is_plain_metric(name) {
        true => name.to_owned(),
        false => with_underscores(name, true),
    }
}

/// The labels for this reader.
pub(super) fn pairs(style: Style, labels: &Labels) -> Vec<(String, String)> {
    match style.any_names {
        true => labels.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        false => labels::plain(labels),
    }
}

fn head(out: &mut String, style: Style, name: &str, help: &str, kind: Type) {
    // In OpenMetrics the family of a counter has no suffix; one whose name has none cannot be a counter there.
    let bare = name.strip_suffix("_total").filter(|_| style.open_metrics && kind == Type::Counter);
    let word = match kind {
        Type::Counter if style.open_metrics && bare.is_none() => "unknown",
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram => "histogram",
        Type::Summary => "summary",
    };
    let name = bare.unwrap_or(name);
    for line in ["# HELP ", "# TYPE "] {
        out.push_str(line);
        if is_plain_metric(name) {
            out.push_str(name);
        } else {
            quoted(out, name);
        }
        out.push(' ');
        if line == "# HELP " {
            escaped(out, help, style.open_metrics);
        } else {
            out.push_str(word);
        }
        out.push('\n');
    }
}

/// The lines of one series.
struct Sample<'a> {
    out: &'a mut String,
    style: Style,
    name: &'a str,
    pairs: Vec<(String, String)>,
}

impl Sample<'_> {
    fn series(&mut self, kind: Type, series: &Series) {
        let (style, time) = (self.style, Some(series.time).filter(|_| self.style.timestamps));
        match &series.value {
            Value::Number(value) => {
                let counts = kind == Type::Counter && self.name.ends_with("_total");
                let example = series.exemplars.last().filter(|_| counts);
                self.line("", None, &style.float(*value), time, example);
            }
            Value::Histogram(histogram) => {
                self.buckets(&histogram.cumulative(), histogram.count, histogram.sum, series, time);
            }
            Value::Exponential(value) => self.buckets(&value.classic(), value.count, value.sum, series, time),
            Value::Summary(summary) => {
                for (quantile, value) in &summary.quantiles {
                    let quantile = Some(("quantile", style.float(*quantile)));
                    self.line("", quantile, &style.float(*value), time, None);
                }
                self.line("_sum", None, &style.float(summary.sum), time, None);
                self.line("_count", None, &summary.count.to_string(), time, None);
            }
        }
    }

    fn buckets(&mut self, buckets: &[(f64, u64)], count: u64, sum: f64, series: &Series, time: Option<u64>) {
        let style = self.style;
        let mut below = f64::NEG_INFINITY;
        for (bound, seen) in buckets.iter().copied().chain([(f64::INFINITY, count)]) {
            let example = series.exemplar_between(below, bound);
            let le = Some(("le", style.float(bound)));
            self.line("_bucket", le, &seen.to_string(), time, example);
            below = bound;
        }
        self.line("_sum", None, &style.float(sum), time, None);
        self.line("_count", None, &count.to_string(), time, None);
    }

    fn line(
        &mut self,
        suffix: &str,
        more: Option<(&str, String)>,
        value: &str,
        time: Option<u64>,
        example: Option<&Exemplar>,
    ) {
        let out = &mut *self.out;
        let plain = is_plain_metric(self.name);
        let mut separator = '{';
        if plain {
            out.push_str(self.name);
            out.push_str(suffix);
        } else {
            out.push('{');
            quoted(out, &format!("{}{suffix}", self.name));
            separator = ',';
        }
        let own = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(more.as_ref().map(|(name, value)| (*name, value.as_str()))) {
            out.push(separator);
            separator = ',';
            if is_plain_label(name) {
                out.push_str(name);
            } else {
                quoted(out, name);
            }
            out.push('=');
            quoted(out, value);
        }
        out.push_str(if separator == ',' { "} " } else { " " });
        out.push_str(value);
        if let Some(time) = time {
            out.push(' ');
            self.style.push_time(out, time);
        }
        if let Some(example) = example.filter(|_| self.style.open_metrics) {
            push_example(out, self.style, example);
        }
        out.push('\n');
    }
}

fn push_example(out: &mut String, style: Style, example: &Exemplar) {
    out.push_str(" # {");
    let mut separator = "";
    for (name, id) in example.ids() {
        out.push_str(separator);
        out.push_str(name);
        out.push_str("=\"");
        push_hex(out, id);
        out.push('"');
        separator = ",";
    }
    out.push_str("} ");
    out.push_str(&style.float(example.value));
    if example.time > 0 {
        out.push(' ');
        push_seconds(out, example.time);
    }
}

impl Style {
    /// A float as Go writes it, so that bounds and quantiles are the same labels as the Collector's.
    fn float(self, value: f64) -> String {
        let mut text = go_float(value);
        if self.open_metrics && text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            text.push_str(".0");
        }
        text
    }

    fn push_time(self, out: &mut String, time: u64) {
        if self.open_metrics {
            push_seconds(out, time);
        } else {
            push(out, format_args!("{}", time / 1_000_000));
        }
    }
}

/// Nanoseconds as seconds.
fn push_seconds(out: &mut String, time: u64) {
    push(out, format_args!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000));
    let kept = out.trim_end_matches('0').len();
    out.truncate(kept);
    if out.ends_with('.') {
        out.push('0');
    }
}

/// The shortest form; an exponent below 1e-4 and from 1e+06 on.
fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..6 => format!("{value}"),
        exponent => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text, true);
    out.push('"');
}

fn escaped(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.005, "0.005"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456.0, "123456"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Style::default().float(value), expected);
        }
        let open = Style { open_metrics: true, ..Style::default() };
        assert_eq!([open.float(5.0), open.float(0.5), open.float(1e6)], ["5.0", "0.5", "1e+06"]);
    }
}
