//! The container files: what the image and `docker-compose.yml` say is what the configurations in `config/` say.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

use ringtail::config::{Exporter, Settings, load};
use ringtail::discover::{self, read_members};
use ringtail::receive::Endpoint;
use serde_json::Value;

/// Where the image keeps its configuration.
const HOME: &str = "/etc/ringtail";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn settings(name: &str) -> Settings {
    load(&[path(name).display().to_string()], &[], &|_| None).unwrap().settings
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

/// `left:right` without what follows a second colon.
fn halves(text: &str) -> (&str, &str) {
    let (left, right) = text.split_once(':').unwrap();
    (left, right.split(':').next().unwrap())
}

/// Every port that a configuration listens on, all of them on every interface.
fn open_ports(settings: &Settings) -> BTreeSet<u16> {
    let mut endpoints = Vec::new();
    for receiver in settings.receivers.values() {
        endpoints.extend(receiver.grpc.as_ref().map(|grpc| grpc.endpoint.clone()));
        endpoints.extend(receiver.http.as_ref().map(|http| http.endpoint.clone()));
    }
    endpoints
        .extend(settings.health_checks.values().map(|check| Endpoint::Tcp(check.check.endpoint.clone())));
    endpoints.extend(settings.admin.iter().map(|admin| Endpoint::Tcp(admin.endpoint.clone())));
    let readers = settings.telemetry.metrics.iter();
    endpoints.extend(readers.map(|reader| Endpoint::Tcp(format!("{}:{}", reader.host, reader.port))));
    let ports = endpoints.iter().map(|endpoint| match endpoint {
        Endpoint::Tcp(address) => match address.rsplit_once(':').unwrap() {
            ("0.0.0.0", port) => port.parse().unwrap(),
            _ => panic!("{address} cannot be reached from outside of a container"),
        },
        Endpoint::Unix(path) => panic!("{path} cannot be reached from outside of a container"),
    });
    ports.collect()
}

/// The words behind an instruction of the Dockerfile, line by line; continued lines are one.
fn instructions(word: &str) -> Vec<Vec<String>> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix(word));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn every_configuration_in_the_repository_is_valid() {
    let folders = ["config", "config/examples"].map(|folder| fs::read_dir(path(folder)).unwrap());
    let mut files: Vec<PathBuf> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.push(path("config/compose/ringtail/config.yaml"));
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringtail"));
        let output = command.arg("validate").arg("--config").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let is_old = file.ends_with("founding.yaml"); // names that the Collector has deprecated, on purpose
        assert!(output.status.success() && (said.is_empty() || is_old), "{}: {said}", file.display());
    }
}

#[test]
fn the_image_opens_the_ports_of_its_configurations() {
    let exposed = instructions("EXPOSE ").concat().iter().map(|port| port.parse().unwrap()).collect();
    for name in ["config/docker.yaml", "config/compose/ringtail/config.yaml"] {
        assert_eq!(open_ports(&settings(name)), exposed, "{name}");
    }
    let published: BTreeSet<u16> = strings(&yaml("docker-compose.yml")["services"]["ringtail"]["ports"])
        .iter()
        .map(|port| port.rsplit(':').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(published, exposed, "docker-compose.yml");
    let check = instructions("HEALTHCHECK ").concat().concat();
    let admin = settings("config/docker.yaml").admin.unwrap().endpoint.replace("0.0.0.0:", "/127.0.0.1/");
    assert!(check.contains(&admin), "{check} does not ask {admin}");
}

#[test]
fn the_image_copies_what_there_is_and_starts_with_it() {
    let ignored = read(".dockerignore");
    for copy in instructions("COPY ").iter().filter(|copy| !copy[0].starts_with("--from")) {
        for source in &copy[..copy.len() - 1] {
            let top = source.split('/').next().unwrap();
            assert!(path(source).exists(), "COPY {source}");
            assert!(ignored.lines().any(|line| line == format!("!{top}")), ".dockerignore hides {top}");
        }
    }
    let config = format!("{HOME}/config.yaml");
    assert!(instructions("COPY ").contains(&vec!["config/docker.yaml".to_owned(), config.clone()]));
    assert_eq!(instructions("CMD ").concat().concat(), format!(r#"["--config","{config}"]"#));
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let image = format!("rust:{}-bookworm", version.trim_matches('"'));
    assert!(instructions("FROM ").iter().any(|from| from[0] == image), "not built with {image}");
}

#[test]
fn mounted_files_are_there() {
    let compose = yaml("docker-compose.yml");
    for (name, service) in compose["services"].as_object().unwrap() {
        for volume in strings(&service["volumes"]) {
            assert!(path(halves(volume).0).exists(), "{name} mounts {volume}");
        }
    }
    let mounts = strings(&compose["services"]["ringtail"]["volumes"]);
    let folder = mounts.iter().map(|mount| halves(mount)).find(|(_, to)| *to == HOME).unwrap().0;
    assert!(path(folder).join("config.yaml").exists());
    for member_file in member_files(&settings("config/compose/ringtail/config.yaml")) {
        let inside = member_file.strip_prefix(HOME).unwrap();
        assert!(path(folder).join(inside).exists(), "{}", member_file.display());
    }
}

fn member_files(settings: &Settings) -> Vec<PathBuf> {
    let resolvers = settings.exporters.values().filter_map(|exporter| match exporter {
        Exporter::LoadBalancing(config) => Some(&config.resolver),
        _ => None,
    });
    let files: Vec<_> = resolvers
        .map(|resolver| match resolver {
            discover::Config::File(file) => file.path.clone(),
            other => panic!("{other:?} is no members file"),
        })
        .collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn members_and_scrape_targets_are_services() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().unwrap();
    let members = path("config/compose/ringtail/members.yaml");
    let members = read_members(&members, &fs::read(&members).unwrap()).unwrap().members;
    let collector = yaml("config/compose/collector.yaml");
    let listens = collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].as_str().unwrap();
    for member in &members {
        let (host, port) = halves(&member.address);
        assert!(services.contains_key(host), "{host} is no service");
        assert_eq!(port, halves(listens).1);
    }
    let collectors: Vec<_> = services.keys().filter(|name| name.starts_with("collector-")).collect();
    assert_eq!(collectors.len(), members.len());
    let metrics =
        &collector["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"];
    let theirs = metrics["port"].as_u64().unwrap();
    let ours = settings("config/compose/ringtail/config.yaml").telemetry.metrics[0].port;
    let mut scraped = BTreeSet::new();
    for job in yaml("config/compose/prometheus.yaml")["scrape_configs"].as_array().unwrap() {
        for target in strings(&job["static_configs"][0]["targets"]) {
            let (host, port) = halves(target);
            let expected = if host == "ringtail" { u64::from(ours) } else { theirs };
            assert_eq!(port.parse(), Ok(expected), "{target}");
            scraped.insert(host.to_owned());
        }
    }
    let mut expected: BTreeSet<String> = collectors.into_iter().cloned().collect();
    expected.insert("ringtail".into());
    assert_eq!(scraped, expected);
}

#[test]
fn the_collectors_take_their_configuration() {
    let Some(binary) = std::env::var_os("RINGTAIL_OTELCOL") else {
        // Written past the test harness, which hides what passing tests print.
        let why = "RINGTAIL_OTELCOL names no collector to judge config/compose/collector.yaml";
        let _ = writeln!(stderr(), "skipped: the_collectors_take_their_configuration: {why}");
        return;
    };
    let mut command = Command::new(binary);
    let output = command.arg("validate").arg("--config").arg(path("config/compose/collector.yaml")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
