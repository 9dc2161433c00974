//! What is said of one trace and what of another, across resources and requests.

use super::*;

#[test]
fn what_the_last_span_of_a_resource_says_is_not_said_of_the_next_resource() {
    let span = |trace: u8, code: i32| Span {
        trace_id: vec![trace; 16],
        status: Some(opentelemetry_proto::tonic::trace::v1::Status { code, ..Default::default() }),
        ..Span::default()
    };
    let entry = |span: Span| {
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        ResourceSpans { resource: Some(Resource::default()), scope_spans, ..ResourceSpans::default() }
    };
    let resource_spans = vec![entry(span(1, 2)), entry(span(2, 0))];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    for compat in [true, false] {
        let arrival = plan(compat, vec![status(false, false, true)]).read(body.clone().into()).unwrap();
        let [first, second] = &arrival.portions[..] else { panic!("two traces") };
        assert!(first.facts.has_error && first.facts.bits != 0);
        assert!(!second.facts.has_error && second.facts.bits == 0);
    }
}

#[test]
fn the_first_of_match_and_failure_decides_in_whatever_requests_they_come() {
    let plan = plan(true, vec![conditions(ErrorMode::Propagate, r#"ParseInt(attributes["a"], 10) == 1"#)]);
    let facts_of = |requests: &[&[&str]]| {
        let mut facts = Facts::default();
        for values in requests {
            let spans = values.iter().map(|value| {
                let attributes = vec![attribute(&format!("a={value}"))];
                Span { trace_id: vec![9; 16], attributes, ..Span::default() }
            });
            let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
            let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
            let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
            plan.absorb(&mut facts, &plan.read(request.into()).unwrap().portions[0].facts);
        }
        (facts.has(0), facts.has(1))
    };
    assert_eq!(facts_of(&[&["2", "1", "x"]]), (true, false));
    assert_eq!(facts_of(&[&["2", "x", "1"]]), (false, true));
    assert_eq!(facts_of(&[&["2"], &["x"], &["1"]]), (false, true));
    assert_eq!(facts_of(&[&["1"], &["x"]]), (true, false));
    assert_eq!(facts_of(&[&["2"], &["2"]]), (false, false));
}

#[test]
fn conditions_that_fail_are_counted_where_somebody_wants_to_be_told() {
    let text = r#"ParseInt(attributes["a"], 10) == 1"#;
    let span = |value: &str| {
        let attributes = vec![attribute(&format!("a={value}"))];
        Span { trace_id: vec![9; 16], attributes, ..Span::default() }
    };
    let scope_spans = vec![ScopeSpans { spans: ["x", "2", "y"].map(span).into(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let failures = |modes: &[ErrorMode]| {
        let policies = modes.iter().map(|mode| conditions(*mode, text)).collect();
        plan(false, policies).read(body.clone().into()).unwrap().failures
    };
    let told = failures(&[ErrorMode::Silent, ErrorMode::Ignore]);
    assert_eq!(told.count, 2, "each failure once");
    assert!(told.first.unwrap().starts_with(&format!("{text:?}: ")));
    for quiet in [ErrorMode::Silent, ErrorMode::Propagate] {
        assert_eq!(failures(&[quiet]), Failures::default());
    }
}
