//! Extensions: their keys, and what other components may name of them, with the Collector's words.

#![allow(clippy::unwrap_used)]

use ringtail::auth::Kind;
use ringtail::config::{Errors, Exporter, Format, Loaded, Mode, Options, load_with};
use ringtail::journal::Sync;

/// A configuration with these extensions, of which those listed are in use, and with keys of an exporter and a receiver.
fn read(
    extensions: &str,
    listed: &str,
    exporter: &str,
    receiver: &str,
    skip: bool,
) -> Result<Loaded, Errors> {
    let text = format!(
        "extensions: {{{extensions}}}\n\
         receivers: {{otlp: {{protocols: {{grpc: {{{receiver}}}}}}}}}\n\
         exporters: {{otlp_grpc: {{endpoint: 'b:1', {exporter}}}, nop: }}\n\
         service: {{extensions: [{listed}], pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc, nop]}}}}}}"
    );
    let options = Options { skip_unavailable: skip, ..Options::default() };
    load_with(&["env:C".to_owned()], &[], options, &|name| (name == "C").then(|| text.clone()))
}

#[track_caller]
fn one_error(extensions: &str, listed: &str, exporter: &str, receiver: &str) -> String {
    let errors = read(extensions, listed, exporter, receiver, false).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    format!("{}: {}", errors.0[0].path, errors.0[0].message)
}

#[track_caller]
fn loaded(extensions: &str, listed: &str, exporter: &str, receiver: &str) -> Loaded {
    read(extensions, listed, exporter, receiver, false).unwrap_or_else(|errors| panic!("{errors}"))
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(|warning| warning.message.clone()).collect()
}

const TOKEN: &str = "bearertokenauth: {token: t}";
const AUTH: &str = "auth: {authenticator: bearertokenauth}";

#[test]
fn an_authenticator_has_to_be_configured_and_listed() {
    for (extensions, listed, auth) in [
        ("", "", "bearertokenauth"),
        (TOKEN, "", "bearertokenauth"),
        (TOKEN, "bearertokenauth", "bearertokenauth/other"),
        (TOKEN, "bearertokenauth", "''"),
    ] {
        let auth_keys = format!("auth: {{authenticator: {auth}}}");
        let shown = auth.replace('\'', "");
        let expected = format!("failed to resolve authenticator \"{shown}\": authenticator not found");
        let at = "exporters::otlp_grpc::auth::authenticator";
        assert_eq!(one_error(extensions, listed, &auth_keys, ""), format!("{at}: {expected}"));
        let at = "receivers::otlp::protocols::grpc::auth::authenticator";
        assert_eq!(one_error(extensions, listed, "", &auth_keys), format!("{at}: {expected}"));
    }
    assert_eq!(warnings(&loaded(TOKEN, "bearertokenauth", AUTH, AUTH)), [""; 0]);
    let unused = loaded(TOKEN, "", "", "");
    assert_eq!(warnings(&unused), [""; 0]);
}

#[test]
fn an_authenticator_fits_one_side_or_both() {
    let server = "basicauth: {htpasswd: {inline: 'a:b'}}";
    let client = "basicauth: {client_auth: {username: a, password: b}}";
    let auth = "auth: {authenticator: basicauth}";
    assert!(one_error(server, "basicauth", auth, "").contains("is not a gRPC client authenticator"));
    assert!(one_error(client, "basicauth", "", auth).contains("is not a server authenticator"));
    assert!(
        one_error("zpages: ", "zpages", "auth: {authenticator: zpages}", "").contains("not a gRPC client")
    );
    loaded(server, "basicauth", "", auth);
    loaded(client, "basicauth", auth, "");
}

#[test]
fn the_authenticators_are_checked_as_the_collector_checks_them() {
    for (extension, expected) in [
        ("bearertokenauth: ", "no bearer token provided"),
        ("bearertokenauth: {token: x, tokens: [y]}", "either tokens or token should be provided, not both"),
        ("bearertokenauth: {token: x, retry_on_failure: {enabled: true}}", "requires filename to be set"),
        ("bearertokenauth: {tken: x}", "'bearertokenauth' has invalid keys: tken"),
        ("basicauth: ", "no credential source provided"),
        (
            "basicauth: {htpasswd: {inline: 'a:b'}, client_auth: {username: a}}",
            "only one of `htpasswd` or `client_auth` can be specified",
        ),
        ("basicauth: {htpasswd: {}}", "no credential source provided"),
    ] {
        let errors = read(extension, "", "", "", false).unwrap_err();
        assert!(errors.0.iter().any(|error| error.message == expected), "{extension}: {errors}");
    }
}

#[test]
fn later_names_are_accepted_and_secrets_are_masked() {
    let extensions = "bearer_token_auth: {token: hunter2}, basic_auth: {client_auth: {username: u, password: hunter2}}, \
                      bearertokenauth/more: {tokens: [hunter2, hunter3]}, basicauth/s: {htpasswd: {inline: 'a:hunter2'}}";
    let loaded = loaded(extensions, "bearer_token_auth", "auth: {authenticator: bearer_token_auth}", "");
    assert_eq!(warnings(&loaded), [""; 0]);
    assert!(!loaded.print(Mode::Redacted, Format::Yaml).contains("hunter"));
    let Some(Exporter::Otlp(otlp)) =
        loaded.settings.exporters.values().find(|one| matches!(one, Exporter::Otlp(_)))
    else {
        panic!("no exporter")
    };
    let auth = otlp.protocol.auth.as_ref().unwrap();
    assert!(matches!(auth.kind, Kind::Bearer(_)) && auth.id == "bearer_token_auth");
    assert!(!format!("{auth:?}").contains("hunter2"));
}

#[test]
fn credentials_in_plaintext_are_warned_of() {
    let loaded = loaded(TOKEN, "bearertokenauth", &format!("tls: {{insecure: true}}, {AUTH}"), "");
    assert_eq!(
        warnings(&loaded),
        ["credentials are sent in plaintext, which the Collector refuses over gRPC"]
    );
}

#[test]
fn a_middleware_is_a_memory_limiter_before_a_receiver() {
    let limiter = "memory_limiter: {check_interval: 1s, limit_mib: 100}";
    let keys = "middlewares: [{id: memory_limiter}]";
    let found = loaded(limiter, "memory_limiter", "", keys).settings;
    let receiver = found.receivers.values().next().unwrap();
    assert_eq!(receiver.grpc.as_ref().unwrap().limiters, ["memory_limiter"]);
    assert_eq!(found.memory_limiters.len(), 1);
    loaded("", "", "middlewares: []", "middlewares: ");
    for (extensions, listed, exporter, receiver, expected) in [
        (limiter, "memory_limiter", keys, "", "requested extension is not a gRPC client middleware"),
        (TOKEN, "bearertokenauth", "", "middlewares: [{id: bearertokenauth}]", "is not a server middleware"),
        (limiter, "", "", keys, "failed to resolve middleware \"memory_limiter\": middleware not found"),
        ("", "", "", keys, "failed to resolve middleware \"memory_limiter\": middleware not found"),
        ("", "", "", "middlewares: [x]", "each of 'middlewares' is a map with an id"),
        ("memory_limiter: ", "memory_limiter", "", "", "'check_interval' must be greater than zero"),
    ] {
        let errors = read(extensions, listed, exporter, receiver, false).unwrap_err();
        assert!(errors.0[0].message.contains(expected), "{errors}");
    }
}

#[test]
fn a_storage_is_the_journal_of_a_queue() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().display().to_string();
    let storage = format!(
        "file_storage: {{directory: '{directory}', fsync: true, timeout: 2s, compaction: {{on_start: true}}}}"
    );
    let queue = "sending_queue: {storage: file_storage, queue_size: 7}";
    let loaded = loaded(&storage, "file_storage", queue, "");
    let here =
        "'compaction' has no effect here: what is stored is in segments, which are recycled as they empty";
    assert_eq!(warnings(&loaded), [here]);
    let Some(Exporter::Otlp(otlp)) =
        loaded.settings.exporters.values().find(|one| matches!(one, Exporter::Otlp(_)))
    else {
        panic!("no exporter")
    };
    let journal = otlp.queue.journal.as_ref().unwrap();
    assert_eq!((journal.directory.as_deref(), journal.sync), (Some(folder.path()), Sync::Always));
    assert!(otlp.queue.bounded_on_disk && otlp.queue.size == 7);
    for (storage, listed, queue, expected) in [
        (storage.as_str(), "", queue, "no storage client extension found: \"file_storage\""),
        ("", "", queue, "no storage client extension found: \"file_storage\""),
        ("zpages: ", "zpages", "sending_queue: {storage: zpages}", "wrong extension type"),
        (
            storage.as_str(),
            "file_storage",
            "sending_queue: {storage: file_storage, wait_for_result: true}",
            "`wait_for_result` is not supported with a persistent queue",
        ),
        (
            storage.as_str(),
            "file_storage",
            "sending_queue: {storage: file_storage, journal: {directory: /x}}",
            "'storage' and 'journal' cannot be used together",
        ),
    ] {
        let said = one_error(storage, listed, queue, "");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_storage_is_checked_as_the_collector_checks_it() {
    for (keys, expected) in [
        ("directory: /no/such", "directory must exist: /no/such: No such file or directory"),
        ("directory: /dev/null", "/dev/null is not a directory"),
        ("directory: /tmp, max_size: -1", "max size cannot be less than 0"),
        ("create_directory: true, directory_permissions: '9'", "value must be a valid octal representation"),
        ("create_directory: true, directory_permissions: '1777'", "contain invalid bits for file access"),
        ("directory: /tmp, compaction: {on_strt: true}", "'compaction' has invalid keys: on_strt"),
    ] {
        let said = one_error(&format!("file_storage: {{{keys}}}"), "file_storage", "", "");
        assert!(said.contains(expected), "{keys}: {said}");
    }
    loaded("file_storage: {directory: /no/such, create_directory: true}", "file_storage", "", "");
    loaded("file_storage: {directory: /no/such}", "", "", ""); // not in use
}

#[test]
fn what_profiles_and_shows_is_accepted_and_says_once_that_it_does_nothing() {
    let extensions = "pprof: {endpoint: ':1777', block_profile_fraction: 3, save_to_file: x}, zpages: {endpoint: ':1', expvar: {enabled: true}}";
    let loaded = loaded(extensions, "pprof, zpages", "", "");
    let warnings = warnings(&loaded);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("extension \"pprof\" has no effect here: it profiles the Go runtime"));
    assert!(warnings[1].contains("the admin page"), "{warnings:?}");
    assert!(one_error("pprof: {nope: 1}", "", "", "").ends_with("'pprof' has invalid keys: nope"));
    assert!(one_error("zpages: {endpoint: ''}", "", "", "").contains("\"endpoint\" is required"));
}

#[test]
fn a_storage_that_is_not_here_is_left_out_where_that_is_asked_for() {
    let queue = "sending_queue: {storage: redis_storage}";
    let loaded =
        read("redis_storage: ", "redis_storage", queue, "", true).unwrap_or_else(|errors| panic!("{errors}"));
    let said = warnings(&loaded);
    assert!(
        said.contains(&"the storage \"redis_storage\" is left out: what waits is kept in memory".to_owned()),
        "{said:?}"
    );
}
