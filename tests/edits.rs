//! Edits beside a real collector's: the same configuration, the same requests, item by item no difference.
//!
//! Runs where `RINGTAIL_OTELCOL` names a collector, which `tests/collector/install` builds.

#![allow(clippy::unwrap_used)]

mod peers;
mod support;

#[path = "edits/cases.rs"]
mod cases;
#[path = "edits/statements.rs"]
mod statements;
#[path = "edits/tables.rs"]
mod tables;
#[path = "edits/traffic.rs"]
mod traffic;

use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use serde_json::Value;

use cases::{Case, cases};
use peers::process::{Process, ringtail};
use support::backend::Backend;
use support::{Content, http};

/// Everything that came out of a program: for each case, each answer and what its exporter had sent by then.
type Outcome = Vec<Vec<(u16, Vec<Value>)>>;

/// What the cases ask of a collector.
const PROCESSORS: [&str; 5] = ["attributes", "filter", "probabilistic_sampler", "resource", "transform"];

#[tokio::test(flavor = "multi_thread")]
async fn edits_are_the_collectors_item_by_item() {
    let Some(collector) = peers::program("RINGTAIL_OTELCOL") else { return };
    let listed = Command::new(&collector).arg("components").output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    if let Some(missing) = PROCESSORS.iter().find(|name| !listed.contains(&format!("name: {name}\n"))) {
        eprintln!(
            "skipped: {} has no processor {missing}; tests/collector/install builds one",
            collector.display()
        );
        return;
    }
    let cases = all();
    let (theirs, ours) =
        tokio::join!(outcome(collector.clone(), &cases, false), outcome(ringtail().to_owned(), &cases, true));
    let mut wrong = Vec::new();
    for (case, (theirs, ours)) in cases.iter().zip(theirs.iter().zip(&ours)) {
        for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            let mut paths = Vec::new();
            let (theirs, ours) = (serde_json::json!(theirs), serde_json::json!(ours));
            traffic::differences("", &theirs, &ours, &mut paths);
            let place = |path: &str| statements::named(&case.statements, path);
            wrong.extend(
                paths.iter().map(|path| format!("{}, request {index}: {path}{}", case.name, place(path))),
            );
        }
        let came = theirs.iter().filter(|(_, requests)| !requests.is_empty()).count();
        assert!(came > 0, "{}: nothing comes out, so nothing is compared", case.name);
    }
    let first: Vec<_> = wrong.iter().take(60).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} differences; the first:\n{}", wrong.len(), first.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_runs_and_loses_nothing_unnamed() {
    let cases = all();
    let outcome = outcome(ringtail().to_owned(), &cases, true).await;
    for (case, answers) in cases.iter().zip(&outcome) {
        assert!(answers.iter().all(|(status, _)| *status == 200), "{}: {answers:?}", case.name);
    }
}

fn all() -> Vec<Case> {
    let mut all = cases();
    all.extend(tables::tables());
    all
}

/// Runs all cases in one process, a port each.
async fn outcome(program: PathBuf, cases: &[Case], ours: bool) -> Outcome {
    let mut backends = Vec::new();
    for _ in cases {
        backends.push(Backend::grpc().await);
    }
    let targets: Vec<u16> = backends.iter().map(Backend::port).collect();
    let configured: Vec<Case> = cases.to_vec();
    let process = tokio::task::spawn_blocking(move || {
        Process::start(&program, configured.len(), |ports: &[u16], _: &Path| {
            config(&configured, ports, &targets, ours)
        })
    });
    let process = process.await.unwrap();
    let mut outcome = Outcome::new();
    for (index, case) in cases.iter().enumerate() {
        let mut answers = Vec::new();
        for content in &case.requests {
            let (path, body) = match content {
                Content::Traces(request) => ("/v1/traces", request.encode_to_vec()),
                Content::Logs(request) => ("/v1/logs", request.encode_to_vec()),
                Content::Metrics(request) => ("/v1/metrics", request.encode_to_vec()),
            };
            let address = ([127, 0, 0, 1], process.ports[index]).into();
            let headers = [("content-type", "application/x-protobuf"), ("x-tenant", "blue")];
            let answer = http::send(address, http::request("POST", path, &headers, body)).await.unwrap();
            let sent = backends[index].taken().iter().map(traffic::plain).collect();
            backends[index].forget();
            answers.push((answer.status, sent));
        }
        outcome.push(answers);
    }
    outcome
}

fn config(cases: &[Case], ports: &[u16], targets: &[u16], ours: bool) -> String {
    let (mut receivers, mut processors, mut exporters, mut pipelines) =
        (String::new(), String::new(), String::new(), String::new());
    for (index, case) in cases.iter().enumerate() {
        let (port, target) = (ports[index], targets[index]);
        receivers += &format!(
            "  otlp/{index}: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}', include_metadata: true}}}}}}\n"
        );
        exporters += &format!(
            "  otlp_grpc/{index}: {{endpoint: '127.0.0.1:{target}', tls: {{insecure: true}}, compression: none, \
             sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}\n"
        );
        let mut names = Vec::new();
        for (place, (kind, body)) in case.processors.iter().enumerate() {
            names.push(format!("{kind}/{index}_{place}"));
            processors += &format!("  {kind}/{index}_{place}:\n");
            body.lines().for_each(|line| processors += &format!("    {line}\n"));
        }
        for signal in case.signals {
            pipelines += &format!(
                "    {signal}/{index}: {{receivers: [otlp/{index}], processors: [{}], exporters: [otlp_grpc/{index}]}}\n",
                names.join(", ")
            );
        }
    }
    let (admin, listed) = match ours {
        true => ("extensions: {admin: {enabled: false}}\n", "  extensions: [admin]\n"),
        false => ("", ""),
    };
    format!(
        "{admin}receivers:\n{receivers}processors:\n{processors}exporters:\n{exporters}service:\n{listed}  \
         telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  pipelines:\n{pipelines}"
    )
}
