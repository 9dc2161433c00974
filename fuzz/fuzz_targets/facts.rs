//! One request, divided by trace with all facts gathered, judged: nothing panics, the portions are the request's spans,
//! and a portion written alone has the same facts.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use ringtail::sample::facts::{Facts, Plan};
use ringtail::sample::judge::{Candidate, Policies};
use ringtail::sample::{Config, Dynamic, Method, Moment, Number, Policy, Rule, StatusCodes};
use ringtail::split::{Slice, gather};
use ringtail::trace_state::write_threshold;
use ringtail_fuzz::{Census, Request, count};

fn config(compat: bool) -> Config {
    let key = || String::from("k");
    let values = |text: &str| vec![text.into()];
    let error = StatusCodes { error: true, ..StatusCodes::default() };
    let method = Method::Window { sample_rate: 2, clear_frequency: Duration::from_secs(1) };
    let fields = vec![key(), "root.service.name".into()];
    let rules = [
        Rule::StringAttribute { key: key(), values: values("v"), regex: false, invert: false },
        Rule::StringAttribute { key: key(), values: values("^v$"), regex: true, invert: true },
        Rule::Numeric {
            key: key(),
            min: Some(Number::Int(0)),
            max: Some(Number::Double(1.5)),
            invert: false,
        },
        Rule::Boolean { key: key(), value: false, invert: false },
        Rule::StatusCode { codes: error },
        Rule::Latency { threshold_ms: 10, upper_threshold_ms: 1000 },
        Rule::TraceFlags,
        Rule::TraceState { key: key(), values: values("v") },
        Rule::Probabilistic { hash_salt: String::new(), percentage: 50.0 },
        Rule::RateLimiting { spans_per_second: 3, burst: None },
        Rule::BytesLimiting { bytes_per_second: 300, burst: None },
        Rule::Dynamic(Dynamic { fields, use_trace_length: true, max_keys: 3, method }),
    ];
    let policies = rules.into_iter().map(|rule| Policy { name: String::new(), rule }).collect();
    Config { policies, compat, ..Config::default() }
}

struct Mode {
    config: Config,
    plan: Plan,
}

static MODES: LazyLock<[Mode; 2]> = LazyLock::new(|| {
    [false, true].map(|compat| {
        let config = config(compat);
        Mode { plan: Plan::new(&config), config }
    })
});

fuzz_target!(|data: &[u8]| {
    for mode in MODES.iter() {
        check(mode, data);
    }
});

fn check(Mode { config, plan }: &Mode, data: &[u8]) {
    let Ok(arrival) = plan.read(Bytes::copy_from_slice(data)) else { return };
    let mut found = Census::new();
    let mut due = Vec::new();
    for portion in &arrival.portions {
        let slice = Slice {
            source: arrival.source.clone(),
            runs: portion.runs.clone(),
            items: portion.facts.spans,
            bytes: 0,
            whole: false,
        };
        let alone = gather(&[slice]);
        if let Ok(request) = Request::decode(&alone[..]) {
            count(&request, |_| true, &mut found);
        }
        let again = plan.read(Bytes::from(alone)).expect("what was read can be read again");
        assert_eq!(again.portions.len(), 1);
        let facts = &again.portions[0].facts;
        assert_eq!(facts.spans, portion.facts.spans);
        // Written alone, equal descriptions stand together, and the Collector's latency depends on the order of spans.
        assert!(config.compat || facts.bits == portion.facts.bits);
        let mut trace = Facts::default();
        plan.absorb(&mut trace, &portion.facts);
        assert_eq!((trace.bits, trace.spans), (portion.facts.bits, portion.facts.spans));
        due.push((portion.trace_id, trace));
    }
    if let Ok(request) = Request::decode(data) {
        let mut expected = Census::new();
        count(&request, |_| true, &mut expected);
        assert_eq!(found, expected);
    }
    let due: Vec<_> = due.iter().map(|(trace_id, facts)| Candidate { trace_id: *trace_id, facts }).collect();
    assert_eq!(Policies::new(config).judge(Moment(1 << 60), &due).len(), due.len());
    write_threshold(data, 1 << 55, &mut Vec::new());
}
