//! `service.telemetry.metrics`: who reads our own metrics, by scrapes or by pushes.

use std::time::Duration;

use super::backend::{grpc_address, url};
use super::net::{check_address, headers};
use super::views::names;
use super::{KeyKind, Section};
use crate::client::{HttpEncoding, Protocol, Transport};
use crate::compress::Compression;
use crate::config::print::Printed;
use crate::config::settings::{PushReader, PushTarget};
use crate::config::tree::Typed;
use crate::export::{HttpTarget, Otlp, SendingQueue};
use crate::observe::{PrometheusReader, Telemetry, Temporality};
use crate::outcome::Signal;
use crate::retry;
use crate::tls::{ClientConfig, Pem};

/// Words for how much is measured; only `none` makes a difference here.
pub(super) const METRIC_LEVELS: &[(&str, bool)] =
    &[("none", false), ("basic", true), ("normal", true), ("detailed", true)];

/// `metrics`: the endpoints to scrape, and the readers that push.
pub(super) fn metrics(metrics: &mut Section<'_>) -> (Vec<PrometheusReader>, Vec<PushReader>) {
    let on = metrics.level("level", "normal", METRIC_LEVELS, "unknown metrics level").unwrap_or(true);
    let help = "write readers: [{pull: {exporter: {prometheus: {host: HOST, port: PORT}}}}]";
    let address: Option<String> =
        metrics.deprecated("address", help).and_then(|entry| metrics.value(&entry.value, "address"));
    let written = metrics.has("readers")
        && !matches!(metrics.find("readers", KeyKind::Live), Some(e) if e.value.is_null());
    let readers: Vec<Reader> = metrics.list("readers", reader).into_iter().flatten().collect();
    let none = readers.is_empty();
    let (mut pull, mut push) = (Vec::new(), Vec::new());
    for reader in readers {
        match reader {
            Reader::Pull(one) => pull.push(one),
            Reader::Push(one) => push.push(*one),
        }
    }
    match address {
        Some(_) if written => {
            let help = "keep readers".to_owned();
            metrics.error("address", "'address' and 'readers' cannot be used together", Some(help));
        }
        Some(address) => pull = host_and_port(metrics, &address).into_iter().collect(),
        None if written => {
            let list = metrics.find("readers", KeyKind::Live).map(|entry| entry.value.typed());
            if on && none && matches!(list, Some(Typed::List([]))) {
                let message = "collector telemetry metrics reader should exist when metric level is not none";
                metrics.error("readers", message, Some("write level: none to have no metrics".into()));
            }
        }
        None => pull = Telemetry::default().metrics,
    }
    if !written {
        metrics.show("readers", Printed::List(pull.iter().map(printed).collect()));
    }
    if on { (pull, push) } else { (Vec::new(), Vec::new()) }
}

fn printed(reader: &PrometheusReader) -> Printed {
    let map = |key: &str, value| Printed::Map(vec![(key.to_owned(), value)]);
    let prometheus = Printed::Map(vec![
        ("host".into(), Printed::Text(reader.host.clone())),
        ("port".into(), Printed::Int(i128::from(reader.port))),
        ("without_scope_info".into(), Printed::Bool(!reader.scope_info)),
        ("without_type_suffix".into(), Printed::Bool(!reader.suffixes)),
        ("without_units".into(), Printed::Bool(!reader.suffixes)),
    ]);
    map("pull", map("exporter", map("prometheus", prometheus)))
}

fn host_and_port(section: &Section<'_>, address: &str) -> Option<PrometheusReader> {
    check_address(section, "address", address);
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { "0.0.0.0" } else { host.trim_matches(['[', ']']) };
    let (host, port) = (host.to_owned(), port.parse().ok()?);
    Some(PrometheusReader { host, port, ..PrometheusReader::default() })
}

enum Reader {
    Pull(PrometheusReader),
    Push(Box<PushReader>),
}

fn reader(reader: &mut Section<'_>) -> Option<Reader> {
    let pull = reader.when_filled("pull", |pull| {
        pull.section("exporter", |exporter| exporter.when_written("prometheus", prometheus))
    });
    let push = reader.when_filled("periodic", periodic);
    match (pull, push) {
        (Some(_), Some(_)) => {
            let help = "write two readers".to_owned();
            reader.error("", "must not specify multiple metric reader type", Some(help));
            None
        }
        (Some(Some(found)), None) => Some(Reader::Pull(found)),
        (_, Some(found)) => found.map(|found| Reader::Push(Box::new(found))),
        _ => {
            let help = "write pull: {exporter: {prometheus: {host: HOST, port: PORT}}} or \
                        periodic: {exporter: {otlp: {protocol: grpc, endpoint: \"http://HOST:4317\"}}}";
            reader.error("", "no valid metric reader", Some(help.into()));
            None
        }
    }
}

fn prometheus(section: &mut Section<'_>) -> PrometheusReader {
    let default = PrometheusReader::default();
    let bare = ["without_type_suffix", "without_units"].map(|key| section.get(key, true));
    PrometheusReader {
        host: section.get("host", default.host),
        port: section.get("port", default.port),
        suffixes: bare.contains(&false), // the Collector has both or none
        scope_info: !section.get("without_scope_info", true),
        constant_labels: section.when_filled("with_resource_constant_labels", names),
    }
}

fn periodic(periodic: &mut Section<'_>) -> Option<PushReader> {
    let interval = milliseconds(periodic, "interval", Duration::from_secs(60));
    let timeout = milliseconds(periodic, "timeout", Duration::from_secs(30));
    let key = periodic.path.trim_end_matches("::periodic").to_owned();
    let (target, temporality) = periodic.section("exporter", |exporter| {
        let console = exporter.when_filled("console", |_| ()).is_some();
        let otlp = exporter.when_filled("otlp", otlp);
        match (console, otlp) {
            (true, Some(_)) => {
                exporter.error("", "must not specify multiple exporters", Some("write two readers".into()));
                None
            }
            (true, None) => Some((PushTarget::Console, Temporality::Cumulative)),
            (false, Some(found)) => {
                found.map(|(otlp, temporality)| (PushTarget::Otlp(Box::new(otlp)), temporality))
            }
            (false, None) => {
                let help = "write otlp: {protocol: grpc, endpoint: \"http://HOST:4317\"} or console: {}";
                exporter.error("", "no valid metric exporter", Some(help.into()));
                None
            }
        }
    })?;
    Some(PushReader { key, interval, timeout, temporality, to: target })
}

/// A whole number of milliseconds, unlike the rest of the file.
fn milliseconds(section: &mut Section<'_>, key: &'static str, default: Duration) -> Duration {
    let found: u64 = section.get(key, default.as_millis() as u64);
    if found == 0 { default } else { Duration::from_millis(found) } // as in the Collector
}

const PROTOCOLS: &[(&str, Transport)] = &[("grpc", Transport::Grpc), ("http/protobuf", Transport::Http)];
const TEMPORALITIES: &[(&str, Temporality)] = &[
    ("cumulative", Temporality::Cumulative),
    ("delta", Temporality::Delta),
    ("lowmemory", Temporality::LowMemory),
];

fn otlp(otlp: &mut Section<'_>) -> Option<(Otlp, Temporality)> {
    let protocol = otlp.choice("protocol", "", PROTOCOLS, "unsupported protocol");
    let temporality = otlp.choice(
        "temporality_preference",
        "cumulative",
        TEMPORALITIES,
        "unsupported temporality preference",
    );
    let compression = otlp.choice(
        "compression",
        "none",
        &[("none", None), ("gzip", Some(Compression::Gzip))],
        "unsupported compression",
    );
    let histograms = "histograms have the buckets that they have";
    otlp.without_effect::<String>("default_histogram_aggregation", histograms);
    let timeout = milliseconds(otlp, "timeout", Duration::from_secs(10));
    let mut sent = headers(otlp, "headers");
    sent.extend(headers_list(otlp));
    let mut file = |key| otlp.opt::<String>(key).filter(|path| !path.is_empty());
    let (ca, cert, key) = (file("certificate"), file("client_certificate"), file("client_key"));
    if cert.is_some() != key.is_some() {
        otlp.error("", "client_certificate and client_key belong together", None);
    }
    let pem = |path: Option<String>| path.map(|path| Pem::File(path.into()));
    let tls = ClientConfig { ca: pem(ca), cert: pem(cert), key: pem(key), ..ClientConfig::default() };
    let insecure = otlp.get("insecure", false);
    let protocol = Protocol {
        transport: protocol?,
        tls,
        compression: compression?,
        headers: sent,
        auth: None,
        keepalive: None,
        connections: 1,
    };
    let (address, path, insecure) = target(otlp, protocol.transport, insecure)?;
    let mut paths = [None, None, None];
    paths[Signal::Metrics as usize] = path;
    let protocol = Protocol { tls: ClientConfig { insecure, ..protocol.tls }, ..protocol };
    let config = Otlp {
        address,
        paths,
        encoding: HttpEncoding::Protobuf,
        protocol,
        timeout,
        retry: retry::Config::default(),
        queue: SendingQueue { consumers: 1, ..SendingQueue::default() },
        round_robin: true,
    };
    Some((config, temporality?))
}

/// Where it sends: the address, over HTTP the path, over gRPC whether it is in plaintext.
fn target(
    otlp: &mut Section<'_>,
    transport: Transport,
    insecure: bool,
) -> Option<(String, Option<HttpTarget>, bool)> {
    if transport == Transport::Http {
        if !otlp.has("endpoint") {
            let target =
                HttpTarget { address: "localhost:4318".into(), tls: true, path: METRICS_PATH.into() };
            return Some((target.address.clone(), Some(target), false));
        }
        let target = url(otlp, "endpoint", METRICS_PATH)?;
        return Some((target.address.clone(), Some(target), false));
    }
    let written = otlp.get("endpoint", "localhost:4317".to_owned());
    let (scheme, rest) = grpc_address(&written);
    let address = rest.split('/').next().unwrap_or_default();
    check_address(otlp, "endpoint", address);
    let plaintext = scheme == Some("http") || (scheme != Some("https") && insecure);
    Some((address.to_owned(), None, plaintext))
}

/// `headers_list`: `name=value`, separated by commas.
fn headers_list(otlp: &mut Section<'_>) -> Vec<(String, String)> {
    let Some(list) = otlp.secret("headers_list") else { return Vec::new() };
    let mut found = Vec::new();
    for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((name, value)) => found.push((name.trim().to_owned(), value.trim().to_owned())),
            None => otlp.error("headers_list", "'headers_list' needs name=value, separated by commas", None),
        }
    }
    found
}

/// Where metrics are posted when the endpoint has no path.
const METRICS_PATH: &str = "/v1/metrics";
