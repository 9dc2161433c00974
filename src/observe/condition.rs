//! How the process and its components are, as the second form of the Collector's health check tells it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::health::timestamp;

/// How a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It works.
    Ok,
    /// It cannot do its work now, and goes on trying.
    RecoverableError,
    /// It does not work yet.
    Starting,
    /// It works off what it has.
    Stopping,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "StatusOK",
            Self::RecoverableError => "StatusRecoverableError",
            Self::Starting => "StatusStarting",
            Self::Stopping => "StatusStopping",
        }
    }
}

/// How something is, since when, and how its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of it.
    pub status: Status,
    /// Since when.
    pub since: SystemTime,
    /// What is wrong, for a person.
    pub error: Option<String>,
    /// Its parts by name: pipelines, and their components.
    pub parts: BTreeMap<String, Self>,
}

impl Condition {
    /// Without parts.
    pub fn of(status: Status, since: SystemTime) -> Self {
        Self { status, since, error: None, parts: BTreeMap::new() }
    }

    /// It is as its worst part is, where that is worse; of several alike, since the first.
    pub fn with_parts(mut self, parts: BTreeMap<String, Self>) -> Self {
        let worst = parts.values().max_by(|a, b| a.status.cmp(&b.status).then(b.since.cmp(&a.since)));
        if let Some(worst) = worst.filter(|worst| worst.status > self.status) {
            (self.status, self.since, self.error) = (worst.status, worst.since, worst.error.clone());
        }
        self.parts = parts;
        self
    }

    /// The whole where `scope` is empty, or one of its pipelines, or `extensions`.
    pub(super) fn scope(&self, scope: &str) -> Option<&Self> {
        match scope {
            "" => Some(self),
            "extensions" => self.parts.get(scope),
            pipeline => self.parts.get(&format!("pipeline:{pipeline}")),
        }
    }
}

/// `component_health`: which errors make the answer a bad one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentHealth {
    /// `include_recoverable_errors`: those that last longer than this (`recovery_duration`).
    pub recoverable_after: Option<Duration>,
}

impl ComponentHealth {
    /// Whether a part that is like this counts as healthy at `now`.
    pub(super) fn is_healthy(&self, condition: &Condition, now: SystemTime) -> bool {
        let Some(after) = self.recoverable_after else { return true };
        condition.status != Status::RecoverableError || now < condition.since + after
    }

    /// Whether requests are taken and nothing is wrong that counts.
    pub(super) fn serves(&self, condition: &Condition, now: SystemTime) -> bool {
        matches!(condition.status, Status::Ok | Status::RecoverableError) && self.is_healthy(condition, now)
    }

    /// The HTTP status.
    pub(super) fn code(&self, condition: &Condition, now: SystemTime) -> u16 {
        match condition.status {
            Status::Starting | Status::Stopping => 503,
            _ if self.is_healthy(condition, now) => 200,
            _ => 500,
        }
    }

    /// As the Collector writes it; `started` stands at the top, parts only where asked for.
    pub(super) fn json(
        &self,
        condition: &Condition,
        started: Option<SystemTime>,
        verbose: bool,
        now: SystemTime,
    ) -> Value {
        let mut written = Map::new();
        if let Some(started) = started {
            written.insert("start_time".into(), timestamp(started).into());
        }
        written.insert("healthy".into(), self.is_healthy(condition, now).into());
        written.insert("status".into(), condition.status.name().into());
        if let Some(error) = &condition.error {
            written.insert("error".into(), error.as_str().into());
        }
        written.insert("status_time".into(), timestamp(condition.since).into());
        written.insert("attributes".into(), json!({}));
        if verbose && !condition.parts.is_empty() {
            let parts = condition.parts.iter();
            let parts = parts.map(|(name, part)| (name.clone(), self.json(part, None, true, now)));
            written.insert("components".into(), Value::Object(parts.collect()));
        }
        Value::Object(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn troubled() -> Condition {
        let bad = Condition { error: Some("down".into()), ..Condition::of(Status::RecoverableError, at(10)) };
        let parts =
            [("exporter:a".to_owned(), bad), ("exporter:b".to_owned(), Condition::of(Status::Ok, at(1)))];
        let pipeline = Condition::of(Status::Ok, at(1)).with_parts(parts.into());
        Condition::of(Status::Ok, at(1)).with_parts([("pipeline:traces/x".to_owned(), pipeline)].into())
    }

    #[test]
    fn the_whole_is_as_its_worst_part() {
        let whole = troubled();
        assert_eq!((whole.status, whole.since), (Status::RecoverableError, at(10)));
        assert_eq!(whole.scope("traces/x").map(|part| part.parts.len()), Some(2));
        assert_eq!(whole.scope("nope"), None);
        let stopping = Condition::of(Status::Stopping, at(20)).with_parts(whole.parts);
        assert_eq!((stopping.status, stopping.since), (Status::Stopping, at(20)));
    }

    #[test]
    fn an_error_counts_where_it_is_included_and_once_it_has_lasted() {
        let whole = troubled();
        let included = ComponentHealth { recoverable_after: Some(Duration::from_secs(5)) };
        assert_eq!(ComponentHealth::default().code(&whole, at(100)), 200);
        assert_eq!((included.code(&whole, at(14)), included.code(&whole, at(15))), (200, 500));
        assert!(included.serves(&whole, at(14)) && !included.serves(&whole, at(15)));
        assert_eq!(included.code(&Condition::of(Status::Starting, at(0)), at(1)), 503);
        let json = included.json(&whole, Some(at(0)), false, at(15));
        let expected = json!({"start_time": "1970-01-01T00:00:00Z", "healthy": false, "error": "down",
            "status": "StatusRecoverableError", "status_time": "1970-01-01T00:00:10Z", "attributes": {}});
        assert_eq!(json, expected);
    }
}
