//! The bytes that the collectors hash for routing keys other than the trace id.
//!
//! Values arrive as strings already extracted from the request; a value that is missing is empty.

/// Replaces `out` by the key of `routing_key: service`: `service.name=<value>|` for traces, the bare value for logs
/// and metrics.
pub fn service_key(signal_is_traces: bool, value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.clear();
    if signal_is_traces {
        push_attribute("service.name", value, out);
    } else {
        out.extend_from_slice(value.unwrap_or_default());
    }
}

/// Appends `name=value|`, a part of the key of `routing_key: attributes`; parts follow in the order of the
/// configured list.
pub fn push_attribute(name: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value.unwrap_or_default());
    out.push(b'|');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_keys_are_the_collectors() {
        let mut key = b"left over".to_vec();
        service_key(true, Some(b"checkout"), &mut key);
        assert_eq!(key, b"service.name=checkout|");
        service_key(true, None, &mut key);
        assert_eq!(key, b"service.name=|");
        service_key(false, Some(b"checkout"), &mut key);
        assert_eq!(key, b"checkout");
        service_key(false, None, &mut key);
        assert_eq!(key, b"");
    }

    #[test]
    fn attributes_follow_each_other() {
        let mut key = Vec::new();
        push_attribute("tenant", Some(b"a"), &mut key);
        push_attribute("region", None, &mut key);
        push_attribute("span.kind", Some(b"Server"), &mut key);
        assert_eq!(key, b"tenant=a|region=|span.kind=Server|");
    }
}
