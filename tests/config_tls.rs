//! `tls` of receivers and exporters: every key, with the Collector's words and what to do.

#![allow(clippy::unwrap_used)]

use ringtail::config::{Errors, Exporter, Loaded, load};
use ringtail::tls::{ClientConfig, ServerConfig, Version};

/// A receiver and an exporter with these blocks.
fn read(server: &str, client: &str) -> Result<Loaded, Errors> {
    let text = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{{server}}}}}}}}}\nexporters: {{otlp_grpc: {{endpoint: 'b:1', {client}}}}}\n\
         service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}}}"
    );
    load(&["env:C".to_owned()], &[], &|name| (name == "C").then(|| text.clone()))
}

fn server(keys: &str) -> Result<Loaded, Errors> {
    read(&format!("tls: {{cert_file: a, key_file: b, {keys}}}"), "")
}

fn client(keys: &str) -> Result<Loaded, Errors> {
    read("", &format!("tls: {{{keys}}}"))
}

fn of_server(loaded: &Loaded) -> ServerConfig {
    let receiver = loaded.settings.receivers.values().next().unwrap();
    receiver.grpc.as_ref().unwrap().tls.clone().unwrap()
}

fn of_client(loaded: &Loaded) -> ClientConfig {
    match loaded.settings.exporters.values().next() {
        Some(Exporter::Otlp(otlp)) => otlp.protocol.tls.clone(),
        other => panic!("{other:?}"),
    }
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(|warning| warning.message.clone()).collect()
}

#[test]
fn mistakes_are_named_on_both_sides() {
    for (keys, expected, help) in [
        (
            "ca_file: x, ca_pem: y",
            "provide either a CA file or the PEM-encoded string, but not both",
            "remove ca_file or ca_pem",
        ),
        (
            "cert_pem: y, cert_file: a, key_file: b",
            "provide either certificate file or PEM, but not both",
            "remove cert_file",
        ),
        (
            "key_pem: y, cert_file: a, key_file: b",
            "provide either key file or PEM, but not both",
            "remove key_file or key_pem",
        ),
        (
            "min_version: '1.4'",
            "invalid TLS min_version: unsupported TLS version: \"1.4\"",
            "write \"1.2\" or \"1.3\"",
        ),
        (
            "max_version: '1.1'",
            "invalid TLS configuration: min_version cannot be greater than max_version",
            "",
        ),
        (
            "min_version: '1.0', max_version: '1.1'",
            "TLS 1.1 is not available: it is not safe",
            "write \"1.2\" or \"1.3\"",
        ),
        (
            "cipher_suites: [TLS_FOO]",
            "invalid TLS cipher suite: \"TLS_FOO\"",
            "valid values: TLS_ECDHE_ECDSA_WITH_AES_128_GCM",
        ),
        (
            "cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]",
            "invalid TLS cipher suite: \"TLS_RSA_WITH_AES_128_CBC_SHA\"",
            "valid values",
        ),
        (
            "curve_preferences: [P255]",
            "invalid curve type: P255",
            "valid values: X25519MLKEM768, X25519, P256, P384",
        ),
        ("curve_preferences: [P521]", "the curve P521 is not available here", "valid values"),
        (
            "tpm: {enabled: true}",
            "'tpm' is not available in this version: keys inside a TPM are not supported",
            "key_file",
        ),
        ("ca_flie: x", "'tls' has invalid keys: ca_flie", "did you mean \"ca_file\"?"),
    ] {
        let client_errors = client(keys).unwrap_err();
        let mut found = vec![client_errors.0[0].clone()];
        if !keys.contains("cert_file") {
            found.push(server(keys).unwrap_err().0[0].clone());
        }
        for error in found {
            assert_eq!(error.message, expected, "{keys}");
            assert!(error.help.unwrap_or_default().contains(help), "{keys}");
        }
    }
    let alone = client("cert_file: a").unwrap_err();
    assert!(alone.0[0].message.starts_with("TLS configuration must include both certificate and key ("));
    assert_eq!(alone.0[0].help.as_deref(), Some("add key_file or key_pem"));
    let neither = read("tls: {min_version: '1.3'}", "").unwrap_err();
    assert_eq!(
        neither.0[0].message,
        "TLS configuration must include both certificate and key for server connections"
    );
}

#[test]
fn what_is_not_safe_is_left_out_with_a_warning() {
    for (keys, expected) in [
        ("min_version: '1.0'", "TLS 1.0 is not spoken here, since it is not safe; \"1.2\" is the lowest"),
        (
            "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
            "not offered here, since they are not safe: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        ),
        (
            "include_insecure_cipher_suites: true, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]",
            "not offered here, since they are not safe: TLS_RSA_WITH_AES_128_CBC_SHA",
        ),
        (
            "curve_preferences: [P521, P256]",
            "the curve P521 is not available here; the others listed are used",
        ),
    ] {
        for loaded in [client(keys), server(keys)] {
            assert_eq!(warnings(&loaded.unwrap()), [expected], "{keys}");
        }
    }
    let none = "max_version: '1.2', cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]";
    assert!(client(none).unwrap_err().0[0].message.starts_with("no cipher suite of TLS 1.2 is left"));
}

#[test]
fn every_key_arrives() {
    let loaded = server(
        "client_ca_file: c, client_ca_file_reload: true, min_version: '1.3', reload_interval: 1h, \
         cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], curve_preferences: [P384, X25519], tpm: {enabled: false}",
    )
    .unwrap();
    assert_eq!(warnings(&loaded), [""; 0]);
    let tls = of_server(&loaded);
    assert!(tls.client_ca.is_some() && tls.client_ca_reload && tls.min_version == Version::V13);
    assert_eq!(tls.reload_interval.unwrap().as_secs(), 3600);
    assert_eq!((tls.choice.curves.len(), tls.choice.suites.len()), (2, 2)); // one of TLS 1.3 beside it
    let loaded = client(
        "ca_pem: x, include_system_ca_certs_pool: true, cert_pem: c, key_pem: k, insecure_skip_verify: true, \
         server_name_override: n, max_version: '1.2'",
    )
    .unwrap();
    assert_eq!(warnings(&loaded), [""; 0]);
    let tls = of_client(&loaded);
    assert!(tls.include_system_ca_certs_pool && tls.insecure_skip_verify && !tls.insecure);
    assert_eq!((tls.server_name_override.as_deref(), tls.max_version), (Some("n"), Some(Version::V12)));
    assert_eq!(of_client(&client("").unwrap()), ClientConfig::default());
}
