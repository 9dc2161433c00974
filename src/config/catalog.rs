//! Which components exist here, and which only in the Collector.

use crate::outcome::Signal;

/// The five sections of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Receiver,
    Processor,
    Exporter,
    Connector,
    Extension,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Receiver, Self::Processor, Self::Exporter, Self::Connector, Self::Extension];

    /// As in `references processor "x"`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Processor => "processor",
            Self::Exporter => "exporter",
            Self::Connector => "connector",
            Self::Extension => "extension",
        }
    }

    /// The top-level key.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Exporter => "exporters",
            Self::Connector => "connectors",
            Self::Extension => "extensions",
        }
    }

    /// Types that exist here, aliases after the name to use.
    pub(super) fn available(self) -> &'static [&'static str] {
        match self {
            Self::Receiver => &["otlp"],
            Self::Processor => &[
                "tail_sampling",
                "batch",
                "resource",
                "attributes",
                "probabilistic_sampler",
                "memory_limiter",
                "groupbytrace",
                "redaction",
                "transform",
                "filter",
            ],
            Self::Exporter => &[
                "load_balancing",
                "otlp_grpc",
                "otlp_http",
                "debug",
                "prometheus",
                "file",
                "nop",
                "loadbalancing",
                "otlp",
                "otlphttp",
                "logging",
            ],
            Self::Connector => &["forward"],
            Self::Extension => &[
                "health_check",
                "admin",
                "file_storage",
                "bearertokenauth",
                "basicauth",
                "pprof",
                "zpages",
                "bearer_token_auth",
                "basic_auth",
                "healthcheckv2",
                "memory_limiter",
            ],
        }
    }

    /// Whether the Collector, or its contrib distribution, has such a type.
    pub(super) fn in_collector(self, kind: &str) -> bool {
        let names = match self {
            Self::Receiver => RECEIVERS,
            Self::Processor => PROCESSORS,
            Self::Exporter => EXPORTERS,
            Self::Connector => CONNECTORS,
            Self::Extension => EXTENSIONS,
        };
        names.split_ascii_whitespace().any(|name| name == kind)
    }
}

/// The name to use instead of an alias; any other type is its own.
pub(super) fn canonical(kind: Kind, name: &str) -> &str {
    match (kind, name) {
        (Kind::Exporter, "loadbalancing") => "load_balancing",
        (Kind::Exporter, "otlp") => "otlp_grpc",
        (Kind::Exporter, "otlphttp") => "otlp_http",
        (Kind::Exporter, "logging") => "debug",
        // Names of later versions of the Collector.
        (Kind::Extension, "bearer_token_auth") => "bearertokenauth",
        (Kind::Extension, "healthcheckv2") => "health_check",
        (Kind::Extension, "basic_auth") => "basicauth",
        (_, other) => other,
    }
}

/// The signals that a component of this type can be used with.
pub(super) fn signals(kind: Kind, name: &str) -> &'static [Signal] {
    match (kind, name) {
        (Kind::Processor, "tail_sampling" | "groupbytrace") => &[Signal::Traces],
        (Kind::Processor, "probabilistic_sampler") => &[Signal::Traces, Signal::Logs],
        (Kind::Exporter, "prometheus") => &[Signal::Metrics],
        _ => &Signal::ALL,
    }
}

/// What is available, as YAML.
pub fn components() -> String {
    let mut out = format!("buildinfo:\n    command: ringtail\n    version: {}\n", env!("CARGO_PKG_VERSION"));
    for kind in Kind::ALL {
        out.push_str(&format!("{}:\n", kind.section()));
        for name in kind.available() {
            out.push_str(&format!("    - name: {name}\n"));
            if canonical(kind, name) != *name && kind != Kind::Extension {
                out.push_str(&format!("      deprecated: use {}\n", canonical(kind, name)));
            }
            if kind != Kind::Extension {
                let signals: Vec<_> = signals(kind, name).iter().map(|signal| signal.name()).collect();
                out.push_str(&format!("      signals: [{}]\n", signals.join(", ")));
            }
        }
    }
    out
}

const RECEIVERS: &str = "activedirectoryds aerospike apache apachespark awscloudwatch awscontainerinsightreceiver \
    awsecscontainermetrics awsfirehose awss3 awsxray azure_blob azureblob azureeventhub azure_event_hub azuremonitor \
    azure_monitor bigip carbon chrony cloudflare cloudfoundry collectd couchdb datadog docker_stats elasticsearch \
    envoyals expvar faro file file_log filelog filestats flinkmetrics fluentforward githubgen github gitlab \
    googlecloudmonitoring googlecloudpubsub googlecloudspanner haproxy host_metrics hostmetrics httpcheck \
    http_check huaweicloudces icmpcheck iis influxdb jaeger jmx journald k8s_cluster k8s_events k8sobjects \
    kafka kafkametrics kubeletstats libhoney loki memcached mongodb mongodbatlas mysql namedpipe netflow nginx \
    nop nsxt ntp opencensus oracledb osquery otelarrow otlp otlpjsonfile otlp_json_file podman_stats postgresql \
    pprof prometheus prometheus_simple prometheusremotewrite pulsar purefa purefb rabbitmq receiver_creator redfish \
    redis riak sapm saphana signalfx skywalking snmp snowflake solace splunk_hec splunkenterprise sqlquery \
    sqlserver sshcheck statsd syslog systemd tcplog tcp_log tcpcheck tlscheck udplog udp_log vcenter vcr \
    wavefront webhookevent windowseventlog windows_event_log windowsperfcounters windowsservice yanggrpc zipkin zookeeper";
const PROCESSORS: &str = "attributes batch coralogix cumulativetodelta datadogsemantics deltatocumulative deltatorate \
    dnslookup dns_lookup experimental_metricsgeneration filter geoip groupbyattrs groupbytrace interval isolationforest \
    k8s_attributes k8sattributes logdedup logs_transform logstransform lookup memory_limiter metricsgeneration \
    metricstarttime metrics_transform metricstransform probabilistic_sampler queuebatch redaction remotetap resource \
    resourcedetection resource_detection routing schema span spanpruning sumologic tail_sampling transform unroll";
const EXPORTERS: &str = "alertmanager alibabacloud_logservice awscloudwatchlogs awsemf awskinesis awss3 awsxray \
    azureblob azuredataexplorer azuremonitor bmchelix carbon cassandra clickhouse coralogix datadog dataset debug \
    doris elasticsearch faro file googlecloud googlecloudpubsub googlecloudstorage googlemanagedprometheus honeycombmarker \
    influxdb jaeger jaeger_thrift kafka load_balancing loadbalancing logging logicmonitor logzio loki mezmo nop opencensus \
    opensearch otelarrow otlp otlp_grpc otlp_http otlphttp prometheus prometheusremotewrite prometheus_remote_write \
    pulsar rabbitmq sapm sematext sentry signalfx signal_fx skywalking splunk_hec stef sumologic syslog tencentcloud_logservice \
    tinybird topic_kafka wavefront yandexcloud zipkin";
const CONNECTORS: &str = "count datadog exceptions failover forward grafanacloud metricsaslogs otlpjson otlp_json roundrobin \
    routing servicegraph service_graph signaltometrics signal_to_metrics slowsql spanmetrics span_metrics sum";
const EXTENSIONS: &str = "ack asap_client avro_log_encoding awsproxy awslogs_encoding azure_encoding azureauth basicauth \
    basic_auth bearertokenauth bearer_token_auth cgroup_runtime datadog db_storage docker_observer ecs_observer \
    ecs_task_observer file_storage googleclientauth google_client_auth googlecloudlogentry_encoding headers_setter \
    health_check healthcheckv2 host_observer http_forwarder jaeger_encoding jaegerremotesampling json_log_encoding \
    k8s_leader_elector k8s_observer kafkatopics_observer memory_ballast memory_limiter oauth2client oauth2_client oidc \
    opamp otlp_encoding pprof redis_storage remotetap sigv4auth skywalking_encoding solarwindsapmsettings sumologic \
    text_encoding zipkin_encoding zpages";
