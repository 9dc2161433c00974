//! One request as a record.

use super::config::FileFormat;
use crate::compress::{self, Compression};
use crate::outcome::Signal;
use crate::wire::json::{self, ProtobufError};

/// Appends a request: JSON as a line, anything else behind its length, four bytes, the highest first.
pub(super) fn push(
    out: &mut Vec<u8>,
    signal: Signal,
    request: &[u8],
    format: FileFormat,
    zstd: bool,
) -> Result<(), ProtobufError> {
    let text;
    let plain = match format {
        FileFormat::Json => {
            text = json::from_protobuf(signal, request)?;
            text.as_bytes()
        }
        FileFormat::Proto => request,
    };
    if format == FileFormat::Json && !zstd {
        out.extend_from_slice(plain);
        out.push(b'\n');
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if zstd {
        compress::deflate(Compression::Zstd, plain, out);
    } else {
        out.extend_from_slice(plain);
    }
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX); // requests are far smaller
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    fn request() -> Vec<u8> {
        let spans = vec![Span { name: "a\nb".into(), ..Span::default() }];
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn record(format: FileFormat, zstd: bool) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, Signal::Traces, &request(), format, zstd).unwrap();
        out
    }

    const JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a\nb"}]}]}]}"#;

    #[test]
    fn json_is_a_line() {
        assert_eq!(String::from_utf8(record(FileFormat::Json, false)).unwrap(), format!("{JSON}\n"));
    }

    #[test]
    fn anything_else_stands_behind_its_length() {
        let plain = record(FileFormat::Proto, false);
        assert_eq!(plain[..4], (request().len() as u32).to_be_bytes());
        assert_eq!(plain[4..], request());
        for (format, expected) in [(FileFormat::Json, JSON.as_bytes()), (FileFormat::Proto, &request()[..])] {
            let packed = record(format, true);
            assert_eq!(packed[..4], (packed.len() as u32 - 4).to_be_bytes());
            let inflated = compress::inflate(Compression::Zstd, &packed[4..], 1 << 20).unwrap();
            assert_eq!(inflated, expected);
        }
    }

    #[test]
    fn what_is_no_request_is_not_written_as_json() {
        let mut out = Vec::new();
        assert!(push(&mut out, Signal::Traces, &[0xff], FileFormat::Json, false).is_err());
        assert!(out.is_empty());
    }
}
