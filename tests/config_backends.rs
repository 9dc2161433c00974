//! The configuration of `batch`, `otlp_grpc` and `otlp_http`, and of pipelines with processors.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use ringtail::client::Transport;
use ringtail::config::{Errors, Exporter, Loaded, Processor, load};
use ringtail::export::{HttpTarget, Otlp, SendingQueue, Sizer};

fn read(text: &str) -> Result<Loaded, Errors> {
    load(&["env:C".to_owned()], &[], &|name| (name == "C").then(|| text.to_owned()))
}

/// A whole configuration around one exporter, used for this signal.
fn exporting(signal: &str, kind: &str, keys: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\n\
         service: {{pipelines: {{{signal}: {{receivers: [otlp], exporters: [{kind}]}}}}}}\n\
         exporters:\n  {kind}: {keys}\n"
    )
}

/// A whole configuration with these processors in a pipeline of this signal.
fn processing(signal: &str, list: &str, processors: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{nop: }}\n\
         service: {{pipelines: {{{signal}: {{receivers: [otlp], processors: [{list}], exporters: [nop]}}}}}}\n\
         processors: {processors}\n"
    )
}

#[track_caller]
fn errors(text: &str) -> Vec<String> {
    let errors = read(text).err().unwrap_or_else(|| panic!("this should not load:\n{text}"));
    errors.0.iter().map(|error| error.message.clone()).collect()
}

#[track_caller]
fn warnings(text: &str) -> Vec<String> {
    let loaded = read(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    loaded.warnings.iter().map(|warning| warning.message.clone()).collect()
}

#[track_caller]
fn exporter(kind: &str, keys: &str) -> Otlp {
    let text = exporting("traces", kind, keys);
    let loaded = read(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    match loaded.settings.exporters.into_values().next() {
        Some(Exporter::Otlp(exporter)) => *exporter,
        other => panic!("{other:?}"),
    }
}

const BATCHING: &str = "{batch: , tail_sampling: {policies: [{name: all, type: always_sample}]}, \
                        tail_sampling/2: {policies: [{name: all, type: always_sample}]}}";

#[test]
fn processors_stand_in_pipelines_that_they_support() {
    let text = processing("traces", "tail_sampling, batch", BATCHING);
    let loaded = read(&text).unwrap();
    assert_eq!(loaded.warnings, []);
    let named: Vec<String> =
        loaded.settings.pipelines[0].processors.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["tail_sampling", "batch"]);
    assert_eq!(loaded.settings.processors.len(), 2, "what no pipeline names is left out");
    for signal in ["metrics", "logs"] {
        assert!(read(&processing(signal, "batch", BATCHING)).is_ok());
        assert_eq!(
            errors(&processing(signal, "tail_sampling", BATCHING)),
            [format!(
                "failed to create \"tail_sampling\" processor, in pipeline \"{signal}\": telemetry type is not supported"
            )]
        );
    }
    assert_eq!(
        errors(&processing("traces", "batch, batch", BATCHING)),
        ["references processor \"batch\" multiple times"]
    );
    assert_eq!(
        errors(&processing("traces", "queuebatch", "{queuebatch: }")),
        ["processor \"queuebatch\" exists in the Collector, but not in this version of ringtail"]
    );
}

#[test]
fn batch_has_the_collectors_defaults_and_checks() {
    let batch = |keys: &str| {
        let text = processing("logs", "batch", &format!("{{batch: {keys}}}"));
        match read(&text)
            .unwrap_or_else(|errors| panic!("{errors}\n{text}"))
            .settings
            .processors
            .into_values()
            .next()
        {
            Some(Processor::Batch(batch)) => batch,
            other => panic!("{other:?}"),
        }
    };
    for keys in ["", "{}", "{timeout: 200ms, send_batch_size: 8192, send_batch_max_bytes: 3MiB}"] {
        assert_eq!(batch(keys), ringtail::batch::Config::default(), "{keys}");
    }
    let null = batch("{send_batch_size: , timeout: , metadata_keys: [Tenant, x]}");
    assert_eq!((null.send_batch_size, null.timeout), (0, Duration::ZERO));
    assert_eq!(null.metadata_keys, ["tenant", "x"]);
    for (keys, expected) in [
        ("{send_batch_max_size: 5}", "send_batch_max_size must be greater or equal to send_batch_size"),
        ("{metadata_keys: [a, A]}", "duplicate entry in metadata_keys: \"a\" (case-insensitive)"),
        ("{timeout: -1s}", "'timeout' value must be greater than or equal to 0: \"-1s\""),
        ("{send_batch_size: -1}", "'send_batch_size' cannot parse value as 'uint32': -1 overflows uint"),
        ("{send_batch_max_bytes: 0}", "'send_batch_max_bytes' must be positive: \"0\""),
        ("{size: 1}", "'batch' has invalid keys: size"),
    ] {
        assert_eq!(errors(&processing("logs", "batch", &format!("{{batch: {keys}}}"))), [expected], "{keys}");
    }
}

#[test]
fn a_grpc_backend_has_the_collectors_defaults() {
    let backend = exporter("otlp_grpc", "{endpoint: \"tempo:4317\"}");
    assert_eq!((backend.address.as_str(), backend.timeout), ("tempo:4317", Duration::from_secs(5)));
    assert!(!backend.protocol.tls.insecure && backend.protocol.keepalive.is_none() && backend.round_robin);
    assert_eq!(backend.protocol.transport, Transport::Grpc);
    assert_eq!(backend.queue, SendingQueue::default());
    assert!(backend.queue.wait_for_result, "unless the queue is written");
    assert_eq!(backend.retry, ringtail::retry::Config::default());
    assert_eq!(backend.paths, [None, None, None]);
    assert!(!exporter("otlp_grpc", "{endpoint: \"a:1\", balancer_name: pick_first}").round_robin);
}

#[test]
fn the_endpoint_of_a_grpc_backend_is_read_as_the_collector_reads_it() {
    for (endpoint, address, insecure) in [
        ("tempo:4317", "tempo:4317", true),
        ("http://tempo:4317", "tempo:4317", true),
        ("https://tempo:4317", "tempo:4317", false),
        ("dns:///tempo:4317", "tempo:4317", true),
        ("passthrough:///[::1]:4317", "[::1]:4317", true),
        (":4317", "localhost:4317", true),
    ] {
        let backend = exporter("otlp", &format!("{{endpoint: \"{endpoint}\", tls: {{insecure: true}}}}"));
        assert_eq!(
            (backend.address.as_str(), backend.protocol.tls.insecure),
            (address, insecure),
            "{endpoint}"
        );
    }
    for (keys, expected) in [
        ("", "requires a non-empty \"endpoint\""),
        ("{endpoint: tempo}", "address tempo: missing port in address"),
        ("{endpoint: \"https://tempo\"}", "address tempo: missing port in address"),
        ("{endpoint: \"tempo:grpc\"}", "address tempo:grpc: the port is not a number up to 65535"),
        ("{endpoint: \"unix:///run/x.sock\"}", "unix sockets are not available in this version"),
        ("{endpoint: \"a:1\", balancer_name: x}", "invalid balancer_name: x"),
        ("{endpoint: \"a:1\", insecure: true}", "'otlp_grpc' has invalid keys: insecure"),
        ("{endpoint: \"a:1\", compression: br}", "unsupported compression type \"br\""),
        (
            "{endpoint: \"a:1\", retry_on_failure: {max_elapsed_time: 1s}}",
            "'max_elapsed_time' must not be less than 'initial_interval'",
        ),
        (
            "{endpoint: \"a:1\", auth: {authenticator: x}}",
            "failed to resolve authenticator \"x\": authenticator not found",
        ),
    ] {
        assert_eq!(errors(&exporting("traces", "otlp_grpc", keys))[0], expected, "{keys}");
    }
    let found = warnings(&exporting("traces", "otlp_grpc", "{endpoint: \"http://tempo:4317\"}"));
    assert_eq!(found, ["http:// does not switch TLS off, as in the Collector"]);
}

#[test]
fn older_names_are_accepted_with_a_warning() {
    let found = warnings(&exporting("traces", "otlp/tempo", "{endpoint: \"tempo:4317\"}"));
    assert_eq!(found, ["\"otlp\" alias is deprecated; use \"otlp_grpc\" instead"]);
    let found = warnings(&exporting("traces", "otlphttp", "{endpoint: \"http://tempo:4318\"}"));
    assert_eq!(found, ["\"otlphttp\" alias is deprecated; use \"otlp_http\" instead"]);
}

#[test]
fn an_http_backend_has_a_path_for_each_signal() {
    let target =
        |address: &str, tls, path: &str| Some(HttpTarget { address: address.into(), tls, path: path.into() });
    for (keys, expected) in [
        ("{endpoint: \"http://h:4318\"}", target("h:4318", false, "/v1/traces")),
        ("{endpoint: \"http://h:4318/\"}", target("h:4318", false, "/v1/traces")),
        ("{endpoint: \"https://h/base\"}", target("h:443", true, "/base/v1/traces")),
        ("{endpoint: \"HTTP://[::1]\"}", target("[::1]:80", false, "/v1/traces")),
        ("{endpoint: \"http://h:1\", traces_endpoint: \"https://t:2/x?y=1\"}", target("t:2", true, "/x?y=1")),
        ("{traces_endpoint: \"http://t:2\"}", target("t:2", false, "/")),
    ] {
        assert_eq!(exporter("otlp_http", keys).paths[0], expected, "{keys}");
    }
    let backend = exporter("otlp_http", "{traces_endpoint: \"http://t:2\", tls: {nope: 1}}");
    assert_eq!((backend.paths[1].clone(), backend.address.as_str()), (None, "t:2"));
    assert_eq!((backend.protocol.transport, backend.timeout), (Transport::Http, Duration::from_secs(30)));
    let base = exporter("otlp_http", "{endpoint: \"http://h:1\"}");
    assert_eq!(base.paths[2], target("h:1", false, "/v1/logs"));
}

#[test]
fn an_http_backend_is_checked_and_unknown_keys_are_warnings() {
    for (keys, expected) in [
        ("", "at least one endpoint must be specified"),
        ("{endpoint: \"h:4318\"}", "'endpoint' is not a URL with http:// or https://: h:4318"),
        ("{endpoint: \"http://\"}", "'endpoint' has no host: http://"),
        ("{endpoint: \"http://u:p@h:1\"}", "'endpoint' has a user in it"),
        ("{endpoint: \"http://h:x\"}", "address h:x: the port is not a number up to 65535"),
        ("{logs_endpoint: \"http://h:1\"}", "either endpoint or traces_endpoint must be specified"),
        ("{endpoint: \"http://h:1\", encoding: xml}", "unsupported encoding \"xml\""),
        (
            "{endpoint: \"http://h:1\", cookies: {enabled: true}}",
            "'cookies' is not available in this version: calls carry no cookies",
        ),
    ] {
        assert_eq!(errors(&exporting("traces", "otlp_http", keys))[0], expected, "{keys}");
    }
    let keys = "{endpoint: \"http://h:1\", insecure: true, tls: {foo: 1}, max_conns_per_host: 5, http2_ping_timeout: 5s}";
    let mut found = warnings(&exporting("traces", "otlp_http", keys));
    found.sort();
    assert_eq!(
        found,
        ["'otlp_http' has no key \"insecure\"; it is ignored", "'tls' has no key \"foo\"; it is ignored"]
    );
}

#[test]
fn a_queue_that_is_written_answers_as_the_collectors_does() {
    let queue =
        |keys: &str| exporter("otlp_grpc", &format!("{{endpoint: \"a:1\", sending_queue: {keys}}}")).queue;
    for keys in ["", "{}", "{enabled: true}"] {
        assert_eq!(queue(keys), SendingQueue { wait_for_result: false, ..SendingQueue::default() }, "{keys}");
    }
    assert!(queue("{wait_for_result: true}").wait_for_result);
    let off = queue("{enabled: false, queue_size: 0, num_consumers: 0}");
    assert!(!off.enabled && off.consumers == 1);
    let full = queue(
        "{num_consumers: 3, queue_size: 9, sizer: bytes, block_on_overflow: true, journal: {directory: /q}, \
         batch: {min_size: 5}}",
    );
    assert_eq!((full.consumers, full.size, full.sizer, full.block_on_overflow), (3, 9, Sizer::Bytes, true));
    assert_eq!(full.journal.unwrap().directory.as_deref(), Some(Path::new("/q")));
    assert_eq!(full.batch.unwrap().sizer, Sizer::Bytes, "the queue's, when only that is written");
    assert_eq!(queue("{batch: }").batch.unwrap().min_size, 8192);
    assert_eq!(queue("{batch: {enabled: false}}").batch, None);
}

#[test]
fn keys_about_idle_connections_are_checked_and_older_ones_warned_of() {
    let read = |keys: &str| {
        let text = format!(
            "yaml:{{receivers: {{otlp: {{protocols: {{grpc: }}}}}}, exporters: {{otlp_http: {{endpoint: 'http://x:1', {keys}}}}}, \
             service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}}}}}"
        );
        load(&[text], &[], &|_| None)
    };
    let warned = |keys: &str| {
        let loaded = read(keys).unwrap_or_else(|errors| panic!("{errors}"));
        loaded.warnings.iter().map(|warning| warning.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(warned("keepalive: {enabled: true, idle_conn_timeout: 1m, max_idle_conns: 5}"), [""; 0]);
    assert_eq!(warned("idle_conn_timeout: 1m"), ["'idle_conn_timeout' is deprecated"]);
    assert_eq!(warned("disable_keep_alives: true"), ["'disable_keep_alives' is deprecated"]);
    for (keys, expected) in [
        (
            "keepalive: {enabled: true}, max_idle_conns: 5",
            "'keepalive' cannot be used together with max_idle_conns",
        ),
        ("keepalive: {enabled: 5}", "'enabled' expected type 'bool', got unconvertible type 'int'"),
        ("keepalive: {nope: 5}", "'keepalive' has invalid keys: nope"),
        ("max_idle_conns: x", "'max_idle_conns' expected type 'int64', got unconvertible type 'string'"),
    ] {
        let errors = read(keys).unwrap_err();
        assert_eq!(errors.0[0].message, expected, "{keys}");
    }
}

#[test]
fn a_queue_is_checked_as_the_collector_checks_it() {
    for (keys, expected) in [
        ("{num_consumers: 0}", "'num_consumers' must be positive: \"0\""),
        ("{queue_size: 0}", "'queue_size' must be positive: \"0\""),
        ("{sizer: foo}", "invalid sizer: \"foo\""),
        ("{storage: file_storage}", "no storage client extension found: \"file_storage\""),
        ("{journal: {}}", "the journal of a sending_queue needs a directory"),
        (
            "{sizer: items, queue_size: 5, batch: {min_size: 6}}",
            "`min_size` (6) must be less than or equal to `queue_size` (5)",
        ),
        ("{batch: {max_size: 5}}", "`max_size` (5) must be greater or equal to `min_size` (8192)"),
        ("{batch: {sizer: requests}}", "invalid sizer: \"requests\""),
        ("{batch: {flush_timeout: 0}}", "`flush_timeout` must be positive, found 0"),
        (
            "{batch: {partition: {metadata_keys: [a, A]}}}",
            "duplicate entry in metadata_keys: \"a\" (case-insensitive)",
        ),
    ] {
        let text = exporting("traces", "otlp_grpc", &format!("{{endpoint: \"a:1\", sending_queue: {keys}}}"));
        assert_eq!(errors(&text), [expected], "{keys}");
    }
}
