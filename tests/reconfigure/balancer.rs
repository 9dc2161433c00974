//! The `load_balancing` exporter: what waits for a member leaves as the new configuration says, once.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use ringtail::client::{Protocol, Transport};
use ringtail::compress::Compression;
use ringtail::discover;
use ringtail::flow::{Answer, Consumer, Request};
use ringtail::forward::{
    Config, Following, Gather, Hold, LoadBalancer, Parts, Queue, RoutingKey, Sizer, WithoutTraceId,
};
use ringtail::observe::Registry;
use ringtail::outcome::{Reason, Signal};
use ringtail::retry;
use ringtail::route::Ring;
use ringtail::tls::{ClientConfig, Pem};
use ringtail::workers::Workers;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::backend::{Backend, Reply};
use crate::support::ledger::Scrape;
use crate::support::load::{span, traces};
use crate::support::process::free_address;
use crate::support::wait;

/// Longer than any test: what happens, happens for another reason.
const NEVER: Duration = Duration::from_secs(3600);

struct Bench {
    balancer: LoadBalancer,
    following: Following,
    registry: Registry,
    _workers: Arc<Workers>,
}

impl Bench {
    async fn start(config: Config) -> Self {
        let (workers, registry) = (Arc::new(Workers::start(2).unwrap()), Registry::new());
        let resolver = config.resolver.clone();
        let (name, signal) = ("lb", Signal::Traces);
        let parts = Parts { name, signal, config, workers: Arc::clone(&workers), registry: &registry };
        let balancer = LoadBalancer::new(parts).unwrap();
        let stop = CancellationToken::new();
        let following = Following::start(resolver, vec![balancer.clone()], &stop).await.unwrap();
        Self { balancer, following, registry, _workers: workers }
    }

    fn send(&self, traces: Range<u64>) -> Vec<JoinHandle<Answer>> {
        traces.map(|trace| tokio::spawn(self.balancer.consume(request(trace)))).collect()
    }

    fn change(&self, config: Config) {
        self.balancer.reconfigure(config).unwrap();
    }

    fn scrape(&self) -> Scrape {
        Scrape::parse(&self.registry.render(false))
    }

    async fn assert_held(&self, items: u64) {
        wait::until("so many are held", || self.scrape().ledger("lb", "traces").held == items).await;
    }

    async fn assert_settled(&self) {
        self.assert_held(0).await;
        self.scrape().assert_balanced();
    }
}

fn over(members: &[String]) -> Config {
    Config {
        routing_key: RoutingKey::TraceId,
        ring: Ring::Rendezvous,
        resolver: discover::Config::Static(members.to_vec()),
        protocol: Protocol {
            transport: Transport::Grpc,
            tls: ClientConfig { insecure: true, ..ClientConfig::default() },
            compression: None,
            headers: Vec::new(),
            auth: None,
            keepalive: None,
            connections: 1,
        },
        timeout: Duration::from_secs(20),
        retry: retry::Config { initial_interval: NEVER, max_interval: NEVER, ..retry::Config::default() },
        sending_queue: None,
        hold: Hold { max_age: NEVER, ..Hold::default() },
        gather: Gather::default(),
        without_trace_id: WithoutTraceId::Refuse,
    }
}

/// One span.
fn request(trace: u64) -> Request {
    Request {
        signal: Signal::Traces,
        body: Bytes::from(traces([span(trace, 0)]).encode_to_vec()),
        items: 1,
        arrived: Instant::now(),
        deadline: None,
        kept: false,
        batched: false,
        origin: None,
        window: ringtail::flow::Window::None,
    }
}

/// The spans of all backends together, each trace once.
async fn assert_arrived(backends: &[&Backend], traces: Range<u64>) {
    let mut wanted: Vec<_> = traces.map(|trace| format!("operation {trace}/0")).collect();
    let arrived = || backends.iter().map(|backend| backend.spans().len()).sum::<usize>() >= wanted.len();
    wait::until("everything has arrived", arrived).await;
    let mut names: Vec<_> = backends.iter().flat_map(|one| one.spans()).map(|seen| seen.span.name).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

async fn assert_taken(sent: Vec<JoinHandle<Answer>>) {
    for one in sent {
        assert_eq!(one.await.unwrap().unwrap().rejected_items, 0);
    }
}

#[tokio::test]
async fn what_waits_is_sent_as_the_new_protocol_says_and_has_not_moved() {
    let (one, two) = (Backend::grpc().await, Backend::grpc().await);
    let config = over(&[one.address(), two.address()]);
    for backend in [&one, &two] {
        backend.answer(|_| Reply::Refuse(Code::Unavailable, None));
    }
    let bench = Bench::start(config.clone()).await;
    let sent = bench.send(0..40);
    wait::until("both have refused", || one.calls() > 0 && two.calls() > 0).await;
    bench.assert_held(40).await;
    for backend in [&one, &two] {
        backend.answer(|_| Reply::Take);
    }
    let mut changed = config.clone();
    changed.protocol.headers = vec![("x-tenant".into(), "a".into())];
    changed.protocol.compression = Some(Compression::Gzip);
    bench.change(changed);
    assert_taken(sent).await;
    assert_arrived(&[&one, &two], 0..40).await;
    assert_eq!(one.last_header("x-tenant").as_deref(), Some("a"));
    assert_eq!(one.last_header("grpc-encoding").as_deref(), Some("gzip"));
    bench.assert_settled().await;
    let scrape = bench.scrape();
    assert_eq!(scrape.sum("ringtail_rerouted_items", &[("exporter", "lb")]), 0.0, "owners are the same");
    let connections = one.connections();
    bench.change(Config { hold: Hold::default(), ..config.clone() });
    bench.change(Config { routing_key: RoutingKey::Service, ..config });
    assert_taken(bench.send(40..60)).await;
    assert_arrived(&[&one, &two], 0..60).await;
    assert!(one.connections() <= connections + 2, "a connection a worker for the protocol of before");
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_call_in_flight_ends_where_it_began() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let config = over(&[backend.address()]);
    let bench = Bench::start(config.clone()).await;
    let sent = bench.send(0..1);
    wait::until("a call is in flight", || backend.calls() == 1).await;
    let mut changed = config;
    changed.protocol.headers = vec![("x-tenant".into(), "a".into())];
    bench.change(changed);
    let next = bench.send(1..2);
    wait::until("the next does not wait for it", || backend.calls() == 2).await;
    backend.open_gate();
    assert_taken(sent).await;
    assert_taken(next).await;
    assert_arrived(&[&backend], 0..2).await;
    assert_eq!(backend.calls(), 2);
    bench.assert_settled().await;
}

#[tokio::test]
async fn what_waits_for_a_retry_follows_the_new_rule_on_the_same_connections() {
    let backend = Backend::grpc().await;
    backend.answer_next(1, Reply::Refuse(Code::Unavailable, None));
    let config = over(&[backend.address()]);
    let bench = Bench::start(config.clone()).await;
    let sent = bench.send(0..1);
    wait::until("it was refused", || backend.calls() == 1).await;
    bench.assert_held(1).await;
    let connections = backend.connections();
    let soon = Duration::from_millis(20);
    let retry = retry::Config { initial_interval: soon, max_interval: soon, ..retry::Config::default() };
    bench.change(Config { retry, ..config });
    assert_taken(sent).await;
    assert_arrived(&[&backend], 0..1).await;
    assert_eq!(backend.connections(), connections);
    bench.assert_settled().await;
}

#[tokio::test]
async fn bounds_grow_and_shrink_under_what_is_held() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let config = over(&[backend.address()]);
    let bounded = |max_bytes_per_backend| Config {
        hold: Hold { max_bytes_per_backend, max_age: NEVER, ..Hold::default() },
        ..config.clone()
    };
    let bench = Bench::start(bounded(1 << 20)).await;
    let sent = bench.send(0..10);
    bench.assert_held(10).await;
    bench.change(bounded(100));
    assert_eq!(bench.balancer.consume(request(99)).await.unwrap_err().reason, Reason::LaneFull);
    bench.change(bounded(1 << 20));
    let more = bench.send(10..20);
    bench.assert_held(20).await;
    backend.open_gate();
    assert_taken(sent).await;
    assert_taken(more).await;
    assert_arrived(&[&backend], 0..20).await;
    bench.assert_settled().await;
}

#[tokio::test]
async fn a_sending_queue_comes_changes_its_unit_and_goes_and_promises_stay_what_they_were() {
    let backend = Backend::grpc().await;
    backend.close_gate();
    let config = over(&[backend.address()]);
    let queued = |queue_size, sizer| Config {
        sending_queue: Some(Queue { queue_size, sizer, ..Queue::default() }),
        ..config.clone()
    };
    let bench = Bench::start(config.clone()).await;
    let waiting = bench.send(0..1);
    bench.assert_held(1).await;
    bench.change(queued(2, Sizer::Requests));
    assert_taken(bench.send(1..3)).await;
    assert_eq!(bench.balancer.consume(request(99)).await.unwrap_err().reason, Reason::QueueFull);
    bench.change(queued(3, Sizer::Items));
    assert_taken(bench.send(3..4)).await;
    assert_eq!(bench.balancer.consume(request(99)).await.unwrap_err().reason, Reason::QueueFull);
    bench.change(config.clone());
    let unqueued = bench.send(4..5);
    bench.assert_held(5).await;
    backend.answer(|_| Reply::Refuse(Code::PermissionDenied, None));
    backend.open_gate();
    for sent in waiting.into_iter().chain(unqueued) {
        assert_eq!(sent.await.unwrap().unwrap_err().reason, Reason::BackendRefused);
    }
    bench.assert_settled().await;
    let sums = bench.scrape().ledger("lb", "traces");
    assert_eq!((sums.dropped, sums.refused), (3, 4), "three were promised, two not, two found no room");
}

#[tokio::test]
async fn members_of_another_source_take_over_what_waits_for_those_that_go() {
    let (dead, alive) = (free_address().to_string(), Backend::grpc().await);
    let config = over(&[dead, alive.address()]);
    let bench = Bench::start(config.clone()).await;
    let sent = bench.send(0..40);
    wait::until("the others have arrived", || !alive.spans().is_empty()).await;
    let resolver = discover::Config::Static(vec![alive.address()]);
    bench.following.prepare(resolver).await.unwrap().make();
    assert_taken(sent).await;
    assert_arrived(&[&alive], 0..40).await;
    bench.assert_settled().await;
    assert_eq!(bench.balancer.routes().members().len(), 1);
    let empty = discover::Config::Static(Vec::new());
    assert!(bench.following.prepare(empty).await.is_err());
    let unknown = discover::Dns {
        hostname: "nobody.invalid".into(),
        port: 4317,
        interval: NEVER,
        timeout: Duration::from_millis(200),
    };
    let unknown = discover::Config::Dns(unknown);
    bench.following.prepare(unknown.clone()).await.unwrap().make();
    bench.change(Config { resolver: unknown, ..config });
    assert_taken(bench.send(40..50)).await;
    assert_arrived(&[&alive], 0..50).await;
    let backends =
        |resolver| bench.scrape().sum("otelcol_loadbalancer_num_backends", &[("resolver", resolver)]);
    assert_eq!((backends("static"), backends("dns")), (0.0, 1.0));
}

#[tokio::test]
async fn another_ring_holds_for_what_comes() {
    let backends = [Backend::grpc().await, Backend::grpc().await, Backend::grpc().await];
    let all: Vec<_> = backends.iter().collect();
    let config = over(&backends.iter().map(Backend::address).collect::<Vec<_>>());
    let bench = Bench::start(config.clone()).await;
    assert_taken(bench.send(0..50)).await;
    assert_arrived(&all, 0..50).await;
    bench.change(Config { ring: Ring::CollectorV3, ..config });
    assert_eq!(bench.balancer.routes().ring(), Ring::CollectorV3);
    all.iter().for_each(|backend| backend.forget());
    assert_taken(bench.send(0..50)).await;
    assert_arrived(&all, 0..50).await;
    let routes = bench.balancer.routes();
    for backend in &all {
        for seen in backend.spans() {
            let id = ringtail::trace_id::TraceId::from_slice(&seen.span.trace_id).unwrap();
            let owner = &routes.members()[usize::from(routes.owner_of_trace(&id).unwrap())];
            assert_eq!(owner.address, backend.address());
        }
    }
    bench.assert_settled().await;
}

#[tokio::test]
async fn what_cannot_be_is_named_and_nothing_has_changed() {
    let backend = Backend::grpc().await;
    let config = over(&[backend.address()]);
    let bench = Bench::start(config.clone()).await;
    let mut broken = config.clone();
    broken.protocol.tls = ClientConfig { ca: Some(Pem::File("/none/ca".into())), ..ClientConfig::default() };
    let error = bench.balancer.reconfigure(broken).unwrap_err().to_string();
    assert!(error.starts_with("tls.ca_file: cannot read /none/ca"), "{error}");
    let mut broken = config.clone();
    broken.protocol.headers = vec![("a b".into(), "c".into())];
    assert!(bench.balancer.reconfigure(broken).is_err());
    drop(bench.balancer.prepare(Config { ring: Ring::CollectorV1, ..config }).unwrap());
    assert_eq!(bench.balancer.routes().ring(), Ring::Rendezvous);
    assert_taken(bench.send(0..5)).await;
    assert_arrived(&[&backend], 0..5).await;
}
