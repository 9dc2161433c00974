//! `set_semconv_span_name`: the name that the semantic conventions give a span, from its attributes.

use super::edit_value::owned_text;
use super::{Argument, Arguments, Editor, Kind, edits, optional, param};
use crate::ottl::context::Context;
use crate::ottl::env::Env;
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::path::Place;
use crate::ottl::target::{Message, Target};
use crate::ottl::value::{self, Value};
use crate::wire::otlp;

pub(super) const EDITORS: &[Editor] = &[Editor {
    only: Some(Context::Span),
    ..edits(
        "set_semconv_span_name",
        &[
            param("semconv_version", Kind::Choice(&["1.37.0"])),
            optional("original_span_name_attribute", Kind::Value),
        ],
        set_semconv_span_name,
    )
}];

fn set_semconv_span_name(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
) -> Result<bool, EvalError> {
    let given = Arguments::new(arguments, View { target, env });
    let span = target.message(Context::Span);
    let old = span.field(otlp::SPAN_NAME)?.unwrap_or_default().to_vec();
    let Some(new) = name(span)?.filter(|new| *new != old) else { return Ok(false) };
    let kept_in = if given.is_given(1) { given.utf8(1)? } else { String::new() };
    let place = |path: &str, keys| Place::of(Context::Span, &[path.to_owned()], keys, false);
    if !kept_in.is_empty() {
        let steps = [crate::ottl::path::Step::Text(kept_in.into_bytes().into())];
        place("attributes", Vec::new())?.set(target, &steps, &owned_text(old))?;
    }
    place("name", Vec::new())?.set(target, &[], &owned_text(new))
}

/// The first of these attributes that has a string that is not empty.
fn first(span: Message<'_>, keys: &[&str]) -> Result<Option<Vec<u8>>, EvalError> {
    for key in keys {
        if let Some(any) = span.attribute(key.as_bytes())?
            && let Value::Text(text) = value::read_any(any)?
            && !text.is_empty()
        {
            return Ok(Some(text.into_owned()));
        }
    }
    Ok(None)
}

/// What happens, and to what: `GET /users`.
fn joined(what: Vec<u8>, target: Option<Vec<u8>>) -> Vec<u8> {
    match target {
        Some(target) => [what, target].join(&b' '),
        None => what,
    }
}

fn name(span: Message<'_>) -> Result<Option<Vec<u8>>, EvalError> {
    if let Some(method) = first(span, &["http.request.method", "http.method"])? {
        let method = if method == b"_OTHER" { b"HTTP".to_vec() } else { method };
        return Ok(Some(joined(method, first(span, &["http.route", "url.template"])?)));
    }
    if first(span, &["rpc.system"])?.is_some() {
        let (service, method) = (first(span, &["rpc.service"])?, first(span, &["rpc.method"])?);
        return Ok(match (service, method) {
            (Some(service), Some(method)) => Some([service, method].join(&b'/')),
            (service, method) => service.or(method),
        });
    }
    if first(span, &["messaging.system"])?.is_some() {
        let keys = ["messaging.destination.template", "messaging.destination.name", "server.address"];
        let operation = first(span, &["messaging.operation.name", "messaging.operation"])?;
        let target = first(span, &keys)?;
        return Ok(operation.map(|operation| joined(operation, target)));
    }
    if let Some(system) = first(span, &["db.system.name", "db.system"])? {
        if let Some(summary) = first(span, &["db.query.summary"])? {
            return Ok(Some(summary));
        }
        let keys = [
            "db.collection.name",
            "db.sql.table",
            "db.stored_procedure.name",
            "db.namespace",
            "db.name",
            "server.address",
        ];
        let (operation, target) = (first(span, &["db.operation.name", "db.operation"])?, first(span, &keys)?);
        return Ok(Some(match (operation, target) {
            (Some(operation), target) => joined(operation, target),
            (None, target) => target.unwrap_or(system),
        }));
    }
    Ok(None)
}
