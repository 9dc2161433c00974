//! What may stand in which pipeline.

use super::Context;
use super::service::Wanted;
use crate::config::catalog::{Kind, signals};

/// Checks the components of one pipeline. Whether they exist has been checked before.
pub(super) fn check(context: &Context, pipeline: &Wanted) {
    let path = format!("{}::processors", pipeline.path);
    for (index, reference) in pipeline.processors.iter().enumerate() {
        let kind = reference.id.kind.as_str();
        if pipeline.processors[..index].iter().any(|known| known.id == reference.id) {
            continue; // reported as named twice
        }
        let known = signals(Kind::Processor, kind);
        if !known.contains(&pipeline.signal) {
            let message = format!(
                "failed to create {} processor, in pipeline \"{}\": telemetry type is not supported",
                reference.shown(),
                pipeline.id
            );
            let known: Vec<_> = known.iter().map(|signal| signal.name()).collect();
            let help = format!("{kind} stands in pipelines of {} only", known.join(", "));
            context.push(reference.mark.error(&path, message, Some(help)));
        }
    }
    exporters(context, pipeline);
}

/// Exporters that take other signals only.
fn exporters(context: &Context, pipeline: &Wanted) {
    let path = format!("{}::exporters", pipeline.path);
    for reference in &pipeline.exporters {
        let kind = reference.id.kind.as_str();
        let known = signals(Kind::Exporter, kind);
        if !known.contains(&pipeline.signal) {
            let message = format!(
                "failed to create {} exporter for data type \"{}\": telemetry type is not supported",
                reference.shown(),
                pipeline.signal.name()
            );
            let known: Vec<_> = known.iter().map(|signal| signal.name()).collect();
            let help = format!("{kind} stands in pipelines of {} only", known.join(", "));
            context.push(reference.mark.error(&path, message, Some(help)));
        }
    }
}
