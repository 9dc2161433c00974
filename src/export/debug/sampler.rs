//! Which messages are shown when many come: the first of each second, then one in so many.

use std::time::{Duration, Instant};

/// Counts messages second by second.
#[derive(Clone, Debug)]
pub struct Sampler {
    initial: u64,
    thereafter: u64,
    /// When the counted second began.
    since: Option<Instant>,
    seen: u64,
}

impl Sampler {
    /// `sampling_initial` messages of each second are shown, then one in `sampling_thereafter`; none for 0.
    pub fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, since: None, seen: 0 }
    }

    /// Whether a message that comes now is shown.
    pub fn admits(&mut self, now: Instant) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            self.since = Some(now);
            self.seen = 0;
        }
        self.seen += 1;
        match self.seen.checked_sub(self.initial) {
            None | Some(0) => true,
            Some(over) => self.thereafter != 0 && over.is_multiple_of(self.thereafter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sampler: &mut Sampler, at: Instant, messages: usize) -> Vec<usize> {
        (1..=messages).filter(|_| sampler.admits(at)).collect()
    }

    #[test]
    fn the_first_of_each_second_are_shown_then_one_in_many() {
        let start = Instant::now();
        let mut sampler = Sampler::new(2, 3);
        assert_eq!(shown(&mut sampler, start, 10), [1, 2, 5, 8]);
        assert_eq!(shown(&mut sampler, start + Duration::from_millis(999), 3), [1]);
        assert_eq!(shown(&mut sampler, start + Duration::from_secs(1), 3), [1, 2]);
    }

    #[test]
    fn the_default_shows_everything_and_zero_nothing_more() {
        let now = Instant::now();
        assert_eq!(shown(&mut Sampler::new(2, 1), now, 100).len(), 100);
        assert_eq!(shown(&mut Sampler::new(2, 0), now, 100).len(), 2);
        assert_eq!(shown(&mut Sampler::new(0, 0), now, 100).len(), 0);
    }
}
