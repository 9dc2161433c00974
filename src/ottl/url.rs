//! A URL taken apart into the attributes of the semantic conventions, as Go's `net/url` understands it.

use super::value::Value;

type Parts = Vec<(&'static str, Value<'static>)>;

/// Where a text stands in a URL: which characters need no escape there.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Host,
    User,
    Path,
    Fragment,
}

/// The parts, or what is wrong.
pub(super) fn parts(text: &str) -> Result<Parts, &'static str> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("invalid control character in URL");
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let fragment = unescaped(fragment, Place::Fragment)?;
    let (scheme, rest) = scheme(rest)?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let mut found = Vec::new();
    let mut add = |name, text: String| found.push((name, Value::text(text)));
    let mut original = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    let (mut host, mut path) = (String::new(), String::new());
    if !rest.starts_with('/') && !scheme.is_empty() {
        original.push_str(rest); // opaque, as in mailto:
    } else {
        if !rest.starts_with('/') && rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon");
        }
        let with_authority =
            rest.strip_prefix("//").filter(|after| !scheme.is_empty() || !after.starts_with('/'));
        let raw_path = match with_authority {
            Some(after) => {
                let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
                let (user, rest) = match authority.rsplit_once('@') {
                    Some((user, rest)) => (Some(user), rest),
                    None => (None, authority),
                };
                host = checked_host(rest)?;
                if !authority.is_empty() || !path.is_empty() {
                    original.push_str("//");
                }
                if let Some(user) = user {
                    let user = User::read(user)?;
                    original.push_str(&format!("{}@", user.written()));
                    add("url.user_info", user.written());
                    if !user.name.is_empty() {
                        add("url.username", user.name);
                    }
                    user.password.into_iter().for_each(|password| add("url.password", password));
                }
                original.push_str(&escaped(&host, Place::Host));
                path
            }
            None => rest,
        };
        path = unescaped(raw_path, Place::Path)?;
        original.push_str(&if is_escaped(raw_path) {
            raw_path.to_owned()
        } else {
            escaped(&path, Place::Path)
        });
    }
    if let Some(query) = query {
        original.push_str(&format!("?{query}"));
    }
    if !fragment.is_empty() {
        original.push_str(&format!("#{}", escaped(&fragment, Place::Fragment)));
        add("url.fragment", fragment);
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        add("url.query", query.to_owned());
    }
    if let Some((_, extension)) = path.rsplit_once('.').filter(|(_, extension)| !extension.is_empty()) {
        add("url.extension", extension.to_owned());
    }
    let (name, port) = name_and_port(&host);
    add("url.original", original);
    add("url.domain", name.to_owned());
    add("url.scheme", scheme);
    add("url.path", path);
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        found.push(("url.port", Value::Int(port.parse().map_err(|_| "invalid port")?)));
    }
    Ok(found)
}

/// The scheme in lower case, and what follows it.
fn scheme(text: &str) -> Result<(String, &str), &'static str> {
    match text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)) {
        Some(0) if text.starts_with(':') => Err("missing protocol scheme"),
        Some(end) if text[end..].starts_with(':') && text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok((text[..end].to_ascii_lowercase(), &text[end + 1..]))
        }
        _ => Ok((String::new(), text)),
    }
}

struct User {
    name: String,
    password: Option<String>,
}

impl User {
    fn read(text: &str) -> Result<Self, &'static str> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
        if !text.bytes().all(valid) {
            return Err("net/url: invalid userinfo");
        }
        let (name, password) = match text.split_once(':') {
            Some((name, password)) => (name, Some(password)),
            None => (text, None),
        };
        let password = password.map(|password| unescaped(password, Place::User)).transpose()?;
        Ok(Self { name: unescaped(name, Place::User)?, password })
    }

    fn written(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{}", escaped(password, Place::User)));
        escaped(&self.name, Place::User) + &password.unwrap_or_default()
    }
}

fn checked_host(host: &str) -> Result<String, &'static str> {
    let port = match host.strip_prefix('[') {
        Some(inside) => inside.rsplit_once(']').ok_or("missing ']' in host")?.1,
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    match port.strip_prefix(':') {
        None if !port.is_empty() => return Err("invalid port after host"),
        Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err("invalid port after host");
        }
        _ => {}
    }
    unescaped(host, Place::Host)
}

fn name_and_port(host: &str) -> (&str, Option<&str>) {
    if let Some((name, rest)) = host.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        return (name, rest.strip_prefix(':'));
    }
    host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)))
}

/// Without its escapes; in a host only those of bytes beyond ASCII and of `%` may stand.
fn unescaped(text: &str, place: Place) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or("invalid URL escape")?;
                let byte = (high * 16 + low) as u8;
                if place == Place::Host && byte < 0x80 && byte != b'%' {
                    return Err("invalid URL escape");
                }
                out.push(byte);
            }
            b' ' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' | b'?' | b'@' | b'/'
                if place == Place::Host =>
            {
                return Err("invalid character in host name");
            }
            byte => out.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn escaped(text: &str, place: Place) -> String {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || b"-_.~".contains(&byte)
            || match place {
                Place::Host => b"!$&'()*+,;=:[]<>\"".contains(&byte),
                Place::User => b"$&+,;=".contains(&byte),
                Place::Path => b"$&+,/:;=@".contains(&byte),
                Place::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
            }
    };
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Whether a path can stay as it is written.
fn is_escaped(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@[]%/".contains(&byte))
}

/// A query as a map of lists.
pub(super) fn query(text: &str) -> Result<Vec<(String, Vec<String>)>, &'static str> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return Err("invalid semicolon separator in query");
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| unescaped(&text.replace('+', " "), Place::Path);
        let (key, value) = (plain(key)?, plain(value)?);
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => found.push((key, vec![value])),
        }
    }
    Ok(found)
}
