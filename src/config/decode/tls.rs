//! `tls` of receivers and exporters.

use std::time::Duration;

use super::{KeyKind, Section};
use crate::tls::{Choice, ClientConfig, Named, Pem, ServerConfig, Version};

/// What both sides of TLS have.
struct Common {
    ca: Option<Pem>,
    cert: Option<Pem>,
    key: Option<Pem>,
    include_system_ca_certs_pool: bool,
    min_version: Version,
    max_version: Option<Version>,
    choice: Choice,
    reload_interval: Option<Duration>,
}

/// Versions in their order, with those that are here.
const VERSIONS: &[(&str, Option<Version>)] =
    &[("1.0", None), ("1.1", None), ("1.2", Some(Version::V12)), ("1.3", Some(Version::V13))];

fn common(tls: &mut Section<'_>) -> Common {
    let ca =
        pem(tls, "ca_file", "ca_pem", "provide either a CA file or the PEM-encoded string, but not both");
    let cert = pem(tls, "cert_file", "cert_pem", "provide either certificate file or PEM, but not both");
    let key = pem(tls, "key_file", "key_pem", "provide either key file or PEM, but not both");
    let (min_version, max_version) = versions(tls);
    if cert.is_some() != key.is_some() {
        let message = "TLS configuration must include both certificate and key (cert_file or cert_pem, and key_file or key_pem)";
        let missing = if cert.is_some() { "key_file or key_pem" } else { "cert_file or cert_pem" };
        tls.error("", message, Some(format!("add {missing}")));
    }
    let choice = Choice { suites: suites(tls, max_version), curves: curves(tls) };
    if tls.is_switched_off("tpm") {
        tls.find("tpm", KeyKind::Refused);
    } else {
        tls.refused("tpm", "keys inside a TPM are not supported", "use key_file or key_pem");
    }
    Common {
        ca,
        cert,
        key,
        include_system_ca_certs_pool: tls.get("include_system_ca_certs_pool", false),
        min_version,
        max_version,
        choice,
        reload_interval: tls.opt("reload_interval").filter(|interval: &Duration| !interval.is_zero()),
    }
}

fn pem(tls: &mut Section<'_>, file: &'static str, text: &'static str, both: &str) -> Option<Pem> {
    let path: Option<String> = tls.opt(file).filter(|path: &String| !path.is_empty());
    let inline = tls.secret(text).filter(|text| !text.is_empty());
    if path.is_some() && inline.is_some() {
        tls.error(text, both, Some(format!("remove {file} or {text}")));
    }
    inline.map(Pem::Text).or_else(|| path.map(|path| Pem::File(path.into())))
}

/// `min_version` and `max_version`.
fn versions(tls: &mut Section<'_>) -> (Version, Option<Version>) {
    let (min, max) = (version(tls, "min_version"), version(tls, "max_version"));
    let rank = |name: &str| VERSIONS.iter().position(|(known, _)| *known == name);
    let (lowest, highest) = (min.as_deref().unwrap_or("1.2"), max.as_deref().unwrap_or("1.3"));
    if rank(lowest) > rank(highest) {
        let message = "invalid TLS configuration: min_version cannot be greater than max_version";
        tls.error("max_version", message, None);
    } else if matches!(highest, "1.0" | "1.1") {
        let help = "write \"1.2\" or \"1.3\", or remove it; update peers that speak nothing newer";
        let message = format!("TLS {highest} is not available: it is not safe");
        tls.error("max_version", message, Some(help.into()));
    } else if matches!(lowest, "1.0" | "1.1") {
        let help = "write \"1.2\"; peers that speak nothing newer must be updated".to_owned();
        let message = format!("TLS {lowest} is not spoken here, since it is not safe; \"1.2\" is the lowest");
        tls.warn(&tls.mark_of("min_version"), "min_version", message, Some(help));
    }
    let find =
        |name: &str| VERSIONS.iter().find(|(known, _)| *known == name).and_then(|(_, version)| *version);
    (find(lowest).unwrap_or(Version::V12), max.as_deref().and_then(find))
}

/// One of the versions there are.
fn version(tls: &mut Section<'_>, key: &'static str) -> Option<String> {
    let word: String = tls.opt(key).filter(|word: &String| !word.is_empty())?;
    if VERSIONS.iter().any(|(known, _)| *known == word) {
        return Some(word);
    }
    let shown = if tls.is_expanded(key) { "of the value given" } else { &word };
    let message = format!("invalid TLS {key}: unsupported TLS version: {shown:?}");
    tls.error(key, message, Some("write \"1.2\" or \"1.3\", in quotes".into()));
    None
}

/// `cipher_suites`: those of TLS 1.2; newer versions have theirs whatever is listed.
fn suites(tls: &mut Section<'_>, max_version: Option<Version>) -> Vec<rustls::CipherSuite> {
    let insecure = tls.get("include_insecure_cipher_suites", false);
    let names = tls.get("cipher_suites", Vec::new());
    let hidden = tls.is_expanded("cipher_suites");
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for name in &names {
        match crate::tls::suite(name) {
            Named::Here(suite) => found.push(suite),
            Named::Missing => left_out.push(name.as_str()),
            Named::Insecure if insecure => left_out.push(name.as_str()),
            Named::Insecure | Named::Unknown => {
                let shown = if hidden { "(not shown)" } else { name };
                let help =
                    format!("valid values: {}", crate::tls::known_suites().collect::<Vec<_>>().join(", "));
                tls.error("cipher_suites", format!("invalid TLS cipher suite: {shown:?}"), Some(help));
            }
        }
    }
    let older = found.iter().any(|suite| !crate::tls::is_newest(*suite));
    if !left_out.is_empty() {
        let message = format!("not offered here, since they are not safe: {}", left_out.join(", "));
        let help = match older {
            true => "remove them; peers that speak nothing else must be updated",
            false => "list a suite with GCM or CHACHA20 too, or only TLS 1.3 is spoken",
        };
        tls.warn(&tls.mark_of("cipher_suites"), "cipher_suites", message, Some(help.into()));
    }
    if !names.is_empty() && !older && max_version == Some(Version::V12) {
        let message = "no cipher suite of TLS 1.2 is left, and max_version allows nothing newer";
        tls.error("cipher_suites", message, Some("list a suite with GCM or CHACHA20".into()));
    }
    if names.is_empty() {
        return found;
    }
    // Something has to be listed, or everything would be offered.
    found.push(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    found
}

/// `curve_preferences`, the first preferred.
fn curves(tls: &mut Section<'_>) -> Vec<rustls::NamedGroup> {
    let names = tls.get("curve_preferences", Vec::new());
    let known = crate::tls::known_curves().collect::<Vec<_>>().join(", ");
    let mut found = Vec::new();
    for name in &names {
        match crate::tls::curve(name) {
            Named::Here(curve) => found.push(curve),
            Named::Missing if names.len() > 1 => {
                let message = format!("the curve {name} is not available here; the others listed are used");
                tls.warn(&tls.mark_of("curve_preferences"), "curve_preferences", message, None);
            }
            Named::Missing => {
                let message = format!("the curve {name} is not available here");
                tls.error("curve_preferences", message, Some(format!("valid values: {known}")));
            }
            _ => {
                let shown = if tls.is_expanded("curve_preferences") { "(not shown)" } else { name };
                let message = format!("invalid curve type: {shown}");
                tls.error("curve_preferences", message, Some(format!("valid values: {known}")));
            }
        }
    }
    found
}

/// `tls` of a receiver. `None` when it cannot be used; the reason is reported.
pub(super) fn server_tls(tls: &mut Section<'_>) -> Option<ServerConfig> {
    tls.shared_as("server tls");
    let common = common(tls);
    let client_ca = tls.opt::<String>("client_ca_file").filter(|path| !path.is_empty());
    let client_ca_reload = tls.get("client_ca_file_reload", false);
    if common.cert.is_none() && common.key.is_none() {
        let message = "TLS configuration must include both certificate and key for server connections";
        tls.error("", message, Some("set cert_file and key_file".into()));
    }
    if common.ca.is_some() && client_ca.is_none() {
        let help = "to require client certificates, write client_ca_file".to_owned();
        tls.warn(
            &tls.mark.clone(),
            "ca_file",
            "a CA without client_ca_file verifies nobody here",
            Some(help),
        );
    }
    Some(ServerConfig {
        cert: common.cert?,
        key: common.key?,
        client_ca: client_ca.map(|path| Pem::File(path.into())),
        client_ca_reload,
        choice: common.choice,
        min_version: common.min_version,
        max_version: common.max_version,
        reload_interval: common.reload_interval,
    })
}

/// `tls` of an exporter.
pub(super) fn client_tls(tls: &mut Section<'_>) -> ClientConfig {
    tls.shared_as("client tls");
    let common = common(tls);
    ClientConfig {
        insecure: tls.get("insecure", false),
        insecure_skip_verify: tls.get("insecure_skip_verify", false),
        server_name_override: tls.opt("server_name_override").filter(|name: &String| !name.is_empty()),
        ca: common.ca,
        include_system_ca_certs_pool: common.include_system_ca_certs_pool,
        choice: common.choice,
        cert: common.cert,
        key: common.key,
        min_version: common.min_version,
        max_version: common.max_version,
        reload_interval: common.reload_interval,
    }
}
