//! What the `prometheus` exporter can be told.

use std::time::Duration;

use crate::auth;
use crate::pattern::wildcard;
use crate::tls;

/// The `prometheus` exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// `host:port` where `/metrics` is served.
    pub endpoint: String,
    /// `auth`: who may scrape; anyone when absent.
    pub auth: Option<auth::Authenticator>,
    /// Plaintext when absent.
    pub tls: Option<tls::ServerConfig>,
    /// Added to every response.
    pub response_headers: Vec<(String, String)>,
    /// In front of every name.
    pub namespace: String,
    /// On every series but `target_info`.
    pub const_labels: Vec<(String, String)>,
    /// Samples carry the time of their points.
    pub send_timestamps: bool,
    /// A series without an update is shown for so long, 5 min.
    pub metric_expiration: Duration,
    /// Resource attributes that become labels of every series.
    pub resource_labels: ResourceLabels,
    /// OpenMetrics for scrapers that ask for it.
    pub enable_open_metrics: bool,
    /// No `otel_scope_…` labels.
    pub without_scope_info: bool,
    /// How names are translated.
    pub translation: Translation,
    /// Series kept at once, 1,000,000.
    pub max_series: usize,
    /// Bytes they may take, 1 GiB.
    pub max_series_bytes: usize,
}

/// `translation_strategy`, or `add_metric_suffixes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Characters that older Prometheus servers do not take become underscores.
    pub escapes: bool,
    /// Units and types are written at the end of names.
    pub suffixes: bool,
}

/// `resource_constant_labels`: keys with `*` and `?` as wildcards. Nothing by default; what is excluded wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceLabels {
    /// Keys that become labels; when empty and something is excluded, all others do.
    pub included: Vec<String>,
    /// Keys that do not.
    pub excluded: Vec<String>,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            auth: None,
            tls: None,
            response_headers: Vec::new(),
            namespace: String::new(),
            const_labels: Vec::new(),
            send_timestamps: false,
            metric_expiration: Duration::from_secs(300),
            resource_labels: ResourceLabels::default(),
            enable_open_metrics: false,
            without_scope_info: false,
            translation: Translation::default(),
            max_series: 1_000_000,
            max_series_bytes: 1 << 30,
        }
    }
}

impl Prometheus {
    /// Whether metrics have the same names and labels under both.
    pub(super) fn names_as(&self, other: &Self) -> bool {
        self.namespace == other.namespace
            && self.const_labels == other.const_labels
            && self.resource_labels == other.resource_labels
            && self.without_scope_info == other.without_scope_info
            && self.translation == other.translation
    }
}

impl Default for Translation {
    fn default() -> Self {
        Self { escapes: true, suffixes: true }
    }
}

impl ResourceLabels {
    /// Whether the attribute becomes a label.
    pub(super) fn has(&self, key: &str) -> bool {
        let included = match self.included.as_slice() {
            [] => !self.excluded.is_empty(),
            patterns => patterns.iter().any(|pattern| wildcard(pattern, key)),
        };
        included && !self.excluded.iter().any(|pattern| wildcard(pattern, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(included: &[&str], excluded: &[&str], key: &str) -> bool {
        let list = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        ResourceLabels { included: list(included), excluded: list(excluded) }.has(key)
    }

    #[test]
    fn resource_attributes_are_chosen_by_patterns_and_exclusion_wins() {
        assert!(!has(&[], &[], "service.name"), "none by default");
        assert!(has(&["*"], &[], "service.name"));
        assert!(has(&["k8s.*.name"], &[], "k8s.pod.name") && !has(&["k8s.*.name"], &[], "k8s.pod.uid"));
        assert!(has(&[], &["service.*"], "host.name") && !has(&[], &["service.*"], "service.name"));
        assert!(!has(&["*"], &["host.?ame"], "host.name"));
        assert!(has(&["*a*b"], &[], "xxaxxbxxb") && !has(&["*a*b"], &[], "xxaxxbxxc"));
    }
}
