//! After the same traffic both show the same series of the receiver and the balancer.

use std::collections::{BTreeMap, BTreeSet};

use crate::peers::backends::Backends;
use crate::peers::process::{Process, http};
use crate::{Balancer, Ids, collector, request, span};
use prost::Message;

/// Kind and series, each series as its sorted labels. Help texts are everyone's own.
type Families = BTreeMap<String, (String, BTreeSet<Vec<String>>)>;

#[test]
fn names_kinds_and_labels_are_the_same() {
    let Some(collector) = collector() else { return };
    let backends = Backends::start(2);
    let theirs = families(&backends, false, |config| Process::start(&collector, 3, config));
    let ours = families(&backends, true, |config| Process::ringtail(3, config));
    assert!(theirs.contains_key("otelcol_receiver_accepted_spans"), "{theirs:#?}");
    assert!(theirs.contains_key("otelcol_loadbalancer_backend_outcome"), "{theirs:#?}");
    for (name, (kind, series)) in &theirs {
        let Some((our_kind, our_series)) = ours.get(name) else { panic!("{name} is missing") };
        assert_eq!(our_kind, kind, "{name}");
        let missing: Vec<_> = series.difference(our_series).collect();
        let more: Vec<_> = our_series.difference(series).collect();
        assert!(missing.is_empty() && more.is_empty(), "{name}: missing {missing:#?}, more {more:#?}");
    }
    let more: Vec<_> = ours.keys().filter(|name| !theirs.contains_key(*name)).collect();
    assert!(more.is_empty(), "not in the collector: {more:?}");
}

fn families(
    backends: &Backends,
    ours: bool,
    start: impl FnOnce(&dyn Fn(&[u16], &std::path::Path) -> String) -> Process,
) -> Families {
    let hosts = backends.hosts();
    let process = start(&|ports, _| {
        let reader =
            format!("{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}}}}}}}}}", ports[2]);
        let telemetry = format!("{{metrics: {{readers: [{reader}]}}}}");
        let keys = if ours { "ring: collector" } else { "" };
        Balancer { hosts: &hosts, keys, telemetry: &telemetry, ours }.config(ports[0], ports[1])
    });
    let mut ids = Ids::new();
    let requests: Vec<_> =
        (0..5).map(|_| request((0..100).map(|_| span(&ids.next(), "s")).collect())).collect();
    backends.send(process.ports[0], &requests);
    let headers = [("content-type", "application/x-protobuf")];
    let answer = http(process.ports[1], "POST", "/v1/traces", &headers, &requests[0].encode_to_vec());
    assert_eq!(answer.status, 200);
    // One request that is refused, for the series of refusals and failed hand-overs.
    (0..2).for_each(|backend| backends.refuse(backend, 1));
    let answer = http(process.ports[1], "POST", "/v1/traces", &headers, &requests[1].encode_to_vec());
    assert_eq!(answer.status, 503, "{:?}", String::from_utf8_lossy(&answer.body));
    let page = http(process.ports[2], "GET", "/metrics", &[], b"");
    read(&String::from_utf8(page.body).unwrap())
}

fn read(page: &str) -> Families {
    let mut families = Families::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().0 = kind.to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            let (name, labels) = match line.split_once('{') {
                Some((name, rest)) => (name, rest.rsplit_once('}').unwrap().0),
                None => (line.split(' ').next().unwrap(), ""),
            };
            let suffixes = ["_bucket", "_sum", "_count"];
            let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
            let name = family.filter(|name| families.contains_key(*name)).unwrap_or(name);
            // No label of these has a comma in it.
            let mut labels: Vec<_> = labels.split(',').map(str::to_owned).collect();
            labels.sort_unstable();
            families.entry(name.to_owned()).or_default().1.insert(labels);
        }
    }
    families
        .retain(|name, _| name.starts_with("otelcol_receiver_") || name.starts_with("otelcol_loadbalancer_"));
    families
}
