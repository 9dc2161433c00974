//! Edits beside a real collector's: the same configuration, the same requests, item by item no difference.
//!
//! Runs where `RINGTAIL_OTELCOL` names a collector, which `tests/collector/install` builds.

#![allow(clippy::unwrap_used)]

mod peers;
mod support;

#[path = "edits/cases.rs"]
mod cases;
#[path = "edits/generated.rs"]
mod generated;
#[path = "edits/odd.rs"]
mod odd;
#[path = "edits/odd_edits.rs"]
mod odd_edits;
#[path = "edits/origins.rs"]
mod origins;
#[path = "edits/redacted.rs"]
mod redacted;
#[path = "edits/statements.rs"]
mod statements;
#[path = "edits/tables.rs"]
mod tables;
#[path = "edits/traffic.rs"]
mod traffic;
#[path = "edits/user_agents.rs"]
mod user_agents;
#[path = "edits/wild.rs"]
mod wild;

use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use serde_json::{Value, json};

use cases::{Case, cases};
use peers::process::{Process, ringtail};
use support::backend::Backend;
use support::{Content, http};

/// Everything that came out of a program: for each case, each answer and what its exporter had sent by then.
type Outcome = Vec<Vec<(u16, Vec<Value>)>>;

/// What the cases ask of a collector.
const PROCESSORS: [&str; 6] =
    ["attributes", "filter", "probabilistic_sampler", "redaction", "resource", "transform"];

/// Generated cases that one process runs, and how many processes.
const GENERATED: u64 = 60;
const ROUNDS: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn edits_are_the_collectors_item_by_item() {
    let Some(collector) = collector() else { return };
    compare(&collector, &all(), true).await;
}

/// Another number in `RINGTAIL_SEED` means other configurations and other traffic.
#[tokio::test(flavor = "multi_thread")]
async fn generated_edits_are_the_collectors_item_by_item() {
    let Some(collector) = collector() else { return };
    let first = std::env::var("RINGTAIL_SEED").map_or(0, |seed| seed.parse().unwrap());
    for round in first..first + ROUNDS {
        let cases: Vec<Case> = (round * GENERATED..(round + 1) * GENERATED).map(generated::case).collect();
        compare(&collector, &cases, false).await;
    }
}

/// The collector to compare with, if there is one that has all that the cases use.
fn collector() -> Option<PathBuf> {
    let collector = peers::program("RINGTAIL_OTELCOL")?;
    let listed = Command::new(&collector).arg("components").output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let missing = PROCESSORS.iter().find(|name| !listed.contains(&format!("name: {name}\n")));
    if let Some(missing) = missing {
        let shown = collector.display();
        peers::skipped(&format!("{shown} has no processor {missing}; tests/collector/install builds one"));
    }
    missing.is_none().then_some(collector)
}

/// Differences of an answer that are listed.
const SHOWN: usize = 2;

/// Runs cases through both, and wants no difference; in each case something has to come out if `all_speak`.
async fn compare(collector: &Path, cases: &[Case], all_speak: bool) {
    let (theirs, ours) = tokio::join!(
        outcome(collector.to_owned(), cases, false),
        outcome(ringtail().to_owned(), cases, true)
    );
    let mut wrong = Vec::new();
    for (case, (theirs, ours)) in cases.iter().zip(theirs.iter().zip(&ours)) {
        for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            let mut paths = Vec::new();
            let shown = |(status, requests): &(u16, Vec<Value>)| match case.wild {
                Some(_) => json!([status, requests.iter().flat_map(traffic::items).collect::<Vec<_>>()]),
                None => json!([status, requests]),
            };
            traffic::differences("", &shown(theirs), &shown(ours), &mut paths);
            let place = |path: &str| statements::named(&case.statements, path);
            let of = |path: String| format!("{}, request {index}: {path}{}", case.name, place(&path));
            wrong.extend(paths.into_iter().take(SHOWN).map(of));
        }
        let came = theirs.iter().any(|(_, requests)| !requests.is_empty());
        assert!(came || !all_speak, "{}: nothing comes out, so nothing is compared", case.name);
    }
    let came = theirs.iter().flatten().filter(|(_, requests)| !requests.is_empty()).count();
    assert!(came > cases.len(), "hardly anything comes out, so hardly anything is compared");
    let first: Vec<_> = wrong.iter().take(10 * SHOWN).map(String::as_str).collect();
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
    all.extend(odd::odd());
    all.extend(odd_edits::odd_edits());
    all.push(user_agents::case());
    all.extend(redacted::cases());
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
        let contents = match (&case.requests, case.wild) {
            (Some(requests), _) => requests.clone(),
            (None, Some(number)) => wild::requests(number, case.signals, generated::takes_twice(case)),
            (None, None) => traffic::requests(case.signals),
        };
        for content in contents {
            let (path, body) = match &content {
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
