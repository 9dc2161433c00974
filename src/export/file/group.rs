//! `group_by`: which resources of a request go to which file.

use crate::outcome::Signal;
use crate::split::count_items;
use crate::wire::{Fields, Malformed, otlp};

/// The resources of a request by the value of an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// Value, request of its resources, and their items; in the order of first occurrence.
    pub(super) groups: Vec<(String, Vec<u8>, u64)>,
    /// Items of resources that do not have it as text.
    pub(super) without: u64,
}

/// Divides a request. Fields that are not resources are left out: nothing says where they belong.
pub(super) fn divide(signal: Signal, request: &[u8], attribute: &str) -> Result<Groups, Malformed> {
    let mut found = Groups::default();
    for field in Fields::new(request) {
        let field = field?;
        if field.number != otlp::REQUEST_RESOURCES {
            continue;
        }
        let whole = &request[field.whole.clone()];
        let items = count_items(signal, whole)?;
        match value(&request[field.bytes()?], attribute)? {
            None => found.without += items,
            Some(value) => match found.groups.iter_mut().find(|(known, ..)| *known == value) {
                Some((_, bytes, sum)) => {
                    bytes.extend_from_slice(whole);
                    *sum += items;
                }
                None => found.groups.push((value, whole.to_vec(), items)),
            },
        }
    }
    Ok(found)
}

/// The text of the resource attribute; the last of that name counts.
fn value(entry: &[u8], attribute: &str) -> Result<Option<String>, Malformed> {
    let mut found = None;
    for resource in parts(entry, otlp::ENTRY_RESOURCE)? {
        for pair in parts(resource, otlp::RESOURCE_ATTRIBUTES)? {
            if parts(pair, otlp::ATTRIBUTE_KEY)?.last().is_some_and(|key| *key == attribute.as_bytes()) {
                let value = parts(pair, otlp::ATTRIBUTE_VALUE)?.last().copied().unwrap_or_default();
                let text = parts(value, otlp::VALUE_STRING)?.last().copied();
                found = text.map(|text| String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    Ok(found)
}

fn parts(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Malformed> {
    let mut found = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            found.push(&message[field.bytes()?]);
        }
    }
    Ok(found)
}

/// The path for a value: where the template has its star. A value cannot lead out of what stands before the star.
pub(super) fn path(template: &str, value: &str) -> String {
    let (before, after) = template.split_once('*').unwrap_or((template, ""));
    let before = match cleaned(before) {
        folder if before.ends_with('/') && !folder.ends_with('/') => format!("{folder}/"),
        folder => folder,
    };
    let value = match value {
        inside if inside.starts_with("./") => &inside[1..],
        above if above.starts_with("../") => &above[2..],
        plain => plain,
    };
    let whole = cleaned(&format!("{before}{value}{after}"));
    if whole.starts_with(&before) {
        return whole;
    }
    let inside = cleaned(&format!("/{value}{after}"));
    cleaned(&format!("{before}{inside}"))
}

/// A path without `.`, `..` and double slashes; `..` at the root leads nowhere.
fn cleaned(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if rooted => {}
            name => names.push(name),
        }
    }
    let joined = names.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use proptest::prelude::*;
    use prost::Message;

    fn logs(tenant: any_value::Value, records: usize) -> ResourceLogs {
        let value = Some(AnyValue { value: Some(tenant) });
        let attributes = vec![KeyValue { key: "tenant".into(), value, ..KeyValue::default() }];
        let scope_logs =
            vec![ScopeLogs { log_records: vec![LogRecord::default(); records], ..ScopeLogs::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }
    }

    fn text(value: &str) -> any_value::Value {
        any_value::Value::StringValue(value.into())
    }

    #[test]
    fn resources_go_by_the_text_of_their_attribute() {
        let all = [
            logs(text("a"), 1),
            logs(text("b"), 2),
            logs(text("a"), 4),
            logs(any_value::Value::IntValue(1), 8),
        ];
        let request = ExportLogsServiceRequest { resource_logs: all.to_vec() }.encode_to_vec();
        let Groups { groups, without } = divide(Signal::Logs, &request, "tenant").unwrap();
        let of = |picks: &[usize]| {
            let resource_logs = picks.iter().map(|pick| all[*pick].clone()).collect();
            ExportLogsServiceRequest { resource_logs }.encode_to_vec()
        };
        assert_eq!(groups, [("a".into(), of(&[0, 2]), 5), ("b".into(), of(&[1]), 2)]);
        assert_eq!(without, 8);
        assert_eq!(divide(Signal::Logs, &request, "other").unwrap().without, 15);
    }

    #[test]
    fn a_value_stays_below_what_stands_before_the_star() {
        for (template, value, expected) in [
            ("/data/*.json", "a", "/data/a.json"),
            ("/data/*.json", "a/b", "/data/a/b.json"),
            ("/data/*.json", "../etc/x", "/data/etc/x.json"),
            ("/data/*.json", "a/../../../etc/x", "/data/etc/x.json"),
            ("/data/x-*", "1", "/data/x-1"),
            ("/data/x-*", "/../../etc", "/data/x-/etc"),
            ("data/*/log", "..", "data/log"),
            ("./data/*", "x", "data/x"),
        ] {
            assert_eq!(path(template, value), expected, "{template} {value}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leads_out(value in "[./a]{0,12}") {
            let path = path("/data/in/*", &value);
            prop_assert!(path.starts_with("/data/in"), "{}", path);
            prop_assert!(!path.split('/').any(|name| name == ".."), "{}", path);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = divide(Signal::Traces, &bytes, "a");
        }
    }
}
