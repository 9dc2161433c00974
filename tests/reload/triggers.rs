//! What makes a running process read its configuration again.

use std::os::unix::fs::symlink;

use crate::config::{Config, applied, apply, generation, path, put};
use crate::support::backend::Backend;
use crate::support::load::{span, traces};
use crate::support::wait;

/// Everything to one backend, or to another.
fn to(config: &Config, backend: &Backend) -> Config {
    let mut config = config.clone();
    config.exporters.clear();
    config.pipelines.clear();
    config.to("a", backend, "").pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}")
}

/// Scenario: the file is renamed over, then changed in place, then nothing of it changes but its layout.
/// Guarantee: each change is in force for what comes next; a comment is no change.
#[tokio::test]
async fn a_rename_and_a_change_in_place_are_seen() {
    let [a, b] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new();
    let ringtail = to(&base, &a).start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    apply(&ringtail, &to(&base, &b)).await;
    let last = &ringtail.page("/config").await["last_reload"];
    assert_eq!(last["changes"], serde_json::json!(["exporters::otlp/a changed"]), "{last}");
    ringtail.export(traces([span(2, 0)])).await.unwrap();
    std::fs::write(path(&ringtail), to(&base, &a).text()).unwrap();
    applied(&ringtail, 3).await;
    ringtail.export(traces([span(3, 0)])).await.unwrap();
    wait::until("all has arrived", || a.spans().len() == 2 && b.spans().len() == 1).await;
    assert!(a.has("operation 1/0") && b.has("operation 2/0") && a.has("operation 3/0"));
    put(&ringtail, &format!("# the same\n{}", to(&base, &a).text()));
    wait::until_some("it is read", || async {
        (ringtail.page("/config").await["last_reload"]["result"] == "unchanged").then_some(())
    })
    .await;
    assert_eq!(generation(&ringtail).await, 3);
    let scrape = ringtail.settled().await;
    let reloads = |result| scrape.sum("ringtail_config_reloads", &[("result", result)]);
    assert_eq!((reloads("applied"), reloads("unchanged"), reloads("refused")), (2.0, 1.0, 0.0));
    assert_eq!(scrape.sum("ringtail_config_generation", &[]), 3.0);
    assert_eq!(scrape.series("ringtail_config_hash", &[]).count(), 1);
}

/// Scenario: the file is a link into a directory that is itself a link, as Kubernetes mounts a ConfigMap; the inner link
/// is swapped.
/// Guarantee: what it leads to then is in force.
#[tokio::test]
async fn the_swap_of_a_config_map_is_seen() {
    let [a, b] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new();
    let ringtail = to(&base, &a).start().await;
    let dir = ringtail.dir.path();
    let volume = |name: &str, config: &Config| {
        std::fs::create_dir(dir.join(name)).unwrap();
        std::fs::write(dir.join(name).join("ringtail.yaml"), config.text()).unwrap();
        symlink(name, dir.join("..next")).unwrap();
        std::fs::rename(dir.join("..next"), dir.join("..data")).unwrap();
    };
    volume("..1", &to(&base, &a));
    symlink("..data/ringtail.yaml", dir.join("link")).unwrap();
    std::fs::rename(dir.join("link"), path(&ringtail)).unwrap();
    volume("..2", &to(&base, &b));
    applied(&ringtail, 2).await;
    volume("..3", &to(&base, &a));
    std::fs::remove_dir_all(dir.join("..1")).unwrap();
    applied(&ringtail, 3).await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    wait::until("it has arrived", || a.has("operation 1/0")).await;
}

/// Scenario: SIGHUP and `POST /reload`, without and with a change.
/// Guarantee: the configuration is read, and the answer says what became of it.
#[tokio::test]
async fn a_signal_and_a_request_read_it_again() {
    let [a, b] = [Backend::grpc().await, Backend::grpc().await];
    let base = Config::new();
    let ringtail = to(&base, &a).start().await;
    ringtail.signal("-HUP");
    wait::until_some("the signal is heard", || async {
        (ringtail.page("/config").await["last_reload"]["trigger"] == "signal").then_some(())
    })
    .await;
    let answer = ringtail.reload().await;
    assert_eq!((answer.status, &answer.json()["configuration"]["result"]), (200, &"unchanged".into()));
    put(&ringtail, &to(&base, &b).text());
    let answer = ringtail.reload().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    applied(&ringtail, 2).await;
    put(&ringtail, "receivers: [");
    let answer = ringtail.reload().await;
    assert_eq!((answer.status, &answer.json()["configuration"]["result"]), (422, &"refused".into()));
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    wait::until("it has arrived", || b.has("operation 1/0")).await;
}

/// Scenario: a value stands in a file of its own, which changes; then a second directory entry of `--config` does not exist
/// for a moment.
/// Guarantee: the change of the value is seen; a file that is missing is named, and tried again.
#[tokio::test]
async fn a_file_that_is_referred_to_is_watched_too() {
    let [a, b] = [Backend::grpc().await, Backend::grpc().await];
    let dir = tempfile::tempdir().unwrap();
    let address = dir.path().join("address");
    std::fs::write(&address, a.address()).unwrap();
    let config = Config::new()
        .exporter(&format!(
            "otlp/a: {{endpoint: '${{file:{}}}', tls: {{insecure: true}}}}",
            address.display()
        ))
        .pipeline("traces: {receivers: [otlp], exporters: [otlp/a]}");
    let ringtail = config.start().await;
    ringtail.export(traces([span(1, 0)])).await.unwrap();
    std::fs::write(&address, b.address()).unwrap();
    applied(&ringtail, 2).await;
    ringtail.export(traces([span(2, 0)])).await.unwrap();
    assert!(a.has("operation 1/0") && b.has("operation 2/0"));
    std::fs::remove_file(&address).unwrap();
    let last = crate::config::refused(&ringtail).await;
    assert!(last["reason"].as_str().unwrap().contains(&address.display().to_string()), "{last}");
    ringtail.export(traces([span(3, 0)])).await.unwrap();
    std::fs::write(&address, a.address()).unwrap();
    applied_after_refusal(&ringtail, 3).await;
    ringtail.export(traces([span(4, 0)])).await.unwrap();
    assert!(b.has("operation 3/0") && a.has("operation 4/0"));
}

async fn applied_after_refusal(ringtail: &crate::support::process::Ringtail, wanted: u64) {
    wait::until_some("it is applied", || async { (generation(ringtail).await == wanted).then_some(()) })
        .await;
}
