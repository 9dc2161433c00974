//! A URL taken apart into the attributes of the semantic conventions.

use super::value::Value;

/// The parts; `None` when it is no URL.
pub(super) fn parts(text: &str) -> Option<Vec<(&'static str, Value<'_>)>> {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return None;
    }
    let mut found = vec![("url.original", Value::text(text))];
    let (rest, fragment) =
        text.split_once('#').map_or((text, None), |(rest, fragment)| (rest, Some(fragment)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        Some(("", _)) => return None,
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    let mut add = |name, part: Option<&'_ str>| {
        found.extend(part.filter(|part| !part.is_empty()).map(|part| (name, Value::text(part.to_owned()))));
    };
    add("url.scheme", scheme.map(str::to_ascii_lowercase).as_deref());
    add("url.path", Some(path));
    add("url.query", query);
    add("url.fragment", fragment);
    let file = path.rsplit('/').next().unwrap_or_default();
    add("url.extension", file.rsplit_once('.').map(|(_, extension)| extension));
    let (user, host) = match authority.unwrap_or_default().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.unwrap_or_default()),
    };
    add("url.user_info", user);
    add("url.username", user.map(|user| user.split_once(':').map_or(user, |(name, _)| name)));
    add("url.password", user.and_then(|user| user.split_once(':')).map(|(_, password)| password));
    let (name, port) = host_and_port(host)?;
    add("url.domain", Some(name));
    found.extend(port.map(|port| ("url.port", Value::Int(i64::from(port)))));
    Some(found)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn host_and_port(host: &str) -> Option<(&str, Option<u16>)> {
    if let Some(inside) = host.strip_prefix('[') {
        let (name, rest) = inside.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) if !port.is_empty() => Some((name, Some(port.parse().ok()?))),
            _ => Some((name, None)),
        };
    }
    match host.rsplit_once(':') {
        Some((name, "")) => Some((name, None)),
        Some((name, port)) => Some((name, Some(port.parse().ok()?))),
        None => Some((host, None)),
    }
}
