//! What the admin API shows of this process, as JSON.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::build::{Balancer, Sampler};
use super::cli::Run;
use crate::config::{self, Format, Mode};
use crate::observe::{Page, Pages};
use crate::outcome::Signal;
use crate::trace_id::TraceId;

/// The pages of one run.
pub struct AppPages {
    run: Run,
    balancers: Vec<Balancer>,
    samplers: Vec<Sampler>,
    ready: AtomicBool,
    since: SystemTime,
}

impl AppPages {
    /// Not ready yet.
    pub fn new(run: Run, balancers: Vec<Balancer>, samplers: Vec<Sampler>) -> Self {
        Self { run, balancers, samplers, ready: AtomicBool::new(false), since: SystemTime::now() }
    }

    /// From now on, or no longer, requests are taken.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// The exporters that have members.
    pub fn balancers(&self) -> &[Balancer] {
        &self.balancers
    }

    async fn read_again(&self) -> Page {
        let mut refused = false;
        let mut members = serde_json::Map::new();
        for balancer in &self.balancers {
            let result = match balancer.discovery.refresh().await {
                Ok(change) if change.is_empty() => json!({"result": "unchanged"}),
                Ok(change) => json!({"result": "applied", "change": change.to_string()}),
                Err(rejection) => {
                    refused = true;
                    json!({"result": "refused", "reason": rejection.to_string()})
                }
            };
            members.insert(balancer.id.to_string(), result);
        }
        let configuration = self.configuration_result();
        refused |= configuration.get("result").is_some_and(|result| result == "refused");
        page(if refused { 422 } else { 200 }, &json!({"members": members, "configuration": configuration}))
    }

    async fn told(&self, id: &str) -> Page {
        let Some(trace_id) = trace_id(id) else {
            return Page::error(400, "a trace id is 32 hexadecimal digits");
        };
        let mut verdicts = Vec::new();
        for sampler in &self.samplers {
            let mut told =
                sampler.processor.explain(trace_id).await.unwrap_or_else(|| json!({"state": "unknown"}));
            told["processor"] = sampler.id.to_string().into();
            told["pipeline"] = sampler.pipeline.to_string().into();
            verdicts.push(told);
        }
        let owners = TraceId::from_slice(&trace_id).map(|trace| self.owners(&trace)).unwrap_or_default();
        page(200, &json!({"trace_id": id.to_ascii_lowercase(), "owners": owners, "verdicts": verdicts}))
    }

    fn owners(&self, trace: &TraceId) -> serde_json::Map<String, Value> {
        let mut owners = serde_json::Map::new();
        for balancer in &self.balancers {
            let Some(traces) = balancer.signals.get(&Signal::Traces) else { continue };
            let routes = traces.routes();
            let owner = routes.owner_of_trace(trace).map(|index| &routes.members()[usize::from(index)]);
            let owner = owner.map(|member| json!({"id": member.id, "address": member.address}));
            let (epoch, print) = (routes.membership().epoch, format!("{:016x}", routes.fingerprint()));
            let keyed = traces.routes_by_trace_id();
            let entry =
                json!({"owner": owner, "epoch": epoch, "fingerprint": print, "routed_by_trace_id": keyed});
            owners.insert(balancer.id.to_string(), entry);
        }
        owners
    }

    /// Reads the configuration as a start would. This version applies it at a restart only, and says so.
    fn configuration_result(&self) -> Value {
        let env = |name: &str| std::env::var(name).ok();
        match config::load_with(&self.run.sources, &self.run.sets, self.run.options, &env) {
            Err(errors) => json!({"result": "refused", "reason": errors.to_string()}),
            Ok(loaded) if loaded.settings == self.run.loaded.settings => json!({"result": "unchanged"}),
            Ok(_) => json!({
                "result": "restart_needed",
                "reason": "the configuration is valid and differs; members are applied live, the rest at a restart",
            }),
        }
    }
}

impl Pages for AppPages {
    fn config(&self) -> Page {
        let printed = self.run.loaded.print(Mode::Redacted, Format::Json);
        let running: Value = serde_json::from_str(&printed).unwrap_or(Value::String(printed));
        let warnings: Vec<_> = self.run.loaded.warnings.iter().map(ToString::to_string).collect();
        let files: Vec<_> = self.run.loaded.files.iter().map(|f| f.display().to_string()).collect();
        let on_disk = self.configuration_result();
        page(200, &json!({"files": files, "running": running, "on_disk": on_disk, "warnings": warnings}))
    }

    fn membership(&self) -> Page {
        let all: serde_json::Map<_, _> =
            self.balancers.iter().map(|balancer| (balancer.id.to_string(), describe(balancer))).collect();
        page(200, &Value::Object(all))
    }

    fn trace<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Page> {
        Box::pin(self.told(id))
    }

    fn reload(&self) -> BoxFuture<'_, Page> {
        Box::pin(self.read_again())
    }

    fn ready(&self) -> Result<(), String> {
        let ready = self.ready.load(Ordering::Relaxed);
        if ready { Ok(()) } else { Err("starting or stopping".into()) }
    }

    fn up_since(&self) -> SystemTime {
        self.since
    }
}

/// The sixteen bytes of an id; all zero is one that senders do use.
fn trace_id(hex: &str) -> Option<[u8; 16]> {
    let digits = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)).flatten()
}

fn describe(balancer: &Balancer) -> Value {
    let status = balancer.discovery.status();
    let seconds =
        status.last_success.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|d| d.as_secs_f64());
    let Some(any) = balancer.signals.values().next() else { return Value::Null };
    let routes = any.routes();
    let shares = routes.shares();
    let members = routes.members().iter().zip(shares).map(|(member, share)| {
        let mut held = [0usize; 3];
        let mut backing_off = false;
        for signal in balancer.signals.values() {
            for (id, items, bytes, calls, blocked) in signal.loads() {
                if id == member.id {
                    held = [held[0] + items, held[1] + bytes, held[2] + calls];
                    backing_off |= blocked;
                }
            }
        }
        json!({
            "id": member.id, "address": member.address, "weight": member.weight, "labels": member.labels,
            "share": (share * 1e6).round() / 1e6, "waiting_items": held[0], "held_bytes": held[1],
            "calls_in_flight": held[2], "backing_off": backing_off,
        })
    });
    let members: Vec<Value> = members.collect();
    json!({
        "resolver": status.kind, "source": status.source, "last_success_unix_s": seconds,
        "last_error": status.last_error, "content_hash": format!("{:016x}", status.content_hash),
        "epoch": routes.membership().epoch, "seed": routes.membership().seed,
        "fingerprint": format!("{:016x}", routes.fingerprint()), "ring": format!("{:?}", routes.ring()),
        "members": members,
    })
}

fn page(status: u16, value: &Value) -> Page {
    Page::json(status, serde_json::to_vec_pretty(value).unwrap_or_default())
}
