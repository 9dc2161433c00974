//! What all series are at one moment, before a reader gives them the form that it speaks.

use super::instruments::HistogramSnapshot;
use super::names::Described;

/// Sorted by name.
pub(super) type Labels = Vec<(String, String)>;

/// The series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// As in the Prometheus text format, without a suffix for its kind or unit.
    pub name: String,
    /// What it is, for a person.
    pub help: String,
    /// What its points are.
    pub kind: Kind,
    /// What is said of it beside its name: of the name that it has before views.
    pub(super) about: Described,
    /// Its series, by their labels.
    pub points: Vec<Point>,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often values fell into ranges.
    Histogram,
}

/// One series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What tells it from others of its name.
    pub labels: Vec<(String, String)>,
    /// What it is.
    pub value: Number,
}

/// What a series is at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any number.
    Float(f64),
    /// A histogram.
    Histogram(HistogramSnapshot),
}
