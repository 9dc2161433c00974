//! What is not part of the line: metrics, health, admin.

use std::sync::Arc;

use super::Ground;
use crate::app::extensions;
use crate::config::{HealthCheck, HealthListener, Settings};
use crate::observe::{self, Listening, Pages, Server};

/// A listener and what it was told.
#[derive(Clone)]
pub struct Node {
    what: What,
    listening: Arc<Listening>, // the last one dropped, it closes
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    Metrics(observe::PrometheusReader),
    Health(Box<HealthCheck>),
    Checked(Box<HealthListener>),
    Admin(observe::Admin),
}

/// Listeners that are kept and those that are about to answer.
#[derive(Default)]
pub struct Servers {
    kept: Vec<Node>,
    new: Vec<(What, Server)>,
}

impl Servers {
    /// Begins to answer.
    pub fn start(self, ground: &Ground) -> Vec<Node> {
        let Self { mut kept, new } = self;
        let start =
            |(what, server): (What, Server)| Node { what, listening: Arc::new(server.start(&ground.stop)) };
        kept.extend(new.into_iter().map(start));
        kept
    }
}

/// Binds those that are new, where need be at an address that an old one gives up.
pub async fn prepare(
    settings: &Settings,
    old: &[Node],
    ground: &Ground,
    pages: &Arc<dyn Pages>,
) -> Result<Servers, String> {
    let mut wanted: Vec<What> = settings.telemetry.metrics.iter().cloned().map(What::Metrics).collect();
    wanted.extend(settings.health_checks.values().cloned().map(Box::new).map(What::Health));
    wanted.extend(settings.health_listeners.iter().cloned().map(Box::new).map(What::Checked));
    wanted.extend(settings.admin.clone().map(What::Admin));
    let (kept, leaving): (Vec<&Node>, Vec<&Node>) = old.iter().partition(|node| wanted.contains(&node.what));
    let leaving: Vec<&Listening> = leaving.into_iter().map(|node| &*node.listening).collect();
    let mut servers = Servers { kept: kept.into_iter().cloned().collect(), new: Vec::new() };
    for what in wanted {
        if servers.kept.iter().any(|node| node.what == what) {
            continue;
        }
        let server = match &what {
            What::Metrics(reader) => observe::metrics_server(reader, &ground.registry, &leaving).await,
            What::Health(health) => {
                let manner =
                    extensions::guarded(health, observe::health_pages(&health.check, Arc::clone(pages)))?;
                let key = "extensions.health_check.endpoint";
                Server::bind(key, &health.check.endpoint, manner, &leaving).await
            }
            What::Checked(health) => {
                let manner = extensions::checked(health, Arc::clone(pages))?;
                Server::bind(&health.key, &health.endpoint, manner, &leaving).await
            }
            What::Admin(admin) => observe::admin_server(admin, Arc::clone(pages), &leaving).await,
        };
        servers.new.push((what, server.map_err(|error| error.to_string())?));
    }
    Ok(servers)
}
