//! The members file under load: who joins, leaves or moves, and what becomes of what was on its way.

use std::path::PathBuf;

use crate::support::backend::Backend;
use crate::support::ledger::Scrape;
use crate::support::load::{assert_arrived_once, hex, owners, span, trace_id, traces};
use crate::support::process::Ringtail;
use crate::support::setup::Setup;
use crate::support::{Traces, wait};

/// A members file in the process's directory.
struct File(PathBuf);

impl File {
    fn of(setup: &Setup) -> Self {
        Self(setup.dir.path().join("members.yaml"))
    }

    /// Writes the file as most tools do: beside, then renamed over.
    fn write(&self, members: &[(&str, &Backend)]) {
        let lines =
            members.iter().map(|(id, backend)| format!("- {{id: {id}, address: '{}'}}\n", backend.address()));
        self.text(&format!("members:\n{}", lines.collect::<String>()));
    }

    fn text(&self, text: &str) {
        let beside = self.0.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, &self.0).unwrap();
    }
}

async fn start(members: &[(&str, &Backend)], more: &str) -> (Ringtail, File) {
    let mut setup = Setup::resolving("");
    let file = File::of(&setup);
    file.write(members);
    setup.balancer.resolver = format!(
        "{{file: {{path: '{}', debounce: 10ms, poll_interval: 60s, max_shrink: 1}}}}",
        file.0.display()
    );
    setup.balancer.more = format!(", hold: {{max_age: 60s}}{more}");
    (setup.start().await, file)
}

async fn members_are(ringtail: &Ringtail, n: usize) -> Scrape {
    let updated = |scrape: &Scrape| scrape.sum("otelcol_loadbalancer_num_backends", &[]) == n as f64;
    ringtail.scrape_until("the members are in force", updated).await
}

fn request(ids: impl IntoIterator<Item = u64>, n: u64) -> Traces {
    traces(ids.into_iter().map(|trace| span(trace, n)))
}

/// Scenario: a member joins three others.
/// Guarantee: only traces that move to it change their owner; no connection to the others is closed or opened.
#[tokio::test]
async fn a_new_member_takes_its_share_and_nothing_else_moves() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let d = Backend::grpc().await;
    let three = [("a", &a), ("b", &b), ("c", &c)];
    let (ringtail, file) = start(&three, "").await;
    let mut client = ringtail.traces();
    client.export(request(0..200, 0)).await.unwrap();
    let before = owners(&[&a, &b, &c]);
    let connections: Vec<_> = three.iter().map(|(_, backend)| backend.connections()).collect();
    file.write(&[("a", &a), ("b", &b), ("c", &c), ("d", &d)]);
    members_are(&ringtail, 4).await;
    let scrape =
        ringtail.scrape_until("the moved share is known", |s| s.sum("ringtail_moved_share", &[]) > 0.0).await;
    client.export(request(1000..1200, 0)).await.unwrap();
    for backend in [&a, &b, &c, &d] {
        assert!(!backend.spans().is_empty());
    }
    let addresses = three.map(|(_, backend)| backend.address());
    let mut moved = 0;
    for (trace, n) in (0..200).map(|n| (trace_id(n), n)) {
        let owner = ringtail.owner(n).await;
        if owner == d.address() {
            moved += 1;
        } else {
            assert_eq!(owner, addresses[before[&trace]], "trace {} moved for nothing", hex(&trace));
        }
    }
    let share = scrape.sum("ringtail_moved_share", &[]);
    assert!((0.15..0.35).contains(&share), "a quarter of all traces moves: {share}");
    assert!((20..90).contains(&moved), "{moved} of 200 moved");
    let after: Vec<_> = three.iter().map(|(_, backend)| backend.connections()).collect();
    assert_eq!(connections, after, "connections to members that stay");
    assert_arrived_once(&[request(0..200, 0), request(1000..1200, 0)], &[&a, &b, &c, &d]);
    ringtail.settled().await;
}

/// Scenario: a dead member leaves while spans are held for it.
/// Guarantee: they go to their new owners, counted as re-routed; senders see success; others keep their traces.
#[tokio::test]
async fn what_was_held_for_a_member_that_leaves_goes_to_its_new_owners() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let (ringtail, file) = start(&[("a", &a), ("b", &b), ("c", &c)], "").await;
    ringtail.export(request(0..90, 0)).await.unwrap();
    let before = owners(&[&a, &b, &c]);
    let left = before.values().filter(|owner| **owner == 2).count() as u64;
    c.stop();
    let sends: Vec<_> = (0..9)
        .map(|n| {
            let (mut client, request) = (ringtail.traces(), request((n * 10)..(n * 10 + 10), 1));
            tokio::spawn(async move { client.export(request).await })
        })
        .collect();
    let held = |scrape: &Scrape| scrape.ledger("load_balancing", "traces").held == left;
    ringtail.scrape_until("the dead member's share is held", held).await;
    file.write(&[("a", &a), ("b", &b)]);
    for send in sends {
        send.await.unwrap().unwrap();
    }
    let later: Vec<_> =
        [&a, &b].iter().flat_map(|backend| backend.spans()).filter(|s| s.span.name.ends_with("/1")).collect();
    assert_eq!(later.len(), 90, "all of the second round is with those who stay, once");
    for one in &later {
        let owner = before[&one.span.trace_id];
        let now = usize::from(!a.has(&one.span.name));
        assert!(owner == 2 || owner == now, "{} moved for nothing", one.span.name);
    }
    let scrape = ringtail.settled().await;
    assert_eq!(scrape.sum("ringtail_rerouted_items", &[]), left as f64);
    let two = |scrape: &Scrape| scrape.series("ringtail_ring_share", &[]).count() == 2;
    ringtail.scrape_until("the member that left has no series", two).await;
}

/// Scenario: a dead member comes back under another address, its id unchanged, while spans are held for it.
/// Guarantee: they arrive at the new address; no trace changes its owner; the other member notices nothing.
#[tokio::test]
async fn a_member_keeps_its_traces_when_its_address_changes() {
    let [a, b, elsewhere] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let (ringtail, file) = start(&[("a", &a), ("b", &b)], "").await;
    let mut client = ringtail.traces();
    client.export(request(0..60, 0)).await.unwrap();
    let before = owners(&[&a, &b]);
    let connections = a.connections();
    b.stop();
    let waiting = tokio::spawn(async move { client.export(request(0..60, 1)).await });
    ringtail.scrape_until("spans are held", |scrape| scrape.held() > 0.0).await;
    file.write(&[("a", &a), ("b", &elsewhere)]);
    waiting.await.unwrap().unwrap();
    let moved = |scrape: &Scrape| scrape.sum("otelcol_loadbalancer_num_backend_updates", &[]) >= 2.0;
    assert_eq!(
        ringtail.scrape_until("the members are in force", moved).await.sum("ringtail_moved_share", &[]),
        0.0
    );
    for (trace, owner) in before {
        let now = if owner == 0 { &a } else { &elsewhere };
        let arrived =
            now.spans().iter().any(|one| one.span.trace_id == trace && one.span.name.ends_with("/1"));
        assert!(arrived, "{} is not where it was", hex(&trace));
    }
    assert_eq!(a.connections(), connections);
    ringtail.settled().await;
}

/// Scenario: a file that is no list of members, an empty one, one with a member twice, and then a good one.
/// Guarantee: bad ones change nothing; `POST /reload` says why and where, the metric counts them; the good one is taken.
#[tokio::test]
async fn a_bad_members_file_changes_nothing_and_says_why() {
    let (a, b) = (Backend::grpc().await, Backend::grpc().await);
    let (ringtail, file) = start(&[("a", &a)], "").await;
    let twice = format!("members:\n- address: '{0}'\n- address: '{0}'\n", a.address());
    let bad =
        [("members: []\n", "empty"), ("members:\n- adress: x\n", "members.yaml:2"), (&*twice, "line 2")];
    for (index, (text, why)) in bad.iter().enumerate() {
        file.text(text);
        let reload = ringtail.reload().await;
        assert_eq!(reload.status, 422, "{}", reload.text());
        let result = &reload.json()["members"]["load_balancing"];
        assert_eq!(result["result"], "refused");
        assert!(result["reason"].as_str().unwrap().contains(why), "{result}");
        let membership = ringtail.page("/membership").await;
        let of = &membership["load_balancing"];
        assert!(of["last_error"].as_str().unwrap().contains(why), "{of}");
        assert_eq!(of["members"].as_array().unwrap().len(), 1);
        let refused = [("outcome", "refused")];
        let counted = |scrape: &Scrape| scrape.sum("ringtail_membership_reloads", &refused) > index as f64;
        ringtail.scrape_until("the refusal is counted", counted).await;
    }
    ringtail.export(request(0..5, 0)).await.unwrap();
    file.write(&[("a", &a), ("b", &b)]);
    let reload = ringtail.reload().await;
    assert_eq!(reload.status, 200, "{}", reload.text());
    members_are(&ringtail, 2).await;
    assert_eq!(ringtail.page("/membership").await["load_balancing"]["last_error"], serde_json::Value::Null);
    assert_arrived_once(&[request(0..5, 0)], &[&a]);
    ringtail.settled().await;
}

/// Scenario: senders go on while a member leaves and comes back several times.
/// Guarantee: every request succeeds, every span arrives once, and every sum closes.
#[tokio::test]
async fn members_come_and_go_under_load_without_loss() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let (all, two) = ([("a", &a), ("b", &b), ("c", &c)], [("a", &a), ("b", &b)]);
    let (ringtail, file) = start(&all, "").await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let senders: Vec<_> = (0..4u64)
        .map(|sender| {
            let (mut client, stop) = (ringtail.traces(), stop.clone());
            tokio::spawn(async move {
                let mut sent = Vec::new();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let first = sender * 1_000_000 + sent.len() as u64 * 20;
                    let request = request(first..first + 20, 0);
                    client.export(request.clone()).await.unwrap();
                    sent.push(request);
                }
                sent
            })
        })
        .collect();
    for round in 0..6 {
        let (members, n) = if round % 2 == 0 { (&two[..], 2) } else { (&all[..], 3) };
        file.write(members);
        members_are(&ringtail, n).await;
        let before = a.calls();
        wait::until("requests go on", || a.calls() > before + 3).await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    assert_arrived_once(&sent, &[&a, &b, &c]);
    ringtail.settled().await;
}

/// Scenario: a member is dead, its share of a request is refused after the hold; meanwhile its weight became zero, so
/// that its traces belong to the other member, which had taken its own share. The sender resends.
/// Guarantee: what moved arrives at its new owner: having taken one share does not count for another.
#[tokio::test]
async fn a_resend_after_a_change_of_members_loses_nothing() {
    let (a, b) = (Backend::grpc().await, Backend::grpc().await);
    let weighted = |weight| {
        format!(
            "members:\n- {{id: a, address: '{}'}}\n- {{id: b, address: '{}', weight: {weight}}}\n",
            a.address(),
            b.address()
        )
    };
    let mut setup = Setup::resolving("").with("hold: {max_age: 1500ms}");
    let file = File::of(&setup);
    file.text(&weighted(1));
    setup.balancer.resolver =
        format!("{{file: {{path: '{}', debounce: 10ms, max_shrink: 1}}}}", file.0.display());
    let ringtail = setup.start().await;
    b.stop();
    let (mut client, sent) = (ringtail.traces(), request(0..40, 0));
    let resent = sent.clone();
    let first = tokio::spawn(async move { client.export(sent).await });
    wait::until("one has its share", || !a.spans().is_empty()).await;
    ringtail.scrape_until("the other's share is held", |scrape| scrape.held() > 0.0).await;
    file.text(&weighted(0));
    assert_eq!(ringtail.reload().await.status, 200);
    let moved = |scrape: &Scrape| scrape.sum("ringtail_moved_share", &[]) > 0.0;
    ringtail.scrape_until("the weight is in force", moved).await;
    let answer = first.await.unwrap();
    if let Err(refusal) = answer {
        assert_eq!(refusal.code(), tonic::Code::Unavailable, "{refusal:?}");
        ringtail.export(resent.clone()).await.unwrap();
    }
    let arrived: std::collections::BTreeSet<_> = a.spans().into_iter().map(|one| one.key()).collect();
    assert_eq!(arrived.len(), 40, "acknowledged, but never delivered");
    ringtail.settled().await;
}

/// Scenario: a member that is slow, not dead, leaves with a call in its hands.
/// Guarantee: the call is not torn: it is answered, the sender sees success, the spans arrive once.
#[tokio::test]
async fn a_member_that_leaves_finishes_its_calls() {
    let (a, b) = (Backend::grpc().await, Backend::grpc().await);
    let (ringtail, file) = start(&[("a", &a), ("b", &b)], "").await;
    let of_b = ringtail.owned_by(&b, 5).await;
    b.close_gate();
    let (mut client, sent) = (ringtail.traces(), request(of_b, 0));
    let again = sent.clone();
    let waiting = tokio::spawn(async move { client.export(again).await });
    wait::until("the call is with the member", || b.calls() == 1).await;
    file.write(&[("a", &a)]);
    members_are(&ringtail, 1).await;
    b.open_gate();
    waiting.await.unwrap().unwrap();
    assert_arrived_once(&[sent], &[&a, &b]);
    assert_eq!((a.spans().len(), b.spans().len()), (0, 5));
    ringtail.settled().await;
}

/// Scenario: SIGHUP after the file was changed.
/// Guarantee: the process goes on, reads the members again and logs what came of it.
#[tokio::test]
async fn a_hangup_reads_the_members_again() {
    let (a, b) = (Backend::grpc().await, Backend::grpc().await);
    let (ringtail, file) = start(&[("a", &a)], "").await;
    file.write(&[("a", &a), ("b", &b)]);
    ringtail.signal("-HUP");
    let logged = || ringtail.stderr().contains("SIGHUP: read again");
    wait::until("the reading is logged", logged).await;
    members_are(&ringtail, 2).await;
    ringtail.export(request(0..50, 0)).await.unwrap();
    assert_arrived_once(&[request(0..50, 0)], &[&a, &b]);
    ringtail.settled().await;
}

/// Scenario: members of weight three, one and nought.
/// Guarantee: three quarters of the traces, a quarter, none; the shares shown are the same.
#[tokio::test]
async fn weights_decide_the_shares() {
    let [a, b, c] = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let mut setup = Setup::resolving("");
    let file = File::of(&setup);
    let line = |id, backend: &Backend, weight| {
        format!("- {{id: {id}, address: '{}', weight: {weight}}}\n", backend.address())
    };
    file.text(&format!("members:\n{}{}{}", line("a", &a, 3), line("b", &b, 1), line("c", &c, 0)));
    setup.balancer.resolver = format!("{{file: {{path: '{}', debounce: 10ms}}}}", file.0.display());
    let ringtail = setup.start().await;
    ringtail.export(request(0..2000, 0)).await.unwrap();
    let heavy = a.spans().len();
    assert!((1400..1600).contains(&heavy), "{heavy} of 2000");
    assert_eq!((heavy + b.spans().len(), c.spans().len()), (2000, 0));
    let scrape = ringtail.settled().await;
    for (id, share) in [("a", 0.75), ("b", 0.25), ("c", 0.0)] {
        let shown: f64 =
            scrape.series("ringtail_ring_share", &[("endpoint", id)]).map(|(_, share)| share).sum();
        assert!((shown - share).abs() < 0.03, "{id}: {shown}");
    }
}
