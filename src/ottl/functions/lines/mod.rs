//! Converters of log lines in the formats that devices and web servers write. They exist for log records only.

mod cef;
mod clf;
mod elf;
mod leef;

use std::collections::HashMap;

use super::{Arguments, Converter, Kind, Param, converts, optional, value};
use crate::ottl::context::Context;
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;

const TARGET: &[Param] = &[value("target")];

pub(super) const CONVERTERS: &[Converter] = &[
    of_log(converts("ParseCEF", TARGET, |given| cef::parse(&line(given, "CEF")?)?.into_value())),
    of_log(converts(
        "ParseCLF",
        &[value("target"), optional("format", Kind::Choice(&["clf", "combined"]))],
        |given| {
            let combined = given.utf8_or(1, "clf")? == "combined";
            clf::parse(&line(given, "CLF")?, combined)?.into_value()
        },
    )),
    of_log(converts("ParseELF", TARGET, |given| elf::parse(&line(given, "ELF")?)?.into_value())),
    of_log(converts("ParseLEEF", TARGET, |given| leef::parse(&line(given, "LEEF")?)?.into_value())),
];

const fn of_log(converter: Converter) -> Converter {
    Converter { looks_at: Some(Context::Log), ..converter }
}

fn line(given: &Arguments<'_>, format: &str) -> Result<String, EvalError> {
    match given.utf8(0)? {
        line if line.is_empty() => Err(format!("cannot parse empty {format} message").into()),
        line => Ok(line),
    }
}

/// What was found: each key once, where it came first, with what came last.
#[derive(Debug, Default)]
struct Found {
    entries: Vec<(String, Value<'static>)>,
    places: HashMap<String, usize>,
}

impl Found {
    fn put(&mut self, key: &str, value: Value<'static>) {
        match self.places.get(key) {
            Some(place) => self.entries[*place].1 = value,
            None => {
                self.places.insert(key.to_owned(), self.entries.len());
                self.entries.push((key.to_owned(), value));
            }
        }
    }

    fn put_text(&mut self, key: &str, text: impl Into<String>) {
        self.put(key, Value::text(text.into()));
    }

    fn into_value<'v>(self) -> Result<Value<'v>, EvalError> {
        Value::map(self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was found, as `key=value` in order; or the error.
    fn flat(found: Result<Found, EvalError>) -> Vec<String> {
        let text = |value: &Value<'_>| match value {
            Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => {
                let mut out = Vec::new();
                let style = crate::ottl::render::Style::Plain;
                crate::ottl::render::json(other, style, &mut out, 64).unwrap();
                String::from_utf8(out).unwrap()
            }
        };
        match found {
            Ok(found) => found.entries.iter().map(|(key, value)| format!("{key}={}", text(value))).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn cef_headers_are_unescaped_and_values_may_hold_spaces() {
        let line = r"Sep 19 host CEF:0|a\|b|c\\d|e|f|g|h|msg=a \=threat now  k=1 k=2";
        let expected = [
            "cef.version=0",
            "cef.device_vendor=a|b",
            r"cef.device_product=c\d",
            "cef.device_version=e",
            "cef.device_event_class_id=f",
            "cef.name=g",
            "cef.severity=h",
            r#"cef.extensions={"k":"2","msg":"a =threat now"}"#,
        ];
        assert_eq!(flat(cef::parse(line)), expected);
        assert!(flat(cef::parse("CEF:0|a|b"))[0].contains("got 3"));
    }

    #[test]
    fn clf_requests_are_taken_apart_when_they_have_three_parts() {
        let line = r#"h - frank [10/Oct/2000] "GET /\x41 HTTP/1.0" 200 -"#;
        let expected = [
            "clf.remote_host=h",
            "clf.rfc931=-",
            "clf.auth_user=frank",
            "clf.timestamp=10/Oct/2000",
            "clf.request=GET /A HTTP/1.0",
            "clf.method=GET",
            "clf.request_uri=/A",
            "clf.protocol=HTTP/1.0",
            "clf.status=200",
        ];
        assert_eq!(flat(clf::parse(line, false)), expected);
        assert_eq!(
            flat(clf::parse(line, true)),
            [r#"invalid CLF message: does not match expected "combined" format"#]
        );
    }

    #[test]
    fn elf_rows_have_the_names_of_the_fields_above_them() {
        let text = "#Version: 1.0\n#Fields: a b\n1 \"x \"\"y\"\"\"\r\n2\n#Fields: c\n3 4";
        let expected = [
            r#"elf.entries=[{"a":"1","b":"x \"y\""},{"a":"2","b":"-"},{"c":"3"}]"#,
            "elf.version=1.0",
            r#"elf.fields=["c"]"#,
        ];
        assert_eq!(flat(elf::parse(text)), expected);
        assert_eq!(flat(elf::parse("#Fields: a\n1")), ["invalid ELF: missing #Version directive"]);
    }

    #[test]
    fn leef_delimiters_are_a_tab_unless_version_two_names_another() {
        for (line, attributes) in [
            ("LEEF:1.0|v|p|1|id|a=1\tb=2|c", r#"{"a":"1","b":"2|c"}"#),
            ("x LEEF:2.0|v|p|1|id|^|a=1^b=2", r#"{"a":"1","b":"2"}"#),
            ("LEEF:2.0|v|p|1|id|0x7c|a=1|a=2", r#"{"a":"2"}"#),
            ("LEEF:2.0|v|p|1|id|a=1|x\tb=2", r#"{"a":"1|x","b":"2"}"#),
            ("LEEF:2.0|v|p|1|id", "{}"),
        ] {
            assert_eq!(
                flat(leef::parse(line)).last().unwrap(),
                &format!("leef.attributes={attributes}"),
                "{line}"
            );
        }
        assert!(flat(leef::parse("LEEF:2.0|v|p|1|id|ab|c=1"))[0].contains("single character"));
    }
}
