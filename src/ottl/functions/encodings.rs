//! Converters between texts and how they are encoded: base64 and character sets.

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::{Argument, Arguments, Converter, Kind, Param, converts, literal_text, optional, value};
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;
use crate::wire::json::base64 as codec;

const TARGET: &[Param] = &[value("target")];

pub(super) const CONVERTERS: &[Converter] = &[
    converts("Base64Encode", &[value("target"), optional("variant", Kind::Value)], base64_encode),
    converts("Base64Decode", TARGET, |given| base64_decoded(&given.text(0)?, "base64")),
    Converter {
        prepare: check_encoding,
        ..converts("Decode", &[value("target"), value("encoding")], |given| {
            let text = match given.value(0)? {
                Value::Text(text) | Value::Bytes(text) => text,
                other => {
                    return Err(
                        format!("unsupported type provided to Decode function: {}", other.kind()).into()
                    );
                }
            };
            decoded(&text, &given.utf8(1)?)
        })
    },
];

/// Standard base64 with padding.
pub(in crate::ottl) fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    codec::encode(bytes, true, &mut out);
    out
}

fn base64_encode<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let text = base64(&given.text(0)?);
    let url = |text: &str| text.replace('+', "-").replace('/', "_");
    Ok(Value::text(match given.utf8_or(1, "base64")?.as_str() {
        "base64" => text,
        "base64-raw" => text.trim_end_matches('=').to_owned(),
        "base64-url" => url(&text),
        "base64-raw-url" => url(&text).trim_end_matches('=').to_owned(),
        other => return Err(format!("unsupported base64 variant: {other}").into()),
    }))
}

/// Each variant has its alphabet and is padded or is not; line ends do not count.
fn base64_decoded(text: &[u8], variant: &str) -> Result<Value<'static>, EvalError> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    let foreign: &[u8] = if variant.ends_with("url") { b"+/" } else { b"-_" };
    let padded = !variant.contains("raw");
    let wrong = text.iter().any(|byte| foreign.contains(byte))
        || (padded && !text.len().is_multiple_of(4))
        || (!padded && text.contains(&b'='));
    let bytes = codec::decode(&text).filter(|_| !wrong).ok_or("illegal base64 data")?;
    Ok(Value::Text(Cow::Owned(bytes)))
}

fn check_encoding(arguments: &mut [Argument]) -> Result<(), String> {
    let known = |name: &str| name.starts_with("base64") || character_set(name).is_some();
    match literal_text(arguments, 1) {
        Some(name) if !known(&name) => Err(format!("unsupported encoding '{name}'")),
        _ => Ok(()),
    }
}

/// How bytes become text.
enum Set {
    Utf8,
    /// Bytes as they are.
    Raw,
    /// Each byte is the character of its number.
    Latin1,
    Other(&'static Encoding),
}

fn character_set(name: &str) -> Option<Set> {
    Some(match name.to_ascii_lowercase().as_str() {
        "" | "utf-8" | "utf8" | "ascii" | "us-ascii" => Set::Utf8,
        "utf-8-raw" | "utf8-raw" | "nop" => Set::Raw,
        "iso-8859-1" | "iso_8859-1" | "latin1" | "l1" => Set::Latin1,
        "utf-16" | "utf16" => Set::Other(encoding_rs::UTF_16LE),
        lower => Set::Other(Encoding::for_label(lower.as_bytes())?),
    })
}

fn decoded(text: &[u8], name: &str) -> Result<Value<'static>, EvalError> {
    if matches!(name, "base64" | "base64-raw" | "base64-url" | "base64-raw-url") {
        return base64_decoded(text, name);
    }
    let set = character_set(name).ok_or_else(|| EvalError::from(format!("unsupported encoding '{name}'")))?;
    Ok(match set {
        Set::Utf8 => Value::text(String::from_utf8_lossy(text).into_owned()),
        Set::Raw => Value::Text(Cow::Owned(text.to_vec())),
        Set::Latin1 => Value::text(text.iter().copied().map(char::from).collect::<String>()),
        Set::Other(encoding) => Value::text(encoding.decode_without_bom_handling(text).0.into_owned()),
    })
}
