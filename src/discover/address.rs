//! From what a source names to what is dialled.

use std::net::{IpAddr, Ipv6Addr};

/// Where OTLP/gRPC listens when nobody says otherwise.
const DEFAULT_PORT: u16 = 4317;

/// The `host:port` to dial for a name as written: 4317 is added when there is no port.
///
/// The collectors add it only to names without a colon, so that a bare `[::1]` dials 443 there. Here it gets 4317
/// as every other name does, and so does an IPv6 address without brackets.
pub(super) fn with_port(raw: &str) -> String {
    if raw.parse::<Ipv6Addr>().is_ok() {
        format!("[{raw}]:{DEFAULT_PORT}")
    } else if !raw.contains(':') || (raw.starts_with('[') && raw.ends_with(']')) {
        format!("{raw}:{DEFAULT_PORT}")
    } else {
        raw.to_owned()
    }
}

/// The collectors' string for a resolved address: IPv6 in brackets, the port only when one was configured.
pub(super) fn resolved(ip: IpAddr, port: u16) -> String {
    match (ip.to_canonical(), port) {
        (IpAddr::V4(ip), 0) => ip.to_string(),
        (IpAddr::V6(ip), 0) => format!("[{ip}]"),
        (IpAddr::V4(ip), port) => format!("{ip}:{port}"),
        (IpAddr::V6(ip), port) => format!("[{ip}]:{port}"),
    }
}

/// Why an address cannot be dialled, if so.
pub(super) fn fault(address: &str) -> Option<&'static str> {
    if address.contains("://") {
        return Some("write host:port, without a scheme");
    }
    if address.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/' || c == '@') {
        return Some("write host:port, without spaces, path or user");
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Some("write host:port");
    };
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || !matches!(port.parse::<u16>(), Ok(1..))
    {
        return Some("the port must be a number from 1 to 65535");
    }
    match host.strip_prefix('[') {
        Some(inner) => match inner.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
            Some(Ok(_)) => None,
            _ => Some("what stands in brackets must be an IPv6 address"),
        },
        None if host.is_empty() => Some("the host is missing"),
        None if host.contains([':', '[', ']']) => Some("an IPv6 address stands in brackets: [::1]:4317"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_port_get_4317() {
        for (raw, dialled) in [
            ("host", "host:4317"),
            ("host:1", "host:1"),
            ("10.0.0.1", "10.0.0.1:4317"),
            ("[::1]", "[::1]:4317"),
            ("[::1]:5", "[::1]:5"),
            ("::1", "[::1]:4317"),
            ("2001:db8::1", "[2001:db8::1]:4317"),
        ] {
            assert_eq!(with_port(raw), dialled);
            assert_eq!(fault(dialled), None, "{dialled}");
        }
    }

    #[test]
    fn resolved_addresses_are_the_collectors_strings() {
        let ip = |text: &str| text.parse().unwrap();
        assert_eq!(resolved(ip("10.0.0.1"), 0), "10.0.0.1");
        assert_eq!(resolved(ip("10.0.0.1"), 5317), "10.0.0.1:5317");
        assert_eq!(resolved(ip("::1"), 0), "[::1]");
        assert_eq!(resolved(ip("::1"), 4317), "[::1]:4317");
        assert_eq!(resolved(ip("::ffff:10.0.0.1"), 0), "10.0.0.1");
    }

    #[test]
    fn faulty_addresses_say_what_to_write() {
        for (address, word) in [
            ("http://a:1", "scheme"),
            ("a b:1", "spaces"),
            ("a/b:1", "path"),
            ("a", "host:port"),
            ("a:", "port"),
            ("a:0", "port"),
            ("a:70000", "port"),
            ("a:+1", "port"),
            (":1", "host is missing"),
            ("::1:4", "brackets"),
            ("[a]:4", "brackets"),
            ("[::1:4", "brackets"),
        ] {
            assert!(
                fault(address).is_some_and(|text| text.contains(word)),
                "{address}: {:?}",
                fault(address)
            );
        }
    }
}
