//! What is redacted, where, and what is said of it.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use prost::Message as _;

use super::*;
use crate::digest::{Digest, Keyed};
use crate::edit::Walker;
use crate::edit::testing::{around, attributes, edit, list, map, request, shown, span, text, valued};
use crate::pattern::{self, Pattern};
use crate::pii::Rule;
use crate::semconv::Names;

fn patterns(patterns: &[&str]) -> regex::bytes::RegexSet {
    pattern::compile_any(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn blocking(pattern: &str) -> Redaction {
    Redaction { blocked_values: vec![Pattern::new(pattern).unwrap()], ..Redaction::default() }
}

fn after(redaction: Redaction, pairs: Vec<(&str, Any)>) -> String {
    shown(&edit(&request(vec![], vec![span("s", pairs)]), &mut Redactor::new(redaction)).1[0].attributes)
}

#[test]
fn keys_that_are_not_allowed_go() {
    let allowed = |keys: &[&str]| Redaction {
        allowed_keys: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
        ignored_keys: ["c".to_owned()].into(),
        ignored_key_patterns: patterns(&["^safe"]),
        summary: Summary::Debug,
        ..Redaction::default()
    };
    let pairs = || ["a", "b", "c", "safe.x", "d"].into_iter().map(|key| (key, text("v"))).collect::<Vec<_>>();
    let told = "redaction.ignored.count=2i redaction.redacted.count=2i redaction.redacted.keys=b,d";
    assert_eq!(after(allowed(&["a"]), pairs()), format!("a=v c=v {told} safe.x=v"));
    let own = vec![("redaction.masked.count", Any::IntValue(1)), ("redaction.mine", text("s"))];
    let quiet = Redaction { summary: Summary::Silent, ..allowed(&[]) };
    assert_eq!(after(quiet, own), "redaction.masked.count=1i");
    let all = "redaction.ignored.count=2i redaction.redacted.count=3i redaction.redacted.keys=a,b,d";
    assert_eq!(after(allowed(&[]), pairs()), format!("c=v {all} safe.x=v"));
}

#[test]
fn values_are_masked_unless_they_are_allowed() {
    let four = |extra: Redaction| Redaction {
        blocked_values: vec![Pattern::new("4[0-9]{3}").unwrap()],
        allowed_values: patterns(&[".+@mycompany.com"]),
        blocked_key_patterns: patterns(&["token$"]),
        ..extra
    };
    let pairs = || {
        vec![
            ("card", text("is 4111 or 4222")),
            ("mail", text("4111@mycompany.com")),
            ("a.token", text("x\ny")),
            ("n", Any::IntValue(4111)),
            ("z", text("plain")),
        ]
    };
    let silent = after(four(Redaction::default()), pairs());
    assert_eq!(silent, "a.token=****\n**** card=is **** or **** mail=4111@mycompany.com n=4111i z=plain");
    let all = after(
        four(Redaction { redact_all_types: true, summary: Summary::Info, ..Redaction::default() }),
        pairs(),
    );
    assert_eq!(
        all,
        "a.token=****\n**** card=is **** or **** mail=4111@mycompany.com n=**** redaction.allowed.count=1i \
         redaction.masked.count=3i z=plain"
    );
}

#[test]
fn a_digest_may_stand_for_what_is_masked() {
    let hashed = Redaction { hashing: Hashing::Digest(Digest::Sha3), ..blocking("secret") };
    assert_eq!(
        after(hashed, vec![("a", text("a secret!"))]),
        format!("a=a {}!", Digest::Sha3.hex(b"secret"))
    );
    let keyed = Redaction { hashing: Hashing::Hmac(Keyed::Sha256, "k".into()), ..blocking("secret") };
    assert_eq!(
        after(keyed, vec![("a", text("secret"))]),
        format!("a={}", Keyed::Sha256.hex(b"k", b"secret"))
    );
}

#[test]
fn summaries_add_up_over_two_processors() {
    let debug = || Redaction { summary: Summary::Debug, ..blocking("x") };
    let first = vec![
        ("b", text("x")),
        ("redaction.masked.keys", text("a,c")),
        ("redaction.masked.count", Any::IntValue(2)),
    ];
    assert_eq!(after(debug(), first), "b=**** redaction.masked.count=3i redaction.masked.keys=a,b,c");
}

#[test]
fn resources_and_events_are_redacted_too() {
    let mut one = span("s", vec![("a", text("x"))]);
    let event = |value: &str| Event {
        name: "e".into(),
        attributes: attributes(vec![("k", text(value))]),
        ..Event::default()
    };
    one.events = vec![event("fine"), event("x"), event("also fine")];
    let (edited, spans) =
        edit(&request(attributes(vec![("r", text("x"))]), vec![one]), &mut Redactor::new(blocking("x")));
    let events: Vec<_> = spans[0].events.iter().map(|event| shown(&event.attributes)).collect();
    assert_eq!(events, ["k=fine", "k=****", "k=also fine"]);
    let decoded =
        opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::decode(edited.body)
            .unwrap();
    assert_eq!(shown(&decoded.resource_spans[0].resource.as_ref().unwrap().attributes), "r=****");
}

fn body_after(redaction: Redaction, body: Any) -> (Option<Any>, String) {
    record_after(redaction, LogRecord { body: Some(valued(body)), ..LogRecord::default() })
}

fn record_after(redaction: Redaction, record: LogRecord) -> (Option<Any>, String) {
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
    };
    let edited = Walker::default()
        .edit(&request.encode_to_vec().into(), &around(Signal::Logs), &mut Redactor::new(redaction))
        .unwrap();
    let decoded = ExportLogsServiceRequest::decode(edited.body).unwrap();
    let record = &decoded.resource_logs[0].scope_logs[0].log_records[0];
    (record.body.clone().and_then(|body| body.value), shown(&record.attributes))
}

#[test]
fn bodies_are_redacted_all_the_way_down() {
    let debug = || Redaction {
        summary: Summary::Debug,
        blocked_key_patterns: patterns(&["^pass"]),
        ..blocking("4[0-9]{3}")
    };
    let (body, told) = body_after(debug(), text("card 4111"));
    assert_eq!(body, Some(text("card ****")));
    assert_eq!(told, "redaction.body.masked.count=1i redaction.body.masked.keys=body");
    let deep = map(vec![
        ("a", list(vec![text("fine"), map(vec![("card", text("4111"))])])),
        ("password", text("p")),
        ("n", Any::IntValue(1)),
    ]);
    let (body, told) = body_after(debug(), deep);
    let expected = map(vec![
        ("a", list(vec![text("fine"), map(vec![("card", text("****"))])])),
        ("password", text("****")),
        ("n", Any::IntValue(1)),
    ]);
    assert_eq!(body, Some(expected));
    assert_eq!(told, "redaction.body.masked.count=2i redaction.body.masked.keys=a.[1].card,password");
}

#[test]
fn personal_data_is_masked_by_its_kind() {
    let pii = Redaction { pii: Rule::ALL.to_vec(), ..Redaction::default() };
    let pairs = vec![
        ("a", text("user@example.com")),
        ("b", text("4111 1111 1111 1111")),
        ("c", text("Bearer abcdefgh12345")),
        ("d", text("https://u:p@h/")),
        ("e", text("plain")),
    ];
    assert_eq!(after(pii.clone(), pairs), "a=u***@e***.com b=**** c=Bearer **** d=https://u:****@h/ e=plain");
    assert_eq!(body_after(pii, text("from user@example.com")).0, Some(text("from u***@e***.com")));
}

#[test]
fn renamed_keys_are_meant_by_either_name() {
    let rules = |names| Redaction {
        allowed_keys: Some(
            ["http.url".to_owned(), "db.query.text".to_owned(), "http.method".to_owned()].into(),
        ),
        ignored_keys: ["http.method".to_owned()].into(),
        ignored_key_patterns: patterns(&["system$"]),
        blocked_key_patterns: patterns(&["^http.url$"]),
        blocked_values: vec![Pattern::new("secret").unwrap()],
        names,
        ..Redaction::default()
    };
    let pairs = || {
        ["url.full", "db.statement", "http.request.method", "db.system.name", "http.status_code"]
            .map(|key| (key, text("a secret")))
            .to_vec()
    };
    let either = "db.statement=a **** db.system.name=a secret http.request.method=a secret url.full=****";
    assert_eq!(after(rules(Names::Either), pairs()), either);
    assert_eq!(after(rules(Names::Written), pairs()), "");
}

fn keys(keys: &[&str]) -> std::collections::BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn sanitizing(languages: &[Language]) -> Redaction {
    let sanitizers = Sanitizers {
        url: Some(keys(&["http.url"])),
        url_span_names: true,
        db: languages.iter().map(|language| (*language, keys(&["db.statement"]))).collect(),
        db_span_names: true,
    };
    Redaction { sanitizers, ..Redaction::default() }
}

const QUERY: &str = "SET x1 5";

#[test]
fn urls_and_queries_are_sanitized_where_they_are_named_after_all_else() {
    let rules = || Redaction {
        blocked_values: vec![Pattern::new("SET").unwrap()],
        allowed_values: patterns(&["passes"]),
        ..sanitizing(&[Language::Sql, Language::Redis])
    };
    let pairs = |system: &'static str| {
        vec![
            ("db.system", text(system)),
            ("db.statement", text(QUERY)),
            ("db.other", text("x1 5")),
            ("http.url", text("/users/42?a=b")),
            ("other.url", text("/users/42?a=b")),
        ]
    };
    let told = |statement: &str, system: &str| {
        format!(
            "db.other=x1 5 db.statement={statement} db.system={system} http.url=/users/* other.url=/users/42?a=b"
        )
    };
    assert_eq!(after(rules(), pairs("PostgreSQL")), told("**** x? ?", "PostgreSQL"));
    assert_eq!(after(rules(), pairs("redis")), told("**** x1 5", "redis"), "a command that is none any more");
    assert_eq!(after(rules(), pairs("mssql")), told("**** x1 5", "mssql"));
    assert_eq!(after(rules(), vec![("http.url", text("/passes/42"))]), "http.url=/passes/42");
    let quoted = vec![("db.system.name", text("mysql")), ("db.statement", text("x = \"y\""))];
    assert_eq!(after(rules(), quoted), "db.statement=x = ? db.system.name=mysql");
    let summed = Redaction { summary: Summary::Debug, ..sanitizing(&[]) };
    let told = "http.url=/* redaction.masked.count=1i redaction.masked.keys=http.url";
    assert_eq!(after(summed, vec![("http.url", text("/42"))]), told);
}

#[test]
fn records_need_not_name_their_database_and_bodies_are_all_looked_at() {
    let sql = || Redaction {
        sanitizers: Sanitizers { url: None, ..sanitizing(&[Language::Sql, Language::Redis]).sanitizers },
        ..Redaction::default()
    };
    assert_eq!(after(sql(), vec![("db.statement", text(QUERY))]), format!("db.statement={QUERY}"));
    assert_eq!(body_after(sql(), text(QUERY)).0, Some(text("SET x? ?")));
    assert_eq!(body_after(sanitizing(&[]), text("GET /users/42?x took long")).0, Some(text("GET /users/*")));
    let number = body_after(sanitizing(&[]), list(vec![Any::IntValue(42)])).0;
    assert_eq!(number, Some(list(vec![text("*")])));
    let record =
        LogRecord { attributes: attributes(vec![("db.statement", text(QUERY))]), ..LogRecord::default() };
    assert_eq!(record_after(sql(), record).1, "db.statement=SET x? ?");
}

#[test]
fn spans_are_renamed_by_what_they_are() {
    const CLIENT: i32 = 3;
    const INTERNAL: i32 = 1;
    let renamed = |rules: Redaction, name: &str, kind: i32, system: &str| {
        let one = Span { kind, ..span(name, vec![("db.system", text(system))]) };
        edit(&request(vec![], vec![one]), &mut Redactor::new(rules)).1[0].name.clone()
    };
    let rules = || Redaction { allowed_values: patterns(&["passes"]), ..sanitizing(&[Language::Sql]) };
    assert_eq!(renamed(rules(), "GET /users/42", CLIENT, ""), "GET /users/*");
    assert_eq!(renamed(rules(), "GET /users/42", INTERNAL, ""), "GET /users/42");
    assert_eq!(renamed(rules(), "GET /passes/42", CLIENT, ""), "GET /passes/42");
    assert_eq!(renamed(rules(), "/41/42", CLIENT, ""), "/41/42", "or it would have no name");
    assert_eq!(renamed(rules(), "fdklsd", CLIENT, ""), "fdklsd", "not by its name a span of HTTP");
    assert_eq!(renamed(rules(), "SELECT 5", INTERNAL, "sqlite"), "SELECT ?");
    assert_eq!(renamed(rules(), "SELECT 5", INTERNAL, "redis"), "SELECT 5");
    assert_eq!(renamed(rules(), "SELECT 5", 4, "sqlite"), "SELECT 5");
    let gone = Redaction { allowed_keys: Some(keys(&[])), ..rules() };
    assert_eq!(
        renamed(gone, "SELECT 5", INTERNAL, "sqlite"),
        "SELECT 5",
        "its database is not known any more"
    );
    let mut off = rules();
    (off.sanitizers.db_span_names, off.sanitizers.url_span_names) = (false, false);
    assert_eq!(renamed(off, "SELECT 5", INTERNAL, "sqlite"), "SELECT 5");
}

#[test]
fn nothing_is_put_into_the_middle_of_a_character() {
    assert_eq!(after(blocking("x*"), vec![("k", text("éxa"))]), "k=****é****a****");
}
