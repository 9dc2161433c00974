//! Where both programs send what they kept: one backend that sorts by the policy set that a header names.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};

use crate::corpus::{TraceId, trace_id};

const MESSAGE_MAX: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
/// The header in which an exporter names its set.
pub const SET: &str = "x-set";
/// One set in so many is compared whole, not only by ids and what a sampler writes: that costs the most.
const WHOLE: usize = 8;
/// Attributes by which a scope says which policy kept its spans.
const RECORDED: &str = "tailsampling.";

/// A span that came out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    pub span_id: Vec<u8>,
    /// What its scope says of the policy.
    pub policy: String,
    pub trace_state: String,
    /// Everything else, of one set in some: resource, scope and span. Schema URLs are left out: this collector loses them.
    pub content: u64,
}

/// What one set kept.
pub type Verdicts = BTreeMap<TraceId, Vec<Kept>>;

#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Verdicts>>>);

/// The backend, ended with the test.
pub struct Sink {
    pub port: u16,
    shelf: Shelf,
    runtime: Runtime,
}

impl Sink {
    /// Listens on a free port.
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shelf = Shelf::default();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = TraceServiceServer::new(shelf.clone()).max_decoding_message_size(MESSAGE_MAX);
        let server = Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { port, shelf, runtime }
    }

    /// What a set kept so far, spans of a trace in an order of their own.
    pub fn verdicts(&self, set: &str) -> Verdicts {
        let mut verdicts = self.shelf.0.lock().get(set).cloned().unwrap_or_default();
        verdicts.values_mut().for_each(|spans| spans.sort());
        verdicts
    }

    /// How many spans a set kept so far.
    pub fn spans(&self, set: &str) -> usize {
        self.shelf.0.lock().get(set).map_or(0, |verdicts| verdicts.values().map(Vec::len).sum())
    }

    /// A connection to a program, to send over.
    pub fn connect(&self, port: u16) -> Sender<'_> {
        let address = format!("http://127.0.0.1:{port}");
        let client = self.runtime.block_on(TraceServiceClient::connect(address)).unwrap();
        Sender { client, runtime: &self.runtime }
    }
}

/// One connection, over which requests go one after the other.
pub struct Sender<'a> {
    client: TraceServiceClient<Channel>,
    runtime: &'a Runtime,
}

impl Sender<'_> {
    /// Sends a request until it is taken.
    pub fn send(&mut self, request: &ExportTraceServiceRequest) {
        let start = Instant::now();
        let answer = loop {
            match self.runtime.block_on(self.client.export(request.clone())) {
                Ok(answer) => break answer.into_inner(),
                Err(status) => {
                    let busy = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
                    assert!(busy && start.elapsed() < PATIENCE, "refused: {status}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        };
        assert_eq!(answer.partial_success.map_or(0, |partial| partial.rejected_spans), 0);
    }
}

#[tonic::async_trait]
impl TraceService for Shelf {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let set = request.metadata().get(SET).and_then(|set| set.to_str().ok()).unwrap_or("none").to_owned();
        let whole = set.parse::<usize>().is_ok_and(|set| set % WHOLE == 0);
        let resources = request.into_inner().resource_spans.into_iter();
        let kept: Vec<_> = resources.flat_map(|resource| kept(resource, whole)).collect();
        let mut shelf = self.0.lock();
        let verdicts = shelf.entry(set).or_default();
        for (trace_id, span) in kept {
            verdicts.entry(trace_id).or_default().push(span);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn kept(of: ResourceSpans, whole: bool) -> Vec<(TraceId, Kept)> {
    let mut resource = of.resource.unwrap_or_default();
    valued(&mut resource.attributes);
    let resource = resource.encode_to_vec();
    let mut all = Vec::new();
    for of_scope in of.scope_spans {
        let mut scope = of_scope.scope.unwrap_or_default();
        let (recorded, own): (Vec<_>, Vec<_>) =
            scope.attributes.into_iter().partition(|attribute| attribute.key.starts_with(RECORDED));
        scope.attributes = own;
        valued(&mut scope.attributes);
        let mut recorded: Vec<_> = recorded.iter().map(shown).collect();
        recorded.sort();
        let policy = recorded.join(" ");
        let scope = scope.encode_to_vec();
        for span in of_scope.spans {
            let mut span = plain(span);
            let (trace_id, span_id) = (trace_id(&span), span.span_id.clone());
            let trace_state = std::mem::take(&mut span.trace_state);
            let mut content = DefaultHasher::new();
            if whole {
                (&resource, &scope, span.encode_to_vec()).hash(&mut content);
            }
            let content = content.finish();
            all.push((trace_id, Kept { span_id, policy: policy.clone(), trace_state, content }));
        }
    }
    all
}

/// An id of zeros is no id, a status of nothing no status.
fn plain(mut span: Span) -> Span {
    for id in [&mut span.trace_id, &mut span.span_id, &mut span.parent_span_id] {
        if id.iter().all(|&byte| byte == 0) {
            id.clear();
        }
    }
    span.status = Some(span.status.unwrap_or_default());
    let events = span.events.iter_mut().map(|event| &mut event.attributes);
    let links = span.links.iter_mut().map(|link| &mut link.attributes);
    events.chain(links).chain([&mut span.attributes]).for_each(|attributes| valued(attributes));
    span
}

/// No value is an empty one.
fn valued(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        match attribute.value.get_or_insert_default() {
            AnyValue { value: Some(Value::KvlistValue(list)) } => valued(&mut list.values),
            AnyValue { value: Some(Value::ArrayValue(list)) } => {
                for element in &mut list.values {
                    if let Some(Value::KvlistValue(list)) = &mut element.value {
                        valued(&mut list.values);
                    }
                }
            }
            _ => {}
        }
    }
}

fn shown(attribute: &KeyValue) -> String {
    let value = match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(value) }) => format!("{value:?}"),
        _ => "nothing".to_owned(),
    };
    format!("{}={value}", &attribute.key[RECORDED.len()..])
}
