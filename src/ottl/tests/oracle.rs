//! Edits on encoded spans against the same edits on decoded ones, on spans that are made up.

use proptest::prelude::*;
use regex::Regex;

use super::{any, *};

fn scalar() -> impl Strategy<Value = Proto> {
    prop_oneof![
        "[a-c ]{0,6}".prop_map(Proto::StringValue),
        any_int().prop_map(Proto::IntValue),
        prop::bool::ANY.prop_map(Proto::BoolValue),
        (-1e9..1e9f64).prop_map(Proto::DoubleValue),
        prop::collection::vec(0u8..255, 0..4).prop_map(Proto::BytesValue),
        prop::collection::vec("[ab]{0,2}".prop_map(Proto::StringValue), 0..3).prop_map(list),
    ]
}

fn any_int() -> impl Strategy<Value = i64> {
    prop_oneof![-3..3i64, prop::num::i64::ANY]
}

fn spans() -> impl Strategy<Value = Span> {
    let attributes = prop::collection::vec(("[a-d]", scalar()), 0..8);
    (attributes, "[a-c]{0,4}", 0..6i32, prop::option::of((0..3i32, "[ab]{0,3}"))).prop_map(
        |(attributes, name, kind, status)| Span {
            name,
            kind,
            trace_id: vec![7; 16],
            attributes: attributes.into_iter().map(|(key, value)| attribute(&key, value)).collect(),
            status: status.map(|(code, message)| Status { code, message }),
            flags: 1,
            ..Default::default()
        },
    )
}

/// An edit: the statement, and the same on a decoded span.
type Oracle = (&'static str, fn(&mut Span));

fn strings(span: &mut Span, mut edit: impl FnMut(&str) -> String) {
    for attribute in &mut span.attributes {
        if let Some(Proto::StringValue(text)) =
            attribute.value.as_mut().and_then(|value| value.value.as_mut())
        {
            *text = edit(text);
        }
    }
}

const ORACLES: &[Oracle] = &[
    (r#"set(attributes["a"], "new")"#, |span| {
        match span.attributes.iter_mut().find(|attribute| attribute.key == "a") {
            Some(found) => found.value = any(text("new")),
            None => span.attributes.push(attribute("a", text("new"))),
        }
    }),
    (r#"delete_key(attributes, "b")"#, |span| {
        if let Some(at) = span.attributes.iter().position(|attribute| attribute.key == "b") {
            span.attributes.remove(at);
        }
    }),
    (r#"keep_keys(attributes, ["a", "c"])"#, |span| {
        span.attributes.retain(|attribute| ["a", "c"].contains(&&*attribute.key));
    }),
    (r#"delete_matching_keys(attributes, "[cd]")"#, |span| {
        span.attributes.retain(|attribute| !["c", "d"].contains(&&*attribute.key));
    }),
    (r#"replace_all_patterns(attributes, "value", "a(b?)", "<$1>")"#, |span| {
        let pattern = Regex::new("a(b?)").unwrap();
        strings(span, |text| pattern.replace_all(text, "<$1>").into_owned());
    }),
    (r#"replace_pattern(name, "b+", "x")"#, |span| {
        span.name = Regex::new("b+").unwrap().replace_all(&span.name, "x").into_owned();
    }),
    ("truncate_all(attributes, 2)", |span| strings(span, |text| text.chars().take(2).collect())),
    (r#"set(name, "n") where attributes["a"] == 1"#, |span| {
        let first = span.attributes.iter().find(|attribute| attribute.key == "a");
        let number = first.and_then(|attribute| attribute.value.as_ref()?.value.clone());
        if matches!(number, Some(Proto::IntValue(1)) | Some(Proto::DoubleValue(1.0))) {
            span.name = "n".into();
        }
    }),
    ("set(status.code, STATUS_CODE_ERROR) where kind == SPAN_KIND_SERVER", |span| {
        if span.kind == 2 {
            span.status.get_or_insert_default().code = 2;
        }
    }),
    ("limit(attributes, 2, [])", |span| span.attributes.truncate(2)),
];

proptest! {
    #[test]
    fn edits_on_bytes_are_those_on_decoded_spans(
        span in spans(),
        edits in prop::collection::vec(0..ORACLES.len(), 1..5),
    ) {
        let statements: Vec<_> = edits.iter().map(|edit| ORACLES[*edit].0).collect();
        let mut expected = span.clone();
        edits.iter().for_each(|edit| ORACLES[*edit].1(&mut expected));
        prop_assert_eq!(run_on(&span, &statements), Ok(expected), "{:?}", statements);
    }

    #[test]
    fn what_is_not_edited_is_the_same_bytes(span in spans(), unknown in prop::collection::vec(0u8..255, 0..9)) {
        let mut bytes = span.encode_to_vec();
        value::push_message(999, &unknown, &mut bytes);
        let mut target = Target::new();
        target.set(Context::Span, &bytes);
        let set = statement(r#"set(attributes["new"], 1)"#, Some(Context::Span)).unwrap();
        set.run(&mut target, &env()).unwrap();
        prop_assert!(target.bytes(Context::Span).starts_with(&bytes));
        let delete = statement(r#"delete_key(attributes, "new")"#, Some(Context::Span)).unwrap();
        delete.run(&mut target, &env()).unwrap();
        prop_assert_eq!(target.bytes(Context::Span), &bytes[..]);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, which in 0..ORACLES.len()) {
        for context in Context::ALL {
            let mut target = Target::new();
            target.set(context, &bytes);
            if let Ok(statement) = statement(ORACLES[which].0, Some(context)) {
                let _ = statement.run(&mut target, &env());
            }
        }
    }

    #[test]
    fn no_text_panics(text in r#"([a-zA-Z_.()\[\]{}",=<>!+*/ 0-9\\-]|set\(|attributes\["a"\]|where|Concat\(){0,24}"#) {
        let _ = statement(&text, Some(Context::Span));
        let _ = condition(&text, Context::Span);
    }
}
