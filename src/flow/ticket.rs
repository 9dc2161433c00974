//! The outcome of one request whose parts go different ways: each part holds a ticket, the sender waits for the last.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Answer;
use crate::outcome::{Accepted, Reason, Refusal};

/// A part's hold on the outcome of its request. The sender is answered when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Ticket(Arc<Open>);

#[derive(Debug)]
struct Open {
    sender: Mutex<Option<oneshot::Sender<Answer>>>,
    sum: Mutex<Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    accepted: Accepted,
    taken: bool, // some part was
    passing: Option<Refusal>,
    for_good: Option<Refusal>,
}

/// Opens the outcome of a request; the sender waits on the second.
pub fn open() -> (Ticket, oneshot::Receiver<Answer>) {
    let (sender, answer) = oneshot::channel();
    (Ticket(Arc::new(Open { sender: Mutex::new(Some(sender)), sum: Mutex::default() })), answer)
}

impl Ticket {
    /// Whether nobody waits any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.sender.lock().as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// A part was taken, but for so many of its items.
    pub fn taken(&self, rejected_items: u64, reason: Reason, message: &str) {
        let mut sum = self.0.sum.lock();
        sum.taken = true;
        sum.reject(rejected_items, reason, message);
    }

    /// A part of `items` was not taken.
    pub fn refused(&self, items: u64, refusal: &Refusal) {
        let mut sum = self.0.sum.lock();
        if refusal.passes() {
            sum.passing.get_or_insert_with(|| refusal.clone());
        } else {
            sum.reject(items, refusal.reason, &refusal.message);
            sum.for_good.get_or_insert_with(|| refusal.clone());
        }
    }

    /// Answers now, whatever becomes of the parts.
    pub fn answer(&self, answer: Answer) {
        if let Some(sender) = self.0.sender.lock().take() {
            let _ = sender.send(answer); // nobody waits: nobody to tell
        }
    }
}

impl Sum {
    fn reject(&mut self, items: u64, reason: Reason, message: &str) {
        let accepted = &mut self.accepted;
        accepted.rejected_items += items;
        if items > 0 {
            accepted.reason.get_or_insert(reason);
        }
        if accepted.message.is_empty() && !message.is_empty() {
            accepted.message = message.to_owned().into();
        }
    }

    /// A refusal that passes outranks the rest: sent again, what was taken comes twice, and nothing is lost. One for
    /// good is the answer only where nothing was taken; otherwise it is a partial success, so that nobody resends.
    fn answer(self) -> Option<Answer> {
        match (self.passing, self.for_good) {
            (Some(refusal), _) => Some(Err(refusal)),
            (None, Some(refusal)) if !self.taken => Some(Err(refusal)),
            (None, None) if !self.taken => None,
            _ => Some(Ok(self.accepted)),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let sum = std::mem::take(self.sum.get_mut());
        if let (Some(sender), Some(answer)) = (self.sender.get_mut().take(), sum.answer()) {
            let _ = sender.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Fault;

    fn refusal(fault: Fault) -> Refusal {
        Refusal { fault, reason: Reason::BackendRefused, message: "no".into(), retry_after: None }
    }

    #[test]
    fn the_answer_waits_for_the_last_part() {
        let (ticket, mut answer) = open();
        let other = ticket.clone();
        ticket.taken(1, Reason::BackendRejected, "one is odd");
        drop(ticket);
        assert!(answer.try_recv().is_err());
        other.taken(0, Reason::BackendRejected, "");
        drop(other);
        let accepted = answer.try_recv().unwrap().unwrap();
        assert_eq!((accepted.rejected_items, accepted.reason), (1, Some(Reason::BackendRejected)));
    }

    #[test]
    fn a_refusal_that_passes_outranks_what_was_taken() {
        let (ticket, mut answer) = open();
        ticket.taken(0, Reason::BackendRejected, "");
        ticket.refused(2, &refusal(Fault::Peer));
        drop(ticket);
        assert_eq!(answer.try_recv().unwrap().unwrap_err().fault, Fault::Peer);
    }

    #[test]
    fn a_refusal_for_good_of_some_parts_is_a_partial_success() {
        let (ticket, mut answer) = open();
        ticket.refused(2, &refusal(Fault::PeerRefused(3)));
        ticket.taken(0, Reason::BackendRejected, "");
        drop(ticket);
        assert_eq!(answer.try_recv().unwrap().unwrap().rejected_items, 2);
    }

    #[test]
    fn parts_that_vanish_answer_nothing() {
        let (ticket, mut answer) = open();
        assert!(!ticket.is_abandoned());
        drop(ticket);
        assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
