//! Time zones: names of the tz database, which is built in, and offsets that a text had.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::calendar::{self, Civil, SECOND};

/// Largest offset that is read, in seconds: below a day and an hour, as the database allows.
const OFFSET_MAX: i64 = 25 * 3600;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A moment and the zone it is shown in.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Nanoseconds since 1970.
    pub nanos: i64,
    pub(super) zone: Zone,
}

/// A time zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Zone {
    #[default]
    Utc,
    Other(TimeZone),
}

impl Moment {
    /// In UTC.
    pub(super) fn utc(nanos: i64) -> Self {
        Self { nanos, zone: Zone::Utc }
    }

    /// Another time in the same zone.
    pub(super) fn at(&self, nanos: i64) -> Self {
        Self { nanos, zone: self.zone.clone() }
    }

    /// What a clock in the zone shows.
    pub(super) fn civil(&self) -> Civil {
        calendar::civil(self.nanos.saturating_add(self.zone.offset_seconds(self.nanos) * SECOND))
    }
}

impl Zone {
    /// The zone of a name; `Local` is UTC, for what a statement makes must not depend on where it runs.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "" | "UTC" | "Local" => Ok(Self::Utc),
            _ => DATABASE
                .get(name)
                .map(Self::Other)
                .map_err(|_| format!("failed to load location {name}: unknown time zone {name}")),
        }
    }

    /// A fixed distance from UTC.
    pub(super) fn fixed(seconds: i64) -> Option<Self> {
        match seconds {
            0 => Some(Self::Utc),
            _ if seconds.abs() > OFFSET_MAX => None,
            _ => Some(Self::Other(Offset::from_seconds(seconds as i32).ok()?.to_time_zone())),
        }
    }

    /// Seconds before UTC at a time.
    pub(super) fn offset_seconds(&self, nanos: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Other(zone) => i64::from(zone.to_offset(timestamp(nanos)).seconds()),
        }
    }

    /// What the zone is called at a time; a fixed offset has no name but its digits.
    pub(super) fn abbreviation(&self, nanos: i64) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::Other(zone) if zone.iana_name().is_none() => offset_text(self.offset_seconds(nanos), ""),
            Self::Other(zone) => zone.to_offset_info(timestamp(nanos)).abbreviation().to_owned(),
        }
    }

    /// The time when a clock in the zone shows this; of two times or none, the one that Go takes.
    pub(super) fn nanos_of(&self, civil: Civil) -> Option<i64> {
        let shown = civil.nanos()?;
        let offset = |nanos| self.offset_seconds(nanos) * SECOND;
        match offset(shown) {
            0 => Some(shown),
            first => shown.checked_sub(offset(shown.checked_sub(first)?)),
        }
    }
}

fn timestamp(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `+02:30` with this between hours and minutes.
pub(super) fn offset_text(seconds: i64, between: &str) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}
