//! What statements and actions see of where requests come from, and where that ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::traffic;
use crate::peers::process::{Process, ringtail};
use crate::support::backend::Backend;
use crate::support::load::{resource, span, text, traces};
use crate::support::raw_grpc::{RawGrpc, TRACES, framed};
use crate::support::{Content, Traces, http, wait};

/// By pipeline and sender, what was written about the sender.
type Seen = BTreeMap<(String, String), Value>;

/// Pipelines, and what requests go through before they are asked.
const PIPELINES: [(&str, &str); 3] = [("direct", ""), ("batched", "batch, "), ("sampled", "tail_sampling, ")];

/// What receivers were told: nothing, to keep headers, to let in ann only.
const RECEIVERS: [&str; 3] = ["plain", "open", "known"];

/// The collector's batch shows a metadata key that requests did not have as an empty list, ours does not show it.
const KEY_WITHOUT_VALUES: &str = r#"x-tenant: collector {"arrayValue":{"values":[]}}, ringtail null"#;

const PROCESSORS: &str = r#"
  batch: {timeout: 10ms, metadata_keys: [x-tenant]}
  tail_sampling: {decision_wait: 1s, policies: [{name: all, type: always_sample}]}
  resource:
    attributes:
      - {key: r.address, action: insert, from_context: client.address, default_value: none}
      - {key: r.name, action: insert, from_context: auth.username, default_value: none}
      - {key: r.raw, action: insert, from_context: auth.raw}
      - {key: r.subject, action: insert, from_context: auth.subject, default_value: none}
      - {key: r.tenant, action: insert, from_context: metadata.x-tenant, default_value: none}
      - {key: r.host, action: insert, from_context: host, default_value: none}
  attributes: {actions: [{key: a.address, action: insert, from_context: client.address}]}
  filter: {error_mode: ignore, trace_conditions: ['span.name == "nobody" and otelcol.client.addr == nil']}
  transform:
    error_mode: ignore
    trace_statements:
      - set(resource.attributes["t.addr"], otelcol.client.addr)
      - set(resource.attributes["t.nowhere"], true) where otelcol.client.addr == nil
      - set(resource.attributes["t.auth"], otelcol.client.auth.attributes)
      - set(resource.attributes["t.name"], otelcol.client.auth.attributes["username"])
      - set(resource.attributes["t.no.subject"], true) where otelcol.client.auth.attributes["subject"] == nil
      - set(resource.attributes["t.letter"], otelcol.client.auth.attributes["username"][0])
      - set(resource.attributes["t.headers"], otelcol.client.metadata)
      - set(resource.attributes["t.tenant"], otelcol.client.metadata["X-Tenant"])
      - set(resource.attributes["g.metadata"], otelcol.grpc.metadata)
      - set(resource.attributes["g.tenant"], otelcol.grpc.metadata["X-Tenant"])
      - set(resource.attributes["g.second"], otelcol.grpc.metadata["x-tenant"][1])
      - set(resource.attributes["g.third"], otelcol.grpc.metadata["x-tenant"][2])
      - set(resource.attributes["g.letter"], otelcol.grpc.metadata["x-tenant"][0][0])
      - set(resource.attributes["g.binary"], otelcol.grpc.metadata["note-bin"])
      - set(resource.attributes["g.none"], true) where otelcol.grpc.metadata["none"] == nil
      - set(span.attributes["s.addr"], otelcol.client.addr) where otelcol.client.addr != "x"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_seen_as_by_the_collector() {
    let Some(collector) = super::collector() else { return };
    let listed = Command::new(&collector).arg("components").output().unwrap().stdout;
    let knows = String::from_utf8(listed).unwrap().contains("name: basicauth\n");
    let receivers = if knows { &RECEIVERS[..] } else { &RECEIVERS[..2] };
    let (theirs, mut ours) =
        tokio::join!(seen(collector, receivers, false), seen(ringtail().into(), receivers, true));
    ours.retain(|(_, sender), _| !sender.starts_with("http2"));
    let senders: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    let mut wrong = Vec::new();
    for sender in senders {
        let nothing = Value::Null;
        let (theirs, ours) = (theirs.get(sender).unwrap_or(&nothing), ours.get(sender).unwrap_or(&nothing));
        let mut found = Vec::new();
        traffic::differences("", theirs, ours, &mut found);
        found.retain(|path| !path.ends_with(KEY_WITHOUT_VALUES));
        wrong.extend(found.into_iter().map(|path| format!("{sender:?}: {path}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_tells_of_its_sender_until_it_is_put_together_with_others() {
    let seen = seen(ringtail().into(), &RECEIVERS, true).await;
    let of = |pipeline: &str, sender: &str| &seen[&(pipeline.to_owned(), sender.to_owned())];
    for receiver in RECEIVERS {
        for (protocol, addr) in [("grpc", "127.0.0.1:CLIENT"), ("http", "127.0.0.1"), ("http2", "127.0.0.1")]
        {
            let known = of("direct", &format!("{protocol}-{receiver}"));
            let expected =
                [("r.address", "127.0.0.1"), ("a.address", "127.0.0.1"), ("t.addr", addr), ("s.addr", addr)];
            for (key, value) in expected {
                assert_eq!(known[key], json!({"stringValue": value}), "{protocol}-{receiver}: {key}");
            }
            let name = if receiver == "known" { "ann" } else { "none" };
            assert_eq!(known["r.name"], json!({"stringValue": name}), "{protocol}-{receiver}");
            assert_eq!(known.get("g.tenant").is_some(), protocol == "grpc", "{protocol}-{receiver}");
            let tenant = if receiver == "open" { "blue;red" } else { "none" };
            assert_eq!(known["r.tenant"], json!({"stringValue": tenant}), "{protocol}-{receiver}");
            for pipeline in ["batched", "sampled"] {
                let later = of(pipeline, &format!("{protocol}-{receiver}"));
                let tenant = if pipeline == "batched" { tenant } else { "none" };
                assert_eq!(later["r.address"], json!({"stringValue": ""}), "{pipeline}");
                assert_eq!(later["r.tenant"], json!({"stringValue": tenant}), "{pipeline}");
                assert_eq!(later["t.nowhere"], json!({"boolValue": true}), "{pipeline}");
                assert!(later.get("g.tenant").is_none() && later.get("t.name").is_none(), "{pipeline}");
            }
        }
    }
    let unix = of("direct", "unix");
    assert_eq!(
        (&unix["t.addr"], &unix["r.address"]),
        (&json!({"stringValue": "@"}), &json!({"stringValue": "@"}))
    );
}

/// Sends a request to each receiver in each way, from connections of their own.
async fn seen(program: PathBuf, receivers: &'static [&'static str], ours: bool) -> Seen {
    let mut backends = Vec::new();
    for _ in PIPELINES {
        backends.push(Backend::grpc().await);
    }
    let targets: Vec<u16> = backends.iter().map(Backend::port).collect();
    let process = tokio::task::spawn_blocking(move || {
        Process::start(&program, 2 * receivers.len(), |ports: &[u16], folder: &Path| {
            config(receivers, ports, &targets, folder, ours)
        })
    });
    let process = process.await.unwrap();
    let mut clients = Vec::new();
    for (receiver, to) in receivers.iter().zip(process.ports.chunks(2)) {
        let [grpc, http] = [to[0], to[1]].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        clients.push(over_grpc(&format!("grpc-{receiver}"), grpc).await);
        over_http(&format!("http-{receiver}"), http, false).await;
        // The collector speaks HTTP/2 under TLS only.
        if ours {
            over_http(&format!("http2-{receiver}"), http, true).await;
        }
    }
    over_unix("unix", &process.folder().join("socket")).await;
    let sent = receivers.len() * if ours { 3 } else { 2 } + 1;
    let mut all = Seen::new();
    for ((pipeline, _), backend) in PIPELINES.iter().zip(&backends) {
        wait::until(&format!("{pipeline}: all came"), || backend.spans().len() == sent).await;
        for content in backend.taken() {
            let Content::Traces(request) = content else { continue };
            for one in request.resource_spans {
                let (sender, about) = about(Traces { resource_spans: vec![one] }, &clients, &process.ports);
                all.insert(((*pipeline).to_owned(), sender), about);
            }
        }
    }
    all
}

/// Who sent a request, and what was written into it: attributes of the resource and of the span by their keys. The
/// ports of senders and receivers are the same each time.
fn about(request: Traces, clients: &[u16], receivers: &[u16]) -> (String, Value) {
    let mut shown = traffic::plain(&Content::Traces(request)).to_string();
    for (ports, name) in [(clients, "CLIENT"), (receivers, "RECEIVER")] {
        for port in ports {
            shown = shown.replace(&format!("127.0.0.1:{port}\""), &format!("127.0.0.1:{name}\""));
        }
    }
    let plain: Value = serde_json::from_str(&shown).unwrap();
    let entry = &plain["resourceSpans"][0];
    let span = &entry["scopeSpans"][0]["spans"][0];
    let attributes = [&entry["resource"]["attributes"], &span["attributes"]];
    let pairs = attributes.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
    let pairs = pairs.map(|pair| (pair["key"].as_str().unwrap().to_owned(), pair["value"].clone()));
    let about: serde_json::Map<String, Value> = pairs.collect();
    let sender = about["who"]["stringValue"].as_str().unwrap().to_owned();
    (sender, Value::Object(about))
}

const HEADERS: [(&str, &str); 4] =
    [("x-tenant", "blue"), ("X-Tenant", "red"), ("note-bin", "aGk"), ("authorization", "Basic YW5uOmE6Yg==")];

fn request(who: &str) -> Traces {
    let number = who.bytes().fold(7, |number, byte| (number * 31 + u64::from(byte)) % 100_003);
    let mut request = traces([span(number, 0)]);
    let mut described = resource("shop");
    described.attributes.push(text("who", who));
    request.resource_spans[0].resource = Some(described);
    request
}

async fn over_grpc(who: &str, to: SocketAddr) -> u16 {
    let stream = TcpStream::connect(to).await.unwrap();
    let port = stream.local_addr().unwrap().port();
    let grpc = RawGrpc::over(stream, to).await.unwrap();
    let headers = [&HEADERS[..], &[("grpc-timeout", "9S")]].concat();
    let answer = grpc.call(TRACES, &headers, framed(false, &request(who).encode_to_vec())).await.unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.message);
    port
}

async fn over_http(who: &str, to: SocketAddr, second: bool) {
    let headers = [&HEADERS[..], &[("content-type", "application/x-protobuf")]].concat();
    let posted = http::request("POST", "/v1/traces", &headers, request(who).encode_to_vec());
    let answer = if second { http::send_h2c(to, posted).await } else { http::send(to, posted).await };
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn over_unix(who: &str, path: &Path) {
    let stream = tokio::net::UnixStream::connect(path).await.unwrap();
    let grpc = RawGrpc::over(stream, ([127, 0, 0, 1], 1).into()).await.unwrap();
    let body = framed(false, &request(who).encode_to_vec());
    let answer = grpc.call(TRACES, &[("x-tenant", "blue")], body).await.unwrap();
    assert_eq!(answer.code, Some(0), "{}", answer.message);
}

fn config(receivers: &[&str], ports: &[u16], targets: &[u16], folder: &Path, ours: bool) -> String {
    let told = |receiver: &str| match receiver {
        "open" => "include_metadata: true",
        "known" => "auth: {authenticator: basicauth}",
        _ => "",
    };
    let socket = folder.join("socket");
    let mut lines = format!(
        "receivers:\n  otlp/unix: {{protocols: {{grpc: {{endpoint: '{}', transport: unix}}}}}}\n",
        socket.display()
    );
    let mut names = vec!["otlp/unix".to_owned()];
    for (receiver, ports) in receivers.iter().zip(ports.chunks(2)) {
        let (keys, grpc, http) = (told(receiver), ports[0], ports[1]);
        lines += &format!(
            "  otlp/{receiver}: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}', {keys}}}, \
             http: {{endpoint: '127.0.0.1:{http}', {keys}}}}}}}\n"
        );
        names.push(format!("otlp/{receiver}"));
    }
    lines += &format!("processors:{PROCESSORS}exporters:\n");
    let mut pipelines = String::new();
    for ((pipeline, before), target) in PIPELINES.iter().zip(targets) {
        lines += &format!(
            "  otlp_grpc/{pipeline}: {{endpoint: '127.0.0.1:{target}', tls: {{insecure: true}}, compression: none}}\n"
        );
        pipelines += &format!(
            "    traces/{pipeline}: {{receivers: [{}], processors: [{before}resource, attributes, filter, transform], \
             exporters: [otlp_grpc/{pipeline}]}}\n",
            names.join(", ")
        );
    }
    let mut extensions = Vec::new();
    lines += "extensions:\n";
    if receivers.contains(&"known") {
        lines += "  basicauth: {htpasswd: {inline: 'ann:a:b'}}\n";
        extensions.push("basicauth");
    }
    if ours {
        lines += "  admin: {enabled: false}\n";
        extensions.push("admin");
    }
    format!(
        "{lines}service:\n  extensions: [{}]\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  \
         pipelines:\n{pipelines}",
        extensions.join(", ")
    )
}
