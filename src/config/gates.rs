//! The Collector's feature gates that change something here.

/// Which of them are on; all are off unless the command line says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// `processor.tailsamplingprocessor.recordpolicy`: `record_policy` is on by default.
    pub record_policy: bool,
    /// `processor.tailsamplingprocessor.usetracestate`: `tracestate` is on by default under `compat` too.
    pub tracestate: bool,
    /// `processor.tailsamplingprocessor.metricstatcountspanssampled`.
    pub count_spans_sampled: bool,
    /// `processor.tailsamplingprocessor.metricstatcountbytessampled`.
    pub count_bytes_sampled: bool,
    /// `exporter.prometheusexporter.DisableAddMetricSuffixes`: `add_metric_suffixes` has no effect.
    pub disable_add_metric_suffixes: bool,
    /// `extension.healthcheck.useComponentStatus`: `health_check` has its second form.
    pub component_status: bool,
}

impl Gates {
    /// Switches a gate by its full name. False when it has no effect here.
    pub fn switch(&mut self, name: &str, on: bool) -> bool {
        let gate = match name {
            "processor.tailsamplingprocessor.recordpolicy" => &mut self.record_policy,
            "processor.tailsamplingprocessor.usetracestate" => &mut self.tracestate,
            "processor.tailsamplingprocessor.metricstatcountspanssampled" => &mut self.count_spans_sampled,
            "processor.tailsamplingprocessor.metricstatcountbytessampled" => &mut self.count_bytes_sampled,
            "exporter.prometheusexporter.DisableAddMetricSuffixes" => &mut self.disable_add_metric_suffixes,
            "extension.healthcheck.useComponentStatus" => &mut self.component_status,
            _ => return false,
        };
        *gate = on;
        true
    }
}
