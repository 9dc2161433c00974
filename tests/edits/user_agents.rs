//! Real user agents, one a line, of the tests of https://github.com/ua-parser/uap-core (Apache-2.0): a span each.

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::cases::{Case, TRACES};
use super::traffic::{pair, text};
use crate::support::{Content, Traces};

const LINES: &str = include_str!("user_agents.txt");

pub fn case() -> Case {
    let span = |line: &str| Span {
        attributes: vec![pair("user_agent", text(line))],
        name: "GET".into(),
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        ..Span::default()
    };
    let request = |lines: &[&str]| {
        let spans = lines.iter().copied().map(span).collect();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        Content::Traces(Traces { resource_spans })
    };
    let lines: Vec<&str> = LINES.lines().collect();
    let statement = r#"merge_maps(attributes, UserAgent(attributes["user_agent"]), "upsert")"#;
    let body = format!("trace_statements:\n  - context: span\n    statements: ['{statement}']\n");
    Case {
        name: "user agents".to_owned(),
        signals: TRACES,
        processors: vec![("transform", body)],
        wild: None,
        requests: Some(lines.chunks(100).map(request).collect()),
        statements: Vec::new(),
    }
}
