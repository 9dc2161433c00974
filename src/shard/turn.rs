//! Requests into the journal: one write for all that have come, then the sampler, then the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::clock;
use super::processor::shard_of;
use super::reread::Rereading;
use super::state::Shard;
use crate::flow::Answer;
use crate::journal::{CommitError, Full, Position};
use crate::lane::Permit;
use crate::outcome::{Accepted, Fault, Reason, Refusal};
use crate::sample::facts::{Plan, Portion};
use crate::sample::{Moment, Place, Placing, Trigger};
use crate::split::Source;

/// One shard's part of a request.
pub struct Offer {
    /// The request.
    pub source: Arc<Source>,
    /// What it was read by.
    pub plan: Arc<Plan>,
    /// Its portions that belong to the shard.
    pub portions: Vec<Portion>,
    /// Told once they are in the journal, or refused.
    pub answer: oneshot::Sender<Answer>,
    /// Their room in what may wait.
    pub _permit: Permit,
}

/// An offer whose bytes have been appended.
struct Appended {
    offer: Offer,
    at: Option<Position>, // of the record; `None` when no portion is needed
    wanted: Vec<bool>,    // by portion
    offsets: Vec<u32>,    // of the wanted ones
}

impl Shard {
    /// Takes requests: all or nothing of each is in the journal when it is answered.
    pub fn take(&mut self, offers: &mut Vec<Offer>, now: Instant) {
        let moment = self.clock.moment(now);
        let mut appended = Vec::with_capacity(offers.len());
        for offer in offers.drain(..) {
            let offered = self.by_the_plan(offer).and_then(|offer| self.append(offer, moment));
            match offered {
                Ok(one) => appended.push(one),
                Err((offer, refusal)) => self.refuse(offer, refusal),
            }
        }
        if let Err(error) = self.journal.commit() {
            let refusal = unwritten(&error);
            if self.complaints.may_complain() {
                tracing::error!(%error, "spans are refused");
            }
            appended.into_iter().for_each(|one| self.refuse(one.offer, refusal.clone()));
            return;
        }
        for Appended { offer, at, wanted, offsets } in appended {
            self.accept(&offer.portions, at, &wanted, &offsets, moment);
            let _ = offer.answer.send(Ok(Accepted::default())); // the sender may have gone
        }
    }

    /// A request that was read before a reconfiguration is read again, so that no facts of another plan come in.
    fn by_the_plan(&self, offer: Offer) -> Result<Offer, (Offer, Refusal)> {
        let plan = self.sampler.plan();
        if Arc::ptr_eq(plan, &offer.plan) {
            return Ok(offer);
        }
        let arrival = match plan.read_at(offer.source.body.clone(), clock::unix_nanos()) {
            Ok(arrival) => arrival,
            Err(error) => return Err((offer, malformed(&error.to_string()))),
        };
        let (index, count) = (self.index as usize, self.shards as usize);
        let mut portions = arrival.portions;
        portions.retain(|portion| shard_of(&portion.trace_id, count) == index);
        Ok(Offer { source: arrival.source, plan: Arc::clone(plan), portions, ..offer })
    }

    fn append(&mut self, offer: Offer, now: Moment) -> Result<Appended, (Offer, Refusal)> {
        if self.closing {
            return Err((offer, closing()));
        }
        let mut wanted = Vec::with_capacity(offer.portions.len());
        let mut new = 0;
        for portion in &offer.portions {
            match self.sampler.placing(portion, new) {
                Placing::Refuse => return Err((offer, traces_full())),
                placing => wanted.push(placing == Placing::Journal),
            }
            new += usize::from(self.sampler.is_new(portion));
        }
        let portions: Vec<&Portion> =
            offer.portions.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(one, _)| one).collect();
        if portions.is_empty() {
            return Ok(Appended { offer, at: None, wanted, offsets: Vec::new() });
        }
        self.layout.arrange(&offer.source, &portions, now);
        match self.append_layout(&offer.source, now) {
            Ok(at) => {
                let offsets = self.layout.offsets().to_vec();
                Ok(Appended { offer, at: Some(at), wanted, offsets })
            }
            Err(full) => Err((offer, journal_full(full))),
        }
    }

    /// Appends; a full journal may make room by judging its oldest traces early.
    fn append_layout(&mut self, source: &Source, now: Moment) -> Result<Position, Full> {
        let parts = self.layout.parts(&source.body);
        let full = match self.journal.append(super::record::ARRIVAL, &parts) {
            Err(full @ Full::Limit { .. }) => full,
            other => return other,
        };
        drop(parts);
        if !self.sampler.makes_room() {
            return Err(full);
        }
        self.empty_oldest_segment(now);
        let parts = self.layout.parts(&source.body);
        self.journal.append(super::record::ARRIVAL, &parts)
    }

    /// Judges every trace that holds the oldest segment, so that it can go unless kept traces wait in it.
    pub fn empty_oldest_segment(&mut self, now: Moment) {
        self.release();
        let Some(segment) = self.journal.oldest().map(Position::segment) else { return };
        let in_segment =
            |place: Place| Position::from_u64(place.0).is_some_and(|position| position.segment() <= segment);
        let mut rereading = Rereading { journal: &mut self.journal, described: &mut self.described };
        for _ in 0..JUDGED_EARLY_MAX {
            if !self.sampler.oldest_place().is_some_and(in_segment)
                || !self.sampler.judge_early(Trigger::JournalLimit, now, &mut rereading)
            {
                break;
            }
        }
        self.drain();
        self.release();
    }

    fn accept(
        &mut self,
        portions: &[Portion],
        at: Option<Position>,
        wanted: &[bool],
        offsets: &[u32],
        now: Moment,
    ) {
        let spans: u64 = portions.iter().map(|portion| u64::from(portion.facts.spans)).sum();
        self.ledger.taken(spans);
        let mut held = 0;
        let mut offsets = offsets.iter();
        let mut rereading = Rereading { journal: &mut self.journal, described: &mut self.described };
        for (portion, wanted) in portions.iter().zip(wanted) {
            let offset = if *wanted { offsets.next() } else { None };
            let Some((at, offset)) = at.zip(offset) else {
                self.sampler.discard(portion, now);
                continue;
            };
            held += u64::from(portion.facts.spans);
            self.ledger.held_add(u64::from(portion.facts.spans));
            self.sampler.accept(portion, Place(at.plus(*offset).as_u64()), now, &mut rereading);
        }
        if spans > held {
            self.ledger.dropped(Reason::LateNotSampled, spans - held);
        }
    }

    fn refuse(&self, offer: Offer, refusal: Refusal) {
        let spans = offer.portions.iter().map(|portion| u64::from(portion.facts.spans)).sum();
        self.ledger.taken(spans);
        self.ledger.refused(refusal.reason, spans);
        let _ = offer.answer.send(Err(refusal)); // the sender may have gone
    }
}

fn load(reason: Reason, message: String) -> Refusal {
    Refusal { fault: Fault::Load, reason, message: message.into(), retry_after: Some(RETRY_AFTER) }
}

/// Not a request.
pub fn malformed(error: &str) -> Refusal {
    Refusal {
        fault: Fault::Sender,
        reason: Reason::Malformed,
        message: format!("not an OTLP request: {error}").into(),
        retry_after: None,
    }
}

fn traces_full() -> Refusal {
    load(Reason::TracesFull, "num_traces is reached; raise it, or let when_full decide early".into())
}

fn journal_full(full: Full) -> Refusal {
    match full {
        Full::Record { .. } => Refusal {
            fault: Fault::TooLarge,
            reason: Reason::TooLarge,
            message: full.to_string().into(),
            retry_after: None,
        },
        Full::Limit { .. } | Full::Failed => load(Reason::JournalFull, full.to_string()),
    }
}

fn unwritten(error: &CommitError) -> Refusal {
    load(Reason::DiskFull, error.to_string())
}

/// The process is ending.
pub fn closing() -> Refusal {
    Refusal {
        fault: Fault::Closing,
        reason: Reason::Shutdown,
        message: "shutting down".into(),
        retry_after: Some(RETRY_AFTER),
    }
}

/// When a sender that was refused should come back.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Traces judged early for one request at most, so that it is not served at the expense of all others.
const JUDGED_EARLY_MAX: usize = 100_000;
