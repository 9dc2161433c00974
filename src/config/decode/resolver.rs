//! `resolver`: where the members of a `load_balancing` exporter come from.

use std::time::Duration;

use super::net::or_default;
use super::{KeyKind, Scalar, Section};
use crate::config::tree::Typed;
use crate::discover::{Config, Dns, MembersFile};

/// What the Collector has and this version has not.
const ELSEWHERE: &[(&str, &str)] = &[
    ("k8s", "use dns with a headless service (hostname: NAME.NAMESPACE.svc.cluster.local), or file"),
    ("aws_cloud_map", "use dns with the service's private DNS name, or file"),
];

/// `None` when there is not exactly one usable source; the reason is reported.
pub(super) fn resolver(section: &mut Section<'_>) -> Option<Config> {
    let fixed = section.when_filled("static", fixed);
    let dns = section.when_filled("dns", dns);
    let file = section.when_filled("file", file);
    let mut given = usize::from(fixed.is_some()) + usize::from(dns.is_some()) + usize::from(file.is_some());
    for (key, help) in ELSEWHERE {
        if let Some(entry) = section.find(key, KeyKind::Refused)
            && !entry.value.is_null()
        {
            given += 1;
            let message =
                format!("the {key} resolver exists in the Collector, but not in this version of ringtail");
            section.context().push(entry.mark.error(
                &section.path_of(key),
                message,
                Some((*help).to_owned()),
            ));
        }
    }
    match given {
        0 => section.error(
            "",
            "no resolvers specified for the exporter",
            Some("write one of resolver: {static: …}, {dns: …}, {file: …}".into()),
        ),
        1 => {}
        _ => section.error(
            "",
            "only one resolver should be specified",
            Some("keep one and remove the others".into()),
        ),
    }
    fixed.map(Config::Static).or(dns.map(Config::Dns)).or(file.map(Config::File))
}

fn fixed(section: &mut Section<'_>) -> Vec<String> {
    let mut names = section.get("hostnames", Vec::new());
    if names.is_empty() {
        let help = "write hostnames: [host1:4317, host2:4317]";
        section.error("hostnames", "no endpoints specified for the static resolver", Some(help.into()));
    }
    if names.iter().any(String::is_empty) {
        section.error("hostnames", "an endpoint of the static resolver is empty", None);
    }
    names.sort();
    let before = names.len();
    names.dedup();
    if names.len() < before {
        let message = "hostnames holds duplicates; each is one member";
        section.warn(&section.mark_of("hostnames"), "hostnames", message, None);
    }
    names
}

fn dns(section: &mut Section<'_>) -> Dns {
    let hostname = section.get("hostname", String::new());
    if hostname.is_empty() {
        let help = "write hostname: NAME, such as a headless service";
        section.error("hostname", "no hostname specified to resolve the backends", Some(help.into()));
    }
    Dns {
        hostname,
        port: port(section),
        interval: or_default(section, "interval", Duration::from_secs(5)),
        timeout: or_default(section, "timeout", Duration::from_secs(1)),
    }
}

/// Text as in the Collector; an integer is what most people write, so it is taken with a warning. Zero stands for
/// none: 4317 is dialled then, but the collectors' rings hash the address without a port.
fn port(section: &mut Section<'_>) -> u16 {
    let Some(entry) = section.find("port", KeyKind::Live) else {
        section.show("port", String::new().print());
        return 0;
    };
    let text = match (entry.value.typed(), &entry.value.expanded) {
        (Typed::Int(number), None) => {
            let help = format!("write port: \"{number}\"");
            section.warn(&entry.value.mark, "port", "the Collector wants text here", Some(help));
            Some(number.to_string())
        }
        _ => section.value(&entry.value, "port"),
    };
    let Some(text) = text else { return 0 };
    let port = match text.as_str() {
        "" => Ok(0),
        text => {
            text.parse::<u16>().map_err(|_| ()).and_then(|port| if port == 0 { Err(()) } else { Ok(port) })
        }
    };
    if port.is_err() {
        section.error("port", "'port' is not a port: a number from 1 to 65535", None);
    }
    let port = port.unwrap_or(0);
    section.show("port", if port == 0 { String::new() } else { port.to_string() }.print());
    port
}

fn file(section: &mut Section<'_>) -> MembersFile {
    let path = section.get("path", String::new());
    if path.is_empty() {
        section.error(
            "path",
            "no path specified for the file resolver",
            Some("write path: members.yaml".into()),
        );
    }
    let share = section.get("max_shrink", 0.5);
    if !(0.0..=1.0).contains(&share) {
        let help = "0.5 is half of the members, 1 switches the check off";
        section.error("max_shrink", "'max_shrink' must be between 0 and 1", Some(help.into()));
    }
    MembersFile {
        path: path.into(),
        poll_interval: or_default(section, "poll_interval", Duration::from_secs(5)),
        debounce: section.get("debounce", Duration::from_millis(250)),
        max_shrink: (share.clamp(0.0, 1.0) * 1000.0).round() as u32,
    }
}
