//! From the configuration to a backend: address, TLS, path, labels.

use std::sync::Arc;

use super::backends::{Backend, Reach};
use super::consumer::Line;
use super::exporter::OtlpError;
use crate::auth::Credentials;
use crate::client::{HttpEncoding, HttpForm, Transport};
use crate::export::config::Otlp;
use crate::observe::ServerLabels;
use crate::outcome::Signal;
use crate::tls;
use crate::workers::Workers;

/// The backend of a configuration, with what can be wrong with it found.
pub fn backend(config: &Otlp, signal: Signal, workers: &Workers) -> Result<Arc<Backend>, OtlpError> {
    let backend = Backend::new(reach(config, signal)?, config.round_robin, workers.count());
    backend.map(Arc::new).map_err(OtlpError::Client)
}

/// Watches a backend until another takes its place.
pub fn watch(line: &Arc<Line>, backend: Arc<Backend>, workers: &Workers) {
    let line = Arc::clone(line);
    workers.handle(0).spawn(async move { line.pauses.watch(&backend).await });
}

fn reach(config: &Otlp, signal: Signal) -> Result<Reach, OtlpError> {
    let protocol = config.protocol.clone();
    let (address, tls, form) = match protocol.transport {
        Transport::Grpc => {
            (config.address.clone(), tls::connector(&protocol.tls, &[b"h2"])?, HttpForm::usual(signal))
        }
        Transport::Http => {
            let target = config.paths[signal as usize].as_ref();
            let target = target.ok_or_else(|| OtlpError::NoEndpoint(signal.name()))?;
            // The scheme decides; `insecure` means nothing over HTTP.
            let settings = tls::ClientConfig { insecure: false, ..protocol.tls.clone() };
            let tls = if target.tls { tls::connector(&settings, &[b"http/1.1"])? } else { None };
            let form = HttpForm { path: target.path.clone(), encoding: config.encoding };
            (target.address.clone(), tls, form)
        }
    };
    let form = match protocol.transport {
        Transport::Grpc => HttpForm { encoding: HttpEncoding::Protobuf, ..form },
        Transport::Http => form,
    };
    let auth = protocol.auth.as_ref().map(Credentials::open).transpose()?;
    Ok(Reach { address, tls, auth, signal, protocol, form, timeout: config.timeout })
}

/// Where it sends, as labels.
pub fn labels(reach: &Reach) -> ServerLabels {
    let (address, port) = reach.address.rsplit_once(':').unwrap_or((&reach.address, ""));
    let url_path = (reach.protocol.transport == Transport::Http).then(|| reach.form.path.clone());
    ServerLabels { address: address.to_owned(), port: port.parse().unwrap_or(0), url_path }
}
