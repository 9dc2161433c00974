//! Attributes and other values of any type.

use super::text::{push, push_clean};
use super::view::{View, inner};
use crate::wire::json::proto::Raw;
use crate::wire::json::{DEPTH_MAX, push_double, push_hex};

/// Appends ` key=value` for each attribute in `name`.
pub(super) fn push_pairs(out: &mut String, of: View<'_>, name: &'static str, before: &str, between: &str) {
    for (index, pair) in of.all(name).enumerate() {
        out.push_str(if index == 0 { before } else { between });
        push_clean(out, &pair.text("key"));
        out.push('=');
        push_value(out, pair.one("value"));
    }
}

/// Appends a value: text as it is, lists and maps as in JSON.
pub(super) fn push_value(out: &mut String, value: Option<View<'_>>) {
    if let Some(value) = value {
        push_nested(out, value, 0);
    }
}

/// Appends a value and its type: `Str(GET)`.
pub(super) fn push_typed(out: &mut String, value: View<'_>) {
    let name = match value.fields().last().map(|(field, _)| field.name) {
        Some("stringValue") => "Str",
        Some("boolValue") => "Bool",
        Some("intValue") => "Int",
        Some("doubleValue") => "Double",
        Some("arrayValue") => "Slice",
        Some("kvlistValue") => "Map",
        Some("bytesValue") => "Bytes",
        _ => "Empty",
    };
    out.push_str(name);
    out.push('(');
    push_nested(out, value, 0);
    out.push(')');
}

fn push_nested(out: &mut String, value: View<'_>, depth: usize) {
    if depth > DEPTH_MAX {
        out.push('…');
        return;
    }
    let Some((field, raw)) = value.fields().last() else { return };
    match (field.name, raw) {
        ("stringValue", Raw::Bytes(text)) if depth == 0 => push_clean(out, &String::from_utf8_lossy(text)),
        ("stringValue", Raw::Bytes(text)) => push_quoted(out, &String::from_utf8_lossy(text)),
        ("boolValue", Raw::Varint(flag)) => out.push_str(if flag == 0 { "false" } else { "true" }),
        ("intValue", Raw::Varint(number)) => push(out, format_args!("{}", number as i64)),
        ("doubleValue", Raw::Fixed64(bits)) => push_double(out, f64::from_bits(bits)),
        ("bytesValue", Raw::Bytes(bytes)) => push_hex(out, bytes),
        ("arrayValue", raw) => {
            out.push('[');
            for (index, element) in
                inner(field, raw).into_iter().flat_map(|list| list.all("values")).enumerate()
            {
                if index > 0 {
                    out.push(',');
                }
                push_nested(out, element, depth + 1);
            }
            out.push(']');
        }
        ("kvlistValue", raw) => {
            out.push('{');
            for (index, pair) in inner(field, raw).into_iter().flat_map(|map| map.all("values")).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_quoted(out, &pair.text("key"));
                out.push(':');
                if let Some(value) = pair.one("value") {
                    push_nested(out, value, depth + 1);
                }
            }
            out.push('}');
        }
        _ => {}
    }
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    push_clean(out, text);
    out.push('"');
}
