//! Texts that are refused: where, why, and what was probably meant.

use super::*;

#[test]
fn contexts_follow_from_paths() {
    let inferred = |text: &str| statement(text, None).map(|statement| statement.context());
    assert_eq!(inferred(r#"set(span.name, resource.attributes["a"])"#), Ok(Context::Span));
    assert_eq!(inferred(r#"set(resource.attributes["a"], 1)"#), Ok(Context::Resource));
    assert_eq!(inferred(r#"set(span.name, "x") where spanevent.name == "y""#), Ok(Context::SpanEvent));
    assert!(inferred(r#"set(name, "x")"#).unwrap_err().message.contains("name no context"));
    let texts = [r#"set(resource.attributes["a"], 1)"#, r#"set(log.body, "x")"#];
    assert_eq!(infer(&texts), Ok(Some(Context::Log)));
    let by_function = r#"set(resource.attributes["a"], 1) where IsRootSpan()"#;
    assert_eq!(inferred(by_function), Ok(Context::Span));
}

#[test]
fn errors_say_where_and_why() {
    let cases = [
        (r#"scrub(name)"#, 0, r#"undefined function "scrub""#, None),
        (r#"set(name, Concatt(["a"], ""))"#, 10, r#"undefined function "Concatt""#, Some("Concat")),
        (r#"delete_keys(attributes, "x")"#, 0, r#"undefined function "delete_keys""#, Some("delete_key")),
        (r#"set(nmae, "x")"#, 4, r#"segment "nmae" from path "nmae" is not a valid path"#, Some("name")),
        (
            r#"set(name, "x") where kind == SPAN_KIND_SERVR"#,
            29,
            "enum symbol SPAN_KIND_SERVR not found",
            Some("SPAN_KIND_SERVER"),
        ),
        (r#"set(name, "x" where true"#, 14, r#"unexpected token "where""#, None),
        (r#"set(name)"#, 0, "incorrect number of arguments. Expected: 2 Received: 1", None),
        (r#"set(name, "x\y")"#, 12, "invalid escape sequence", None),
        (r#"set("x", "y")"#, 4, "it must be a path", None),
        (r#"replace_pattern(name, "(", "")"#, 22, "missing closing )", None),
        (r#"replace_pattern(name, "a", "b", ToUpperCase, "%d")"#, 0, "single %s", None),
        (r#"truncate_all(attributes, -1)"#, 25, "cannot be negative", None),
        (r#"limit(attributes, 1, ["a", "b"])"#, 0, "cannot be less than number of priority attributes", None),
        (r#"merge_maps(attributes, {}, "replace")"#, 27, "invalid value", None),
        (r#"set(log.body, "x")"#, 4, "is not valid in the span context", None),
        (r#"set(name, MapEach(attributes, (k, v) => v))"#, 30, "ottl.functions.enableLambda", None),
        (r#"set(name, ParseCEF(name))"#, 10, r#"undefined function "ParseCEF": it is for logs"#, None),
        (r#"set(name, Reduce(attributes, 1, 2))"#, 10, "ottl.functions.enableLambda", None),
        (r#"set(name, otelcol.client.adr)"#, 10, "is not a valid path", Some("otelcol.client.addr")),
        (r#"set(name, otelcol.client.addr["x"])"#, 10, "has no keys", Some("otelcol.client.addr")),
        (r#"set(name, otelcol.grpc)"#, 10, "not a valid path for the otelcol context", None),
        (r#"set(otelcol.client.addr, "x")"#, 4, "the path is read-only", None),
        (r#"set(otelcol.client.auth.attributes["a"], "x")"#, 4, "the path is read-only", None),
        (r#"set(otelcol.grpc.metadata["a"], "x")"#, 4, "the path is read-only", None),
        (r#"set(otelcol.client.metadata["a"], "x")"#, 4, "the path is read-only", None),
        (r#"copy_metric(name="x")"#, 0, "it is for metrics", None),
        (r#"set(name, FormatTime(start_time, "%Q"))"#, 10, "unsupported directive: %Q", None),
        (r#"set(start_time, Time("x", "%Y", "No/Where"))"#, 16, "unknown time zone No/Where", None),
        (r#"set(start_time, Time("x", "%B", "UTC", "de"))"#, 16, "read in English only", None),
        (
            r#"set(name, ExtractGrokPatterns(name, "%{NOPE}"))"#,
            10,
            r#"pattern definition "NOPE" unknown"#,
            None,
        ),
        (r#"set(name, GetXML(name, "//a[id('x')]"))"#, 10, "the function id() is not known here", None),
        (r#"set(name, Decode(name, "ebcdic"))"#, 10, "unsupported encoding 'ebcdic'", None),
        (r#"flatten(attributes, "", 0)"#, 0, "must be greater than 0", None),
        (r#"Set(name, "x")"#, 0, "editor names must start with a lowercase letter", None),
        (r#"set(name, "x") where name"#, 25, "expected a comparison", None),
        (r#"set(target=name, "y")"#, 17, "unnamed argument used after named", None),
        (r#"set(name, valeu="x")"#, 10, "no such parameter: valeu", Some("value")),
        (r#"set(name, 99999999999999999999)"#, 10, "out of range", None),
    ];
    for (text, at, message, help) in cases {
        let error = statement(text, Some(Context::Span)).unwrap_err();
        assert!(error.message.starts_with("unable to parse OTTL statement"), "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!((error.at, error.help.as_deref()), (at, help), "{text}");
    }
}

#[test]
fn conditions_are_refused_in_the_collectors_words() {
    let message = |text| condition(text, Context::Span).unwrap_err().message;
    assert_eq!(
        message("Foo() == 1"),
        r#"unable to parse OTTL condition "Foo() == 1": undefined function "Foo""#
    );
    assert!(message("a ==").starts_with("condition has invalid syntax: 1:5: unexpected token \"<EOF>\""));
}

#[test]
fn nesting_is_bounded() {
    for deep in
        ["(".repeat(30_000), format!("{}1", "not ".repeat(10_000)), format!("1{}", "+1".repeat(10_000))]
    {
        assert!(condition(&deep, Context::Span).is_err());
    }
    assert!(condition(&"a".repeat(70_000), Context::Span).is_err());
}
