//! The members of one exporter: where they come from, and the balancers that follow them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::balancer::LoadBalancer;
use crate::change::Change;
use crate::discover::{self, Config, Context, Discovery, Event, Rejection};
use crate::route::Membership;

/// A source of members and the balancers, one a signal, that follow it. A clone is the same one.
#[derive(Clone)]
pub struct Following(Arc<Inner>);

struct Inner {
    balancers: Vec<LoadBalancer>,
    source: Mutex<Source>,
    turn: Arc<Mutex<()>>, // one membership at a time comes into force
    stop: CancellationToken,
}

/// What is followed now.
struct Source {
    discovery: Arc<Discovery>,
    followed: CancellationToken, // until another takes its place
}

impl Following {
    /// Reads the members once, puts them in force and follows them until `stop`. Must be called on the runtime that
    /// follows.
    pub async fn start(
        config: Config,
        balancers: Vec<LoadBalancer>,
        stop: &CancellationToken,
    ) -> Result<Self, Rejection> {
        let discovery = Arc::new(discover(config, &balancers, stop).await?);
        let first = discovery.members().borrow().clone();
        balancers.iter().for_each(|one| one.apply(Arc::clone(&first)));
        let followed = stop.child_token();
        let source = Mutex::new(Source { discovery: Arc::clone(&discovery), followed: followed.clone() });
        let this = Inner { balancers, source, turn: Arc::default(), stop: stop.clone() };
        let mut members = discovery.members();
        members.mark_unchanged();
        this.follow(members, followed);
        Ok(Self(Arc::new(this)))
    }

    /// The source of members.
    pub fn discovery(&self) -> Arc<Discovery> {
        Arc::clone(&self.0.source.lock().discovery)
    }

    /// Reads the members of another source. Made, the change puts them in force as any change of members: what waits
    /// for members that stay goes on, what waits for others goes to the new owners.
    pub async fn prepare(&self, config: Config) -> Result<Change, Rejection> {
        let discovery = Arc::new(discover(config, &self.0.balancers, &self.0.stop).await?);
        let this = Arc::clone(&self.0);
        Ok(Change::new(move || this.change(discovery)))
    }
}

impl Inner {
    fn change(&self, discovery: Arc<Discovery>) {
        let followed = self.stop.child_token();
        let mut members = discovery.members();
        // Its first members come into force as later ones do. Where there are none yet, the last ones stay.
        if members.borrow().members.is_empty() {
            members.mark_unchanged()
        } else {
            members.mark_changed()
        }
        let old =
            std::mem::replace(&mut *self.source.lock(), Source { discovery, followed: followed.clone() });
        old.followed.cancel();
        self.follow(members, followed);
    }

    /// Puts every membership that comes in force, until another source is followed. Shares are computed on a thread
    /// that may block.
    fn follow(&self, mut members: watch::Receiver<Arc<Membership>>, followed: CancellationToken) {
        let (balancers, turn) = (self.balancers.clone(), Arc::clone(&self.turn));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = members.changed() => if changed.is_err() { return },
                    () = followed.cancelled() => return,
                }
                let membership = members.borrow_and_update().clone();
                let (balancers, turn, followed) = (balancers.clone(), Arc::clone(&turn), followed.clone());
                let applied = tokio::task::spawn_blocking(move || {
                    let _turn = turn.lock();
                    if !followed.is_cancelled() {
                        balancers.iter().for_each(|one| one.apply(Arc::clone(&membership)));
                    }
                });
                if let Err(error) = applied.await {
                    tracing::error!(%error, "a membership could not be applied");
                }
            }
        });
    }
}

async fn discover(
    config: Config,
    balancers: &[LoadBalancer],
    stop: &CancellationToken,
) -> Result<Discovery, Rejection> {
    // The counters of an exporter's signals are the same series, so one of them counts.
    let counting = balancers.first().cloned();
    let on_event = Box::new(move |event: Event| {
        if let Some(one) = &counting {
            one.note(event);
        }
    });
    discover::start(config, Context { on_event, ..Context::new(stop.clone()) }).await
}
