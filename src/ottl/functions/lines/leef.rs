//! The Log Event Extended Format: `LEEF:1.0|vendor|product|version|id|key=value<tab>key=value`; version 2.0 may name its own delimiter.

use super::Found;
use crate::ottl::error::EvalError;
use crate::ottl::lexer;

const HEADER: [&str; 5] =
    ["leef.version", "leef.vendor", "leef.product.name", "leef.product.version", "leef.event.id"];

pub(super) fn parse(line: &str) -> Result<Found, EvalError> {
    let start = line.find("LEEF:").ok_or("invalid LEEF message: 'LEEF:' not found")?;
    let message = &line[start + "LEEF:".len()..];
    let (version, rest) =
        message.split_once('|').ok_or("invalid LEEF message: missing pipe delimiter in header")?;
    if !matches!(version, "1.0" | "2.0") {
        return Err(format!("unsupported LEEF version: {version} (supported: 1.0, 2.0)").into());
    }
    let parts: Vec<&str> = rest.splitn(5, '|').collect();
    let [vendor, product, of_product, event, attributes @ ..] = &parts[..] else {
        return Err(format!(
            "invalid LEEF {version} header: expected at least 4 fields (vendor, product, version, eventID), got {}",
            parts.len()
        )
        .into());
    };
    let attributes = attributes.first().copied().unwrap_or_default();
    let (delimiter, attributes) = match version {
        "2.0" => delimited(attributes)?,
        _ => ('\t', attributes),
    };
    let mut found = Found::default();
    for (key, text) in HEADER.iter().zip([version, vendor, product, of_product, event]) {
        found.put_text(key, text);
    }
    let mut pairs = Found::default();
    for (key, value) in attributes.split(delimiter).filter_map(|pair| pair.split_once('=')) {
        if !key.is_empty() {
            pairs.put_text(key, value);
        }
    }
    found.put("leef.attributes", pairs.into_value()?);
    Ok(found)
}

/// The delimiter, if the first field is one and not an attribute already, and the attributes.
fn delimited(text: &str) -> Result<(char, &str), EvalError> {
    let (written, attributes) = text.split_once('|').unwrap_or((text, ""));
    if written.contains('=') {
        return Ok(('\t', text));
    }
    let hex = written.strip_prefix("0x").or_else(|| written.strip_prefix("0X"));
    let delimiter = match (hex, written.as_bytes()) {
        (_, []) => b'\t',
        (Some(digits), _) => match lexer::unhex(digits).unwrap_or_default()[..] {
            [byte] if byte.is_ascii() => byte,
            _ => return Err(format!("invalid LEEF 2.0 delimiter: invalid hex delimiter {written:?}").into()),
        },
        (None, [byte]) => *byte,
        _ => {
            return Err(format!(
                "invalid LEEF 2.0 delimiter: delimiter must be a single character or 0x-prefixed hex value, got {written:?}"
            )
            .into());
        }
    };
    Ok((char::from(delimiter), attributes))
}
