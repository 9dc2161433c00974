//! Every configuration error: its words, its place, its way out.

#![allow(clippy::unwrap_used)]

use ringtail::config::{Errors, Loaded, load};

/// Loads a text as if it stood in the variable `C`, whose name errors show as the file.
fn read(text: &str) -> Result<Loaded, Errors> {
    load(&["env:C".to_owned()], &[], &|name| (name == "C").then(|| text.to_owned()))
}

/// `line:column path: message` of every error.
fn errors(text: &str) -> Vec<String> {
    let errors = read(text).err().unwrap_or_else(|| panic!("this should not load:\n{text}"));
    errors.0.iter().map(|e| format!("{}:{} {}: {}", e.line, e.column, e.path, e.message)).collect()
}

/// The help of the first error.
fn help(text: &str) -> String {
    read(text).unwrap_err().0[0].help.clone().unwrap_or_default()
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = read(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    loaded.warnings.iter().map(|w| format!("{}:{} {}", w.line, w.column, w.message)).collect()
}

/// A whole configuration around one exporter.
fn exporting(signal: &str, exporter: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\n\
         service: {{pipelines: {{{signal}: {{receivers: [otlp], exporters: [load_balancing]}}}}}}\n\
         exporters:\n  load_balancing:\n    {exporter}\n"
    )
}

/// A whole configuration around one receiver.
fn receiving(receiver: &str) -> String {
    format!(
        "exporters: {{nop: }}\n\
         service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}}}\n\
         receivers:\n  otlp:\n    {receiver}\n"
    )
}

/// A whole configuration with another `service`.
fn serving(service: &str) -> String {
    format!("receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{nop: }}\nservice:\n  {service}\n")
}

const PIPELINES: &str = "pipelines: {traces: {receivers: [otlp], exporters: [nop]}}";
const STATIC: &str = "resolver: {static: {hostnames: [a]}}";

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(errors(text), expected, "{text}");
}

#[test]
fn a_block_names_the_place_the_keys_and_the_way_out() {
    let errors = read("receivers:\n  otlp:\n    protocols:\n      grcp: {}\n      grpc:\n").unwrap_err();
    let first = errors.0.iter().find(|e| e.line == 4).unwrap();
    assert_eq!(
        first.to_string(),
        "error: 'protocols' has invalid keys: grcp\n  --> env:C:4:7\n   = at receivers::otlp::protocols::grcp\n   \
         = help: did you mean \"grpc\"?"
    );
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_file() {
    check(
        "receivers:\n  otlp:\n    protocols:\n      grpc: {endpoint: 5, tls: {cert_file: a}}\n\
         exporters:\n  load_balancing:\n    routing_key: traceId\n\
         service:\n  pipelines:\n    traces: {receivers: [otlp, otlp], exporters: [load_balancing, nope]}\n",
        &[
            "4:24 receivers::otlp::protocols::grpc::endpoint: 'endpoint' expected type 'string', got unconvertible \
             type 'int'",
            "4:27 receivers::otlp::protocols::grpc::tls: TLS configuration must include both certificate and key \
             (cert_file or cert_pem, and key_file or key_pem)",
            "6:3 exporters::load_balancing::resolver: no resolvers specified for the exporter",
            "7:18 exporters::load_balancing::routing_key: unsupported routing_key: traceId",
            "10:67 service::pipelines::traces::exporters: references exporter \"nope\" which is not configured",
        ],
    );
}

#[test]
fn the_top_level_says_what_is_missing() {
    assert!(errors("{}")[0].contains("empty configuration file"));
    assert!(errors("# nothing")[0].contains("empty configuration file"));
    assert!(errors("")[0].contains("empty configuration file"));
    check("[1]", &["1:1 : a list cannot be used as a configuration"]);
    check("{a: 1, a: 2}", &["1:8 : key \"a\" is set twice"]);
    let text = format!("{}x-common: 1\n", serving(PIPELINES));
    check(&text, &["5:1 x-common: 'the configuration' has invalid keys: x-common"]);
    let none = "service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}";
    let found = errors(none);
    assert!(found.iter().any(|e| e.ends_with("no receiver configuration specified in config")), "{found:?}");
    assert!(found.iter().any(|e| e.ends_with("no exporter configuration specified in config")), "{found:?}");
}

#[test]
fn pipelines_are_checked_as_the_collector_checks_them() {
    for (service, expected) in [
        ("pipelines:", "4:3 service::pipelines: service must have at least one pipeline"),
        (
            "pipelines: {traces: {receivers: [], exporters: [nop]}}",
            "4:35 service::pipelines::traces::receivers: must have at least one receiver",
        ),
        (
            "pipelines: {traces: {receivers: [otlp]}}",
            "4:15 service::pipelines::traces::exporters: must have at least one exporter",
        ),
        (
            "pipelines: {foo: {receivers: [otlp], exporters: [nop]}}",
            "4:15 service::pipelines::foo: 'service.pipelines' in \"foo\" id: unknown pipeline signal: \"foo\"",
        ),
        (
            "pipelines: {traces/: {receivers: [otlp], exporters: [nop]}}",
            "4:15 service::pipelines::traces/: 'service.pipelines' in \"traces/\" id: the part after / should not be \
             empty",
        ),
        (
            "pipelines: {traces: {receivers: [otlp], exporters: [nop], process: []}}",
            "4:61 service::pipelines::traces::process: 'traces' has invalid keys: process",
        ),
        (
            "pipelines: {traces: {receivers: otlp, exporters: [nop]}}",
            "4:35 service::pipelines::traces::receivers: 'receivers' expected type 'list', got unconvertible type \
             'string'",
        ),
    ] {
        let found = errors(&serving(service));
        assert_eq!(found[0], expected, "{service}: {found:?}");
    }
    check(
        &serving(&format!("extensions: [foo]\n  {PIPELINES}")),
        &["4:16 service::extensions: references extension \"foo\" which is not configured"],
    );
}

#[test]
fn what_only_the_collector_has_is_named_as_such() {
    let text = "receivers: {otlp: {protocols: {grpc: }}, jaeger: }\nprocessors: {schema: }\nexporters: {nop: , loki/x: }\n\
                service: {pipelines: {traces: {receivers: [otlp, jaeger], processors: [schema], exporters: [nop, loki/x]}}}";
    check(
        text,
        &[
            "4:50 service::pipelines::traces::receivers: receiver \"jaeger\" exists in the Collector, but not in this \
             version of ringtail",
            "4:72 service::pipelines::traces::processors: processor \"schema\" exists in the Collector, but not in this \
             version of ringtail",
            "4:98 service::pipelines::traces::exporters: exporter \"loki/x\" exists in the Collector, but not in this \
             version of ringtail",
        ],
    );
    assert_eq!(
        help(text),
        "leave it out of the pipeline, or start with --skip-unavailable; receivers available: otlp"
    );
}

#[test]
fn unknown_types_are_errors_in_use_and_warnings_out_of_use() {
    let text = "receivers: {otlp: {protocols: {grpc: }}}\nexporters: {debgu/x: , nop: }\n\
                service: {pipelines: {traces: {receivers: [otlp], exporters: [debgu/x]}}}";
    check(
        text,
        &["2:13 exporters::debgu/x: 'exporters' unknown type: \"debgu\" for id: \"debgu/x\" (valid values: \
           [load_balancing otlp_grpc otlp_http debug prometheus file nop loadbalancing otlp otlphttp logging])"],
    );
    assert_eq!(help(text), "did you mean \"debug\"?");
    let unused = "receivers: {otlp: {protocols: {grpc: }}, zipkin: , foo: }\nexporters: {nop: }\nprocessors: {schema: }\n\
                  service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}";
    assert_eq!(
        warnings(unused),
        [
            "1:42 receiver \"zipkin\" is not used; this version of ringtail has no such type",
            "1:52 receiver \"foo\" is not used; its type is unknown",
            "3:14 processor \"schema\" is not used; this version of ringtail has no such type",
        ]
    );
}

#[test]
fn ids_follow_the_collectors_rules() {
    for (id, reason) in [
        ("otlp/", "the part after / should not be empty"),
        ("\"o t\"", "invalid character(s) in type \"o t\""),
        ("\"otlp/a b\"", "invalid character(s) in name \"a b\""),
        ("9x", "invalid character(s) in type \"9x\""),
    ] {
        let text = format!("{}extensions: {{{id}: }}\n", serving(PIPELINES));
        assert!(errors(&text)[0].ends_with(reason), "{id}: {:?}", errors(&text));
    }
    assert!(read(&receiving("protocols: {grpc: }").replace("otlp", "otlp/a/b-c.d")).is_ok());
}

#[test]
fn the_receiver_is_checked_as_the_collector_checks_it() {
    for (receiver, expected) in [
        ("", "4:3 receivers::otlp: must specify at least one protocol when using the OTLP receiver"),
        (
            "protocols: {grpc: {enabled: false}}",
            "4:3 receivers::otlp: must specify at least one protocol when using the OTLP receiver",
        ),
        (
            "protocols: {grpc: {max_recv_msg_size_mib: -1}}",
            "5:47 receivers::otlp::protocols::grpc::max_recv_msg_size_mib: invalid max_recv_msg_size_mib value, must be \
             between 1 and 8796093022207: -1",
        ),
        (
            "protocols: {grpc: {transport: foo}}",
            "5:35 receivers::otlp::protocols::grpc::transport: unsupported transport type \"foo\"",
        ),
        (
            "protocols: {grpc: {read_buffer_size: -1}}",
            "5:42 receivers::otlp::protocols::grpc::read_buffer_size: invalid read_buffer_size value: -1",
        ),
        (
            "protocols: {grpc: {tls: {}}}",
            "5:24 receivers::otlp::protocols::grpc::tls: TLS configuration must include both certificate and key for \
             server connections",
        ),
        (
            "protocols: {grpc: {tls: {cert_file: a, key_file: b, min_version: \"9\"}}}",
            "5:70 receivers::otlp::protocols::grpc::tls::min_version: invalid TLS min_version: unsupported TLS version: \
             \"9\"",
        ),
        (
            "protocols: {grpc: {tls: {cert_file: a, key_file: b, min_version: \"1.3\", max_version: \"1.2\"}}}",
            "5:90 receivers::otlp::protocols::grpc::tls::max_version: invalid TLS configuration: min_version cannot be \
             greater than max_version",
        ),
        (
            "protocols: {http: {tls: {cert_file: a, key_file: b, ca_file: x, ca_pem: y}}}",
            "5:77 receivers::otlp::protocols::http::tls::ca_pem: provide either a CA file or the PEM-encoded string, but \
             not both",
        ),
        (
            "protocols: {grpc: {endpoint: localhost}}",
            "5:34 receivers::otlp::protocols::grpc::endpoint: address localhost: missing port in address",
        ),
        (
            "protocols: {grpc: {auth: {authenticator: basic}}}",
            "5:46 receivers::otlp::protocols::grpc::auth::authenticator: failed to resolve authenticator \"basic\": \
             authenticator not found",
        ),
        ("protocols: {grpc: [1]}", "5:23 receivers::otlp::protocols::grpc: 'grpc' expected a map, got list"),
        (
            "protocols: {http: {cors: {allowed_origin: [a]}}}",
            "5:31 receivers::otlp::protocols::http::cors::allowed_origin: 'cors' has invalid keys: allowed_origin",
        ),
        (
            "protocols: {http: {compression_algorithms: [br]}}",
            "5:48 receivers::otlp::protocols::http::compression_algorithms: unsupported compression type \"br\"",
        ),
        (
            "protocols: {http: {keepalive: {}, idle_timeout: 1s}}",
            "5:24 receivers::otlp::protocols::http::keepalive: keepalive cannot be used together with \
             keep_alives_enabled or idle_timeout",
        ),
    ] {
        let found = errors(&receiving(receiver));
        assert_eq!(found[0], expected, "{receiver}: {found:?}");
    }
    assert_eq!(
        warnings(&receiving("protocols: {http: {max_body: 1}}")),
        ["5:24 'http' has no key \"max_body\"; it is ignored"]
    );
}

#[test]
fn the_exporter_is_checked_as_the_collector_checks_it() {
    for (exporter, expected) in [
        ("resolver: {}", "5:5 exporters::load_balancing::resolver: no resolvers specified for the exporter"),
        (
            "resolver: {static: {hostnames: [a]}, dns: {hostname: b}}",
            "5:5 exporters::load_balancing::resolver: only one resolver should be specified",
        ),
        (
            "resolver: {static: {hostnames: []}}",
            "5:36 exporters::load_balancing::resolver::static::hostnames: no endpoints specified for the static resolver",
        ),
        (
            "resolver: {dns: {port: \"4317\"}}",
            "5:16 exporters::load_balancing::resolver::dns::hostname: no hostname specified to resolve the backends",
        ),
        (
            "resolver: {k8s: {service: a.b}}",
            "5:16 exporters::load_balancing::resolver::k8s: the k8s resolver exists in the Collector, but not in this \
             version of ringtail",
        ),
        (
            "resolver: {static: {hostnames: [a], weights: [1]}}",
            "5:41 exporters::load_balancing::resolver::static::weights: 'static' has invalid keys: weights",
        ),
    ] {
        let found = errors(&exporting("traces", exporter));
        assert_eq!(found[0], expected, "{exporter}: {found:?}");
    }
}

#[test]
fn resiliency_is_checked_as_the_collector_checks_it() {
    for (key, expected) in [
        (
            "protocol: {otlp: {retry_on_failure: {max_elapsed_time: 1s}}}",
            "'max_elapsed_time' must not be less than 'initial_interval'",
        ),
        ("retry_on_failure: {max_elapsed_time: 1s}", ""),
        ("sending_queue: {enabled: false, queue_size: 0}", ""),
        ("timeout: 1e9", ""),
        (
            "retry_on_failure: {initial_interval: 5s, max_interval: 6s, max_elapsed_time: 1s}",
            "'max_elapsed_time' must not be less than 'initial_interval'",
        ),
        (
            "retry_on_failure: {randomization_factor: 2}",
            "randomization_factor value must be less than or equal to 1",
        ),
        (
            "retry_on_failure: {max_interval: -1s}",
            "'max_interval' value must be greater than or equal to 0: \"-1s\"",
        ),
        ("sending_queue: {queue_size: 0}", "'queue_size' must be positive: \"0\""),
        ("sending_queue: {queue_size: }", "'queue_size' must be positive"),
        ("sending_queue: {sizer: foo}", "invalid sizer: \"foo\""),
        (
            "sending_queue: {storage: file_storage}",
            "'storage' is not available in this version: queues on disk are not supported",
        ),
        ("sending_queue: {batch: {flush_timeout: 0}}", "`flush_timeout` must be positive, found 0"),
        ("timeout: 5", ""),
        ("timeout: abc", "'timeout' time: invalid duration: \"abc\""),
        ("timeout: \"5\"", "'timeout' time: missing unit in duration: \"5\""),
        ("timeout: true", "'timeout' expected type 'time.Duration', got unconvertible type 'bool'"),
        ("protocol: {otlp: {compression: br}}", "unsupported compression type \"br\""),
        ("protocol: {otlp: {balancer_name: x}}", "invalid balancer_name: x"),
        ("protocol: {otlp: {insecure: true}}", "'otlp' has invalid keys: insecure"),
        ("protocol: {otlp_grpc: {}}", "'protocol' has invalid keys: otlp_grpc"),
        ("protocol: {otlp: {}, otlp_http: {}}", "only one protocol should be specified: otlp or otlp_http"),
        ("protocol: {otlp: {headers: {a: 1}}}", "'a' expected type 'string', got unconvertible type 'int'"),
        (
            "hold: {max_bytes: 5 elephants}",
            "'max_bytes' is not a size; write bytes or 64MiB: \"5 elephants\"",
        ),
        ("ring: colector", "unknown ring \"colector\""),
    ] {
        let text = exporting("traces", &format!("{STATIC}\n    {key}"));
        match expected {
            "" => assert!(read(&text).is_ok(), "{key}"),
            _ => assert!(errors(&text)[0].ends_with(&format!(": {expected}")), "{key}: {:?}", errors(&text)),
        }
    }
}

#[test]
fn a_routing_key_must_fit_every_signal_that_uses_it() {
    for (signal, key, fits) in [
        ("traces", "traceID", true),
        ("traces", "service", true),
        ("traces", "resource", false),
        ("traces", "\"\"", true),
        ("logs", "traceID", true),
        ("logs", "resource", true),
        ("metrics", "service", true),
        ("metrics", "resource", true),
        ("metrics", "traceID", false),
        ("metrics", "streamID", false),
        ("traces", "traceId", false),
    ] {
        let text = exporting(signal, &format!("{STATIC}\n    routing_key: {key}"));
        assert_eq!(read(&text).is_ok(), fits, "{signal} {key}");
    }
    let text = |keys: &str| exporting("traces", &format!("{STATIC}\n    {keys}"));
    assert_eq!(
        errors(&text("routing_key: attributes"))[0],
        "4:3 exporters::load_balancing::routing_attributes: routing_attributes must be specified when routing_key is \
         \"attributes\""
    );
    assert_eq!(
        errors(&text("routing_attributes: [a]"))[0],
        "6:25 exporters::load_balancing::routing_attributes: routing_attributes can only be used when routing_key is \
         \"attributes\"; got \"\". Remove routing_attributes or set routing_key to \"attributes\""
    );
}

#[test]
fn what_is_named_twice_is_used_once_but_processors_are_refused() {
    let twice = serving("pipelines: {traces: {receivers: [otlp, otlp], exporters: [nop]}}");
    assert_eq!(warnings(&twice), ["4:42 references receiver \"otlp\" multiple times"]);
    assert_eq!(read(&twice).unwrap().settings.pipelines[0].receivers.len(), 1);
    let twice =
        serving("pipelines: {traces: {receivers: [otlp], processors: [batch, batch], exporters: [nop]}}");
    assert!(
        errors(&twice).iter().any(|error| error.ends_with("references processor \"batch\" multiple times")),
        "{:?}",
        errors(&twice)
    );
}

#[test]
fn telemetry_is_checked_as_the_collector_checks_it() {
    for (telemetry, expected) in [
        (
            "metrics: {readers: []}",
            "collector telemetry metrics reader should exist when metric level is not none",
        ),
        ("metrics: {level: loud}", "unknown metrics level \"loud\""),
        ("logs: {level: loud}", "unrecognized level: \"loud\""),
        ("resource: {a: 5}", "legacy resource attribute \"a\" must be string or null"),
        ("resource: [1]", "'resource' expected a map, got list"),
        ("traces: {level: loud}", "unknown metrics level \"loud\""),
        (
            "metrics: {views: [{selector: {unit: s}}]}",
            "service::telemetry::metrics::views can only be set when service::telemetry::metrics::level is detailed",
        ),
        ("metrics: {level: detailed, views: [{stream: {}}]}", "view: no selector provided"),
        (
            "metrics: {level: detailed, views: [{selector: {}}]}",
            "view_selector: empty selector not supported",
        ),
        ("metrics: {readers: [{}]}", "no valid metric reader"),
        ("metrics: {readers: [{periodic: {exporter: {}}}]}", "no valid metric exporter"),
        (
            "metrics: {readers: [{periodic: {exporter: {otlp: {protocol: grpc/json}}}}]}",
            "unsupported protocol \"grpc/json\"",
        ),
        ("logs: {output_paths: ['winfile:///x']}", "only stdout, stderr and files are available for logs"),
    ] {
        let found = errors(&serving(&format!("telemetry: {{{telemetry}}}\n  {PIPELINES}")));
        assert!(found[0].ends_with(&format!(": {expected}")), "{telemetry}: {found:?}");
    }
}

#[test]
fn telemetry_that_does_nothing_here_is_accepted_with_a_warning() {
    for (telemetry, expected) in [
        (
            "metrics: {level: detailed, views: [{selector: {unit: s}, stream: {aggregation: {sum: {}}}}]}",
            "'sum' has no effect here: instruments count in one way, and histograms have the buckets that they have",
        ),
        (
            "metrics: {level: detailed, views: [{selector: {instrument_name: a*}, stream: {name: b}}]}",
            "the view has no effect: it would give several instruments one name",
        ),
        (
            "logs: {processors: [{batch: {}}]}",
            "'processors' has no effect here: ringtail exports no logs or spans of its own",
        ),
        (
            "traces: {processors: [{batch: {}}]}",
            "'processors' has no effect here: ringtail exports no logs or spans of its own",
        ),
        ("resource: {detectors: {attributes: {}}}", "'detectors' has no effect here: write the attributes"),
    ] {
        let found = warnings(&serving(&format!("telemetry: {{{telemetry}}}\n  {PIPELINES}")));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{telemetry}: {found:?}");
    }
    let quiet =
        "telemetry: {logs: {output_paths: [stdout, /var/log/x], sampling: {initial: -1}, development: true}}";
    assert_eq!(warnings(&serving(&format!("{quiet}\n  {PIPELINES}"))), [""; 0]);
}

#[test]
fn older_spellings_are_accepted_with_one_warning_each() {
    let text = "receivers: {otlp: {protocols: {grpc: }}}\n\
                exporters:\n  logging: {loglevel: debug}\n  loadbalancing: {resolver: {dns: {hostname: x, port: 4317}}}\n\
                service:\n  telemetry: {metrics: {address: 0.0.0.0:9999}}\n  \
                pipelines: {traces: {receivers: [otlp], exporters: [loadbalancing, logging]}}\n";
    assert_eq!(
        warnings(text),
        [
            "3:3 \"logging\" alias is deprecated; use \"debug\" instead",
            "3:13 'loglevel' is deprecated",
            "4:3 \"loadbalancing\" alias is deprecated; use \"load_balancing\" instead",
            "4:55 the Collector wants text here",
            "6:25 'address' is deprecated",
        ]
    );
}

#[test]
fn extensions_without_a_meaning_here_are_warnings_and_others_errors() {
    let text = |name: &str| {
        format!("extensions: {{{name}: }}\n{}", serving(&format!("extensions: [{name}]\n  {PIPELINES}")))
    };
    assert_eq!(
        warnings(&text("pprof")),
        [
            "1:14 extension \"pprof\" has no effect here: it profiles the Go runtime; profile this process with perf"
        ]
    );
    assert_eq!(
        errors(&text("opamp")),
        [
            "5:16 service::extensions: extension \"opamp\" exists in the Collector, but not in this version of \
          ringtail"
        ]
    );
    assert_eq!(
        errors(&text("foo")),
        [
            "1:14 extensions::foo: 'extensions' unknown type: \"foo\" for id: \"foo\" (valid values: [health_check admin file_storage bearertokenauth basicauth pprof zpages bearer_token_auth basic_auth healthcheckv2 memory_limiter])"
        ]
    );
}

#[test]
fn a_connector_in_a_pipeline_is_named_as_such() {
    let text = "receivers: {otlp: {protocols: {grpc: }}}\nexporters: {nop: }\nconnectors: {spanmetrics: }\n\
                service: {pipelines: {traces: {receivers: [otlp], exporters: [spanmetrics]}}}";
    check(
        text,
        &[
            "4:63 service::pipelines::traces::exporters: connector \"spanmetrics\" exists in the Collector, but not in \
           this version of ringtail",
        ],
    );
}

/// A configuration with the connectors `forward` and `forward/b` and these pipelines, on the fourth line.
fn connected(pipelines: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{nop: }}\nconnectors: {{forward: , forward/b: {{}}}}\n\
         service: {{pipelines: {{{pipelines}}}}}\n\
         processors: {{batch: }}\n"
    )
}

#[test]
fn a_connector_joins_pipelines_of_one_signal() {
    let joined = "traces/in: {receivers: [otlp], exporters: [forward, nop]}, \
                  traces/a: {receivers: [forward, otlp], exporters: [forward/b]}, \
                  traces/b: {receivers: [forward, forward/b], exporters: [nop]}";
    assert_eq!(warnings(&connected(joined)), [""; 0]);
    check(
        &connected(
            "traces/in: {receivers: [otlp], exporters: [forward]}, metrics: {receivers: [forward], exporters: [nop]}",
        ),
        &[
            "4:66 service::pipelines::traces/in::exporters: connector \"forward\" used as exporter in [traces/in] \
             pipeline but not used in any supported receiver pipeline",
            "4:99 service::pipelines::metrics::receivers: connector \"forward\" used as receiver in [metrics] pipeline \
             but not used in any supported exporter pipeline",
        ],
    );
}

#[test]
fn a_circle_of_connectors_is_named_from_end_to_end() {
    check(
        &connected(
            "traces/in: {receivers: [otlp, forward/b], processors: [batch], exporters: [forward]}, \
             traces/out: {receivers: [forward], exporters: [nop, forward/b]}",
        ),
        &[
            "4:161 service::pipelines::traces/out::exporters: cycle detected: connector \"forward/b\" (traces to traces) -> \
             processor \"batch\" in pipeline \"traces/in\" -> connector \"forward\" (traces to traces) -> connector \
             \"forward/b\" (traces to traces)",
        ],
    );
    check(
        &connected("traces: {receivers: [otlp, forward], exporters: [forward]}"),
        &[
            "4:72 service::pipelines::traces::exporters: cycle detected: connector \"forward\" (traces to traces) -> \
             connector \"forward\" (traces to traces)",
        ],
    );
}

#[test]
fn an_id_is_not_both_a_connector_and_something_else() {
    let text = connected(
        "traces/in: {receivers: [otlp], exporters: [forward]}, traces: {receivers: [forward], exporters: [nop]}",
    );
    check(
        &text.replace("exporters: {nop: }", "exporters: {nop: , forward: }"),
        &[
            "3:14 connectors::forward: ambiguous ID: Found both \"forward\" exporter and \"forward\" connector. Change \
             one of the components' IDs to eliminate ambiguity",
        ],
    );
}

/// A configuration with one exporter for metrics and logs.
fn ending_in(exporter: &str, signal: &str) -> String {
    let id = exporter.split(':').next().unwrap();
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{{exporter}}}\n\
         service: {{pipelines: {{{signal}: {{receivers: [otlp], exporters: [{id}]}}}}}}\n"
    )
}

#[test]
fn the_prometheus_exporter_is_checked_as_the_collector_checks_it() {
    for (keys, expected) in [
        ("", "exporters::prometheus::endpoint: requires a non-empty \"endpoint\""),
        (
            "endpoint: 'x:1', translation_strategy: None",
            "exporters::prometheus::translation_strategy: invalid translation_strategy: \"None\"",
        ),
        (
            "endpoint: 'x:1', const_labels: [a]",
            "exporters::prometheus::const_labels: 'const_labels' expected a map, got list",
        ),
        (
            "endpoint: 'x:1', auth: {authenticator: a}",
            "exporters::prometheus::auth::authenticator: failed to resolve authenticator \"a\": authenticator not found",
        ),
        (
            "endpoint: 'x:1', max_series: 0",
            "exporters::prometheus::max_series: 'max_series' must be positive: \"0\"",
        ),
        (
            "endpoint: 'x:1', metrics_path: /m",
            "exporters::prometheus::metrics_path: 'prometheus' has invalid keys: metrics_path",
        ),
    ] {
        let found = errors(&ending_in(&format!("prometheus: {{{keys}}}"), "metrics"));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{keys}: {found:?}");
    }
    let text = ending_in("prometheus: {endpoint: 'x:1'}", "logs");
    let expected =
        "failed to create \"prometheus\" exporter for data type \"logs\": telemetry type is not supported";
    assert!(errors(&text)[0].ends_with(expected), "{:?}", errors(&text));
    let quiet = ending_in(
        "prometheus: {endpoint: 'x:1', send_timestamps: true, resource_to_telemetry_conversion: {enabled: true}}",
        "metrics",
    );
    assert_eq!(warnings(&quiet), [""; 0]);
}

#[test]
fn the_file_exporter_is_checked_as_the_collector_checks_it() {
    for (keys, expected) in [
        ("", "path: path must be non-empty"),
        ("path: a, format: csv", "format: format type is not supported"),
        ("path: a, compression: gzip", "compression: compression is not supported"),
        (
            "path: a, append: true, rotation: ",
            "append: append and rotation enabled at the same time is not supported",
        ),
        (
            "path: a, flush_interval: -1s",
            "flush_interval: 'flush_interval' value must be greater than or equal to 0: \"-1s\"",
        ),
        (
            "path: a, group_by: {enabled: true}",
            "path: path must contain exactly one * when group_by is enabled",
        ),
        (
            "path: '*a', group_by: {enabled: true}",
            "path: path must not start with * when group_by is enabled",
        ),
        (
            "path: 'a*', group_by: {enabled: true, resource_attribute: ''}",
            "resource_attribute must not be empty when group_by is enabled",
        ),
        (
            "path: a, directory_permissions: '0755'",
            "directory_permissions requires create_directory to be true",
        ),
        (
            "path: a, create_directory: true, directory_permissions: '0x'",
            "directory_permissions value must be a valid octal representation",
        ),
        (
            "path: a, create_directory: true, directory_permissions: '1777'",
            "directory_permissions contain invalid bits for file access",
        ),
    ] {
        let found = errors(&ending_in(&format!("file: {{{keys}}}"), "logs"));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{keys}: {found:?}");
    }
    let quiet = ending_in(
        "file: {path: 'a*', flush_interval: 5s, rotation: {localtime: false}, group_by: {enabled: true}}",
        "logs",
    );
    assert_eq!(warnings(&quiet), [""; 0]);
}
