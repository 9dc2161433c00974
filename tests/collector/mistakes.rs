//! What a collector accepts is accepted, and what it refuses is refused with the words that people search for.

use std::path::Path;
use std::process::Command;

use crate::collector;
use crate::peers::process::ringtail;

/// As people write it for a collector.
const BALANCER: &str = "
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
      static: {hostnames: ['127.0.0.1:5001','127.0.0.1:5002','127.0.0.1:5003','127.0.0.1:5004']}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    traces: {receivers: [otlp], exporters: [load_balancing]}
";

/// Others that both accept: old names, null sections, DNS, all three signals.
const ACCEPTED: [&str; 5] = [
    BALANCER,
    "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {nop: , debug: }
service: {pipelines: {traces: {receivers: [otlp, otlp], exporters: [nop, debug, nop]}}}
",
    "
receivers: {otlp: {protocols: {grpc: , http: }}}
exporters:
  loadbalancing:
    protocol: {otlp: {tls: {insecure: true}}}
    resolver: {dns: {hostname: backends.example, port: '4317', interval: 10s, timeout: 2s}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [loadbalancing]}
    metrics: {receivers: [otlp], exporters: [loadbalancing]}
    logs: {receivers: [otlp], exporters: [loadbalancing]}
",
    "
receivers:
  otlp/a:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
        max_concurrent_streams: 100
        include_metadata: true
        keepalive: {server_parameters: {max_connection_age: 5m, max_connection_age_grace: 30s}}
      http:
        endpoint: 0.0.0.0:4318
        cors: {allowed_origins: ['https://*.example.com'], max_age: 7200}
        max_request_body_size: 10485760
exporters:
  load_balancing/by_service:
    routing_key: service
    timeout: 10s
    retry_on_failure: {enabled: true, initial_interval: 1s, max_interval: 10s, max_elapsed_time: 60s}
    sending_queue: {enabled: true, num_consumers: 4, queue_size: 100}
    protocol: {otlp: {compression: zstd, headers: {x-tenant: a}, keepalive: {time: 20s}, tls: {insecure: true}}}
    resolver: {static: {hostnames: [a, 'b:4317']}}
  debug: {verbosity: detailed}
service:
  telemetry:
    logs: {level: info, encoding: json}
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 8888}}}}]}
  pipelines:
    traces/1: {receivers: [otlp/a], exporters: [load_balancing/by_service, debug]}
",
    "
receivers: {otlp: {protocols: {grpc: {endpoint: '${env:RINGTAIL_TEST_NOT_SET:-127.0.0.1}:4317'}}}}
exporters:
  load_balancing:
    routing_key: attributes
    routing_attributes: [tenant, span.kind]
    protocol: {otlp: }
    resolver: {static: {hostnames: [a]}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [load_balancing]}}}
",
];

/// What is replaced in [`BALANCER`], by what, and what both then say.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("      static: {", "      statics: {", "statics"),
    (
        "    resolver:\n      static: {hostnames: ['127.0.0.1:5001','127.0.0.1:5002','127.0.0.1:5003','127.0.0.1:5004']}\n",
        "",
        "no resolvers specified for the exporter",
    ),
    ("    resolver:\n", "    resolver:\n      dns: {hostname: x}\n", "only one resolver should be specified"),
    (
        "['127.0.0.1:5001','127.0.0.1:5002','127.0.0.1:5003','127.0.0.1:5004']",
        "[]",
        "no endpoints specified for the static resolver",
    ),
    (
        "static: {hostnames: ['127.0.0.1:5001','127.0.0.1:5002','127.0.0.1:5003','127.0.0.1:5004']}",
        "dns: {hostname: ''}",
        "no hostname specified to resolve the backends",
    ),
    ("routing_key: traceID", "routing_key: resource", "unsupported routing_key: resource"),
    ("routing_key: traceID", "routing_key: traceId", "unsupported routing_key: traceId"),
    (
        "routing_key: traceID",
        "routing_key: attributes",
        "routing_attributes must be specified when routing_key is \"attributes\"",
    ),
    (
        "routing_key: traceID",
        "routing_attributes: [a]",
        "routing_attributes can only be used when routing_key is \"attributes\"; got \"\". Remove routing_attributes or set routing_key to \"attributes\"",
    ),
    ("        timeout: 5s\n", "        insecure: true\n", "insecure"),
    ("      otlp:\n        timeout", "      otlp_grpc:\n        timeout", "otlp_grpc"),
    ("timeout: 5s", "timeout: soon", "invalid duration"),
    (
        "    protocols:\n      grpc: {endpoint: 127.0.0.1:14317, max_recv_msg_size_mib: 64}\n",
        "    protocols: {}\n",
        "must specify at least one protocol when using the OTLP receiver",
    ),
    ("max_recv_msg_size_mib: 64", "max_receive: 64", "max_receive"),
    ("    protocols:", "    protocol: 1\n    protocols:", "has invalid keys: protocol"),
    (
        "traces: {receivers: [otlp],",
        "traces: {receivers: [otlp/x],",
        "references receiver \"otlp/x\" which is not configured",
    ),
    (
        "exporters: [load_balancing]",
        "exporters: [debug]",
        "references exporter \"debug\" which is not configured",
    ),
    (
        "traces: {receivers: [otlp],",
        "traces: {receivers: [otlp], processors: [batch],",
        "references processor \"batch\" which is not configured",
    ),
    ("exporters: [load_balancing]", "exporters: []", "must have at least one exporter"),
    ("receivers: [otlp]", "receivers: []", "must have at least one receiver"),
    (
        "  pipelines:\n    traces: {receivers: [otlp], exporters: [load_balancing]}\n",
        "  pipelines: {}\n",
        "service must have at least one pipeline",
    ),
    (
        "service:\n",
        "service:\n  extensions: [health_check]\n",
        "references extension \"health_check\" which is not configured",
    ),
    ("service:\n", "x-common: {}\nservice:\n", "x-common"),
    ("exporters:\n", "exporters:\n  otlp/: {}\n", "the part after / should not be empty"),
    ("load_balancing", "unheard_of/y", "unknown type: \"unheard_of\" for id: \"unheard_of/y\""),
    ("exporters:\n", "exporters:\n  logging: {}\n  load_balancing: {}\n", "load_balancing"),
    ("127.0.0.1:14317", "'${1}'", "invalid name"),
    ("127.0.0.1:14317", "'${nosuch:x}'", "scheme \"nosuch\" is not supported"),
    ("{level: warn}", "{level: loud}", "loud"),
];

#[test]
fn what_a_collector_accepts_is_accepted() {
    let Some(collector) = collector() else { return };
    for config in ACCEPTED {
        for program in [collector.as_path(), ringtail()] {
            let (accepted, said) = validate(program, config);
            assert!(accepted, "{}: {said}\n{config}", program.display());
        }
    }
}

#[test]
fn mistakes_are_told_in_the_collectors_words() {
    let Some(collector) = collector() else { return };
    let mut wrong = Vec::new();
    for (there, mistake, sentence) in MISTAKES {
        assert!(BALANCER.contains(there), "{there}");
        let config = BALANCER.replace(there, mistake);
        for (whose, program) in [("the collector", collector.as_path()), ("ringtail", ringtail())] {
            let (accepted, said) = validate(program, &config);
            if accepted || !said.contains(sentence) {
                wrong.push(format!("{whose} does not say {sentence:?} of {mistake:?}, but:\n{said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn validate(program: &Path, config: &str) -> (bool, String) {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let output = Command::new(program).args(["validate", "--config"]).arg(file.path()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}
