//! What a text names: the fields that a condition reads and the one that a statement writes. For whoever asks what
//! depends on what; evaluation does not.

use super::context::Context;
use super::error::ParseError;
use super::functions::{self, Kind};
use super::parse;
use super::syntax::{Node, PathText, StatementText, ValueText};

/// A field of an item, or one of its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Of which item.
    pub context: Context,
    /// `status.code`, `attributes`.
    pub field: String,
    /// The first key, where it is written out.
    pub key: Option<String>,
}

/// The fields that a condition reads.
///
/// # Errors
/// A text that is not a condition.
pub fn read_by(condition: &str, context: Context) -> Result<Vec<Named>, ParseError> {
    let mut named = Vec::new();
    parse::condition(condition)?.each(&mut |node| {
        if let Node::Path(path) = node {
            named.push(Named::of(path, context));
        }
    });
    Ok(named)
}

/// The field that a statement writes; `None` where its values do not say which.
///
/// # Errors
/// A text that is not a statement.
pub fn written_by(statement: &str, context: Context) -> Result<Option<Named>, ParseError> {
    let StatementText { editor: call, .. } = parse::statement(statement)?;
    if call.name == "set_semconv_span_name" {
        return Ok(Some(Named { context: Context::Span, field: "name".into(), key: None }));
    }
    let params = functions::editor(&call.name).map_or(&[][..], |editor| editor.params);
    let Some(target) = params.iter().position(|param| param.kind == Kind::Path) else { return Ok(None) };
    let named = call.arguments.iter().find(|one| one.name.as_deref() == Some(params[target].name));
    let argument = named.or_else(|| call.arguments.get(target).filter(|one| one.name.is_none()));
    Ok(match argument.map(|argument| &argument.value) {
        Some(ValueText::Path(path)) => Some(Named::of(path, context)),
        _ => None,
    })
}

impl Named {
    fn of(path: &PathText, context: Context) -> Self {
        let named = Context::of_name(&path.segments[0]).filter(|_| path.segments.len() > 1);
        let segments = &path.segments[usize::from(named.is_some())..];
        let key = match path.keys.first() {
            Some(ValueText::Text(key)) => Some(String::from_utf8_lossy(key).into_owned()),
            _ => None,
        };
        Self { context: named.unwrap_or(context), field: segments.join("."), key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(context: Context, field: &str, key: Option<&str>) -> Named {
        Named { context, field: field.into(), key: key.map(Into::into) }
    }

    #[test]
    fn a_condition_reads_every_path_in_it() {
        let text =
            r#"attributes["a"] == "b" and (IsMatch(resource.attributes["c"], "d") or status.code == 2)"#;
        assert_eq!(
            read_by(text, Context::Span).unwrap(),
            [
                named(Context::Span, "attributes", Some("a")),
                named(Context::Resource, "attributes", Some("c")),
                named(Context::Span, "status.code", None),
            ]
        );
    }

    #[test]
    fn a_statement_writes_its_target_only() {
        for (text, expected) in [
            (
                r#"set(attributes["a"], attributes["b"]) where name == "c""#,
                Some(named(Context::Span, "attributes", Some("a"))),
            ),
            (
                r#"set(value = 1, target = resource.attributes["a"])"#,
                Some(named(Context::Resource, "attributes", Some("a"))),
            ),
            ("set(status.code, 2)", Some(named(Context::Span, "status.code", None))),
            (r#"delete_key(attributes, "a")"#, Some(named(Context::Span, "attributes", None))),
            (r#"set(attributes[name], 1)"#, Some(named(Context::Span, "attributes", None))),
            (r#"set_semconv_span_name("1.37.0")"#, Some(named(Context::Span, "name", None))),
        ] {
            assert_eq!(written_by(text, Context::Span).unwrap(), expected, "{text}");
        }
    }
}
