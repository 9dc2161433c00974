//! How a configuration comes together: sources, merging, references, nulls, defaults, printing.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use ringtail::client::Transport;
use ringtail::compress::Compression;
use ringtail::config::{Errors, Exporter, Format, Loaded, Mode, Settings, load};
use ringtail::discover;
use ringtail::export::Verbosity;
use ringtail::forward;
use ringtail::receive::Endpoint;

const ENVIRONMENT: &[(&str, &str)] = &[
    ("V", "v"),
    ("PORT", "4317"),
    ("NUM", "012"),
    ("TRUE", "true"),
    ("EMPTY", ""),
    ("LIST", "[a:1, b:2]"),
    ("QUOTED", "\"q\""),
    ("BROKEN", "a: ["),
    ("AGAIN", "${env:NUM}"),
    ("DOLLARS", "a$$b"),
    ("LOOP", "x${env:LOOP}"),
    ("INSIDE", "{a: '${env:INSIDE}'}"),
    ("SELF", "${env:SELF}"),
    ("SECRET", "hunter2"),
    ("MAP", "{kind: hunter2}"),
    ("KEYS", "{hunter2: {hunter2: 1}}"),
];

fn env(name: &str) -> Option<String> {
    ENVIRONMENT.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn read(sources: &[&str], sets: &[&str]) -> Result<Loaded, Errors> {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    load(&owned(sources), &owned(sets), &env)
}

#[track_caller]
fn settings(sources: &[&str], sets: &[&str]) -> Settings {
    read(sources, sets).unwrap_or_else(|errors| panic!("{errors}")).settings
}

const BASE: &str = "yaml:{receivers: {otlp: {protocols: {grpc: , http: }}}, exporters: {debug: , nop: }, \
                    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug, nop]}}}}";
const BALANCING: &str = "yaml:{receivers: {otlp: {protocols: {grpc: }}}, \
    exporters: {load_balancing: {resolver: {static: {hostnames: [b, a]}}}}, \
    service: {pipelines: {traces: {receivers: [otlp], exporters: [load_balancing]}}}}";

fn balancing(settings: &Settings) -> &forward::Config {
    match settings.exporters.values().next() {
        Some(Exporter::LoadBalancing(config)) => config,
        other => panic!("{other:?}"),
    }
}

fn debug(settings: &Settings) -> &ringtail::export::Debug {
    settings.exporters.values().find_map(|e| if let Exporter::Debug(d) = e { Some(d) } else { None }).unwrap()
}

/// What the endpoint of the gRPC listener becomes when it is written as `value`.
fn endpoint(value: &str) -> Result<String, String> {
    let over = format!("yaml:receivers::otlp::protocols::grpc:\n  transport: unix\n  endpoint: {value}\n");
    let loaded = read(&[BASE, &over], &[]).map_err(|errors| errors.0[0].message.clone())?;
    match &loaded.settings.receivers.values().next().unwrap().grpc.as_ref().unwrap().endpoint {
        Endpoint::Unix(text) => Ok(text.clone()),
        Endpoint::Tcp(text) => panic!("{text}"),
    }
}

#[test]
fn without_a_source_the_embedded_default_is_used() {
    let settings = settings(&[], &[]);
    assert_eq!(settings.pipelines.len(), 3);
    assert!(
        settings
            .exporters
            .values()
            .any(|e| matches!(e, Exporter::Debug(d) if d.verbosity == Verbosity::Trace))
    );
    assert!(settings.pipelines.iter().any(|pipeline| pipeline.processors.len() == 1));
    assert_eq!(settings.processors.len(), 1);
    assert_eq!(settings.admin.unwrap().endpoint, "localhost:4319");
}

#[test]
fn maps_join_lists_are_replaced_and_the_last_word_wins() {
    let over = "yaml:service::pipelines::traces::exporters: [nop]";
    let settings = settings(
        &[BASE, "yaml:exporters::debug::verbosity: normal", over],
        &[
            "exporters.debug.sampling_initial=7",
            "exporters.debug.verbosity=detailed",
            "service.pipelines.metrics={receivers: [otlp], exporters: [debug]}",
        ],
    );
    assert_eq!(settings.pipelines.len(), 2);
    let traces = settings.pipelines.iter().find(|p| p.id.kind == "traces").unwrap();
    assert_eq!(traces.exporters.len(), 1);
    assert_eq!((debug(&settings).verbosity, debug(&settings).sampling_initial), (Verbosity::Detailed, 7));
}

#[test]
fn a_null_section_has_its_defaults_and_a_null_scalar_is_zero() {
    let null = settings(&[BASE, "yaml:receivers::otlp::protocols::http:"], &[]);
    assert!(null.receivers.values().next().unwrap().http.is_some());
    let null = settings(&[BASE, "yaml:exporters::debug: {sampling_initial: , sampling_thereafter: 3}"], &[]);
    assert_eq!((debug(&null).sampling_initial, debug(&null).sampling_thereafter), (0, 3));
    let off = settings(&[BASE, "yaml:receivers::otlp::protocols::http::enabled: false"], &[]);
    assert!(off.receivers.values().next().unwrap().http.is_none());
}

#[test]
fn files_directories_and_variables_are_sources() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("b.yaml"), "exporters: {debug: {verbosity: normal}}").unwrap();
    fs::write(path("a.yml"), "exporters: {debug: {verbosity: detailed, sampling_initial: 9}}").unwrap();
    fs::write(path("c.txt"), "nonsense: [").unwrap();
    let loaded = read(&[BASE, &folder.path().display().to_string()], &[]).unwrap();
    assert_eq!(
        (debug(&loaded.settings).verbosity, debug(&loaded.settings).sampling_initial),
        (Verbosity::Normal, 9)
    );
    assert_eq!(loaded.files, [folder.path().join("a.yml"), folder.path().join("b.yaml")]);
    let file = format!("file:{}", path("b.yaml"));
    assert_eq!(debug(&settings(&[BASE, &file], &[])).verbosity, Verbosity::Normal);
    for (source, message) in [
        ("http://example.org/c.yaml", "configuration over http is not available: http://example.org/c.yaml"),
        ("foo:bar", "unsupported scheme on URI \"foo:bar\""),
        ("env:NOPE", "environment variable \"NOPE\" is not set"),
        ("nope.yaml", "unable to read the file nope.yaml: No such file or directory (os error 2)"),
    ] {
        assert_eq!(read(&[source], &[]).unwrap_err().0[0].message, message);
    }
    let message = read(&[BASE], &["exporters.debug"]).unwrap_err().0[0].message.clone();
    assert_eq!(message, "invalid argument \"exporters.debug\" for \"--set\" flag: missing equal sign");
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.yaml").display().to_string();
    fs::write(&path, vec![b'#'; (8 << 20) + 1]).unwrap();
    assert!(read(&[&path], &[]).unwrap_err().0[0].message.ends_with("larger than 8 MiB"));
}

#[test]
fn references_become_what_the_collector_makes_of_them() {
    for (value, expected) in [
        ("\"${env:V}\"", "v"),
        ("${V}", "v"),
        ("x${env:NOPE}y", "xy"),
        ("${env:NOPE:-d}", "d"),
        ("${env:NOPE:-${env:V}}", "v"),
        ("${env:QUOTED}", "\"q\""),
        ("z${env:QUOTED}", "z\"q\""),
        ("${env:NUM}", "012"),
        ("a${env:NUM}", "a012"),
        ("${env:MAP}", "{kind: hunter2}"),
        ("${env:BROKEN}", "a: ["),
        ("${env:AGAIN}", "012"),
        ("x${env:AGAIN}y", "x012y"),
        ("${env:DOLLARS}", "a$b"),
        ("'$$VAR $VAR $1 ${'", "$VAR $VAR $1 ${"),
        ("$${1}", "${1}"),
        ("'${yaml:5}'", "5"),
        ("'${env:${env:NOPE:-V}}'", "v"),
        ("$${env:V}", "${env:V}"),
        ("$$${env:V}", "$v"),
        ("'${env:V'", "${env:V"),
    ] {
        assert_eq!(endpoint(value).as_deref(), Ok(expected), "{value}");
    }
}

#[test]
fn references_that_the_collector_refuses_are_refused() {
    for (value, message) in [
        ("'${NAME:-d}'", "scheme \"NAME\" is not supported for uri \"NAME:-d\""),
        ("'${V:d}'", "invalid uri: \"V:d\""),
        (
            "${V-d}",
            "environment variable \"V-d\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$",
        ),
        (
            "'${env:V:?m}'",
            "environment variable \"V:?m\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$",
        ),
        ("${1}", "environment variable \"1\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"),
        ("'${}'", "environment variable \"\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"),
        ("'${foo:bar}'", "scheme \"foo\" is not supported for uri \"foo:bar\""),
        ("'${http://x}'", "configuration over http is not available"),
        ("${env:LOOP}", "references are nested too deep; does one contain itself?"),
        ("${env:SELF}", "references are nested too deep; does one contain itself?"),
    ] {
        assert_eq!(endpoint(value), Err(message.to_owned()), "{value}");
    }
}

#[test]
fn what_feeds_on_itself_is_stopped() {
    assert!(read(&[BASE], &["exporters.debug=${env:INSIDE}"]).is_err());
    let wide = vec!["${env:V}"; 1001].join("");
    assert_eq!(endpoint(&wide), Err("more than 1000 references; does one contain itself?".to_owned()));
    let deep = format!("yaml:\"{}\": 1", "a::".repeat(100_000));
    assert!(read(&[BASE, &deep], &[]).is_err());
    let braces = format!("{}{}", "${".repeat(10_000), "}".repeat(10_000));
    assert!(endpoint(&format!("'{braces}'")).is_err());
}

#[test]
fn a_whole_reference_is_typed_after_it_is_replaced() {
    let set = settings(
        &[BALANCING],
        &[
            "exporters.load_balancing.resolver.static.hostnames=${env:LIST}",
            "exporters.load_balancing.protocol.otlp.tls.insecure=${env:TRUE}",
            "exporters.load_balancing.gather.max_items=${env:PORT}",
        ],
    );
    let config = balancing(&set);
    assert_eq!(config.resolver, discover::Config::Static(vec!["a:1".into(), "b:2".into()]));
    assert!(config.protocol.tls.insecure);
    assert_eq!(config.gather.max_items, 4317);
    let dns =
        "yaml:exporters::load_balancing::resolver: {static: null, dns: {hostname: x, port: \"${env:PORT}\"}}";
    let loaded = read(&[BALANCING, dns], &[]).unwrap();
    assert_eq!(loaded.warnings, [], "a port from outside is text");
}

#[test]
fn a_variable_that_is_not_set_is_null_and_a_warning() {
    let loaded = read(&[BASE], &["exporters.debug.sampling_initial=${env:NOPE}"]).unwrap();
    assert_eq!(debug(&loaded.settings).sampling_initial, 0);
    assert_eq!(loaded.warnings[0].message, "environment variable \"NOPE\" is not set; the value is empty");
    let sets = ["exporters.load_balancing.resolver.static.hostnames=${env:NOPE}"];
    let errors = read(&[BALANCING], &sets).unwrap_err();
    assert_eq!(errors.0[0].message, "no endpoints specified for the static resolver");
}

#[test]
fn a_file_reference_loses_its_last_line_break_and_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "hunter2\n").unwrap();
    let set = format!(
        "exporters.load_balancing.protocol.otlp.headers.authorization=Bearer ${{file:{}}}",
        path.display()
    );
    let loaded = read(&[BALANCING], &[&set]).unwrap();
    let headers = &balancing(&loaded.settings).protocol.headers;
    assert_eq!(headers, &[("authorization".to_owned(), "Bearer hunter2".to_owned())]);
    assert_eq!(loaded.files.len(), 1);
    let missing = read(&[BALANCING], &["exporters.load_balancing.ring=${file:/nope}"]).unwrap_err();
    assert!(missing.0[0].message.starts_with("cannot read file /nope"), "{missing}");
    assert_eq!(missing.0.len(), 1, "nothing follows from it");
    let sets = ["exporters.load_balancing.resolver.static.hostnames=['${file:/nope}']"];
    assert_eq!(read(&[BALANCING], &sets).unwrap_err().0.len(), 1);
}

#[test]
fn no_error_shows_what_came_from_outside() {
    for path in [
        "exporters.load_balancing.timeout",
        "exporters.load_balancing.ring",
        "exporters.load_balancing.routing_key",
        "exporters.load_balancing.sending_queue.sizer",
        "exporters.load_balancing.hold.max_bytes",
        "exporters.load_balancing.protocol.otlp.compression",
        "exporters.load_balancing.protocol.otlp.balancer_name",
        "exporters.load_balancing.protocol.otlp.tls.min_version",
        "exporters.load_balancing.protocol.otlp_http.encoding",
        "exporters.load_balancing.resolver.static",
        "exporters.load_balancing",
        "receivers.otlp.protocols.grpc.endpoint",
        "receivers.otlp.protocols.grpc.transport",
        "receivers.otlp.protocols.http.compression_algorithms",
        "service.telemetry.logs.level",
        "service.telemetry.metrics.level",
        "service.telemetry.metrics.address",
        "service.pipelines.traces.exporters",
        "service.pipelines.traces",
        "service.extensions",
        "extensions.admin.endpoint",
        "extensions.admin.enabled",
    ] {
        for value in
            ["${env:SECRET}", "[\"${env:SECRET} x\"]", "[\"${env:SECRET}\"]", "${env:MAP}", "${env:KEYS}"]
        {
            let set = format!("{path}={value}");
            let attributes = read(&[BALANCING], &[&set, "exporters.load_balancing.routing_attributes=[a]"]);
            assert!(!attributes.err().is_some_and(|errors| errors.to_string().contains("hunter2")), "{set}");
            if let Err(errors) = read(&[BALANCING], &[&set]) {
                assert!(!errors.to_string().contains("hunter2"), "{set}: {errors}");
            }
        }
    }
}

#[test]
fn the_printed_configuration_loads_to_the_same_settings() {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/config/reference.yaml");
    let off = "yaml:receivers::otlp::protocols::http::enabled: false";
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/config/examples/policies.yaml");
    let compat = "yaml:processors::tail_sampling::compat: collector";
    for sources in
        [&[BASE][..], &[BALANCING], &[reference], &[], &[BASE, off], &[policies], &[policies, compat]]
    {
        let loaded = read(sources, &[]).unwrap();
        for format in [Format::Yaml, Format::Json] {
            let text = loaded.print(Mode::Unredacted, format);
            let again = load(&["env:P".to_owned()], &[], &|_| Some(text.clone()))
                .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
            assert_eq!(again.settings, loaded.settings, "{text}");
        }
    }
}

#[test]
fn secrets_are_masked_unless_asked_for() {
    let loaded = read(&[BALANCING], &[
        "exporters.load_balancing.protocol.otlp.headers={authorization: Bearer hunter2}",
        "exporters.load_balancing.protocol.otlp.tls={cert_pem: hunter2, key_pem: hunter2, ca_pem: hunter2}",
        "receivers.otlp.protocols.http.response_headers=[{name: x, value: hunter2}]",
    ])
    .unwrap();
    let text = loaded.print(Mode::Redacted, Format::Yaml);
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(text.matches("[REDACTED]").count(), 5, "{text}");
    assert!(loaded.print(Mode::Unredacted, Format::Json).contains("Bearer hunter2"));
}

#[test]
fn a_keepalive_without_content_is_off_and_an_empty_one_has_the_defaults() {
    let keepalive = |text: &str| {
        let set = format!("exporters.load_balancing.protocol.otlp.keepalive={text}");
        balancing(&settings(&[BALANCING], &[&set])).protocol.keepalive
    };
    assert_eq!(keepalive(""), None);
    let ten = Duration::from_secs(10);
    let expected =
        ringtail::client::ClientKeepalive { time: ten, timeout: ten, permit_without_stream: false };
    assert_eq!(keepalive("{}"), Some(expected));
}

#[test]
fn keys_with_colons_nest_at_every_level() {
    let settings = settings(&[BASE, "yaml:receivers: {otlp: {protocols::grpc::endpoint: \"a:1\"}}"], &[]);
    let grpc = settings.receivers.values().next().unwrap().grpc.clone().unwrap();
    assert_eq!(grpc.endpoint, Endpoint::Tcp("a:1".into()));
}

#[test]
fn anchors_work_across_a_file() {
    let text = "yaml:
receivers: {otlp: {protocols: {grpc: &g {include_metadata: true}, http: {<<: *g, endpoint: 'b:2'}}}}
exporters: {nop: }
service: {pipelines: {traces: &p {receivers: [otlp], exporters: [nop]}, logs: *p}}
---
this is: [another document";
    let settings = settings(&[text], &[]);
    let http = settings.receivers.values().next().unwrap().http.clone().unwrap();
    assert!(http.include_metadata);
    assert_eq!((http.endpoint, settings.pipelines.len()), (Endpoint::Tcp("b:2".into()), 2));
}

#[test]
fn every_telemetry_reader_is_an_endpoint() {
    let readers = "[{pull: {exporter: {prometheus: {host: 0.0.0.0, port: 9, without_units: false, without_scope_info: false}}}}]";
    let metrics = |set: &str| settings(&[BASE], &[set]).telemetry.metrics;
    let found = metrics(&format!("service.telemetry.metrics.readers={readers}"));
    assert_eq!((found[0].host.as_str(), found[0].port), ("0.0.0.0", 9));
    assert!(found[0].suffixes && found[0].scope_info);
    assert_eq!(metrics("service.telemetry.metrics.level=None"), []);
    let old = metrics("service.telemetry.metrics.address=:7");
    assert_eq!((old[0].host.as_str(), old[0].port), ("0.0.0.0", 7));
    assert!(!old[0].suffixes && !old[0].scope_info);
    let set = "service.telemetry.resource={service.name: x, service.version: null, attributes: [{name: a, value: b}]}";
    let resource = settings(&[BASE], &[set]).telemetry.resource;
    let pair = |a: &str, b: Option<&str>| (a.to_owned(), b.map(str::to_owned));
    let expected = [pair("service.name", Some("x")), pair("service.version", None), pair("a", Some("b"))];
    assert_eq!(resource, expected);
}

#[test]
fn the_exporter_has_the_collectors_defaults() {
    let settings = settings(&[BALANCING], &[]);
    let config = balancing(&settings);
    assert_eq!(config.timeout, Duration::from_secs(5));
    assert_eq!(config.protocol.transport, Transport::Grpc);
    assert_eq!(config.protocol.compression, Some(Compression::Gzip));
    assert_eq!(config.protocol.keepalive, None);
    assert_eq!(config.sending_queue, None);
    assert!(config.retry.enabled && !config.protocol.tls.insecure);
    assert_eq!(config.resolver, discover::Config::Static(vec!["a".into(), "b".into()]));
}

#[test]
fn http_backends_have_a_longer_timeout() {
    for name in ["otlp_http", "otlphttp"] {
        let set = format!("exporters.load_balancing.protocol.{name}={{compression: none}}");
        let settings = settings(&[BALANCING], &[&set]);
        let config = balancing(&settings);
        assert_eq!((config.protocol.transport, config.timeout), (Transport::Http, Duration::from_secs(30)));
        assert_eq!(config.protocol.compression, None);
    }
}

#[test]
fn the_top_level_wins_over_the_protocol_with_a_warning() {
    let queue = |text: &str| {
        let set = format!("exporters.load_balancing={text}");
        let loaded = read(&[BALANCING], &[&set]).unwrap_or_else(|errors| panic!("{errors}"));
        (balancing(&loaded.settings).sending_queue.map(|queue| queue.queue_size), loaded.warnings.len())
    };
    assert_eq!(queue("{protocol: {otlp: {sending_queue: }}}"), (Some(1000), 0));
    assert_eq!(queue("{protocol: {otlp: {sending_queue: {enabled: false}}}}"), (None, 0));
    assert_eq!(queue("{sending_queue: {queue_size: 7}}"), (Some(7), 0));
    assert_eq!(queue("{sending_queue: {queue_size: 7}, protocol: {otlp: {sending_queue: }}}"), (Some(7), 1));
    assert_eq!(queue("{sending_queue: {enabled: false}, protocol: {otlp: {sending_queue: }}}"), (None, 1));
    assert_eq!(queue("{sending_queue: {batch: }}"), (Some(1000), 1));
    let both = "exporters.load_balancing={timeout: 3s, protocol: {otlp: {timeout: 4s}}}";
    let loaded = read(&[BALANCING], &[both]).unwrap();
    assert_eq!(balancing(&loaded.settings).timeout, Duration::from_secs(3));
    assert_eq!(loaded.warnings[0].message, "'timeout' stands here and under protocol; this one is used");
}

#[test]
fn the_admin_extension_is_on_until_switched_off() {
    assert!(settings(&[BASE], &[]).admin.is_some());
    assert!(settings(&[BASE], &["extensions.admin.enabled=false"]).admin.is_none());
    let moved = settings(&[BASE], &["extensions.admin.endpoint=:9", "service.extensions=[admin]"]);
    assert_eq!(moved.admin.unwrap().endpoint, ":9");
}

#[test]
fn only_listed_health_checks_run() {
    assert!(settings(&[BASE], &["extensions.health_check="]).health_checks.is_empty());
    let listed = settings(&[BASE], &["extensions.health_check=", "service.extensions=[health_check]"]);
    assert_eq!(listed.health_checks.values().next().unwrap().check.endpoint, "localhost:13133");
}

#[test]
fn unused_components_are_checked_and_left_out() {
    let settings_ = settings(&[BASE], &["exporters.debug/spare.verbosity=basic"]);
    assert_eq!(settings_.exporters.len(), 2);
    assert!(read(&[BASE], &["exporters.debug/spare.verbosity=loud"]).is_err());
}

#[test]
fn the_shape_of_a_collector_in_front_of_collectors_loads() {
    let text = "yaml:
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:14317, max_recv_msg_size_mib: 64}
exporters:
  load_balancing:
    routing_key: traceID
    protocol:
      otlp:
        timeout: 5s
        tls: {insecure: true}
        compression: none
        sending_queue: {enabled: false}
    resolver:
      static: {hostnames: [\"127.0.0.1:5001\",\"127.0.0.1:5002\",\"127.0.0.1:5003\",\"127.0.0.1:5004\"]}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    traces: {receivers: [otlp], exporters: [load_balancing]}
";
    let loaded = read(&[text], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
    let config = balancing(&loaded.settings);
    assert_eq!((config.protocol.compression, config.sending_queue), (None, None));
    assert!(config.protocol.tls.insecure);
    assert_eq!(loaded.settings.telemetry.metrics, []);
    let grpc = loaded.settings.receivers.values().next().unwrap().grpc.clone().unwrap();
    assert_eq!((grpc.max_recv_msg_bytes, grpc.max_concurrent_streams), (64 << 20, 200));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_loader_panic(text in "(?s).{0,200}") {
        let _ = load(&["env:C".to_owned()], &[], &|_| Some(text.clone()));
    }

    #[test]
    fn no_arrangement_of_known_words_makes_the_loader_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "receivers", "exporters", "service", "pipelines", "traces", "otlp", "protocols", "grpc", "debug",
            "load_balancing", "resolver", "static", "tls", "timeout", "5s", "-1", "true", "~", "${env:C}", "${",
            "}", "$", "{", "}", "[", "]", ",", ": ", ":\n", "\n  ", "\n    ", "\n", "- ", "&a ", "*a", "<<: ", "'",
            "\"", "|", "#", "\u{fc}", "::", "/", "--- ", "!!str ", "extensions", "telemetry", "metrics", "readers",
        ]), 0..60)) {
        let text = words.concat();
        let _ = load(&["env:C".to_owned()], std::slice::from_ref(&text), &|_| Some(text.clone()));
    }

    #[test]
    fn no_value_anywhere_makes_the_loader_panic(path in proptest::sample::select(KEYS.to_vec()), value in "[-a-z0-9:/.,{}\\[\\]\"'$ ]{0,12}") {
        let _ = read(&[BALANCING], &[&format!("{path}={value}")]);
    }

    #[test]
    fn no_value_in_a_sampler_makes_the_loader_panic(path in proptest::sample::select(SAMPLER_KEYS.to_vec()), value in "[-a-z0-9:/.,{}\\[\\]\"'$ ]{0,12}") {
        let sampler = concat!(env!("CARGO_MANIFEST_DIR"), "/config/examples/sampler.yaml");
        let _ = read(&[sampler], &[&format!("{path}={value}")]);
    }
}

const KEYS: &[&str] = &[
    "receivers",
    "receivers.otlp",
    "receivers.otlp.protocols",
    "receivers.otlp.protocols.grpc",
    "receivers.otlp.protocols.grpc.keepalive",
    "receivers.otlp.protocols.http.cors",
    "receivers.otlp.max_in_flight_mib",
    "exporters",
    "exporters.load_balancing",
    "exporters.load_balancing.resolver",
    "exporters.load_balancing.resolver.dns",
    "exporters.load_balancing.resolver.file",
    "exporters.load_balancing.protocol.otlp",
    "exporters.load_balancing.protocol.otlp.tls",
    "exporters.load_balancing.protocol.otlp.headers",
    "exporters.load_balancing.sending_queue",
    "exporters.load_balancing.retry_on_failure",
    "exporters.load_balancing.hold.max_bytes",
    "exporters.load_balancing.gather.max_items",
    "service",
    "service.pipelines",
    "service.extensions",
    "service.telemetry",
    "service.telemetry.metrics.readers",
    "service.telemetry.resource",
    "service.telemetry.metrics.address",
    "extensions",
    "extensions.admin",
    "extensions.health_check.response_body",
];

const SAMPLER_KEYS: &[&str] = &[
    "processors.tail_sampling",
    "processors.tail_sampling.policies",
    "processors.tail_sampling.decision_wait",
    "processors.tail_sampling.num_traces",
    "processors.tail_sampling.num_shards",
    "processors.tail_sampling.decision_cache",
    "processors.tail_sampling.compat",
    "processors.tail_sampling.when_full",
    "processors.tail_sampling.journal",
    "processors.tail_sampling.journal.max_size",
    "processors.tail_sampling.journal.segment_size",
    "processors.tail_sampling.journal.sync",
    "processors.batch",
    "processors.batch.send_batch_size",
    "processors.batch.metadata_keys",
    "exporters.otlp_grpc",
    "exporters.otlp_grpc.endpoint",
    "exporters.otlp_grpc.sending_queue",
    "exporters.otlp_grpc.sending_queue.batch",
    "exporters.otlp_grpc.sending_queue.journal",
    "exporters.otlp_http.endpoint",
    "service.pipelines.traces.processors",
    "service.pipelines.metrics",
];
