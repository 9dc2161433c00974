//! A table of editors: what they leave of attributes, as JSON.

use super::{json_of, run};

/// Statement, attribute, its value afterwards.
fn check(cases: &[(&str, &str, &str)]) {
    for (statement, key, expected) in cases {
        match run(&[statement]) {
            Ok(span) => assert_eq!(json_of(&span, key), *expected, "{statement}"),
            Err(error) => assert_eq!(format!("error: {error}"), *expected, "{statement}"),
        }
    }
}

fn keys(statement: &str) -> Vec<String> {
    run(&[statement]).unwrap().attributes.into_iter().map(|attribute| attribute.key).collect()
}

#[test]
fn of_values() {
    check(&[
        (r#"set(attributes["text"], "new")"#, "text", r#""new""#),
        (r#"set(attributes["text"], "new") where name == "other""#, "text", r#""hello world""#),
        (r#"set(attributes["text"], attributes["none"])"#, "text", r#""hello world""#),
        (r#"set(attributes["a"]["b"]["c"], 1)"#, "a", r#"{"b":{"c":1}}"#),
        (r#"set(attributes["map"]["y"]["z"], [1])"#, "map", r#"{"x":1,"y":{"z":[1]}}"#),
        (r#"set(attributes["list"][0], "b")"#, "list", r#"["b",2]"#),
        (r#"set(attributes["list"][2], "b")"#, "list", "error: index 2 out of bounds"),
        (r#"set(attributes["new"][1], 5)"#, "new", "[null,5]"),
        (r#"set(attributes["text"]["x"], 1)"#, "text", "error: type string does not support string indexing"),
        (r#"set(attributes["t"], start_time)"#, "t", "error: an attribute cannot hold a time.Time"),
        (r#"set(name, 5)"#, "", "error: expected string but got int64"),
        (r#"append(attributes["list"], value=3)"#, "list", r#"["a",2,3]"#),
        (r#"append(attributes["text"], values=["x", "y"])"#, "text", r#"["hello world","x","y"]"#),
        (r#"delete_index(attributes["list"], 0)"#, "list", "[2]"),
    ]);
}

#[test]
fn of_patterns() {
    check(&[
        (
            r#"replace_pattern(attributes["http.url"], "password=.*", "password=REDACTED")"#,
            "http.url",
            r#""https://h/p?password=REDACTED""#,
        ),
        (r#"replace_pattern(attributes["text"], "(\\w+) (\\w+)", "$2 ${1}")"#, "text", r#""world hello""#),
        (
            r#"replace_pattern(attributes["text"], "(?P<first>\\w+) ", "$first:$$")"#,
            "text",
            r#""hello:$world""#,
        ),
        (r#"replace_pattern(attributes["text"], "(h)ello", "$1x")"#, "text", r#"" world""#),
        (r#"replace_pattern(attributes["int"], "4", "5")"#, "int", "42"),
        (r#"replace_pattern(attributes["none"], "4", "5")"#, "none", "nil"),
        (
            r#"replace_pattern(attributes["text"], "(world)", "$1", ToUpperCase, "<%s>")"#,
            "text",
            r#""hello <WORLD>""#,
        ),
        (
            r#"replace_pattern(attributes["text"], "o", "0", function=ToUpperCase)"#,
            "text",
            r#""hell0 w0rld""#,
        ),
        (r#"replace_match(attributes["text"], "hello*", "bye")"#, "text", r#""bye""#),
        (r#"replace_match(attributes["text"], "hello", "bye")"#, "text", r#""hello world""#),
        (r#"replace_match(attributes["text"], "{hi,hell?}*", "bye")"#, "text", r#""bye""#),
        (r#"replace_all_patterns(attributes, "value", "l+", "L")"#, "text", r#""heLo worLd""#),
        (
            r#"replace_all_patterns(attributes, "key", "^http\\.", "")"#,
            "url",
            r#""https://h/p?password=secret""#,
        ),
        (r#"replace_all_matches(attributes, "*password*", "***")"#, "http.url", r#""***""#),
        (
            r#"replace_all_patterns(attributes["map"], "value", "1", "2")"#,
            "map",
            r#"{"x":1,"y":{"z":"deep"}}"#,
        ),
        (r#"set(attributes["text"], "a@b.org") "#, "text", r#""a@b.org""#),
    ]);
    let masked = [r#"set(attributes["text"], "user@example.com")"#, "mask_emails(attributes)"];
    assert_eq!(json_of(&run(&masked).unwrap(), "text"), r#""u***@e***.com""#);
    let masked = [masked[0], r#"mask_emails(attributes["text"])"#];
    assert_eq!(json_of(&run(&masked).unwrap(), "text"), r#""u***@e***.com""#);
}

#[test]
fn of_maps() {
    check(&[
        (r#"delete_key(attributes, "text")"#, "text", "nil"),
        (r#"delete_key(attributes["map"], "x")"#, "map", r#"{"y":{"z":"deep"}}"#),
        (r#"delete_matching_keys(attributes["map"], "^y$")"#, "map", r#"{"x":1}"#),
        (
            r#"merge_maps(attributes["map"], {"x": 2, "n": 3}, "upsert")"#,
            "map",
            r#"{"n":3,"x":2,"y":{"z":"deep"}}"#,
        ),
        (
            r#"merge_maps(attributes["map"], {"x": 2, "n": 3}, "insert")"#,
            "map",
            r#"{"n":3,"x":1,"y":{"z":"deep"}}"#,
        ),
        (
            r#"merge_maps(attributes["map"], {"x": 2, "n": 3}, "update")"#,
            "map",
            r#"{"x":2,"y":{"z":"deep"}}"#,
        ),
        (r#"merge_maps(attributes, ParseJSON("{\"j\":true}"), "insert")"#, "j", "true"),
        (r#"truncate_all(attributes, 4)"#, "text", r#""hell""#),
        (r#"truncate_all(attributes, 4, true, "..")"#, "text", r#""he..""#),
        (r#"flatten(attributes)"#, "map.y.z", r#""deep""#),
        (r#"flatten(attributes)"#, "list.1", "2"),
        (r#"flatten(attributes["map"], "p")"#, "map", r#"{"p.x":1,"p.y.z":"deep"}"#),
        (r#"stringify_all(attributes)"#, "int", r#""42""#),
        (r#"delete_key(attributes["text"], "x")"#, "", "error: expected pcommon.Map but got string"),
    ]);
    assert_eq!(keys(r#"keep_keys(attributes, ["int", "text", "none"])"#), ["text", "int"]);
    assert_eq!(keys(r#"keep_matching_keys(attributes, "^(int|yes)$")"#), ["int", "yes"]);
    assert_eq!(keys(r#"limit(attributes, 3, ["yes", "map"])"#), ["text", "yes", "map"]);
    assert_eq!(keys("limit(attributes, 2, [])"), ["text", "http.url"]);
    assert!(keys("clear(attributes)").is_empty());
    let cut = [r#"set(attributes["text"], "aé")"#, "truncate_all(attributes, 2)"];
    assert_eq!(json_of(&run(&cut).unwrap(), "text"), r#""a""#);
}

#[test]
fn spans_are_named_by_the_conventions() {
    let named = |statements: &[&str]| run(statements).unwrap().name;
    let rename = r#"set_semconv_span_name("1.37.0", "original")"#;
    let http =
        [r#"set(attributes["http.request.method"], "GET")"#, r#"set(attributes["http.route"], "/u/{id}")"#];
    assert_eq!(named(&[http[0], http[1], rename]), "GET /u/{id}");
    assert_eq!(json_of(&run(&[http[0], http[1], rename]).unwrap(), "original"), r#""GET /users""#);
    assert_eq!(named(&[http[0], rename]), "GET");
    let db = [r#"set(attributes["db.system"], "pg")"#, r#"set(attributes["db.operation"], "SELECT")"#];
    assert_eq!(named(&[db[0], rename]), "pg");
    assert_eq!(named(&[db[0], db[1], r#"set(attributes["db.sql.table"], "t")"#, rename]), "SELECT t");
    assert_eq!(named(&[rename]), "GET /users");
    assert!(run(&[r#"set_semconv_span_name("1.0.0")"#]).is_err());
}
