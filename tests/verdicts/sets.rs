//! The policy sets that both programs judge the corpus by. None depends on time, or on the order of traces in a tick.

use crate::program::SHORTER_WAIT;
use crate::rules::{
    Set, always, and, boolean, byte_rate, composite, drop, latency, leaf, not, not_string, numeric, ottl,
    probabilistic, rate, regex, regex_with, span_count, status, string, trace_state,
};
use crate::sizes::SIZE;

/// All of them.
pub fn all() -> Vec<Set> {
    [leaves(), patterns(), combined(), vetoes(), composites(), limits(), kept_in_mind(), at_ingest()].concat()
}

/// Sets that the thresholds in a trace state change.
pub fn of_thresholds() -> Vec<Set> {
    let half = || probabilistic(50.0, "");
    vec![
        Set::of([half()]),
        Set::of([probabilistic(25.0, "")]),
        Set::of([probabilistic(99.9, "salt")]),
        Set::of([probabilistic(33.333, "")]),
        Set::of([probabilistic(0.001, "")]),
        Set::of([probabilistic(100.0, "")]),
        Set::of([probabilistic(0.0, "")]),
        Set::of([probabilistic(-3.0, "")]),
        Set::of([probabilistic(1e-15, "")]),
        Set::of([half(), always()]),
        Set::of([always(), half()]),
        Set::of([half(), status("ERROR")]),
        Set::of([half(), probabilistic(25.0, "")]),
        Set::of([and([half(), probabilistic(25.0, "")])]),
        Set::of([and([status("ERROR"), half()])]),
        Set::of([and([half(), string("k", "[acme]")]), probabilistic(10.0, "")]),
        Set::of([not(half())]),
        Set::of([always(), drop([half()])]),
        Set::of([probabilistic(25.0, ""), half(), always()]).with("sample_on_first_match: true"),
        Set::of([composite(1_000_000_000, [half(), always()], &[])]),
        Set::of([rate(1_000_000, None)]),
        Set::of([and([half(), rate(1_000_000, None)])]),
        Set::of([half()]).cached(),
        Set::of([half()]).at_ingest(),
        Set::of([half(), status("ERROR")]).at_ingest(),
        Set::of([trace_state("ot", "['th:8']")]),
        Set::of([half()]).with("num_shards: 3"),
    ]
}

/// Sets whose patterns only Go reads so.
pub fn of_go() -> Vec<Set> {
    OF_GO.iter().map(|pattern| Set::of([regex("k", pattern)])).collect()
}

fn leaves() -> Vec<Set> {
    let mut sets = vec![
        Set::of([always()]),
        Set::of([string("k", "[acme, y, '']")]),
        Set::of([string("http.url", "[/health]")]),
        Set::of([string("''", "[acme, x]")]),
        Set::of([string("nowhere", "[acme]")]),
        Set::of([not_string("k", "[acme, y]")]),
        Set::of([leaf("string_attribute", "key: k, values: [acme, acme, ACME], cache_max_size: 1")]),
        Set::of([numeric("n", "min_value: 400, max_value: 499")]),
        Set::of([numeric("n", "max_value: 100")]),
        Set::of([numeric("n", "min_value: 100")]),
        Set::of([numeric("n", "min_value: -10, max_value: 0")]),
        Set::of([numeric("n", "min_value: 0, max_value: 10")]),
        Set::of([numeric("n", "min_value: -10, max_value: -1")]),
        Set::of([numeric("n", "min_value: 10, max_value: 5")]),
        Set::of([numeric("n", "min_value: -9223372036854775808, max_value: 9223372036854775807")]),
        Set::of([numeric("n", "min_value: 1, max_value: 9223372036854775807, invert_match: true")]),
        Set::of([numeric("n", "min_value: 400, max_value: 499, invert_match: true")]),
        Set::of([numeric("k", "min_value: -1, max_value: 7")]),
        Set::of([boolean("b", "true")]),
        Set::of([boolean("b", "false")]),
        Set::of([boolean("b", "true, invert_match: true")]),
        Set::of([boolean("b", "false, invert_match: true")]),
        Set::of([status("ERROR")]),
        Set::of([status("OK")]),
        Set::of([status("UNSET")]),
        Set::of([status("ERROR, OK")]),
        Set::of([span_count(2, 0)]),
        Set::of([span_count(2, 3)]),
        Set::of([span_count(0, 1)]),
        Set::of([span_count(7, -1)]),
        Set::of([span_count(3_000_000_000, 0)]),
        Set::of([leaf("trace_flags", "")]),
        Set::of([trace_state("vendor", "[v1, v2]")]),
        Set::of([trace_state("ot", "['rv:zz', 'th:8', 'p:8;r:62']")]),
        Set::of([trace_state("ten@vendor", "[x]")]),
        Set::of([trace_state("a", "[b]")]),
        Set::of([trace_state("", "['']")]),
    ];
    for (threshold, upper) in [
        (100, 0),
        (0, 0),
        (1, 0),
        (-1, 0),
        (-1, -5),
        (100, 200),
        (0, 100),
        (200, 100),
        (200, 0),
        (0, 1),
        (50, 51),
    ] {
        sets.push(Set::of([latency(threshold, upper)]));
    }
    for (percentage, salt) in [
        (50.0, ""),
        (10.0, "test-salt"),
        (33.333, "ä"),
        (88.118, ""),
        (99.9, ""),
        (0.5, ""),
        (100.0, ""),
        (0.0, ""),
        (-1.0, ""),
        (250.0, ""),
    ] {
        sets.push(Set::of([probabilistic(percentage, salt)]));
    }
    sets.extend(
        [ottl("ignore", "['attributes[\"k\"] == \"acme\"']", "['name == \"boom\"']")].map(|r| Set::of([r])),
    );
    sets
}

/// Patterns that have a meaning in Go and another, or none, elsewhere.
const OF_GO: &[&str] = &[
    r"^\Qa.b\E$",
    r"\Q[a]",
    r"^a{,2}",
    r"[[a]",
    r"\101",
    r"^[a&&b]$",
    r"[a~~b]",
    r"[\p{L}&&x]",
    r"\b{start}|y",
];

const PATTERNS: &[&str] = &[
    r"cm",
    r"^cm$",
    r"^\w+$",
    r"\W",
    r"^\d+$",
    r"\D",
    r"a\sb",
    r"^\S*$",
    r"\bb\b",
    r"a\B.",
    r"(?i)^äpfel$",
    r"(?i)acme",
    r"(?i)^s$",
    r"(?i)^k$",
    r"a.b",
    r"(?s)a.b",
    r"(?m)^b$",
    r"b$",
    r"^$",
    r"\Aa.*\z",
    r"^[[:alpha:]]+$",
    r"^[[:^alnum:]]+$",
    r"^\p{Greek}+$",
    r"^\pL+$",
    r"^\PL+$",
    r"[^\x00-\x7F]",
    r"\x{1F99D}",
    r"acme|^x$|",
    r"^(?:acme2?|y)$",
    r"^(?P<name>a)(?i:CME)$",
    r"^a{2,}|^.{4}$",
    r"[]a]$",
    r"^[\w-]+$",
    r"^[\d\s]+$",
    r"^[^\d]$",
    r"(?U)^a.*?$",
    r"\v",
    r"\_|\-",
    r"^.$",
    r"\\d",
    r"^\x61",
    r"[[:word:]]{3}",
    r"^[a-c[:digit:]_]+$",
    r"caf\x{e9}",
    r"\x00",
    r"(|a)*(|a)+y",
];

const PATHS: &[&str] = &[
    r"^https?://[^/]+/cart/\d+",
    r"^/health/?$",
    r"/health$",
    r"(?i)/health",
    r"^/api/v\d+/users/\w+$",
    r"^/api/v[12]",
    r".*",
    r".+",
    r"(?i)äpfel",
];

fn patterns() -> Vec<Set> {
    let of = |key, patterns: &[&str]| patterns.iter().map(|p| Set::of([regex(key, p)])).collect::<Vec<_>>();
    let inverted = Set::of([regex_with("k", "^a", ", invert_match: true")]);
    let tiny = Set::of([regex_with("k", "[acxy]", ", cache_max_size: 1")]);
    let two = "key: k, enabled_regex_matching: true, values: ['^x', 'e2$', '']";
    [of("k", PATTERNS), of("http.url", PATHS), vec![inverted, tiny, Set::of([leaf("string_attribute", two)])]]
        .concat()
}

fn combined() -> Vec<Set> {
    let text = || string("k", "[acme, x, y]");
    let number = || numeric("n", "min_value: 1, max_value: 500");
    vec![
        Set::of([status("ERROR"), latency(100, 0), probabilistic(10.0, "")]),
        Set::of([and([text(), number()])]),
        Set::of([and([])]),
        Set::of([and([not(text()), status("ERROR, OK"), latency(50, 0)])]),
        Set::of([and([not_string("k", "[acme]"), boolean("b", "true")])]),
        Set::of([not(text())]),
        Set::of([not(not_string("k", "[acme]"))]),
        Set::of([not(latency(100, 200))]),
        Set::of([not(probabilistic(50.0, ""))]),
        Set::of([and([text(), probabilistic(50.0, "")]), and([number(), span_count(3, 0)])]),
        Set::of([not_string("k", "[acme]"), string("k", "[acme]")]),
        Set::of([text(), always()]).with("sample_on_first_match: true"),
        Set::of([always(), text()]).with("sample_on_first_match: true"),
        Set { policies: "[]".into(), keys: String::new() },
        Set { policies: "null".into(), keys: String::new() },
        Set::of([and([regex("http.url", "^/"), numeric("n", "max_value: 100"), not(status("ERROR"))])]),
        Set::of([text(), number(), probabilistic(25.0, "")]).with("num_shards: 4"),
        Set::of([latency(100, 200), span_count(4, 9), trace_state("vendor", "[v1]")]).with("num_shards: 0"),
    ]
}

fn vetoes() -> Vec<Set> {
    let text = || string("k", "[acme, x, y]");
    vec![
        Set::of([always(), drop([text()])]),
        Set::of([drop([text()]), always()]),
        Set::of([drop([text()])]),
        Set::of([always(), drop([])]),
        Set::of([drop([not(text())]), always()]),
        Set::of([always(), drop([status("ERROR"), boolean("b", "true")])]),
        Set::of([drop([status("ERROR")]), always(), drop([latency(100, 0)]), drop([span_count(9, 0)])]),
        Set::of([always(), drop([text()])]).with("sample_on_first_match: true"),
        Set::of([always(), drop([probabilistic(50.0, "")])]),
        Set::of([status("ERROR"), drop([regex("http.url", "^/health")]), latency(150, 0)]),
        Set::of([always(), drop([ottl("propagate", "['ParseJSON(\"x\") == 1']", "[]")])]),
    ]
}

/// Without a limit that anything meets: what is left is who decides, and what is never let through.
fn composites() -> Vec<Set> {
    let endless = 1_000_000_000;
    let text = || string("k", "[acme, x, y]");
    vec![
        Set::of([composite(endless, [text(), status("ERROR")], &[("s0", 50), ("s1", 25)])]),
        Set::of([composite(
            endless,
            [status("ERROR"), and([text(), latency(50, 0)])],
            &[("s1", 100), ("s9", 10)],
        )]),
        Set::of([composite(endless, [text()], &[("s0", -5)])]),
        Set::of([composite(endless, [text()], &[("s0", 200), ("s0", 1)])]),
        Set::of([composite(90, [text()], &[("s0", 1)])]),
        Set::of([composite(0, [text(), always()], &[])]),
        Set::of([composite(-5, [always()], &[])]),
        Set::of([composite(endless, [], &[])]),
        Set::of([composite(90, [text()], &[("s0", 1)]), status("ERROR")]),
        Set::of([composite(endless, [text(), always()], &[]), drop([status("ERROR")])]),
    ]
}

/// Limits that nothing fills, and those that stand for themselves.
fn limits() -> Vec<Set> {
    let size = SIZE as i64;
    let sized = |limit: i64| Set::of([always()]).with(&format!("maximum_trace_size_bytes: {limit}"));
    vec![
        Set::of([rate(0, None)]),
        Set::of([rate(-4, None)]),
        Set::of([rate(10_000_000, None)]),
        Set::of([rate(0, Some(10_000_000))]),
        Set::of([and([rate(10_000_000, None), status("ERROR")])]),
        Set::of([not(rate(10_000_000, None))]),
        Set::of([byte_rate(0, 0)]),
        Set::of([byte_rate(10_000_000_000, 10_000_000_000)]),
        sized(size),
        sized(size - 2),
        sized(size + 5),
        sized(1),
        sized(1_000_000),
        sized(size).cached(),
        sized(size).at_ingest(),
        Set::of([status("ERROR"), drop([boolean("b", "true")])])
            .with("maximum_trace_size_bytes: 700")
            .cached(),
        Set::of([always()]).with("num_traces: 1000000, expected_new_traces_per_sec: 10"),
    ]
}

/// Caches, by which late spans go. One policy samples in each: of two traces that share a cache entry, either may have left
/// its policy there.
fn kept_in_mind() -> Vec<Set> {
    let text = || string("k", "[acme, x, y]");
    let only = |cache: &str| Set::of([text()]).with(&format!("decision_cache: {{{cache}: 100000}}"));
    vec![
        Set::of([text()]).cached(),
        Set::of([probabilistic(50.0, ""), drop([boolean("b", "true")])]).cached(),
        only("sampled_cache_size"),
        only("non_sampled_cache_size"),
        Set::of([text()]).with("decision_cache: {sampled_cache_size: -1, non_sampled_cache_size: -1}"),
        Set::of([latency(100, 0)]).cached().with("num_shards: 4"),
        Set::of([text()]).with(&format!("decision_wait_after_root_received: {SHORTER_WAIT}")),
        Set::of([status("ERROR")]).cached().with("drop_pending_traces_on_shutdown: true"),
        Set::of([text()]).with("block_on_overflow: true, num_traces: 10000").cached(),
    ]
}

fn at_ingest() -> Vec<Set> {
    let text = || string("k", "[acme, x, y]");
    vec![
        Set::of([text()]).at_ingest(),
        Set::of([text()]).at_ingest().cached(),
        Set::of([not_string("k", "[acme]")]).at_ingest(),
        Set::of([not(text())]).at_ingest(),
        Set::of([latency(100, 0)]).at_ingest(),
        Set::of([span_count(3, 0)]).at_ingest(),
        Set::of([and([text(), status("ERROR, OK")])]).at_ingest(),
        Set::of([always(), drop([text()])]).at_ingest(),
        Set::of([drop([text()]), status("ERROR")]).at_ingest().cached(),
        Set::of([probabilistic(50.0, ""), status("ERROR")]).at_ingest().with("num_shards: 2"),
        Set::of([composite(1_000_000_000, [text(), status("ERROR")], &[])]).at_ingest(),
    ]
}
