//! Backends in this process: they speak OTLP/gRPC, remember what they took, and refuse when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

const MESSAGE_MAX: usize = 64 << 20;

/// Several backends, ended with the test.
pub struct Backends {
    /// Where they listen.
    pub ports: Vec<u16>,
    all: Vec<Backend>,
    runtime: Runtime,
}

#[derive(Clone, Default)]
struct Backend(Arc<State>);

#[derive(Default)]
struct State {
    refuse: AtomicU32,
    traces: Mutex<Vec<ExportTraceServiceRequest>>,
    logs: Mutex<Vec<ExportLogsServiceRequest>>,
    metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
}

impl Backends {
    /// Starts backends on free ports.
    pub fn start(count: usize) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let all: Vec<Backend> = (0..count).map(|_| Backend::default()).collect();
        let ports = all.iter().map(|backend| runtime.block_on(serve(backend.clone()))).collect();
        Self { ports, all, runtime }
    }

    /// Their addresses, as a YAML list.
    pub fn hosts(&self) -> String {
        let hosts: Vec<_> = self.ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        format!("[{}]", hosts.join(", "))
    }

    /// Makes a backend answer this many of the next calls UNAVAILABLE.
    pub fn refuse(&self, backend: usize, calls: u32) {
        self.all[backend].0.refuse.store(calls, Ordering::SeqCst);
    }

    /// Requests for traces, each with the backend that took it; forgets them.
    pub fn traces(&self) -> Vec<(usize, ExportTraceServiceRequest)> {
        self.take(|state| &state.traces)
    }

    /// Requests for logs, likewise.
    pub fn logs(&self) -> Vec<(usize, ExportLogsServiceRequest)> {
        self.take(|state| &state.logs)
    }

    /// Requests for metrics, likewise.
    pub fn metrics(&self) -> Vec<(usize, ExportMetricsServiceRequest)> {
        self.take(|state| &state.metrics)
    }

    fn take<T>(&self, of: impl Fn(&State) -> &Mutex<Vec<T>>) -> Vec<(usize, T)> {
        let taken = self.all.iter().map(|backend| std::mem::take(&mut *of(&backend.0).lock()));
        taken.enumerate().flat_map(|(index, list)| list.into_iter().map(move |one| (index, one))).collect()
    }

    /// Sends requests one after the other over gRPC; each must be taken.
    pub fn send(&self, port: u16, requests: &[ExportTraceServiceRequest]) {
        self.runtime.block_on(async {
            let mut client = TraceServiceClient::connect(format!("http://127.0.0.1:{port}")).await.unwrap();
            for request in requests {
                client.export(request.clone()).await.unwrap();
            }
        });
    }
}

async fn serve(backend: Backend) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    macro_rules! service {
        ($server:ident) => {
            $server::new(backend.clone())
                .max_decoding_message_size(MESSAGE_MAX)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
        };
    }
    let router = Server::builder()
        .add_service(service!(TraceServiceServer))
        .add_service(service!(LogsServiceServer))
        .add_service(service!(MetricsServiceServer));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

impl Backend {
    fn admit(&self) -> Result<(), Status> {
        let lower = |left: u32| left.checked_sub(1);
        match self.0.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lower) {
            Ok(_) => Err(Status::unavailable("told to refuse")),
            Err(_) => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Backend {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.admit()?;
        self.0.traces.lock().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Backend {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.admit()?;
        self.0.logs.lock().push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Backend {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.admit()?;
        self.0.metrics.lock().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
