//! `semconv`: attributes under the name that a policy has, or under the other.

use super::*;
use crate::sample::testing::facts;

fn dynamic(fields: &[&str]) -> Policy {
    let method = Method::Window { sample_rate: 10, clear_frequency: std::time::Duration::from_secs(30) };
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    policy(Rule::Dynamic(Dynamic { fields, use_trace_length: false, max_keys: 10, method }))
}

fn either(compat: bool, policies: Vec<Policy>) -> Plan {
    Plan::new(&Config { semconv: true, ..config(compat, policies) })
}

#[test]
fn policies_find_renamed_attributes_under_either_name() {
    let policies = || {
        vec![
            numeric("http.status_code", 500, None),
            text("http.method", &["PUT"]),
            regex("url.full", &["^http:"]),
            boolean("db.system.name", true),
            conditions(ErrorMode::Silent, r#"attributes["db.statement"] == "x""#),
        ]
    };
    let old =
        ["http.status_code=#500", "http.method=PUT", "http.url=http:h", "db.system=!true", "db.statement=x"];
    let new = [
        "http.response.status_code=#500",
        "http.request.method=PUT",
        "url.full=http:h",
        "db.system.name=!true",
        "db.query.text=x",
    ];
    for compat in [true, false] {
        let (either, written) = (either(compat, policies()), Plan::new(&config(compat, policies())));
        for (fact, (old, new)) in (0u16..).zip(old.iter().zip(&new)) {
            let is_old = !matches!(fact, 2 | 3);
            assert!(facts(&either, 1, old).has(fact) && facts(&either, 1, new).has(fact), "{old}");
            assert_eq!(facts(&written, 1, old).has(fact), is_old, "{old}");
            assert_eq!(facts(&written, 1, new).has(fact), !is_old, "{new}");
        }
    }
    let (plan, written) = (either(false, policies()), Plan::new(&config(false, policies())));
    assert!(!plan.asks_the_same(&written), "facts have to be gathered anew when semconv is switched");
    assert!(facts(&plan, 1, "res.http.request.method=PUT").has(1));
}

#[test]
fn the_name_that_is_written_wins_in_whatever_order_they_come() {
    let plan = either(false, vec![text("http.url", &["a"]), text("url.full", &["a"])]);
    for both in ["http.url=a url.full=b", "url.full=b http.url=a"] {
        let facts = facts(&plan, 1, both);
        assert!(facts.has(0) && !facts.has(1), "{both}");
    }
    let neighbours = facts(&plan, 1, "http.url=b;url.full=a");
    assert!(neighbours.has(0) && neighbours.has(1), "each span is looked at by itself");
}

#[test]
fn the_key_of_a_dynamic_sampler_does_not_depend_on_the_name() {
    let values = |plan: &Plan, trace: &str| facts(plan, 1, trace).more.map(|more| more.values);
    for fields in [["http.method", "root.http.url"], ["http.request.method", "root.url.full"]] {
        let plan = either(false, vec![dynamic(&fields)]);
        let old = values(&plan, "http.method=PUT http.url=a;child http.url=b");
        assert_eq!(old.as_ref().map(Vec::len), Some(2));
        assert_eq!(old, values(&plan, "http.request.method=PUT url.full=a;child url.full=b"));
        // What a span says goes before what its resource says, whatever the names.
        assert_eq!(old, values(&plan, "res.http.method=GET http.request.method=PUT url.full=a"));
    }
}
