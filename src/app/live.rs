//! A running process: what runs, under which configuration, and how it gets under another one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::changes::changes;
use super::cli::Run;
use super::graph::{Graph, Ground, LEAVING_MAX, Leaving, Retired};
use crate::config::{Diagnostic, Errors, Format, Loaded, Mode};
use crate::digest::Digest;
use crate::observe::{ConfigMetrics, LogHandle, Pages, Status};

/// A running process.
pub struct Live {
    me: Weak<Self>,
    run: Arc<Run>,
    ground: Ground,
    logs: LogHandle,
    view: ArcSwap<View>,
    retired: Mutex<Retired>, // held by who changes what runs
    metrics: ConfigMetrics,
    status: parking_lot::Mutex<(Status, SystemTime)>,
    ending: AtomicBool,
    since: SystemTime,
}

/// What runs.
#[derive(Clone)]
pub struct View {
    /// Its parts.
    pub graph: Graph,
    /// Its configuration.
    pub loaded: Arc<Loaded>,
    /// Counts configurations in force.
    pub generation: u64,
    /// Of the configuration, secrets masked.
    pub hash: String,
    /// What became of the last reload.
    pub last: Option<Arc<Reload>>,
}

/// Why the configuration is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A file has changed.
    File,
    /// Nothing is known to have changed, but it may have.
    Poll,
    /// SIGHUP.
    Signal,
    /// `POST /reload`.
    Request,
}

/// What became of reading the configuration again.
#[derive(Clone, Debug)]
pub struct Reload {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub trigger: Trigger,
    /// What.
    pub outcome: Outcome,
}

/// What became of a configuration that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in force.
    Applied {
        /// What is not as before.
        changes: Vec<String>,
    },
    /// It was in force before.
    Unchanged,
    /// It cannot be used, and nothing has changed.
    Refused {
        /// Everything that is wrong, for a person.
        reason: String,
        /// The same one by one, where the configuration itself is wrong.
        errors: Vec<Diagnostic>,
    },
}

impl Outcome {
    fn refused(reason: String) -> Self {
        Self::Refused { reason, errors: Vec::new() }
    }

    /// For labels and pages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused { .. } => "refused",
        }
    }
}

impl From<Errors> for Outcome {
    fn from(errors: Errors) -> Self {
        Self::Refused { reason: errors.to_string(), errors: errors.0 }
    }
}

impl Live {
    /// Starts what the configuration says. Errors are one line for a person.
    pub async fn start(run: Run, ground: Ground, logs: LogHandle) -> Result<Arc<Self>, String> {
        let loaded = Arc::new(run.loaded.clone());
        let hash = hash(&loaded);
        let view = View { graph: Graph::default(), loaded, generation: 0, hash, last: None };
        let live = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            run: Arc::new(run),
            metrics: ConfigMetrics::new(&ground.registry),
            ground,
            logs,
            view: ArcSwap::from_pointee(view),
            retired: Mutex::default(),
            status: parking_lot::Mutex::new((Status::Starting, SystemTime::now())),
            ending: AtomicBool::new(false),
            since: SystemTime::now(),
        });
        let loaded = Arc::clone(&live.view().loaded);
        live.change_to(loaded).await?;
        let view = live.view();
        live.metrics.in_force(view.generation, &view.hash, false);
        Ok(live)
    }

    /// What runs now.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Reads the configuration as a start would.
    pub fn on_disk(&self) -> Result<Loaded, Errors> {
        self.run.read_again()
    }

    /// `--config` values.
    pub fn sources(&self) -> &[String] {
        &self.run.sources
    }

    /// From now on, or no longer, requests are taken.
    pub fn set_ready(&self, ready: bool) {
        let status = if ready { Status::Ok } else { Status::Stopping };
        *self.status.lock() = (status, SystemTime::now());
    }

    /// Whether requests are taken.
    pub fn is_ready(&self) -> bool {
        self.status().0 == Status::Ok
    }

    /// How the process is, and since when.
    pub fn status(&self) -> (Status, SystemTime) {
        *self.status.lock()
    }

    /// When it was started.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Reads the configuration again and puts it in force, all of it or nothing. Once begun this goes on even when
    /// nobody waits for it any more.
    pub async fn reload(&self, trigger: Trigger) -> Outcome {
        let Some(me) = self.me.upgrade() else { return Outcome::refused("the process ends".into()) };
        let task = tokio::spawn(async move { me.reload_now(trigger).await });
        task.await.unwrap_or_else(|error| Outcome::refused(format!("the reload failed: {error}")))
    }

    async fn reload_now(&self, trigger: Trigger) -> Outcome {
        let mut retired = self.retired.lock().await;
        let outcome = self.try_reload(&mut retired).await;
        let view = self.view();
        let before = view.last.as_deref().map(|last| &last.outcome);
        let again = before == Some(&outcome);
        let was_refused = matches!(before, Some(Outcome::Refused { .. }));
        match &outcome {
            Outcome::Applied { .. } => {}
            Outcome::Unchanged => {
                self.metrics.succeeded();
                if trigger == Trigger::Poll && !was_refused {
                    return outcome;
                }
                self.metrics.unchanged();
                tracing::info!(?trigger, "the configuration was read again: unchanged");
            }
            // Nobody asked: what was told once need not be told again.
            Outcome::Refused { .. } if again && matches!(trigger, Trigger::File | Trigger::Poll) => {
                return outcome;
            }
            Outcome::Refused { reason, errors } => {
                self.metrics.refused();
                tell(trigger, reason, errors);
            }
        }
        let last = Arc::new(Reload { at: SystemTime::now(), trigger, outcome: outcome.clone() });
        self.update(|view| view.last = Some(last));
        outcome
    }

    async fn try_reload(&self, retired: &mut Retired) -> Outcome {
        let run = Arc::clone(&self.run);
        let loaded = match tokio::task::spawn_blocking(move || run.read_again()).await {
            Ok(Ok(loaded)) => Arc::new(loaded),
            Ok(Err(errors)) => return errors.into(),
            Err(error) => return Outcome::refused(format!("the configuration cannot be read: {error}")),
        };
        let before = self.view();
        if loaded.settings == before.loaded.settings {
            self.update(|view| view.loaded = loaded);
            return Outcome::Unchanged;
        }
        if !retired.has_room() {
            return Outcome::refused(format!(
                "what {LEAVING_MAX} reloads have removed still hands on what it holds; this one waits for it"
            ));
        }
        match self.change_to(Arc::clone(&loaded)).await {
            Ok(leaving) => {
                retired.add(leaving);
                let view = self.view();
                self.metrics.in_force(view.generation, &view.hash, true);
                for warning in loaded.warnings.iter().filter(|new| !before.loaded.warnings.contains(new)) {
                    let Diagnostic { file, line, path, message, .. } = warning;
                    tracing::warn!(file, line, key = path, "{message}");
                }
                let changes = changes(&before.loaded.settings, &loaded.settings);
                let (generation, hash, changed) = (view.generation, &view.hash, changes.join(", "));
                tracing::info!(generation, hash, changed, "the configuration was read again: applied");
                Outcome::Applied { changes }
            }
            Err(reason) => Outcome::refused(reason),
        }
    }

    /// Brings what runs to what `loaded` says.
    async fn change_to(&self, loaded: Arc<Loaded>) -> Result<Leaving, String> {
        let Some(pages) = self.me.upgrade() else { return Err("the process ends".into()) };
        let pages: Arc<dyn Pages> = pages;
        let before = self.view();
        let settings = &loaded.settings;
        let plan = before.graph.prepare(settings, &self.ground, &pages).await?;
        if self.ending.load(Ordering::Relaxed) {
            return Err("the process ends".into());
        }
        let (graph, leaving) = before.graph.make(plan, &self.ground).await?;
        if let Err(error) = self.logs.reconfigure(&settings.telemetry) {
            tracing::warn!(%error, "logs stay as they were");
        }
        self.ground.registry.set_views(settings.telemetry.views.clone());
        self.ground.registry.set_resource(settings.telemetry.whole_resource(&self.ground.instance));
        let (hash, generation) = (hash(&loaded), before.generation + 1);
        self.update(|view| *view = View { graph, loaded, generation, hash, last: view.last.take() });
        Ok(leaving)
    }

    fn update(&self, change: impl FnOnce(&mut View)) {
        let mut view = View::clone(&self.view.load());
        change(&mut view);
        self.view.store(Arc::new(view));
    }

    /// From now on nothing changes any more. Returns what earlier changes have left behind.
    pub async fn freeze(&self) -> Vec<Arc<Leaving>> {
        self.ending.store(true, Ordering::Relaxed);
        match timeout(FREEZE_MAX, self.retired.lock()).await {
            Ok(mut retired) => retired.recall(),
            Err(_) => Vec::new(),
        }
    }
}

/// Says what is wrong, with the place where that is known.
fn tell(trigger: Trigger, reason: &str, errors: &[Diagnostic]) {
    for Diagnostic { file, line, column, path, message, .. } in errors {
        tracing::error!(?trigger, file, line, column, key = path, "the configuration is refused: {message}");
    }
    if errors.is_empty() {
        tracing::error!(?trigger, "the configuration is refused: {reason}");
    }
    tracing::error!("nothing has changed: the last good configuration stays in force");
}

fn hash(loaded: &Loaded) -> String {
    let mut hash = Digest::Sha256.hex(loaded.print(Mode::Redacted, Format::Json).as_bytes());
    hash.truncate(16);
    hash
}

/// How long the end waits for a reload that is under way.
const FREEZE_MAX: Duration = Duration::from_secs(2);
