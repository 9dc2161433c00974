//! The contexts: which item a statement runs on, and which others it sees.

/// A kind of item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// A resource.
    Resource,
    /// An instrumentation scope.
    Scope,
    /// A span.
    Span,
    /// An event of a span.
    SpanEvent,
    /// A metric.
    Metric,
    /// A data point of a metric.
    DataPoint,
    /// An exemplar of a data point.
    Exemplar,
    /// A log record.
    Log,
}

impl Context {
    /// How many there are.
    pub(super) const COUNT: usize = 8;

    /// The context of a name, which is also the first segment of paths.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "resource" => Self::Resource,
            "scope" | "instrumentation_scope" => Self::Scope,
            "span" => Self::Span,
            "spanevent" => Self::SpanEvent,
            "metric" => Self::Metric,
            "datapoint" => Self::DataPoint,
            "exemplar" => Self::Exemplar,
            "log" => Self::Log,
            _ => return None,
        })
    }

    /// The name in configurations and paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Span => "span",
            Self::SpanEvent => "spanevent",
            Self::Metric => "metric",
            Self::DataPoint => "datapoint",
            Self::Exemplar => "exemplar",
            Self::Log => "log",
        }
    }

    /// Whether statements that run here see `other`.
    pub fn sees(self, other: Self) -> bool {
        self == other
            || match other {
                Self::Resource => true,
                Self::Scope => self != Self::Resource,
                Self::Span => self == Self::SpanEvent,
                Self::Metric => matches!(self, Self::DataPoint | Self::Exemplar),
                Self::DataPoint => self == Self::Exemplar,
                _ => false,
            }
    }

    /// The field that repeats attributes; 0 where it depends on the metric.
    pub(super) fn attributes(self) -> u32 {
        match self {
            Self::Resource => 1,
            Self::Scope | Self::SpanEvent => 3,
            Self::Span => 9,
            Self::Metric => 12,
            Self::DataPoint => 0,
            Self::Exemplar => 7,
            Self::Log => 6,
        }
    }
}

impl Context {
    /// The name in the Collector's errors.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Resource => "Resource",
            Self::Scope => "Instrumentation Scope",
            Self::Span => "Span",
            Self::SpanEvent => "Span Event",
            Self::Metric => "Metric",
            Self::DataPoint => "DataPoint",
            Self::Exemplar => "Exemplar",
            Self::Log => "Log",
        }
    }
}

impl Context {
    /// All, by number.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Resource,
        Self::Scope,
        Self::Span,
        Self::SpanEvent,
        Self::Metric,
        Self::DataPoint,
        Self::Exemplar,
        Self::Log,
    ];
}
