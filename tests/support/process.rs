//! The binary under test as a process.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use parking_lot::Mutex;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use super::backend::Backend;
use super::ledger::Scrape;
use super::load::{hex, trace_id};
use super::{Traces, TracesAnswer, http, wait};

/// Next port to try. Below the ports that outgoing connections get, so that nothing takes one between look and use;
/// processes that test at once start at different places.
static NEXT: AtomicU16 = AtomicU16::new(0);
const FIRST: u16 = 12_000;
const PORTS: u16 = 20_000;

/// An address on this machine that nobody listens on.
pub fn free_address() -> SocketAddr {
    let start = (std::process::id().wrapping_mul(397) % u32::from(PORTS)) as u16;
    loop {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + n % PORTS) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Where a process listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub metrics: SocketAddr,
    pub admin: SocketAddr,
}

impl Ports {
    pub fn free() -> Self {
        Self { grpc: free_address(), http: free_address(), metrics: free_address(), admin: free_address() }
    }
}

/// A running ringtail, killed when dropped.
pub struct Ringtail {
    child: Mutex<Child>,
    pub ports: Ports,
    pub dir: TempDir,
    arguments: Vec<String>, // beside --config
    stderr: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
    readers: Mutex<[JoinHandle<()>; 2]>, // of what it says
}

impl Ringtail {
    /// Starts the binary with a configuration and waits until it is ready.
    pub async fn start(config: &str, ports: Ports, dir: TempDir) -> Self {
        let ringtail = Self::spawn(config, ports, dir);
        ringtail.ready().await;
        ringtail
    }

    /// Waits until it takes requests.
    pub async fn ready(&self) {
        wait::until_some("the process is ready", || async {
            if let Some(status) = self.exited() {
                let config = std::fs::read_to_string(config_in(&self.dir)).unwrap();
                panic!("it ended with {status} under\n{config}");
            }
            http::get(self.ports.admin, "/readyz").await.ok().filter(|answer| answer.status == 200)
        })
        .await;
    }

    /// Starts the binary with a configuration that may be wrong.
    pub fn spawn(config: &str, ports: Ports, dir: TempDir) -> Self {
        Self::spawn_with(config, Vec::new(), ports, dir)
    }

    /// The same, with more arguments.
    pub fn spawn_with(config: &str, arguments: Vec<String>, ports: Ports, dir: TempDir) -> Self {
        std::fs::write(config_in(&dir), config).unwrap();
        let (stderr, stdout) = (Arc::default(), Arc::default());
        let (child, readers) = launch(&dir, &arguments, &stderr, &stdout);
        Self { child: Mutex::new(child), ports, dir, arguments, stderr, stdout, readers: Mutex::new(readers) }
    }

    /// Kills it where it stands (SIGKILL).
    pub fn kill(&self) {
        let mut child = self.child.lock();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it again under the same configuration, at once: [`Self::ready`] says when it takes requests. What it
    /// logs follows what it has logged before.
    pub fn respawn(&self) {
        let mut child = self.child.lock();
        assert!(child.try_wait().unwrap().is_some(), "it still runs");
        (*child, *self.readers.lock()) = launch(&self.dir, &self.arguments, &self.stderr, &self.stdout);
    }

    /// What it has logged, in all its lives.
    pub fn stderr(&self) -> String {
        self.stderr.lock().clone()
    }

    /// What it has shown.
    pub fn stdout(&self) -> String {
        self.stdout.lock().clone()
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child.lock().try_wait().unwrap()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal by its name, such as `-HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.lock().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end after [`Self::terminate`], and until all that it has said is read; returns the exit code.
    pub async fn ended(&self) -> i32 {
        let status = wait::until_some("the process ends", || async { self.exited() }).await;
        let read = || self.readers.lock().iter().all(JoinHandle::is_finished);
        wait::until("what it has said is read", read).await;
        status.code().unwrap_or(-1)
    }

    /// A gRPC connection of its own.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.ports.grpc)).unwrap().connect_lazy()
    }

    /// A client of traces on a connection of its own.
    pub fn traces(&self) -> TraceServiceClient<Channel> {
        TraceServiceClient::new(self.channel())
    }

    pub fn logs(&self) -> LogsServiceClient<Channel> {
        LogsServiceClient::new(self.channel())
    }

    pub fn metrics(&self) -> MetricsServiceClient<Channel> {
        MetricsServiceClient::new(self.channel())
    }

    /// Sends one request on a connection of its own.
    pub async fn export(&self, request: Traces) -> Result<TracesAnswer, tonic::Status> {
        self.traces().export(request).await.map(tonic::Response::into_inner)
    }

    /// Posts a body of traces.
    pub async fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> http::Answer {
        http::send(self.ports.http, http::request("POST", "/v1/traces", headers, body)).await.unwrap()
    }

    /// A page of the admin API.
    pub async fn page(&self, path: &str) -> serde_json::Value {
        let answer = http::get(self.ports.admin, path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The address of the member that owns a trace, by the admin API.
    pub async fn owner(&self, trace: u64) -> String {
        let page = self.page(&format!("/trace/{}", hex(&trace_id(trace)))).await;
        let owner = &page["owners"]["load_balancing"]["owner"]["address"];
        owner.as_str().unwrap_or_else(|| panic!("no owner: {page}")).to_owned()
    }

    /// Numbers of `n` traces that this backend owns.
    pub async fn owned_by(&self, backend: &Backend, n: usize) -> Vec<u64> {
        let mut owned = Vec::new();
        for trace in 0..1000 {
            if owned.len() == n {
                return owned;
            }
            if self.owner(trace).await == backend.address() {
                owned.push(trace);
            }
        }
        panic!("{} owns too little", backend.address());
    }

    /// `POST /reload`.
    pub async fn reload(&self) -> http::Answer {
        http::send(self.ports.admin, http::request("POST", "/reload", &[], "")).await.unwrap()
    }

    pub async fn scrape(&self) -> Scrape {
        Scrape::parse(&http::get(self.ports.metrics, "/metrics").await.unwrap().text())
    }

    /// Waits until a scrape satisfies `holds`.
    pub async fn scrape_until(&self, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        wait::until_some(what, || async { Some(self.scrape().await).filter(&holds) }).await
    }

    /// Waits until nothing is held; then every sum must close.
    pub async fn settled(&self) -> Scrape {
        self.scrape_until("nothing is held", |scrape| scrape.held() == 0.0).await;
        let scrape = self.scrape().await; // the first one may have been taken in the midst of the last changes
        scrape.assert_balanced();
        scrape
    }
}

impl Drop for Ringtail {
    #[allow(clippy::print_stderr)] // the harness shows it with the failure
    fn drop(&mut self) {
        let mut child = self.child.lock();
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            let log = self.stderr.lock();
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            eprintln!("--- the process said:\n{}", tail.join("\n"));
        }
    }
}

fn config_in(dir: &TempDir) -> PathBuf {
    dir.path().join("ringtail.yaml")
}

/// A process under the configuration in `dir`.
fn launch(
    dir: &TempDir,
    arguments: &[String],
    stderr: &Arc<Mutex<String>>,
    stdout: &Arc<Mutex<String>>,
) -> (Child, [JoinHandle<()>; 2]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtail"));
    command.args(["run", "--config"]).arg(config_in(dir)).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let readers =
        [follow(child.stderr.take().unwrap(), stderr), follow(child.stdout.take().unwrap(), stdout)];
    (child, readers)
}

fn follow(mut pipe: impl Read + Send + 'static, sink: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let sink = Arc::clone(sink);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            sink.lock().push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    })
}
