//! The clock of a shard: wall time that does not go back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sample::Moment;

/// Wall time at one instant; later moments are counted from there.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    moment: Moment,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), moment: Moment(0) + since }
    }

    /// The moment of an instant.
    pub fn moment(&self, at: Instant) -> Moment {
        self.moment + at.saturating_duration_since(self.instant)
    }

    /// The instant of a moment; one that has passed is now or earlier.
    pub fn instant(&self, moment: Moment) -> Instant {
        let ahead = moment.since(self.moment).min(FAR);
        self.instant + ahead
    }
}

/// Wall time as it is now, in nanoseconds since 1970: what `Now()` in a condition means.
pub fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Instants further ahead than this are as good as never.
const FAR: Duration = Duration::from_secs(30 * 24 * 3600);
