//! Everything at once: backends that refuse, stall, die and return, members that change, senders that resend.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::load::{seen, span, traces};
use crate::support::process::Ringtail;
use crate::support::setup::Setup;
use crate::support::{Traces, wait};

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_millis(1500);

struct Scene {
    backends: Arc<[Backend; 3]>,
    ringtail: Ringtail,
    members: PathBuf,
}

impl Scene {
    async fn new(protocol: &str, more: &str) -> Self {
        let over_http = protocol == "otlp_http";
        let start = || async { if over_http { Backend::http().await } else { Backend::grpc().await } };
        let backends = Arc::new([start().await, start().await, start().await]);
        for (index, backend) in backends.iter().enumerate() {
            let mut random = fastrand::Rng::with_seed(index as u64);
            backend.answer(move |_| match random.u32(..20) {
                0 | 1 if over_http => Reply::Http(503, None),
                0 => Reply::Refuse(Code::Unavailable, None),
                1 => Reply::Refuse(Code::ResourceExhausted, Some(Duration::from_millis(20))),
                _ => Reply::Take,
            });
        }
        let mut setup = Setup::resolving("");
        let members = setup.dir.path().join("members.yaml");
        setup.balancer.resolver =
            format!("{{file: {{path: '{}', debounce: 5ms, max_shrink: 1}}}}", members.display());
        setup.balancer.protocol = format!("{{{protocol}: {{tls: {{insecure: true}}}}}}");
        setup.balancer.more = format!(", timeout: 150ms{more}");
        write(&members, &backends, [1, 1, 1]);
        Self { backends, ringtail: setup.start().await, members }
    }

    /// Makes trouble, then puts everything in order.
    async fn trouble(&self) {
        let mut random = fastrand::Rng::with_seed(7);
        let start = Instant::now();
        while start.elapsed() < TROUBLE {
            let backend = &self.backends[random.usize(..3)];
            match random.u32(..5) {
                0 => backend.stop(),
                1 => backend.close_gate(),
                2 => backend.say_goodbye(),
                _ => write(&self.members, &self.backends, [0; 3].map(|_| random.u32(..4)).map(|w| w.min(2))),
            }
            tokio::time::sleep(Duration::from_millis(random.u64(10..120))).await;
            if random.bool() {
                self.mend().await;
            }
        }
        self.mend().await;
        write(&self.members, &self.backends, [1, 1, 1]);
    }

    async fn mend(&self) {
        for backend in self.backends.iter() {
            backend.open_gate();
            if !backend.is_running() {
                backend.restart().await;
            }
        }
    }

    fn assert_arrived(&self, sent: &[Traces]) {
        let arrived: BTreeSet<_> =
            self.backends.iter().flat_map(|backend| backend.spans()).map(|one| one.key()).collect();
        let lost = sent.iter().flat_map(seen).filter(|one| !arrived.contains(&one.key())).count();
        assert_eq!(lost, 0, "acknowledged, and lost");
    }
}

/// Writes the members that have a weight; one at least.
fn write(path: &PathBuf, backends: &[Backend; 3], weights: [u32; 3]) {
    let mut text = "members:\n".to_owned();
    let nobody = weights.iter().all(|weight| *weight == 0);
    for (index, (backend, weight)) in backends.iter().zip(weights).enumerate() {
        if weight > 0 || nobody {
            text +=
                &format!("- {{id: m{index}, address: '{}', weight: {}}}\n", backend.address(), weight.max(1));
        } else if index == 0 {
            text += &format!("- {{id: m{index}, address: '{}', weight: 0}}\n", backend.address());
        }
    }
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// Sends requests until `until`, each again and again until it is acknowledged; then returns them.
async fn send_all(ringtail: &Ringtail, sender: u64, until: Instant) -> Vec<Traces> {
    let mut client = ringtail.traces();
    let mut sent = Vec::new();
    while Instant::now() < until {
        let first = sender * 1_000_000 + sent.len() as u64 * 12;
        let request = traces((first..first + 12).map(|trace| span(trace, 0)));
        let start = Instant::now();
        while let Err(refusal) = client.export(request.clone()).await {
            assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
            assert!(start.elapsed() < wait::DEADLINE, "never acknowledged: {refusal:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sent.push(request);
    }
    sent
}

/// Scenario: all kinds of trouble while six senders send, and resend what is refused; gRPC and OTLP/HTTP backends.
/// Guarantee: what was acknowledged has arrived; every sum closes.
#[tokio::test]
async fn nothing_acknowledged_is_lost_in_chaos() {
    for protocol in ["otlp", "otlp_http"] {
        let bounds = ", hold: {max_age: 250ms, max_bytes_per_backend: 20000}, gather: {max_bytes: 10000}";
        let scene = Scene::new(protocol, bounds).await;
        let until = Instant::now() + TROUBLE;
        let senders = join_all((0..6).map(|sender| send_all(&scene.ringtail, sender, until)));
        let (sent, ()) = tokio::join!(senders, scene.trouble());
        let sent = sent.concat();
        assert!(sent.len() > 5, "{} requests", sent.len());
        scene.assert_arrived(&sent);
        let scrape = scene.ringtail.settled().await;
        assert!(scrape.sum("ringtail_membership_reloads", &[("outcome", "applied")]) > 3.0);
    }
}

/// Scenario: the same with a `sending_queue`, which promises on its own.
/// Guarantee: what was acknowledged arrives in the end, without the senders' help.
#[tokio::test]
async fn a_queue_keeps_its_promises_in_chaos() {
    let scene = Scene::new("otlp", ", sending_queue: {queue_size: 100000}").await;
    let until = Instant::now() + TROUBLE;
    let senders = join_all((0..3).map(|sender| send_all(&scene.ringtail, sender, until)));
    let (sent, ()) = tokio::join!(senders, scene.trouble());
    let scrape = scene.ringtail.settled().await;
    scene.assert_arrived(&sent.concat());
    assert_eq!(scrape.ledger("load_balancing", "traces").dropped, 0);
}
