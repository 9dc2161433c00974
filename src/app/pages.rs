//! What the admin API shows of this process, as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::condition::condition;
use super::graph::Balancer;
use super::live::{Live, Outcome, Reload, Trigger};
use crate::config::{Diagnostic, Format, Mode};
use crate::observe::{Condition, Page, Pages, timestamp};
use crate::outcome::Signal;
use crate::trace_id::TraceId;

impl Live {
    /// Reads the configuration and the members again.
    pub async fn read_again(&self, trigger: Trigger) -> Page {
        let outcome = self.reload(trigger).await;
        let mut refused = matches!(outcome, Outcome::Refused { .. });
        let view = self.view();
        let mut members = Map::new();
        for (id, balancer) in view.graph.balancers() {
            for discovery in balancer.discoveries() {
                let result = match discovery.refresh().await {
                    Ok(change) if change.is_empty() => json!({"result": "unchanged"}),
                    Ok(change) => json!({"result": "applied", "change": change.to_string()}),
                    Err(rejection) => {
                        refused = true;
                        json!({"result": "refused", "reason": rejection.to_string()})
                    }
                };
                members.insert(id.to_string(), result);
            }
        }
        let mut configuration = told(&outcome);
        configuration["generation"] = view.generation.into();
        page(if refused { 422 } else { 200 }, &json!({"members": members, "configuration": configuration}))
    }

    async fn explained(&self, id: &str) -> Page {
        let Some(trace_id) = trace_id(id) else {
            return Page::error(400, "a trace id is 32 hexadecimal digits");
        };
        let view = self.view();
        let mut verdicts = Vec::new();
        for ((pipeline, id), sampler) in view.graph.samplers() {
            let mut told = sampler.explain(trace_id).await.unwrap_or_else(|| json!({"state": "unknown"}));
            told["processor"] = id.to_string().into();
            told["pipeline"] = pipeline.to_string().into();
            verdicts.push(told);
        }
        let owners = TraceId::from_slice(&trace_id).map(|trace| self.owners(&trace)).unwrap_or_default();
        page(200, &json!({"trace_id": id.to_ascii_lowercase(), "owners": owners, "verdicts": verdicts}))
    }

    fn owners(&self, trace: &TraceId) -> Map<String, Value> {
        let mut owners = Map::new();
        for (id, balancer) in self.view().graph.balancers() {
            let Some(traces) = balancer.of(Signal::Traces) else { continue };
            let routes = traces.routes();
            let owner = routes.owner_of_trace(trace).map(|index| &routes.members()[usize::from(index)]);
            let owner = owner.map(|member| json!({"id": member.id, "address": member.address}));
            let (epoch, print) = (routes.membership().epoch, format!("{:016x}", routes.fingerprint()));
            let keyed = traces.routes_by_trace_id();
            let entry =
                json!({"owner": owner, "epoch": epoch, "fingerprint": print, "routed_by_trace_id": keyed});
            owners.insert(id.to_string(), entry);
        }
        owners
    }

    /// What a start would read now, beside what runs.
    fn beside(&self) -> Value {
        match self.on_disk() {
            Err(errors) => told(&errors.into()),
            Ok(loaded) if loaded.settings == self.view().loaded.settings => json!({"result": "unchanged"}),
            Ok(_) => json!({
                "result": "differs",
                "reason": "it is valid and not in force; last_reload says why, unless it has only just changed",
            }),
        }
    }
}

impl Pages for Live {
    fn config(&self) -> Page {
        let view = self.view();
        let printed = view.loaded.print(Mode::Redacted, Format::Json);
        let running: Value = serde_json::from_str(&printed).unwrap_or(Value::String(printed));
        let warnings: Vec<_> = view.loaded.warnings.iter().map(ToString::to_string).collect();
        let files: Vec<_> = view.loaded.files.iter().map(|f| f.display().to_string()).collect();
        let shown = json!({
            "files": files, "generation": view.generation, "hash": view.hash, "running": running,
            "on_disk": self.beside(), "last_reload": view.last.as_deref().map(last), "warnings": warnings,
        });
        page(200, &shown)
    }

    fn configuration(&self) -> Page {
        Page::json(200, self.view().loaded.print(Mode::Redacted, Format::Json))
    }

    fn condition(&self) -> Condition {
        condition(&self.view(), self)
    }

    fn membership(&self) -> Page {
        let view = self.view();
        let all = view.graph.balancers().map(|(id, balancer)| (id.to_string(), describe(balancer)));
        page(200, &Value::Object(all.collect()))
    }

    fn trace<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Page> {
        Box::pin(self.explained(id))
    }

    fn reload(&self) -> BoxFuture<'_, Page> {
        Box::pin(self.read_again(Trigger::Request))
    }

    fn ready(&self) -> Result<(), String> {
        if self.is_ready() { Ok(()) } else { Err("starting or stopping".into()) }
    }

    fn up_since(&self) -> SystemTime {
        self.since()
    }
}

fn last(reload: &Reload) -> Value {
    let mut shown = told(&reload.outcome);
    shown["at"] = timestamp(reload.at).into();
    shown["trigger"] = match reload.trigger {
        Trigger::File | Trigger::Poll => "file".into(),
        Trigger::Signal => "signal".into(),
        Trigger::Request => "request".into(),
    };
    shown
}

/// An outcome; what is wrong stands there one by one too, with its place.
fn told(outcome: &Outcome) -> Value {
    let mut shown = json!({"result": outcome.name()});
    if let Outcome::Applied { changes } = outcome {
        shown["changes"] = changes.clone().into();
    }
    if let Outcome::Refused { reason, errors } = outcome {
        shown["reason"] = reason.as_str().into();
        let place = |error: &Diagnostic| {
            json!({"file": error.file, "line": error.line, "column": error.column, "key": error.path,
                   "message": error.message, "help": error.help})
        };
        shown["errors"] = errors.iter().map(place).collect();
    }
    shown
}

/// The sixteen bytes of an id; all zero is one that senders do use.
fn trace_id(hex: &str) -> Option<[u8; 16]> {
    let digits = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)).flatten()
}

fn describe(balancer: &Balancer) -> Value {
    let Some(discovery) = balancer.discoveries().into_iter().next() else { return Value::Null };
    let status = discovery.status();
    let seconds =
        status.last_success.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|d| d.as_secs_f64());
    let Some((_, any)) = balancer.signals().next() else { return Value::Null };
    let routes = any.routes();
    let shares = routes.shares();
    let members = routes.members().iter().zip(shares).map(|(member, share)| {
        let mut held = [0usize; 3];
        let mut backing_off = false;
        for (_, signal) in balancer.signals() {
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
