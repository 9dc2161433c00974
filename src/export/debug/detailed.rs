//! Every field of a request, named as in OTLP, a line each.

use super::any::push_typed;
use super::text::{push, push_clean, push_time};
use super::view::{View, inner, unsigned};
use crate::wire::json::proto::Raw;
use crate::wire::json::schema::{Field, Kind, Rule};
use crate::wire::json::{DEPTH_MAX, each_packed, integer, push_double, push_hex};

/// Appends the request as an indented list.
pub(super) fn dump(request: View<'_>, out: &mut String) {
    push_fields(out, request, 0);
}

fn push_fields(out: &mut String, of: View<'_>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    for field in of.message.fields {
        // Fields are shown in the order of OTLP's definition, wherever the bytes have them.
        for (index, raw) in of.each(field.name).enumerate() {
            push_indent(out, depth);
            match inner(field, raw) {
                Some(pair) if pair.message.name == "KeyValue" => {
                    out.push_str("-> ");
                    push_clean(out, &pair.text("key"));
                    out.push_str(": ");
                    if let Some(value) = pair.one("value") {
                        push_typed(out, value);
                    }
                    out.push('\n');
                }
                Some(value) if value.message.name == "AnyValue" => {
                    push(out, format_args!("{}: ", field.name));
                    push_typed(out, value);
                    out.push('\n');
                }
                Some(message) => {
                    push_name(out, field, index);
                    out.push('\n');
                    push_fields(out, message, depth + 1);
                }
                None => {
                    push_name(out, field, index);
                    out.push_str(": ");
                    push_scalar(out, field, raw);
                    out.push('\n');
                }
            }
        }
    }
}

fn push_indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn push_name(out: &mut String, field: &Field, index: usize) {
    out.push_str(field.name);
    if field.rule == Rule::Repeated && !field.kind.packs() {
        push(out, format_args!(" #{index}"));
    }
}

fn push_scalar(out: &mut String, field: &Field, raw: Raw<'_>) {
    match (field.kind, raw) {
        (Kind::Text, Raw::Bytes(text)) => push_clean(out, &String::from_utf8_lossy(text)),
        (Kind::Bytes | Kind::Id(_), Raw::Bytes(bytes)) => push_hex(out, bytes),
        (kind, Raw::Bytes(packed)) if kind.packs() => {
            out.push('[');
            let start = out.len();
            // Bytes that cannot be read end the list.
            let _ = each_packed(kind, packed, |raw| {
                if out.len() > start {
                    out.push_str(", ");
                }
                push_number(out, kind, raw);
                Ok(())
            });
            out.push(']');
        }
        (_, raw) if field.name.ends_with("TimeUnixNano") || field.name == "timeUnixNano" => {
            push_time(out, unsigned(raw));
        }
        (kind, raw) => push_number(out, kind, raw),
    }
}

fn push_number(out: &mut String, kind: Kind, raw: Raw<'_>) {
    match (kind, raw) {
        (Kind::Bool, raw) => out.push_str(if unsigned(raw) == 0 { "false" } else { "true" }),
        (Kind::Double, raw) => push_double(out, f64::from_bits(unsigned(raw))),
        (Kind::Enum(names), raw) => {
            let value = unsigned(raw) as i32;
            match usize::try_from(value).ok().and_then(|index| names.get(index)) {
                Some(name) => push(out, format_args!("{name} ({value})")),
                None => push(out, format_args!("{value}")),
            }
        }
        (Kind::Int(int), raw) => {
            if let Some(value) = integer(int, raw) {
                push(out, format_args!("{value}"));
            }
        }
        _ => {}
    }
}
